"""Turns arrays into DICOM objects of the study they were made from."""

import highdicom as hd
import numpy as np
from picture import COLORS
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MAKER = {
    "manufacturer": "Hilum examples",
    "manufacturer_model_name": "lung",
    "software_versions": "1",
    "device_serial_number": "1",
}
#: What an image may leave out, but what is made from it must have, if only empty.
STUDY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def segmentation(images: list[Dataset], labels: np.ndarray) -> hd.seg.Segmentation:
    """Make a segmentation that refers to the slices it was made from.

    Args:
        images: The slices, in the order of ``labels``.
        labels: 0 background, 1 right lung, 2 left lung; axes slice, row, column.
    """
    for keyword in STUDY:
        images[0].setdefault(keyword, None)
    algorithm = hd.AlgorithmIdentificationSequence(
        name="Threshold and connected components", version="1", family=codes.cid7162.MorphologicalOperations
    )
    segments = []
    for number, (side, color) in enumerate(zip((codes.SCT.Right, codes.SCT.Left), COLORS, strict=True), start=1):
        segment = hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"{side.meaning} lung",
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Lung,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            display_color=hd.color.CIELabColor.from_rgb(*color),
        )
        laterality = hd.sr.CodedConcept.from_code(side)
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [laterality]
        segments.append(segment)
    return hd.seg.Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(prefix=None),
        series_number=901,
        series_description="Lungs (automatic)",
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        content_label="LUNGS",
        **MAKER,
    )


def secondary_capture(images: list[Dataset], pixels: np.ndarray) -> hd.sc.SCImage:
    """Make an image of an RGB picture; it shows up in the viewer beside the study's others."""
    picture = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=images[0],
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        series_instance_uid=generate_uid(prefix=None),
        series_number=902,
        series_description="Lung volumes (automatic)",
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **MAKER,
    )
    picture.PatientOrientation = None  # two views in one picture have no orientation in common
    picture.BodyPartExamined = "CHEST"
    picture.BurnedInAnnotation = "NO"  # the text in it identifies nobody
    return picture
