"""``examples/lung``: from CT slices to a segmentation and a picture, or to a clear word about what is wrong."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import SecondaryCaptureImageStorage, SegmentationStorage

from examples.workflow import run
from hilum.cli.phantom import Series, write_series


@pytest.fixture(scope="module")
def results(chest: Series, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lung") / "output"
    done = run("lung/segment.py", chest.files[0].parent, folder)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0] == "read 64 slices of 128 x 128"
    return folder


@pytest.fixture(scope="module")
def segmentation(results: Path) -> Dataset:
    return dcmread(results / "lungs-seg.dcm")


@pytest.fixture(scope="module")
def picture(results: Path) -> Dataset:
    return dcmread(results / "lungs-picture.dcm")


def frames_of(segmentation: Dataset, number: int) -> list[int]:
    """Indices of the frames of one segment."""
    return [
        index
        for index, item in enumerate(segmentation.PerFrameFunctionalGroupsSequence)
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
    ]


def volume_ml(segmentation: Dataset, number: int) -> float:
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    voxels = np.count_nonzero(segmentation.pixel_array[frames_of(segmentation, number)])
    return voxels * float(np.prod([*measures.PixelSpacing, measures.SliceThickness])) / 1000


def test_there_are_a_segmentation_and_a_picture_and_nothing_else(
    results: Path, segmentation: Dataset, picture: Dataset
) -> None:
    assert sorted(file.name for file in results.iterdir()) == ["lungs-picture.dcm", "lungs-seg.dcm"]
    assert segmentation.SOPClassUID == SegmentationStorage
    assert picture.SOPClassUID == SecondaryCaptureImageStorage


def test_results_are_new_series_of_the_same_study_and_patient(
    chest: Series, segmentation: Dataset, picture: Dataset
) -> None:
    source = dcmread(chest.files[0], stop_before_pixels=True)
    for result in (segmentation, picture):
        assert (result.StudyInstanceUID, result.PatientID) == (source.StudyInstanceUID, source.PatientID)
    assert len({source.SeriesInstanceUID, segmentation.SeriesInstanceUID, picture.SeriesInstanceUID}) == 3


def test_the_segmentation_lies_in_the_space_of_the_slices(chest: Series, segmentation: Dataset) -> None:
    source = dcmread(chest.files[0], stop_before_pixels=True)
    assert segmentation.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert segmentation.SegmentationType == "BINARY"


def test_the_segments_are_right_and_left_lung_in_coded_terms(segmentation: Dataset) -> None:
    found = []
    for segment in segmentation.SegmentSequence:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        side = kind.SegmentedPropertyTypeModifierCodeSequence[0]
        found.append((segment.SegmentNumber, kind.CodeValue, side.CodeValue, segment.SegmentAlgorithmType))
    # SNOMED CT: 39607008 lung, 24028007 right, 7771000 left
    assert found == [(1, "39607008", "24028007", "AUTOMATIC"), (2, "39607008", "7771000", "AUTOMATIC")]


def test_the_volumes_are_those_of_the_phantom(chest: Series, segmentation: Dataset) -> None:
    assert volume_ml(segmentation, 1) == pytest.approx(chest.right_lung_ml, rel=0.05)
    assert volume_ml(segmentation, 2) == pytest.approx(chest.left_lung_ml, rel=0.05)


def test_the_right_lung_is_on_the_right(segmentation: Dataset) -> None:
    columns = [np.nonzero(segmentation.pixel_array[frames_of(segmentation, number)])[2].mean() for number in (1, 2)]
    assert columns[0] < 64 < columns[1]


def test_the_segmentation_refers_to_the_input_and_to_nothing_else(chest: Series, segmentation: Dataset) -> None:
    listed = {
        item.ReferencedSOPInstanceUID
        for series in segmentation.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
    }
    used = {
        image.ReferencedSOPInstanceUID
        for frame in segmentation.PerFrameFunctionalGroupsSequence
        for image in frame.DerivationImageSequence[0].SourceImageSequence
    }
    assert listed == set(chest.instances)
    assert used
    assert used <= listed


def test_the_picture_shows_outlines_in_colour_and_identifies_nobody(picture: Dataset) -> None:
    pixels = picture.pixel_array.astype(int)
    assert pixels.shape[2] == 3
    coloured = np.abs(pixels[:512] - pixels[:512].mean(axis=2, keepdims=True)).max(axis=2) > 40
    assert 500 < np.count_nonzero(coloured) < coloured.size / 10
    assert picture.BurnedInAnnotation == "NO"


@pytest.mark.interop
def test_dcmtk_reads_both_results(results: Path) -> None:
    for file in sorted(results.iterdir()):
        done = subprocess.run(["dcmdump", str(file)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_an_input_without_ct_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    shutil.copy(get_testdata_file("MR_small.dcm"), tmp_path / "input" / "mr.dcm")
    (tmp_path / "input" / "notes.txt").write_text("no DICOM here")
    done = run("lung/segment.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert done.out == "notes.txt is no DICOM file, left out\n"
    assert done.err.startswith("lung: there is no CT image in the input, expected")
    assert list((tmp_path / "output").iterdir()) == []


def test_two_series_are_refused(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_series(tmp_path / "input" / str(seed), slices=3, size=32, seed=seed)
    done = run("lung/segment.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert done.err.startswith("lung: there are CT images of 2 series in the input, expected one")


def test_two_slices_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "input", slices=2, size=32, seed=1)
    done = run("lung/segment.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert done.err == "lung: the series has 2 slices, expected at least 3\n"


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    series = write_series(tmp_path / "input", slices=6, size=32, seed=1)
    series.files[3].unlink()
    done = run("lung/segment.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert done.err == "lung: slices are 48.00 to 96.00 mm apart, expected none missing or doubled\n"


def test_a_ct_without_lungs_is_refused(chest: Series, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    for file in chest.files[-4:]:
        image = dcmread(file)
        image.PixelData = np.full((128, 128), 1064, "<u2").tobytes()
        image.save_as(tmp_path / "input" / file.name)
    done = run("lung/segment.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert "no two lungs" in done.err
