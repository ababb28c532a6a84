"""The names of events are a promise: docs/log.md has each of them, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from hilum.ledger.transition import _MACHINES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "log.md"
_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}

#: The events of what has a state, by what the log calls it.
MACHINES: Mapping[str, set[StrEnum]] = {
    machine: {event for _, event in transitions} for machine, _, transitions in _MACHINES.values()
}


def logged() -> Iterator[str]:
    """Every name that a call in the source has, and those of the transitions."""
    for path in (ROOT / "src" / "hilum").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
                called, given = node.func.value, node.args
                if isinstance(called, ast.Name) and called.id == "_log":
                    assert isinstance(given[0], ast.Constant), f"{path}:{node.lineno}: the name is not fixed"
                    yield str(given[0].value)
    for machine, events in MACHINES.items():
        yield from (f"{machine}.{event.replace(' ', '_')}" for event in events)


def documented() -> list[str]:
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([a-z]+\.[a-z_]+)`", row)]


def test_every_event_is_on_the_page_and_every_event_of_the_page_exists() -> None:
    assert sorted(documented()) == sorted(set(logged()))


def test_names_are_of_one_form() -> None:
    for name in logged():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", name), name
