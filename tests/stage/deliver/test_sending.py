from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import CT_IMAGE_STORAGE, make_instance
from harness.pacs import Pacs
from hilum.deliver.policy import Fault
from hilum.deliver.slots import Slots
from hilum.errors import TemporaryError
from hilum.ledger import dispatch, work
from hilum.ledger.port import LedgerBusyError
from hilum.model import Answer, JobId, StoreRequest
from hilum.observe.metrics import Metrics
from hilum.observe.names import Names
from hilum.retry import RetryRule
from hilum.states import IllegalTransitionError
from stage.deliver.sending import LEASE, Sending, data_set_digest

WAIT_SECONDS = 20
SECOND = timedelta(seconds=1)
MR = "1.2.840.10008.5.1.4.1.1.4"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"


def of_classes(classes: Mapping[str, str]) -> Callable[..., Path]:
    """Makes instances of these SOP classes, by SOP Instance UID; others are CT images."""

    def make(folder: Path, sop_instance: str) -> Path:
        return make_instance(folder, sop_instance=sop_instance, sop_class=classes.get(sop_instance, CT_IMAGE_STORAGE))

    return make


def answering(pacs: Pacs, *statuses: int) -> None:
    """The PACS answers with these in turn, and with success from then on."""
    waiting = list(statuses)
    pacs.answer = lambda _request: Answer(status=waiting.pop(0) if waiting else 0, comment="because")


def breaking_at(pacs: Pacs, number: int) -> None:
    """The PACS aborts the association instead of answering the instance of this number, once."""
    count = [0]

    def answer(_request: StoreRequest) -> Answer:
        count[0] += 1
        if count[0] == number:
            raise TemporaryError("out of order")
        return Answer(status=0)

    pacs.answer = answer


def test_the_results_of_a_job_go_in_one_association_and_are_delivered(to_pacs: Sending, pacs: Pacs) -> None:
    folder = to_pacs.job("1.1", "1.2", "1.3")
    assert to_pacs.run() == [{}]
    assert [(one.request.sop_instance, one.association.calling) for one in pacs.arrived] == [
        ("1.1", "HILUM"),
        ("1.2", "HILUM"),
        ("1.3", "HILUM"),
    ]
    assert len(pacs.associations) == 1
    for row in to_pacs.deliveries():
        assert (row.state, row.status, row.attempts, row.why, row.ended_at) == ("delivered", 0, 1, "", to_pacs.clock())
        assert row.lease_owner is None
    results = to_pacs.desk.rows("results")
    expected = [data_set_digest(folder / result.path, result.offset) for result in results]
    assert [one.digest for one in pacs.arrived] == expected  # byte for byte


