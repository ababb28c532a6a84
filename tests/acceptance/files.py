"""What lies on disk, seen without any code of Hilum."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

from harness.data import real_file
from hilum.store.shared import MARK

#: One file of each way to encode a data set, by transfer syntax.
REAL_FILES = {
    "1.2.840.10008.1.2": "rtplan.dcm",
    "1.2.840.10008.1.2.1": "CT_small.dcm",
    "1.2.840.10008.1.2.2": "ExplVR_BigEnd.dcm",
    "1.2.840.10008.1.2.4.50": "SC_rgb_dcmtk_+eb+cr.dcm",
    "1.2.840.10008.1.2.4.70": "SC_rgb_jpeg_gdcm.dcm",
    "1.2.840.10008.1.2.4.81": "JPEGLSNearLossless_16.dcm",
    "1.2.840.10008.1.2.4.90": "J2K_pixelrep_mismatch.dcm",
    "1.2.840.10008.1.2.5": "MR_small_RLE.dcm",
    "1.2.840.10008.1.2.1.99": "image_dfl.dcm",
}


def in_every_transfer_syntax() -> list[Path]:
    """Eight usual ones and the deflated one."""
    return [real_file(name) for name in REAL_FILES.values()]


def content(path: Path) -> bytes:
    """The data set of a part 10 file: what follows preamble, DICM, and as much as the group length counts."""
    data = path.read_bytes()
    assert data[128:140] == b"DICM\x02\x00\x00\x00UL\x04\x00", f"{path} does not begin as a part 10 file"
    (length,) = struct.unpack_from("<I", data, 140)
    return data[144 + length :]


def as_sent(path: Path) -> bytes:
    """The same with the byte that it lacks: a deflated data set of odd length is sent with padding.

    Source: PS3.5 A.5.
    """
    data = content(path)
    return data + bytes(len(data) % 2)


def tree(folder: Path) -> set[str]:
    """The path of everything below a folder that is no folder; what is removed meanwhile may be there or not.

    The mark of the storage is left out: it stays as long as the folder does.
    """
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names if name != MARK)
    return {str(path.relative_to(folder)) for path in paths}


def everything_in(folder: Path) -> bytes:
    """The content of all files below a folder, one after the other."""
    found = b""
    for name in sorted(tree(folder)):
        with suppress(FileNotFoundError):  # removed meanwhile
            found += (folder / name).read_bytes()
    return found
