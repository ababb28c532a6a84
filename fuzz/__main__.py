"""``python -m fuzz``: all targets for ``FUZZ_EXECUTIONS`` with ``FUZZ_SEED``, then the page in docs/."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256

from fuzz import campaign
from fuzz.report import ROOT, Campaign, page
from fuzz.targets import TARGETS

#: What a crash left behind, to be looked at and made a regression test.
_CRASHES = ROOT / "build" / "fuzz"


def main() -> int:
    """Run; 1 if anything crashed."""
    executions = int(os.environ.get("FUZZ_EXECUTIONS", "10000000"))
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    processes = min(2, os.cpu_count() or 1)
    tallies = {name: campaign.Tally() for name in TARGETS}
    begun, told = time.perf_counter(), 0.0
    for target, tally in campaign.run(executions, seed, processes):
        for crash in tally.crashes.values():
            if crash.where not in tallies[target.name].crashes:
                print(f"{target.name}: {crash.where}", flush=True)
        tallies[target.name].add(tally)
        seconds = time.perf_counter() - begun
        if seconds - told > 10:
            told = seconds
            print(f"{sum(tally.executions for tally in tallies.values()):,} after {seconds:.0f} s", flush=True)
    done = Campaign(
        day=datetime.now(UTC).date(),
        seed=seed,
        processes=processes,
        seconds=time.perf_counter() - begun,
        tallies=tallies,
    )
    crashes = [crash for tally in tallies.values() for crash in tally.crashes.values()]
    for crash in crashes:
        _CRASHES.mkdir(parents=True, exist_ok=True)
        file = _CRASHES / f"{crash.target}-{sha256(crash.where.encode()).hexdigest()[:12]}"
        file.write_bytes(crash.data)
        print(f"{crash.where}: saved as {file.relative_to(ROOT)}")
    target_page = ROOT / "docs" / "fuzzing.md"
    target_page.write_text(page(done), encoding="utf-8")
    print(f"wrote {target_page.relative_to(ROOT)}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
