"""An operator who accepts a held association is told so only if its files are there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hilum.errors import PermanentError
from hilum.store.worker import HeldStep
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


def test_an_association_whose_time_is_over_cannot_be_accepted_any_more(desk: Reception, clock: MovableClock) -> None:
    held = desk.associate().receive("1.1").abort(retention=60)
    clock.forward(60)
    with pytest.raises(PermanentError, match="it is gone"):
        held.ask_accept()
    assert held.state == "held"


def test_an_association_that_is_being_removed_cannot_be_accepted(desk: Reception, clock: MovableClock) -> None:
    held = desk.associate().receive("1.1").abort(retention=60)
    spool = desk.spool
    assert spool is not None
    step = HeldStep(
        database=desk.database,
        owner="gateway",
        spool=lambda: spool,
        grouping=desk.grouping,
        keep=lambda: timedelta(days=1),
    )
    later = clock.in_(60)
    (claimed,) = step.claim(later, later + timedelta(minutes=1), 1)
    with pytest.raises(PermanentError, match="it is gone"):
        held.ask_accept()  # the command line's clock is a little behind
    step.record(claimed, step.act(claimed), later)  # type: ignore[func-returns-value]
    assert held.state == "removed"
