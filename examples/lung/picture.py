"""Draws the result for people: one axial and one coronal view with the outlines of the lungs."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

HEIGHT = 512  # of each view, pixels
MARGIN = 40  # below the views, for the text
CENTER, WIDTH = -500, 1500  # HU: the usual lung window

COLORS = ((230, 120, 40), (60, 150, 230))  # right, left


def draw(
    volume: np.ndarray,
    labels: np.ndarray,
    spacing: tuple[float, float, float],
    millilitres: Sequence[float],
) -> np.ndarray:
    """Draw an RGB picture, shape (rows, columns, 3), 8 bit.

    Args:
        volume: Hounsfield units; axes slice (feet to head), row, column.
        labels: 1 right, 2 left; same shape.
        spacing: Of the axes, mm.
        millilitres: Volume of the right and the left lung.
    """
    found = labels > 0
    axial, coronal = found.sum(axis=(1, 2)).argmax(), found.sum(axis=(0, 2)).argmax()
    views = [
        view(volume[axial], labels[axial], spacing[1] / spacing[2]),
        view(volume[::-1, coronal], labels[::-1, coronal], spacing[0] / spacing[2]),
    ]
    canvas = Image.new("RGB", (sum(v.width for v in views), HEIGHT + MARGIN))
    canvas.paste(views[0], (0, 0))
    canvas.paste(views[1], (views[0].width, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(18)
    for x, side, volume_ml, color in zip((12, 192), ("Right", "Left"), millilitres, COLORS, strict=True):
        pen.text((x, HEIGHT + 9), f"{side} lung {volume_ml:.0f} ml", fill=color, font=font)
    pen.text((canvas.width - 12, HEIGHT + 9), "Not for diagnosis", fill=(160, 160, 160), font=font, anchor="ra")
    return np.asarray(canvas)


def view(plane: np.ndarray, labels: np.ndarray, aspect: float) -> Image.Image:
    """One plane in grey with coloured outlines; ``aspect`` is the height of a pixel over its width."""
    size = (round(HEIGHT * plane.shape[1] / (plane.shape[0] * aspect)), HEIGHT)
    grey = np.clip((plane - (CENTER - WIDTH / 2)) * (255 / WIDTH), 0, 255).astype(np.uint8)
    picture = np.array(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB"))
    large = np.array(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    for label, color in enumerate(COLORS, start=1):
        mask = large == label
        picture[mask & ~ndimage.binary_erosion(mask, iterations=2)] = color
    return Image.fromarray(picture)
