"""An invented chest, painted plane by plane in Hounsfield units: what the phantom series shows.

Everything is an analytic shape in millimetres of the patient's axes (x to the left, y to the back, z to the head;
the origin lies in the middle of the chest at the height of the carina), so any plane can be painted at any pixel size
without painting the others. A shape is a function that gives about the distance to its surface, positive inside;
an edge is then blended over one pixel, which is the partial volume effect of a real scanner.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np

from hilum.cli.phantom.plane import Array, Plane, Point, Tube, Tubes, ellipse

#: -1 the patient's right (small x), +1 the patient's left.
Side = Literal[-1, 1]

#: Height in mm of the highest plane to scan, above the lungs, and of the range down from there.
TOP_MM = 118.0
HEIGHT_MM = 288.0

RIGHT: Side = -1
LEFT: Side = 1

_FAT, _MUSCLE, _BLOOD, _LUNG = -98.0, 55.0, 42.0, -872.0
_CORTEX, _MARROW, _CARTILAGE = 620.0, 210.0, 110.0

#: Height of the apex and of the dome of the diaphragm.
_APEX = {RIGHT: 106.0, LEFT: 103.0}
_DOME = {RIGHT: -84.0, LEFT: -98.0}


def _ramp(value: float, start: float, end: float) -> float:
    """0 before ``start``, 1 after ``end``, smooth between."""
    t = min(max((value - start) / (end - start), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def _rib_cage(z: float) -> tuple[float, float, float]:
    """Inner edge of the rib cage at a height: half width, half depth, y of its centre."""
    t = max(z, 0.0) / 110
    return 130 * (1 - 0.52 * t**2.2), 93 * (1 - 0.36 * t**2.2), 5 + 14 * t**2


def _dome(x: Array, y: Array, side: Side) -> Array:
    """Height of one half of the diaphragm: a dome with deep recesses at the side and at the back."""
    u, v = (x - side * 58) / 74, (y + 12) / 92
    depth = np.where(v > 0, np.float32(62), np.float32(30))
    height = np.float32(_DOME[side]) - np.float32(46) * u * u - depth * v * v
    return height.astype(np.float32, copy=False)


def _heart(x: Array, y: Array, z: float | Array, margin: float) -> Array:
    """The heart with a margin in mm around it; its long axis points to the left, to the front and down."""
    across, depth = x - 20, y + 26
    along, beside = across * 0.82 - depth * 0.57, across * 0.57 + depth * 0.82
    height = z + 64 + along * 0.25
    norm = np.sqrt((along / (60 + margin)) ** 2 + (beside / (42 + margin)) ** 2 + (height / (50 + margin)) ** 2)
    return (1 - norm) * np.float32(45 + margin)


def lung(x: Array, y: Array, z: float | Array, side: Side) -> Array:
    """About the distance in mm to the surface of one lung, positive inside; arguments broadcast."""
    heights = np.asarray(z, np.float32)
    t = np.clip((heights + 25) / (_APEX[side] + 25), 0, 1)
    girth = np.sqrt(np.maximum(1 - t**2.2, 1e-4))
    u = (x - side * (64 - 20 * t**2)) / (82 * girth)
    v = (y - 6 - 14 * t**2) / (112 * girth)
    lobe = (1 - np.sqrt(u * u + v * v)) * 75 * girth + np.minimum(_APEX[side] - heights, 0)
    if heights.ndim == 0:
        a, b, cy = _rib_cage(float(heights))
        cavity = ellipse(x, y - cy, a, b, square=0.25)
    else:
        cavity = ellipse(x, y - 5, 128, 91)  # for the vessels, which keep away from the edge
    shape = np.minimum(lobe, cavity)
    shape = np.minimum(shape, (heights - _dome(x, y, side)) * np.float32(0.65))
    # Narrowest above the roots of the lungs, widest between the apices; in front the lungs almost touch.
    narrowing = 1 - 0.3 * np.clip((heights - 45) / 55, 0, 1) ** 2 + 0.12 * np.exp(-(((heights - 38) / 22) ** 2))
    across = ((x - 4) * narrowing).astype(np.float32, copy=False)
    mediastinum = np.maximum(ellipse(across, y - 20, 33, 78), np.float32(4.5) - np.abs(x - 1 - 0.06 * y))
    shape = np.minimum(shape, -mediastinum)
    shape = np.minimum(shape, -ellipse(x, y - 72, 31, 34))  # spine with its muscles
    shape = np.minimum(shape, -_heart(x, y, heights, 5))
    out: Array = shape.astype(np.float32, copy=False)
    return out


def grow_tree(rng: np.random.Generator, side: Side, *, radius: float, stems: int, thinnest: float) -> list[Tube]:
    """A tree of vessels or airways, from the root of one lung outwards, by a forking random walk.

    Args:
        rng: Draws the turns.
        side: Which lung.
        radius: Of the first pieces, mm.
        stems: How many leave the root, spread over the directions that lead into the lung.
        thinnest: Radius in mm below which a branch ends.
    """
    angle = (np.arange(stems) + rng.uniform(0.2, 0.8, stems)) * 2 * np.pi / stems
    points = np.tile(np.array([side * 36, 14, -14], np.float32), (stems, 1))
    ways = np.stack([np.full(stems, side * 0.75), 0.2 + np.sin(angle), np.cos(angle) - 0.25], axis=1)
    tubes: list[Tube] = []
    length, root = 26.0, radius
    while radius >= thinnest and len(points):
        for _ in range(2):
            ways = ways + rng.normal(0, 0.22, ways.shape)
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            ends = (points + ways * rng.uniform(0.4, 0.6, (len(ways), 1)) * length).astype(np.float32)
            # Only the first pieces may run outside the lung: they come out of the middle of the chest.
            kept = (lung(ends[:, 0], ends[:, 1], ends[:, 2], side) > 1 + radius) | (radius == root)
            points, ends, ways = points[kept], ends[kept], ways[kept]
            tubes += [
                Tube(start=(a, b, c), end=(d, e, f), radius=radius)
                for a, b, c, d, e, f in np.hstack([points, ends]).tolist()
            ]
            points = ends
        turn = rng.normal(0, 0.5, ways.shape)
        points, ways = np.concatenate([points, points]), np.concatenate([ways + turn, ways - turn])
        radius, length = radius * 0.79, length * 0.9
    return tubes


def _course(radius: float, *points: Point) -> list[Tube]:
    """Tubes of one radius along a line of points."""
    return [Tube(start=a, end=b, radius=radius) for a, b in pairwise(points)]


def _great_vessels() -> list[Tube]:
    arch = (
        (-14, -20, -52),
        (-13, -18, 10),
        (-9, -14, 30),
        (4, 6, 42),
        (19, 28, 36),
        (24, 40, 18),
        (22, 46, -60),
        (10, 44, -180),
    )
    return [
        *_course(13.5, *arch[:5]),
        *_course(11.5, *arch[4:]),
        *_course(8.5, (-30, -10, -45), (-29, -12, 40)),  # superior vena cava
        *_course(6.5, (-29, -12, 40), (-36, -10, 125)),
        *_course(6.5, (-29, -14, 42), (20, -30, 62), (40, -14, 125)),
        *_course(5.5, (-7, -8, 40), (-20, 0, 70), (-28, 4, 125)),
        *_course(4.5, (4, 2, 44), (12, 2, 125)),
        *_course(4.5, (14, 16, 42), (28, 14, 80), (34, 10, 125)),
        *_course(13.0, (14, -34, -36), (16, -18, -6), (12, 2, -10)),  # pulmonary trunk and its two branches
        *_course(10.0, (12, 2, -10), (-16, 4, -14), (-40, 12, -16)),
        *_course(10.0, (12, 2, -10), (40, 14, -8)),
        *_course(8.0, (-38, 16, -36), (38, 18, -32)),  # pulmonary veins entering the left atrium
    ]


def _airways(rng: np.random.Generator) -> list[Tube]:
    return [
        *_course(8.5, (-2, 16, 130), (-2, 20, 60), (-1, 24, 4)),
        *_course(7.0, (-2, 24, 5), (-22, 24, -16), (-40, 16, -22)),
        *_course(6.2, (1, 24, 5), (24, 26, -18), (42, 18, -24)),
        *(tube for side in (RIGHT, LEFT) for tube in grow_tree(rng, side, radius=3.1, stems=5, thinnest=1.1)),
    ]


class Thorax:
    """One invented patient: the same seed gives the same body."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._vessels = Tubes(
            [tube for side in (RIGHT, LEFT) for tube in grow_tree(rng, side, radius=4.4, stems=13, thinnest=1.0)]
        )
        self._great_vessels = Tubes(_great_vessels())
        self._airways = Tubes(_airways(rng))
        #: Wave vectors (1/mm) and phases of a smooth random field: streaks of fat between muscles, mottle of organs.
        self._waves = rng.normal(0, 0.11, (9, 3)).astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, 9).astype(np.float32)

    def paint(self, z: float, size: int) -> tuple[Plane, dict[Side, float]]:
        """Paint one plane without noise.

        Returns:
            The plane, and the area of each lung in it in mm², vessels within the lung included.
        """
        whole = Plane(z, size)
        _paint_table(whole.part(0, 130, 180, 20))
        plane = whole.part(0, 8, 168, 118)
        texture = self._texture(plane)
        a, b, cy = _rib_cage(z)
        wall = -ellipse(plane.x, plane.y - cy, a, b, square=0.25)  # distance outside the rib cage
        _paint_body(plane, texture, wall)
        _paint_shoulders(plane)
        _paint_ribs(plane, wall)
        areas = self._paint_cavity(plane, texture, wall)
        _paint_spine(plane)
        return whole, areas

    def _texture(self, plane: Plane) -> Array:
        """A smooth random field with a spread of about 1."""
        kx, ky, kz = self._waves.T
        across = plane.x * kx[:, None]
        down = plane.y * ky + (np.float32(plane.z) * kz + self._phases)
        # cos(a + b), so that only rows and columns need a cosine; BLAS would start threads for these small sums.
        field: Array = np.einsum("yk,kx->yx", np.cos(down), np.cos(across))
        field -= np.einsum("yk,kx->yx", np.sin(down), np.sin(across))
        return field * np.float32(0.47)

    def _paint_cavity(self, plane: Plane, texture: Array, wall: Array) -> dict[Side, float]:
        plane.fill(-wall, _FAT + 12 * texture)
        neck = np.minimum(8 * _ramp(plane.z, 70, 100) - 4 + 3 * texture, -ellipse(plane.x, plane.y - 8, 32, 52))
        plane.fill(np.minimum(neck, -wall), _MUSCLE + 6 * texture)
        _paint_abdomen(plane, texture, wall)
        heart = (16, -26, 72, 68)
        _paint_heart(plane.part(*heart), texture[plane.window(*heart)])
        for tube in self._great_vessels.at(plane.z):
            plane.tube(tube, _BLOOD)
        plane.blob(4, 34, 8, 6, 38)  # oesophagus
        areas: dict[Side, float] = {}
        for side in (RIGHT, LEFT):
            where = plane.window(side * 72, 0, 76, 125)
            inside = lung(plane.x[:, where[1]], plane.y[where[0]], plane.z, side)
            areas[side] = float(plane.cover(inside).sum()) * plane.pixel**2
            dependent = np.float32(0.45) * plane.y[where[0]]  # blood gathers in the lowest part of a lying patient
            plane.fill(inside, _LUNG + dependent + 14 * texture[where], where=where)
        for tube in self._vessels.at(plane.z):
            plane.tube(tube, _BLOOD)
        airways = self._airways.at(plane.z)
        for tube in airways:
            plane.tube(Tube(start=tube.start, end=tube.end, radius=tube.radius + 0.4 + 0.12 * tube.radius), 10.0)
        for tube in airways:
            plane.tube(tube, -985.0)
        return areas


