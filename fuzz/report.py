"""docs/fuzzing.md: what a campaign did and found."""

from __future__ import annotations

import ast
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from fuzz.campaign import Tally
from fuzz.targets import TARGETS

ROOT: Final = Path(__file__).resolve().parent.parent
_REGRESSIONS: Final = ROOT / "tests/fuzz/test_regressions.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One run over all targets.

    Attributes:
        seconds: From beginning to end, on the wall.
        tallies: By name of the target.
    """

    day: date
    seed: int
    processes: int
    seconds: float
    tallies: Mapping[str, Tally]


def page(campaign: Campaign) -> str:
    """The whole page."""
    return "\n".join(_lines(campaign)) + "\n"


def _lines(campaign: Campaign) -> Iterator[str]:
    executions = sum(tally.executions for tally in campaign.tallies.values())
    yield "# Fuzzing"
    yield ""
    yield "Written by `make fuzz`; how it works is told in [fuzz/README.md](../fuzz/README.md)."
    yield ""
    yield (
        f"On {campaign.day:%Y-%m-%d}: {executions:,} executions in {campaign.seconds / 60:.1f} minutes, "
        f"{campaign.processes} processes, Python {platform.python_version()}, seed {campaign.seed}."
    )
    yield ""
    yield "| Target | Reads | Corpus | Executions | Per second and process | Crashes |"
    yield "|:---|:---|---:|---:|---:|---:|"
    for name, tally in campaign.tallies.items():
        target = TARGETS[name]
        rate = tally.executions / tally.seconds if tally.seconds else 0
        row = (f"`{name}`", target.about, len(target.corpus), f"{tally.executions:,}", f"{rate:,.0f}")
        yield f"| {' | '.join(map(str, row))} | {len(tally.crashes)} |"
    yield ""
    yield "A crash is anything that is raised and not allowed, or a broken promise; each line below is one cause."
    yield ""
    crashes = [crash for tally in campaign.tallies.values() for crash in tally.crashes.values()]
    yield "## Crashes of this run"
    yield ""
    yield from (f"- `{crash.target}`: {crash.where}, {len(crash.data)} bytes" for crash in crashes)
    if not crashes:
        yield "None."
    yield ""
    yield "## Found by fuzzing so far"
    yield ""
    yield "Each is fixed and kept in `tests/fuzz/test_regressions.py`:"
    yield ""
    yield from (f"- {sentence}" for sentence in _regressions())


def _regressions() -> Iterator[str]:
    for node in ast.parse(_REGRESSIONS.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            sentence = node.name.removeprefix("test_").replace("_", " ")
            told = ast.get_docstring(node)
            yield f"{sentence}: {told}" if told else sentence
