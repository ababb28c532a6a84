"""Carries one parcel to its destination: in which order, over how many associations, and what became of each file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from hilum import words
from hilum.association.peer import AssociationRejectedError, Peer
from hilum.association.requestor import Requestor
from hilum.deliver import policy
from hilum.deliver.ahead import Ahead
from hilum.deliver.result_file import DamagedError, UnreadableError
from hilum.deliver.settings import DeliverySettings
from hilum.deliver.slots import Slots, Stop, StoppedError
from hilum.errors import PermanentError, TemporaryError
from hilum.ledger.dispatch import DueFile, Parcel
from hilum.ledger.lease import PoisonError
from hilum.model import Answer, Uid

#: Presentation context identifiers are odd numbers from 1 to 255. Source: PS3.8 9.3.2.2.
MAX_CONTEXTS = 128
#: How long one of the few places for associations is held for a peer that does not say whether it takes one.
PROMPT: Final = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What keeps a file, or all that go to a destination, from being delivered by this attempt."""

    fault: policy.Fault
    why: str
    status: int | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a parcel. A file that is neither accepted nor failed was not tried: nothing is known of it.

    Attributes:
        accepted: Deliveries that were recorded one by one.
        failed: Of these, why.
        down: Why the destination as a whole cannot be sent to; ``None`` if it can.
    """

    accepted: set[int] = field(default_factory=set)
    failed: dict[int, Failed] = field(default_factory=dict)
    down: Failed | None = None

    @property
    def took_something(self) -> bool:
        """The destination answered for an instance, and not that it has no room."""
        return bool(self.accepted) or any(
            one.status is not None and one.fault is not policy.Fault.FULL for one in self.failed.values()
        )


class Record(Protocol):
    """Where each file's progress is written down at once."""

    def begins(self, file: DueFile) -> None:
        """It is on its way now."""

    def accepted(self, file: DueFile, answer: Answer, following: DueFile | None) -> None:
        """The peer has it; the next file, if there is one, is on its way now."""


