"""Step 3: takes the instances of one association into the spool, and into the ledger when it is released."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection

from hilum.association.sink import Ending
from hilum.clock import Clock
from hilum.errors import HilumError, LocalError, TemporaryError
from hilum.ledger import gateways, reception
from hilum.ledger.database import Database
from hilum.ledger.grouping import Grouping
from hilum.ledger.port import Mode
from hilum.ledger.reception import Received, Tally
from hilum.ledger.transition import NoSuchRowError
from hilum.model import Answer, AssociationInfo, GroupKey, Header, StoreRequest
from hilum.observe.datasets import log_data_set
from hilum.observe.meter import SILENT, Meter
from hilum.states import Association
from hilum.store import policy
from hilum.store.digest import DataSetDigest
from hilum.store.disk import Watermark
from hilum.store.folders import remove_folder
from hilum.store.part10 import file_meta
from hilum.store.scan import HeadScanner, Unreadable
from hilum.store.spool import AssociationFolder, Durability, InstanceFile
from hilum.wire import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_log = structlog.get_logger(__name__)

#: Below ``storage.temporary``: associations that ended without a release.
HELD = "held"
#: The same: files that were damaged on disk, with the reason beside them.
QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRule:
    """How one AE stores.

    Attributes:
        ignored: SOP class UIDs that are answered with success and dropped.
        accept_broken: Take an association that ended without a release as if it had been released.
    """

    grouping: Grouping
    ignored: Collection[str]
    accept_broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What the present configuration says about storing.

    Attributes:
        spool: ``storage.temporary``.
        rules: By called AE title.
        aborted_retention: How long associations that ended without a release are held.
        log_data_sets: Write data sets, pixel data excepted, to the log: personal data.
    """

    spool: Path
    rules: Callable[[str], StoreRule]
    durability: Durability
    aborted_retention: timedelta
    log_data_sets: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """An association that is over, and of which neither ledger nor disk could be told so."""

    sink: SpoolSink
    how: Ending
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolReceiver:
    """Makes a sink for each association; see ``hilum.association.sink.Receiver``.

    Attributes:
        released: Called after an association's instances are in the ledger: wakes the steps that follow.
        unrecorded: Ends that somebody has to record later: until then windows wait for these associations.
        meter: Told how long each association waited for the disk.
        silent: Why nothing may be acknowledged just now, or ``None``: whether this gateway is still taken for alive.
    """

    database: Database
    owner: str
    clock: Clock
    watermark: Watermark
    settings: Callable[[], StoreSettings]
    released: Callable[[], None]
    unrecorded: deque[Unrecorded] = field(default_factory=deque)
    meter: Meter = SILENT
    silent: Callable[[], str | None] = lambda: None

    def congested(self) -> str | None:
        """Why nothing can be taken, or ``None``."""
        return self.watermark.full() or self.silent()

    def open(self, association: AssociationInfo) -> SpoolSink:
        """Nothing is written until the first instance comes."""
        return SpoolSink(self, association)


