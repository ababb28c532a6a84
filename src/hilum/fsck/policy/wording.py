"""What the rules have in common: how two files differ, and what is said again and again."""

from __future__ import annotations

from typing import Final

from hilum.fsck.facts import File
from hilum.fsck.finding import Finding, Kind

AGAIN: Final = "restore it from a backup, or have the study sent again"


def difference(expected: File, found: File | None) -> tuple[str, str] | None:
    """In what a file is not what it should be: what was found and what was expected; ``None``: in nothing known."""
    if found is None:
        return "no such file", f"{expected.size} bytes"
    if found.size < 0:
        return "not a regular file", f"a file of {expected.size} bytes"
    if found.size != expected.size:
        return f"{found.size} bytes", f"{expected.size} bytes"
    if expected.digest and found.digest and found.digest != expected.digest:
        return f"digest {found.digest}", f"digest {expected.digest}"
    return None


def root_empty(path: str, missing: str, key: str) -> Finding:
    """Nothing is where much should be: told once, and nothing is mended."""
    return Finding(
        kind=Kind.ROOT_EMPTY,
        machine="folder",
        subject=path,
        found="empty, or not there",
        expected=missing,
        means=f"everything in it is out of reach: is the disk of {key} mounted?",
        remedy="mount the disk and look again; if it is lost for good, have the studies sent again",
    )


def put_aside(quarantine: str) -> str:
    """What a repair does with a leftover."""
    return f"it is moved into {quarantine}, with the reason beside it"
