"""Sends due deliveries and writes down what the peer said of each file."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, assert_never

from hilum.association.peer import AssociationRejectedError, Peer
from hilum.association.requestor import Requestor
from hilum.association.settings import RequestorTimeouts
from hilum.clock import Clock
from hilum.deliver import policy
from hilum.errors import TemporaryError
from hilum.ledger import dispatch
from hilum.ledger.database import Database, LedgerBusyError
from hilum.ledger.tables import deliveries
from hilum.ledger.transition import give_back, renew
from hilum.model import AETitle, Answer, Uid

#: Presentation context identifiers are odd numbers from 1 to 255. Source: PS3.8 9.3.2.2.
MAX_CONTEXTS = 128
#: How long one of the few places for associations is held for a peer that does not say whether it takes one.
_PROMPT: Final = timedelta(seconds=3)
#: One broken association may be chance, two at the same file hardly.
_SUSPICIOUS: Final = 2
#: How soon who waits for a place notices that the gateway stops.
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What the present configuration says about sending."""

    calling: AETitle
    destinations: Mapping[str, Peer]
    max_associations: int
    retry: policy.RetryRule
    timeouts: RequestorTimeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What keeps a file from being delivered by this attempt."""

    fault: policy.Fault
    why: str
    status: int | None = None


class _NotPromptError(TemporaryError):
    """No association so soon; perhaps later."""


class _StoppedError(Exception):
    """The gateway stops: what has not begun is left for the next start."""


class _Slots:
    """At most so many outgoing associations at once; the limit may change while some are open."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._taken = 0

    @contextmanager
    def one(self, limit: int, stopping: threading.Event | None = None) -> Iterator[None]:
        """Wait for a free slot and hold it.

        Raises:
            _StoppedError: There was none before the gateway was stopped.
        """
        with self._free:
            while not self._free.wait_for(lambda: self._taken < limit, _LOOK_SECONDS):
                if stopping is not None and stopping.is_set():
                    raise _StoppedError
            self._taken += 1
        try:
            yield
        finally:
            with self._free:
                self._taken -= 1
                self._free.notify_all()


