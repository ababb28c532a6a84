"""Sessions of the dashboard that somebody has ended, as lines of history: every gateway of the ledger honours them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from hilum.ledger.tables import history
from hilum.ledger.transition import note

_MACHINE: Final = "session"


def end(connection: Connection, session: str, *, now: datetime) -> None:
    """Somebody has logged out.

    Args:
        session: Its id.
    """
    note(connection, _MACHINE, session, "ended", now=now, why="somebody logged out of the dashboard")


def has_ended(connection: Connection, session: str) -> bool:
    """Whether somebody has."""
    about = (history.c.machine == _MACHINE, history.c.subject == session)
    return connection.execute(select(history.c.id).where(*about).limit(1)).first() is not None
