"""What an inspection does about what it found: rows are set right, leftovers are moved aside. Nothing is removed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import assert_never

from sqlalchemy import Connection

from hilum.errors import TemporaryError
from hilum.fsck.finding import Expire, Finding, Place, PutAside, Spooled
from hilum.ledger import audit
from hilum.ledger.database import Database
from hilum.ledger.transition import note
from hilum.store.folders import put_aside


def mend(database: Database, findings: Sequence[Finding], now: datetime, *, move: bool) -> Sequence[Finding]:
    """Do what each finding names as its repair, and write a line of history for each.

    What cannot be mended is told in the history once.

    Args:
        move: Also move leftovers into quarantine; otherwise only rows are set right.

    Returns:
        The findings as they are now.
    """
    mended: list[Finding] = []
    for finding in findings:
        if isinstance(finding.repair, PutAside):
            mended.append(_put_aside(finding, finding.repair) if move else finding)
        else:
            mended.append(finding if finding.repair is None else replace(finding, repaired=True))
    with database.write() as connection:
        for finding in mended:
            if finding.repaired and finding.repair is not None:
                _set_right(connection, finding.repair, now)
        _tell(connection, mended, now)
    return mended


def _put_aside(finding: Finding, repair: PutAside) -> Finding:
    parent = Path(repair.quarantine)
    why = f"{finding.kind}: {finding.subject}: found {finding.found}; expected {finding.expected}"
    try:
        kept = put_aside(Path(repair.path), parent, _free(parent, repair.name), _printable(why))
    except TemporaryError as error:
        return replace(finding, remedy=f"it could not be moved aside: {error}; try again")
    return replace(finding, remedy=f"it was moved to {kept}, with the reason beside it", repaired=True)


def _free(parent: Path, name: str) -> str:
    """The name, or the first with a number behind it that nothing has."""
    taken, number = name, 1
    while os.path.lexists(parent / taken) or os.path.lexists(parent / f"{taken}.txt"):
        number += 1
        taken = f"{name}-{number}"
    return taken


def _set_right(connection: Connection, repair: Spooled | Place | Expire | PutAside, now: datetime) -> None:
    match repair:
        case Spooled(association=association, there=there):
            audit.set_spooled(connection, association, there)
        case Place(association=association, folder=folder):
            audit.set_folder(connection, association, folder)
        case Expire(job=job):
            audit.let_expire(connection, job, now)
        case PutAside():
            pass  # the ledger knows nothing of it
        case never:
            assert_never(never)


def _tell(connection: Connection, findings: Sequence[Finding], now: datetime) -> None:
    """A line for each, but for what is left as it was only one however often it is found."""
    left = defaultdict(set)
    for finding in findings:
        if not finding.repaired:
            left[finding.machine, str(finding.kind)].add(_printable(finding.subject))
    known = {key: audit.told(connection, key[0], subjects, key[1]) for key, subjects in left.items()}
    for finding in findings:
        subject = _printable(finding.subject)
        if not finding.repaired and subject in known[finding.machine, str(finding.kind)]:
            continue
        why = f"found {finding.found}; expected {finding.expected}; {finding.means}"
        event = str(finding.kind)
        note(
            connection, finding.machine, subject, event, now=now, why=_printable(why), remedy=_printable(finding.remedy)
        )


def _printable(text: str) -> str:
    """Names of files may be anything, bytes that are no text among it."""
    return text if text.isprintable() else ascii(text)[1:-1]
