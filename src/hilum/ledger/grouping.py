"""Which group an instance joins, decided in the transaction that accepts it.

``place`` is the only code that puts instances into groups. It runs inside the transaction of a release and locks each
group that it finds open: whoever wants to close it waits until the instances are in it, and is waited for otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from sqlalchemy import Connection, Select, and_, select, update

from hilum import states
from hilum.ledger.rows import AnyRow, chunks, locked
from hilum.ledger.tables import IS_GROUPED, IS_OPEN, contributions, groups, instances
from hilum.ledger.transition import apply, born, note
from hilum.model import AssociationId, AssociationInfo, GroupId, GroupKey, Header

if TYPE_CHECKING:
    from hilum.ledger.reception import Received


class Fate(StrEnum):
    """What became of an instance that was answered with success."""

    GROUPED = "grouped"
    DUPLICATE = "duplicate"  # its SOP Instance UID was in the group already, and the first one stays
    REPLACED = "replaced"  # a later one with its SOP Instance UID took its place
    HELD = "held"  # its association was not released
    DAMAGED = "damaged"  # its file was not what had been received when a job was to get it; it is in quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How one AE groups.

    Attributes:
        key_of: What decides an instance's group; pure.
        window: How long a group waits for the next instance; zero closes it at the release.
        overwrite: Of two instances with one SOP Instance UID the last counts, not the first.
    """

    key_of: Callable[[Header, AssociationId], GroupKey]
    window: timedelta
    overwrite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where an instance went; ``group_id`` is ``None`` only for held ones."""

    fate: Fate
    group_id: GroupId | None


def place(
    connection: Connection,
    info: AssociationInfo,
    received: Sequence[Received],
    grouping: Grouping,
    *,
    now: datetime,
) -> Mapping[int, Placed]:
    """Find or open the group of each instance, settle repeated UIDs and set when each group closes.

    Returns:
        For each instance, by its number, its group and whether it counts there.
    """
    by_key: dict[GroupKey, list[Received]] = defaultdict(list)
    for one in received:
        by_key[one.key].append(one)
    placed: dict[int, Placed] = {}
    # All associations take groups in one order, so that no two of them wait for each other.
    for key, members in sorted(by_key.items(), key=lambda one: (one[0].kind, one[0].value, one[0].scope)):
        group, is_new = _group_for(connection, info, key, members, grouping, now=now)
        before = {} if is_new else _present(connection, group, [one.sop_instance for one in members])
        fates = settle(before, members, overwrite=grouping.overwrite)
        _drop_replaced(connection, info, before, fates, members, now=now)
        placed |= {number: Placed(fate=fate, group_id=group) for number, fate in fates.items()}
        counted = [one for one in members if fates[one.number] is Fate.GROUPED]
        replaced = [row.size for row in before.values() if grouping.overwrite]
        connection.execute(
            update(groups)
            .where(groups.c.id == group)
            .values(
                instances=groups.c.instances + len(counted) - len(replaced),
                bytes=groups.c.bytes + sum(one.size for one in counted) - sum(replaced),
            )
        )
        if not key.value and key.scope == info.id and key.kind.value != "Association":
            note(
                connection,
                "group",
                str(group),
                "without key",
                now=now,
                why=f"{len(members)} instances have no {_ATTRIBUTE[key.kind.value]}; they form a group of their own",
                remedy="have the modality fill it in; such instances never mix with those of another association",
            )
    return placed


_ATTRIBUTE = {
    "Patient": "Patient ID (0010,0020)",
    "Study": "Study Instance UID (0020,000D)",
    "Series": "Series Instance UID (0020,000E)",
}


def settle(
    present: Mapping[str, Any],
    members: Sequence[Received],
    *,
    overwrite: bool,
) -> dict[int, Fate]:
    """Which of the instances with one SOP Instance UID counts; pure.

    Args:
        present: UIDs that the group has from before.
        members: New ones in order of arrival.
    """
    fates: dict[int, Fate] = {}
    standing: dict[str, int] = {}
    for one in members:
        fates[one.number] = Fate.GROUPED
        if overwrite:
            if one.sop_instance in standing:
                fates[standing[one.sop_instance]] = Fate.REPLACED
        elif one.sop_instance in standing or one.sop_instance in present:
            fates[one.number] = Fate.DUPLICATE
            continue
        standing[one.sop_instance] = one.number
    return fates


def _group_for(
    connection: Connection,
    info: AssociationInfo,
    key: GroupKey,
    members: Sequence[Received],
    grouping: Grouping,
    *,
    now: datetime,
) -> tuple[GroupId, bool]:
    last = max(one.received_at for one in members)
    closes_at = last + grouping.window
    if grouping.window:
        standing = select(groups.c.id, groups.c.closes_at, groups.c.last_received_at)
        found = connection.execute(locked(standing.where(_is_open(info.called, key)))).one_or_none()
        if found is not None:
            connection.execute(
                update(groups)
                .where(groups.c.id == found.id)
                .values(closes_at=max(closes_at, found.closes_at), last_received_at=max(last, found.last_received_at))
            )
            return GroupId(found.id), False
    state = states.Group.OPEN if grouping.window else states.Group.CLOSED
    row = {
        "state": state,
        "ae": info.called,
        "kind": key.kind,
        "key": key.value,
        "scope": key.scope,
        "calling": info.calling,
        "host": info.host,
        "opened_at": min(one.received_at for one in members),
        "last_received_at": last,
        "closes_at": closes_at,
        "closed_at": None if grouping.window else now,
        "instances": 0,
        "bytes": 0,
    }
    # Of two gateways that open the same group at once, one fails here, and finds it when it tries again.
    group = GroupId(connection.execute(groups.insert().returning(groups.c.id).values(row)).scalar_one())
    born(connection, groups, group, row, now=now, why=f"association {info.id} was released")
    return group, True


def _present(connection: Connection, group: GroupId, uids: Sequence[str]) -> dict[str, AnyRow]:
    found: dict[str, AnyRow] = {}
    for chunk in chunks(uids):
        rows = connection.execute(
            select(instances.c.id, instances.c.sop_instance, instances.c.size).where(
                instances.c.group_id == group,
                IS_GROUPED,
                instances.c.sop_instance.in_(chunk),
            )
        )
        found |= {row.sop_instance: row for row in rows}
    return found


def _drop_replaced(
    connection: Connection,
    info: AssociationInfo,
    before: Mapping[str, AnyRow],
    fates: Mapping[int, Fate],
    members: Sequence[Received],
    *,
    now: datetime,
) -> None:
    counted = {one.sop_instance for one in members if fates[one.number] is Fate.GROUPED}
    for chunk in chunks([row.id for uid, row in before.items() if uid in counted]):
        connection.execute(update(instances).where(instances.c.id.in_(chunk)).values(fate=Fate.REPLACED))
    for one in members:
        match fates[one.number]:
            case Fate.GROUPED if one.sop_instance in before:
                event, why = (
                    "replaced",
                    "an instance with this UID was in the group already; the last one counts",
                )
            case Fate.REPLACED:
                event, why = (
                    "replaced",
                    "a later instance of the same association has this UID; the last one counts",
                )
            case Fate.DUPLICATE:
                event, why = (
                    "duplicate",
                    "an instance with this UID was in the group already; the first one counts",
                )
            case Fate.GROUPED:
                continue
            case Fate.HELD | Fate.DAMAGED:
                raise AssertionError("what is just being put into a group is neither held nor known to be damaged")
            case never:
                assert_never(never)
        remedy = f"overwrite-same-instance of {info.called} decides which one counts"
        note(connection, "instance", one.sop_instance, event, now=now, why=why, remedy=remedy)


def _is_open(ae: str, key: GroupKey) -> Any:  # noqa: ANN401  an SQL expression
    return and_(
        IS_OPEN,
        groups.c.ae == ae,
        groups.c.kind == key.kind,
        groups.c.key == key.value,
        groups.c.scope == key.scope,
    )


def no_contributor() -> Any:  # noqa: ANN401  an SQL expression
    """True for groups that no open association has received anything for."""
    return ~(
        select(contributions.c.association_id)
        .where(
            contributions.c.ae == groups.c.ae,
            contributions.c.kind == groups.c.kind,
            contributions.c.key == groups.c.key,
            contributions.c.scope == groups.c.scope,
        )
        .exists()
    )


def close_if_over(connection: Connection, ae: str, key: GroupKey, now: datetime) -> None:
    """Close the window of a key that ran out and has not been closed yet."""
    window = select(groups.c.id).where(_is_open(ae, key), groups.c.closes_at <= now, no_contributor())
    over = connection.execute(locked(window, of=groups)).one_or_none()
    if over is not None:
        close(connection, GroupId(over.id), states.GroupEvent.WINDOW_ENDED, now=now)


def close(connection: Connection, group: GroupId, event: states.GroupEvent, *, now: datetime, why: str = "") -> None:
    """Let nothing more into a group; its jobs are made next.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or is closed already.
    """
    apply(connection, groups, group, event, now=now, why=why, values={"closed_at": now})


def anything_due(connection: Connection, now: datetime) -> bool:
    """Whether there is a group whose window ran out."""
    return connection.execute(_due(now).limit(1)).first() is not None


def take_due(connection: Connection, now: datetime, limit: int) -> Sequence[GroupId]:
    """Groups whose window ran out, the longest overdue first; nobody else closes them or adds to them from now on."""
    return [GroupId(row.id) for row in connection.execute(locked(_due(now).limit(limit), of=groups, skip=True))]


def _due(now: datetime) -> Select[Any]:
    over = (groups.c.state == states.Group.OPEN, groups.c.closes_at <= now, no_contributor())
    return select(groups.c.id).where(*over).order_by(groups.c.closes_at)


def next_closing(connection: Connection) -> datetime | None:
    """When the next window runs out if nothing more arrives; those held open by an association do not count."""
    found: datetime | None = connection.execute(
        select(groups.c.closes_at)
        .where(groups.c.state == states.Group.OPEN, no_contributor())
        .order_by(groups.c.closes_at)
        .limit(1)
    ).scalar_one_or_none()
    return found


def header_of(row: AnyRow) -> Header:
    """What decided the group of an instance, from its row."""
    return Header(
        sop_class=row.sop_class,
        sop_instance=row.sop_instance,
        modality=row.modality,
        patient_id=row.patient_id,
        study=row.study,
        series=row.series,
    )
