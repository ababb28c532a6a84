"""Orthanc's REST API, as far as the bench asks it."""

from __future__ import annotations

import hashlib
import io
import json
from http.client import HTTPConnection
from typing import Any, Self

from bench.process import FailedError
from bench.stored import data_set_offset


class Rest:
    """One connection to an Orthanc on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> bytes:
        """What is there."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise FailedError(f"Orthanc answers {answer.status} to {path}")
        return content

    def version(self) -> str:
        """Of Orthanc."""
        found: Any = json.loads(self.get("/system"))
        return str(found["Version"])

    def digests(self) -> list[str]:
        """SHA-256 of every data set that it has."""
        return [_digest(self.get(f"/instances/{one}/file")) for one in json.loads(self.get("/instances"))]


def _digest(file: bytes) -> str:
    return hashlib.sha256(memoryview(file)[data_set_offset(io.BytesIO(file)) :]).hexdigest()