def _paint_table(plane: Plane) -> None:
    top = 122 - 9 * (plane.x / 190) ** 2
    depth = plane.y - top
    inside = np.minimum(np.minimum(depth, 26 - depth), 178 - np.abs(plane.x))
    plane.fill(inside, -930.0)
    plane.fill(np.minimum(inside, 2.2 - inside), -180.0)


def _paint_body(plane: Plane, texture: Array, wall: Array) -> None:
    narrow = _ramp(plane.z, 50, 135)
    a, b = 165 - 26 * narrow, 114 - 16 * narrow
    body = ellipse(plane.x, plane.y - (5 + 13 * narrow), a, b, square=0.35)
    groove = 7 * np.exp(-((plane.x / 16) ** 2)) * np.clip((plane.y - 50) / 40, 0, 1)
    body -= groove
    plane.fill(body, 25.0)  # skin
    plane.fill(body - 2, _FAT + 8 * texture)
    front = np.clip(-plane.y / 100, 0, 1)
    muscle = np.minimum(body - 9 - 3 * front + 1.5 * texture, 30 + 45 * _ramp(plane.z, 30, 105) - wall)
    plane.fill(muscle, _MUSCLE + 6 * texture)
    # Fat between the layers of muscle: along the rib cage and in streaks.
    streak = np.minimum(0.8 - np.abs(texture - 0.2) * 7, wall - 13)
    layer = 0.9 - np.abs(wall - 17 - 2.5 * texture)
    plane.fill(np.minimum(np.maximum(streak, layer), muscle - 1), -75.0)


