"""Tells listeners that something changed: one look at the ledger for all of them, and none while nobody listens."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from hilum.errors import HilumError, TemporaryError
from hilum.ledger import annals, views
from hilum.ledger.shown import HistoryLine
from hilum.web.desk import Desk

_log = structlog.get_logger(__name__)

#: Between two looks: what happens is told this late at most.
_LOOK_SECONDS: Final = 0.5
#: After as long a silence a line that means nothing is sent: proxies keep the connection, and who has gone is noticed.
#: So often it is also asked whether who listens still may.
_BEAT_SECONDS: Final = 15.0
#: Lines that are told to who was away; who was away for longer is told to look at everything.
_MOST_LINES: Final = 1000
#: Each holds a connection of the server.
_MOST_LISTENERS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The gateway at one look.

    Attributes:
        last: The number of the last line of history.
        counts: Open associations, and groups and jobs by state.
    """

    last: int
    counts: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Feed:
    """The events of one server; everything but ``close`` belongs to its event loop."""

    desk: Desk
    _listeners: int = 0
    _looking: asyncio.Task[None] | None = None
    _seen: _Seen | None = None
    _recent: deque[HistoryLine] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _closed: bool = False

    def close(self) -> None:
        """End every stream; from any thread."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def refuse_if_full(self) -> None:
        """Take no more listeners than the server can bear.

        Raises:
            TemporaryError: There are too many.
        """
        if self._listeners >= _MOST_LISTENERS:
            raise TemporaryError(f"{_MOST_LISTENERS} others listen already; close some pages")

    async def listen(self, after: int | None, may: Callable[[], bool] = lambda: True) -> AsyncIterator[str]:
        """A stream of server-sent events until the server stops or the listener's session is over.

        Args:
            after: The last line of history that the listener has been told of; ``None``: it wants what comes.
            may: Whether the listener still may listen; may take its time.
        """
        self._loop = asyncio.get_running_loop()
        self._listeners += 1
        if self._looking is None:
            self._seen = None
            self._recent.clear()
            self._looking = asyncio.create_task(self._look_on())
        try:
            async for message in self._messages(after, may):
                yield message
        finally:
            self._listeners -= 1
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _messages(self, after: int | None, may: Callable[[], bool]) -> AsyncIterator[str]:
        told: _Seen | None = None
        asked_at = time.monotonic()
        while not self._closed:
            if time.monotonic() >= asked_at + _BEAT_SECONDS:
                if not await asyncio.to_thread(_still, may):
                    return
                asked_at = time.monotonic()
            news, seen = self._news, self._seen
            if seen is not None and seen is not told:
                if told is None and after is None:
                    yield _message("hello", seen, (), missed=False)
                else:
                    lines, missed = await self._lines(seen, seen.last if after is None else after)
                    yield _message("change", seen, lines, missed=missed)
                told, after = seen, seen.last
                continue
            try:
                await asyncio.wait_for(news.wait(), _BEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"

    async def _lines(self, seen: _Seen, after: int) -> tuple[Sequence[HistoryLine], bool]:
        """What was written since then, and whether it was too much to tell."""
        if after > seen.last:  # of another ledger
            return (), True
        first = self._recent[0].id if self._recent else seen.last + 1
        if after >= first - 1:
            return [line for line in self._recent if after < line.id <= seen.last], False
        lines = await asyncio.to_thread(self._read, after)
        missed = len(lines) > _MOST_LINES
        return ((), True) if missed else ([line for line in lines if line.id <= seen.last], False)

    def _read(self, after: int) -> Sequence[HistoryLine]:
        with self.desk.database.read() as connection:
            return annals.lines_after(connection, after, limit=_MOST_LINES + 1)

    async def _look_on(self) -> None:
        """Body of the task that looks for all listeners."""
        while not self._closed:
            try:
                await self._look()
            except HilumError as error:
                _log.warning("events.not_looked", error=str(error))
            except Exception as error:  # noqa: BLE001  the pages go on without, and the next look may come off
                _log.error("events.fault", exc_info=error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        before = self._seen
        seen, lines = await asyncio.to_thread(self._see, before)
        self._recent.extend(lines)
        if before is None or (seen.last, seen.counts) != (before.last, before.counts):
            self._seen = seen
            self._wake()

    def _see(self, before: _Seen | None) -> tuple[_Seen, Sequence[HistoryLine]]:
        """Look at the ledger, in a thread; the connection is given back before anybody waits."""
        with self.desk.database.read() as connection:
            last = annals.last_line(connection)
            if before is not None and last == before.last:
                counts = {**before.counts, "associations": len(self.desk.talking())}
                return _Seen(last=last, counts=counts), ()
            lines = () if before is None else annals.lines_after(connection, before.last, limit=_MOST_LINES + 1)
            counts = {
                "associations": len(self.desk.talking()),
                "groups": {state.value: number for state, number in views.group_counts(connection).items()},
                "jobs": {state.value: number for state, number in views.job_counts(connection).items()},
            }
        return _Seen(last=last, counts=counts), lines


def _still(may: Callable[[], bool]) -> bool:
    try:
        return may()
    except HilumError:  # the ledger is away, and so is what could be told
        return True


def _message(event: str, seen: _Seen, lines: Sequence[HistoryLine], *, missed: bool) -> str:
    told = [
        {"id": line.id, "machine": line.machine, "subject": line.subject, "event": line.event, "state": line.to_state}
        for line in lines
    ]
    data = json.dumps({"lines": told, "missed": missed, "counts": seen.counts}, separators=(",", ":"))
    return f"id: {seen.last}\nevent: {event}\ndata: {data}\n\n"
