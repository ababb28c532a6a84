"""A small CT series, and segmentations of it made by highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from harness.data import real_file

ROWS, COLUMNS, SLICES = 64, 48, 5
SPACING, THICKNESS = 2.0, 4.0
#: Row and column of the first and behind the last pixel of the box, on the slices that have one.
BOX = (slice(10, 20), slice(30, 44))
BOXED = (2, 3)


def series(folder: Path, count: int = SLICES, *, orientation: Sequence[float] = (1, 0, 0, 0, 1, 0)) -> list[Dataset]:
    """Slices from below to above, with a gradient each; their instance numbers run the other way."""
    template = pydicom.dcmread(real_file("CT_small.dcm"))
    normal = np.cross(orientation[:3], orientation[3:])
    study, uid, space = generate_uid(), generate_uid(), generate_uid()
    made = []
    for at in range(count):
        ds = deepcopy(template)
        for keyword in ("DataSetTrailingPadding", "PixelPaddingValue", "SmallestImagePixelValue"):
            ds.pop(keyword, None)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, uid, space
        ds.PatientID, ds.PatientName = "P1", "Nobody"
        ds.PatientSex, ds.PatientBirthDate, ds.AccessionNumber, ds.StudyID = "O", "", "", "1"
        ds.StudyDate, ds.StudyTime, ds.ReferringPhysicianName = "20250101", "000000", ""
        ds.SeriesNumber, ds.InstanceNumber = 4, count - at
        ds.ImagePositionPatient = [float(one) for one in np.array([-50.0, -60.0, 7.0]) + normal * THICKNESS * at]
        ds.ImageOrientationPatient = [float(one) for one in orientation]
        ds.PixelSpacing, ds.SliceThickness = [SPACING, SPACING], THICKNESS
        ds.Rows, ds.Columns = ROWS, COLUMNS
        ds.RescaleIntercept, ds.RescaleSlope = -1000, 1
        ds.WindowCenter, ds.WindowWidth = 40, 400
        values = 900 + 10 * at + np.add.outer(np.arange(ROWS), np.arange(COLUMNS))
        ds.PixelData = values.astype("<i2").tobytes()
        ds.save_as(folder / f"{ds.SOPInstanceUID}.dcm")
        made.append(ds)
    return made


def box(shape: tuple[int, int, int] = (SLICES, ROWS, COLUMNS)) -> NDArray[np.bool_]:
    """The box on the slices that have one."""
    mask = np.zeros(shape, bool)
    for at in BOXED:
        mask[(at, *BOX)] = True
    return mask


def segmentation(
    sources: Sequence[Dataset],
    mask: NDArray[Any],
    path: Path,
    *,
    kind: str = "BINARY",
    colour: Any = None,
    **options: Any,
) -> Dataset:
    """A segmentation with one segment per last axis of the mask, or one."""
    count = mask.shape[3] if mask.ndim == 4 else 1
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=f"Finding {number}",
            segmented_property_category=CodedConcept("49755003", "SCT", "Morphologically Altered Structure"),
            segmented_property_type=CodedConcept("4147007", "SCT", "Mass"),
            algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
            **({} if colour is None else {"display_color": colour}),
        )
        for number in range(1, count + 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation(
            source_images=list(sources),
            pixel_array=mask,
            segmentation_type=SegmentationTypeValues[kind],
            segment_descriptions=descriptions,
            series_instance_uid=generate_uid(),
            series_number=100,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="Hilum",
            manufacturer_model_name="Test",
            software_versions="1",
            device_serial_number="1",
            **options,
        )
        made.save_as(path)
    return made
