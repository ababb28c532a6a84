"""What the gateway has to know of an instance, out of its header."""

from __future__ import annotations

from typing import Final

from pydicom.dataset import Dataset

from hilum.pictures.decoder import colour, header, pixels, segmentation
from hilum.pictures.decoder.grey import Window
from hilum.pictures.decoder.pixels import Instance
from hilum.pictures.facts import Facts, Preset, Segment

#: As many segments and sources are told; more is more than anybody could look at.
_MOST: Final = 20_000
_MOST_PRESETS: Final = 8
_MAX_UID: Final = 64


def describe(instance: Instance) -> Facts:
    """Its facts; what the header does not say, or not so that it could be understood, is left empty."""
    ds = instance.header
    why = pixels.why_not(instance)
    has_pixels = bool(header.whole(ds, "Rows") and header.whole(ds, "Columns"))
    is_segmentation = segmentation.is_segmentation(ds)
    position = header.first_numbers(header.macros(ds, 1, "PlanePositionSequence"), "ImagePositionPatient", 3)
    cosines = header.first_numbers(header.macros(ds, 1, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    return Facts(
        sop_instance=header.text(ds, "SOPInstanceUID", _MAX_UID),
        sop_class=header.text(ds, "SOPClassUID", _MAX_UID),
        what=instance.what[:200],
        shown=not why,
        why=why[:500],
        series=header.text(ds, "SeriesInstanceUID", _MAX_UID),
        series_number=header.whole(ds, "SeriesNumber"),
        series_description=header.text(ds, "SeriesDescription"),
        modality=header.text(ds, "Modality", 16),
        instance_number=header.whole(ds, "InstanceNumber"),
        rows=max(0, header.whole(ds, "Rows") or 0),
        columns=max(0, header.whole(ds, "Columns") or 0),
        frames=header.frame_count(ds) if has_pixels else 0,
        frame_of_reference=header.text(ds, "FrameOfReferenceUID", _MAX_UID),
        position=position,
        orientation=cosines,
        presets=_presets(ds),
        is_segmentation=is_segmentation,
        segments=_segments(ds) if is_segmentation else (),
        source_series=_source_series(ds) if is_segmentation else (),
        source_instances=_source_instances(ds) if is_segmentation else (),
    )


def _presets(ds: Dataset) -> tuple[Preset, ...]:
    found: list[tuple[Window, str]] = header.windows(header.macros(ds, 1, "FrameVOILUTSequence"))
    return tuple(Preset(center=one.center, width=one.width, name=name) for one, name in found[:_MOST_PRESETS])


def _segments(ds: Dataset) -> tuple[Segment, ...]:
    labels = {
        header.whole(item, "SegmentNumber"): header.text(item, "SegmentLabel")
        for item in header.items(ds, "SegmentSequence")
    }
    found = segmentation.colours(ds)
    return tuple(
        Segment(number=number, label=labels.get(number, ""), colour=colour.as_text(value))
        for number, value in sorted(found.items())[:_MOST]
    )


def _source_series(ds: Dataset) -> tuple[str, ...]:
    """Source: PS3.3 C.12.2 (Common Instance Reference)."""
    items = header.items(ds, "ReferencedSeriesSequence")
    return tuple(dict.fromkeys(header.text(one, "SeriesInstanceUID", _MAX_UID) for one in items[:_MOST]))


def _source_instances(ds: Dataset) -> tuple[str, ...]:
    groups = header.items(ds, "PerFrameFunctionalGroupsSequence")
    return tuple(dict.fromkeys(one for group in groups for one, _ in segmentation.sources(group)))[:_MOST]
