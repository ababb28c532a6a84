from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from hilum import states
from hilum.ledger import annals, collecting, destinations, dispatch, planning, tables, views, work
from hilum.ledger.collecting import NewResult, NotSent
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease
from hilum.ledger.transition import NoSuchRowError, note
from hilum.model import GroupKind, JobId
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def desk(database: Database, clock: MovableClock) -> Reception:
    return Reception(database, clock, None)


class Bench:
    """Takes jobs through their lives with the functions that the steps use."""

    def __init__(self, database: Database, clock: MovableClock) -> None:
        self.database = database
        self.clock = clock

    def plan(self, *workflows: str, destinations: Sequence[str] = ("PACS",)) -> None:
        """Make one job per workflow of every closed group; a job's id is its group's number and its workflow."""
        with self.database.write() as connection:
            until = self.clock() + MINUTE
            for lease, group in planning.claim_closed(connection, owner="me", now=self.clock(), until=until, limit=9):
                made = [
                    planning.NewJob(
                        id=JobId(f"{group.id}{name}"),
                        name=f"job-{group.id}-{name}",
                        ae=group.ae,
                        workflow_name=name,
                        workflow=f"uuid-of-{name}",
                        engine="local",
                        destinations=tuple(destinations),
                        folder=Path("/payloads") / name,
                        instances=len(group.members),
                        bytes=7,
                        tries=1,
                    )
                    for name in workflows
                ]
                planning.planned(connection, lease, made, now=self.clock())

    def lease(self, job: str, state: states.Job) -> Lease:
        with self.database.write() as connection:
            until = self.clock() + MINUTE
            row = work.claim_job(connection, JobId(job), state, owner="me", now=self.clock(), until=until)
        assert row is not None
        return Lease(id=row.id, fence=row.fence)

    def run(self, job: str) -> None:
        lease = self.lease(job, states.Job.QUEUED)
        with self.database.write() as connection:
            work.started(connection, lease, now=self.clock())

    def fail(self, job: str, why: str) -> None:
        self.run(job)
        lease = self.lease(job, states.Job.RUNNING)
        with self.database.write() as connection:
            work.failed(connection, lease, why, "mend it", remove_at=self.clock(), now=self.clock())

    def finish(self, job: str, *paths: str, rejected: Sequence[NotSent] = (), to: Sequence[str] = ("PACS",)) -> None:
        self.run(job)
        lease = self.lease(job, states.Job.RUNNING)
        with self.database.write() as connection:
            work.succeeded(connection, lease, now=self.clock())
        lease = self.lease(job, states.Job.FINISHED)
        found = [
            NewResult(
                path=path,
                sop_class="1.2",
                sop_instance=f"9.{number}",
                transfer_syntax="1.2.840.10008.1.2.1",
                study="1",
                offset=100,
                size=1000,
                sha256="ab",
            )
            for number, path in enumerate(paths)
        ]
        with self.database.write() as connection:
            collecting.collected(connection, lease, found, rejected, to, now=self.clock())

    def parcel(self, destination: str) -> Sequence[dispatch.DueFile]:
        """Claim what is due for one destination, as the sender does."""
        with self.database.write() as connection:
            names = connection.execute(select(tables.deliveries.c.destination).distinct()).scalars().all()
            found = dispatch.claim_parcel(
                connection,
                owner="me",
                now=self.clock(),
                until=self.clock() + MINUTE,
                avoid=[name for name in names if name != destination],
            )
        assert found is not None
        return found.files


@pytest.fixture
def bench(database: Database, clock: MovableClock) -> Bench:
    return Bench(database, clock)


def test_open_and_held_associations_are_told_apart(database: Database, desk: Reception) -> None:
    desk.send("1.1")
    held = desk.associate().receive("1.2").abort()
    still_open = desk.associate().receive("1.3")
    with database.read() as connection:
        assert [one.id for one in views.open_associations(connection)] == [still_open.id]
        (found,) = views.held_associations(connection)
    assert (found.id, found.instances, found.why) == (held.id, 1, "aborted: the peer sent A-ABORT")
    assert found.remove_at is not None


