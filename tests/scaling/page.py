"""The tables of docs/scaling.md: ``python -m scaling.page docs/scaling.md`` prints the page with them."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from bench.shares import table

from harness.ledgers import Files, Ledgers
from harness.postgres import Server
from hilum import words
from scaling import model
from scaling.ledger_work import PHASES, Cost, Way, costs, idle_minute, total, ways
from scaling.model import Model, Need
from scaling.points import Checked, checked
from scaling.statements import Asked

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
_YEARS: Final = (100_000, 1_000_000, 10_000_000, 100_000_000)
_GATEWAYS: Final = (1, 2, 3, 10, 100)

Rows = Iterator[Sequence[str]]
Ways = Mapping[str, list[Way]]


def measured() -> Ways:
    """By the name of the database."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server()
        try:
            databases: dict[str, Ledgers] = {SQLITE: Files(folder), POSTGRES: server}
            return {kind: ways(ledgers, folder / kind) for kind, ledgers in databases.items()}
        finally:
            server.discard()


def written(page: str, found: Ways) -> str:
    """A page with the tables as they are now."""
    by_phase = {name: costs(some) for name, some in found.items()}
    made = {
        **{f"ledger work, {name}": table(_ledger_work(by_phase[name], some)) for name, some in found.items()},
        "several gateways": table(_points(checked(by_phase[POSTGRES], idle_minute(found[POSTGRES][0])))),
        "studies": table(_studies(_model(by_phase[POSTGRES], found[POSTGRES]))),
        "gateways": table(_gateways(_model(by_phase[POSTGRES], found[POSTGRES]))),
    }
    for name, text in made.items():
        page = _put(page, name, text)
    return page


def _put(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name}: made by scripts/generate-docs -->\n", "<!-- end -->"
    place = re.compile(f"{re.escape(begin)}.*?{end}", re.DOTALL)
    new, number = place.subn(lambda _old: f"{begin}{text}{end}", page)
    assert number == 1, f"the page has {number} places for: {name}"
    return new


def _ledger_work(by_phase: Mapping[str, Cost], some: Sequence[Way]) -> Rows:
    remote = any(phase.round_trips for phase in some[0].phases.values())
    columns = ("reads", "notes", "writes", "statements", *(("round_trips",) if remote else ()))
    yield ("", *(name.replace("_", " ") for name in columns), "each instance adds")

    def row(name: str, asked: Asked, more: str, over: int = 1) -> Sequence[str]:
        numbers = (getattr(asked, column) / over for column in columns)
        return (name, *(f"{number:.{1 if over > 1 else 0}f}" if number else "" for number in numbers), more)

    for phase in PHASES:
        yield row(phase, by_phase[phase].once, _more(by_phase[phase].each, remote=remote) or "nothing")
    whole = total(by_phase)
    yield row("**all of it**", whole.once, _more(whole.each, remote=remote))
    yield row("a gateway without work, in a second", idle_minute(some[0]), "", over=60)


def _more(each: Asked, *, remote: bool) -> str:
    parts = {
        "read": each.reads,
        "note": each.notes,
        "write": each.writes,
        "statement": each.statements,
        "round trip": each.round_trips if remote else 0,
        "row": each.rows,
    }
    return ", ".join(words.count(number, name) for name, number in parts.items() if number)


def _points(some: Sequence[Checked]) -> Rows:
    yield (
        *("ledger", "gateways", "instances of", "instances/s", "MB/s", "processor, ms each", "processors busy"),
        *("transactions", "model", "syncs", "model"),
    )
    for one in some:
        point = one.point
        asked = ["", "", "", ""]
        if point.counted:
            pairs = (point.counted["transactions"], one.transactions, point.counted["syncs"], one.syncs)
            asked = [f"{number:.1f}" for number in pairs]
        yield (
            *(*point.setup, f"{point.rates[1]:,.0f}", f"{point.megabytes:,.0f}"),
            *(f"{1000 * sum(point.processor.values()):.2f}", f"{100 * one.busy:.0f} %"),
            *asked,
        )


def _model(by_phase: Mapping[str, Cost], some: Sequence[Way]) -> Model:
    return Model(cost=total(by_phase), idle_minute=idle_minute(some[0]), rate=model.measured_rate())


def _studies(of: Model) -> Rows:
    yield ("studies a year", "gateways", "studies/s", *_NEEDED, "stored a day")
    for studies in _YEARS:
        need = of.for_studies(studies)
        stored = f"{model.stored_a_day(studies) / 1e12:,.2f} TB"
        yield (f"{studies:,}", f"{need.gateways:,}", f"{need.studies:.2f}", *_needed(need), stored)


def _gateways(of: Model) -> Rows:
    yield ("gateways", "studies a year", *_NEEDED)
    for gateways in _GATEWAYS:
        need = of.for_gateways(gateways)
        year = need.studies * model.YEAR_OF_A_PEAK
        yield (f"{gateways:,}", f"{year / 1e6:,.0f} million", *_needed(need))


_NEEDED: Final = ("connections", "instances/s", "MB/s", "transactions/s", "statements/s", "round trips/s", "syncs/s")


def _needed(need: Need) -> Sequence[str]:
    asked = (need.transactions, need.statements, need.round_trips)
    return (
        f"{need.connections:,}",
        f"{need.instances:,.0f}",
        f"{need.bytes / 1e6:,.0f}",
        *(f"{number:,.0f}" for number in asked),
        f"{need.syncs:,.1f}",
    )


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # the page is the output
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    sys.stdout.write(written(page, measured()))
