"""A workflow that leaves a line of each run, and what these lines say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

#: Its working folder is the job's; the number of its attempt is that of the last folder below ``run/``. One ``write``
#: of a short line is never torn apart by another one's.
_COMMAND: Final = (
    'for run in run/*; do :; done; echo "$HILUM_JOB_ID ${{run#run/}}" >> {lines}; {pause}'
    ' cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/'
)


def engine(lines: Path, *, seconds: float = 0) -> Mapping[str, Any]:
    """The entry of ``engines``.

    Args:
        lines: The file that gets a line of each run.
        seconds: How long a run takes at least.
    """
    pause = f"sleep {seconds:g};" if seconds else ""
    command = ["sh", "-c", _COMMAND.format(lines=lines, pause=pause)]
    return {"type": "process", "command": command, "attempts": 5, "max-jobs": 4, "timeout": 600}


def read(lines: Path) -> Counter[tuple[str, int]]:
    """How often the command was started, by job and attempt."""
    if not lines.exists():
        return Counter()
    split = (line.split() for line in lines.read_text().splitlines())
    return Counter((job, int(attempt)) for job, attempt in split)


def twice(found: Mapping[tuple[str, int], int]) -> list[str]:
    """Runs that one attempt had too many."""
    return [f"{job}: attempt {attempt} was run {times} times" for (job, attempt), times in found.items() if times > 1]


def unexplained(found: Collection[tuple[str, int]], failures: Mapping[str, int]) -> list[str]:
    """Attempts although nothing was recorded of one before.

    Args:
        found: Attempts that were run.
        failures: How many attempts of a job the ledger says have failed.
    """
    return [
        f"{job}: attempt {attempt} was run, and {failures.get(job, 0)} had failed"
        for job, attempt in found
        if attempt > failures.get(job, 0) + 1
    ]
