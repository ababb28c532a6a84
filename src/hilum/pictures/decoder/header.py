"""What a header says, frame by frame, in numbers that can be relied on.

Headers are written by everybody: what cannot be read is as if it were not there.

Source: PS3.3 C.7.6.16 (Multi-frame Functional Groups), C.11.1, C.11.2, C.10.7.1.3 (aspect).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
from pydicom.dataset import Dataset

from hilum.pictures.decoder.grey import Function, Lookup, Rescale, Scale, Window, is_valid

T = TypeVar("T")

_MAX_TEXT: Final = 64
#: A number of frames above this is a mistake or malice.
MAX_FRAMES: Final = 1_000_000


def lenient(read: Callable[[], T], otherwise: T) -> T:
    """What ``read`` finds, or something else if the header cannot be understood there."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  pydicom raises anything on values that break their VR
        return otherwise


def text(item: Dataset, keyword: str, longest: int = _MAX_TEXT) -> str:
    """An attribute as text without control characters; empty if there is none."""
    found = lenient(lambda: item.get(keyword), None)
    return "" if found is None else "".join(one for one in str(found) if one.isprintable())[:longest].strip()


def numbers(item: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an attribute that are finite numbers; empty if one of them is not."""

    def read() -> tuple[float, ...]:
        found = item.get(keyword)
        if found is None or isinstance(found, str | bytes):
            return () if found in {None, "", b""} else (float(found),)
        values = [float(one) for one in found] if hasattr(found, "__iter__") else [float(found)]
        return tuple(values) if all(math.isfinite(one) for one in values) else ()

    nothing: tuple[float, ...] = ()
    found = lenient(read, nothing)
    return found if all(math.isfinite(one) for one in found) else nothing


def number(item: Dataset, keyword: str) -> float | None:
    """The first value of an attribute if it is a finite number."""
    return next(iter(numbers(item, keyword)), None)


def whole(item: Dataset, keyword: str) -> int | None:
    """The same as a whole number."""
    found = number(item, keyword)
    return None if found is None or abs(found) >= 2**53 else int(found)


def items(item: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; empty if there is none."""

    def read() -> Sequence[Dataset]:
        found = item.get(keyword)
        return [one for one in found or () if isinstance(one, Dataset)]

    return lenient(read, ())


def frame_count(ds: Dataset) -> int:
    """At least 1."""
    return min(max(1, whole(ds, "NumberOfFrames") or 1), MAX_FRAMES)


def macros(ds: Dataset, frame: int, keyword: str) -> list[Dataset]:
    """Where a frame's attributes may stand: its own functional group, the shared one, the data set itself.

    Args:
        frame: From 1.
        keyword: Of the functional group's sequence.
    """
    own = lenient(lambda: ds["PerFrameFunctionalGroupsSequence"].value[frame - 1], None)
    shared = items(ds, "SharedFunctionalGroupsSequence")[:1]
    groups = [one for one in (own, *shared) if isinstance(one, Dataset)]
    return [*(item for group in groups for item in items(group, keyword)[:1]), ds]


def first_numbers(places: Sequence[Dataset], keyword: str, count: int) -> tuple[float, ...]:
    """So many numbers from the first place that has them; empty if none has."""
    return next((found for place in places if len(found := numbers(place, keyword)) == count), ())


def scale(ds: Dataset, frame: int) -> Scale:
    """How the stored values of a frame become greys."""
    transformations = macros(ds, frame, "PixelValueTransformationSequence")
    slope, intercept = (first_numbers(transformations, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    modality: Rescale | Lookup | None = _first_lookup(ds, "ModalityLUTSequence", signed=_is_signed(ds))
    if modality is None:
        factor = slope[0] if slope and slope[0] != 0 else 1.0
        modality = Rescale(slope=factor, intercept=intercept[0] if intercept else 0.0)
    places = macros(ds, frame, "FrameVOILUTSequence")
    chosen = windows(places)
    signed = isinstance(modality, Rescale) and (_is_signed(ds) or modality.intercept < 0)
    voi: Window | Lookup | None = _first_lookup(ds, "VOILUTSequence", signed=signed)
    return Scale(
        modality=modality,
        voi=voi or (chosen[0][0] if chosen else None),
        function=_function(places),
        inverted=text(ds, "PhotometricInterpretation") == "MONOCHROME1",
        padding=_padding(ds),
    )


def windows(places: Sequence[Dataset]) -> list[tuple[Window, str]]:
    """The windows of the first place that has some, with their explanations."""
    function = _function(places)
    for place in places:
        centers, widths = numbers(place, "WindowCenter"), numbers(place, "WindowWidth")
        names = lenient(partial(_texts, place, "WindowCenterWidthExplanation"), list[str]())
        found = [
            (Window(center=center, width=width, function=function), names[at] if at < len(names) else "")
            for at, (center, width) in enumerate(zip(centers, widths, strict=False))
            if is_valid(width, function)
        ]
        if found:
            return found
    return []


def _texts(item: Dataset, keyword: str) -> list[str]:
    value = item.get(keyword)
    values = [value] if isinstance(value, str) else list(value or ())
    return ["".join(one for one in str(value) if one.isprintable())[:_MAX_TEXT].strip() for value in values]


def _function(places: Sequence[Dataset]) -> Function:
    said = next((found for place in places if (found := text(place, "VOILUTFunction"))), "")
    return next((one for one in Function if one == said), Function.LINEAR)


def _is_signed(ds: Dataset) -> bool:
    return whole(ds, "PixelRepresentation") == 1


def _padding(ds: Dataset) -> tuple[float, float] | None:
    """Source: PS3.3 C.7.5.1.1.2."""
    value = number(ds, "PixelPaddingValue")
    if value is None:
        return None
    other = number(ds, "PixelPaddingRangeLimit")
    return (value, value) if other is None else (min(value, other), max(value, other))


def _first_lookup(ds: Dataset, keyword: str, *, signed: bool) -> Lookup | None:
    """The first table of a sequence that makes sense. Its first value is signed if what goes into it is."""
    little = lenient(lambda: ds.original_encoding[1] is not False, True)
    found = (lenient(partial(_lookup, item, signed=signed, little=little), None) for item in items(ds, keyword))
    return next((one for one in found if one is not None), None)


def _lookup(item: Dataset, *, signed: bool, little: bool) -> Lookup | None:
    """Source: PS3.3 C.11.1.1.1, C.11.2.1.1: number of entries (0 = 65536), first value mapped, bits of an entry."""
    count, first, bits = (int(one) for one in item.LUTDescriptor)
    count = count or 65536
    first = first - 65536 if signed and first > 32767 else first
    data: Any = item.LUTData
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, ("<u2" if little else ">u2") if wide else "u1")[:count].astype(np.uint16)
    else:
        entries = np.asarray(data, dtype=np.int64).ravel()[:count].astype(np.uint16)
    if not 8 <= bits <= 16 or entries.size == 0:
        return None
    return Lookup(first=first, entries=entries, top=(1 << bits) - 1)


def aspect(ds: Dataset, frame: int) -> float:
    """Height of a pixel by its width.

    Source: PS3.3 C.10.7.1.3, C.7.6.3.1.7 (Pixel Aspect Ratio).
    """
    places = macros(ds, frame, "PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        pair = first_numbers(places, keyword, 2)
        if pair and all(one > 0 for one in pair):
            return min(max(pair[0] / pair[1], 0.05), 20.0)
    return 1.0
