"""Instances to send."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from hilum.store.part10 import file_meta
from hilum.wire import EXPLICIT_LE

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
    uid = sop_instance or generate_uid()
    identifiers = [
        _element(0x0008, 0x0016, b"UI", sop_class),
        _element(0x0008, 0x0018, b"UI", uid),
        _element(0x0008, 0x0060, b"CS", "CT"),
        b"" if patient is None else _element(0x0010, 0x0020, b"LO", patient),
        _element(0x0020, 0x000D, b"UI", study or generate_uid()),
        _element(0x0020, 0x000E, b"UI", series or generate_uid()),
        struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size),
        bytes([fill]) * size,
    ]
    meta = file_meta(
        sop_class=sop_class,
        sop_instance=uid,
        transfer_syntax=EXPLICIT_LE,
        calling="TEST",
        implementation_class_uid="1.2.3",
        implementation_version_name="TEST",
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uid}.dcm"
    path.write_bytes(meta + b"".join(identifiers))
    return path


def _element(group: int, element: int, vr: bytes, text: str) -> bytes:
    value = text.encode()
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


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
