"""Which gateways there are, and to whom what belongs that one of them left behind.

A gateway stands while its row says ``running``. It keeps its row alive by a lease; whoever finds that the lease has
ended says ``gone``, and from that transaction on nothing that the gateway does counts any more: it cannot renew, cannot
record a release, and what belonged to it is taken over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from hilum import states
from hilum.ledger.lease import Lease, claim
from hilum.ledger.rows import AnyRow, chunks
from hilum.ledger.tables import gateways, jobs
from hilum.ledger.transition import apply, note

#: How long the row of a gateway that is over is kept, for people who ask.
_KEPT: Final = timedelta(days=30)
#: States of a job in which somebody has to look after it.
_AT_ENGINE: Final = (states.Job.RUNNING, states.Job.CANCELLING)
_AT_WORK: Final = (states.Job.QUEUED, *_AT_ENGINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a gateway is.

    Attributes:
        id: What rows call it; never used a second time.
        host: The name of its machine, for people.
        machine: Tells where process ids mean the same as to it: see ``hilum.engine.attempt.machine``.
        process: Its process id there.
        ticks: When the process began, in clock ticks since boot.
        roles: Names of what it does.
    """

    id: str
    host: str
    machine: str
    process: int
    ticks: int
    version: str
    roles: tuple[str, ...] = ()


def register(connection: Connection, who: Identity, *, now: datetime, until: datetime, why: str = "") -> None:
    """A gateway has started."""
    connection.execute(
        gateways.insert(),
        {
            "id": who.id,
            "state": states.Gateway.RUNNING,
            "host": who.host,
            "machine": who.machine,
            "process": who.process,
            "ticks": who.ticks,
            "version": who.version,
            "roles": list(who.roles),
            "started_at": now,
            "seen_at": now,
            "seen_until": until,
        },
    )
    note(connection, "gateway", who.id, "started", now=now, why=why, after=states.Gateway.RUNNING)
    over = (gateways.c.state == states.Gateway.TAKEN_OVER, gateways.c.seen_until < now - _KEPT)
    connection.execute(delete(gateways).where(*over))


def reached_at(connection: Connection, gateway: str, address: str) -> None:
    """Record where its dashboard is."""
    connection.execute(update(gateways).where(gateways.c.id == gateway).values(address=address))


def renew(connection: Connection, gateway: str, *, now: datetime, until: datetime, ahead: float = 0) -> bool:
    """Keep a gateway alive; ``False``: it was called gone, and is to end.

    Also if its lease had ended: as long as nobody has said so, nothing was taken from it.

    Args:
        ahead: Seconds by which its clock is ahead of the ledger's.
    """
    standing = (gateways.c.id == gateway, gateways.c.state == states.Gateway.RUNNING)
    values = {"seen_at": now, "seen_until": until, "ahead": ahead}
    return connection.execute(update(gateways).where(*standing).values(**values)).rowcount == 1


def stopped(connection: Connection, gateway: str, *, now: datetime) -> None:
    """A gateway has ended in order; one that was called gone meanwhile stays that."""
    state = connection.execute(
        select(gateways.c.state).where(gateways.c.id == gateway).with_for_update()
    ).scalar_one_or_none()
    if state == states.Gateway.RUNNING:
        apply(connection, gateways, gateway, states.GatewayEvent.STOPPED, now=now, values={"ended_at": now})


def standing(connection: Connection) -> frozenset[str]:
    """Those whose work is theirs: running, whether or not their lease has ended."""
    running = gateways.c.state == states.Gateway.RUNNING
    return frozenset(connection.execute(select(gateways.c.id).where(running)).scalars())


def stands(connection: Connection, gateway: str) -> bool:
    """Whether it is one of them, and stays that until the transaction is over."""
    # FOR KEY SHARE: in nobody's way but that of whoever is about to call it gone.
    row = select(gateways.c.state).where(gateways.c.id == gateway).with_for_update(read=True, key_share=True)
    return bool(connection.execute(row).scalar_one_or_none() == states.Gateway.RUNNING)


def over(connection: Connection) -> frozenset[str]:
    """Those to whom nothing belongs any more."""
    taken = gateways.c.state == states.Gateway.TAKEN_OVER
    return frozenset(connection.execute(select(gateways.c.id).where(taken)).scalars())


