"""JPEG lossless: what DCMTK encodes comes out again, bit by bit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import real_file
from hilum.pictures.decoder import lossless, pixels
from hilum.pictures.pool import Pool
from interop.programs import program
from stage.pictures.decoding import draw
from stage.pictures.decoding import pixels as shown

pixels.install()


def encoded(source: Path, target: Path, *options: str) -> pydicom.Dataset:
    done = subprocess.run(
        [program("dcmcjpeg", "dcmtk"), *options, str(source), str(target)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return pydicom.dcmread(target)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_small_odd.dcm"])
@pytest.mark.parametrize("predictor", [None, 1, 2, 3, 4, 5, 6, 7])
def test_every_predictor_gives_back_what_was_encoded(tmp_path: Path, name: str, predictor: int | None) -> None:
    how = ["+e1"] if predictor is None else ["+el", "+sv", str(predictor)]
    ds = encoded(real_file(name), tmp_path / "file.dcm", *how)
    assert ds.file_meta.TransferSyntaxUID in lossless.DECODER_DEPENDENCIES
    with (tmp_path / "file.dcm").open("rb") as file:
        found = pixels.frame(pixels.read_file(file), 1, 1 << 24)
    assert np.array_equal(found, pydicom.dcmread(real_file(name)).pixel_array)


def test_sixteen_bits_of_noise(tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_file("MR_small.dcm"))
    values = np.random.default_rng(5).integers(0, 65536, (64, 64), np.uint16)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 0
    ds.PixelData = values.tobytes()
    ds.save_as(tmp_path / "plain.dcm")
    encoded(tmp_path / "plain.dcm", tmp_path / "file.dcm", "+e1")
    with (tmp_path / "file.dcm").open("rb") as file:
        assert np.array_equal(pixels.frame(pixels.read_file(file), 1, 1 << 24), values)


def test_a_real_file_in_the_cage(pool: Pool) -> None:
    picture = draw(pool, real_file("JPGLosslessP14SV1_1s_1f_8b.dcm"))
    assert not picture.why
    assert shown(picture).std() > 10


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    ds = encoded(real_file("MR_small.dcm"), tmp_path_factory.mktemp("lossless") / "file.dcm", "+e1")
    return next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_broken_streams_are_errors_and_nothing_else(stream: bytes, data: st.DataObject) -> None:
    broken = bytearray(stream)
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        broken[at] = data.draw(st.integers(0, 255))
    del broken[data.draw(st.integers(0, len(broken))) :]
    try:
        found = lossless.decode(bytes(broken), most=64 * 64)
    except lossless.LosslessError:
        return
    assert found.size <= 64 * 64
