"""Instances to send."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def make_instance(
    folder: Path,
    *,
    patient: str | None = "P1",
    study: str | None = None,
    series: str | None = None,
    sop_instance: str | None = None,
    sop_class: str = CT_IMAGE_STORAGE,
    size: int = 2048,
    fill: int = 0,
) -> Path:
    """Write a small CT-like instance; ``patient=None`` leaves the attribute out, other ``None`` make a new UID."""
    meta = FileMetaDataset()
    uid = sop_instance or generate_uid()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = sop_class
    data.SOPInstanceUID = uid
    data.Modality = "CT"
    if patient is not None:
        data.PatientID = patient
    data.StudyInstanceUID = study or generate_uid()
    data.SeriesInstanceUID = series or generate_uid()
    data.Rows, data.Columns, data.BitsAllocated, data.SamplesPerPixel = 1, size // 2, 16, 1
    data.PixelData = bytes([fill]) * size
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uid}.dcm"
    data.save_as(path, enforce_file_format=True)
    return path


def make_series(folder: Path, count: int, **identifiers: str) -> list[Path]:
    """Several instances of one series."""
    same = {"study": generate_uid(), "series": generate_uid()} | identifiers
    return [make_instance(folder, **same) for _ in range(count)]  # type: ignore[arg-type]


def real_file(name: str) -> Path:
    """A file of pydicom's own test data, from the installed package."""
    path = get_testdata_file(name, download=False)
    assert path is not None, f"pydicom has no test file {name}"
    return Path(str(path))


def read(path: Path) -> Dataset:
    """The instance with everything in it."""
    return pydicom.dcmread(path)
