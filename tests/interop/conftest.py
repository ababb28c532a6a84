"""Peers that several tests share."""

from __future__ import annotations

import pynetdicom
import pytest


@pytest.fixture(autouse=True)
def _pynetdicom_sends_files_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)
