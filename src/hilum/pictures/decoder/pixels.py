"""A file's header and the stored values of its frames, each by the one decoder that we trust with its transfer syntax.

Source: PS3.5 8.2, A.4; PS3.3 C.7.6.3.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import pydicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options, pixel_array

from hilum.pictures.decoder import header
from hilum.pictures.decoder.grey import Stored

_OWN: Final = "hilum"

#: The plugin of pydicom for each encapsulated syntax; never one that may be installed by chance, of another licence.
_PLUGINS: Final[Mapping[str, str]] = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLossless: _OWN,
    uid.JPEGLosslessSV1: _OWN,
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
_NATIVE: Final = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    }
)
#: All that can be decoded.
SYNTAXES: Final = frozenset(_PLUGINS) | _NATIVE
_KEYWORDS: Final = {
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
    (0x7FE0, 0x0010): "PixelData",
}


class NoPictureError(Exception):
    """Why there is no picture of it, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An open file and its header.

    Attributes:
        header: Everything before the pixel data; with them if the file is deflated.
        start: Where the element of the pixel data begins in the file, bytes.
    """

    file: BinaryIO
    header: Dataset
    start: int

    @property
    def transfer_syntax(self) -> uid.UID:
        """As the file meta information says; empty if it does not."""
        return uid.UID(str(self.header.file_meta.get("TransferSyntaxUID", "")))

    @property
    def what(self) -> str:
        """The name of its SOP class."""
        sop_class = header.text(self.header, "SOPClassUID")
        return uid.UID(sop_class).name if sop_class else "an object without a SOP class"


def install() -> None:
    """Make our own decoder known to pydicom."""
    for syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        decoder = get_decoder(syntax)
        with suppress(ValueError):  # it is there already
            decoder.add_plugin(_OWN, ("hilum.pictures.decoder.lossless", "decode_frame"))


def read(descriptor: int) -> Instance:
    """The header of a file; the descriptor now belongs to the instance.

    Raises:
        NoPictureError: It is no DICOM file.
    """
    file = os.fdopen(descriptor, "rb")
    try:
        return read_file(file)
    except BaseException:
        file.close()
        raise


def read_file(file: BinaryIO) -> Instance:
    """The same of a file that is open.

    Raises:
        NoPictureError: It is no DICOM file.
    """
    file.seek(0)
    try:
        found = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        start = file.tell()
        if found.file_meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian:
            file.seek(0)
            found = pydicom.dcmread(file, force=True)
    except MemoryError:
        raise
    except zlib.error as error:
        raise NoPictureError(f"its deflated data set is damaged: {error}") from error
    except Exception as error:
        raise NoPictureError(f"it cannot be read as DICOM: {sentence(error)}") from error
    if not header.text(found, "SOPClassUID"):
        raise NoPictureError("it cannot be read as DICOM: it has no SOP Class UID")
    return Instance(file=file, header=found, start=start)


def why_not(instance: Instance) -> str:
    """Why no picture can be made of it, as far as the header tells; empty: one can."""
    if not all(header.whole(instance.header, name) for name in ("Rows", "Columns", "BitsAllocated")):
        return f"{instance.what}: it has no pixels to show"
    syntax = instance.transfer_syntax
    if not syntax:
        return "its file meta information names no transfer syntax"
    if syntax not in SYNTAXES:
        return f"there is no decoder for its transfer syntax here: {_named(syntax)}"
    if syntax == uid.JPEGExtended12Bit and (header.whole(instance.header, "BitsStored") or 0) > 8:
        return f"there is no decoder for its transfer syntax with more than 8 bits here: {_named(syntax)}"
    return ""


def frame(instance: Instance, number: int, most: int) -> Stored:
    """The stored values of one frame: rows, columns, and samples if there is more than one; colours as RGB.

    Args:
        number: From 1.
        most: Values that a frame may have.

    Raises:
        NoPictureError: There is no such frame, or it cannot be decoded.
        MemoryError: It would take more than there is.
    """
    ds = instance.header
    if why := why_not(instance):
        raise NoPictureError(why)
    frames = header.frame_count(ds)
    if number > frames:
        raise NoPictureError(f"it has {frames} frames, there is no frame {number}")
    rows, columns, samples = (header.whole(ds, name) or 1 for name in ("Rows", "Columns", "SamplesPerPixel"))
    if rows * columns * samples > most:
        raise NoPictureError(f"it is too large to be shown: {rows} rows, {columns} columns; {most} values at most")
    try:
        found = _decoded(instance, number - 1)
    except MemoryError:
        raise
    except Exception as error:
        raise NoPictureError(f"its pixels cannot be decoded: {sentence(error)}") from error
    if found.ndim not in {2, 3} or (found.ndim == 3 and found.shape[2] not in {3, 4}) or found.size == 0:
        raise NoPictureError(f"its pixels are in no form that can be shown: {'x'.join(map(str, found.shape))} values")
    return found


def _decoded(instance: Instance, index: int) -> Stored:
    ds, file, syntax = instance.header, instance.file, instance.transfer_syntax
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        found: Stored = pixel_array(ds, index=index)
        return found
    implicit, little = ds.original_encoding
    order = "<" if little else ">"
    file.seek(instance.start)
    tag = struct.unpack(f"{order}HH", file.read(4))
    if tag not in _KEYWORDS:
        raise ValueError("it has no pixel data")
    options: dict[str, Any] = {"pixel_keyword": _KEYWORDS[tag], "transfer_syntax_uid": syntax}
    vr = b"" if implicit else file.read(2)
    if vr.isalpha() and vr.isupper():
        options["pixel_vr"] = vr.decode("ascii")
        file.read(6)
    else:  # or a writer has left it out
        file.read(4 - len(vr))
    begin = file.tell()
    if syntax in _NATIVE and file.seek(0, os.SEEK_END) - begin < _native_end(ds, index):
        raise ValueError("the file ends before the frame does")
    file.seek(begin)
    decoded: Stored
    decoded, _ = get_decoder(syntax).as_array(
        file, index=index, validate=True, decoding_plugin=_PLUGINS.get(syntax, ""), **as_pixel_options(ds, **options)
    )
    return decoded


def _native_end(ds: Dataset, index: int) -> int:
    """Bytes of native pixel data up to the end of a frame; frames of single bits follow each other without a gap.

    Source: PS3.5 8.1.1, 8.2.
    """
    rows, columns, samples = (header.whole(ds, name) or 1 for name in ("Rows", "Columns", "SamplesPerPixel"))
    if header.text(ds, "PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    return (rows * columns * samples * (header.whole(ds, "BitsAllocated") or 8) * (index + 1) + 7) // 8


def sentence(error: Exception) -> str:
    """What a library said, as far as it can be shown."""
    said = " ".join(str(error).split()) or type(error).__name__
    return "".join(one if one.isprintable() else " " for one in said)[:200]


def _named(syntax: uid.UID) -> str:
    return f"{syntax.name} ({syntax})" if syntax.name != syntax else str(syntax)
