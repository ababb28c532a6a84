"""Runs the battery on several storage SCPs and writes a table into a page: ``python -m battery.compare PAGE``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from battery.scps import CALLING, TIMERS, Scp, every_scp
from hilum.battery import CHECKS, ELSEWHERE, Conforms, Deviates, NotObservable, Outcome, Verdict, run

BEGIN: Final = "<!-- Made by `make interoperability`: begin -->"
END: Final = "<!-- Made by `make interoperability`: end -->"

Outcomes = Mapping[str, Sequence[Outcome]]


def main() -> None:
    page = Path(sys.argv[1])
    scps = every_scp()
    with tempfile.TemporaryDirectory(prefix="hilum-compare-") as folder:
        outcomes = {scp.name: _battery(scp, Path(folder) / scp.name) for scp in scps}
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{_report(scps, outcomes)}{END}{after}", encoding="utf-8")
    print(f"wrote {page}")
    if any(isinstance(one.verdict, Deviates) for one in outcomes[scps[0].name]):
        raise SystemExit(f"{scps[0].name} deviates: see {page}")


def _battery(scp: Scp, folder: Path) -> Sequence[Outcome]:
    with scp.target(folder) as target:
        outcomes = run(target)
    print(
        f"{scp.name} {scp.version}: {_deviations(outcomes)} deviations in {sum(one.seconds for one in outcomes):.0f} s"
    )
    return outcomes


def _deviations(outcomes: Sequence[Outcome]) -> int:
    return sum(isinstance(one.verdict, Deviates) for one in outcomes)


def _report(scps: Sequence[Scp], outcomes: Outcomes) -> str:
    lines = [
        "",
        f"Run on {datetime.now(UTC):%Y-%m-%d}, all peers on the loopback of one machine.",
        "",
        *_table(("peer", "version", "started as"), [(one.name, one.version, f"`{one.told}`") for one in scps]),
        "",
        f"The battery calls itself {CALLING}; timers may take {3 * TIMERS} s to run out. Not in it: "
        + "; ".join(f"{number} ({why})" for number, why in ELSEWHERE.items())
        + ".",
        "",
        *_table(("", "the peer must see to it that", "source", *outcomes), _rows(outcomes)),
        "",
        "### Deviations in detail",
        "",
        *_table(("", "peer", "tried", "found", "expected"), _details(outcomes)),
        "",
        "### Not observable",
        "",
        *_table(("", "peer", "because"), _unseen(outcomes)),
        "",
    ]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _rows(outcomes: Outcomes) -> list[list[str]]:
    rows = [
        [str(check.number), check.title, check.source, *(cell(column[at].verdict) for column in outcomes.values())]
        for at, check in enumerate(CHECKS)
    ]
    return [*rows, ["", "**deviations**", "", *(str(_deviations(column)) for column in outcomes.values())]]


def cell(verdict: Verdict) -> str:
    match verdict:
        case Conforms(found):
            return found or "ok"
        case Deviates(found):
            return f"**{found}**"
        case NotObservable():
            return "-"


def _details(outcomes: Outcomes) -> list[list[str]]:
    return [
        [str(one.check.number), name, one.verdict.case, one.verdict.found, f"`{one.verdict.expected}`"]
        for at in range(len(CHECKS))
        for name, column in outcomes.items()
        if isinstance((one := column[at]).verdict, Deviates)
    ]


def _unseen(outcomes: Outcomes) -> list[list[str]]:
    return [
        [str(one.check.number), name, one.verdict.why]
        for at in range(len(CHECKS))
        for name, column in outcomes.items()
        if isinstance((one := column[at]).verdict, NotObservable)
    ]


if __name__ == "__main__":
    main()