class BrokenError(Exception):
    """No association, or it broke.

    Attributes:
        failed: Why.
        silent: The peer said nothing for as long as it was waited for.
    """

    def __init__(self, failed: Failed, *, silent: bool = False) -> None:
        super().__init__(failed.why)
        self.failed = failed
        self.silent = silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Carries one parcel.

    Attributes:
        stopping: Says when the parcel is to end, after the file that is on its way.
    """

    parcel: Parcel
    peer: Peer
    settings: DeliverySettings
    slots: Slots
    stopping: Stop
    record: Record
    outcome: Outcome = field(default_factory=Outcome)

    def carry(self) -> Outcome:
        """Send what can be sent. Stops at what concerns the destination as a whole, and goes on after anything else."""
        waiting = self._sound()
        try:
            prompt = True
            while waiting and self.outcome.down is None and not self.stopping.is_set():
                part = next(in_parts(waiting))
                if prompt:
                    try:
                        waiting = self._send(part, waiting, patience=PROMPT)
                        continue
                    except BrokenError as error:
                        if not error.silent:
                            raise
                        prompt = False
                # Outside the limit of associations: one that hangs holds no place that healthy destinations need.
                ask(self.peer, self.settings, [_pair(part[0])])
                waiting = self._send(part, waiting, patience=None)
        except BrokenError as error:
            self.outcome.down = error.failed
        except StoppedError:
            pass
        return self.outcome

    def _sound(self) -> Sequence[DueFile]:
        """All but what the gateway dies of, those last that have failed before: they may fail again, and for all."""
        sound = []
        for file in self.parcel.files:
            try:
                file.lease.refuse_poison("sending this file")
            except PoisonError as error:
                self.outcome.failed[file.id] = Failed(fault=policy.Fault.POISON, why=str(error))
            else:
                sound.append(file)
        return sorted(sound, key=lambda file: file.attempts)

    def _send(
        self, part: Sequence[DueFile], waiting: Sequence[DueFile], *, patience: timedelta | None
    ) -> Sequence[DueFile]:
        """Send files over one association within the limit.

        Args:
            patience: How long to wait for the association; ``None`` = as long as is usual.

        Returns:
            What of those that wait is still to be sent.

        Raises:
            BrokenError: There was no association.
        """
        done: set[int] = set()
        with (
            self.slots.one(self.settings.max_associations, self.stopping),
            opened(self.peer, self.settings, [_pair(file) for file in part], patience) as association,
            Ahead(Path(self.parcel.folder)) as ahead,
        ):
            self.record.begins(part[0])
            for file, following in zip(part, [*part[1:], None], strict=True):
                if self.stopping.is_set():
                    break
                done.add(file.id)
                if not self._send_one(association, ahead, file, following):
                    break
        return [file for file in waiting if file.id not in done]

    def _send_one(self, association: Requestor, ahead: Ahead, file: DueFile, following: DueFile | None) -> bool:
        """Send one file; whether the association can carry another one."""
        goes_on = True
        try:
            outcome = self._store(association, ahead, file, following)
        except BrokenError as error:
            outcome, goes_on = error.failed, False
        if isinstance(outcome, Answer):
            self.outcome.accepted.add(file.id)
            self.record.accepted(file, outcome, following)
            return True
        self.outcome.failed[file.id] = outcome
        if policy.concerns_destination(outcome.fault, attempts=file.attempts):
            self.outcome.down = outcome
            return False
        if goes_on and following is not None:
            self.record.begins(following)
        return goes_on

    def _store(self, association: Requestor, ahead: Ahead, file: DueFile, following: DueFile | None) -> Answer | Failed:
        sop_class, transfer_syntax = _pair(file)
        if not association.accepted(sop_class, transfer_syntax):
            why = f"the destination does not accept SOP class {sop_class} in transfer syntax {transfer_syntax}"
            return Failed(fault=policy.Fault.REFUSED, why=why)
        try:
            with ahead.take(file, following) as descriptor:
                answer = association.store(
                    descriptor,
                    file.offset,
                    file.size - file.offset,
                    sop_class=sop_class,
                    sop_instance=Uid(file.sop_instance),
                    transfer_syntax=transfer_syntax,
                )
        except (UnreadableError, PermanentError) as error:
            return Failed(fault=policy.Fault.LOCAL, why=str(error))
        except DamagedError as error:
            return Failed(fault=policy.Fault.DAMAGED, why=str(error))
        except TemporaryError as error:
            raise BrokenError(Failed(fault=policy.Fault.UNREACHABLE, why=str(error))) from error
        if answer.accepted:
            return answer
        why = f"the destination answered status {answer.status:04X}H {words.said(answer.comment)}".rstrip()
        return Failed(fault=policy.fault_of(answer), why=why, status=answer.status)


def _pair(file: DueFile) -> tuple[Uid, Uid]:
    return Uid(file.sop_class), Uid(file.transfer_syntax)


def ask(peer: Peer, settings: DeliverySettings, pairs: Sequence[tuple[Uid, Uid]]) -> None:
    """Ask a destination for an association that carries nothing.

    Raises:
        BrokenError: There was none.
    """
    with opened(peer, settings, pairs, None):
        pass


@contextmanager
def opened(
    peer: Peer, settings: DeliverySettings, pairs: Sequence[tuple[Uid, Uid]], patience: timedelta | None
) -> Iterator[Requestor]:
    """An association, released at the end, or aborted if the block fails.

    Raises:
        BrokenError: There was none.
    """
    timeouts, usual = settings.timeouts, settings.timeouts
    if patience is not None:
        timeouts = replace(usual, connect=min(patience, usual.connect), association=min(patience, usual.association))
    began = time.monotonic()
    try:
        association = Requestor.open(peer, settings.calling, list(dict.fromkeys(pairs)), timeouts=timeouts)
    except AssociationRejectedError as error:
        fault = policy.Fault.UNREACHABLE if error.reject.transient else policy.Fault.MISCONFIGURED
        raise BrokenError(Failed(fault=fault, why=str(error))) from error
    except TemporaryError as error:
        # Who was waited for all the time that there was may answer yet; who said no has answered.
        waited = timedelta(seconds=time.monotonic() - began)
        silent = timeouts != usual and waited >= min(timeouts.connect, timeouts.association)
        raise BrokenError(Failed(fault=policy.Fault.UNREACHABLE, why=str(error)), silent=silent) from error
    with association:
        yield association


def in_parts(files: Sequence[DueFile]) -> Iterator[Sequence[DueFile]]:
    """Split files so that each part needs at most 128 presentation contexts; one part in all but the oddest cases.

    Those that have failed before are never in one part with others.
    """
    part: list[DueFile] = []
    pairs: set[tuple[str, str]] = set()
    for file in sorted(files, key=lambda one: (one.attempts > 0, one.sop_class, one.transfer_syntax)):
        pair = (file.sop_class, file.transfer_syntax)
        full = pair not in pairs and len(pairs) == MAX_CONTEXTS
        if part and (full or (part[-1].attempts > 0) != (file.attempts > 0)):
            yield part
            part, pairs = [], set()
        pairs.add(pair)
        part.append(file)
    if part:
        yield part
