"""What associations write: that they are open, what they received, how they ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from hilum import states
from hilum.errors import TemporaryError
from hilum.ledger.grouping import Fate, Grouping, Placed, close_if_over, place
from hilum.ledger.rows import AnyRow, chunks, locked
from hilum.ledger.tables import associations, contributions, groups, instances
from hilum.ledger.transition import NoSuchRowError, add, apply, born, note
from hilum.model import AETitle, AssociationId, AssociationInfo, GroupKey, Header, Uid

#: Without an instance in the ledger these are what became of an association whose folder was not found.
WRITTEN_OFF: Final = frozenset({states.Association.HELD, states.Association.REMOVED})


class TakenOverError(TemporaryError):
    """This gateway was silent for so long that another one holds what the association stored: nothing of it counts."""

    def __init__(self, association: str) -> None:
        super().__init__(
            f"association {association} was taken over by another gateway, since this one was not heard of for longer "
            "than its lease; what it stored is held there"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One instance that lies complete in the spool.

    Attributes:
        number: Its file is ``<number>.dcm`` in the association's folder; rises in the order of arrival, from 1.
        size: Of the file, in bytes.
        digest: Of its data set as it came in: see ``hilum.store.digest``.
        key: What decides its group.
    """

    number: int
    header: Header
    sop_class: Uid
    sop_instance: Uid
    transfer_syntax: Uid
    size: int
    digest: str
    received_at: datetime
    key: GroupKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an association did besides storing.

    Attributes:
        ignored: Instances of ignored SOP classes: how many, by SOP class UID.
        refused: Instances that were answered with a failure.
    """

    ignored: Mapping[str, int]
    refused: int


def opened(connection: Connection, info: AssociationInfo, *, owner: str, folder: str) -> None:
    """An association has stored its first instance. May be lost in a power cut: the spool tells it again.

    Args:
        owner: The gateway it came to.
    """
    row = {
        "id": info.id,
        "state": states.Association.OPEN,
        "owner": owner,
        "calling": info.calling,
        "called": info.called,
        "host": info.host,
        "port": info.port,
        "opened_at": info.opened_at,
        "folder": folder,
    }
    if add(connection, associations, row):
        born(connection, associations, info.id, row, now=info.opened_at)


def contribute(connection: Connection, association: AssociationId, ae: str, key: GroupKey, now: datetime) -> None:
    """An open association has received its first instance of a window, which stays open as long as it does.

    A window of that key that ran out before is closed first, so that the late instance opens the next one.

    Raises:
        NoSuchRowError: A crash of the database took the note that it is open.
        TakenOverError: It is not open any more.
    """
    # FOR SHARE: were it held meanwhile, nobody would ever take this row away, and the window would stay open for good.
    query = select(associations.c.state).where(associations.c.id == association).with_for_update(read=True)
    state = connection.execute(query).scalar_one_or_none()
    if state is None:
        raise NoSuchRowError(f"there is no association {association}")
    if state != states.Association.OPEN:
        raise TakenOverError(association)
    close_if_over(connection, ae, key, now)
    row = {"association_id": association, "ae": ae, "kind": key.kind, "key": key.value, "scope": key.scope}
    add(connection, contributions, row)


def released(
    connection: Connection,
    info: AssociationInfo,
    received: Sequence[Received],
    grouping: Grouping,
    tally: Tally,
    *,
    now: datetime,
    why: str = "",
    folder: str = "",
) -> None:
    """Put an association's instances into their groups for good; the commit is what A-RELEASE-RP promises.

    Args:
        why: Why they are taken, if the association was not released.
        folder: Where they are, below ``storage.temporary``; empty: where they were.

    Raises:
        NoSuchRowError: A crash of the database took the note that it is open.
        TakenOverError: It is not open any more.
    """
    values = {"folder": folder} if folder else {}
    _ended(connection, info, received, tally, states.AssociationEvent.RELEASED, now=now, why=why, values=values)
    placed = place(connection, info, received, grouping, now=now)
    connection.execute(instances.insert(), [_row(info.id, one, placed[one.number]) for one in received])


def broken(
    connection: Connection,
    info: AssociationInfo,
    received: Sequence[Received],
    tally: Tally,
    *,
    why: str,
    folder: str,
    remove_at: datetime,
    now: datetime,
) -> None:
    """Hold an association's instances aside: it ended without a release, so nothing starts from it by itself.

    Raises:
        NoSuchRowError: A crash of the database took the note that it is open.
        TakenOverError: It is not open any more.
    """
    _ended(
        connection,
        info,
        received,
        tally,
        states.AssociationEvent.BROKEN,
        now=now,
        why=why,
        remedy="send it again, or take it as it is: hilum accept " + info.id,
        values={"why": why, "folder": folder, "remove_at": remove_at},
    )
    held = Placed(fate=Fate.HELD, group_id=None)
    if received:
        connection.execute(instances.insert(), [_row(info.id, one, held) for one in received])


def _ended(
    connection: Connection,
    info: AssociationInfo,
    received: Sequence[Received],
    tally: Tally,
    event: states.AssociationEvent,
    *,
    now: datetime,
    why: str = "",
    remedy: str = "",
    values: Mapping[str, Any] | None = None,
) -> None:
    """Whoever comes second, because another gateway has taken it over, finds it ended and changes nothing."""
    try:
        apply(
            connection,
            associations,
            info.id,
            event,
            now=now,
            why=why,
            remedy=remedy,
            values={
                "ended_at": now,
                "instances": len(received),
                "bytes": sum(one.size for one in received),
                "ignored": sum(tally.ignored.values()),
                "refused": tally.refused,
                **(values or {}),
            },
        )
    except states.IllegalTransitionError as error:
        raise TakenOverError(info.id) from error
    connection.execute(delete(contributions).where(contributions.c.association_id == info.id))
    note_ignored(connection, info, tally, now=now)


def empty(connection: Connection, info: AssociationInfo, tally: Tally, *, now: datetime) -> None:
    """Forget an association that kept nothing: history has what was refused and ignored.

    Raises:
        TakenOverError: It has ended otherwise.
    """
    row = connection.execute(select(associations.c.state).where(associations.c.id == info.id).with_for_update())
    if row.scalar_one_or_none() not in {None, states.Association.OPEN}:
        raise TakenOverError(info.id)
    note_ignored(connection, info, tally, now=now)
    connection.execute(delete(contributions).where(contributions.c.association_id == info.id))
    connection.execute(delete(associations).where(associations.c.id == info.id))


def returned(connection: Connection, association: AssociationId) -> None:
    """Forget that an association was written off: its folder is there after all."""
    written_off = and_(associations.c.id == association, associations.c.instances == 0)
    connection.execute(delete(associations).where(written_off, associations.c.state.in_(sorted(WRITTEN_OFF))))


def note_ignored(connection: Connection, info: AssociationInfo, tally: Tally, *, now: datetime) -> None:
    """Say which instances were taken and dropped because their SOP class is configured to be ignored."""
    for sop_class, count in tally.ignored.items():
        note(
            connection,
            "association",
            info.id,
            "ignored",
            now=now,
            why=f"{count} instances of SOP class {sop_class} were answered with success and not stored",
            remedy=f"to store them, remove it from ignored-sop-classes of {info.called}",
        )


def known_among(connection: Connection, names: Sequence[str]) -> Mapping[str, AnyRow]:
    """The rows of those of these associations that the ledger knows, by id."""
    found: dict[str, AnyRow] = {}
    for chunk in chunks(names):
        query = select(associations).where(associations.c.id.in_(chunk))
        found |= {row.id: row for row in connection.execute(query)}
    return found


def known(connection: Connection, association: str) -> AnyRow | None:
    """The association's row, or ``None``: it stored nothing, or a power cut took the note that it was open."""
    return connection.execute(select(associations).where(associations.c.id == association)).one_or_none()


