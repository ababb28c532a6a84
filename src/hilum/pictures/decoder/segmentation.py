"""A segmentation laid over a frame of its source.

Which of its frames lie there is what they say they were derived from; those that do not say it lie where their position
is. Where both have a position, it also tells which of their pixels lie on which.

Source: PS3.3 C.8.20.2 (Segmentation Image), C.8.20.3 (its functional groups), C.7.6.16.2.6 (Derivation Image).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from hilum.pictures.decoder import colour, geometry, header, pixels
from hilum.pictures.decoder.pixels import Instance, NoPictureError

#: Label Map Segmentation Storage, younger than pydicom's list.
_LABEL_MAP: Final = "1.2.840.10008.5.1.4.1.1.66.7"
SOP_CLASSES: Final = frozenset({str(uid.SegmentationStorage), _LABEL_MAP})

#: How far apart planes may be and still be the same one if nothing says how thick they are, mm.
_TOLERANCE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What lies over a frame, in its rows and columns.

    Attributes:
        colours: RGB.
        cover: From 0, nothing there, to 1.
        found: How many frames of the segmentation it is made of.
    """

    colours: NDArray[np.uint8]
    cover: NDArray[np.float64]
    found: int


def is_segmentation(ds: Dataset) -> bool:
    """Whether it can be laid over something."""
    return header.text(ds, "SOPClassUID") in SOP_CLASSES


def colours(ds: Dataset) -> dict[int, tuple[int, int, int]]:
    """The colour of each of its segments, by number."""
    found = {}
    for item in header.items(ds, "SegmentSequence"):
        number = header.whole(item, "SegmentNumber")
        if number is not None and number > 0:
            lab = header.numbers(item, "RecommendedDisplayCIELabValue")
            is_lab = len(lab) == 3 and all(0 <= one <= 65535 for one in lab)
            found[number] = colour.from_cielab(lab) if is_lab else colour.of_segment(number)
    return found


def sources(group: Dataset) -> list[tuple[str, tuple[int, ...]]]:
    """What a frame was derived from: SOP instances, and their frames if not all of them."""
    return [
        (
            header.text(source, "ReferencedSOPInstanceUID"),
            tuple(int(one) for one in header.numbers(source, "ReferencedFrameNumber")),
        )
        for derivation in header.items(group, "DerivationImageSequence")
        for source in header.items(derivation, "SourceImageSequence")
    ]


def layer(segmentation: Instance, source: Dataset, frame: int, most: int) -> Layer:
    """All that lies over a frame of the source.

    Args:
        frame: From 1.
        most: Values that a frame may have.

    Raises:
        NoPictureError: It cannot be decoded, or nothing tells which of its pixels lie where.
    """
    ds = segmentation.header
    if not is_segmentation(ds):
        raise NoPictureError(f"{segmentation.what} cannot be laid over a picture")
    shape = (header.whole(source, "Rows") or 1, header.whole(source, "Columns") or 1)
    here = geometry.plane(source, frame)
    cover, mixed = np.zeros(shape), np.zeros((*shape, 3))
    numbers = _frames_on(ds, source, frame, here)
    palette = colours(ds)
    for number in numbers:
        stored = pixels.frame(segmentation, number, most)
        for segment, shares in weights(ds, number, stored):
            weight = _laid(shares, geometry.plane(ds, number), here, shape)
            mixed = mixed * (1 - weight[..., None]) + weight[..., None] * palette.get(
                segment, colour.of_segment(segment)
            )
            cover = cover + weight - cover * weight
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(cover[..., None] > 0, mixed / np.maximum(cover, 1e-9)[..., None], 0)
    return Layer(colours=np.rint(plain).clip(0, 255).astype(np.uint8), cover=cover, found=len(numbers))


def _frames_on(ds: Dataset, source: Dataset, frame: int, here: geometry.Plane | None) -> list[int]:
    """Frames that lie on a frame of the source, from 1."""
    same = header.text(source, "SOPInstanceUID")
    single = header.frame_count(source) == 1
    same_space = header.text(ds, "FrameOfReferenceUID") == header.text(source, "FrameOfReferenceUID") != ""
    found = []
    for number, group in enumerate(header.items(ds, "PerFrameFunctionalGroupsSequence"), start=1):
        referenced = sources(group)
        there = geometry.plane(ds, number)
        apart = geometry.distance(here, there) if here and there and same_space else None
        if referenced:
            named = any(one == same and (single or not frames or frame in frames) for one, frames in referenced)
            # Derived from several slices, it still lies on one of them.
            if named and (len(referenced) == 1 or apart is None or apart <= _half_thickness(ds, number)):
                found.append(number)
        elif apart is not None and apart <= _half_thickness(ds, number):
            found.append(number)
    return found


def _half_thickness(ds: Dataset, number: int) -> float:
    places = header.macros(ds, number, "PixelMeasuresSequence")
    thick = [
        found[0]
        for name in ("SpacingBetweenSlices", "SliceThickness")
        if (found := header.first_numbers(places, name, 1))
    ]
    return abs(thick[0]) / 2 - 1e-3 if thick and abs(thick[0]) > 0.01 else _TOLERANCE


def weights(ds: Dataset, number: int, stored: NDArray[Any]) -> Sequence[tuple[int, NDArray[np.float64]]]:
    """The segments of a frame with how much of each pixel is theirs, 0 to 1."""
    kind = header.text(ds, "SegmentationType")
    if kind == "LABELMAP" or header.text(ds, "SOPClassUID") == _LABEL_MAP:
        background = header.whole(ds, "PixelPaddingValue") or 0
        present = [int(one) for one in np.unique(stored) if one not in {0, background}]
        return [(one, (stored == one).astype(np.float64)) for one in present]
    places = header.macros(ds, number, "SegmentIdentificationSequence")
    segment = int(next(iter(header.first_numbers(places, "ReferencedSegmentNumber", 1)), 1))
    full = (header.number(ds, "MaximumFractionalValue") or 255.0) if kind == "FRACTIONAL" else 1.0
    return [(max(1, segment), (stored / full).clip(0.0, 1.0))]


def _laid(
    weights: NDArray[np.float64], there: geometry.Plane | None, here: geometry.Plane | None, shape: tuple[int, int]
) -> NDArray[np.float64]:
    if here is not None and there is not None and geometry.distance(here, there) is not None:
        return geometry.lay(weights, there, here)
    if weights.shape == shape:
        return weights
    raise NoPictureError("the segmentation has other rows and columns than its source and no position in space")
