"""Reads a unit of systemd, and asks systemd itself what it means."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def settings(path: Path) -> dict[str, list[str]]:
    """The values of each setting, in their order; sections are left out, since no setting of ours is in two."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def seconds(value: str) -> float:
    """A time span as systemd reads it."""
    said = subprocess.run(["systemd-analyze", "timespan", value], capture_output=True, text=True, check=True).stdout
    microseconds = re.search(r"[uμ]s: (\d+)", said)
    assert microseconds, said
    return int(microseconds[1]) / 1_000_000


def allowed_calls(filters: list[str]) -> set[str]:
    """The system calls that lines of SystemCallFilter leave, the first of which allows."""
    allowed: set[str] = set()
    for line in filters:
        calls = {call for word in line.removeprefix("~").split() for call in _expanded(word)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def _expanded(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    command = ["systemd-analyze", "syscall-filter", "--no-pager", word]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line.strip() for line in said.splitlines()[1:]]
    return {call for line in lines if line and line[0] not in "#@" for call in [line]} | {
        call for line in lines if line.startswith("@") for call in _expanded(line)
    }
