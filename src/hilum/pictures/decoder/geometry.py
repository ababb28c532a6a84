"""Where the pixels of one plane lie in another.

Source: PS3.3 C.7.6.2.1.1 (Image Position and Image Orientation), Equation C.7.6.2.1-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hilum.pictures.decoder import header

Vector: TypeAlias = NDArray[np.float64]

#: Cosine of the angle between two planes that are taken as parallel.
_PARALLEL: Final = 0.9995


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plane:
    """A frame in space; mm.

    Attributes:
        origin: The centre of its first pixel.
        along_row: Direction in which the column index grows, times the width of a pixel.
        along_column: Direction in which the row index grows, times the height of a pixel.
    """

    origin: Vector
    along_row: Vector
    along_column: Vector
    rows: int
    columns: int

    @property
    def normal(self) -> Vector:
        """Of length 1."""
        normal = np.cross(self.along_row, self.along_column)
        return normal / np.linalg.norm(normal)


def plane(ds: Dataset, frame: int) -> Plane | None:
    """The plane of a frame, if its header says where it is.

    Args:
        frame: From 1.
    """
    position = header.first_numbers(header.macros(ds, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    cosines = header.first_numbers(header.macros(ds, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = header.first_numbers(header.macros(ds, frame, "PixelMeasuresSequence"), "PixelSpacing", 2)
    rows, columns = header.whole(ds, "Rows"), header.whole(ds, "Columns")
    if not (position and cosines and spacing and rows and columns) or min(spacing) <= 0:
        return None
    row, column = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    if abs(np.linalg.norm(row) - 1) > 0.1 or abs(np.linalg.norm(column) - 1) > 0.1 or abs(row @ column) > 0.1:
        return None
    return Plane(
        origin=np.asarray(position),
        along_row=row * spacing[1],
        along_column=column * spacing[0],
        rows=rows,
        columns=columns,
    )


def distance(below: Plane, above: Plane) -> float | None:
    """Between two parallel planes, mm; ``None``: they are not parallel."""
    if abs(below.normal @ above.normal) < _PARALLEL:
        return None
    return abs(float((above.origin - below.origin) @ below.normal))


def lay(values: NDArray[Any], of: Plane, on: Plane) -> NDArray[Any]:
    """Values of one plane at the pixels of another that is parallel: the nearest ones, 0 outside."""
    y, x = np.mgrid[0 : on.rows, 0 : on.columns]
    offset = on.origin - of.origin

    def index(axis: Vector, count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        unit = axis / (axis @ axis)
        place = np.rint(offset @ unit + x * (on.along_row @ unit) + y * (on.along_column @ unit))
        return place.clip(0, count - 1).astype(np.intp), (place >= 0) & (place < count)

    columns, in_columns = index(of.along_row, of.columns)
    rows, in_rows = index(of.along_column, of.rows)
    return np.where(in_rows & in_columns, values[rows, columns], 0)
