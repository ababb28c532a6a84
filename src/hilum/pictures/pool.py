"""A few decoding processes: started when they are needed, replaced when they die, ended when nobody asks."""

from __future__ import annotations

import json
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from hilum.errors import TemporaryError
from hilum.pictures import channel, placeholder
from hilum.pictures.facts import Facts, NonsenseError
from hilum.pictures.order import Order, Picture
from hilum.pictures.process import DecodingProcess, GoneError, Limits, UnwantedError

_log = structlog.get_logger(__name__)

_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Files:
    """Descriptors that belong to a request, and are closed with it."""

    descriptors: Sequence[int]

    def close(self) -> None:
        """Close all of them."""
        for descriptor in self.descriptors:
            with suppress(OSError):
                os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    head: dict[str, Any]
    files: Files
    future: Future[channel.Message | GoneError]
    abandoned: threading.Event = field(default_factory=threading.Event)


class Asked:
    """A request that waits or is worked on."""

    def __init__(self, task: _Task) -> None:
        self._task = task

    @property
    def future(self) -> Future[channel.Message | GoneError]:
        """The decoder's answer, or why there is none."""
        return self._task.future

    def abandon(self) -> None:
        """Nobody wants the answer any more: it is not begun, or ended."""
        self._task.abandoned.set()
        self._task.future.cancel()


class Pool:
    """Usable from any thread. ``close`` ends all processes.

    Args:
        processes: At most so many at once.
        queue: So many requests may wait; more are turned away.
        idle: A process for which nothing was asked for so long is ended.
        start: Makes a process.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        processes: int = 2,
        queue: int = 64,
        idle: timedelta = timedelta(minutes=1),
        start: Callable[[Limits], DecodingProcess] = DecodingProcess,
    ) -> None:
        self._limits = limits or Limits()
        self._processes = processes
        self._queue = queue
        self._idle_seconds = idle.total_seconds()
        self._start = start
        self._waiting: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._resting = 0
        self._closed = False

    def ask(self, head: dict[str, Any], files: Files) -> Asked:
        """Put a request into the queue. The files are closed when it is over, whatever becomes of it.

        Raises:
            TemporaryError: Too many wait already, or all is over.
        """
        task = _Task(head=head, files=files, future=Future())
        with self._changed:
            while self._waiting and self._waiting[0].abandoned.is_set():
                self._waiting.popleft().files.close()
            if self._closed or len(self._waiting) >= self._queue:
                files.close()
                raise TemporaryError(
                    f"{len(self._waiting)} pictures wait to be decoded already; ask again",
                    retry_after=timedelta(seconds=1),
                )
            self._waiting.append(task)
            if self._resting >= len(self._waiting) or len(self._threads) >= self._processes:
                self._changed.notify()
            else:
                thread = threading.Thread(target=self._work, name="pictures", daemon=True)
                self._threads.add(thread)
                thread.start()
        return Asked(task)

    @property
    def running(self) -> int:
        """Processes that exist or are being started."""
        return len(self._threads)

    def close(self) -> None:
        """End everything; returns when all processes are gone. What waits is not answered."""
        with self._changed:
            self._closed = True
            for task in self._waiting:
                task.abandoned.set()
            self._changed.notify_all()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        process: DecodingProcess | None = None
        try:
            while (task := self._next()) is not None:
                process = self._serve(task, process)
        finally:
            if process is not None:
                process.close()
            with self._changed:
                self._threads.discard(threading.current_thread())

    def _next(self) -> _Task | None:
        """What is to be done next; ``None``: nothing for a long time, this thread is no longer one of the pool's."""
        with self._changed:
            while True:
                while self._waiting:
                    task = self._waiting.popleft()
                    if not task.abandoned.is_set() and task.future.set_running_or_notify_cancel():
                        return task
                    task.future.cancel()
                    task.files.close()
                if self._closed:
                    return None
                self._resting += 1
                told = self._changed.wait(self._idle_seconds)
                self._resting -= 1
                if not told and not self._waiting:
                    # In the same breath as the decision: whoever asks next starts another thread.
                    self._threads.discard(threading.current_thread())
                    return None

    def _serve(self, task: _Task, process: DecodingProcess | None) -> DecodingProcess | None:
        """Answer a task; the process that can be used on."""
        answer: channel.Message | GoneError
        try:
            process = process or self._start(self._limits)
            answer = process.ask(
                task.head, task.files.descriptors, wanted=lambda: not (task.abandoned.is_set() or self._closed)
            )
        except GoneError as gone:
            _log.warning("pictures.decoder_gone", why=str(gone))
            answer, process = gone, None
        except UnwantedError:
            answer, process = GoneError("nobody waits for it any more"), None
        except OSError as error:  # no process can be made
            answer, process = GoneError(f"the decoder cannot start: {error.strerror}"), None
        except Exception as error:  # noqa: BLE001  whoever waits shall not wait for ever
            _log.error("pictures.fault", exc_info=error)
            answer = GoneError("a fault of the gateway: see its log")
        finally:
            task.files.close()
        task.future.set_result(answer)
        return process


def to_picture(answer: channel.Message | GoneError, order: Order) -> Picture:
    """What the decoder said, if that is a picture; else a placeholder that says what became of it."""
    if isinstance(answer, GoneError):
        return Picture(png=placeholder.draw(str(answer), order.size), why=str(answer), passing=True)
    why, note = answer.head.get("why", ""), answer.head.get("note", "")
    if not isinstance(why, str) or not isinstance(note, str) or not answer.body.startswith(_PNG):
        text = "the decoder gave an answer without meaning"
        return Picture(png=placeholder.draw(text, order.size), why=text, passing=True)
    return Picture(png=answer.body, why=why[:500], note=note[:500], window=_window(answer.head.get("window")))


def _window(said: object) -> tuple[float, float] | None:
    match said:
        case [float(center), float(width)] if math.isfinite(center) and math.isfinite(width):
            return center, width
        case _:
            return None


def to_facts(answer: channel.Message | GoneError, count: int) -> tuple[Facts, ...]:
    """What the decoder said of so many files, in their order."""
    if isinstance(answer, GoneError):
        return (Facts(unreadable=str(answer)),) * count
    try:
        said = json.loads(answer.body)
        if isinstance(said, list) and len(said) == count:
            return tuple(Facts.from_json(one) for one in said)
    except (ValueError, RecursionError, NonsenseError) as error:
        return (Facts(unreadable=str(error)),) * count
    return (Facts(unreadable="the decoder gave an answer without meaning"),) * count
