"""One real file per transfer syntax, out of pydicom's test files, with SOP Instance UIDs that do not repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from harness.data import real_file
from hilum.store.rescan import Scanned, rescan

FILES: Final[Mapping[str, str]] = {
    "1.2.840.10008.1.2": "SC_rgb_jpeg_dcmd.dcm",  # implicit VR little endian
    "1.2.840.10008.1.2.1": "CT_small.dcm",  # explicit VR little endian
    "1.2.840.10008.1.2.2": "ExplVR_BigEnd.dcm",
    "1.2.840.10008.1.2.1.99": "image_dfl.dcm",  # deflated
    "1.2.840.10008.1.2.4.50": "SC_rgb_jpeg_dcmtk.dcm",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "JPGExtended.dcm",
    "1.2.840.10008.1.2.4.70": "JPGLosslessP14SV1_1s_1f_8b.dcm",  # JPEG lossless
    "1.2.840.10008.1.2.4.80": "MR_small_jpeg_ls_lossless.dcm",
    "1.2.840.10008.1.2.4.81": "JPEGLSNearLossless_08.dcm",
    "1.2.840.10008.1.2.4.90": "GDCMJ2K_TextGBR.dcm",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91": "693_J2KI.dcm",  # JPEG 2000
    "1.2.840.10008.1.2.5": "SC_rgb_rle.dcm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFile:
    """A file to send.

    Attributes:
        name: As in ``FILES``.
        data_set: What follows the file meta information, with the padding that C-STORE asks for: some deflated ones
            lack the byte that makes their length even.
    """

    name: str
    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: bytes

    @classmethod
    def of(cls, path: Path) -> Self:
        found = rescan(path)
        assert isinstance(found, Scanned), (path, found)
        data_set = path.read_bytes()[found.meta.data_set_offset :]
        return cls(
            name=path.name,
            path=path,
            sop_class=found.header.sop_class,
            sop_instance=found.header.sop_instance,
            transfer_syntax=found.meta.transfer_syntax,
            data_set=data_set + bytes(len(data_set) % 2),
        )

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data_set).hexdigest()


def real_files() -> list[RealFile]:
    """All of them, as pydicom has them."""
    files = [RealFile.of(real_file(name)) for name in FILES.values()]
    assert [file.transfer_syntax for file in files] == list(FILES)
    assert len({file.sop_instance for file in files}) == len(FILES)
    return files
