"""What is written down about an attempt in the job's folder, beside what ``hilum.engine.attempt`` tells of.

==================================== ===================================================================================
``run/<attempt>/platform.json``      The platform may have been asked to start the attempt: written before it is.
``run/<attempt>/part``               A result that is being fetched.
``run/inputs.json``                  SHA-256 of the inputs, with size and time of change: reading them takes long.
==================================== ===================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hilum.engine import attempt as on_disk
from hilum.engine.http.answers import Content
from hilum.engine.port import Run

_STARTED: Final = "platform.json"
_INPUTS: Final = "inputs.json"
_PART: Final = "part"


class Attempt:
    """One attempt's folder. Everything raises ``OSError`` when the disk does."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._folder = run.folder / "run" / str(run.attempt)

    @property
    def begun(self) -> bool:
        """The platform may have been asked to start it."""
        return os.path.lexists(self._folder / _STARTED)

    def prepare(self) -> None:
        """Make its folder and give it an empty ``output/``; not once it has begun."""
        self._folder.parent.mkdir(exist_ok=True)
        self._folder.mkdir(exist_ok=True)
        on_disk.give_fresh_output(os.fspath(self._run.folder), self._run.attempt)

    def begin(self, key: str, url: str) -> None:
        """From here on the platform may have been asked to start it; on disk on return."""
        record = {"key": key, "platform": url, "at": on_disk.utc_text()}
        on_disk.write_file(os.fspath(self._folder), _STARTED, json.dumps(record, indent=1) + "\n")

    def description(self) -> Mapping[str, Any]:
        """What ``job.json`` says; empty for a folder that Hilum did not make."""
        return _load(self._run.folder / "job.json")

    def inputs(self) -> tuple[Content, ...]:
        """The files below ``input/``, by their paths; what is not a plain file is left out."""
        source = self._run.folder / "input"
        known = _load(self._run.folder / "run" / _INPUTS)
        found: list[Content] = []
        seen: dict[str, object] = {}
        for path in sorted(_files(source)):
            name, facts = path.relative_to(source).as_posix(), path.stat()
            was = known.get(name)
            if not (isinstance(was, list) and was[:2] == [facts.st_size, facts.st_mtime_ns] and len(was) == 3):
                was = [facts.st_size, facts.st_mtime_ns, sha256_of(path)]
            seen[name] = was
            found.append(Content(path=name, size=facts.st_size, sha256=str(was[2])))
        if seen != known:
            self._folder.parent.mkdir(exist_ok=True)
            on_disk.write_file(os.fspath(self._folder.parent), _INPUTS, json.dumps(seen) + "\n")
        return tuple(found)

    def is_done(self) -> bool:
        """Whether ``job.done`` is there as a plain file."""
        try:
            return stat.S_ISREG((self._run.folder / "output" / "job.done").lstat().st_mode)
        except FileNotFoundError:
            return False

    def has(self, content: Content) -> bool:
        """Whether that result was fetched before."""
        path = self._run.folder / "output" / content.path
        return path.is_file() and path.stat().st_size == content.size and sha256_of(path) == content.sha256

    @property
    def part(self) -> Path:
        """Where a result is written while it is fetched."""
        return self._folder / _PART

    def keep(self, content: Content) -> None:
        """Give the fetched result its name."""
        path = self._run.folder / "output" / content.path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.part.replace(path)

    def finish(self) -> None:
        """Put the results on disk, and then ``job.done``."""
        on_disk.sync_tree(os.fspath(self._run.folder / "output"))
        on_disk.mark_done(os.fspath(self._run.folder))


def sha256_of(path: Path) -> str:
    """Of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _load(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
