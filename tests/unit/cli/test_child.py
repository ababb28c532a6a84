from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hilum.cli.child import Child, ChildError, wait_for

MINUTE = timedelta(minutes=1)


def test_a_child_that_ends_too_early_is_reported_with_what_it_said(tmp_path: Path) -> None:
    says = "the gateway ended with status 2 while waiting for it"
    with (
        Child("the gateway", ("nonsense",), tmp_path / "log") as child,
        pytest.raises(ChildError, match=says) as caught,
    ):
        wait_for("it", lambda: None, [child], MINUTE)
    assert "No such command" in str(caught.value)


def test_what_does_not_come_in_time_is_reported_and_the_child_is_ended(tmp_path: Path) -> None:
    with Child("the PACS", ("receive", "0", "--host", "127.0.0.1"), tmp_path / "log") as child:
        assert wait_for("words", lambda: child.said() or None, [child], MINUTE).startswith("Listening")
        with pytest.raises(ChildError, match="waited 0 s in vain for the moon"):
            wait_for("the moon", lambda: None, [child], timedelta())
        assert child.ended is None
    assert child.ended == 0
    assert child.stop() == 0
