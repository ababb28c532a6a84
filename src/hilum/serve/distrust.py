"""That the last gateway ended because its ledger could not be trusted any more, for the next one to tell.

It stands in a file beside the ledger, since the ledger is what nothing more may be written to. If that disk does not
take the file either, the log alone has it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from hilum.ledger.database import Database
from hilum.ledger.transition import note

_SUFFIX: Final = ".distrusted"
#: Far more than a reason has.
_LONGEST: Final = 2000


def leave(ledger: Path, why: str) -> None:
    """Say it to the next start; never raises."""
    with suppress(OSError):
        _mark(ledger).write_text(why[:_LONGEST], encoding="utf-8")


def tell(database: Database, owner: str, now: datetime) -> None:
    """Write what the last gateway left into the history. A crash in between tells it twice."""
    if database.path is None:  # a server looks after its own disk
        return
    mark = _mark(database.path)
    try:
        with mark.open(encoding="utf-8", errors="replace") as file:
            why = file.read(_LONGEST)
    except OSError:
        return
    with database.write() as connection:
        note(
            connection,
            "gateway",
            owner,
            "distrusted",
            now=now,
            why=f"the gateway before this one ended: {why}",
            remedy="look after the disk of the ledger, then compare it with the files: hilum fsck",
        )
    with suppress(OSError):
        mark.unlink()


def _mark(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + _SUFFIX)
