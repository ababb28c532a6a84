"""A configuration that makes Hilum itself fail is refused like any other bad one: what works goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.site import Site
from hilum import config


def test_a_fault_while_reloading_is_reported_and_changes_nothing(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_site() as site:

        def fail(*_: object) -> config.Settings:
            raise RecursionError("a bug")

        monkeypatch.setattr(config, "load", fail)
        assert site.gateway is not None
        assert site.gateway.reload().problems
        (line,) = site.history(machine="config")
        assert (line.event, line.why) == ("refused", "RecursionError: see the log")
