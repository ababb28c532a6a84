"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from bench.process import program


def machine(folder: Path) -> Mapping[str, str]:
    """Processor, memory, disk, kernel."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "file system": _file_system(folder),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions() -> Mapping[str, str]:
    """Of the contenders."""
    return {
        "Hilum": version("hilum"),
        "DCMTK": _first(r"v(\d+(?:\.\d+)+)", program("storescp"), "--version"),
        "Orthanc": _first(r"(\d+(?:\.\d+)+)", program("Orthanc"), "--version"),
        "pynetdicom": version("pynetdicom"),
        "pydicom": version("pydicom"),
    }


def _first(pattern: str, *command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def _file_system(folder: Path) -> str:
    """The type of the mount that holds a folder."""
    kind, best = "unknown", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if folder.is_relative_to(mount) and len(mount) >= len(best):
            kind, best = found, mount
    return kind
