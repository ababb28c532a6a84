"""The storage SCPs that the battery compares, each started on a free port of the loopback with a folder of its own.

All are told to give up on a silent peer after ``TIMERS`` seconds, to take every transfer syntax they can, and to know
the calling AE title where they can be told one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from harness.ports import free_port
from harness.process import GatewayProcess
from harness.site import Site
from harness.waiting import eventually
from hilum.battery import Shelf, Target

#: Seconds.
TIMERS: Final = 3
TITLE: Final = "PEER"
CALLING: Final = "HILUM"
_SYSTEM_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scp:
    """One of them.

    Attributes:
        name: As the table heads its column.
        told: How it was started, for the reader of the table.
        serve: Starts it in a folder, gives its port and the folder in which it stores, and ends it.
    """

    name: str
    version: str
    told: str
    serve: Callable[[Path], Any]

    @contextmanager
    def target(self, folder: Path) -> Iterator[Target]:
        """It, running."""
        folder.mkdir()
        with self.serve(folder) as (port, stored):
            yield Target(
                host="127.0.0.1",
                port=port,
                called=TITLE,
                calling=CALLING,
                slow=3.0 * TIMERS,
                shelf=Shelf(stored),
            )


def every_scp() -> tuple[Scp, ...]:
    """In the order of the columns."""
    return (
        Scp(
            name="Hilum",
            version=version("hilum"),
            told=f"artim, pdu and idle {TIMERS} s, host ::, sources known",
            serve=_hilum,
        ),
        Scp(
            name="DCMTK",
            version=_said("storescp", "--version", pattern=r"storescp v(\S+)"),
            told=f"storescp --fork --accept-all -ts {TIMERS} -ta {TIMERS} -td {TIMERS}",
            serve=_dcmtk,
        ),
        Scp(
            name="pynetdicom",
            version=version("pynetdicom"),
            told=f"python -m pynetdicom storescp -aet {TITLE} -ta {TIMERS} -td {TIMERS} -tn {TIMERS}",
            serve=_pynetdicom,
        ),
        Scp(
            name="Orthanc",
            version=_said("Orthanc", "--version", pattern=r"Orthanc (\S+)"),
            told=f"DicomScpTimeout {TIMERS}, DicomCheckCalledAet, {CALLING} in DicomModalities, every transfer syntax",
            serve=_orthanc,
        ),
    )


@contextmanager
def _hilum(folder: Path) -> Iterator[tuple[int, Path]]:
    sources = [{"host-ip": host, "ae-title": CALLING} for host in ("127.0.0.1", "::1")]
    scp = {
        "host": "::",
        "ae-titles": [{"ae-title": TITLE}],
        "reject-unknown-sources": True,
        "sources": sources,
        "timeouts": {"artim": TIMERS, "pdu": TIMERS, "idle": TIMERS},
    }
    with GatewayProcess(Site(folder, {"dicom": {"scp": scp}})) as gateway:
        yield gateway.port, folder


@contextmanager
def _dcmtk(folder: Path) -> Iterator[tuple[int, Path]]:
    stored = folder / "stored"
    stored.mkdir()
    port = free_port()
    timers = [word for option in ("-ts", "-ta", "-td") for word in (option, str(TIMERS))]
    command = [_program("storescp"), "--fork", "--accept-all", *timers, "--output-directory", str(stored), str(port)]
    with _running(command, port, folder):
        yield port, stored


@contextmanager
def _pynetdicom(folder: Path) -> Iterator[tuple[int, Path]]:
    stored = folder / "stored"
    port = free_port()
    timers = [word for option in ("-ta", "-td", "-tn") for word in (option, str(TIMERS))]
    command = [sys.executable, "-m", "pynetdicom", "storescp", "-aet", TITLE, *timers, "-od", str(stored), str(port)]
    with _running(command, port, folder):
        yield port, stored


@contextmanager
def _orthanc(folder: Path) -> Iterator[tuple[int, Path]]:
    stored = folder / "stored"
    port = free_port()
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(_orthanc_configuration(stored, port)))
    with _running([_program("Orthanc"), str(configuration)], port, folder):
        yield port, stored


def _orthanc_configuration(stored: Path, port: int) -> Mapping[str, Any]:
    every_syntax = ("Deflated", "Jpeg", "JpegLossless", "Jpeg2000", "Jpip", "Mpeg2", "Rle")
    return {
        "Name": TITLE,
        "StorageDirectory": str(stored),
        "IndexDirectory": str(stored),
        "Plugins": [],
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomPort": port,
        "DicomAet": TITLE,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "DicomModalities": {"battery": [CALLING, "127.0.0.1", 104]},
        "DicomScpTimeout": TIMERS,
    } | {f"{name}TransferSyntaxAccepted": True for name in every_syntax}


def _program(name: str) -> str:
    found = shutil.which(name, path=_SYSTEM_PATH)
    if found is None:
        raise SystemExit(f"{name} is not installed: scripts/system-packages storescp=dcmtk Orthanc=orthanc")
    return found


def _said(name: str, *arguments: str, pattern: str) -> str:
    """What a program says of itself, as far as the pattern's group goes."""
    done = subprocess.run([_program(name), *arguments], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "?"


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program in a process group of its own: what it forks ends with it."""
    log_path = folder / "log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True
        )

    def listens() -> bool:
        assert process.poll() is None, f"{command} has ended: {log_path.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return False
        return True

    try:
        eventually(listens, what=f"{command[0]} to listen on port {port}")
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
