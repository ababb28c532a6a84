"""Has every library load what it loads when it is first used: nothing can be opened once the cage is closed."""

from __future__ import annotations

import codecs
import io
import warnings
from contextlib import suppress
from importlib import import_module

import numpy as np
import pydicom
from PIL import Image
from pydicom import charset, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder

from hilum.pictures.decoder import description, drawing, pixels
from hilum.pictures.order import Order


def warm() -> None:
    """Load everything; warnings about what is wrong with headers are nobody's any more."""
    warnings.simplefilter("ignore")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pixels.install()
    Image.MAX_IMAGE_PIXELS = None  # the size is looked at before, and memory has a limit
    Image.init()
    for name in set(charset.python_encoding.values()):
        with suppress(LookupError):
            codecs.lookup(name)
    for syntax in pixels.SYNTAXES:
        get_decoder(syntax)
    for module in (
        "numpy.ma",
        "openjpeg",
        "jpeg_ls",
        "pydicom.pixels.decoders.rle",
        "pydicom.dicomio",
        "pydicom.valuerep",
    ):
        import_module(module)
    for sample in _samples():
        instance = pixels.read_file(sample)
        description.describe(instance)
        drawing.draw(instance, None, Order(size=16), 1 << 20)


def _samples() -> list[io.BytesIO]:
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 256
    plain = _dataset(values, uid.ExplicitVRLittleEndian)
    files = []
    for syntax in (uid.ExplicitVRLittleEndian, uid.RLELossless, uid.JPEG2000Lossless, uid.JPEGLSLossless):
        ds = _dataset(values, uid.ExplicitVRLittleEndian)
        if syntax != uid.ExplicitVRLittleEndian:
            ds.compress(syntax, generate_instance_uid=False)
        files.append(_written(ds))
    jpeg = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(jpeg, "JPEG")
    plain.BitsAllocated = plain.BitsStored = 8
    plain.HighBit = 7
    plain.PixelData = pydicom.encaps.encapsulate([jpeg.getvalue()])
    plain["PixelData"].VR = "OB"
    plain["PixelData"].is_undefined_length = True
    plain.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    files.append(_written(plain))
    return files


def _dataset(values: np.ndarray, syntax: uid.UID) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = uid.CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid.UID("1.2.3")
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SeriesDescription = "ä"
    ds.WindowCenter, ds.WindowWidth = 100, 50
    ds.PixelSpacing = [1, 2]
    ds.Rows, ds.Columns = values.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    ds.PixelData = values.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _written(ds: Dataset) -> io.BytesIO:
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file
