"""Renders docs/spec-trace.md: which test checks which sentence of the specification.

``scripts/generate-docs`` writes it anew.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from spec.sentences import SECTIONS, SENTENCES, Sentence

_HERE = Path(__file__).parent

_INTRODUCTION = """\
# The specification, sentence by sentence

Hilum takes over the job of NVIDIA's Clara DICOM Adapter, whose documentation is the contract of its face. This page
tells what that documentation says, in our words and its order, which test in `tests/spec` checks it, and where Hilum
deliberately does otherwise or goes further. What no test can check says why.

<!-- Generated from tests/spec by scripts/generate-docs -->
"""


def checks_by_sentence() -> Mapping[str, list[str]]:
    """The tests of each sentence as ``file::name``, in the order of the files and of the tests in them."""
    found: dict[str, list[str]] = {id_: [] for id_ in SENTENCES}
    for name, ids in marked_tests().items():
        for one in ids:
            found[one].append(name)
    return found


def marked_tests() -> Mapping[str, tuple[str, ...]]:
    """Every test of this folder as ``file::name``, with the sentences that it checks."""
    return {
        f"{path.name}::{name}": getattr(test, "sentences", ())
        for path in sorted(_HERE.glob("test_*.py"))
        for name, test in vars(importlib.import_module(f"spec.{path.stem}")).items()
        if name.startswith("test_")
    }


def trace() -> str:
    """The whole page, as Markdown."""
    tests = checks_by_sentence()
    lines = [_INTRODUCTION]
    for title, sentences in SECTIONS.items():
        lines += [f"## {title}", "", "| the specification says | checked by | Hilum |", "|---|---|---|"]
        lines += [_row(one, tests[id_]) for id_, one in sentences.items()]
        lines.append("")
    return "\n".join(lines)


def _row(one: Sentence, tests: list[str]) -> str:
    checked = "<br>".join(f"`{test}`" for test in tests) or f"not applicable: {one.untestable}"
    return f"| {one.says} | {checked} | {one.differs} |"


if __name__ == "__main__":
    sys.stdout.write(trace())
