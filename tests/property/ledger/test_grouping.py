"""Whatever associations, operators and time do: each accepted instance is in one group, or says why it does not count.

A model in plain Python does beside the ledger what DESIGN promises; after each step both must agree.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from hilum.errors import PermanentError
from hilum.group.worker import CloseStep
from hilum.ledger import account, audit, grouping, holding, planning
from hilum.ledger.database import Database
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import jobs
from hilum.ledger.whereabouts import Place
from hilum.model import GroupId, GroupKind, JobId
from hilum.states import GroupEvent, IllegalTransitionError
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Incoming, Reception

#: Memory where there is some: what is tested here is not the disk.
PLACE = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
PATH = Path("/nowhere")
WINDOW = 60
MINUTE = timedelta(minutes=1)
Key = tuple[str, str, str]  # AE title, value, association it is confined to


@functools.cache
def migrated() -> Path:
    folder = Path(tempfile.mkdtemp(dir=PLACE))
    atexit.register(shutil.rmtree, folder)
    path = folder / "new.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@dataclass
class ExpectedGroup:
    key: Key
    closes_at: datetime
    closed: bool
    counts: dict[str, tuple[str, int]] = field(default_factory=dict)  # UID -> association and number
    dropped: list[tuple[str, int]] = field(default_factory=list)
    damaged: list[tuple[str, int]] = field(default_factory=list)


class Ledger(RuleBasedStateMachine):
    open_ones: Bundle[Incoming] = Bundle("open_ones")
    held_ones: Bundle[Incoming] = Bundle("held_ones")

    @initialize(
        kind=st.sampled_from([GroupKind.ASSOCIATION, GroupKind.PATIENT]),
        windowed=st.booleans(),
        overwrite=st.booleans(),
    )
    def configure(self, kind: GroupKind, windowed: bool, overwrite: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=PLACE))
        shutil.copy(migrated(), self.folder / "hilum.db")
        self.database = Database(f"sqlite:///{self.folder / 'hilum.db'}")
        self.clock = MovableClock()
        self.desk = Reception(self.database, self.clock, None)
        self.kind, self.window, self.overwrite = kind, WINDOW if windowed else 0, overwrite
        for ae in ("ONE", "TWO"):
            self.desk.rule(ae, kind, self.window, overwrite=overwrite)
        self.groups: list[ExpectedGroup] = []
        self.open: dict[str, Incoming] = {}
        self.held: set[str] = set()
        self.removed: set[str] = set()
        self.remove_at: dict[str, datetime] = {}
        self.accepted: dict[str, int] = {}
        self.planned: set[int] = set()
        self.wanted: set[int] = set()
        self.ignored = 0

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)

    # What the outside world does

    @rule(target=open_ones, ae=st.sampled_from(["ONE", "TWO"]), uid=st.integers(1, 4), patient=st.sampled_from("AB "))
    def begin(self, ae: str, uid: int, patient: str) -> Incoming:
        association = self.desk.associate(ae)
        self.open[association.id] = association
        self.receive(association, uid, patient)
        return association

    @rule(association=open_ones, uid=st.integers(1, 4), patient=st.sampled_from("AB "))
    def receive_more(self, association: Incoming, uid: int, patient: str) -> None:
        self.receive(association, uid, patient)

    def receive(self, association: Incoming, uid: int, patient: str) -> None:
        with capture_logs():
            association.receive(f"1.{uid}", patient=patient.strip(), content="x" * (uid + len(association.received)))
        if self.window:
            key = self.key(association, len(association.received) - 1)
            if not any(self.key(association, number) == key for number in range(len(association.received) - 1)):
                self.expect_windows_end(key, asking=association)

    @rule(association=consumes(open_ones), ignored=st.integers(0, 2))
    def release(self, association: Incoming, ignored: int) -> None:
        with capture_logs():
            association.release(ignored={"1.2.3": ignored} if ignored else {})
        self.ignored += ignored
        del self.open[association.id]
        self.expect_grouped(association)

    @rule(target=held_ones, association=consumes(open_ones))
    def abort(self, association: Incoming) -> Incoming:
        with capture_logs():
            association.abort(retention=100)
        del self.open[association.id]
        self.held.add(association.id)
        self.remove_at[association.id] = self.clock.in_(100)
        return association

    @rule(association=consumes(held_ones))
    def let_the_operator_accept(self, association: Incoming) -> None:
        if self.remove_at[association.id] <= self.clock():
            with pytest.raises(PermanentError if association.id in self.held else IllegalTransitionError):
                association.ask_accept()
            return
        with capture_logs():
            association.ask_accept()
            with self.database.write() as connection:
                rows = holding.claim_held(
                    connection, owner="me", now=self.clock(), until=self.clock() + MINUTE, limit=100
                )
                (row,) = [one for one in rows if one.id == association.id]
            with self.database.write() as connection:
                rule = self.desk.grouping(association.info.called)
                holding.accepted(connection, association.info, rule, fence=row.fence, now=self.clock())
        self.held.discard(association.id)
        self.expect_grouped(association)
        self.clock.forward(60)  # the leases on others that were over run out

    @rule(seconds=st.sampled_from([1, 30, 59, 60, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(seconds)

    # What the steps do

    @rule()
    def let_what_was_held_too_long_go(self) -> None:
        with capture_logs(), self.database.write() as connection:
            rows = holding.claim_held(connection, owner="me", now=self.clock(), until=self.clock() + MINUTE, limit=100)
            for row in rows:
                holding.expired(connection, row.id, fence=row.fence, now=self.clock())
                self.held.discard(row.id)
                self.removed.add(row.id)

    @precondition(lambda self: self.groups)
    @rule()
    def close_what_is_due(self) -> None:
        with capture_logs():
            CloseStep(database=self.database).claim(self.clock(), self.clock() + MINUTE, 100)
        for group in self.groups:
            self.expect_windows_end(group.key, asking=None)

    @precondition(lambda self: any(not group.closed for group in self.groups))
    @rule(data=st.data())
    def close_one_now(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([at for at, group in enumerate(self.groups, 1) if not group.closed]))
        with capture_logs(), self.database.write() as connection:
            grouping.close(connection, GroupId(number), GroupEvent.CLOSE_ASKED, now=self.clock())
        self.groups[number - 1].closed = True

    @rule(wanted=st.booleans())
    def plan(self, wanted: bool) -> None:
        with capture_logs():
            with self.database.write() as connection:
                claimed = planning.claim_closed(
                    connection, owner="me", now=self.clock(), until=self.clock() + MINUTE, limit=2
                )
            for lease, group in claimed:
                expected = self.groups[group.id - 1]
                assert expected.closed
                assert group.id not in self.planned
                assert {one.sop_instance: (one.spool, one.size) for one in group.members} == {
                    uid: (f"{self.folder_of(association)}/{number}.dcm", self.size(association, number))
                    for uid, (association, number) in expected.counts.items()
                }
                self.planned.add(group.id)
                with self.database.write() as connection:
                    if wanted:
                        planning.planned(connection, lease, [self.job_of(group)], now=self.clock())
                        self.wanted.add(group.id)
                    else:
                        later = self.clock() + timedelta(days=1)
                        planning.not_wanted(connection, lease, "why", "remedy", remove_at=later, now=self.clock())

    @rule(damaged=st.integers(1, 4))
    def find_instances_damaged_before_their_job(self, damaged: int) -> None:
        """Some or all of a group; the rest waits for an operator, who wants it all the same."""
        with capture_logs():
            with self.database.write() as connection:
                claimed = planning.claim_closed(
                    connection, owner="me", now=self.clock(), until=self.clock() + MINUTE, limit=1
                )
            for lease, group in claimed:
                found = [planning.DamagedMember(member=one, why="why", kept=PATH) for one in group.members[:damaged]]
                with self.database.write() as connection:
                    planning.damaged(connection, lease, found, "why", "remedy", now=self.clock())
                    planning.ask_group_retry(connection, group.id, now=self.clock())
                expected = self.groups[group.id - 1]
                for one in found:
                    expected.damaged.append(expected.counts.pop(one.member.sop_instance))

    @precondition(lambda self: self.wanted)
    @rule()
    def let_jobs_be_removed(self) -> None:
        with self.database.write() as connection:
            connection.execute(jobs.update().values(state="removed"))
        self.wanted.clear()

    @rule()
    def let_go_of_what_nobody_wanted(self) -> None:
        self.clock.forward(86400)
        with capture_logs(), self.database.write() as connection:
            planning.expire_groups(connection, self.clock(), 100)

    # What must follow

    @staticmethod
    def job_of(group: planning.ClosedGroup) -> planning.NewJob:
        return planning.NewJob(
            id=JobId(str(group.id)),
            name=str(group.id),
            ae=group.ae,
            workflow_name="w",
            workflow="w",
            engine="e",
            destinations=(),
            folder=PATH,
            instances=len(group.members),
            bytes=0,
            tries=1,
        )

    @invariant()
    def what_was_received_is_the_sum_of_where_it_is(self) -> None:
        if not hasattr(self, "database"):
            return
        with self.database.read() as connection:
            book = account.Account(connection)
            entries = list(book.entries())
            sums = book.sums()
            assert account.sums(connection) == sums
        assert sums.adds_up
        rows = self.desk.rows("instances")
        assert [(one.association, one.number) for one in entries] == [(row.association_id, row.number) for row in rows]
        assert sums.received == len(rows) + self.ignored
        damaged = sum(len(group.damaged) for group in self.groups)
        dropped = sum(len(group.dropped) for group in self.groups)
        in_jobs = sum(len(self.groups[number - 1].counts) for number in self.wanted)
        assert sums.places[Place.QUARANTINED] == damaged
        assert sums.places[Place.IGNORED] == dropped + self.ignored
        assert sums.places[Place.IN_JOBS] == in_jobs
        assert sums.places[Place.HELD] == sum(row.association_id in self.held for row in rows)

    @invariant()
    def an_inspection_of_the_ledger_finds_nothing(self) -> None:
        if not hasattr(self, "database"):
            return
        with self.database.read() as connection:
            assert not audit.wrong_associations(connection)
            assert not audit.wrong_groups(connection)
            assert not audit.groups_without_jobs(connection)
            assert not audit.broken_references(connection)

    def key(self, association: Incoming, index: int) -> Key:
        value = association.received[index].header.patient_id if self.kind is GroupKind.PATIENT else ""
        unknown = self.kind is GroupKind.PATIENT and not value
        return association.info.called, value, association.id if unknown or not self.window else ""

    def expect_windows_end(self, key: Key, asking: Incoming | None) -> None:
        for group in self.groups:
            if group.key == key and not group.closed and group.closes_at <= self.clock():
                group.closed = not any(
                    self.key(other, index) == key
                    for other in self.open.values()
                    if other is not asking
                    for index in range(len(other.received))
                )

    def expect_grouped(self, association: Incoming) -> None:
        self.accepted[association.id] = len(association.received)
        touched: list[ExpectedGroup] = []
        # Groups are taken in the order of their keys, so that no two gateways wait for each other.
        in_order = sorted((self.key(association, index), index) for index in range(len(association.received)))
        for key, index in in_order:
            one = association.received[index]
            group = next((each for each in touched if each.key == key), None) or next(
                (each for each in self.groups if each.key == key and not each.closed), None
            )
            if group is None:
                group = ExpectedGroup(key, one.received_at, closed=False)
                self.groups.append(group)
            touched.append(group)
            group.closes_at = max(group.closes_at, one.received_at + timedelta(seconds=self.window))
            here = (association.id, one.number)
            if one.sop_instance in group.counts and not self.overwrite:
                group.dropped.append(here)
            else:
                if one.sop_instance in group.counts:
                    group.dropped.append(group.counts[one.sop_instance])
                group.counts[one.sop_instance] = here
        if not self.window:
            for group in touched:
                group.closed = True

    def size(self, association: str, number: int) -> int:
        (row,) = self.desk.rows("instances", association_id=association, number=number)
        return int(row.size)

    def folder_of(self, association: str) -> str:
        return str(self.desk.row("associations", id=association).folder)

    @invariant()
    def the_ledger_is_as_expected(self) -> None:
        if not hasattr(self, "database"):
            return
        groups, rows = self.desk.rows("groups"), self.desk.rows("instances")
        assert [(row.ae, row.key, row.scope) for row in groups] == [group.key for group in self.groups]
        assert [row.state != "open" for row in groups] == [group.closed for group in self.groups]
        assert [row.closes_at for row in groups] == [group.closes_at for group in self.groups]
        for row, expected in zip(groups, self.groups, strict=True):
            self.check_group(row, [one for one in rows if one.group_id == row.id], expected)
        # Every accepted instance is in one place, and no other is.
        assert Counter(row.association_id for row in rows if row.group_id is not None) == Counter(self.accepted)
        assert {row.association_id for row in rows if row.group_id is None} == self.held | self.removed
        assert {row.fate for row in rows if row.group_id is None} <= {"held"}
        # What does not count is in the history.
        told = [line for line in self.desk.history(machine="instance") if line.event in {"duplicate", "replaced"}]
        assert len(told) == sum(len(group.dropped) for group in self.groups)

    def check_group(self, row: AnyRow, instances: Sequence[AnyRow], expected: ExpectedGroup) -> None:
        counted = {one.sop_instance: one for one in instances if one.fate == "grouped"}
        assert {uid: (one.association_id, one.number) for uid, one in counted.items()} == expected.counts
        damaged = [one for one in instances if one.fate == "damaged"]
        assert sorted((one.association_id, one.number) for one in damaged) == sorted(expected.damaged)
        others = [one for one in instances if one.fate not in {"grouped", "damaged"}]
        assert sorted((one.association_id, one.number) for one in others) == sorted(expected.dropped)
        assert {one.fate for one in others} <= {"replaced" if self.overwrite else "duplicate"}
        assert row.instances == len(counted)
        assert counted or damaged
        assert row.bytes == sum(one.size for one in counted.values())


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