class SpoolSink:
    """What one association stores; see ``hilum.association.sink.AssociationSink``.

    The configuration is read once, at the association's beginning: a reload does not change what it was promised.
    """

    def __init__(self, receiver: SpoolReceiver, association: AssociationInfo) -> None:
        self.info = association
        self._receiver = receiver
        self._settings = receiver.settings()
        self.rule = self._settings.rules(association.called)
        self._folder: AssociationFolder | None = None
        self._left_something = False  # perhaps: a folder could not be made, and perhaps not be removed
        self._received: list[Received] = []
        self._contributed: set[GroupKey] = set()
        self._ignored: Counter[str] = Counter()
        self._refused = 0

    def begin(self, request: StoreRequest) -> SpoolWriter | Answer:
        """Start an instance, or answer it at once."""
        full = self._receiver.congested()
        decided = policy.before(request, full=full, ignored=self.rule.ignored)
        if decided is policy.SUCCESS:
            self._ignored[request.sop_class] += 1
            return decided
        if decided is not None:
            return self._refuse(decided, full or decided.comment)
        meta = file_meta(
            sop_class=request.sop_class,
            sop_instance=request.sop_instance,
            transfer_syntax=request.transfer_syntax,
            calling=self.info.calling,
            called=self.info.called,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        try:
            file = self._open_folder().new_instance(meta)
        except TemporaryError as error:
            return self._refuse(_not_written(error), str(error))
        return SpoolWriter(self, request, file)

    def _open_folder(self) -> AssociationFolder:
        if self._folder is None:
            self._left_something = True
            owner = self._receiver.owner
            folder = AssociationFolder(self._settings.spool, self.info, self._settings.durability, owner)
            try:
                with self._receiver.database.note() as connection:
                    reception.opened(connection, self.info, owner=owner, folder=self.info.id)
            except TemporaryError:
                folder.remove()  # the next instance may have more luck
                raise
            self._folder = folder
            self._left_something = False
        return self._folder

    def _refuse(self, answer: Answer, why: str) -> Answer:
        self._refused += 1
        _log.warning("instance.not_stored", association=self.info.id, status=f"{answer.status:04X}H", why=why)
        return answer

    def keep(self, request: StoreRequest, file: InstanceFile, scanned: Header | Unreadable, digest: str) -> Answer:
        """Judge a data set that has come to its end, and make it durable if it is taken."""
        refused = policy.unreadable(scanned.why) if isinstance(scanned, Unreadable) else policy.after(request, scanned)
        if refused is not None or isinstance(scanned, Unreadable):
            file.discard()
            assert refused is not None
            return self._refuse(refused, refused.comment)
        try:
            file.commit()
            now = self._receiver.clock()
            key = self.rule.grouping.key_of(scanned, self.info.id)
            if self.rule.grouping.window and key not in self._contributed:
                self._contribute(key, now)
            self._refuse_if_silent()  # the last thing before the answer: from here on the sender relies on it
        except TemporaryError as error:
            file.discard()
            return self._refuse(_not_written(error), str(error))
        if self._settings.log_data_sets:
            log_data_set(self.info.id, file.path)
        self._received.append(
            Received(
                number=file.number,
                header=scanned,
                sop_class=request.sop_class,
                sop_instance=request.sop_instance,
                transfer_syntax=request.transfer_syntax,
                size=file.size,
                digest=digest,
                received_at=now,
                key=key,
            )
        )
        return policy.SUCCESS

    def _refuse_if_silent(self) -> None:
        silent = self._receiver.silent()
        if silent:
            raise TemporaryError(silent)

    def _contribute(self, key: GroupKey, now: datetime) -> None:
        def contribute(connection: Connection) -> None:
            reception.contribute(connection, self.info.id, self.info.called, key, now)

        self._repeat(Mode.NOTE, contribute)
        self._contributed.add(key)

    def _repeat(self, mode: Mode, record: Callable[[Connection], None]) -> None:
        """Record it, again if another gateway was in the way, and with the note that this is open if that is gone."""

        def anew(connection: Connection) -> None:
            self._open_again(connection)
            record(connection)

        try:
            self._receiver.database.repeat(mode, record)
        except NoSuchRowError:
            self._receiver.database.repeat(mode, anew)

    def _open_again(self, connection: Connection) -> None:
        """Tell the ledger once more that this is open: a crash of the database can take back a note.

        Raises:
            TakenOverError: It is not ours any more.
        """
        if not gateways.stands(connection, self._receiver.owner):
            raise reception.TakenOverError(self.info.id)
        reception.opened(connection, self.info, owner=self._receiver.owner, folder=self.info.id)

    def release(self) -> None:
        """Record everything in the ledger; on return it is on disk."""
        if self._folder is None:
            self._leave_nothing()
            return
        self._folder.sync()
        self._record_release()
        self._tell_waits(self._folder)

    def _tell_waits(self, folder: AssociationFolder) -> None:
        self._receiver.meter.synced(str(self._settings.durability), folder.waited)

    def _record_release(self, *, why: str = "") -> None:
        if self._received:
            grouping, received, tally = self.rule.grouping, self._received, self._tally()
            self._write(
                lambda connection, now: reception.released(
                    connection, self.info, received, grouping, tally, now=now, why=why
                )
            )
            self._receiver.released()
        else:
            self._forget()

    def _write(self, record: Callable[[Connection, datetime], None]) -> None:
        """Record how this ended; durable on return."""
        self._repeat(Mode.WRITE, lambda connection: record(connection, self._receiver.clock()))

    def broken(self, how: Ending, why: str) -> None:
        """Hold what was stored aside, or take it, as configured; what cannot be recorded now is recorded later."""
        if self._folder is not None:
            self._tell_waits(self._folder)
        try:
            self.end(how, why)
        except HilumError as error:
            _log.error("association.not_recorded", association=self.info.id, error=str(error))
            if not isinstance(error, LocalError):
                self._receiver.unrecorded.append(Unrecorded(sink=self, how=how, why=why))

    def end(self, how: Ending, why: str) -> None:
        """Record an end without release. May be repeated after it raised.

        Raises:
            TemporaryError, PermanentError: Ledger or disk are unwell.
        """
        try:
            self._end(how, why)
        except reception.TakenOverError as error:
            _log.warning("association.taken_over", association=self.info.id, why=str(error))

    def _end(self, how: Ending, why: str) -> None:
        if self._folder is None:
            self._leave_nothing()
        elif not self._received:
            self._forget()
        elif self.rule.accept_broken and how is not Ending.FAILED:
            self._folder.sync()
            self._record_release(why=f"taken as aborted-associations says, although it ended otherwise: {how}: {why}")
        else:
            self._hold(how, why)

    def _hold(self, how: Ending, why: str) -> None:
        assert self._folder is not None
        with self._receiver.database.note() as connection:
            row = reception.standing(connection, self.info.id)
        if row is not None and row.state != Association.OPEN:
            return  # its release was recorded after all: a commit that reports an error may have been done
        reason = f"{how}: {why}" if why else str(how)
        with contextlib.suppress(TemporaryError):  # a sync that failed is why it is held: nothing is promised of it
            self._folder.sync()
        folder = self._folder.move_to(self._settings.spool / HELD)
        received, tally, keep = self._received, self._tally(), self._settings.aborted_retention
        place = str(folder.relative_to(self._settings.spool))
        self._write(
            lambda connection, now: reception.broken(
                connection, self.info, received, tally, why=reason, folder=place, remove_at=now + keep, now=now
            )
        )
        self._receiver.released()

    def _forget(self) -> None:
        """Of an association that stored nothing, nothing stays but history."""
        assert self._folder is not None
        with self._receiver.database.note() as connection:
            reception.empty(connection, self.info, self._tally(), now=self._receiver.clock())
        self._folder.remove()

    def _leave_nothing(self) -> None:
        """Of an association that has no folder; what cannot be removed now is removed by the next start."""
        if self._left_something:
            with contextlib.suppress(TemporaryError):
                remove_folder(self._settings.spool, self.info.id)
        self._note_ignored()

    def _note_ignored(self) -> None:
        if self._ignored:
            with self._receiver.database.note() as connection:
                reception.note_ignored(connection, self.info, self._tally(), now=self._receiver.clock())

    def _tally(self) -> Tally:
        return Tally(ignored=dict(self._ignored), refused=self._refused)


class SpoolWriter:
    """One instance on its way into the spool; see ``hilum.association.sink.InstanceWriter``."""

    def __init__(self, sink: SpoolSink, request: StoreRequest, file: InstanceFile) -> None:
        self._sink = sink
        self._request = request
        self._file = file
        self._scanner = HeadScanner(request.transfer_syntax)
        self._digest = DataSetDigest()

    def write(self, fragments: Sequence[memoryview]) -> None:
        """To the file, past the scanner and the digest."""
        for fragment in fragments:
            self._scanner.feed(fragment)
            self._digest.update(fragment)
        self._file.write(fragments)

    def finish(self) -> Answer:
        """Success once it is as durable as configured."""
        return self._sink.keep(self._request, self._file, self._scanner.finish(), self._digest.text)

    def discard(self) -> None:
        """Leave no trace."""
        self._file.discard()


def _not_written(error: TemporaryError) -> Answer:
    """What the sender is told, and the history says: with the system's own words, such as that there is no room."""
    cause = error.__cause__
    why = f": {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else ""
    return policy.out_of_resources(f"instance not written to disk{why}")
