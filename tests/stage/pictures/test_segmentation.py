"""A segmentation lies where it belongs: on which slices, on which of their pixels, in which colour."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from hilum.pictures.catalogue import Kind, catalogue
from hilum.pictures.pool import Pool
from stage.pictures.decoding import describe, draw, pixels
from stage.pictures.volumes import BOX, BOXED, COLUMNS, ROWS, SLICES, SPACING, box, segmentation, series


@pytest.fixture
def slices(tmp_path: Path) -> list[Dataset]:
    return series(tmp_path)


def path_of(folder: Path, ds: Dataset) -> Path:
    return folder / f"{ds.SOPInstanceUID}.dcm"


def covers(pool: Pool, folder: Path, slices: list[Dataset], over: Path) -> NDArray[np.float64]:
    """How much of each pixel of each slice is covered, 0 to 1."""
    shown = [draw(pool, path_of(folder, one), over, alone=True) for one in slices]
    assert not any(one.why for one in shown), [one.why for one in shown]
    return np.stack([pixels(one)[:, :, 3] / 255 for one in shown])


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_lies_on_its_pixels_and_nowhere_else(pool: Pool, tmp_path: Path, slices: list[Dataset], kind: str) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm", kind=kind)
    assert np.array_equal(covers(pool, tmp_path, slices, tmp_path / "seg.dcm"), box().astype(float))


def test_fractions_are_as_strong_as_they_are(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    share = box() * 0.4
    segmentation(slices, share, tmp_path / "seg.dcm", kind="FRACTIONAL")
    assert np.abs(covers(pool, tmp_path, slices, tmp_path / "seg.dcm") - share).max() < 0.01


def test_has_the_colour_that_is_recommended(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    colour = hd.color.CIELabColor(54.29, 80.80, 69.89)  # red
    segmentation(slices, box(), tmp_path / "seg.dcm", colour=colour)
    shown = pixels(draw(pool, path_of(tmp_path, slices[2]), tmp_path / "seg.dcm", alone=True))
    assert np.abs(shown[box()[2]][:, :3].astype(int) - [255, 0, 0]).max() <= 3
    (facts,) = describe(pool, tmp_path / "seg.dcm")
    assert [(one.number, one.label) for one in facts.segments] == [(1, "Finding 1")]
    assert facts.segments[0].colour.startswith("#f")


def test_is_mixed_with_the_picture_below_by_its_opacity(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm")
    source, seg = path_of(tmp_path, slices[2]), tmp_path / "seg.dcm"
    below, layer = pixels(draw(pool, source)), pixels(draw(pool, source, seg, alone=True))
    inside = box()[2]
    for opacity in (0, 30, 100):
        mixed = pixels(draw(pool, source, seg, opacity=opacity))
        assert (mixed[~inside] == below[~inside][:, None]).all()
        expected = below[inside][:, None] * (1 - opacity / 100) + layer[inside][:, :3] * (opacity / 100)
        assert np.abs(mixed[inside] - expected).max() <= 1


def test_a_slice_without_it_is_told(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm")
    picture = draw(pool, path_of(tmp_path, slices[0]), tmp_path / "seg.dcm")
    assert picture.note == "no frame of the segmentation lies on this one"
    assert draw(pool, path_of(tmp_path, slices[2]), tmp_path / "seg.dcm").note == ""


def test_segments_have_colours_of_their_own(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    other = np.roll(box(), -20, axis=2)
    segmentation(slices, np.stack([box(), other], axis=3), tmp_path / "seg.dcm")
    layer = pixels(draw(pool, path_of(tmp_path, slices[2]), tmp_path / "seg.dcm", alone=True))
    assert np.array_equal(layer[:, :, 3] == 255, box()[2] | other[2])
    assert len(np.unique(layer[box()[2]], axis=0)) == len(np.unique(layer[other[2]], axis=0)) == 1
    assert not np.array_equal(layer[box()[2]][0], layer[other[2]][0])


class TestByPosition:
    """Nothing says from which instances it was derived: its positions tell."""

    def without_references(self, path: Path) -> None:
        ds = pydicom.dcmread(path)
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence
        ds.pop("ReferencedSeriesSequence", None)
        ds.pop("SourceImageSequence", None)
        ds.save_as(path)

    def test_frames_lie_on_the_slices_at_their_position(
        self, pool: Pool, tmp_path: Path, slices: list[Dataset]
    ) -> None:
        segmentation(slices, box(), tmp_path / "seg.dcm")
        self.without_references(tmp_path / "seg.dcm")
        assert np.array_equal(covers(pool, tmp_path, slices, tmp_path / "seg.dcm"), box().astype(float))

    def test_of_an_oblique_series_too(self, pool: Pool, tmp_path: Path) -> None:
        turn = np.deg2rad(30)
        slices = series(tmp_path, orientation=(np.cos(turn), np.sin(turn), 0, 0, 0, -1))
        segmentation(slices, box(), tmp_path / "seg.dcm")
        self.without_references(tmp_path / "seg.dcm")
        assert np.array_equal(covers(pool, tmp_path, slices, tmp_path / "seg.dcm"), box().astype(float))

    def test_in_another_space_it_lies_nowhere(self, pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
        segmentation(slices, box(), tmp_path / "seg.dcm")
        self.without_references(tmp_path / "seg.dcm")
        ds = pydicom.dcmread(tmp_path / "seg.dcm")
        ds.FrameOfReferenceUID = generate_uid()
        ds.save_as(tmp_path / "seg.dcm")
        assert not covers(pool, tmp_path, slices, tmp_path / "seg.dcm").any()


def test_a_coarser_grid_lies_on_the_pixels_at_its_place(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    """Pixels of twice the size, that begin four pixels to the right and two below, on each second slice."""
    coarse = np.zeros((SLICES, 20, 15), bool)
    coarse[:, 3:6, 4:9] = True
    positions = [
        hd.PlanePositionSequence(
            hd.CoordinateSystemNames.PATIENT,
            [
                one.ImagePositionPatient[0] + 4 * SPACING + SPACING / 2,
                one.ImagePositionPatient[1] + 2 * SPACING + SPACING / 2,
                one.ImagePositionPatient[2],
            ],
        )
        for one in slices
    ]
    segmentation(
        slices,
        coarse,
        tmp_path / "seg.dcm",
        pixel_measures=hd.PixelMeasuresSequence([2 * SPACING, 2 * SPACING], 4.0, 4.0),
        plane_orientation=hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, slices[0].ImageOrientationPatient
        ),
        plane_positions=positions,
    )
    expected = np.zeros((ROWS, COLUMNS))
    expected[2 + 2 * 3 : 2 + 2 * 6, 4 + 2 * 4 : 4 + 2 * 9] = 1
    for cover in covers(pool, tmp_path, slices, tmp_path / "seg.dcm"):
        assert np.array_equal(cover, expected)


def test_lies_on_a_picture_that_was_made_smaller(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm")
    layer = pixels(draw(pool, path_of(tmp_path, slices[2]), tmp_path / "seg.dcm", alone=True, size=32))
    assert layer.shape == (32, 24, 4)
    assert (layer[6:9, 16:21, 3] == 255).all()
    assert not layer[:, :13].any()


def test_by_itself_it_is_shown_in_its_colours(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm")
    shown = pixels(draw(pool, tmp_path / "seg.dcm", frame=1))
    assert np.array_equal(shown.any(axis=2), box()[BOXED[0]])
    assert len(np.unique(shown[BOX].reshape(-1, 3), axis=0)) == 1


def test_one_that_is_cut_off_is_not_shown(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    segmentation(slices, box(), tmp_path / "seg.dcm")
    data = (tmp_path / "seg.dcm").read_bytes()
    (tmp_path / "seg.dcm").write_bytes(data[: data.rindex(b"\xe0\x7f\x10\x00") + 12 + 2 * ROWS * COLUMNS // 8 - 1])
    shown = {draw(pool, path_of(tmp_path, slices[at]), tmp_path / "seg.dcm").why for at in BOXED}
    assert shown == {"", "its pixels cannot be decoded: the file ends before the frame does"}


def test_what_is_no_segmentation_cannot_be_laid_over(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    picture = draw(pool, path_of(tmp_path, slices[0]), path_of(tmp_path, slices[1]))
    assert picture.why == "CT Image Storage cannot be laid over a picture"


def test_catalogue_of_real_facts(pool: Pool, tmp_path: Path, slices: list[Dataset]) -> None:
    seg = segmentation(slices, box(), tmp_path / "seg.dcm")
    found = catalogue(
        {
            Kind.INPUT: describe(pool, *(path_of(tmp_path, one) for one in reversed(slices))),
            Kind.RESULT: describe(pool, tmp_path / "seg.dcm"),
        }
    )
    source, over = found
    assert [one.sop_instance for one in source.slices] == [one.SOPInstanceUID for one in slices]
    assert [one.sop_instance for one in source.overlays] == [seg.SOPInstanceUID]
    assert source.overlays[0].on == tuple(slices[at].SOPInstanceUID for at in BOXED)
    assert source.start is not None
    assert source.start.sop_instance == slices[BOXED[1]].SOPInstanceUID
    assert over.source == source.series
    assert over.pictures == len(BOXED)
