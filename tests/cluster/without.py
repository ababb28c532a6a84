"""Takes out of a gateway, in its process, what keeps gateways apart: for the test of the test, which has to see it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import true

from hilum.ledger import lease
from hilum.serve import process
from hilum.serve.takeover import Lookout


def take_out(what: str) -> None:
    """``leases``: what another one has claimed counts as free. ``life``: everybody else counts as dead, and goes on."""
    match what:
        case "leases":
            _replace(lease.unleased, lambda _table, _now: true())
        case "life":
            Lookout.dead = _all_dead  # type: ignore[method-assign]
            _replace(process._end_fenced, lambda _why: None)
        case _:
            raise ValueError(what)


def _all_dead(lookout: Lookout, rows: Sequence[Any]) -> Sequence[tuple[Any, str]]:
    return [(row, "a test says so") for row in rows if row.state == "running" and row.id != lookout.me.id]


def _replace(old: object, new: object) -> None:
    """Wherever a module knows it by a name of its own."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "hilum":
            for known, value in list(vars(module).items()):
                if value is old:
                    setattr(module, known, new)
