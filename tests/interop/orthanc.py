"""Orthanc, as a sender and as an archive."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, Self

from harness.ports import free_port
from harness.waiting import eventually
from hilum.store.part10 import MetaInfo, read_meta
from hilum.wire import DEFLATED_LE
from interop.programs import Listening, program

#: Which of the real files Orthanc 1.10.1 neither stores nor sends on, and why.
CANNOT_TAKE: Final[Mapping[str, str]] = {
    "JPEGLSNearLossless_08.dcm": "it has no Patient ID and no UID of study or series, by which Orthanc keeps its index"
}


class RefusedError(Exception):
    """The REST API answered with an error."""


class Orthanc:
    """A server without plug-ins, with everything in one folder, that takes every transfer syntax it knows."""

    def __init__(self, folder: Path, *, title: str = "ORTHANC") -> None:
        folder.mkdir(exist_ok=True)
        self._title = title
        self._http, self.port = free_port(), free_port()
        configuration = folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(folder / "storage")))
        command = [program("Orthanc", "orthanc"), str(configuration)]
        self._listening = Listening(command, self._http, folder / "orthanc.log")

    def _configuration(self, storage: Path) -> dict[str, Any]:
        every_syntax = ("Deflated", "Jpeg", "JpegLossless", "Jpeg2000", "Jpip", "Mpeg2", "Rle")
        return {
            "Name": self._title,
            "StorageDirectory": str(storage),
            "IndexDirectory": str(storage),
            "Plugins": [],
            "HttpPort": self._http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomPort": self.port,
            "DicomAet": self._title,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "UnknownSopClassAccepted": True,
        } | {f"{name}TransferSyntaxAccepted": True for name in every_syntax}

    def __enter__(self) -> Self:
        self._listening.start()
        eventually(self._ready, what="Orthanc's REST API")
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.stop()

    def _ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/system"))
        except (OSError, RefusedError):
            return False

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._http, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RefusedError(f"{method} {path}: {answer.status} {content!r}")
        return content

    @property
    def destination(self) -> dict[str, object]:
        """Its entry in ``dicom.scu.destinations``."""
        return {"name": self._title, "host-ip": "127.0.0.1", "port": self.port, "ae-title": self._title}

    def clear(self) -> None:
        """Forget every instance."""
        for patient in json.loads(self._ask("GET", "/patients")):
            self._ask("DELETE", f"/patients/{patient}")

    def upload(self, path: Path) -> str:
        """Put a file into the archive; its identifier there.

        Raises:
            RefusedError: Orthanc does not take it.
        """
        answer = json.loads(self._ask("POST", "/instances", path.read_bytes()))
        return str(answer["ID"])

    def send(self, port: int, instances: Sequence[str], *, called: str = "HILUM") -> None:
        """Have instances sent by C-STORE; every one must be taken."""
        modality = {"AET": called, "Host": "127.0.0.1", "Port": port, "AllowTranscoding": False}
        self._ask("PUT", "/modalities/gateway", json.dumps(modality).encode())
        job = {"Resources": list(instances), "Synchronous": True}
        self._ask("POST", "/modalities/gateway/store", json.dumps(job).encode())

    def digests(self) -> list[str]:
        """SHA-256 of every data set it has, sorted."""
        found = json.loads(self._ask("GET", "/instances"))
        return sorted(_data_set_digest(self._ask("GET", f"/instances/{one}/file")) for one in found)


def _data_set_digest(file: bytes) -> str:
    meta = read_meta(file)
    assert isinstance(meta, MetaInfo)
    data_set = file[meta.data_set_offset :]
    if meta.transfer_syntax == DEFLATED_LE:
        # What Orthanc received it writes into as much room as it needs inflated, and leaves zeros behind it.
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        stream.decompress(data_set)
        assert not any(stream.unused_data)
        data_set = data_set[: len(data_set) - len(stream.unused_data)]
        data_set += bytes(len(data_set) % 2)
    return hashlib.sha256(data_set).hexdigest()