def test_every_class_gets_its_own_context_in_the_same_association(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3", make=of_classes({"1.2": MR}))
    assert to_pacs.run() == [{}]
    classes = {one.request.sop_instance: one.request.sop_class for one in pacs.arrived}
    assert classes == {"1.1": CT_IMAGE_STORAGE, "1.2": MR, "1.3": CT_IMAGE_STORAGE}
    assert len(pacs.associations) == 1


def test_results_in_sub_folders_are_sent_from_there(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", make=lambda folder, **kind: make_instance(folder / "seg" / "x.dcm", **kind))
    assert to_pacs.run() == [{}]
    assert len(pacs.accepted) == 1


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
def test_a_warning_means_delivered_and_is_kept(to_pacs: Sending, pacs: Pacs, status: int) -> None:
    to_pacs.job("1.1")
    answering(pacs, status)
    to_pacs.run()
    (row,) = to_pacs.deliveries()
    assert (row.state, row.status) == ("delivered", status)
    assert row.why == f"with warning {status:04X}H “because”"


def test_what_a_destination_took_is_counted_in_bytes(to_pacs: Sending, pacs: Pacs) -> None:
    metrics = Metrics()
    metrics.know(Names(destinations=frozenset({"PACS"})))
    to_pacs.send.meter = metrics
    to_pacs.job("1.1", "1.2", "1.3")
    answering(pacs, 0, 0xC001, 0xB000)
    to_pacs.run()
    sizes = [row.size - row.offset for row in to_pacs.desk.rows("results")]
    sent = metrics.registry.get_sample_value("hilum_sent_bytes_total", {"destination": "PACS"})
    assert sent == sizes[0] + sizes[2]


def test_a_file_that_is_refused_does_not_stop_the_others(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3")
    answering(pacs, 0, 0xC001, 0)
    (failed,) = to_pacs.run()
    assert [one.fault for one in failed.values()] == [Fault.REFUSED]
    assert to_pacs.states() == ["delivered", "due", "delivered"]
    row = to_pacs.deliveries()[1]
    assert (row.attempts, row.status, row.not_before) == (1, 0xC001, to_pacs.clock.in_(30))
    assert row.why == "the destination answered status C001H “because”"
    assert row.lease_owner is None


def test_a_file_that_is_refused_three_times_is_given_up_and_says_what_to_do(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2")
    pacs.answer = lambda request: Answer(status=0xA900 if request.sop_instance == "1.1" else 0)
    for wait in (30, 120, 120):
        to_pacs.run()
        to_pacs.clock.forward(wait)
    row = to_pacs.deliveries()[0]
    assert (row.state, row.attempts, row.status) == ("given up", 3, 0xA900)
    assert row.ended_at is not None
    (line,) = to_pacs.desk.history(event="failed for good")
    assert line.why == "the destination answered status A900H; tried 3 times"
    assert "hilum retry" in line.remedy
    assert to_pacs.run() == []
    assert [one.request.sop_instance for one in pacs.arrived] == ["1.1", "1.2", "1.1", "1.1"]


def test_a_busy_destination_is_asked_again_for_as_long_as_configured(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.retry = RetryRule(waits=[30 * SECOND, 100 * SECOND], give_up_after=300 * SECOND)
    to_pacs.job("1.1")
    pacs.answer = lambda _request: Answer(status=0xA700)
    seen = []
    while to_pacs.states() == ["due"]:
        to_pacs.run()
        row = to_pacs.deliveries()[0]
        seen.append((row.attempts, row.not_before))
        to_pacs.clock.now = max(row.not_before, to_pacs.clock.now)
    begin = to_pacs.deliveries()[0].queued_at
    assert [(attempts, (at - begin).total_seconds()) for attempts, at in seen] == [
        (1, 30),
        (2, 130),
        (3, 230),
        (4, 230),
    ]
    assert to_pacs.states() == ["given up"]
    assert "give-up-after" in to_pacs.deliveries()[0].why


def test_a_class_that_the_destination_does_not_take_fails_alone(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", make=of_classes({"1.1": PATIENT_FIND}))
    (failed,) = to_pacs.run()
    assert [one.fault for one in failed.values()] == [Fault.REFUSED]
    assert to_pacs.states() == ["due", "delivered"]
    assert f"does not accept SOP class {PATIENT_FIND}" in to_pacs.deliveries()[0].why


@pytest.mark.parametrize("harm", ["gone", "link", "pipe"])
def test_a_result_that_cannot_be_read_fails_alone(to_pacs: Sending, pacs: Pacs, tmp_path: Path, harm: str) -> None:
    folder = to_pacs.job("1.1", "1.2")
    path = folder / "1.1.dcm"
    content = path.read_bytes()
    path.unlink()
    match harm:
        case "link":
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(path)
    (failed,) = to_pacs.run()
    assert [one.fault for one in failed.values()] == [Fault.LOCAL]
    assert to_pacs.states() == ["due", "delivered"]
    assert "the result file" in to_pacs.deliveries()[0].why
    assert [one.request.sop_instance for one in pacs.arrived] == ["1.2"]


def test_what_was_accepted_before_the_peer_broke_off_is_not_sent_again(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3", "1.4")
    breaking_at(pacs, 3)
    (failed,) = to_pacs.run()
    assert {one.fault for one in failed.values()} == {Fault.UNREACHABLE}
    assert to_pacs.states() == ["delivered", "delivered", "due", "due"]
    assert [row.attempts for row in to_pacs.deliveries()] == [1, 1, 1, 0]
    to_pacs.clock.forward(30)
    assert to_pacs.run() == [{}]
    # The one that was on its way goes last: if it is to blame, it harms no other.
    assert [one.request.sop_instance for one in pacs.accepted] == ["1.1", "1.2", "1.4", "1.3"]


def test_what_was_accepted_before_a_crash_is_not_sent_again(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3")
    breaking_at(pacs, 3)
    (parcel,) = to_pacs.claim()
    to_pacs.send.act(parcel)  # and then the gateway dies, before it records what failed
    assert to_pacs.states() == ["delivered", "delivered", "due"]
    to_pacs.clock.forward(60)
    to_pacs.run()
    assert [one.request.sop_instance for one in pacs.accepted] == ["1.1", "1.2", "1.3"]


def test_a_bug_of_ours_in_the_middle_postpones_only_what_was_not_recorded(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2")
    breaking_at(pacs, 2)
    (parcel,) = to_pacs.claim()
    to_pacs.send.act(parcel)
    to_pacs.send.failed(parcel, ValueError("a bug"), to_pacs.clock())
    done, left = to_pacs.deliveries()
    assert (done.state, done.why, done.attempts) == ("delivered", "", 1)
    assert (left.state, left.why, left.not_before) == ("due", "ValueError: a bug", to_pacs.clock.in_(30))
    assert left.lease_owner is None


def test_each_destination_gets_its_own_copy_and_none_waits_for_another(
    to_pacs: Sending, pacs: Pacs, nobody: int
) -> None:
    to_pacs.to("DEAD", nobody)
    to_pacs.job("1.1", destinations=("DEAD", "PACS"))
    assert len(to_pacs.run()) == 2
    assert {row.destination: row.state for row in to_pacs.deliveries()} == {"DEAD": "due", "PACS": "delivered"}
    assert len(pacs.accepted) == 1


def test_a_destination_gets_no_more_parcels_at_once_than_it_may_have_associations(to_pacs: Sending) -> None:
    for number in range(5):
        to_pacs.job("1.1", name=f"job{number}")
    first = to_pacs.claim()
    assert len(first) == 2
    assert to_pacs.claim() == []
    to_pacs.send.record(first[0], to_pacs.send.act(first[0]), to_pacs.clock())
    assert len(to_pacs.claim()) == 1


def test_a_ledger_that_gets_busy_while_claiming_costs_no_destination_a_place(
    to_pacs: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        to_pacs.job("1.1", name=f"job{number}")
    claim_parcel, calls = dispatch.claim_parcel, [0]

    def busy_the_second_time(*args: object, **how: object) -> object:
        calls[0] += 1
        if calls[0] == 2:
            raise LedgerBusyError("locked")
        return claim_parcel(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatch, "claim_parcel", busy_the_second_time)
    (parcel,) = to_pacs.claim()
    to_pacs.send.record(parcel, to_pacs.send.act(parcel), to_pacs.clock())
    assert to_pacs.send._traffic._under_way == {}
    calls[0] = 1
    with pytest.raises(LedgerBusyError):
        to_pacs.claim()
    assert to_pacs.send._traffic._under_way == {}


def test_deliveries_that_waited_longest_go_first(to_pacs: Sending) -> None:
    for name in ("b", "a"):
        to_pacs.job("1.1", name=name)
        to_pacs.clock.forward(1)
    assert [parcel.job_name for parcel in to_pacs.claim(limit=1)] == ["b"]


def test_a_job_with_very_many_results_goes_in_several_parcels(
    to_pacs: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "PARCEL", 2)
    to_pacs.job("1.1", "1.2", "1.3")
    assert [[file.path for file in parcel.files] for parcel in to_pacs.claim()] == [["1.1.dcm", "1.2.dcm"], ["1.3.dcm"]]


def test_a_statement_of_the_ledger_names_no_more_rows_than_any_sqlite_takes() -> None:
    assert dispatch.PARCEL < 32766


def test_an_operator_can_have_a_delivery_tried_now_and_from_the_beginning(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1")
    answering(pacs, 0x0110)
    to_pacs.run()
    to_pacs.clock.forward(10)
    assert to_pacs.run() == []
    with to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, to_pacs.deliveries()[0].id, now=to_pacs.clock())
    row = to_pacs.deliveries()[0]
    assert (row.attempts, row.not_before, row.queued_at) == (0, to_pacs.clock(), to_pacs.clock())
    assert to_pacs.run() == [{}]


def test_a_delivery_that_was_given_up_can_be_retried_and_a_delivered_one_cannot(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1")
    pacs.answer = lambda _request: Answer(status=0xC000)
    for wait in (30, 120, 120):
        to_pacs.run()
        to_pacs.clock.forward(wait)
    assert to_pacs.states() == ["given up"]
    number = to_pacs.deliveries()[0].id
    answering(pacs)
    with to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, number, now=to_pacs.clock())
    assert to_pacs.run() == [{}]
    assert to_pacs.states() == ["delivered"]
    with pytest.raises(IllegalTransitionError), to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, number, now=to_pacs.clock())


def test_cancelling_a_collected_job_gives_up_what_is_due_and_sends_no_more(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2")
    with to_pacs.desk.database.write() as connection:
        work.ask_cancel(connection, JobId("job"), now=to_pacs.clock())
    assert to_pacs.states() == ["given up", "given up"]
    assert {row.why for row in to_pacs.deliveries()} == {"cancelled by an operator"}
    assert to_pacs.run() == []
    assert pacs.arrived == []


def test_a_job_that_is_cancelled_while_it_is_sent_stays_given_up(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3")

    def answer(request: StoreRequest) -> Answer:
        if request.sop_instance == "1.2":
            with to_pacs.desk.database.write() as connection:
                work.ask_cancel(connection, JobId("job"), now=to_pacs.clock())
        return Answer(status=0)

    pacs.answer = answer
    (parcel,) = to_pacs.claim()
    with pytest.raises(IllegalTransitionError) as raised:
        to_pacs.send.act(parcel)
    to_pacs.send.failed(parcel, raised.value, to_pacs.clock())
    assert to_pacs.states() == ["delivered", "given up", "given up"]
    assert to_pacs.deliveries()[1].why == "cancelled by an operator"
    assert [one.request.sop_instance for one in pacs.arrived] == ["1.1", "1.2"]


def test_the_lease_of_a_large_parcel_is_kept(to_pacs: Sending) -> None:
    to_pacs.job("1.1")
    parcels = to_pacs.claim()
    to_pacs.clock.forward(50)
    to_pacs.send.renew(parcels, to_pacs.clock() + LEASE)
    to_pacs.clock.forward(50)
    again = SendingTwin(to_pacs)
    assert again.claim() == []
    to_pacs.clock.forward(10)
    assert len(again.claim()) == 1


class SendingTwin(Sending):
    """Another gateway on the same ledger."""

    def __init__(self, other: Sending) -> None:
        super().__init__(other.desk, other.root)
        self.destinations = other.destinations


def test_no_more_associations_are_open_at_once_than_configured() -> None:
    slots, inside, go_on = Slots(), threading.Event(), threading.Event()

    def second() -> None:
        with slots.one(1):
            inside.set()

    waiting = threading.Thread(target=second)
    with slots.one(1):
        waiting.start()
        assert not inside.wait(0.05)
        with slots.one(2):  # the configuration allows more by now
            go_on.set()
    assert inside.wait(WAIT_SECONDS)
    waiting.join()
    assert go_on.is_set()


def test_a_slot_is_free_again_after_an_error() -> None:
    slots = Slots()
    for _ in range(3):
        with pytest.raises(TemporaryError), slots.one(1):
            raise TemporaryError("the peer is gone")


def test_what_failed_together_goes_together_again_whatever_chance_says(to_pacs: Sending, pacs: Pacs) -> None:
    numbers = iter([0.1, 0.9, 0.4, 0.6, 0.2, 0.7])
    to_pacs.send.chance = lambda: next(numbers)
    to_pacs.job("1.1", "1.2", "1.3")
    pacs.answer = lambda _request: Answer(status=0x0110)
    to_pacs.run()
    assert len({row.not_before for row in to_pacs.deliveries()}) == 1