def _paint_shoulders(plane: Plane) -> None:
    for side in (RIGHT, LEFT):
        lean = 0.28 * max(plane.z - 40, 0)
        if plane.z > 8:
            tip = _ramp(plane.z, 8, 40)
            inner = (side * (112 - 26 * tip - lean), 92.0 - 0.1 * lean, plane.z)
            outer = (side * (124 + 10 * tip - lean), 66 - 36 * tip, plane.z)
            for tube in _course(3.6, inner, outer):
                plane.tube(tube, 430.0)
            for tube in _course(1.8, inner, outer):
                plane.tube(tube, 180.0)
        clavicle = _course(6.5, (side * 22, -62, 78), (side * 60, -52, 96), (side * 118, -16, 122))
        for tube in clavicle:
            plane.tube(tube, _CORTEX)
        for tube in clavicle:
            plane.tube(Tube(start=tube.start, end=tube.end, radius=4.4), _MARROW)
    if -82 < plane.z < 84:
        broad = 15 + 11 * _ramp(plane.z, 40, 60)
        _, depth, cy = _rib_cage(plane.z)
        front = cy - depth - 7
        plane.blob(0, front, broad, 6.5, 430.0)
        plane.blob(0, front, broad - 2, 4.5, 160.0)


def _paint_ribs(plane: Plane, wall: Array) -> None:
    """Twelve pairs at once: along a rib the height falls from the spine to the breastbone, so a plane cuts many."""
    ring = np.nonzero((wall > 0.5) & (wall < 12.5) & (np.abs(plane.x) > 16))
    a, b, cy = _rib_cage(plane.z)
    u, v = plane.x[0, ring[1]] / a, (plane.y[ring[0], 0] - cy) / b
    towards_back = v / np.sqrt(u * u + v * v)
    fall = 74 * (1 - towards_back) / 2
    height = np.abs((plane.z + fall + 6) % 25 - 12.5)
    radial = wall[ring] - 6.5
    norm = np.sqrt((radial / 4.6) ** 2 + (height / 6.2) ** 2)
    cover = plane.cover((1 - norm) * 5)
    core = plane.cover((0.66 - norm) * 5)
    bone = _CORTEX + core * (_MARROW - _CORTEX)
    value = np.where(towards_back > -0.72, bone, np.float32(_CARTILAGE))
    plane.hu[ring] += cover * (value - plane.hu[ring])


