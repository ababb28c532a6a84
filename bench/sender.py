"""The programs that send, one process an association."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import limit
from bench.process import Command, program
from bench.receiver import NODELAY, Endpoint
from bench.settings import tool

#: How to send a folder to an endpoint.
Sender = Callable[[Endpoint, Path], Command]


def plain(endpoint: Endpoint, folder: Path) -> Command:
    """The sending half of the physical limit."""
    script = os.fspath(limit.__file__)
    return Command(arguments=[sys.executable, "-I", "-S", script, "send", str(endpoint.port), str(folder)])


def _storescu(endpoint: Endpoint, folder: Path, environment: Mapping[str, str]) -> Command:
    if not endpoint.title:
        return plain(endpoint, folder)
    arguments = [program("storescu"), "--required", "--call", endpoint.title, "--scan-directories"]
    return Command(arguments=[*arguments, "127.0.0.1", str(endpoint.port), str(folder)], environment=environment)


def storescu(endpoint: Endpoint, folder: Path) -> Command:
    """DCMTK's sender with Nagle's algorithm off."""
    return _storescu(endpoint, folder, NODELAY)


def storescu_as_it_comes(endpoint: Endpoint, folder: Path) -> Command:
    """DCMTK's sender with Nagle's algorithm on."""
    return _storescu(endpoint, folder, {})


def hilum_send(endpoint: Endpoint, folder: Path) -> Command:
    """Hilum's sender."""
    if not endpoint.title:
        return plain(endpoint, folder)
    arguments = [tool("hilum"), "send", "--quiet", "--call", endpoint.title]
    return Command(arguments=[*arguments, "127.0.0.1", str(endpoint.port), str(folder)])
