"""Colours of segments.

Source: PS3.3 C.10.7.1.1 (encoding of CIELab values); CIE 15 and IEC 61966-2-1 for the way from there to sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

#: For segments whose header recommends none: apart from each other, and visible on grey.
_PALETTE: Final = (
    (230, 80, 60), (70, 160, 230), (245, 190, 50), (90, 190, 110), (190, 110, 220), (60, 200, 200), (240, 130, 170),
    (170, 200, 60), (250, 150, 70), (130, 140, 250),
)  # fmt: skip
_D50: Final = np.array([0.96422, 1.0, 0.82521])
#: XYZ of D50 to linear sRGB, the adaptation to D65 (Bradford) included.
_TO_SRGB: Final = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)


def of_segment(number: int) -> tuple[int, int, int]:
    """The colour of a segment whose header recommends none."""
    return _PALETTE[(number - 1) % len(_PALETTE)]


def from_cielab(encoded: Sequence[float]) -> tuple[int, int, int]:
    """The sRGB values of a Recommended Display CIELab Value: 0 to 65535 stands for 0 to 100, and for -128 to 127."""
    lightness = encoded[0] / 65535 * 100
    a, b = (value / 65535 * 255 - 128 for value in encoded[1:3])
    y = (lightness + 16) / 116
    cubes = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * _D50
    linear = (_TO_SRGB @ xyz).clip(0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in np.rint(srgb * 255))
    return red, green, blue


def as_text(colour: tuple[int, int, int]) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{part:02x}" for part in colour)
