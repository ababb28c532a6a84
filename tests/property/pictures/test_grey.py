"""Windowing against pydicom's: the same values of the same headers come out as the same greys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from hilum.pictures.decoder import grey, header

_SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=24)
_FINITE = {"allow_nan": False, "allow_infinity": False}


@st.composite
def frames(draw: st.DrawFn) -> tuple[NDArray[Any], Dataset]:
    """Stored values and the header that they come with, without a VOI transformation."""
    signed, allocated = draw(st.booleans()), draw(st.sampled_from([8, 16]))
    stored_bits = draw(st.integers(min_value=max(2, allocated - 6), max_value=allocated))
    low, high = (-(1 << stored_bits - 1), (1 << stored_bits - 1) - 1) if signed else (0, (1 << stored_bits) - 1)
    values = draw(arrays.arrays(f"{'i' if signed else 'u'}{allocated // 8}", _SHAPES, elements=st.integers(low, high)))
    ds = Dataset()
    ds.PhotometricInterpretation = draw(st.sampled_from(["MONOCHROME1", "MONOCHROME2"]))
    ds.SamplesPerPixel = 1
    ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored_bits, stored_bits - 1
    ds.PixelRepresentation = int(signed)
    if draw(st.booleans()):
        ds.RescaleSlope = draw(st.sampled_from([1, 2, 0.5, 1.25, 0.1, -1]))
        ds.RescaleIntercept = draw(st.integers(-2000, 2000))
    return values, ds


def normalised(given: NDArray[Any], low: float, high: float, ds: Dataset) -> NDArray[Any]:
    """What pydicom gives, as greys from 0 to 255."""
    light = (given.astype(float) - low) / (high - low)
    return np.rint(255 * (1 - light if ds.PhotometricInterpretation == "MONOCHROME1" else light))


def shown(values: NDArray[Any], scale: grey.Scale, chosen: tuple[float, float] | None = None) -> NDArray[Any]:
    return grey.to_greys(values, scale, grey.transformation(values, scale, chosen))


def output_range(ds: Dataset) -> tuple[float, float]:
    """From where to where pydicom's windows go: what the modality transformation can give."""
    low, high = (
        (-(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1)
        if ds.PixelRepresentation
        else (0, 2**ds.BitsStored - 1)
    )
    if "RescaleSlope" in ds:
        low, high = low * ds.RescaleSlope + ds.RescaleIntercept, high * ds.RescaleSlope + ds.RescaleIntercept
    return float(low), float(high)


@given(
    frame=frames(),
    center=st.floats(-3000, 3000, **_FINITE),
    width=st.floats(1, 8000, **_FINITE),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", None]),
)
@settings(deadline=None)
def test_windows_show_what_pydicom_shows(
    frame: tuple[NDArray[Any], Dataset], center: float, width: float, function: str | None
) -> None:
    values, ds = frame
    center, width = round(center, 3), round(width, 3)
    ds.WindowCenter, ds.WindowWidth = center, width
    if function is not None:
        ds.VOILUTFunction = function
    assume(width > 1 or function != "LINEAR")
    with np.errstate(over="ignore"):  # of a sigmoid far from its centre
        expected = apply_voi_lut(apply_modality_lut(values, ds), ds)
    mine = shown(values, header.scale(ds, 1)).astype(float)
    assert np.abs(mine - normalised(expected, *output_range(ds), ds)).max() <= 1


@given(frame=frames(), chosen=st.tuples(st.floats(-3000, 3000, **_FINITE), st.floats(1.5, 8000, **_FINITE)))
@settings(deadline=None)
def test_a_chosen_window_shows_what_the_same_one_in_the_header_shows(
    frame: tuple[NDArray[Any], Dataset], chosen: tuple[float, float]
) -> None:
    values, ds = frame
    ds.WindowCenter, ds.WindowWidth = 1, 2
    mine = shown(values, header.scale(ds, 1), (round(chosen[0], 3), round(chosen[1], 3)))
    ds.WindowCenter, ds.WindowWidth = round(chosen[0], 3), round(chosen[1], 3)
    assert np.array_equal(mine, shown(values, header.scale(ds, 1)))


@given(
    frame=frames(),
    first=st.integers(-500, 500),
    entries=st.lists(st.integers(0, 65535), min_size=2, max_size=64),
    bits=st.sampled_from([10, 12, 16]),  # of 8 bits pydicom counts the places in 8 bits, too
)
@settings(deadline=None)
def test_tables_show_what_pydicom_shows(
    frame: tuple[NDArray[Any], Dataset], first: int, entries: list[int], bits: int
) -> None:
    values, ds = frame
    if not ds.PixelRepresentation:
        first = abs(first)
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", [one & (1 << bits) - 1 for one in entries])
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        ds.pop(keyword, None)
    ds.VOILUTSequence = [item]
    expected = apply_voi_lut(values.astype(np.int32), ds)  # in 8 bits its differences overflow
    mine = shown(values, header.scale(ds, 1)).astype(float)
    assert np.abs(mine - normalised(expected, 0, (1 << bits) - 1, ds)).max() <= 1


@given(frame=frames(), entries=st.lists(st.integers(0, 4095), min_size=2, max_size=64))
@settings(deadline=None)
def test_modality_tables_give_what_pydicom_gives(frame: tuple[NDArray[Any], Dataset], entries: list[int]) -> None:
    values, ds = frame
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), 3, 16])
    item.add_new("LUTData", "US", entries)
    item.ModalityLUTType = "US"
    ds.ModalityLUTSequence = [item]
    expected = apply_modality_lut(values, ds)
    assert np.array_equal(grey.to_modality(values, header.scale(ds, 1).modality), expected)


@given(frame=frames())
@settings(deadline=None)
def test_without_a_window_all_but_the_outermost_can_be_told_apart(frame: tuple[NDArray[Any], Dataset]) -> None:
    values, ds = frame
    found = shown(values, header.scale(ds, 1)).astype(int)
    brightness = grey.to_modality(values, header.scale(ds, 1).modality)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        brightness = -brightness
    order = np.argsort(brightness, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()
    if brightness.max() > brightness.min():
        assert found.min() == 0
        assert found.max() == 255


@given(values=arrays.arrays(np.float32, _SHAPES), scale=st.sampled_from([1.0, 1e30, -2.0]))
@settings(deadline=None)
def test_any_numbers_give_a_picture(values: NDArray[np.float32], scale: float) -> None:
    found = shown(values, grey.Scale(modality=grey.Rescale(slope=scale)))
    assert found.dtype == np.uint8
    assert found.shape == values.shape


def test_large_frames_go_the_way_of_the_table() -> None:
    values = np.random.default_rng(1).integers(-1024, 3071, (300, 300), np.int16)
    scale = grey.Scale(voi=grey.Window(center=40, width=400), modality=grey.Rescale(intercept=-1000))
    small = np.vstack([shown(row[None], scale) for row in values])
    assert np.array_equal(shown(values, scale), small)
    assert np.array_equal(shown(values.astype(">i2"), scale), small)


def test_padding_does_not_count_where_there_is_no_window() -> None:
    values = np.full((100, 100), -2000, np.int16)
    values[:10] = np.arange(1000).reshape(10, 100)
    bare = grey.percentile_window(values, grey.Scale())
    padded = grey.percentile_window(values, grey.Scale(padding=(-2000, -2000)))
    assert bare.center - bare.width / 2 == pytest.approx(-2000)
    assert padded.center - padded.width / 2 == pytest.approx(10, abs=1)
    assert padded.center + padded.width / 2 == pytest.approx(989, abs=1)
