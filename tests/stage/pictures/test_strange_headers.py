"""Headers that were changed at random: a picture or a placeholder comes, and the next one too."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement

from harness.data import real_file
from hilum.pictures.pool import Pool
from stage.pictures.decoding import describe, draw

_NUMBERS = [
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PlanarConfiguration", "PixelPaddingValue",
]  # fmt: skip
_TEXTS = [
    "PhotometricInterpretation", "NumberOfFrames", "WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleSlope",
    "RescaleIntercept", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber",
    "SeriesNumber", "SpecificCharacterSet", "SeriesDescription", "PixelAspectRatio",
]  # fmt: skip
_FILES = [
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "examples_palette.dcm",
]

_SAYINGS = [
    "", "0", "-1", "1e308", "NaN", "inf", "1\\2", "1\\2\\3\\4\\5\\6", "0\\0\\0\\0\\0\\0", "PALETTE COLOR", "YBR_FULL",
    "YBR_FULL_422", "RGB", "MONOCHROME1", "SIGMOID", "ISO 2022 IR 87", "\x1b$B", "999999999",
]  # fmt: skip
_text = st.sampled_from(_SAYINGS) | st.text(st.characters(max_codepoint=255), max_size=16)
_number = st.sampled_from([0, 1, 2, 3, 7, 8, 12, 16, 32, 255, 4096, 65535])
_changes = st.dictionaries(st.sampled_from(_NUMBERS), _number).flatmap(
    lambda some: st.dictionaries(st.sampled_from(_TEXTS), _text).map(lambda more: some | more)
)


def element(keyword: str, value: Any) -> bytes:
    """Explicit VR little endian, whatever the VR may be."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    if isinstance(value, int):
        return struct.pack("<HH2sHH", tag >> 16, tag & 0xFFFF, b"US", 2, value)
    content = value.encode("latin-1")
    content += b" " * (len(content) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"LO", len(content)) + content


@given(name=st.sampled_from(_FILES), changes=_changes, cut=st.none() | st.floats(0, 1))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_come_to_a_picture_or_a_reason(pool: Pool, name: str, changes: dict[str, Any], cut: float | None) -> None:
    data = changed(real_file(name), changes)
    if cut is not None:
        data = data[: int(len(data) * cut)]
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        file.write(data)
        file.flush()
        picture = draw(pool, Path(file.name))
        (facts,) = describe(pool, Path(file.name))
    assert picture.png.startswith(b"\x89PNG")
    # A library may crash on it, and then crashes alone.
    assert not picture.passing or "crashed" in picture.why, picture.why
    assert "meaning" not in facts.unreadable
    assert all(one not in picture.why for one in ("Errno", "Operation not permitted"))


def changed(path: Path, changes: dict[str, Any]) -> bytes:
    """The file with other elements in the place of those that it has, whose lengths are of the short form."""
    data = path.read_bytes()
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    # From the end on: what stands before stays where it is.
    for keyword, value in sorted(changes.items(), key=lambda one: -(tag_for_keyword(one[0]) or 0)):
        if keyword in ds:
            old = ds.get_item(keyword)
            begin = (old.file_tell if isinstance(old, DataElement) else old.value_tell) - 8  # type: ignore[union-attr]
            (length,) = struct.unpack_from("<H", data, begin + 6)
            data = data[:begin] + element(keyword, value) + data[begin + 8 + length :]
    return data


@given(noise=st.binary(max_size=2000), meta=st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_comes_to_a_reason(pool: Pool, noise: bytes, meta: bool) -> None:
    head = real_file("CT_small.dcm").read_bytes()[:400] if meta else b""
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        os.write(file.fileno(), head + noise)
        picture = draw(pool, Path(file.name))
    assert picture.why
    assert not picture.passing, picture.why
