"""The marks of the folders that the gateways on this ledger share."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from hilum import states, words
from hilum.ledger.tables import jobs, storages

#: States of a job whose folder something is still to be done with.
_UNFINISHED = (
    states.Job.QUEUED,
    states.Job.RUNNING,
    states.Job.CANCELLING,
    states.Job.FINISHED,
    states.Job.COLLECTED,
)


def mark_of(connection: Connection, name: str) -> str | None:
    """The mark that a folder should have; ``None``: it never had one."""
    found: str | None = connection.execute(select(storages.c.mark).where(storages.c.name == name)).scalar_one_or_none()
    return found


def awaited(connection: Connection, name: str) -> str:
    """What must be in a folder, for people; empty: nothing that is known here. The spool is looked after elsewhere."""
    if name != "payloads":
        return ""
    query = select(func.count()).where(jobs.c.state.in_(_UNFINISHED), jobs.c.group_id.is_not(None))
    number = connection.execute(query).scalar_one()
    return f"the folders of {words.count(number, 'job')}" if number else ""


def record(connection: Connection, name: str, mark: str, known: str | None) -> str:
    """Give a folder another mark than the one that was known, unless somebody did; the mark that it has."""
    if known is None and mark_of(connection, name) is None:
        connection.execute(storages.insert(), {"name": name, "mark": mark})
    elif known is not None:
        connection.execute(update(storages).where(storages.c.name == name, storages.c.mark == known).values(mark=mark))
    return mark_of(connection, name) or ""
