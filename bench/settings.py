"""What a run of the bench does, from its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs; their defaults are the real thing, everything else is a quick look.

    Attributes:
        scale: Part of the instances, jobs and rows that are used.
        rounds: How often each contender of a load runs.
        only: Names of loads, with wildcards as in ``receive-*``; empty = all.
        folder: Everything that is written lies below it: data, what contenders store, ledgers. One file system, so
            that every contender writes to the same disk.
        pages: Where the results are written.
        resume: Take what an earlier run of the same thing has measured, and measure only the rest.
    """

    scale: float
    rounds: int
    only: tuple[str, ...]
    folder: Path
    pages: Path
    resume: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the variables ``BENCH_*``."""
        scale = float(environment.get("BENCH_SCALE", "1"))
        rounds = int(environment.get("BENCH_ROUNDS", "5"))
        only = tuple(environment.get("BENCH_ONLY", "").replace(",", " ").split())
        folder = Path(environment.get("BENCH_FOLDER", ROOT / "build" / "bench")).absolute()
        # A quick look must not take the place of the pages of a whole run.
        pages = ROOT / "bench" if scale >= 1 and rounds >= 5 and not only else folder
        return cls(
            scale=scale,
            rounds=rounds,
            only=only,
            folder=folder,
            pages=Path(environment.get("BENCH_PAGES", pages)).absolute(),
            resume=environment.get("BENCH_RESUME", "0") not in {"", "0"},
        )

    @property
    def runs(self) -> Path:
        """Where contenders have their folders."""
        return self.folder / "runs"

    def write(self, name: str, page: str) -> None:
        """Write a page, and print it."""
        self.pages.mkdir(parents=True, exist_ok=True)
        (self.pages / name).write_text(page)
        print(page)

    def count(self, whole: int, least: int = 1) -> int:
        """So many of a load's things at this scale."""
        return max(least, round(whole * self.scale))

    def wants(self, load: str) -> bool:
        """Whether a load was asked for."""
        return not self.only or any(fnmatchcase(load, pattern) for pattern in self.only)


def tool(name: str) -> str:
    """A program beside the Python that runs the bench."""
    return str(Path(sys.executable).parent / name)
