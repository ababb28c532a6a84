"""Many executions of all targets, in several processes; each input can be made again from its seed."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from types import FrameType
from typing import Final

from fuzz.mutation import Mutator
from fuzz.targets import TARGETS, Target

#: A single execution that takes longer, in seconds, hangs.
HANG_SECONDS: Final = 10
#: Pieces of work for each target: few enough to cost nothing, enough to keep all processes busy to the end.
_PIECES: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """One input that broke a promise.

    Attributes:
        target: Name.
        where: The exception and the line that raised it: crashes with the same are one.
        data: The input, as short as could be found.
    """

    target: str
    where: str
    data: bytes


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has been done to one target."""

    executions: int = 0
    seconds: float = 0
    crashes: dict[str, Crash] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Take over the result of another piece of work."""
        self.executions += other.executions
        self.seconds += other.seconds
        for where, crash in other.crashes.items():
            known = self.crashes.get(where)
            if known is None or len(crash.data) < len(known.data):
                self.crashes[where] = crash


class HangError(Exception):
    """An execution took longer than ``HANG_SECONDS``."""


def run(executions: int, seed: int, processes: int) -> Iterator[tuple[Target, Tally]]:
    """Fuzz all targets, each with its share; yields after each piece of work what it brought."""
    pieces = [
        (target.name, seed * 1_000_003 + number, _share(executions * target.share // 1000, number), number == 0)
        for number in range(_PIECES)
        for target in TARGETS.values()
    ]
    with get_context("fork").Pool(processes) as pool:
        for name, tally in pool.imap_unordered(_work, pieces):
            yield TARGETS[name], tally


def _share(count: int, number: int) -> int:
    return count * (number + 1) // _PIECES - count * number // _PIECES


def _work(piece: tuple[str, int, int, bool]) -> tuple[str, Tally]:
    name, seed, count, first = piece
    return name, fuzz(TARGETS[name], seed, count, unchanged=first)


def fuzz(target: Target, seed: int, count: int, *, unchanged: bool) -> Tally:
    """Execute one target on ``count`` inputs, perhaps with its unchanged corpus first.

    Must run in the main thread: an alarm ends what hangs.
    """
    corpus = target.corpus
    replayed = len(corpus) if unchanged else 0
    mutator = Mutator(corpus, target.tokens, seed)
    tally = Tally()
    begun = time.perf_counter()
    with _Watch(tally):
        for number in range(count):
            data = corpus[number] if number < replayed else mutator.next()
            try:
                target.run(data)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                where = _where(error)
                if where not in tally.crashes:
                    tally.crashes[where] = Crash(target=target.name, where=where, data=_shortened(target, data, where))
            tally.executions += 1
    tally.seconds = time.perf_counter() - begun
    return tally


class _Watch:
    """Raises ``HangError`` in an execution during which the alarm rings twice."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._before = -1

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS, HANG_SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        if self._tally.executions == self._before:
            raise HangError
        self._before = self._tally.executions


def _where(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    file = "/".join(last.filename.split("/")[-2:])
    return f"{type(error).__name__} at {file}:{last.lineno} in {last.name}"


def _shortened(target: Target, data: bytes, where: str) -> bytes:
    """Leave out what is not needed to break the same promise; for a few seconds at most."""
    end = time.perf_counter() + HANG_SECONDS / 4
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data) and time.perf_counter() < end:
            shorter = data[:start] + data[start + size :]
            try:
                target.run(shorter)
            except Exception as error:  # noqa: BLE001 - the same as above
                if _where(error) == where:
                    data = shorter
                    continue
            start += size
        size //= 2
    return data
