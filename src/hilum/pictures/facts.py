"""What the decoder tells of one instance: all that its place in a series and its overlays depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from hilum.errors import PermanentError

#: Longer texts and lists than these are no DICOM that anybody could look at.
_MAX_TEXT: Final = 1024
_MAX_LIST: Final = 100_000


class NonsenseError(PermanentError):
    """The decoder said something that has no meaning: it is not to be trusted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A window that the header proposes, in the units of the modality transformation."""

    center: float
    width: float
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of a segmentation.

    Attributes:
        number: From 1.
        colour: The recommended one, or one of ours, as ``#rrggbb``.
    """

    number: int
    label: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of one instance, as its header has them. No names, no numbers of patients.

    Attributes:
        unreadable: Why nothing else is known; empty: all is well.
        shown: It has pixels that can be decoded.
        why: If not, what it is and why there is no picture of it.
        frames: 0: it has no pixels.
        position: Image Position (Patient) of the first frame, mm; empty: none.
        orientation: Image Orientation (Patient), six direction cosines; empty: none.
        source_series: Of a segmentation, the series that it refers to.
        source_instances: Of a segmentation, the instances that its frames were derived from.
    """

    sop_instance: str = ""
    sop_class: str = ""
    what: str = ""
    unreadable: str = ""
    shown: bool = False
    why: str = ""
    series: str = ""
    series_number: int | None = None
    series_description: str = ""
    modality: str = ""
    instance_number: int | None = None
    rows: int = 0
    columns: int = 0
    frames: int = 0
    frame_of_reference: str = ""
    position: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    presets: tuple[Preset, ...] = ()
    is_segmentation: bool = False
    segments: tuple[Segment, ...] = ()
    source_series: tuple[str, ...] = ()
    source_instances: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a message."""
        return asdict(self)

    @classmethod
    def from_json(cls, message: object) -> Facts:
        """What ``to_json`` gave, every part of it looked at.

        Raises:
            NonsenseError: It is nothing that ``to_json`` gives.
        """
        try:
            return _read(message)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NonsenseError(f"the decoder gave an answer without meaning: {error}") from error


def _read(message: object) -> Facts:
    if not isinstance(message, Mapping):
        raise TypeError(f"{type(message).__name__}, not a mapping")
    return Facts(
        sop_instance=_text(message["sop_instance"]),
        sop_class=_text(message["sop_class"]),
        what=_text(message["what"]),
        unreadable=_text(message["unreadable"]),
        why=_text(message["why"]),
        series=_text(message["series"]),
        series_description=_text(message["series_description"]),
        modality=_text(message["modality"]),
        frame_of_reference=_text(message["frame_of_reference"]),
        series_number=_whole(message["series_number"]),
        instance_number=_whole(message["instance_number"]),
        rows=_count(message["rows"]),
        columns=_count(message["columns"]),
        frames=_count(message["frames"]),
        shown=_truth(message["shown"]),
        position=_numbers(message["position"], 3),
        orientation=_numbers(message["orientation"], 6),
        presets=tuple(
            Preset(center=_number(one["center"]), width=_number(one["width"]), name=_text(one["name"]))
            for one in _list(message["presets"])
        ),
        is_segmentation=_truth(message["is_segmentation"]),
        segments=tuple(
            Segment(number=_count(one["number"]), label=_text(one["label"]), colour=_colour(one["colour"]))
            for one in _list(message["segments"])
        ),
        source_series=tuple(_text(one) for one in _list(message["source_series"])),
        source_instances=tuple(_text(one) for one in _list(message["source_instances"])),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise TypeError("no text, or too long a one")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _whole(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**53:
        raise TypeError("no whole number")
    return value


def _count(value: object) -> int:
    found = _whole(value)
    if found is None or found < 0:
        raise ValueError("no count")
    return found


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError("no number")
    return float(value)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MAX_LIST:
        raise TypeError("no list, or too long a one")
    return value


def _numbers(value: object, count: int) -> tuple[float, ...]:
    found = tuple(_number(one) for one in _list(value))
    if len(found) not in {0, count}:
        raise ValueError(f"{len(found)} numbers, not {count}")
    return found


def _colour(value: object) -> str:
    text = _text(value)
    if len(text) != 7 or text[0] != "#" or any(one not in "0123456789abcdef" for one in text[1:]):
        raise ValueError("no colour")
    return text
