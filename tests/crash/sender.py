"""A modality that remembers what it was told: the truth that everything else is compared with.

It makes its own bytes and reads the answers itself; nothing of the gateway's code is involved.
"""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from harness.raw_peer import CT, EXPLICIT, RELEASE, RELEASE_RP, USER_ABORT, RawPeer, data_set, store_rq

_CONTEXT: Final = (3, CT, [EXPLICIT])
_NEVER: Final = float("inf")


class Ending(StrEnum):
    """How an association is meant to end."""

    RELEASE = "release"
    ABORT = "abort"
    DROP = "drop"  # the connection closes without a word


@dataclass(slots=True)
class Sent:
    """One instance that was sent, or begun to be.

    Attributes:
        digest: SHA-256 of its data set.
        acknowledged_at: When 0000H had been read, monotonic.
    """

    uid: str
    digest: str
    acknowledged_at: float = _NEVER

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged_at < _NEVER


@dataclass(slots=True)
class Association:
    """What was said on one association.

    Attributes:
        ending: How it was meant to end.
        meant: How many instances were to be sent.
        released_at: When A-RELEASE-RP had been read, monotonic.
        release_asked_at: When A-RELEASE-RQ was about to be sent, monotonic.
        refusals: Statuses other than success.
    """

    ae: str
    ending: Ending = Ending.RELEASE
    meant: int = 0
    sent: list[Sent] = field(default_factory=list)
    release_asked_at: float = _NEVER
    released_at: float = _NEVER
    refusals: list[int] = field(default_factory=list)

    @property
    def is_released(self) -> bool:
        return self.released_at < _NEVER

    @property
    def went_well(self) -> bool:
        """Everything was taken, and it ended as it was meant to."""
        taken = sum(one.is_acknowledged for one in self.sent)
        return taken == self.meant and (self.is_released or self.ending is not Ending.RELEASE)


@dataclass
class Ledger:
    """Every association of every sender of a site; threads append to it."""

    associations: list[Association] = field(default_factory=list)
    #: Acknowledgements that were read after these moments do not count if they came from before.
    cuts: list[tuple[float, float]] = field(default_factory=list)

    def cut(self, at: float) -> None:
        """The power was cut at this moment; what was read between it and now may have been said without it."""
        self.cuts.append((at, time.monotonic()))

    def counts(self, moment: float) -> bool:
        """Whether something that was read at that moment was said for sure before the power was cut."""
        return moment != _NEVER and not any(start <= moment <= end for start, end in self.cuts)


def make_data_set(uid: str, study: str, size: int) -> bytes:
    """An instance of its own: nothing else has its bytes."""
    elements = (
        (0x0008, 0x0016, b"UI", CT.encode()),
        (0x0008, 0x0018, b"UI", uid.encode()),
        (0x0008, 0x0060, b"CS", b"CT"),
        (0x0010, 0x0020, b"LO", b"P1"),
        (0x0020, 0x000D, b"UI", study.encode()),
        (0x0020, 0x000E, b"UI", study.encode() + b".1"),
    )
    head = b""
    for group, element, representation, value in elements:
        padded = value + (b"\0" if representation == b"UI" else b" ") * (len(value) % 2)
        head += struct.pack("<HH2sH", group, element, representation, len(padded)) + padded
    size += size % 2
    return head + struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", size) + random.randbytes(size)


def new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


class Sender:
    """Sends over one association after the other and writes down every answer."""

    def __init__(self, ledger: Ledger, port: int, *, seconds: float = 10) -> None:
        self._ledger = ledger
        self._port = port
        self._seconds = seconds

    def association(
        self, sizes: Iterable[int], *, ae: str = "HILUM", ending: Ending = Ending.RELEASE, study: str | None = None
    ) -> Association:
        """Send instances of these sizes and end it; what broke, if anything did, can be seen from what is returned."""
        with self.opened(sizes, ae=ae, ending=ending, study=study) as told:
            return told

    @contextmanager
    def opened(
        self, sizes: Iterable[int], *, ae: str = "HILUM", ending: Ending = Ending.DROP, study: str | None = None
    ) -> Iterator[Association]:
        """The same, with time for something else before it is ended."""
        sizes = list(sizes)
        told = Association(ae, ending=ending, meant=len(sizes))
        self._ledger.associations.append(told)
        well: RawPeer | None = None
        with ExitStack() as connected:
            # Aborted, reset, closed, silent: what was read until then counts.
            with suppress(OSError, AssertionError, struct.error, KeyError):
                sock = socket.create_connection(("127.0.0.1", self._port), self._seconds)
                peer = connected.enter_context(RawPeer(sock))
                sock.settimeout(self._seconds)
                peer.associate(_CONTEXT, called=ae)
                for number, size in enumerate(sizes, 1):
                    self._store(peer, told, number, study or new_uid(), size)
                well = peer
            yield told
            if well is not None:
                with suppress(OSError, struct.error):
                    self._end(well, told, ending)

    def _store(self, peer: RawPeer, told: Association, number: int, study: str, size: int) -> None:
        uid = new_uid()
        content = make_data_set(uid, study, size)
        sent = Sent(uid, hashlib.sha256(content).hexdigest())
        told.sent.append(sent)
        peer.send(store_rq(uid, message_id=number), data_set(content, fragment=16000))
        status = peer.status()
        if status == 0:
            sent.acknowledged_at = time.monotonic()
        else:
            told.refusals.append(status)

    def _end(self, peer: RawPeer, told: Association, ending: Ending) -> None:
        if ending is Ending.ABORT:
            peer.send(USER_ABORT)
        elif ending is Ending.RELEASE:
            told.release_asked_at = time.monotonic()
            peer.send(RELEASE)
            if peer.pdu()[0] == RELEASE_RP:
                told.released_at = time.monotonic()


class Load:
    """Several senders at once until they are told to stop, or until nobody answers any more.

    Args:
        aes: AE titles to send to, each association to one of them.
        pause: Seconds between two associations of a sender, on average.
        patience: Seconds that a sender waits for an answer, each association one of these.
        steadfast: They go on although nobody answers.
    """

    def __init__(
        self,
        ledger: Ledger,
        port: int,
        *,
        aes: tuple[str, ...],
        senders: int = 3,
        pause: float = 0.0,
        patience: Sequence[float] = (10.0,),
        steadfast: bool = False,
    ) -> None:
        self._over = threading.Event()
        self._senders = [Sender(ledger, port, seconds=seconds) for seconds in patience]
        self._aes = aes
        self._pause = pause
        self._steadfast = steadfast
        self._studies = [new_uid() for _ in range(2)]
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more associations, and wait for the ends of those that are open."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._over.is_set():
            sizes = [random.choice((200, 2_000, 20_000, 100_000)) for _ in range(random.randint(1, 4))]
            ending = random.choices(list(Ending), (8, 1, 1))[0]
            ae = random.choice(self._aes)
            study = random.choice(self._studies) if random.random() < 0.7 else None
            told = random.choice(self._senders).association(sizes, ae=ae, ending=ending, study=study)
            if not (told.sent or self._steadfast):
                return
            self._over.wait(random.uniform(0, 2 * self._pause))