def _paint_abdomen(plane: Plane, texture: Array, wall: Array) -> None:
    below = np.maximum(_dome(plane.x, plane.y, RIGHT), _dome(plane.x, plane.y, LEFT)) - 3 - np.float32(plane.z)
    if below.max() < 0:
        return
    inside = np.minimum(below * np.float32(0.7), -wall - 2)
    plane.fill(inside, _FAT + 12 * texture)
    plane.fill(np.minimum(inside, 2 - inside), 48.0)  # the diaphragm itself
    edge = (38 - plane.x - 0.55 * (plane.y + 20)) * np.float32(0.85)
    liver = np.minimum(np.minimum(inside - 0.5, edge), 70 + 0.2 * plane.x - plane.y)
    plane.fill(liver, 60 + 4 * texture)
    stomach = np.minimum(inside - 3, ellipse(plane.x - 62, plane.y + 12, 40, 46))
    plane.fill(stomach, 45.0)
    level = np.minimum(stomach - 2.8, -22 - plane.y)
    plane.fill(stomach - 2.8, 22.0)
    plane.fill(level, -960.0)  # gas above fluid: air that is no lung
    plane.fill(np.minimum(inside - 4, ellipse(plane.x - 96, plane.y - 48, 30, 38)), 52 + 3 * texture)  # spleen


