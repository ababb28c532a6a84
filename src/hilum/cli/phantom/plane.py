"""The canvas of the phantom: one axial plane in millimetres, and the few shapes that can be painted on it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

#: x, y, z in mm.
Point = tuple[float, float, float]

#: Edge of the square field of view, mm; its middle is the origin.
FIELD_MM = 380.0
AIR = -1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """One straight piece of a vessel or airway.

    Attributes:
        start: Centre of one end: x, y, z in mm.
        end: Centre of the other end.
        radius: mm.
    """

    start: Point
    end: Point
    radius: float


class Tubes:
    """Many tubes, sorted out by height so that a plane asks only for its own."""

    def __init__(self, tubes: Sequence[Tube]) -> None:
        self._tubes = tubes
        ends = np.array([(tube.start[2], tube.end[2]) for tube in tubes])
        radii = np.array([tube.radius for tube in tubes])
        self._low, self._high = ends.min(axis=1) - radii, ends.max(axis=1) + radii

    def at(self, z: float) -> list[Tube]:
        """Those that reach a height, in their order."""
        return [self._tubes[int(index)] for index in np.flatnonzero((self._low < z) & (z < self._high))]


class Plane:
    """One axial plane, or a rectangle of it, while it is painted.

    Attributes:
        z: Its height in mm.
        pixel: Edge of a pixel in mm.
        x: Pixel centres along a row, shape (1, width).
        y: Pixel centres along a column, shape (height, 1).
        hu: The picture, shape (height, width); starts as air.
    """

    def __init__(self, z: float, size: int) -> None:
        self.z = z
        self.pixel = FIELD_MM / size
        centres = ((np.arange(size) + 0.5) * self.pixel - FIELD_MM / 2).astype(np.float32)
        self.x, self.y = centres[None, :], centres[:, None]
        self.hu: Array = np.full((size, size), AIR, np.float32)

    def part(self, x: float, y: float, half_width: float, half_height: float) -> Self:
        """A rectangle of this plane that paints into the same picture."""
        rows, columns = self.window(x, y, half_width, half_height)
        part = copy(self)
        part.x, part.y, part.hu = self.x[:, columns], self.y[rows], self.hu[rows, columns]
        return part

    def cover(self, inside: Array) -> Array:
        """How much of each pixel a shape fills, 0 to 1, given its distance function."""
        return _unit(inside / np.float32(self.pixel) + np.float32(0.5))

    def fill(
        self, inside: Array, hu: float | Array, *, where: tuple[slice, slice] = (slice(None), slice(None))
    ) -> None:
        """Paint a shape over what is there; ``inside`` covers the pixels of ``where``."""
        part = self.hu[where]
        part += self.cover(inside) * (hu - part)

    def window(self, x: float, y: float, half_width: float, half_height: float) -> tuple[slice, slice]:
        """The pixels of a rectangle, with one more on each side; perhaps none."""
        height, width = self.hu.shape

        def span(low: float, high: float, origin: float, limit: int) -> slice:
            first, last = int((low - origin) / self.pixel) - 1, int((high - origin) / self.pixel) + 2
            return slice(min(max(first, 0), limit), min(max(last, 0), limit))

        return (
            span(y - half_height, y + half_height, float(self.y[0, 0]), height),
            span(x - half_width, x + half_width, float(self.x[0, 0]), width),
        )

    def blob(self, x: float, y: float, a: float, b: float, hu: float) -> None:
        """Paint an ellipse with half-axes a, b in mm."""
        where = self.window(x, y, a, b)
        self.fill(ellipse(self.x[:, where[1]] - x, self.y[where[0]] - y, a, b), hu, where=where)

    def tube(self, tube: Tube, hu: float) -> None:
        """Paint where a tube crosses the plane."""
        (x0, y0, z0), (x1, y1, z1), radius = tube.start, tube.end, tube.radius
        where = self.window((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2 + radius, abs(y1 - y0) / 2 + radius)
        dx, dy, dz = self.x[:, where[1]] - x0, self.y[where[0]] - y0, self.z - z0
        wx, wy, wz = x1 - x0, y1 - y0, z1 - z0
        square = max(wx * wx + wy * wy + wz * wz, 1e-6)
        along = _unit(dx * (wx / square) + (dy * (wy / square) + dz * wz / square))  # 0 at the start, 1 at the end
        dx, dy, height = dx - along * wx, dy - along * wy, dz - along * wz
        self.fill(radius - np.sqrt(dx * dx + dy * dy + height * height), hu, where=where)

    def add_noise(self, rng: np.random.Generator) -> None:
        """Add what a scanner adds: noise that neighbours share, strongest where most tissue has to be crossed."""
        height, width = self.hu.shape
        white = rng.standard_normal((height + 1, width + 1), np.float32)
        shared = (white[:-1, :-1] + white[:-1, 1:] + white[1:, :-1] + white[1:, 1:]) / 2
        self.hu += shared * (9 + 7 * np.exp(-((self.x / 130) ** 2)) * np.exp(-((self.y / 90) ** 2)))


def _unit(values: Array) -> Array:
    """Values limited to 0 to 1; for small arrays many times faster than numpy.clip."""
    limited: Array = np.minimum(np.maximum(values, np.float32(0)), np.float32(1))
    return limited


def ellipse(x: Array, y: Array, a: float, b: float, *, square: float = 0.0) -> Array:
    """About the distance in mm to the edge of an ellipse around the origin, positive inside.

    Args:
        x: Broadcasts with ``y``.
        y: Broadcasts with ``x``.
        a: Half-axis along x.
        b: Half-axis along y.
        square: How far its corners are filled: 0 not at all, 1 a rectangle with well rounded corners.
    """
    p, q = x * x, y * y
    s, t = p * np.float32(1 / a**2), q * np.float32(1 / b**2)
    norm = np.sqrt(s + t)
    if square:
        norm += np.float32(square) * (np.sqrt(np.sqrt(s * s + t * t)) - norm)
    distance = np.sqrt(p + q)
    inside = distance / np.maximum(norm, np.float32(1e-3)) - distance
    return inside.astype(np.float32, copy=False)
