"""What one gateway does when another one on its ledger is no more, and what the late one can still do: nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hilum.errors import TemporaryError
from hilum.ledger import gateways, holding, work
from hilum.ledger.tables import jobs
from hilum.model import GroupKind
from hilum.states import GatewayEvent
from stage.job.planning import Planning
from stage.ledger.reception_desk import Reception
from stage.serve.cluster import EVERY, LEASE, Make, Time, files

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


def state(desk: Reception, name: str) -> str:
    return str(desk.row("gateways", id=name).state)


def test_what_it_had_open_is_held_when_its_lease_ends_and_not_before(desk: Reception, member: Make, time: Time) -> None:
    a, b = member("a"), member("b")
    talk = a.associate()
    assert talk.store("1.1") == SUCCESS
    b.live(LEASE.total_seconds())  # a was seen for the first time when b first looked
    assert state(desk, "a") == "running"
    assert talk.sink.info.id in {row.id for row in desk.rows("associations", state="open")}
    b.live(10)
    assert state(desk, "a") == "taken over"
    row = desk.row("associations")
    assert (row.state, row.owner, row.folder, row.instances) == ("held", "a", f"held/{talk.info.id}", 1)
    assert files(b.spool) == [f"held/{talk.info.id}/1.dcm", f"held/{talk.info.id}/association.json"]


def test_history_says_who_died_how_that_is_known_and_what_became_of_its_work(desk: Reception, member: Make) -> None:
    a, b = member("a"), member("b")
    for number in (1, 2, 3):
        a.associate(number).store(f"1.{number}")
    b.live(45)
    lines = {line.event: line for line in desk.history(machine="gateway", subject="a")}
    assert "it was last heard of at 2026-11-22 08:15:00 UTC; its lease has ended" in lines[GatewayEvent.GONE].why
    assert lines[GatewayEvent.TAKEN_OVER].why == "3 associations that it had open ended as if lost, by gateway b"


def test_one_that_lives_is_left_alone_however_long_it_takes(desk: Reception, member: Make, time: Time) -> None:
    a, b = member("a"), member("b")
    talk = a.associate()
    talk.store("1.1")
    for _ in range(60):
        time.forward(5)
        a.beat()
        b.beat()
        b.look()
    assert (state(desk, "a"), state(desk, "b")) == ("running", "running")
    assert talk.store("1.2") == SUCCESS
    talk.release()
    assert desk.row("associations").state == "released"


def test_a_folder_that_is_just_being_made_is_not_taken_from_a_living_gateway(desk: Reception, member: Make) -> None:
    a, b, c = member("a"), member("b"), member("c")
    talk = a.associate()
    talk.store("1.1")
    with desk.database.write() as connection:  # its first instance is stored, and the ledger does not know it yet
        connection.exec_driver_sql("DELETE FROM associations")
    making = b.spool / f".new-{talk.info.id[:-1]}f-a"
    making.mkdir()
    b.time.forward(0)
    for _ in range(9):
        b.time.forward(5)
        a.beat(), b.beat(), b.look()  # c has died meanwhile, and b searches the spool
    assert (state(desk, "a"), state(desk, "c")) == ("running", "taken over")
    assert making.is_dir()
    assert f"{talk.info.id}/1.dcm" in files(b.spool)
    assert desk.rows("associations") == []
    del c


def test_what_a_dead_gateway_was_just_making_goes(member: Make) -> None:
    member("a")
    b = member("b")
    making = b.spool / ".new-20261122T081500000001-00000001-a"
    making.mkdir()
    (making / "association.json").write_text("{")
    b.live(45)
    assert not making.exists()


# The late one


def test_it_acknowledges_nothing_once_its_lease_has_ended(member: Make, time: Time) -> None:
    a = member("a")
    talk = a.associate()
    assert talk.store("1.1") == SUCCESS
    time.forward(LEASE.total_seconds())  # stopped, and nobody has renewed
    assert talk.store("1.2") == OUT_OF_RESOURCES
    assert "not heard of this gateway" in (a.receiver.congested() or "")
    a.beat()  # nobody took over: it may go on where it was
    assert talk.store("1.3") == SUCCESS
    talk.release()
    assert [row.sop_instance for row in a.desk.rows("instances")] == ["1.1", "1.3"]


def test_its_release_is_refused_when_the_association_is_held(desk: Reception, member: Make) -> None:
    a, b = member("a"), member("b")
    talk = a.associate()
    talk.store("1.1")
    b.live(45)
    with pytest.raises(TemporaryError, match="taken over by another gateway"):
        talk.release()
    talk.broken()  # what the acceptor does next
    row = desk.row("associations")
    assert (row.state, row.instances) == ("held", 1)
    assert desk.rows("groups") == []
    a.beat()
    assert len(a.fenced) == 1
    assert "another gateway has called this one gone" in a.fenced[0]


def test_its_release_is_refused_also_if_the_ledger_never_knew_the_association(desk: Reception, member: Make) -> None:
    a, b = member("a"), member("b")
    talk = a.associate()
    talk.store("1.1")
    with desk.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM associations")
    b.live(45)
    assert desk.row("associations").state == "held"
    with pytest.raises(TemporaryError, match="taken over"):
        talk.release()
    assert desk.row("associations").state == "held"


def test_a_note_that_a_crash_of_the_database_took_back_costs_a_living_gateway_nothing(
    desk: Reception, member: Make
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    a = member("a")
    talk = a.associate()
    talk.store("1.1", patient="P1")
    with desk.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contributions")
        connection.exec_driver_sql("DELETE FROM associations")
    assert talk.store("1.2", patient="P2") == SUCCESS
    talk.release()
    assert (desk.row("associations").state, len(desk.rows("instances"))) == ("released", 2)


def test_nor_one_that_breaks(desk: Reception, member: Make) -> None:
    talk = member("a").associate()
    talk.store("1.1")
    with desk.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM associations")
    talk.broken()
    assert (desk.row("associations").state, len(desk.rows("instances"))) == ("held", 1)


def test_it_moves_and_removes_nothing_that_others_have_taken_over(desk: Reception, member: Make) -> None:
    a, b = member("a", accept_broken=True), member("b", accept_broken=True)
    stored, empty = a.associate(1), a.associate(2)
    stored.store("1.1")
    empty.store("1.2")
    empty.sink._received.clear()  # it believes that it refused what is on disk
    b.live(45)
    before = files(b.spool), [tuple(row) for row in desk.rows("associations")]
    stored.broken()
    empty.broken()
    assert (files(b.spool), [tuple(row) for row in desk.rows("associations")]) == before
    assert {row.state for row in desk.rows("associations")} == {"released"}


def test_no_window_waits_for_it(desk: Reception, member: Make) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    a, b = member("a"), member("b")
    talk = a.associate()
    talk.store("1.1", patient="P1")
    b.live(45)
    a.heartbeat._holds_until = float("inf")  # it was stopped after it had looked whether it may
    assert talk.store("1.2", patient="P2") == OUT_OF_RESOURCES
    with desk.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM contributions").scalar() == 0


def test_it_cannot_come_back(desk: Reception, member: Make) -> None:
    a, b = member("a"), member("b")
    b.live(45)
    a.beat()
    assert not a.heartbeat.stands()
    assert a.receiver.congested() is not None
    assert state(desk, "a") == "taken over"


# Who is dead


def test_nobody_is_called_gone_because_the_ledger_was_away(desk: Reception, member: Make, time: Time) -> None:
    """After a restart of the database every row is old; whoever comes first must not think the others dead."""
    a, b = member("a"), member("b")
    b.live(10)
    time.forward(3600)
    b.beat()
    b.look()
    assert state(desk, "a") == "running"
    b.live(10)
    a.beat()
    b.live(25)
    assert state(desk, "a") == "running"
    assert a.heartbeat.stands()


def test_one_that_died_is_missed_also_by_those_who_always_look_late(desk: Reception, member: Make, time: Time) -> None:
    """As on a machine that has too much to do: their looks are rarer, not worth nothing."""
    b = member("b")
    member("a")
    b.look()
    seen = []
    for _ in range(5):
        time.forward(4 * EVERY.total_seconds())
        b.beat()
        b.look()
        seen.append(state(desk, "a"))
    assert (seen[2], seen[-1]) == ("running", "taken over")


def test_no_clock_of_another_machine_is_believed(desk: Reception, member: Make) -> None:
    a, b = member("a"), member("b")
    with desk.database.write() as connection:
        now = desk.clock() - timedelta(days=1)
        gateways.renew(connection, "a", now=now, until=now + LEASE)
    b.look()
    assert state(desk, "a") == "running"
    with desk.database.write() as connection:
        now = desk.clock() + timedelta(days=1)
        gateways.renew(connection, "a", now=now, until=now + LEASE)
    b.live(45)
    assert state(desk, "a") == "taken over"
    del a


def test_on_the_same_machine_a_process_that_has_ended_is_enough(desk: Reception, member: Make) -> None:
    a, b = member("a", machine="same"), member("b", machine="same")  # of no process that runs here
    talk = a.associate()
    talk.store("1.1")
    b.look()
    assert desk.row("associations").state == "held"
    (line,) = desk.history(machine="gateway", subject="a", event="gone")
    assert line.why == "its process 1 on host-a has ended"


def test_one_that_stopped_in_order_is_taken_over_at_once(desk: Reception, member: Make) -> None:
    _, b = member("a"), member("b")
    with desk.database.write() as connection:
        gateways.stopped(connection, "a", now=desk.clock())
    b.look()
    assert state(desk, "a") == "taken over"
    assert desk.history(machine="gateway", subject="a", event="gone") == []


def test_two_that_take_over_at_the_same_time_do_it_once(desk: Reception, member: Make) -> None:
    a, b, c = member("a"), member("b"), member("c")
    a.associate().store("1.1")
    with desk.database.write() as connection:
        gateways.stopped(connection, "a", now=desk.clock())
    now = desk.clock()
    (found,) = b.takeover.claim(now, now + timedelta(minutes=1), 1)
    assert not c.takeover.claim(now, now + timedelta(minutes=1), 1)
    late = b.takeover.act(found)
    c.takeover.recovery().run()  # a start of a third one searches the spool in any case
    b.takeover.record(found, late, now)
    assert desk.row("associations").state == "held"
    assert len(desk.rows("instances")) == 1


def test_one_that_dies_while_it_takes_over_is_taken_over_with_what_it_had_begun(desk: Reception, member: Make) -> None:
    a, b, c = member("a"), member("b"), member("c")
    talk = a.associate()
    talk.store("1.1")
    with desk.database.write() as connection:
        gateways.stopped(connection, "a", now=desk.clock())
    now = desk.clock()
    b.takeover.claim(now, now + timedelta(minutes=1), 1)
    (b.spool / "held").mkdir()
    (b.spool / talk.info.id).rename(b.spool / "held" / talk.info.id)  # b dies here
    c.live(120)
    assert (state(desk, "a"), state(desk, "b")) == ("taken over", "taken over")
    assert desk.row("associations").state == "held"


# Jobs


def test_its_jobs_go_on_with_whoever_took_over(desk: Reception, member: Make, planning: Planning) -> None:
    _, b = member("a"), member("b")
    desk.send("1.1")
    planning.run()
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state="running", gateway="a", started_at=desk.clock()))
        assert work.running(connection, "b") == []
    b.live(45)
    with desk.database.read() as connection:
        assert len(work.running(connection, "b")) == 1
        assert work.running(connection, "a") == []
    (line,) = desk.history(machine="gateway", subject="a", event="taken over")
    assert line.why == "1 job of it went on, by gateway b"


def test_a_job_stays_where_its_gateway_may_be_starting_again(desk: Reception, member: Make, planning: Planning) -> None:
    """A rolling restart: what runs on a machine is best seen from there."""
    _, b = member("a", machine="first"), member("b", machine="second")
    desk.send("1.1")
    planning.run()
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state="running", gateway="a", started_at=desk.clock()))
        gateways.stopped(connection, "a", now=desk.clock())
    b.live(15)
    assert (state(desk, "a"), desk.row("jobs").gateway) == ("stopped", "a")
    again = member("a2", machine="first")
    again.look()
    assert (state(desk, "a"), desk.row("jobs").gateway) == ("taken over", "a2")


def test_or_goes_elsewhere_when_nobody_comes(desk: Reception, member: Make, planning: Planning) -> None:
    _, b = member("a", machine="first"), member("b", machine="second")
    desk.send("1.1")
    planning.run()
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state="running", gateway="a", started_at=desk.clock()))
        gateways.stopped(connection, "a", now=desk.clock())
    b.live(45)
    assert (state(desk, "a"), desk.row("jobs").gateway) == ("taken over", "b")


def test_a_job_that_it_had_begun_to_hand_over_is_handed_over_by_no_other_before(
    desk: Reception, member: Make, planning: Planning
) -> None:
    """The command may run although the ledger does not say so yet."""
    _, b = member("a"), member("b")
    desk.send("1.1")
    planning.run()
    now = desk.clock()
    with desk.database.write() as connection:
        engine = desk.row("jobs").engine
        until = now + timedelta(seconds=1)
        assert len(work.claim_queued(connection, {engine: 1}, owner="a", now=now, until=until)) == 1
    b.live(25)
    now, until = desk.clock(), desk.clock() + timedelta(minutes=1)
    with desk.database.write() as connection:
        assert work.claim_queued(connection, {engine: 1}, owner="b", now=now, until=until) == []
    b.live(20)
    now, until = desk.clock(), desk.clock() + timedelta(minutes=1)
    with desk.database.write() as connection:
        assert len(work.claim_queued(connection, {engine: 1}, owner="b", now=now, until=until)) == 1


def test_its_leases_are_free_at_once(desk: Reception, member: Make) -> None:
    _, b = member("a"), member("b")
    held = desk.associate().receive("1.1").abort()
    held.ask_accept()
    now = desk.clock()
    with desk.database.write() as connection:
        until = now + timedelta(hours=1)
        assert len(holding.claim_held(connection, owner="a", now=now, until=until, limit=1)) == 1
    b.live(45)
    assert desk.row("associations", id=held.id).lease_owner is None
