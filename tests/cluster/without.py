"""Takes out of a gateway, in its process, what keeps gateways apart: for the test of the test, which has to see it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import true

from hilum.ledger import transition


def take_out(what: str) -> None:
    """``leases``: what another one has claimed counts as free. ``fences``: what was lost is recorded all the same."""
    match what:
        case "leases":
            _replace(transition.unleased, lambda _table, _now: true())
        case "fences":
            _replace(transition.apply, _unfenced(transition.apply))
            _replace(transition._held, lambda table, lease: table.c.id == lease.id)
        case _:
            raise ValueError(what)


def _unfenced(original: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*arguments: Any, fence: int | None = None, **values: Any) -> Any:
        return original(*arguments, **values)

    return apply


def _replace(old: object, new: object) -> None:
    """Wherever a module knows it by a name of its own."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "hilum":
            for known, value in list(vars(module).items()):
                if value is old:
                    setattr(module, known, new)