@dataclass(slots=True, kw_only=True)
class SendStep:
    """Due deliveries in, delivered, postponed or given up ones out.

    What a peer accepted is recorded file by file as it answers, so that a crash in the middle of a job never sends an
    accepted file again; what failed is recorded at the end.

    Attributes:
        stopping: Set when the gateway stops: a parcel ends after the file that is on its way.
    """

    database: Database
    owner: str
    clock: Clock
    settings: Callable[[], DeliverySettings]
    stopping: threading.Event = field(default_factory=threading.Event)
    name: ClassVar[str] = "deliver"
    #: More than ``max-associations``: a thread that waits for a dead destination to answer keeps no other one waiting.
    concurrency: ClassVar[int] = 32
    _slots: _Slots = field(default_factory=_Slots)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _going: Counter[str] = field(default_factory=Counter)
    _unwell: set[str] = field(default_factory=set)
    #: Deliveries at which an association broke, and how often: perhaps the peer cannot bear just these files.
    _suspects: Counter[int] = field(default_factory=Counter)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[dispatch.Parcel]:
        """The parcels that have waited longest, of destinations that can take another association."""
        parcels: list[dispatch.Parcel] = []
        while len(parcels) < limit:
            try:
                parcel = self._claim_one(now, until)
            except TemporaryError:
                if not parcels:
                    raise
                break  # what is leased already goes out
            if parcel is None:
                break
            parcels.append(parcel)
        return parcels

    def _claim_one(self, now: datetime, until: datetime) -> dispatch.Parcel | None:
        avoid = self._avoid(self.settings())
        with self.database.read() as connection:
            due = dispatch.next_due(connection, now, avoid)
        if due is None or due > now:
            return None
        with self.database.write() as connection:
            parcel = dispatch.claim_parcel(connection, owner=self.owner, now=now, until=until, avoid=avoid)
        if parcel is not None:
            with self._lock:
                self._going[parcel.destination] += 1
        return parcel

    def _avoid(self, settings: DeliverySettings) -> frozenset[str]:
        """Destinations that have enough going on.

        One that did not answer well last time gets one parcel at a time; and none gets every place as long as there is
        another destination, since one that hangs would take them all.
        """
        most = max(1, settings.max_associations - (len(settings.destinations) > 1))
        with self._lock:
            return frozenset(
                name for name, count in self._going.items() if count >= (1 if name in self._unwell else most)
            )

    def act(self, parcel: dispatch.Parcel) -> Mapping[int, Failed]:
        """Send the parcel; the files that failed, by delivery, with the reason."""
        try:
            failed = self._send(parcel)
        finally:
            with self._lock:
                self._going[parcel.destination] -= 1
        with self._lock:
            if any(one.fault in _WHOLE for one in failed.values()):
                self._unwell.add(parcel.destination)
            else:
                self._unwell.discard(parcel.destination)
        return failed

    def _send(self, parcel: dispatch.Parcel) -> dict[int, Failed]:
        settings = self.settings()
        peer = settings.destinations.get(parcel.destination)
        if peer is None:
            why = f"destination {parcel.destination!r} is not in dicom.scu.destinations any more"
            return {file.id: Failed(fault=policy.Fault.MISCONFIGURED, why=why) for file in parcel.files}
        failed: dict[int, Failed] = {}
        accepted: set[int] = set()
        output = Path(parcel.folder) / "output"
        send = partial(self._associate, peer, output=output, settings=settings, failed=failed, accepted=accepted)
        try:
            prompt = parcel.destination not in self._unwell
            for files in self._in_order(parcel.files):
                if self.stopping.is_set():
                    break
                if prompt:
                    try:
                        send(files, patience=_PROMPT)
                        continue
                    except _NotPromptError:
                        prompt = False
                self._probe(peer, settings, files[0])
                send(files, patience=None)
        except AssociationRejectedError as error:
            fault = policy.Fault.UNREACHABLE if error.reject.transient else policy.Fault.MISCONFIGURED
            broken = Failed(fault=fault, why=str(error))
        except LedgerBusyError:
            raise  # ours, and no word about the destination
        except TemporaryError as error:
            broken = Failed(fault=policy.Fault.UNREACHABLE, why=str(error))
        except _StoppedError:
            return failed
        else:
            return failed
        open_ones = (file.id for file in parcel.files if file.id not in accepted and file.id not in failed)
        return failed | dict.fromkeys(open_ones, broken)

    def _in_order(self, files: Sequence[dispatch.DueFile]) -> Iterator[Sequence[dispatch.DueFile]]:
        """What each association carries; a file that broke two of them comes last, by itself, and so harms no other."""
        suspects = [file for file in files if self._suspects[file.id] >= _SUSPICIOUS]
        yield from by_contexts([file for file in files if file not in suspects])
        for file in sorted(suspects, key=lambda one: self._suspects[one.id]):
            yield (file,)

    def _probe(self, peer: Peer, settings: DeliverySettings, file: dispatch.DueFile) -> None:
        """Ask a destination that failed last time, or hesitates, for an association that carries nothing.

        Outside the limit of associations: one that hangs must not hold a place that healthy destinations need.
        """
        pair = (Uid(file.sop_class), Uid(file.transfer_syntax))
        Requestor.open(peer, settings.calling, [pair], timeouts=settings.timeouts).release()

    def _associate(
        self,
        peer: Peer,
        files: Sequence[dispatch.DueFile],
        *,
        output: Path,
        settings: DeliverySettings,
        failed: dict[int, Failed],
        accepted: set[int],
        patience: timedelta | None,
    ) -> None:
        """Send files over one association within the limit.

        Args:
            patience: How long to wait for the association; ``None`` = as long as is usual.

        Raises:
            _NotPromptError: There was none within that patience.
        """
        with (
            self._slots.one(settings.max_associations, self.stopping),
            _opened(peer, files, settings, patience) as association,
        ):
            for file in files:
                if self.stopping.is_set():
                    break
                try:
                    outcome = self._store(association, output / file.path, file)
                except TemporaryError:
                    self._suspects[file.id] += 1
                    raise
                del self._suspects[file.id]  # a Counter does not mind if there is none
                match outcome:
                    case Failed():
                        failed[file.id] = outcome
                    case Answer():
                        accepted.add(file.id)
                        self._accepted(file, outcome)
                    case never:
                        assert_never(never)

    def _store(self, association: Requestor, path: Path, file: dispatch.DueFile) -> Answer | Failed:
        pair = (Uid(file.sop_class), Uid(file.transfer_syntax))
        if not association.accepted(*pair):
            why = f"the destination does not accept SOP class {pair[0]} in transfer syntax {pair[1]}"
            return Failed(fault=policy.Fault.REFUSED, why=why)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return Failed(fault=policy.Fault.LOCAL, why=f"the result file cannot be opened: {error.strerror}")
        try:
            size = os.fstat(descriptor).st_size
            if size != file.size:
                why = f"the result file has {size} bytes now, {file.size} when it was collected"
                return Failed(fault=policy.Fault.LOCAL, why=why)
            answer = association.store(
                descriptor,
                file.offset,
                file.size - file.offset,
                sop_class=pair[0],
                sop_instance=Uid(file.sop_instance),
                transfer_syntax=pair[1],
            )
        finally:
            os.close(descriptor)
        if answer.accepted:
            return answer
        comment = f" ({answer.comment})" if answer.comment else ""
        why = f"the destination answered status {answer.status:04X}H{comment}"
        return Failed(fault=policy.fault_of(answer), why=why, status=answer.status)

    def _accepted(self, file: dispatch.DueFile, answer: Answer) -> None:
        why = "" if answer.status == 0 else f"with warning {answer.status:04X}H {answer.comment}".rstrip()
        with self.database.note() as connection:
            dispatch.delivered(connection, file.lease, status=answer.status, why=why, now=self.clock())

    def record(self, parcel: dispatch.Parcel, failed: Mapping[int, Failed], now: datetime) -> None:
        """Postpone or give up what failed; put on disk what was accepted."""
        rule = self.settings().retry
        with self.database.write() as connection:
            for file in parcel.files:
                if file.id not in failed:
                    if self.stopping.is_set():  # then it may not have been tried
                        give_back(connection, deliveries, file.lease)
                    continue
                one = failed[file.id]
                verdict = policy.next_attempt(
                    one.fault, attempts=file.attempts + 1, queued_at=file.queued_at, now=now, rule=rule
                )
                match verdict:
                    case policy.RetryAt(when=when):
                        dispatch.postponed(
                            connection, file.lease, status=one.status, why=one.why, not_before=when, now=now
                        )
                    case policy.GiveUp(why=why, remedy=remedy):
                        why = f"{one.why}; {why}"
                        dispatch.given_up(connection, file.lease, status=one.status, why=why, remedy=remedy, now=now)
                    case never:
                        assert_never(never)

    def failed(self, parcel: dispatch.Parcel, error: Exception, now: datetime) -> None:
        """Something of ours broke: what was not recorded yet waits for the ordinary time."""
        wait = now + self.settings().retry.waits[0]
        values = {"not_before": wait, "why": f"{type(error).__name__}: {error}"}
        with self.database.write() as connection:
            for file in parcel.files:
                give_back(connection, deliveries, file.lease, values=values)

    def renew(self, works: Sequence[dispatch.Parcel], until: datetime) -> None:
        """A large parcel takes long."""
        with self.database.note() as connection:
            renew(connection, deliveries, [file.lease for parcel in works for file in parcel.files], until=until)

    def next_due(self, now: datetime) -> datetime | None:
        """When the next delivery may be tried."""
        with self.database.read() as connection:
            return dispatch.next_due(connection, now, self._avoid(self.settings()))


