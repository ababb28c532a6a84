"""What nobody needs any more goes when its time is over; what anybody still needs stays, whatever the clock does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flow.gate import Gate
from flow.workflows import workflow
from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.pacs import SUCCESS, Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.fsck import Inspection
from hilum.ledger import account, holding, work
from hilum.ledger.rows import AnyRow
from hilum.ledger.whereabouts import Place
from hilum.model import Answer, StoreRequest
from hilum.store.folders import put_aside

MakeSite = Callable[..., Site]
DAY = 86_400
#: Steps that remove.
REMOVERS = ("held", "sweep", "retention", "quarantine")
HELD, DELIVERED, FAILED = 1, 7, 30  # days


def keys(gate: Gate, pacs: Pacs, **more: Any) -> dict[str, Any]:
    """One AE for each end that an instance can come to."""
    titles: list[dict[str, object]] = [{"ae-title": name} for name in ("HILUM", "FAILS", "WAITS", "NOBODY")]
    titles.append({"ae-title": "WINDOW", "timeout": 100 * DAY})
    return {
        "dicom": {
            "scp": {"ae-titles": titles, "aborted-retention": HELD * DAY},
            "scu": {"destinations": [pacs.destination], "retry": {"waits": [0.2], "give-up-after": 200 * DAY}},
        },
        "workflows": [
            workflow("sent", to=[pacs]),
            workflow("broken", engine="broken", ae="FAILS"),
            workflow("gate", engine="gate", ae="WAITS"),
            workflow("late", ae="WINDOW"),
        ],
        "engines": {
            "broken": {"type": "process", "command": ["sh", "-c", "exit 3"], "attempts": 1},
            "gate": gate.engine(timeout=300 * DAY),
        },
        "storage": {"retention-days": {"delivered": DELIVERED, "failed": FAILED}},
    } | more


class Asked(Hands):
    """A clock that knows how often each thread has looked at it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def __call__(self) -> datetime:
        self.asked[threading.current_thread().name] += 1
        return super().__call__()


class Watched:
    """A site whose clock is moved, and what is left on it."""

    def __init__(self, site: Site, clock: Asked, pacs: Pacs, files: Path) -> None:
        self.site, self.clock, self.pacs, self.files = site, clock, pacs, files
        self.made = 0

    def send(self, called: str, count: int = 1) -> None:
        self.made += 1
        send(self.site.port, *make_series(self.files / str(self.made), count), called=called)

    def abort(self) -> str:
        """The sender goes without a release; the held association's id."""
        self.made += 1
        path = make_instance(self.files / str(self.made))
        before = {row.id for row in self.site.rows("associations")}
        with pytest.raises(RuntimeError), association(self.site.port, [path]) as requestor:  # noqa: PT012
            store(requestor, path)
            raise RuntimeError
        [row] = eventually(
            lambda: [row for row in self.site.rows("associations", state="held") if row.id not in before],
            what="a held association",
        )
        return str(row.id)

    def job(self, called: str, state: str) -> AnyRow:
        rows: Sequence[AnyRow] = eventually(
            lambda: self.site.rows("jobs", ae=called, state=state), what=f"a job of {called} {state}"
        )
        return rows[-1]

    def stays(self, *paths: Path, days: float) -> None:
        """Move the clock; give every step two turns; all of these are there."""
        self.clock.move(days * DAY)
        self.turn()
        for path in paths:
            assert path.exists(), f"{path} is gone"

    def goes(self, path: Path, *, days: float = 0) -> None:
        self.clock.move(days * DAY)
        eventually(lambda: not path.exists(), what=f"the removal of {path}")

    def turn(self) -> None:
        """Until each step that removes has looked twice for what is due at this time."""
        gateway = self.site.gateway
        assert gateway is not None
        before = self.clock.asked.copy()

        def looked() -> bool:
            gateway.parts.wakes.notify()
            return all(self.clock.asked[f"{name}-loop"] - before[f"{name}-loop"] > 6 for name in REMOVERS)

        eventually(looked, what="a turn of each step")
        with self.site.database.read() as connection:
            assert account.sums(connection).adds_up

    def place_count(self, place: Place) -> int:
        with self.site.database.read() as connection:
            return account.sums(connection).places[place]

    def folder(self, association_id: str) -> Path:
        return self.site.spool / str(self.site.rows("associations", id=association_id)[0].folder)


@pytest.fixture
def watched(make_site: MakeSite, gate: Gate, pacs: Pacs, tmp_path: Path) -> Watched:
    clock = Asked()
    site = make_site(keys(gate, pacs), clock=clock).start()
    return Watched(site, clock, pacs, tmp_path / "files")


