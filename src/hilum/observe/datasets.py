"""Writes whole data sets to the log, for ``log-dimse-datasets``. They hold personal data: off unless asked for."""

from __future__ import annotations

from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)


def log_data_set(association: str, path: Path) -> None:
    """Log a stored instance, everything but its pixel data; one that cannot be shown is logged as such.

    Takes some milliseconds an instance: this is for finding faults, not for running.
    """
    import pydicom  # noqa: PLC0415  only whoever asked for this pays for it

    try:
        text = str(pydicom.dcmread(path, stop_before_pixels=True))
    except Exception as error:  # noqa: BLE001  whatever pydicom cannot read, it was received and stays
        _log.warning(
            "dimse.data_set", association=association, path=str(path), error=f"{type(error).__name__}: {error}"
        )
        return
    _log.info("dimse.data_set", association=association, data_set=text.splitlines())
