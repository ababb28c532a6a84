"""Sends files to a peer over one association, or over several at once."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hilum.association.peer import Peer
from hilum.association.requestor import MAX_CONTEXTS, Prepared, Requestor
from hilum.association.settings import RequestorTimeouts
from hilum.cli.outbox import Outgoing
from hilum.errors import HilumError, PermanentError, TemporaryError
from hilum.model import AETitle, Answer, Uid
from hilum.wire import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        answer: What the peer said; ``None``: it was not asked, or did not answer.
        why: Why there is no answer.
        asked: The file was judged; else the association ended before, and sending it again may help.
    """

    file: Outgoing
    answer: Answer | None
    why: str = ""
    asked: bool = True

    @property
    def accepted(self) -> bool:
        """The peer has it."""
        return self.answer is not None and self.answer.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of all of them.

    Attributes:
        outcomes: In the order in which they came.
        seconds: From the first connection to the last release.
        associations: How many were opened.
        interrupted: Somebody did not want to wait.
        error: What kept files from being sent, if anything did.
    """

    outcomes: tuple[Outcome, ...]
    seconds: float
    associations: int
    interrupted: bool
    error: HilumError | None

    @property
    def complete(self) -> bool:
        """There was something to send, and the peer has all of it."""
        return bool(self.outcomes) and not self.interrupted and all(outcome.accepted for outcome in self.outcomes)

    @property
    def accepted_bytes(self) -> int:
        """Of the data sets that the peer has."""
        return sum(outcome.file.length for outcome in self.outcomes if outcome.accepted)


class Sender:
    """Sends; ``run`` may be called once, ``interrupt`` at any time from another thread.

    Args:
        associations: How many are open at once, at most; at least 1.
        told: Called with each outcome, from several threads, one at a time.
    """

    def __init__(
        self,
        peer: Peer,
        calling: AETitle,
        timeouts: RequestorTimeouts,
        *,
        associations: int = 1,
        told: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._peer = peer
        self._calling = calling
        self._timeouts = timeouts
        self._associations = associations
        self._told = told
        self._lock = threading.Lock()
        self._queue: deque[Outgoing] = deque()
        self._outcomes: list[Outcome] = []
        self._open: set[Requestor] = set()
        self._opened = 0
        self._errors: list[HilumError] = []
        self._stopping = False

    def run(self, files: Sequence[Outgoing]) -> Report:
        """Send all of them, as far as the peer takes them; files of more than 128 contexts go one part after another.

        A peer that takes fewer associations at once than wanted gets as many as it takes.
        """
        began = time.monotonic()
        for part in by_contexts(files):
            self._queue.extend(part)
            self._run_part(part)
            if self._queue or self._stopping:
                break
        seconds = time.monotonic() - began
        known = {id(outcome.file) for outcome in self._outcomes}
        left = tuple(file for file in files if id(file) not in known)
        all_accepted = not left and all(outcome.accepted for outcome in self._outcomes)
        why = "interrupted" if self._stopping else "not sent, because no association was left"
        return Report(
            outcomes=(*self._outcomes, *(Outcome(file=file, answer=None, why=why, asked=False) for file in left)),
            seconds=seconds,
            associations=self._opened,
            interrupted=self._stopping,
            error=None if all_accepted or not self._errors else self._errors[0],
        )

    def interrupt(self) -> None:
        """Send nothing more and end the associations."""
        with self._lock:
            self._stopping = True
            for association in self._open:
                association.interrupt()

    def _run_part(self, part: Sequence[Outgoing]) -> None:
        pairs = list(dict.fromkeys((file.sop_class, file.transfer_syntax) for file in part))
        threads = [
            threading.Thread(target=self._associate, args=(pairs,), name=f"send-{number}", daemon=True)
            for number in range(min(self._associations, len(part)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _associate(self, pairs: Sequence[tuple[Uid, Uid]]) -> None:
        """One association, until nothing is left to send."""
        try:
            association = Requestor.open(self._peer, self._calling, pairs, timeouts=self._timeouts)
        except (TemporaryError, PermanentError) as error:
            with self._lock:
                self._errors.append(error)
            return
        with self._lock:
            self._opened += 1
            self._open.add(association)
            if self._stopping:
                association.interrupt()
        going: _Ready | None = None
        following: _Ready | None = None
        try:
            # The next request is made ready while the peer works on the one before.
            following = self._next_ready(association)
            while following is not None and not self._stopping:
                going, following = following, None
                going.begin(association)
                following = self._next_ready(association)
                self._done(Outcome(file=going.file, answer=association.finish()))
        except TemporaryError as error:
            assert going is not None
            self._done(Outcome(file=going.file, answer=None, why=str(error), asked=False))
            with self._lock:
                self._errors.append(error)
        finally:
            if following is not None:
                following.close()
                with self._lock:
                    self._queue.appendleft(following.file)  # another association may have time for it
            association.release()
            with self._lock:
                self._open.discard(association)

    def _next(self) -> Outgoing | None:
        with self._lock:
            return self._queue.popleft() if self._queue and not self._stopping else None

    def _done(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            self._told(outcome)

    def _next_ready(self, association: Requestor) -> _Ready | None:
        """The next file that can be sent; those before it that cannot are done with."""
        while (file := self._next()) is not None:
            try:
                return _Ready.of(association, file)
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
            except PermanentError as error:
                why = str(error)
            self._done(Outcome(file=file, answer=None, why=why))
        return None


class _Ready(NamedTuple):
    """A file with the request that sends it."""

    file: Outgoing
    request: Prepared
    descriptor: int | None

    @classmethod
    def of(cls, association: Requestor, file: Outgoing) -> _Ready:
        """Open the file and make the request.

        Raises:
            OSError: It cannot be opened.
            PermanentError: The peer does not take it, or it has become shorter.
        """
        if not association.accepted(file.sop_class, file.transfer_syntax):
            raise PermanentError(f"the peer does not take {name_of(file.sop_class)} in {name_of(file.transfer_syntax)}")
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC) if file.content is None else None
        try:
            request = association.prepare(
                descriptor if descriptor is not None else file.content or b"",
                file.offset,
                file.length,
                sop_class=file.sop_class,
                sop_instance=file.sop_instance,
                transfer_syntax=file.transfer_syntax,
            )
        except BaseException:
            if descriptor is not None:
                os.close(descriptor)
            raise
        return cls(file, request, descriptor)

    def begin(self, association: Requestor) -> None:
        """Send it."""
        try:
            association.begin(self.request)
        finally:
            self.close()

    def close(self) -> None:
        """It is not needed any more."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def by_contexts(files: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """Split files so that each part needs at most 128 presentation contexts, without changing their order."""
    part: list[Outgoing] = []
    pairs: set[tuple[Uid, Uid]] = set()
    for file in files:
        pair = (file.sop_class, file.transfer_syntax)
        if pair not in pairs and len(pairs) == MAX_CONTEXTS:
            yield part
            part, pairs = [], set()
        pairs.add(pair)
        part.append(file)
    if part:
        yield part
