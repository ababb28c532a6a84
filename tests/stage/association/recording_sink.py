"""A receiver that keeps what it gets in memory, and tells when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from hilum.association.observer import AssociationEvent
from hilum.association.sink import Ending, InstanceWriter
from hilum.model import Answer, AssociationInfo, StoreRequest

Event = TypeVar("Event")
WAIT_SECONDS = 20


class Recorder:
    """What happened, in order; tests wait for it instead of sleeping."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[object] = []

    def add(self, what: object) -> None:
        with self._changed:
            self._seen.append(what)
            self._changed.notify_all()

    def all(self, kind: type[Event]) -> list[Event]:
        with self._changed:
            return [what for what in self._seen if isinstance(what, kind)]

    def wait(self, kind: type[Event], count: int = 1) -> Event:
        """The last of ``count`` things of a kind."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: sum(isinstance(what, kind) for what in self._seen) >= count, WAIT_SECONDS
            )
        assert done, f"no {kind.__name__}, only {self._seen}"
        return self.all(kind)[count - 1]


class Stored:
    """One instance that was finished."""

    def __init__(self, request: StoreRequest, content: bytes) -> None:
        self.request = request
        self.content = content


class Discarded:
    """One instance that was not."""

    def __init__(self, request: StoreRequest, content: bytes) -> None:
        self.request = request
        self.content = content


class Released:
    """The sink was released."""


class Broken:
    """The sink was told of another end."""

    def __init__(self, how: Ending, why: str) -> None:
        self.how = how
        self.why = why


class RecordingReceiver:
    """Receiver, sinks and observer in one; behaviour is changed by replacing the callables."""

    def __init__(self) -> None:
        self.seen = Recorder()
        self.congested_because: str | None = None
        self.on_open: Callable[[AssociationInfo], None] = lambda _: None
        self.on_begin: Callable[[StoreRequest], Answer | None] = lambda _: None
        self.on_write: Callable[[int], object] = lambda _: None
        self.on_finish: Callable[[StoreRequest], Answer] = lambda _: Answer(status=0)
        self.on_release: Callable[[], None] = lambda: None
        self.on_event: Callable[[AssociationEvent], object] = lambda _: None

    def observe(self, event: AssociationEvent) -> None:
        self.seen.add(event)
        self.on_event(event)

    def congested(self) -> str | None:
        return self.congested_because

    def open(self, association: AssociationInfo) -> RecordingSink:
        self.on_open(association)
        return RecordingSink(self)


class RecordingSink:
    def __init__(self, receiver: RecordingReceiver) -> None:
        self._receiver = receiver

    def begin(self, request: StoreRequest) -> InstanceWriter | Answer:
        return self._receiver.on_begin(request) or RecordingWriter(self._receiver, request)

    def release(self) -> None:
        self._receiver.on_release()
        self._receiver.seen.add(Released())

    def broken(self, how: Ending, why: str) -> None:
        self._receiver.seen.add(Broken(how, why))


class RecordingWriter:
    def __init__(self, receiver: RecordingReceiver, request: StoreRequest) -> None:
        self._receiver = receiver
        self._request = request
        self._content = bytearray()

    def write(self, fragments: Sequence[memoryview]) -> None:
        self._receiver.on_write(sum(map(len, fragments)))
        for fragment in fragments:
            self._content += fragment

    def finish(self) -> Answer:
        answer = self._receiver.on_finish(self._request)
        if answer.accepted:
            self._receiver.seen.add(Stored(self._request, bytes(self._content)))
        return answer

    def discard(self) -> None:
        self._receiver.seen.add(Discarded(self._request, bytes(self._content)))
