"""``timeout: 0``: each association is grouped by itself, at its release."""

from __future__ import annotations

import pytest

from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


def test_an_association_is_a_group_of_its_own(desk: Reception) -> None:
    desk.send("1.1", "1.2")
    desk.send("1.3")
    assert desk.groups() == [
        {"ae": "SCP", "key": "", "state": "closed", "uids": ["1.1", "1.2"]},
        {"ae": "SCP", "key": "", "state": "closed", "uids": ["1.3"]},
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (GroupKind.ASSOCIATION, {"": ["1.1", "1.2", "1.3", "1.4"]}),
        (GroupKind.PATIENT, {"A": ["1.1", "1.2", "1.3"], "B": ["1.4"]}),
        (GroupKind.STUDY, {"2.1": ["1.1", "1.2"], "2.2": ["1.3"], "2.3": ["1.4"]}),
        (GroupKind.SERIES, {"2.1.1": ["1.1"], "2.1.2": ["1.2"], "2.2.1": ["1.3"], "2.3.1": ["1.4"]}),
    ],
)
def test_at_release_there_is_a_group_for_each_value_in_the_association(
    desk: Reception, kind: GroupKind, expected: dict[str, list[str]]
) -> None:
    desk.rule("SCP", kind)
    association = desk.associate()
    association.receive("1.1", patient="A", study="2.1", series="2.1.1")
    association.receive("1.2", patient="A", study="2.1", series="2.1.2")
    association.receive("1.3", patient="A", study="2.2", series="2.2.1")
    association.receive("1.4", patient="B", study="2.3", series="2.3.1")
    assert desk.groups() == []  # nothing before the release
    association.release()
    assert {group["key"]: group["uids"] for group in desk.groups(state="closed")} == expected
    assert len(desk.groups()) == len(expected)


@pytest.mark.parametrize("kind", list(GroupKind))
def test_the_same_values_in_two_associations_do_not_meet(desk: Reception, kind: GroupKind) -> None:
    desk.rule("SCP", kind)
    desk.send("1.1")
    desk.send("1.1")
    assert [group["uids"] for group in desk.groups()] == [["1.1"], ["1.1"]]


@pytest.mark.parametrize("kind", [GroupKind.PATIENT, GroupKind.STUDY, GroupKind.SERIES])
def test_instances_without_the_attribute_get_a_group_of_their_own_and_a_line_of_history(
    desk: Reception, kind: GroupKind
) -> None:
    desk.rule("SCP", kind)
    association = desk.associate()
    association.receive("1.1", patient="", study="", series="")
    association.receive("1.2", patient="A", study="2.1", series="2.1.1")
    association.receive("1.3", patient="", study="", series="")
    association.release()
    assert sorted(group["uids"] for group in desk.groups(state="closed")) == [["1.1", "1.3"], ["1.2"]]
    (line,) = desk.history(event="without key")
    assert (line.machine, line.subject) == ("group", str(desk.row("groups", key="").id))
    assert line.why.startswith("2 instances have no ")
    assert line.remedy


def test_an_association_needs_no_attribute_to_be_a_group(desk: Reception) -> None:
    desk.send("1.1", patient="", study="", series="")
    assert len(desk.groups(state="closed")) == 1
    assert desk.history(event="without key") == []


def test_a_group_says_what_it_has_and_where_it_is_from(desk: Reception, clock: MovableClock) -> None:
    association = desk.associate()
    first = clock()
    association.receive("1.1", content="four")
    last = clock.forward(5)
    association.receive("1.2", content="twelve bytes")
    released = clock.forward(5)
    association.release()
    row = desk.row("groups")
    assert (row.instances, row.bytes, row.calling, row.host) == (2, 16, "SCANNER", "10.0.0.5")
    assert (row.opened_at, row.last_received_at, row.closed_at) == (first, last, released)


def test_of_a_repeated_uid_in_one_association_the_first_stays(desk: Reception) -> None:
    desk.associate().receive("1.1", content="first").receive("1.2").receive("1.1", content="the second").release()
    assert desk.fates() == [("1.1", "grouped"), ("1.2", "grouped"), ("1.1", "duplicate")]
    row = desk.row("groups")
    assert row.instances == 2
    assert row.bytes == len("first") + desk.rows("instances", sop_instance="1.2")[0].size
    (line,) = desk.history(event="duplicate")
    assert (line.machine, line.subject) == ("instance", "1.1")
    assert "the first one counts" in line.why
    assert "overwrite-same-instance of SCP" in line.remedy


def test_of_a_repeated_uid_in_one_association_the_last_wins_if_overwriting(desk: Reception) -> None:
    desk.rule("SCP", overwrite=True)
    desk.associate().receive("1.1", content="first").receive("1.2").receive("1.1", content="the second").release()
    assert desk.fates() == [("1.1", "replaced"), ("1.2", "grouped"), ("1.1", "grouped")]
    row = desk.row("groups")
    assert row.instances == 2
    assert row.bytes == len("the second") + desk.rows("instances", sop_instance="1.2")[0].size
    (line,) = desk.history(event="replaced")
    assert (line.machine, line.subject) == ("instance", "1.1")
    assert "the last one counts" in line.why


def test_the_same_study_to_two_ae_titles_makes_two_groups(desk: Reception) -> None:
    desk.send("1.1", ae="ONE")
    desk.send("1.1", ae="TWO")
    assert [(group["ae"], group["uids"]) for group in desk.groups()] == [("ONE", ["1.1"]), ("TWO", ["1.1"])]
    assert desk.history(event="duplicate") == []
