"""Writes the phantom as a CT series that any PACS and any workflow takes for a real one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hilum.clock import utc_now
from hilum.model import Uid

if TYPE_CHECKING:
    from numpy.random import Generator
    from pydicom import Dataset
    from pydicom.uid import UID

    from hilum.cli.phantom.plane import Plane

_INTERCEPT = -1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What was written, and what a correct segmentation of it would find.

    Attributes:
        files: From head to feet; never empty.
        study: Study Instance UID.
        series: Series Instance UID.
        instances: SOP Instance UIDs, in the order of ``files``.
        total_bytes: Of all files together.
        right_lung_ml: True volume of the patient's right lung in the scanned range, vessels within it included.
        left_lung_ml: The same of the left lung.
    """

    files: tuple[Path, ...]
    study: Uid
    series: Uid
    instances: tuple[Uid, ...]
    total_bytes: int
    right_lung_ml: float
    left_lung_ml: float


def write_series(
    folder: Path, *, slices: int = 96, size: int = 512, seed: int, taken_at: datetime | None = None
) -> Series:
    """Write an axial CT of a chest, from above the lungs to the upper abdomen, with noise.

    The range is 288 mm high whatever ``slices`` is. Pixels are 16 bit in explicit VR little endian; the files are
    ``ct-001.dcm`` (nearest the head) and so on. All attributes that the CT image IOD requires are there, and Synthetic
    Data (0008,001C) says that nobody was scanned. About 60 ms for each slice of 512 x 512.

    Args:
        folder: Made if absent; files of the same names are overwritten.
        slices: How many, at least 1.
        size: Rows and columns of each, at least 16.
        seed: Makes the body, the noise and all UIDs (under 2.25): draw a fresh one for each series that should be
            another patient's visit to a PACS. Equal arguments give equal files.
        taken_at: Study date and time, aware; the present if absent.

    Source: PS3.3 A.3, C.8.2.1.
    """
    import numpy as np

    from hilum.cli.phantom import thorax

    if slices < 1 or size < 16:
        raise ValueError(f"a series of {slices} slices of {size} x {size} cannot be made: at least 1 of 16 x 16")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    body = thorax.Thorax(rng)
    spacing = round(thorax.HEIGHT_MM / slices, 4)
    dataset = _series_header(rng, taken_at or utc_now(), spacing)
    files, instances, volumes = [], [], {thorax.RIGHT: 0.0, thorax.LEFT: 0.0}
    for index in range(slices):
        plane, areas = body.paint(round(thorax.TOP_MM - index * spacing, 4), size)
        plane.add_noise(rng)
        _put_plane(dataset, plane, rng, number=index + 1)
        files.append(folder / f"ct-{index + 1:03}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
        instances.append(Uid(dataset.SOPInstanceUID))
        for side, area in areas.items():
            volumes[side] += area * spacing / 1000
    return Series(
        files=tuple(files),
        study=Uid(dataset.StudyInstanceUID),
        series=Uid(dataset.SeriesInstanceUID),
        instances=tuple(instances),
        total_bytes=sum(file.stat().st_size for file in files),
        right_lung_ml=volumes[thorax.RIGHT],
        left_lung_ml=volumes[thorax.LEFT],
    )


def _uid(rng: Generator) -> UID:
    """A UID made from a random UUID.

    Source: PS3.5 B.2.
    """
    from pydicom.uid import UID

    return UID(f"2.25.{uuid.UUID(bytes=rng.bytes(16), version=4).int}")


def _series_header(rng: Generator, taken_at: datetime, spacing: float) -> Dataset:
    """Everything that is the same in all files."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    date, time = taken_at.strftime("%Y%m%d"), taken_at.strftime("%H%M%S")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = {
        "SOPClassUID": CTImageStorage,
        "SyntheticData": "YES",
        "TimezoneOffsetFromUTC": taken_at.strftime("%z"),
        # patient and study
        "PatientName": "Phantom^Thorax",
        "PatientID": "HILUM-DEMO",
        "PatientBirthDate": "",
        "PatientSex": "O",
        "StudyInstanceUID": _uid(rng),
        "StudyDate": date,
        "StudyTime": time,
        "StudyID": "1",
        "StudyDescription": "Chest CT (synthetic)",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        # series
        "Modality": "CT",
        "SeriesInstanceUID": _uid(rng),
        "SeriesNumber": 2,
        "SeriesDescription": f"Thorax {spacing:.1f} mm",
        "SeriesDate": date,
        "SeriesTime": time,
        "BodyPartExamined": "CHEST",
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": _uid(rng),
        "PositionReferenceIndicator": "",
        "Manufacturer": "Hilum",
        "ManufacturerModelName": "Thorax phantom",
        # image
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "AcquisitionNumber": 1,
        "AcquisitionDate": date,
        "AcquisitionTime": time,
        "ContentDate": date,
        "ContentTime": time,
        "KVP": 120,
        "SliceThickness": spacing,
        "SpacingBetweenSlices": spacing,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        # pixels
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": _INTERCEPT,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": [40, -600],
        "WindowWidth": [400, 1500],
        "WindowCenterWidthExplanation": ["SOFT TISSUE", "LUNG"],
    }
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    return dataset


def _put_plane(dataset: Dataset, plane: Plane, rng: Generator, *, number: int) -> None:
    """Make the data set the one of this plane."""
    import numpy as np

    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = _uid(rng)
    dataset.InstanceNumber = number
    dataset.Rows, dataset.Columns = plane.hu.shape
    dataset.PixelSpacing = [round(plane.pixel, 6)] * 2
    dataset.ImagePositionPatient = [round(float(plane.x[0, 0]), 6), round(float(plane.y[0, 0]), 6), plane.z]
    dataset.SliceLocation = plane.z
    stored = np.clip(np.rint(plane.hu - _INTERCEPT), 0, 4095).astype("<u2")
    dataset.PixelData = stored.tobytes()
