"""Which files of a job's output are results, judged by what was found out about them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hilum.model import Uid

#: Files of the contract between Hilum and a workflow, directly in ``output/``: neither results nor worth a line.
OURS: Final = frozenset({"job.done", "job.error"})

#: Every file below ``output/``: its path to its size and the time of its last change in nanoseconds.
Snapshot = Mapping[str, tuple[int, int]]


def settled(before: Snapshot | None, after: Snapshot) -> bool:
    """Whether two looks, one scan apart, found the same: ``job.done`` can be there before the last result is whole."""
    return before is not None and before == after


def refuse_uids(sop_class: str, sop_instance: str) -> str | None:
    """Why a result with these UIDs cannot be sent, or ``None``: C-STORE needs both, well formed.

    Source: PS3.7 9.1.1.
    """
    for name, text in (("SOP Class UID", sop_class), ("SOP Instance UID", sop_instance)):
        try:
            Uid(text)
        except ValueError as error:
            return f"its {name} cannot be sent: {error}"
    return None
