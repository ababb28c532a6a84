"""A frame, and what lies over it, as a PNG file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from hilum.pictures.decoder import colour, grey, header, pixels, segmentation
from hilum.pictures.decoder.pixels import Instance, NoPictureError
from hilum.pictures.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A PNG file.

    Attributes:
        note: What has to be said of it.
        window: Centre and width that its greys were shown with, if they were.
    """

    png: bytes
    note: str = ""
    window: tuple[float, float] | None = None


def draw(instance: Instance, over: Instance | None, order: Order, most: int) -> Drawn:
    """A frame, with what lies over it, or that alone.

    Args:
        most: Values that a frame may have.

    Raises:
        NoPictureError: There is nothing to show.
        MemoryError: It would take more than there is.
    """
    ds = instance.header
    note, window = "", None
    layer = segmentation.layer(over, ds, order.frame, most) if over is not None else None
    if layer is not None and not layer.found:
        note = "no frame of the segmentation lies on this one"
    if layer is not None and order.alone:
        alpha = np.rint(layer.cover * 255).astype(np.uint8)
        picture = Image.fromarray(np.dstack([layer.colours, alpha]))
    else:
        shown, window = _colours_or_greys(instance, order, most)
        if layer is not None:
            shown = _mixed(shown, layer, order.opacity / 100)
        picture = Image.fromarray(shown)
    png = _png(_resized(picture, header.aspect(ds, order.frame), order.size))
    return Drawn(png=png, note=note, window=window)


def _colours_or_greys(
    instance: Instance, order: Order, most: int
) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """The frame alone: rows, columns, and RGB if it has colours; and its window if it has greys.

    Source: PS3.3 C.7.6.3.1.2.
    """
    ds = instance.header
    stored = pixels.frame(instance, order.frame, most)
    if segmentation.is_segmentation(ds):
        return _segments(ds, order.frame, stored), None
    if stored.ndim == 3:
        return _eight_bits(stored[:, :, :3], header.whole(ds, "BitsStored") or 8), None
    if header.text(ds, "PhotometricInterpretation") == "PALETTE COLOR":
        return _through_palette(ds, stored), None
    chosen = None if order.center is None or order.width is None else (order.center, order.width)
    scale = header.scale(ds, order.frame)
    voi = grey.transformation(stored, scale, chosen)
    window = (float(voi.center), float(voi.width)) if isinstance(voi, grey.Window) else None
    return grey.to_greys(stored, scale, voi), window


def _through_palette(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Source: PS3.3 C.7.6.3.1.5, C.7.9."""
    try:
        coloured = apply_color_lut(stored, ds)
        bits = int(ds.RedPaletteColorLookupTableDescriptor[2])
    except MemoryError:
        raise
    except Exception as error:
        raise NoPictureError(f"its palette cannot be used: {pixels.sentence(error)}") from error
    # Entries of 8 bits may stand in words of 16, in the upper or in the lower half.
    return _eight_bits(coloured[:, :, :3], 16 if bits > 8 or int(coloured.max(initial=0)) > 255 else 8)


def _eight_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits > 8:
        samples = samples.astype(np.uint32) >> bits - 8
    return np.ascontiguousarray(samples.clip(0, 255).astype(np.uint8))


def _segments(ds: Dataset, frame: int, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """A frame of a segmentation by itself: its colours on black."""
    palette = segmentation.colours(ds)
    shown = np.zeros((*stored.shape[:2], 3))
    for segment, shares in segmentation.weights(ds, frame, stored):
        shown = np.maximum(shown, shares[..., None] * palette.get(segment, colour.of_segment(segment)))
    return np.rint(shown).astype(np.uint8)


def _mixed(shown: NDArray[np.uint8], layer: segmentation.Layer, opacity: float) -> NDArray[np.uint8]:
    below = shown.astype(np.float64) if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2).astype(np.float64)
    alpha = (layer.cover * opacity)[..., None]
    return np.rint(below * (1 - alpha) + layer.colours * alpha).astype(np.uint8)


def _resized(picture: Image.Image, aspect: float, size: int) -> Image.Image:
    """As it looks with square pixels, its longer side at most ``size``."""
    width, height = float(picture.width), float(picture.height)
    if aspect > 1:
        height *= aspect
    else:
        width /= aspect
    factor = min(1.0, size / max(width, height))
    target = (max(1, round(width * factor)), max(1, round(height * factor)))
    if target == picture.size:
        return picture
    return picture.resize(target, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()