def _opened(
    peer: Peer, files: Sequence[dispatch.DueFile], settings: DeliverySettings, patience: timedelta | None
) -> Requestor:
    pairs = list(dict.fromkeys((Uid(file.sop_class), Uid(file.transfer_syntax)) for file in files))
    timeouts = settings.timeouts
    if patience is not None:
        timeouts = replace(timeouts, connect=patience, association=patience)
    try:
        return Requestor.open(peer, settings.calling, pairs, timeouts=timeouts)
    except AssociationRejectedError:
        raise
    except TemporaryError as error:
        if patience is None:
            raise
        raise _NotPromptError(str(error)) from error


#: Faults of the destination as a whole, not of one file.
_WHOLE = frozenset({policy.Fault.UNREACHABLE, policy.Fault.MISCONFIGURED})


def by_contexts(files: Sequence[dispatch.DueFile]) -> Iterator[Sequence[dispatch.DueFile]]:
    """Split files so that each part needs at most 128 presentation contexts; one part in all but the oddest cases."""
    part: list[dispatch.DueFile] = []
    pairs: set[tuple[str, str]] = set()
    for file in sorted(files, key=lambda one: (one.sop_class, one.transfer_syntax)):
        pair = (file.sop_class, file.transfer_syntax)
        if pair not in pairs and len(pairs) == MAX_CONTEXTS:
            yield part
            part, pairs = [], set()
        pairs.add(pair)
        part.append(file)
    if part:
        yield part
