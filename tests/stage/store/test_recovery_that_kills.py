"""An instance that ends every gateway that reads it does not end every start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hilum.ledger.lease import MAX_BEGUN
from hilum.model import AssociationId, GroupKey, Header
from hilum.store.mark import MARK
from hilum.store.receive import StoreRule
from stage.ledger.reception_desk import Reception
from stage.store.test_recovery import Crashed, info


class Death(BaseException):
    """The process is over; nothing of it catches this."""


class Deadly(Crashed):
    """Reading an instance with one of these UIDs ends the process."""

    deadly: frozenset[str] = frozenset()

    def rule(self, called: str) -> StoreRule:
        rule = super().rule(called)
        key_of = rule.grouping.key_of

        def read(header: Header, association: AssociationId) -> GroupKey:
            if header.sop_instance in self.deadly:
                raise Death
            return key_of(header, association)

        return replace(rule, grouping=replace(rule.grouping, key_of=read))

    def die(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(Death):
                self.start()


@pytest.fixture
def crashed(desk: Reception) -> Deadly:
    return Deadly(desk)


def test_it_is_set_aside_after_three_attempts_and_the_others_are_held(crashed: Deadly, desk: Reception) -> None:
    crashed.folder("1.1", "1.2", "1.3")
    crashed.deadly = frozenset({"1.2"})
    crashed.die(MAX_BEGUN)
    assert crashed.start() == 1
    assert [one.sop_instance for one in desk.rows("instances")] == ["1.1", "1.3"]
    assert desk.row("associations").state == "held"
    kept = f"quarantine/{info().id}-2.dcm"
    assert {kept, f"{kept}.txt"} <= set(crashed.files())
    (line,) = desk.history(event="quarantined")
    assert f"reading it ended the gateway {MAX_BEGUN} times in a row" in line.why
    assert not any(name.endswith(MARK) for name in crashed.files())


def test_a_second_one_gets_its_attempts_too(crashed: Deadly, desk: Reception) -> None:
    crashed.folder("1.1", "1.2", "1.3")
    crashed.deadly = frozenset({"1.1", "1.3"})
    starts = 0
    while not desk.rows("instances"):
        starts += 1
        assert starts < 10
        try:
            crashed.start()
        except Death:
            continue
    assert [one.sop_instance for one in desk.rows("instances")] == ["1.2"]
    assert len(desk.history(event="quarantined")) == 2


def test_who_was_not_read_when_it_ended_is_not_blamed(crashed: Deadly, desk: Reception) -> None:
    """Fewer crashes than that are forgotten: kills of the machine's, perhaps."""
    crashed.folder("1.1", "1.2")
    crashed.deadly = frozenset({"1.2"})
    crashed.die(MAX_BEGUN - 1)
    crashed.deadly = frozenset()
    assert crashed.start() == 1
    assert len(desk.rows("instances")) == 2
    assert desk.history(event="quarantined") == []


def test_another_association_is_recovered_all_the_same(crashed: Deadly, desk: Reception) -> None:
    crashed.folder("1.1", number=1)
    crashed.folder("2.1", number=2)
    crashed.deadly = frozenset({"1.1"})
    crashed.die(MAX_BEGUN)
    crashed.start()
    assert [one.sop_instance for one in desk.rows("instances")] == ["2.1"]


def test_a_start_that_ends_after_the_record_leaves_no_mark(crashed: Deadly) -> None:
    folder = crashed.folder("1.1")
    crashed.start()
    (crashed.spool / "held" / folder.name / MARK).write_text('{"begun": 1, "at": 0}')
    crashed.start()
    assert crashed.files() == [f"held/{folder.name}/1.dcm", f"held/{folder.name}/association.json"]
