"""Real files of every transfer syntax, through a real decoding process in its cage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

from harness.data import real_file
from hilum.pictures.pool import Pool
from stage.pictures.decoding import describe, draw, is_placeholder, pixels

#: A file of each syntax that can be decoded, and one that holds the same picture uncompressed where there is one.
SYNTAXES = [
    (uid.ImplicitVRLittleEndian, "MR_small_implicit.dcm", "MR_small.dcm"),
    (uid.ExplicitVRBigEndian, "MR_small_bigendian.dcm", "MR_small.dcm"),
    (uid.RLELossless, "MR_small_RLE.dcm", "MR_small.dcm"),
    (uid.JPEG2000Lossless, "MR_small_jp2klossless.dcm", "MR_small.dcm"),
    (uid.JPEGLSLossless, "MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
    (uid.JPEGLSNearLossless, "JPEGLSNearLossless_08.dcm", None),
    (uid.JPEG2000, "693_J2KI.dcm", None),
    (uid.JPEGBaseline8Bit, "SC_rgb_jpeg_dcmtk.dcm", None),
    (uid.JPEGBaseline8Bit, "SC_rgb_jpeg.dcm", None),  # its pixel data have no VR
    (uid.DeflatedExplicitVRLittleEndian, "image_dfl.dcm", None),
    (uid.JPEGLosslessSV1, "JPGLosslessP14SV1_1s_1f_8b.dcm", None),
]


@pytest.mark.parametrize(("syntax", "name", "same"), SYNTAXES, ids=[name for _, name, _ in SYNTAXES])
def test_every_syntax_that_has_a_decoder(pool: Pool, syntax: str, name: str, same: str | None) -> None:
    path = real_file(name)
    assert pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID == syntax
    picture = draw(pool, path)
    assert not picture.why
    found = pixels(picture)
    assert found.std() > 0.5
    if same is not None:
        assert np.array_equal(found, pixels(draw(pool, real_file(same))))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("JPGExtended.dcm", "there is no decoder for its transfer syntax with more than 8 bits here: JPEG Extended"),
        ("rtplan.dcm", "RT Plan Storage: it has no pixels"),
        ("rtstruct.dcm", "RT Structure Set Storage: it has no pixels"),
        ("reportsi.dcm", "Basic Text SR Storage: it has no pixels"),
        ("waveform_ecg.dcm", "12-lead ECG Waveform Storage: it has no pixels"),
        ("MR_truncated.dcm", "its pixels cannot be decoded"),
        ("no_meta.dcm", "it cannot be read as DICOM"),
    ],
)
def test_what_has_no_picture_says_so(pool: Pool, name: str, words: str) -> None:
    picture = draw(pool, real_file(name))
    assert is_placeholder(picture)
    assert words in picture.why
    assert not picture.passing


def test_an_unknown_syntax_is_named(pool: Pool, tmp_path: Path) -> None:
    for syntax, name in ((uid.MPEG4HP41, "MPEG-4 AVC"), ("1.2.3.4", "1.2.3.4")):
        ds = pydicom.dcmread(real_file("SC_rgb_jpeg_dcmtk.dcm"))
        ds.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(tmp_path / "file.dcm", ds, implicit_vr=False, little_endian=True)
        picture = draw(pool, tmp_path / "file.dcm")
        assert "there is no decoder for its transfer syntax here" in picture.why
        assert name in picture.why


def test_no_file_of_pydicom_needs_what_the_cage_forbids(pool: Pool) -> None:
    """Whatever is wrong with a file, its placeholder speaks of that and not of the cage."""
    folders = {real_file(name).parent for name in ("CT_small.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm")}
    names = [path for folder in folders for path in folder.glob("*.dcm") if path.stat().st_size < 4 << 20]
    assert len(names) > 100
    shown = 0
    for path in names:
        picture = draw(pool, path)
        shown += not picture.why
        for foreign in ("Operation not permitted", "Errno", "No module", "without meaning", "was ended"):
            assert foreign not in picture.why, (path, picture.why)
    assert shown > 80


class TestColours:
    def test_rgb_is_shown_as_it_is(self, pool: Pool) -> None:
        path = real_file("SC_rgb_small_odd.dcm")
        assert np.array_equal(pixels(draw(pool, path)), pydicom.dcmread(path).pixel_array)

    @pytest.mark.parametrize("name", ["SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_ybr_full_422_uncompressed.dcm"])
    def test_ybr_looks_like_the_rgb_that_it_was_made_from(self, pool: Pool, name: str) -> None:
        rgb = pydicom.dcmread(real_file("SC_rgb_dcmtk_+eb+cr.dcm")).pixel_array
        found = pixels(draw(pool, real_file(name)))
        assert np.abs(found.astype(int) - rgb.astype(int)).mean() < 6

    def test_palette_colours_are_looked_up(self, pool: Pool) -> None:
        path = real_file("examples_palette.dcm")
        ds = pydicom.dcmread(path)
        expected = pydicom.pixels.apply_color_lut(ds.pixel_array, ds) >> 8
        assert np.array_equal(pixels(draw(pool, path, size=1024)), expected)

    def test_sixteen_bits_become_eight(self, pool: Pool) -> None:
        path = real_file("SC_rgb_rle_16bit.dcm")
        assert np.array_equal(pixels(draw(pool, path)), pydicom.dcmread(path).pixel_array >> 8)


class TestFrames:
    def test_each_is_a_picture(self, pool: Pool) -> None:
        path = real_file("SC_rgb_rle_2frame.dcm")
        one, two = (pixels(draw(pool, path, frame=frame)) for frame in (1, 2))
        assert not np.array_equal(one, two)
        assert np.array_equal(two, pydicom.dcmread(path).pixel_array[1])

    def test_one_that_does_not_exist_is_not_shown(self, pool: Pool) -> None:
        assert draw(pool, real_file("SC_rgb_rle_2frame.dcm"), frame=3).why == "it has 2 frames, there is no frame 3"

    def test_a_dose_of_32_bits_is_shown_by_percentiles(self, pool: Pool) -> None:
        found = pixels(draw(pool, real_file("rtdose.dcm"), frame=8))
        assert found.min() == 0
        assert found.max() == 255


class TestSize:
    def test_is_the_longer_side_at_most(self, pool: Pool) -> None:
        assert max(pixels(draw(pool, real_file("CT_small.dcm"), size=64)).shape) == 64

    def test_nothing_is_enlarged(self, pool: Pool) -> None:
        assert pixels(draw(pool, real_file("CT_small.dcm"), size=2048)).shape == (128, 128)

    def test_pixels_that_are_not_square_are_made_so(self, pool: Pool, tmp_path: Path) -> None:
        ds = pydicom.dcmread(real_file("CT_small.dcm"))
        ds.PixelSpacing = [2.0, 1.0]
        ds.save_as(tmp_path / "file.dcm")
        assert pixels(draw(pool, tmp_path / "file.dcm")).shape == (256, 128)


def test_the_window_is_told(pool: Pool) -> None:
    assert draw(pool, real_file("MR_small.dcm")).window == (600, 1600)
    assert draw(pool, real_file("MR_small.dcm"), center=5.0, width=10.0).window == (5, 10)
    assert draw(pool, real_file("SC_rgb_small_odd.dcm")).window is None


class TestFacts:
    def test_of_a_slice(self, pool: Pool) -> None:
        ds = pydicom.dcmread(real_file("CT_small.dcm"))
        (found,) = describe(pool, real_file("CT_small.dcm"))
        assert found.sop_instance == ds.SOPInstanceUID
        assert found.series == ds.SeriesInstanceUID
        assert found.position == tuple(ds.ImagePositionPatient)
        assert found.orientation == tuple(ds.ImageOrientationPatient)
        assert (found.rows, found.columns, found.frames, found.shown, found.what) == (
            128,
            128,
            1,
            True,
            "CT Image Storage",
        )

    def test_of_many_come_in_their_order(self, pool: Pool) -> None:
        names = ["CT_small.dcm", "rtplan.dcm", "no_meta.dcm", "rtdose.dcm"]
        found = describe(pool, *(real_file(name) for name in names))
        assert [one.what for one in found] == ["CT Image Storage", "RT Plan Storage", "", "RT Dose Storage"]
        assert [one.frames for one in found] == [1, 0, 0, 15]
        assert "cannot be read as DICOM" in found[2].unreadable

    def test_no_name_and_number_of_a_patient_is_among_them(self, pool: Pool) -> None:
        ds = pydicom.dcmread(real_file("CT_small.dcm"))
        said = str(describe(pool, real_file("CT_small.dcm")))
        assert str(ds.PatientName) not in said
        assert str(ds.PatientID) not in said
