"""The tables of docs/scaling.md: ``python -m scaling.page docs/scaling.md`` prints the page with them."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.ledgers import Files, Ledgers
from harness.postgres import Server
from scaling import model
from scaling.ledger_work import PHASES, Cost, Way, costs, ways
from scaling.statements import Asked

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
_YEARS: Final = (100_000, 1_000_000, 10_000_000, 100_000_000)

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
            server.remove()


def written(page: str, found: Ways) -> str:
    """A page with the tables as they are now."""
    by_phase = {name: costs(some) for name, some in found.items()}
    made = {
        **{f"ledger work, {name}": _table(_ledger_work(by_phase[name], some)) for name, some in found.items()},
        "model": _table(_model(by_phase[POSTGRES])),
    }
    for name, text in made.items():
        page = _put(page, name, text)
    return page


def _put(page: str, name: str, text: str) -> str:
    place = re.compile(
        rf"(?<=<!-- {re.escape(name)}: made by scripts/generate-docs -->\n).*?(?=<!-- end -->)", re.DOTALL
    )
    new, number = place.subn(lambda _old: text, page)
    assert number == 1, f"the page has {number} places for: {name}"
    return new


def _table(rows: Rows) -> str:
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ledger_work(by_phase: Mapping[str, Cost], some: Sequence[Way]) -> Rows:
    remote = any(phase.round_trips for phase in some[0].phases.values())
    columns = ("reads", "notes", "writes", "statements", *(("round_trips",) if remote else ()))
    yield ("", *(name.replace("_", " ") for name in columns), "each instance adds")

    def row(name: str, asked: Asked, more: str) -> Sequence[str]:
        return (name, *(str(getattr(asked, column) or "") for column in columns), more)

    for phase in PHASES:
        yield row(phase, by_phase[phase].once, _more(by_phase[phase].each, remote=remote) or "nothing")
    whole = total(by_phase)
    yield row("**all of it**", whole.once, _more(whole.each, remote=remote))
    yield row("every step looks for work, and there is none", sum(some[0].looks.values(), Asked()), "")


def total(by_phase: Mapping[str, Cost]) -> Cost:
    """The whole way."""
    each, once = Asked(), Asked()
    for cost in by_phase.values():
        each, once = each + cost.each, once + cost.once
    return Cost(once=once, each=each)


def _more(each: Asked, *, remote: bool) -> str:
    parts = {
        "reads": each.reads,
        "notes": each.notes,
        "writes": each.writes,
        "statements": each.statements,
        "round trips": each.round_trips if remote else 0,
        "rows in statements": each.rows,
    }
    return ", ".join(f"{number} {name}" for name, number in parts.items() if number)


def _model(by_phase: Mapping[str, Cost]) -> Rows:
    yield (
        *("studies a year", "studies/s", "instances/s", "MB/s", "gateways", "connections"),
        *("transactions/s", "statements/s", "round trips/s", "syncs/s", "stored a day"),
    )
    rate = model.measured_rate()
    for studies in _YEARS:
        need = model.need(studies, total(by_phase), rate)
        rates = (need.transactions, need.statements, need.round_trips, need.syncs)
        yield (
            f"{studies:,}",
            f"{need.studies:.2f}",
            f"{need.instances:,.0f}",
            f"{need.bytes / 1e6:,.0f}",
            f"{need.gateways:,}",
            f"{need.connections:,}",
            *(f"{rate:,.0f}" for rate in rates),
            f"{need.stored / 1e12:,.2f} TB",
        )


if __name__ == "__main__":
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    sys.stdout.write(written(page, measured()))