def standing(connection: Connection, association: str) -> AnyRow | None:
    """The same, and nobody changes it until the transaction ends; what another one is changing is waited for.

    A commit whose answer was lost may still be going on at a server.
    """
    query = select(associations).where(associations.c.id == association)
    return connection.execute(locked(query)).one_or_none()


def orphans(connection: Connection, standing: Collection[str] = ()) -> Sequence[AnyRow]:
    """Associations that are open although the gateway they came to is none of those that stand."""
    left = associations.c.owner.not_in(sorted(standing))
    return connection.execute(select(associations).where(associations.c.state == states.Association.OPEN, left)).all()


def sweepable(connection: Connection, limit: int) -> Sequence[AnyRow]:
    """Released associations whose spool folder nobody needs any more: every instance is in a job or was dropped."""
    return connection.execute(
        select(associations.c.id, associations.c.folder)
        .where(
            associations.c.spooled,
            associations.c.state == states.Association.RELEASED,
            ~_needed(),
        )
        .limit(limit)
    ).all()


def in_need_of_spool(connection: Connection, now: datetime) -> int:
    """How many associations have files in the spool that no job has yet, so that their folders must be there."""
    held = and_(associations.c.state == states.Association.HELD, associations.c.remove_at > now)
    released = and_(associations.c.state == states.Association.RELEASED, _needed())
    return connection.execute(
        select(func.count()).where(associations.c.spooled, associations.c.instances > 0, or_(held, released))
    ).scalar_one()


def _needed() -> ColumnElement[bool]:
    return (
        select(instances.c.id)
        .join(groups, groups.c.id == instances.c.group_id)
        .where(
            instances.c.association_id == associations.c.id,
            or_(*(groups.c.state == state for state in states.Group if state not in _SPOOL_FREE)),
        )
        .exists()
    )


_SPOOL_FREE = frozenset({states.Group.PLANNED, states.Group.REMOVED})


def swept(connection: Connection, association: AssociationId) -> None:
    """Record that the spool folder is gone."""
    connection.execute(update(associations).where(associations.c.id == association).values(spooled=False))


def info_of(row: AnyRow) -> AssociationInfo:
    """The association as the store knows it, from its row."""
    return AssociationInfo(
        id=AssociationId(row.id),
        calling=AETitle(row.calling),
        called=AETitle(row.called),
        host=row.host,
        port=row.port,
        opened_at=row.opened_at,
    )


def _row(association: AssociationId, one: Received, placed: Placed) -> dict[str, Any]:
    return {
        "association_id": association,
        "number": one.number,
        "fate": placed.fate,
        "group_id": placed.group_id,
        "sop_class": one.sop_class,
        "sop_instance": one.sop_instance,
        "transfer_syntax": one.transfer_syntax,
        "modality": one.header.modality,
        "patient_id": one.header.patient_id,
        "study": one.header.study,
        "series": one.header.series,
        "size": one.size,
        "digest": one.digest,
        "received_at": one.received_at,
    }
