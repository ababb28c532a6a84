"""DCMTK's tools as peers: ``storescu`` sends, ``storescp`` receives."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from harness.ports import free_port
from harness.site import data_set_digest
from interop.programs import Listening, program
from interop.real_files import RealFile

#: What makes ``storescu`` propose the transfer syntax that the file has, in a presentation context of its own or as
#: the first of several; with any other option it transcodes.
PROPOSE: Final[Mapping[str, str]] = {
    "1.2.840.10008.1.2": "--propose-implicit",
    "1.2.840.10008.1.2.1": "--propose-little",
    "1.2.840.10008.1.2.2": "--propose-big",
    "1.2.840.10008.1.2.1.99": "--propose-deflated",
    "1.2.840.10008.1.2.4.50": "--propose-jpeg8",
    "1.2.840.10008.1.2.4.51": "--propose-jpeg12",
    "1.2.840.10008.1.2.4.70": "--propose-lossless",
    "1.2.840.10008.1.2.4.80": "--propose-jls-lossless",
    "1.2.840.10008.1.2.4.81": "--propose-jls-lossy",
    "1.2.840.10008.1.2.4.90": "--propose-j2k-lossless",
    "1.2.840.10008.1.2.4.91": "--propose-j2k-lossy",
    "1.2.840.10008.1.2.5": "--propose-rle",
}


def run(name: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools to its end."""
    command = [program(name, "dcmtk"), *map(str, arguments)]
    variables = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=variables)


def storescu(port: int, *arguments: object, called: str = "HILUM", **environment: str) -> None:
    """Send files over one association; every instance must be taken."""
    done = run(
        "storescu", "--required", "-aet", "STORESCU", "-aec", called, "127.0.0.1", port, *arguments, **environment
    )
    assert done.returncode == 0, done.stderr


def send(port: int, files: Sequence[RealFile]) -> None:
    """Send files as they are, over one association per transfer syntax."""
    by_syntax = defaultdict(list)
    for file in files:
        by_syntax[file.transfer_syntax].append(file.path)
    for syntax, paths in by_syntax.items():
        storescu(port, PROPOSE[syntax], *paths)


def in_dcmtk_form(files: Sequence[RealFile], folder: Path) -> list[RealFile]:
    """Copies that DCMTK writes as it reads them.

    DCMTK keeps the elements of what it sends and encodes them anew: no group lengths, no trailing padding, explicit
    lengths of sequences, its own deflation. Of a file in that form every byte stays.
    """
    folder.mkdir()
    for file in files:
        done = run(
            "dcmconv",
            "--group-length-remove",
            "--padding-off",
            "--length-explicit",
            file.path,
            folder / file.name,
        )
        assert done.returncode == 0, done.stderr
    return [RealFile.of(folder / file.name) for file in files]


class Storescp:
    """A PACS that writes what it receives, bit by bit, each C-STORE to a file of its own.

    Args:
        options: How it misbehaves, if it shall.
        port: Of one that was there before; default: a free one.
    """

    def __init__(self, folder: Path, *options: str, port: int = 0, title: str = "STORESCP") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder / "received"
        self._folder.mkdir(exist_ok=True)
        self._title = title
        self.port = port or free_port()
        command = [program("storescp", "dcmtk"), "--accept-all", "--promiscuous", "--bit-preserving"]
        command += ["--unique-filenames", "--output-directory", str(self._folder), *options, str(self.port)]
        self._listening = Listening(command, self.port, folder / "storescp.log")

    def __enter__(self) -> Self:
        self._listening.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.stop()

    @property
    def destination(self) -> dict[str, object]:
        """Its entry in ``dicom.scu.destinations``."""
        return {"name": self._title, "host-ip": "127.0.0.1", "port": self.port, "ae-title": self._title}

    def paths(self) -> list[Path]:
        return list(self._folder.iterdir())

    def digests(self) -> list[str]:
        """SHA-256 of every data set it has, sorted; one that came twice is there twice."""
        return sorted(data_set_digest(path) for path in self.paths())
