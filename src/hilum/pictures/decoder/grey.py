"""Stored values to greys: modality transformation, VOI transformation, percentiles where a header says nothing.

Source: PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (Photometric Interpretation).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Stored: TypeAlias = NDArray[Any]
Values: TypeAlias = NDArray[np.float64]
Greys: TypeAlias = NDArray[np.uint8]

#: What a picture without a window shows: all but the darkest and the brightest hundredth.
_PERCENTILES: Final = (1.0, 99.0)
#: So many values tell as much about percentiles as all of a mammogram.
_SAMPLES: Final = 250_000


class Function(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A VOI transformation by centre and width, in the units of the modality transformation.

    Attributes:
        width: At least 1 for ``LINEAR``, above 0 for the others.
    """

    center: float
    width: float
    function: Function = Function.LINEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """A linear modality transformation."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lookup:
    """A table for values from ``first`` on; those below and above get its first and last entry.

    Attributes:
        top: The largest value that its entries can have.
    """

    first: int
    entries: NDArray[np.uint16]
    top: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """How the stored values of a frame become greys.

    Attributes:
        voi: The header's; ``None``: it has none, and percentiles have to do.
        function: Of a window that is not the header's.
        inverted: Low values are bright (MONOCHROME1).
        padding: Stored values from the first to the second belong to no tissue.
    """

    modality: Rescale | Lookup = Rescale()
    voi: Window | Lookup | None = None
    function: Function = Function.LINEAR
    inverted: bool = False
    padding: tuple[float, float] | None = None


def transformation(stored: Stored, scale: Scale, chosen: tuple[float, float] | None = None) -> Window | Lookup:
    """The VOI transformation of a frame: one that was chosen, the header's, or by percentiles.

    Args:
        chosen: Centre and width.
    """
    if chosen is not None:
        return Window(center=chosen[0], width=_least(chosen[1], scale.function), function=scale.function)
    return scale.voi or percentile_window(stored, scale)


def to_greys(stored: Stored, scale: Scale, voi: Window | Lookup) -> Greys:
    """8-bit greys of any stored values, in their shape."""
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2 and stored.size > 4096:
        # There are fewer different values than pixels: each is worked out once.
        native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        unsigned = np.dtype(f"u{native.dtype.itemsize}")
        every = np.arange(1 << 8 * native.dtype.itemsize, dtype=unsigned)
        greys: Greys = _greys(every.view(native.dtype), scale, voi)[native.view(unsigned)]
        return greys
    return _greys(stored, scale, voi)


def _greys(stored: Stored, scale: Scale, voi: Window | Lookup) -> Greys:
    light = through(voi, to_modality(stored, scale.modality))
    if scale.inverted:
        light = 1.0 - light
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(np.rint(light * 255.0)).clip(0, 255), np.uint8)


def to_modality(stored: Stored, modality: Rescale | Lookup) -> Values:
    """In the units of the modality: Hounsfield units, for example.

    Source: PS3.3 C.11.1.1.
    """
    if isinstance(modality, Lookup):
        return _look_up(stored, modality)
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float64) * modality.slope + modality.intercept


def through(voi: Window | Lookup, values: Values) -> Values:
    """From 0, black, to 1, white.

    Source: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.1 (VOI LUT).
    """
    if isinstance(voi, Lookup):
        return _look_up(values, voi) / max(1, voi.top)
    center, width = voi.center, voi.width
    with np.errstate(over="ignore", invalid="ignore"):
        if voi.function is Function.SIGMOID:
            return 1.0 / (1.0 + np.exp(-4.0 * (values - center) / width))
        if voi.function is Function.LINEAR_EXACT:
            return ((values - center) / width + 0.5).clip(0.0, 1.0)
        if width <= 1.0:
            return (values > center - 0.5).astype(np.float64)
        return ((values - (center - 0.5)) / (width - 1.0) + 0.5).clip(0.0, 1.0)


def _look_up(values: NDArray[Any], table: Lookup) -> Values:
    with np.errstate(invalid="ignore"):
        # In float64, which holds every stored value exactly: no difference can overflow.
        places = np.nan_to_num(np.floor(values.astype(np.float64) - table.first)).clip(0, len(table.entries) - 1)
    return table.entries[places.astype(np.intp)].astype(np.float64)


def percentile_window(stored: Stored, scale: Scale) -> Window:
    """A window for pixels that come without one."""
    flat = stored.ravel()
    # Not every n-th pixel of a width that n divides: that would be a column.
    sample = flat[:: max(1, flat.size // _SAMPLES) | 1]
    if scale.padding is not None:
        low, high = scale.padding
        inside = sample[(sample < low) | (sample > high)]
        sample = inside if inside.size else sample
    values = to_modality(sample, scale.modality)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Window(center=0.0, width=1.0, function=Function.LINEAR_EXACT)
    low, high = (float(one) for one in np.percentile(values, _PERCENTILES))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return Window(center=(low + high) / 2, width=max(high - low, 1e-9), function=Function.LINEAR_EXACT)


def is_valid(width: float, function: Function) -> bool:
    """Whether a window may have this width.

    Source: PS3.3 C.11.2.1.2.1, C.11.2.1.3.
    """
    return width >= 1.0 if function is Function.LINEAR else width > 0.0


def _least(width: float, function: Function) -> float:
    return max(width, 1.0) if function is Function.LINEAR else max(width, 1e-9)