def test_each_thing_goes_when_its_own_time_is_over_and_not_before(watched: Watched) -> None:
    site = watched.site
    watched.send("HILUM", 2)
    watched.send("FAILS")
    watched.send("NOBODY")
    delivered = Path(watched.job("HILUM", "complete").folder)
    failed = Path(watched.job("FAILS", "failed").folder)
    [group] = eventually(lambda: site.rows("groups", ae="NOBODY", state="stored only"), what="a stored group")
    stored = watched.folder(site.rows("instances", group_id=group.id)[0].association_id)
    held = watched.folder(watched.abort())
    (site.spool / "made").write_text("x")
    quarantined = put_aside(site.spool / "made", site.spool / "quarantine", "a-1.dcm", "why")
    (site.payloads / "made").write_text("x")
    aside = put_aside(site.payloads / "made", site.payloads / ".quarantine", "job", "why")

    everything = (delivered, failed, stored, held, quarantined, aside)
    watched.stays(*everything, days=HELD - 0.01)
    watched.goes(held, days=0.02)
    watched.stays(*everything[:3], *everything[4:], days=DELIVERED - HELD - 0.02)
    watched.goes(delivered, days=0.03)
    watched.stays(failed, stored, quarantined, aside, days=FAILED - DELIVERED - 0.03)
    watched.clock.move(0.02 * DAY)
    for path in (failed, stored, quarantined, aside):
        watched.goes(path)
    # Each of them has its line of history, and the ledger and the disk agree on what is left.
    eventually(lambda: {row.state for row in site.rows("jobs")} == {"removed"}, what="the removals in the ledger")
    eventually(lambda: len(site.history(machine="folder", event="expired")) == 2, what="the lines of history")
    assert len(site.history(machine="job", event="expired")) == 2
    assert len(site.history(machine="group", event="expired")) == 1
    assert site.history(machine="association", event="expired")
    assert watched.place_count(Place.REMOVED) == len(site.rows("instances"))
    inspection = Inspection(
        database=site.database, spool=site.spool, roots=(site.payloads, site.settings.storage.output)
    )
    assert list(inspection.look(watched.clock(), deep=True, running=True)) == []


def test_a_delivery_that_was_given_up_keeps_the_folder_for_the_longer_time(watched: Watched) -> None:
    watched.pacs.answer = lambda _request: Answer(status=0xA900)
    watched.send("HILUM")
    folder = Path(watched.job("HILUM", "complete").folder)
    assert [row.state for row in watched.site.rows("deliveries")] == ["given up"]
    watched.stays(folder, days=FAILED - 0.01)
    watched.goes(folder, days=0.02)


def test_a_cancelled_job_is_kept_like_a_failed_one(watched: Watched, gate: Gate) -> None:
    watched.send("WAITS")
    gate.wait_for(1)
    running = watched.job("WAITS", "running")
    with watched.site.database.write() as connection:
        work.ask_cancel(connection, running.id, now=watched.clock())
    folder = Path(watched.job("WAITS", "cancelled").folder)
    watched.stays(folder, days=FAILED - 0.01)
    watched.goes(folder, days=0.02)


def test_what_anybody_still_needs_stays_for_ever(watched: Watched, gate: Gate) -> None:
    site = watched.site
    answers = {"now": 0xA700}
    watched.pacs.answer = lambda request: answer(request, answers)
    watched.send("HILUM")  # its delivery stays due
    due = watched.job("HILUM", "collected")
    watched.send("WAITS")  # runs
    gate.wait_for(1)
    running = watched.job("WAITS", "running")
    watched.send("WINDOW")  # its window is open
    [open_group] = site.rows("groups", ae="WINDOW")
    window = watched.folder(site.rows("instances", group_id=open_group.id)[0].association_id)
    watched.send("NOBODY")
    [parked] = eventually(lambda: site.rows("groups", ae="NOBODY", state="stored only"), what="a stored group")
    with site.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE groups SET state = 'parked', remove_at = NULL WHERE id = {parked.id}")
    waiting = watched.folder(site.rows("instances", group_id=parked.id)[0].association_id)
    watched.stays(Path(due.folder), Path(running.folder), window, waiting, days=90)
    answers["now"] = 0x0000
    gate.open()
    watched.clock.move(10)
    assert watched.job("HILUM", "complete").id == due.id
    assert watched.job("WAITS", "complete").id == running.id


def answer(_request: StoreRequest, answers: dict[str, int]) -> Answer:
    return SUCCESS if answers["now"] == 0 else Answer(status=answers["now"])


def test_a_failed_job_that_is_retried_is_kept_for_its_new_run(watched: Watched) -> None:
    watched.send("FAILS")
    job = watched.job("FAILS", "failed")
    watched.stays(Path(job.folder), days=FAILED - 0.01)
    with watched.site.database.write() as connection:
        work.ask_retry(connection, job.id, tries=1, now=watched.clock())
    eventually(lambda: watched.site.rows("jobs", id=job.id)[0].attempt == 2, what="the second attempt")
    watched.job("FAILS", "failed")
    watched.stays(Path(job.folder), days=FAILED - 0.01)
    watched.goes(Path(job.folder), days=0.02)


def test_a_held_association_that_was_accepted_in_time_is_not_let_go(watched: Watched) -> None:
    accepted = watched.abort()
    watched.stays(watched.folder(accepted), days=HELD - 0.01)
    with watched.site.database.write() as connection:
        holding.ask_accept(connection, accepted, now=watched.clock())
    job = watched.job("HILUM", "complete")
    watched.stays(Path(job.folder), days=0.02)
    assert [row.state for row in watched.site.rows("associations", id=accepted)] == ["released"]


def test_a_clock_that_is_put_back_removes_nothing_and_stops_nothing(watched: Watched) -> None:
    watched.send("HILUM")
    delivered = Path(watched.job("HILUM", "complete").folder)
    held = watched.folder(watched.abort())
    (watched.site.spool / "made").write_text("x")
    quarantined = put_aside(watched.site.spool / "made", watched.site.spool / "quarantine", "a", "why")
    everything = (delivered, held, quarantined)
    watched.stays(*everything, days=-100)
    watched.stays(*everything, days=100)
    watched.goes(held, days=HELD + 0.01)
    watched.goes(delivered, days=DELIVERED - HELD)
    watched.goes(quarantined, days=FAILED - DELIVERED)