def present(connection: Connection) -> Sequence[AnyRow]:
    """All rows of gateways to whom something may belong, the eldest first."""
    query = select(gateways).where(gateways.c.state != states.Gateway.TAKEN_OVER)
    return connection.execute(query.order_by(gateways.c.started_at, gateways.c.id)).all()


def alive(connection: Connection, now: datetime) -> Sequence[str]:
    """Those that run and whose lease has not ended, the eldest first."""
    living = (gateways.c.state == states.Gateway.RUNNING, gateways.c.seen_until > now)
    query = select(gateways.c.id).where(*living).order_by(gateways.c.started_at, gateways.c.id)
    return connection.execute(query).scalars().all()


def gone(connection: Connection, gateway: str, *, seen_at: datetime, why: str, now: datetime) -> bool:
    """Say that a gateway is dead, unless it has been heard of meanwhile; whether that was so.

    Args:
        seen_at: What its row said when that was found out.
    """
    # FOR UPDATE: a release that it is recording just now comes first, or never.
    row = connection.execute(
        select(gateways.c.state, gateways.c.seen_at).where(gateways.c.id == gateway).with_for_update()
    ).one_or_none()
    if row is None or row.state != states.Gateway.RUNNING or row.seen_at != seen_at:
        return False
    apply(connection, gateways, gateway, states.GatewayEvent.GONE, now=now, why=why, values={"ended_at": now})
    return True


def claim_dead(connection: Connection, *, owner: str, now: datetime, until: datetime) -> Sequence[AnyRow]:
    """Lease the gateways whose work is to be taken over, the first to end first."""
    dead = gateways.c.state.in_((states.Gateway.STOPPED, states.Gateway.GONE))
    order: list[ColumnElement[Any]] = [gateways.c.ended_at]
    return claim(connection, gateways, dead, owner=owner, now=now, until=until, limit=100, order_by=order)


def anything_dead(connection: Connection, now: datetime) -> bool:
    """Whether there is one of them that nobody works on."""
    dead = gateways.c.state.in_((states.Gateway.STOPPED, states.Gateway.GONE))
    free = or_(gateways.c.lease_until.is_(None), gateways.c.lease_until <= now)
    return connection.execute(select(gateways.c.id).where(dead, free).limit(1)).first() is not None


def take_jobs(connection: Connection, owner: str, machine: str, now: datetime) -> Mapping[str, int]:
    """Let the jobs of gateways that stand no more go on with another one.

    What runs on a machine is best seen from there. So jobs go to a gateway on the same machine as long as there is one,
    or one that stopped in order may be starting again; else to whoever asks first.

    Returns:
        How many came to ``owner``, by the gateway that had them; with "" for one that is not known.
    """
    rows = connection.execute(select(gateways.c.id, gateways.c.machine, gateways.c.state, gateways.c.seen_until)).all()
    stand = {row.id for row in rows if row.state == states.Gateway.RUNNING}
    lived_in = {
        row.machine for row in rows if row.id in stand or (row.state == states.Gateway.STOPPED and row.seen_until > now)
    } - {machine}
    left = {row.id for row in rows if row.machine in lived_in}
    # A job that waits and has no gateway is anybody's; one that runs and has none is of an older version.
    wanted = or_(
        and_(jobs.c.state.in_(_AT_WORK), jobs.c.gateway.not_in(sorted(stand | left))),
        and_(jobs.c.state.in_(_AT_ENGINE), jobs.c.gateway.is_(None)),
    )
    found = connection.execute(select(jobs.c.id, jobs.c.gateway).where(wanted).with_for_update()).all()
    for ids in chunks([row.id for row in found]):
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(gateway=owner))
    return Counter(row.gateway or "" for row in found)


def has_jobs(connection: Connection, gateway: str) -> bool:
    """Whether a job still belongs to it."""
    query = select(jobs.c.id).where(jobs.c.state.in_(_AT_WORK), jobs.c.gateway == gateway).limit(1)
    return connection.execute(query).first() is not None


def taken_over(connection: Connection, lease: Lease, why: str, *, now: datetime) -> None:
    """Nothing belongs to a gateway any more."""
    event = states.GatewayEvent.TAKEN_OVER
    apply(connection, gateways, lease.id, event, now=now, fence=lease.fence, why=why)
