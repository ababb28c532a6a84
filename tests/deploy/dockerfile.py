"""Reads a Dockerfile, and carries out on this machine what one of its stages says."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of them; ``text`` is what follows the word, with continued lines joined."""

    word: str
    text: str

    @property
    def form(self) -> list[str]:
        """Of ENTRYPOINT, CMD and HEALTHCHECK in their exec form: the command."""
        return [str(part) for part in json.loads(self.text[self.text.index("[") :])]


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first; what stands before the first one is left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in filter(None, "\n".join(lines).replace("\\\n", " ").splitlines()):
        word, _, text = line.partition(" ")
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(word, " ".join(text.split())))
    return found


def only(stage: list[Instruction], word: str) -> Instruction:
    """The one instruction of that word."""
    (one,) = [instruction for instruction in stage if instruction.word == word]
    return one


def context(root: Path, ignore: Path) -> list[Path]:
    """The files below ``root`` that a builder gets, of those that git knows; relative.

    Understands of the file ``ignore`` what ours say: ``*``, exceptions with ``!``, and ``**/NAME``.
    """
    rules = [line for line in ignore.read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, check=True)

    def goes(path: str) -> bool:
        kept = True
        for rule in rules:
            pattern = rule.removeprefix("!")
            folders = [path, *(str(parent) for parent in Path(path).parents)]
            if any(fnmatch.fnmatchcase(folder, pattern.replace("**/", "*")) for folder in folders):
                kept = rule.startswith("!")
        return kept

    return [Path(path) for path in listed.stdout.decode().splitlines() if goes(path) and (root / path).is_file()]


class Builder:
    """Carries out COPY and RUN of one stage below ``folder``, with ``places`` put in for what is only in an image."""

    def __init__(self, root: Path, files: list[Path], folder: Path, places: Mapping[str, str]) -> None:
        self._root = root
        self._files = files
        self._folder = folder
        self._places = places

    def copy(self, text: str) -> None:
        """COPY of files, or of folders with a slash at their end."""
        *sources, target = text.split()
        for source in sources:
            taken = [file for file in self._files if file == Path(source) or Path(source) in file.parents]
            assert taken, f"COPY {source}: nothing of it reaches the builder"
            for file in taken:
                inner = file.relative_to(source) if source.endswith("/") else Path(file.name)
                to = self._folder / target / inner
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._root / file, to)

    def run(self, text: str) -> None:
        """RUN, by the shell that Docker uses."""
        for old, new in self._places.items():
            text = text.replace(old, new)
        clean = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        done = subprocess.run(
            ["/bin/sh", "-c", text], check=False, cwd=self._folder, env=clean, capture_output=True, text=True
        )
        assert done.returncode == 0, f"RUN {text}\n{done.stdout}{done.stderr}"
