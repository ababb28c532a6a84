"""What there is to be seen of a job: series in the order of their slices, and what lies over them. Pure.

Source: PS3.3 C.7.6.2.1.1 (position along the normal), C.7.6.1 (Instance Number), C.8.20 (Segmentation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hilum.pictures.facts import Facts, Preset, Segment

#: Positions nearer than this along the normal are one, mm.
_SAME_MM: Final = 1e-3
#: Cosines that differ by no more are of one stack.
_SAME_COSINE: Final = 1e-2


class Kind(StrEnum):
    """Which of a job's files: what it got, what it wrote."""

    INPUT = "input"
    RESULT = "result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One instance of a series.

    Attributes:
        frames: From 1; 0: it has no pixels.
        why: Why there is no picture of it; empty: there is one.
    """

    sop_instance: str
    instance_number: int | None = None
    frames: int = 1
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One picture of a series.

    Attributes:
        sop_instance: Of the instance.
        frame: From 1.
    """

    sop_instance: str
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A segmentation that lies over a series.

    Attributes:
        kind: Where it is found.
        sop_instance: Of the segmentation.
        segments: Its segments.
        on: The instances of the series that it says it was derived from; empty: its positions tell.
    """

    kind: Kind
    sop_instance: str
    series: str
    segments: tuple[Segment, ...]
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The instances of one series that have the same kind.

    Attributes:
        series: Series Instance UID; empty: the header has none.
        what: The name of its SOP class.
        slices: In their order in space, else by instance number.
        pictures: How many there are in all, frame by frame.
        start: The picture to begin with: the middle one of those that a segmentation lies over, else of all; null:
            there is none.
        presets: Windows that the header of the first instance proposes.
        segments: Of a segmentation.
        overlays: Segmentations that lie over it.
        source: Of a segmentation, the series that it lies over, if the job has that.
        source_kind: Where that is found.
    """

    kind: Kind
    series: str
    number: int | None
    description: str
    modality: str
    what: str
    slices: tuple[Slice, ...]
    pictures: int
    start: Place | None
    presets: tuple[Preset, ...] = ()
    segments: tuple[Segment, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    source: str | None = None
    source_kind: Kind | None = None


def catalogue(found: Mapping[Kind, Sequence[Facts]]) -> tuple[Series, ...]:
    """Inputs first; series with pictures before those without, then by their number.

    Args:
        found: Facts with their SOP instances; what could not be read is among them.
    """
    stacks = {(kind, uid): in_order(facts) for kind in Kind for uid, facts in _by_series(found.get(kind, ())).items()}
    sources = {key: _source(facts, stacks) for key, facts in stacks.items() if facts[0].is_segmentation}
    made = [_series(kind, uid, facts, stacks, sources) for (kind, uid), facts in stacks.items()]
    return tuple(sorted(made, key=lambda one: (one.kind is Kind.RESULT, not one.pictures, one.number or 0, one.series)))


def in_order(facts: Sequence[Facts]) -> list[Facts]:
    """One series in the order of its slices along their common normal, else of their instance numbers.

    Several slices at one position (phases, echoes) keep the order of their numbers.
    """
    by_number = sorted(facts, key=lambda one: (one.instance_number is None, one.instance_number or 0, one.sop_instance))
    first = by_number[0]
    if len(by_number) < 2 or not all(_is_parallel(one.orientation, first.orientation) for one in by_number):
        return by_number
    if not all(one.position for one in by_number):
        return by_number
    normal = _cross(first.orientation[:3], first.orientation[3:])
    places = {one.sop_instance: sum(a * b for a, b in zip(one.position, normal, strict=True)) for one in by_number}
    if max(places.values()) - min(places.values()) < _SAME_MM:
        return by_number
    return sorted(by_number, key=lambda one: round(places[one.sop_instance] / _SAME_MM))


def _is_parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    same = all(abs(a - b) <= _SAME_COSINE for a, b in zip(one, other, strict=False))
    return len(one) == len(other) == 6 and same


def _cross(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _by_series(facts: Iterable[Facts]) -> dict[str, list[Facts]]:
    """By series; those without one, and each segmentation, by themselves."""
    found: dict[str, list[Facts]] = {}
    for one in facts:
        alone = not one.series or one.is_segmentation
        found.setdefault(f"{one.series}/{one.sop_instance}" if alone else one.series, []).append(one)
    return found


_Key = tuple[Kind, str]


def _source(facts: Sequence[Facts], stacks: Mapping[_Key, Sequence[Facts]]) -> _Key | None:
    """The series that a segmentation lies over: the one it names, or whose instances it names, or in whose space it is.

    Those with pictures only, and inputs before results.
    """
    segmentation = facts[0]
    named, derived = set(segmentation.source_series), set(segmentation.source_instances)
    images = {key: one for key, one in stacks.items() if one[0].shown and not one[0].is_segmentation}
    inputs_first = sorted(images, key=lambda key: (key[0] is not Kind.INPUT, key[1]))
    for key in inputs_first:
        if any(one.sop_instance in derived for one in images[key]):
            return key
    for key in inputs_first:
        if key[1] in named:
            return key
    space = segmentation.frame_of_reference
    for key in inputs_first:
        if space and not derived and any(one.frame_of_reference == space and one.position for one in images[key]):
            return key
    return None


def _series(
    kind: Kind,
    uid: str,
    facts: Sequence[Facts],
    stacks: Mapping[_Key, Sequence[Facts]],
    sources: Mapping[_Key, _Key | None],
) -> Series:
    first = facts[0]
    overlays = tuple(
        _overlay(key[0], stacks[key][0], facts) for key, source in sources.items() if source == (kind, uid)
    )
    slices = tuple(
        Slice(
            sop_instance=one.sop_instance,
            instance_number=one.instance_number,
            frames=one.frames,
            why=one.unreadable or one.why,
        )
        for one in facts
    )
    places = [one for one in slices if not one.why]
    source = sources.get((kind, uid))
    return Series(
        kind=kind,
        series=first.series,
        number=first.series_number,
        description=first.series_description,
        modality=first.modality,
        what=first.what or "not readable",
        slices=slices,
        pictures=sum(one.frames for one in places),
        start=_middle(places, {uid for overlay in overlays for uid in overlay.on}),
        presets=first.presets,
        segments=first.segments,
        overlays=overlays,
        source=None if source is None else source[1],
        source_kind=None if source is None else source[0],
    )


def _overlay(kind: Kind, segmentation: Facts, facts: Sequence[Facts]) -> Overlay:
    derived = set(segmentation.source_instances)
    return Overlay(
        kind=kind,
        sop_instance=segmentation.sop_instance,
        series=segmentation.series,
        segments=segmentation.segments,
        on=tuple(one.sop_instance for one in facts if one.sop_instance in derived),
    )


def _middle(slices: Sequence[Slice], covered: set[str]) -> Place | None:
    """The middle one of all pictures, of the covered ones if there are some."""
    wanted = [one for one in slices if one.sop_instance in covered] or list(slices)
    left = sum(one.frames for one in wanted) // 2
    for one in wanted:
        if left < one.frames:
            return Place(sop_instance=one.sop_instance, frame=left + 1)
        left -= one.frames
    return None
