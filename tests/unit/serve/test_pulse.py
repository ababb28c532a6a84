"""When the watchdog is fed."""

from __future__ import annotations

from datetime import timedelta

from hilum.serve.pulse import hanging


def test_what_has_not_turned_for_too_long_hangs() -> None:
    turns = {"group": 100.0, "listener": 91.0, "deliver": 89.9}
    assert hanging(turns, 101.0, timedelta(seconds=10)) == ["deliver"]
    assert hanging(turns, 101.0, timedelta(seconds=20)) == []
