from __future__ import annotations

import pytest

from hilum import states
from hilum.cli.exit import UsageError
from hilum.cli.filters import one_of


@pytest.mark.parametrize("text", ["given up", "given-up", "given_up", " Given-Up "])
def test_a_state_is_understood_however_its_words_are_joined(text: str) -> None:
    assert one_of(states.Delivery, text) is states.Delivery.GIVEN_UP


def test_an_unknown_state_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no state of a delivery; expected due, delivered or given-up"):
        one_of(states.Delivery, "lost")
