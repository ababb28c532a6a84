from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hilum.doctor.check import Check, Grade
from hilum.doctor.manners import name_lookup, sender
from hilum.ledger.senders import Behaviour, SenderKey
from hilum.observe.durations import Durations

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
KEY = SenderKey(calling="CT1", called="HILUM", host="10.0.0.5")


def waits(*seconds: float) -> Durations:
    found = Durations()
    for one in seconds:
        found.add(int(one * 1e9))
    return found


def seen(**more: object) -> Behaviour:
    values = {
        "implementation": "OFFIS",
        "last_at": NOW,
        "associations": 1,
        "instances": 100,
        "bytes": 100 * 500_000,
        "pdus": 100 * 9 + 2,
        "seconds": 2.0,
        "pauses": waits(*[0.002] * 100),
    }
    return Behaviour(**(values | more))  # type: ignore[arg-type]


def judge(behaviour: Behaviour) -> list[Check]:
    return list(sender(KEY, behaviour, our_pdu=131072))


def test_a_sender_that_is_well_is_told_in_one_line() -> None:
    [check] = judge(seen())
    assert check.grade is Grade.OK
    assert check.subject == "CT1 (10.0.0.5) to HILUM"
    assert check.found == "1 association, 100 instances, 25.0 MB/s; 2 ms idle per request; OFFIS"


def test_a_delayed_acknowledgement_has_its_pattern() -> None:
    [check] = judge(seen(stalls=waits(*[0.041] * 90)))
    assert "it stalled 90 times for about 40 ms in the middle of its requests (90% of its instances)" in check.found
    assert "TCP_NODELAY" in check.remedy
    [check] = judge(seen(pauses=waits(*[0.2] * 60, *[0.001] * 40), seconds=60.0))
    assert "about 200 ms between its requests" in check.found


def test_a_few_long_waits_are_no_pattern() -> None:
    [check] = judge(seen(stalls=waits(*[0.041] * 4)))
    assert check.grade is Grade.OK


def test_short_pdus_are_told_only_of_large_instances() -> None:
    [check] = judge(seen(pdus=100 * 125 + 2))
    assert check.found.startswith("its PDUs have 4.0 kB on average, although we take 131 kB")
    [check] = judge(seen(bytes=100 * 2000, pdus=100 * 2 + 2))
    assert check.grade is Grade.OK


def test_refused_contexts_are_named() -> None:
    [check] = judge(seen(refused=Counter({"1.2.840.10008.5.1.4.1.2.2.1": 3})))
    assert "(3 times)" in check.found
    assert "Query/Retrieve" in check.remedy


def test_a_sender_that_keeps_us_waiting() -> None:
    [check] = judge(seen(pauses=waits(*[0.3] * 100), seconds=40.0))
    assert "300 ms pass from each answer of ours to its next request: 75% of the time" in check.found


def test_one_association_for_each_instance_and_many_that_break() -> None:
    checks = judge(seen(associations=100, broken=40, pdus=100 * 11))
    assert [check.found for check in checks] == [
        "100 instances came over 100 associations",
        "40 of 100 associations were not released",
    ]


def test_a_slow_name_service_is_ours() -> None:
    assert name_lookup("10.0.0.5", 0.01, found=True).grade is Grade.OK
    slow = name_lookup("10.0.0.5", 5.0, found=False)
    assert slow.grade is Grade.LOOK
    assert slow.found == "no name after 5 s"
    assert "Hilum does not need it" in slow.remedy
