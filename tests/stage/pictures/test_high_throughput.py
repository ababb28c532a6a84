"""High-throughput JPEG 2000: what OpenJPH encodes comes out again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from harness.data import real_file
from hilum.pictures.decoder import pixels
from hilum.pictures.pool import Pool
from interop.programs import program
from stage.pictures.decoding import draw
from stage.pictures.decoding import pixels as shown


def encoded(folder: Path, syntax: str, *options: str) -> tuple[Path, np.ndarray]:
    """A grey instance in that transfer syntax, and its values as they were."""
    ds = pydicom.dcmread(real_file("MR_small.dcm"))
    values = ds.pixel_array.astype(np.uint16) & 0x0FFF
    Image.fromarray(values).save(folder / "frame.pgm")
    done = subprocess.run(
        [program("ojph_compress", "openjph-tools"), "-i", "frame.pgm", "-o", "frame.j2c", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ds.PixelData = encapsulate([(folder / "frame.j2c").read_bytes()])
    ds["PixelData"].VR = "OB"
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 0
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(folder / "file.dcm")
    return folder / "file.dcm", values


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_without_loss_every_value_comes_back(tmp_path: Path, syntax: str) -> None:
    path, values = encoded(tmp_path, syntax, "-reversible", "true", "-prog_order", "RPCL")
    with path.open("rb") as file:
        assert np.array_equal(pixels.frame(pixels.read_file(file), 1, 1 << 24), values)


def test_with_loss_it_looks_the_same(tmp_path: Path) -> None:
    path, values = encoded(tmp_path, uid.HTJ2K, "-qstep", "0.0005")
    with path.open("rb") as file:
        found = pixels.frame(pixels.read_file(file), 1, 1 << 24)
    assert 0 < np.abs(found.astype(int) - values.astype(int)).mean() < values.std() / 20


def test_it_is_decoded_in_the_cage(pool: Pool, tmp_path: Path) -> None:
    path, _ = encoded(tmp_path, uid.HTJ2KLossless, "-reversible", "true")
    picture = draw(pool, path)
    assert not picture.why
    assert shown(picture).std() > 10
