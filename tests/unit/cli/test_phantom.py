"""The phantom has to be taken for a real chest CT by every receiver and by every lung segmentation."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from hilum.cli.phantom import Series, write_series

SLICES, SIZE = 48, 96
TAKEN_AT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)

# fmt: off
#: PS3.3 A.3 and the tables it names: what must be there with a value, and what must be there, perhaps empty.
TYPE_1 = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "FrameOfReferenceUID",
    "ImageType", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelData", "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenter", "WindowWidth",
)
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber", "SeriesNumber", "PatientPosition",
    "PositionReferenceIndicator", "Manufacturer", "InstanceNumber", "SliceThickness", "AcquisitionNumber", "KVP",
)
# fmt: on


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return write_series(tmp_path_factory.mktemp("ct"), slices=SLICES, size=SIZE, seed=11, taken_at=TAKEN_AT)


@pytest.fixture(scope="module")
def images(series: Series) -> list[Dataset]:
    return [dcmread(file) for file in series.files]


@pytest.fixture(scope="module")
def volume(images: list[Dataset]) -> np.ndarray:
    return np.stack([i.pixel_array.astype(int) * int(i.RescaleSlope) + int(i.RescaleIntercept) for i in images])


@pytest.fixture(scope="module")
def lungs(volume: np.ndarray) -> np.ndarray:
    """Right and left half of the enclosed voxels that are as thin as lung; neither room nor table nor windpipe."""
    body = np.stack([ndimage.binary_fill_holes(ndimage.binary_opening(plane)) for plane in volume > -300])
    return body & (volume < -500) & (volume > -940)


def test_each_file_is_one_image_of_one_ct_series(series: Series, images: list[Dataset]) -> None:
    assert len(images) == SLICES
    assert {i.SOPClassUID for i in images} == {CTImageStorage}
    assert {i.file_meta.TransferSyntaxUID for i in images} == {ExplicitVRLittleEndian}
    assert {i.StudyInstanceUID for i in images} == {series.study}
    assert {i.SeriesInstanceUID for i in images} == {series.series}
    assert len({i.FrameOfReferenceUID for i in images}) == 1
    assert [i.SOPInstanceUID for i in images] == list(series.instances)
    assert [i.file_meta.MediaStorageSOPInstanceUID for i in images] == list(series.instances)
    assert [i.InstanceNumber for i in images] == list(range(1, SLICES + 1))
    assert series.total_bytes == sum(file.stat().st_size for file in series.files)


def test_all_uids_are_different_and_made_from_uuids(series: Series, images: list[Dataset]) -> None:
    uids = {*series.instances, series.study, series.series, images[0].FrameOfReferenceUID}
    assert len(uids) == SLICES + 3
    assert all(uid.startswith("2.25.") and len(uid) <= 44 for uid in uids)


def test_the_header_has_what_the_ct_image_iod_requires(images: list[Dataset]) -> None:
    for image in (images[0], images[-1]):
        assert [keyword for keyword in TYPE_1 if image.get(keyword) in (None, "", b"")] == []
        assert [keyword for keyword in TYPE_2 if keyword not in image] == []


def test_the_images_say_that_nobody_was_scanned(images: list[Dataset]) -> None:
    assert {(str(i.PatientName), i.PatientID, i.SyntheticData) for i in images} == {
        ("Phantom^Thorax", "HILUM-DEMO", "YES")
    }


def test_the_date_is_that_of_the_call(images: list[Dataset]) -> None:
    assert {(i.StudyDate, i.StudyTime, i.TimezoneOffsetFromUTC) for i in images} == {("20260314", "150926", "+0000")}


def test_the_slices_lie_evenly_from_head_to_feet(images: list[Dataset]) -> None:
    heights = np.array([float(i.ImagePositionPatient[2]) for i in images])
    assert np.allclose(np.diff(heights), -float(images[0].SliceThickness))
    assert {tuple(i.ImageOrientationPatient) for i in images} == {(1, 0, 0, 0, 1, 0)}


def test_the_field_of_view_is_centred_and_as_wide_as_a_patient_needs(images: list[Dataset]) -> None:
    step = float(images[0].PixelSpacing[0])
    assert step * SIZE == pytest.approx(380)
    corner = [float(value) for value in images[0].ImagePositionPatient[:2]]
    assert corner == pytest.approx([(step - 380) / 2] * 2)


def test_lung_air_bone_and_soft_tissue_are_as_dense_as_in_a_patient(volume: np.ndarray, lungs: np.ndarray) -> None:
    assert np.median(volume[lungs]) == pytest.approx(-855, abs=25)
    assert np.median(volume[:, :3]) == pytest.approx(-1000, abs=15)
    assert np.median(volume[(volume > 0) & (volume < 100)]) == pytest.approx(53, abs=12)
    assert 0.005 < np.mean(volume > 300) / np.mean(volume > -300) < 0.1


def test_both_lungs_are_there_and_taper_towards_the_apex(lungs: np.ndarray) -> None:
    areas = np.stack([lungs[:, :, : SIZE // 2].sum(axis=(1, 2)), lungs[:, :, SIZE // 2 :].sum(axis=(1, 2))], axis=1)
    assert (areas[0] < 10).all()  # the range starts above them; these are the edge of the windpipe
    apex, middle = areas[SLICES // 10], areas[SLICES // 3]
    assert (apex > 0).all()
    assert (apex < middle / 2).all()
    assert (areas[-2] < middle / 4).all()  # and ends below most of them


def test_the_stated_volumes_are_those_in_the_picture(series: Series, images: list[Dataset], lungs: np.ndarray) -> None:
    voxel_ml = float(images[0].SliceThickness) * float(images[0].PixelSpacing[0]) ** 2 / 1000
    right, left = (half.sum() * voxel_ml for half in (lungs[:, :, : SIZE // 2], lungs[:, :, SIZE // 2 :]))
    assert right == pytest.approx(series.right_lung_ml, rel=0.12)
    assert left == pytest.approx(series.left_lung_ml, rel=0.12)
    assert series.right_lung_ml > series.left_lung_ml > 2000


def test_equal_arguments_give_equal_files(tmp_path: Path) -> None:
    one, two = (write_series(tmp_path / name, slices=3, size=32, seed=4, taken_at=TAKEN_AT) for name in ("one", "two"))
    assert [file.read_bytes() for file in one.files] == [file.read_bytes() for file in two.files]


def test_another_seed_gives_another_patient(tmp_path: Path) -> None:
    one, two = (write_series(tmp_path / str(seed), slices=3, size=32, seed=seed) for seed in (4, 5))
    assert not {one.study, one.series, *one.instances} & {two.study, two.series, *two.instances}
    assert dcmread(one.files[1]).PixelData != dcmread(two.files[1]).PixelData


def test_an_impossible_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 slices"):
        write_series(tmp_path, slices=0, seed=1)


def test_importing_it_does_not_import_numpy_or_pydicom() -> None:
    code = "import sys, hilum.cli.phantom; sys.exit(bool({'numpy', 'pydicom'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