def _paint_heart(plane: Plane, texture: Array) -> None:
    if not -140 < plane.z < 10:
        return
    muscle = _heart(plane.x, plane.y, plane.z, 0)
    plane.fill(_heart(plane.x, plane.y, plane.z, 4.5), 30.0)  # pericardium
    plane.fill(_heart(plane.x, plane.y, plane.z, 3.2), _FAT)
    plane.fill(muscle - 2 * np.abs(texture), 52.0)
    across, depth = plane.x - 20, plane.y + 26
    along, beside = across * 0.82 - depth * 0.57, across * 0.57 + depth * 0.82
    chambers = np.maximum(ellipse(along - 8, beside - 17, 32, 13), ellipse(along - 4, beside + 16, 38, 12))
    plane.fill(np.minimum(muscle - 11, chambers), 38.0)
    groove = np.minimum(2.2 - np.abs(along + 18 + 0.25 * beside), muscle)  # fat between atria and ventricles
    plane.fill(np.minimum(groove, np.abs(beside) - 20), -60.0)


def _paint_spine(plane: Plane) -> None:
    phase = (plane.z + 7) % 25  # mm above the bottom of a disc; a vertebra with its disc is 25 mm high
    plane.blob(0, 86, 33, 21, _MUSCLE)
    plane.blob(0, 60, 21, 17.5, -60.0)
    disc, endplate, neural_arch = phase < 4.5, phase < 6.5 or phase > 23.2, 8 < phase < 20
    plane.blob(0, 59, 17, 14, 90.0 if disc else 560.0)
    if not disc:
        plane.blob(0, 59, 15.6, 12.6, 420.0 if endplate else 190.0)
    for side in (RIGHT, LEFT):
        if neural_arch:
            for radius, hu in ((4.6, 480.0), (2.8, 230.0)):
                for tube in _course(
                    radius, (side * 12, 70, plane.z), (side * 15, 81, plane.z), (side * 35, 90, plane.z)
                ):
                    plane.tube(tube, hu)
        else:
            plane.blob(side * 14, 84, 6, 5, 380.0)  # facet joints
    plane.blob(0, 79, 13, 12, 520.0)
    if phase > 9 or phase < 4:
        for tube in _course(3.2, (0, 90, plane.z), (0, 107, plane.z)):
            plane.tube(tube, 380.0)
    plane.blob(0, 78.5, 9.5, 8.5, 15.0)  # canal
    plane.blob(0, 78.5, 5.5, 4.5, 40.0)  # cord
