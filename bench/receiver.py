"""The contenders that receive, each a process with a folder of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from bench import limit, site
from bench.process import Command, free_port, program, serving, wait_until_it_accepts
from bench.rest import Rest
from bench.settings import tool
from bench.stored import digests

NODELAY: Final[Mapping[str, str]] = {"TCP_NODELAY": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver that accepts connections.

    Attributes:
        title: Its AE title; empty: it speaks no DICOM, only what ``limit`` speaks.
        stored: SHA-256 of every data set that it has stored.
    """

    port: int
    title: str
    pid: int
    stored: Callable[[], list[str]]


#: Starts a receiver on an empty folder and stops it again.
Receiver = Callable[[Path], AbstractContextManager[Endpoint]]


def hilum(durability: str, keys: Mapping[str, Any] | None = None, *, settled: bool = True) -> Receiver:
    """``hilum serve`` with an AE title that no workflow wants: it receives and keeps.

    Args:
        settled: It is there when its dashboard answers, too, which takes half a second more.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Endpoint]:
        port, web = free_port(), free_port()
        path = site.write(folder, site.merged(site.receiving(port, web, durability), keys or {}))
        command = Command(arguments=[tool("hilum"), "serve", "--config", str(path)])
        with serving(command, port, folder / "hilum.log") as process:
            if settled:
                wait_until_it_accepts(process, web, folder / "hilum.log")
                with urlopen(f"http://127.0.0.1:{web}/health/live", timeout=30):
                    pass
            spool = folder / "spool"
            stored = lambda: digests(spool.glob("*/*.dcm"))  # noqa: E731
            yield Endpoint(port=port, title=site.TITLE, pid=process.pid, stored=stored)

    return start


#: Options of DCMTK's receiver that measured fastest: it writes what it reads, in large PDUs.
FAST: Final = ("--bit-preserving", "--max-pdu", "131072")


def storescp(*options: str, environment: Mapping[str, str] = NODELAY) -> Receiver:
    """DCMTK's receiver with its default options and the given ones.

    Without ``TCP_NODELAY`` in its environment its answers wait for the sender's delayed acknowledgement, 40 ms an
    instance.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Endpoint]:
        port, target = free_port(), folder / "received"
        target.mkdir()
        arguments = [program("storescp"), "--output-directory", str(target)]
        command = Command(arguments=[*arguments, *options, str(port)], environment=environment)
        with serving(command, port, folder / "storescp.log") as process:
            yield Endpoint(port=port, title="STORESCP", pid=process.pid, stored=lambda: digests(target.iterdir()))

    return start


def pynetdicom() -> Receiver:
    """pynetdicom's application ``storescp``, with PDUs of any length, which measured fastest."""

    @contextmanager
    def start(folder: Path) -> Iterator[Endpoint]:
        port, target = free_port(), folder / "received"
        target.mkdir()
        arguments = [sys.executable, "-m", "pynetdicom", "storescp", "--quiet", "--max-pdu", "0"]
        command = Command(arguments=[*arguments, "--output-directory", str(target), str(port)])
        with serving(command, port, folder / "pynetdicom.log") as process:
            yield Endpoint(port=port, title="STORESCP", pid=process.pid, stored=lambda: digests(target.iterdir()))

    return start


#: Faster than Orthanc's defaults, with nothing lost. It still syncs each file, as Hilum does with "instance".
TUNED: Final[Mapping[str, Any]] = {"MaximumPduLength": 131072, "StoreMD5ForAttachments": False}


def orthanc(keys: Mapping[str, Any] | None = None, *, environment: Mapping[str, str] = NODELAY) -> Receiver:
    """Orthanc without plug-ins, with its defaults and the given keys of its configuration."""

    @contextmanager
    def start(folder: Path) -> Iterator[Endpoint]:
        port, http = free_port(), free_port()
        storage = str(folder / "storage")
        configuration: Mapping[str, Any] = {
            "Name": "ORTHANC",
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "Plugins": [],
            "HttpPort": http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomPort": port,
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            **(keys or {}),
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(configuration))
        command = Command(arguments=[program("Orthanc"), str(path)], environment=environment)
        with serving(command, port, folder / "orthanc.log") as process, Rest(http) as rest:
            yield Endpoint(port=port, title="ORTHANC", pid=process.pid, stored=rest.digests)

    return start


def plain_loop(sync: str) -> Receiver:
    """The physical limit; see ``limit``."""

    @contextmanager
    def start(folder: Path) -> Iterator[Endpoint]:
        port, target = free_port(), folder / "received"
        target.mkdir()
        arguments = [sys.executable, "-I", "-S", os.fspath(limit.__file__), "receive", str(port), str(target), sync]
        with serving(Command(arguments=arguments), port, folder / "limit.log") as process:
            yield Endpoint(port=port, title="", pid=process.pid, stored=lambda: digests(target.iterdir()))

    return start
