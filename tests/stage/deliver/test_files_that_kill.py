"""What was on its way when the gateway died is tried by itself until it is known which file it was."""

from __future__ import annotations

from collections.abc import Sequence

from harness.pacs import SUCCESS, Pacs
from hilum.ledger import dispatch
from hilum.ledger.dispatch import Parcel
from hilum.ledger.lease import MAX_BEGUN, drop_leases
from stage.deliver.sending import Sending


def sends(sending: Sending, parcel: Parcel, uid: str) -> None:
    """Send a parcel up to this file, which is on its way then; those before it are accepted."""
    for file, following in zip(parcel.files, [*parcel.files[1:], None], strict=True):
        if file is parcel.files[0]:
            sending.send.begins(file)
        if file.sop_instance == uid:
            break
        sending.send.accepted(file, SUCCESS, following)


def dies(sending: Sending, *parcels: Parcel) -> None:
    """What the next start finds, of the parcels that were under way."""
    with sending.desk.database.write() as connection:
        drop_leases(connection)
    for parcel in parcels:
        sending.send._traffic.end((parcel.files[0].lease.id, parcel.files[0].lease.fence))


def uids(parcels: Sequence[Parcel]) -> list[list[str]]:
    return [[file.sop_instance for file in parcel.files] for parcel in parcels]


def begun(sending: Sending) -> dict[str, int]:
    by_result = {row.id: row.sop_instance for row in sending.desk.rows("results")}
    return {by_result[row.result_id]: row.begun for row in sending.deliveries() if row.begun}


def test_only_what_was_on_its_way_is_suspected_and_goes_alone(to_pacs: Sending) -> None:
    to_pacs.job("1.1", "1.2", "1.3", "1.4")
    (parcel,) = to_pacs.claim()
    sends(to_pacs, parcel, "1.2")
    dies(to_pacs, parcel)
    assert begun(to_pacs) == {"1.2": 1}
    assert to_pacs.states() == ["delivered", "due", "due", "due"]
    assert sorted(uids(to_pacs.claim())) == [["1.2"], ["1.3", "1.4"]]


def test_an_innocent_one_is_cleared(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2")
    (parcel,) = to_pacs.claim()
    sends(to_pacs, parcel, "1.1")
    dies(to_pacs, parcel)
    to_pacs.run()
    assert (to_pacs.states(), begun(to_pacs), len(pacs.accepted)) == (["delivered", "delivered"], {}, 2)
    assert [row.attempts for row in to_pacs.deliveries()] == [1, 1]


def test_suspects_go_one_at_a_time_whatever_their_destinations(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.to("OTHER", pacs.port, called="PACS")
    to_pacs.max_associations = 8
    to_pacs.job("1.1", "1.2", name="a")
    to_pacs.job("1.3", "1.4", name="b", destinations=("OTHER",))
    parcels = to_pacs.claim()
    for parcel in parcels:
        sends(to_pacs, parcel, parcel.files[0].sop_instance)
    dies(to_pacs, *parcels)
    assert begun(to_pacs) == {"1.1": 1, "1.3": 1}
    parcels = to_pacs.claim()
    assert sorted(uids(parcels)) == [["1.1"], ["1.2"], ["1.4"]]
    for one in parcels:
        to_pacs.send.record(one, to_pacs.send.act(one), to_pacs.clock())
    assert uids(to_pacs.claim()) == [["1.3"]]


def test_the_culprit_is_given_up_and_a_retry_begins_anew(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3")
    for _ in range(MAX_BEGUN):
        parcels = to_pacs.claim()
        culprit = next(one for one in parcels if any(file.sop_instance == "1.2" for file in one.files))
        sends(to_pacs, culprit, "1.2")
        for other in parcels:
            if other is not culprit:
                to_pacs.send.record(other, to_pacs.send.act(other), to_pacs.clock())
        dies(to_pacs, culprit)
    to_pacs.run()
    assert to_pacs.states() == ["delivered", "given up", "delivered"]
    assert "1.2" not in [one.request.sop_instance for one in pacs.arrived]
    (line,) = to_pacs.desk.history(event="failed for good")
    assert "the gateway ended 3 times in a row in the middle of sending this file" in line.why
    assert "hilum retry" in line.remedy
    with to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, to_pacs.deliveries()[1].id, now=to_pacs.clock())
    assert begun(to_pacs) == {}
    assert to_pacs.run() == [{}]
    assert set(to_pacs.states()) == {"delivered"}


def test_an_orderly_stop_leaves_no_suspicion(to_pacs: Sending) -> None:
    to_pacs.job("1.1", "1.2")
    to_pacs.send.stopping.set()
    to_pacs.run()
    assert begun(to_pacs) == {}