def test_a_held_association_is_found_by_a_beginning_that_only_it_has(database: Database, desk: Reception) -> None:
    first = desk.associate().receive("1.1").abort()
    second = desk.associate().receive("1.2").abort()
    with database.read() as connection:
        assert views.find_held(connection, first.id).id == first.id
        assert views.find_held(connection, second.id[:-1]).id == second.id
        with pytest.raises(NoSuchRowError, match="more than one"):
            views.find_held(connection, "2026")
        with pytest.raises(NoSuchRowError, match="no held association"):
            views.find_held(connection, "1999")


def test_open_groups_come_first_and_the_next_to_close_on_top(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.0")
    bench.plan("lung", "heart")
    desk.rule("LATE", GroupKind.STUDY, 600)
    desk.rule("SOON", GroupKind.STUDY, 60)
    desk.send("1.1", ae="LATE")
    clock.forward(1)
    desk.send("1.2", ae="SOON")
    with database.read() as connection:
        found = views.list_groups(connection)
        only_open = views.list_groups(connection, states_wanted=[states.Group.OPEN], limit=1)
    assert [(one.ae, one.state, one.jobs) for one in found] == [
        ("SOON", states.Group.OPEN, 0),
        ("LATE", states.Group.OPEN, 0),
        ("SCP", states.Group.PLANNED, 2),
    ]
    assert [one.ae for one in only_open] == ["SOON"]


def test_a_group_is_awaited_while_an_association_that_contributed_is_open(database: Database, desk: Reception) -> None:
    desk.rule("SCP", GroupKind.STUDY, 60)
    desk.send("1.1")
    going_on = desk.associate().receive("1.2")
    with database.read() as connection:
        assert [one.awaited for one in views.list_groups(connection)] == [True]
    going_on.release()
    with database.read() as connection:
        (group,) = views.list_groups(connection)
        assert views.group(connection, group.id) == group
        assert [one.host for one in views.senders(connection, group.id)] == ["10.0.0.5", "10.0.0.5"]
    assert (group.awaited, group.instances) == (False, 2)


def test_jobs_are_listed_newest_first_and_filtered(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1", ae="A")
    bench.plan("lung")
    clock.forward(1)
    desk.send("1.2", ae="B")
    bench.plan("heart")
    bench.run("2heart")

    def names(**wanted: object) -> list[str]:
        with database.read() as connection:
            return [job.id for job in views.list_jobs(connection, **wanted)]  # type: ignore[arg-type]

    assert names() == ["2heart", "1lung"]
    assert names(limit=1) == ["2heart"]
    assert names(state=states.Job.RUNNING) == ["2heart"]
    assert names(ae="A") == ["1lung"]
    assert names(workflow="lung") == names(workflow="uuid-of-lung") == ["1lung"]
    assert names(ae="A", workflow="heart") == []


def test_a_job_tells_how_its_deliveries_stand(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung", destinations=["PACS", "ARCHIVE"])
    bench.finish("1lung", "a.dcm", "b.dcm", to=["PACS", "ARCHIVE"])
    first, second = bench.parcel("PACS")
    with database.write() as connection:
        dispatch.delivered(connection, first.lease, status=0, why="", now=clock())
        dispatch.given_up(connection, second.lease, status=0xA900, why="refused", remedy="mend", now=clock())
    with database.read() as connection:
        job = views.job(connection, "1lung")
        assert [one.path for one in views.job_results(connection, job.id)] == ["a.dcm", "b.dcm"]
    assert (job.results, job.due, job.delivered, job.given_up) == (2, 2, 1, 1)
    assert job.destinations == ("PACS", "ARCHIVE")


def test_jobs_and_groups_are_counted_in_every_state(database: Database, desk: Reception, bench: Bench) -> None:
    desk.send("1.1")
    bench.plan("lung", "heart")
    with database.read() as connection:
        jobs, groups = views.job_counts(connection), views.group_counts(connection)
    assert jobs == dict.fromkeys(states.Job, 0) | {states.Job.QUEUED: 2}
    assert groups == dict.fromkeys(states.Group, 0) | {states.Group.PLANNED: 1}


def test_deliveries_are_filtered_and_those_under_way_are_marked(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung")
    bench.finish("1lung", "a.dcm", "b.dcm", to=["PACS", "ARCHIVE"])
    bench.parcel("ARCHIVE")
    with database.read() as connection:
        found = views.list_deliveries(connection, now=clock())
        later = views.list_deliveries(connection, now=clock.in_(3600))
        to_pacs = views.list_deliveries(connection, now=clock(), destination="PACS", state=states.Delivery.DUE)
        of_others = views.list_deliveries(connection, now=clock(), job_id="nothing", limit=None)
    assert [(one.path, one.destination, one.sending) for one in found] == [
        ("a.dcm", "PACS", False),
        ("a.dcm", "ARCHIVE", True),
        ("b.dcm", "PACS", False),
        ("b.dcm", "ARCHIVE", True),
    ]
    assert not any(one.sending for one in later)
    assert [one.path for one in to_pacs] == ["a.dcm", "b.dcm"]
    assert of_others == []


def test_a_destination_tells_its_counts_next_try_and_last_error(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung")
    bench.finish("1lung", "a.dcm", "b.dcm", to=["PACS", "ARCHIVE"])
    files = bench.parcel("PACS")
    with database.write() as connection:
        for file, why, wait in zip(files, ("no route", "refused"), (30, 120), strict=True):
            not_before = clock.in_(wait)
            dispatch.postponed(connection, file.lease, status=None, why=why, not_before=not_before, now=clock())
    with database.read() as connection:
        archive, pacs = views.destinations(connection)
    assert (archive.name, archive.due, archive.last_error) == ("ARCHIVE", 2, "")
    assert (pacs.name, pacs.due, pacs.next_try, pacs.last_error) == ("PACS", 2, clock.in_(30), "refused")


def test_what_waits_for_a_destination_that_is_down_says_so_and_until_when(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung")
    bench.finish("1lung", "a.dcm", "b.dcm", to=["PACS", "ARCHIVE"])
    with database.write() as connection:
        destinations.went_down(
            connection, "PACS", failures=1, not_before=clock.in_(30), why="no route", remedy="wait", now=clock()
        )
    with database.read() as connection:
        archive, pacs = views.destinations(connection)
        found = views.list_deliveries(connection, now=clock())
    assert (archive.state, archive.since, archive.failures) == (states.Destination.UP, None, 0)
    assert (archive.next_try, archive.last_error) == (clock(), "")
    assert (pacs.state, pacs.since, pacs.failures) == (states.Destination.DOWN, clock(), 1)
    assert (pacs.next_try, pacs.last_error) == (clock.in_(30), "no route")
    assert [(one.path, one.destination, one.next_try, one.destination_down) for one in found] == [
        ("a.dcm", "PACS", clock.in_(30), "no route"),
        ("a.dcm", "ARCHIVE", clock(), ""),
        ("b.dcm", "PACS", clock.in_(30), "no route"),
        ("b.dcm", "ARCHIVE", clock(), ""),
    ]


def test_what_is_over_has_no_next_try(database: Database, desk: Reception, clock: MovableClock, bench: Bench) -> None:
    desk.send("1.1")
    bench.plan("lung")
    bench.finish("1lung", "a.dcm")
    (file,) = bench.parcel("PACS")
    with database.write() as connection:
        dispatch.delivered(connection, file.lease, status=0, why="", now=clock())
        destinations.went_down(
            connection, "PACS", failures=1, not_before=clock.in_(30), why="no route", remedy="wait", now=clock()
        )
    with database.read() as connection:
        (found,) = views.list_deliveries(connection, now=clock())
        (pacs,) = views.destinations(connection)
    assert (found.next_try, found.destination_down) == (None, "")
    assert pacs.next_try is None


def test_deliveries_that_an_operator_cancelled_are_not_held_against_a_destination(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung")
    bench.finish("1lung", "a.dcm", "b.dcm")
    with database.write() as connection:
        work.ask_cancel(connection, JobId("1lung"), now=clock())
    with database.read() as connection:
        assert views.destinations(connection) == []
        assert views.job(connection, "1lung").given_up == 2


def test_history_shows_setbacks_and_what_somebody_can_mend_but_not_the_ordinary_course(
    database: Database, desk: Reception, clock: MovableClock, bench: Bench
) -> None:
    desk.send("1.1")
    bench.plan("lung", "heart")
    bench.fail("1heart", "exit code 3")
    bench.finish("1lung", "a.dcm")
    (file,) = bench.parcel("PACS")
    with database.write() as connection:
        dispatch.postponed(connection, file.lease, status=None, why="down", not_before=clock(), now=clock())
        note(connection, "association", "10.0.0.9", "rejected", now=clock(), why="unknown", remedy="add it")
    with database.read() as connection:
        lines = annals.list_history(connection)
        everything = annals.list_history(connection, everything=True, limit=1000)
    assert [(line.machine, line.event, line.why, line.destination) for line in lines] == [
        ("job", "failed", "exit code 3", ""),
        ("delivery", "failed for now", "down", "PACS"),
        ("association", "rejected", "unknown", ""),
    ]
    assert {line.event for line in everything} > {"released", "planned", "started", "collected"}


def test_history_is_paged_backwards_and_begins_when_asked(database: Database, clock: MovableClock) -> None:
    for number in range(5):
        with database.write() as connection:
            note(connection, "association", str(number), "rejected", now=clock.forward(60), remedy="mend")
    with database.read() as connection:
        last = annals.list_history(connection, limit=2)
        before = annals.list_history(connection, limit=2, before=last[0].id)
        recent = annals.list_history(connection, since=clock.in_(-60))
    assert [line.subject for line in last] == ["3", "4"]
    assert [line.subject for line in before] == ["1", "2"]
    assert [line.subject for line in recent] == ["3", "4"]


def test_the_history_of_a_job_has_its_group_results_and_deliveries_and_nobody_elses(
    database: Database, desk: Reception, bench: Bench
) -> None:
    desk.send("1.1")
    desk.send("1.2")
    bench.plan("lung", "l%ng")
    bench.finish("1lung", "a.dcm", rejected=[NotSent(path="notes.txt", why="not DICOM")])
    bench.finish("1l%ng", rejected=[NotSent(path="other.txt", why="not DICOM")])
    with database.read() as connection:
        lines = annals.job_history(connection, views.job(connection, "1l%ng"))
        mine = annals.job_history(connection, views.job(connection, "1lung"))
    assert [(line.machine, line.event) for line in mine] == [
        ("group", "made"),
        ("group", "planned"),
        ("job", "made"),
        ("job", "started"),
        ("job", "succeeded"),
        ("job", "collected"),
        ("result", "not sent"),
        ("delivery", "made"),
    ]
    assert [line.subject for line in lines if line.machine == "result"] == ["1l%ng:other.txt"]
    assert {line.subject for line in mine if line.machine == "group"} == {"1"}


@pytest.mark.parametrize("look", [lambda c: views.job(c, "none"), lambda c: views.group(c, 99)])
def test_what_is_not_there_is_an_error_that_says_how_to_list(database: Database, look: object) -> None:
    with database.read() as connection, pytest.raises(NoSuchRowError, match="lists them"):
        look(connection)  # type: ignore[operator]
