"""The smallest workflow: gives every image back as a new one, in a new series of the same study.

Run as ``python copy_images.py INPUT OUTPUT``. Good for a first trial of sources, destinations and firewalls.
"""

import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid

source, target = map(Path, sys.argv[1:])
series: dict[str, str] = {}
for file in sorted(source.glob("*.dcm")):
    image = dcmread(file)
    image.SeriesInstanceUID = series.setdefault(image.SeriesInstanceUID, generate_uid(prefix=None))
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    image.SeriesDescription = "Copy"
    image.save_as(target / f"{image.SOPInstanceUID}.dcm")
if not series:
    sys.exit("copy_images: there is no *.dcm file in the input")
print(f"{len(list(target.glob('*.dcm')))} images in {len(series)} series")
