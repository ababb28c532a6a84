"""Real instances of as many transfer syntaxes as pydicom's test data has, images and others."""

from __future__ import annotations

from pathlib import Path

import pydicom

from harness.data import real_file

_NAMES = (
    "MR_small_implicit.dcm",
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",  # lacks a byte: whoever sends it must add one to make its length even
    "MR_small_RLE.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "JPGExtended.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_jp2klossless.dcm",
    "JPEG2000.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
)


def real_files() -> list[Path]:
    """No two of the same transfer syntax and SOP Instance UID."""
    return [real_file(name) for name in _NAMES]


def syntax_and_uid(path: Path) -> tuple[str, str]:
    """Transfer syntax and SOP Instance UID."""
    found = pydicom.dcmread(path)
    return found.file_meta.TransferSyntaxUID, found.SOPInstanceUID
