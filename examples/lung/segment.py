"""Example workflow: finds the lungs in a chest CT, writes a DICOM segmentation and a picture of it.

Run as ``python segment.py INPUT OUTPUT``: reads all DICOM files below INPUT, writes its results into OUTPUT and ends
with status 0, or says what is wrong and ends with 1. Hilum asks no more of a workflow. Not for diagnosis.
"""

import sys
from pathlib import Path

import numpy as np
from lungs import find_lungs
from picture import draw
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage
from results import secondary_capture, segmentation

GEOMETRY = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "FrameOfReferenceUID")
NEEDED = ("SeriesInstanceUID", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "PixelData", *GEOMETRY)


def say(text: str) -> None:
    """Print a line at once: Hilum keeps what a job prints as the job's log."""
    print(text, flush=True)


def read_series(folder: Path) -> list[Dataset]:
    """Read the CT images below a folder, sorted from feet to head; anything but one regular stack ends the program."""
    images = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            image = dcmread(file)
        except InvalidDicomError:
            say(f"{file.name} is no DICOM file, left out")
            continue
        if image.get("SOPClassUID") != CTImageStorage or "LOCALIZER" in image.get("ImageType", ()):
            continue
        if missing := [keyword for keyword in NEEDED if keyword not in image]:
            sys.exit(f"lung: {file.name} has no {', '.join(missing)}")
        images.append(image)
    if not images:
        sys.exit("lung: there is no CT image in the input, expected the slices of one chest CT series")
    if (series := len({image.SeriesInstanceUID for image in images})) > 1:
        sys.exit(f"lung: there are CT images of {series} series in the input, expected one; group by series")
    if len(images) < 3:
        sys.exit(f"lung: the series has {len(images)} slices, expected at least 3")
    if len({str([image[keyword].value for keyword in GEOMETRY]) for image in images}) > 1:
        sys.exit(f"lung: the slices do not form one stack, expected all to have the same {', '.join(GEOMETRY)}")
    images.sort(key=position)
    gaps = np.diff([position(image) for image in images])
    if gaps.min() < 0.01 or gaps.max() > 1.5 * gaps.min():
        sys.exit(f"lung: slices are {gaps.min():.2f} to {gaps.max():.2f} mm apart, expected none missing or doubled")
    return images


def position(image: Dataset) -> float:
    """Where a slice lies along the normal of its plane, mm."""
    across, down = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
    return float(np.cross(across, down) @ np.array(image.ImagePositionPatient, float))


def hounsfield(image: Dataset) -> np.ndarray:
    """Decode the pixels of a slice to Hounsfield units."""
    try:
        stored = image.pixel_array
    except RuntimeError as error:
        sys.exit(f"lung: the pixels cannot be decoded, perhaps a decoder has to be installed: {error}")
    return (stored * float(image.RescaleSlope) + float(image.RescaleIntercept)).astype(np.int16)


def main(source: Path, target: Path) -> None:
    """Read, find, write."""
    images = read_series(source)
    say(f"read {len(images)} slices of {images[0].Rows} x {images[0].Columns}")
    volume = np.stack([hounsfield(image) for image in images])
    thickness = (position(images[-1]) - position(images[0])) / (len(images) - 1)
    spacing = (thickness, *map(float, images[0].PixelSpacing))
    try:
        labels = find_lungs(volume, spacing)
    except ValueError as error:
        sys.exit(f"lung: {error}")
    millilitres = [np.count_nonzero(labels == label) * np.prod(spacing) / 1000 for label in (1, 2)]
    say("right lung {:.0f} ml, left lung {:.0f} ml".format(*millilitres))
    segmentation(images, labels).save_as(target / "lungs-seg.dcm")
    say("wrote lungs-seg.dcm")
    secondary_capture(images, draw(volume, labels, spacing, millilitres)).save_as(target / "lungs-picture.dcm")
    say("wrote lungs-picture.dcm")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: segment.py INPUT-FOLDER OUTPUT-FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
