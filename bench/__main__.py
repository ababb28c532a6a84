"""`make bench`: run everything, write the pages."""

from __future__ import annotations

import sys

from bench import report, session
from bench.cluster import Clusters
from bench.cost import Costs
from bench.disk import Disk
from bench.gateway import Gateways
from bench.growth import Growth
from bench.ledger import Ledgers
from bench.machine import machine, versions
from bench.settings import Settings
from bench.target import TARGETS, judge
from bench.transfer import Transfers
from bench.whole import WholeWay


def main() -> int:
    """Measure, judge, write; 0 whatever the figures are, for a figure is no failure."""
    settings = Settings.of()
    settings.folder.mkdir(parents=True, exist_ok=True)
    session.clear(settings.runs)
    try:
        if sys.argv[1:] == ["growth"]:
            Growth(settings).run()
        elif sys.argv[1:] == ["cost"]:
            Costs(settings).run()
        elif sys.argv[1:] == ["disk"]:
            Disk(settings).run()
        elif sys.argv[1:] == ["cluster"]:
            Clusters(settings).run()
        else:
            _results(settings)
    finally:
        session.clear(settings.runs)
    return 0


def _results(settings: Settings) -> None:
    results = {}
    parts = (Transfers(settings), WholeWay(settings), Gateways(settings), Ledgers(settings))
    for make in (one for part in parts for one in part.loads()):
        load = make()
        results[load.name] = session.run(settings, load)
    run = report.Run(
        rounds=settings.rounds,
        scale=settings.scale,
        machine=machine(settings.folder),
        versions=versions(),
        verdicts=[judge(target, results) for target in TARGETS],
        results=list(results.values()),
    )
    settings.write("results.md", report.page(run))
    (settings.pages / "results.json").write_text(report.data(run))


if __name__ == "__main__":
    sys.exit(main())
