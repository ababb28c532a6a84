"""Leases and fences, on rows of real groups."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import true

from hilum.errors import LeaseLostError
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, claim, drop_leases, give_back, lease_of, renew
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import groups
from hilum.ledger.transition import apply
from hilum.states import Group, GroupEvent
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

MINUTE = timedelta(minutes=1)


def claim_groups(database: Database, clock: MovableClock, owner: str = "one", limit: int = 10) -> list[AnyRow]:
    with database.write() as connection:
        return list(
            claim(
                connection,
                groups,
                groups.c.state == Group.CLOSED,
                owner=owner,
                now=clock(),
                until=clock() + MINUTE,
                limit=limit,
                order_by=[groups.c.id],
            )
        )


def closed_groups(desk: Reception, count: int) -> None:
    for number in range(1, count + 1):
        desk.send(f"1.{number}")


def test_a_claim_takes_a_lease_and_raises_the_fence(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock, "me")
    assert (row.lease_owner, row.lease_until, row.fence) == ("me", clock() + MINUTE, 1)
    assert desk.row("groups").lease_owner == "me"


def test_a_claim_takes_no_more_than_its_limit_and_begins_with_the_first(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    closed_groups(desk, 5)
    assert [row.id for row in claim_groups(database, clock, limit=2)] == [1, 2]
    assert [row.id for row in claim_groups(database, clock, limit=2)] == [3, 4]


def test_what_one_owner_has_claimed_another_does_not_get(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    closed_groups(desk, 40)
    claimed: dict[str, list[int]] = {"one": [], "two": [], "three": []}
    going = threading.Barrier(3)

    def work(owner: str) -> None:
        going.wait()
        while rows := claim_groups(database, clock, owner, limit=3):
            claimed[owner] += [row.id for row in rows]

    threads = [threading.Thread(target=work, args=(owner,)) for owner in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for numbers in claimed.values() for number in numbers) == list(range(1, 41))
    owners = {row.id: row.lease_owner for row in desk.rows("groups")}
    assert all(owners[number] == owner for owner, numbers in claimed.items() for number in numbers)


def test_a_lease_that_ran_out_can_be_claimed_again(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (first,) = claim_groups(database, clock, "dead")
    clock.forward(59.999)
    assert claim_groups(database, clock, "alive") == []
    clock.forward(0.001)
    (second,) = claim_groups(database, clock, "alive")
    assert (second.lease_owner, second.fence) == ("alive", first.fence + 1)


def test_a_record_with_an_old_fence_is_refused_and_changes_nothing(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    closed_groups(desk, 1)
    (slow,) = claim_groups(database, clock, "slow")
    clock.forward(60)
    (quick,) = claim_groups(database, clock, "quick")
    before = desk.row("groups"), desk.history()
    refused = pytest.raises(LeaseLostError, match="the lease with fence 1 was lost, the row has 2")
    with refused, database.write() as connection:
        apply(connection, groups, slow.id, GroupEvent.PLANNED, now=clock(), fence=slow.fence, values={"why": "x"})
    assert (desk.row("groups"), desk.history()) == before
    with database.write() as connection:
        apply(connection, groups, quick.id, GroupEvent.PLANNED, now=clock(), fence=quick.fence)
    assert desk.row("groups").state == "planned"


def test_a_transition_ends_the_lease(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock)
    with database.write() as connection:
        apply(connection, groups, row.id, GroupEvent.CANNOT_PLAN, now=clock(), fence=row.fence)
    after = desk.row("groups")
    assert (after.lease_owner, after.lease_until, after.fence) == (None, None, row.fence)


def test_a_lease_that_is_renewed_lasts_longer(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock)
    clock.forward(40)
    with database.note() as connection:
        renew(connection, groups, [lease_of(row)], until=clock() + MINUTE)
    clock.forward(59)
    assert claim_groups(database, clock, "other") == []
    clock.forward(1)
    assert len(claim_groups(database, clock, "other")) == 1


def test_a_lost_lease_cannot_be_renewed_or_given_back(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (slow,) = claim_groups(database, clock, "slow")
    clock.forward(60)
    claim_groups(database, clock, "quick")
    before = desk.row("groups")
    with database.write() as connection:
        renew(connection, groups, [lease_of(slow)], until=clock() + 10 * MINUTE)
        give_back(connection, groups, lease_of(slow), values={"why": "x"})
    assert desk.row("groups") == before


def test_a_lease_that_ended_with_a_transition_does_not_come_back_by_a_late_renewal(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    """The loop renews what it believes to go on; a work may end just then, and the next step must find the row free."""
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock)
    with database.write() as connection:
        apply(connection, groups, row.id, GroupEvent.CANNOT_PLAN, now=clock(), fence=row.fence)
        renew(connection, groups, [lease_of(row)], until=clock() + MINUTE)
    assert desk.row("groups").lease_until is None


def test_what_was_recorded_is_not_changed_by_giving_its_lease_back(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    """Of many rows in one work, some are recorded when it fails; only the others go back."""
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock)
    with database.write() as connection:
        apply(connection, groups, row.id, GroupEvent.PLANNED, now=clock(), fence=row.fence, values={"why": "done"})
        give_back(connection, groups, lease_of(row), values={"why": "the other one failed"})
    assert desk.row("groups").why == "done"


def test_what_is_given_back_can_be_claimed_at_once(database: Database, desk: Reception, clock: MovableClock) -> None:
    closed_groups(desk, 1)
    (row,) = claim_groups(database, clock)
    with database.write() as connection:
        give_back(connection, groups, lease_of(row), values={"why": "not now"})
    assert desk.row("groups").why == "not now"
    (again,) = claim_groups(database, clock)
    assert again.fence == row.fence + 1


def test_a_gateway_that_starts_alone_frees_every_lease(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    closed_groups(desk, 2)
    (first, second) = claim_groups(database, clock, "dead")
    with database.write() as connection:
        drop_leases(connection)
    assert [row.lease_owner for row in desk.rows("groups")] == [None, None]
    (again,) = claim_groups(database, clock, "alive")  # the other one waits: see the test on processes that died
    assert (again.id, again.fence) == (first.id, first.fence + 1)
    with database.write() as connection:
        apply(connection, groups, again.id, GroupEvent.PLANNED, now=clock(), fence=again.fence)
    assert [row.fence for row in claim_groups(database, clock, "alive")] == [second.fence + 1]


def test_of_rows_at_which_a_process_died_one_is_worked_on_at_a_time(desk: Reception, clock: MovableClock) -> None:
    """So the innocent ones come to an end, and only the one to blame is counted again."""
    for uid in ("1.1", "1.2", "1.3"):
        desk.send(uid)

    def take() -> list[tuple[object, int]]:
        with desk.database.write() as connection:
            until = clock() + timedelta(minutes=1)
            rows = claim(
                connection, groups, true(), owner="gateway", now=clock(), until=until, limit=9, order_by=[groups.c.id]
            )
        return [(row.id, row.begun) for row in rows]

    assert take() == [(1, 1), (2, 1), (3, 1)]
    clock.forward(60)  # the process died, and its leases ended
    desk.send("1.4")
    assert take() == [(1, 2), (4, 1)]
    assert take() == []
    with desk.database.write() as connection:
        give_back(connection, groups, Lease(id=1, fence=2))
    assert take() == [(1, 1), (2, 2)]
    clock.forward(60)
    assert take() == [(1, 2)]
