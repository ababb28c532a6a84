"""Rows of the ledger as people are shown them: what ``views`` returns.

Times are aware UTC. Text that peers chose (AE titles, hosts, the subjects of some lines of history) is as it was
stored: whoever prints it makes it harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from hilum import states
from hilum.ledger.rows import AnyRow
from hilum.model import AssociationId, DeliveryId, GroupId, JobId, ResultId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationView:
    """An association that stored something.

    Attributes:
        owner: The gateway it came to.
        instances: How many it stored; known once it has ended, 0 until then.
        bytes: Of them; as with ``instances``.
        ignored: How many were answered with success and not wanted; as with ``instances``.
        refused: How many were answered with a failure; as with ``instances``.
        why: Why it is held.
        folder: Below ``storage.temporary``.
        remove_at: When its files go if it is held and nobody accepts it.
    """

    id: AssociationId
    state: states.Association
    owner: str
    calling: str
    called: str
    host: str
    port: int
    opened_at: datetime
    ended_at: datetime | None
    instances: int
    bytes: int
    ignored: int
    refused: int
    why: str
    folder: str
    remove_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """A gateway to which something may belong: one that runs, or that was not taken over yet.

    Attributes:
        host: The machine that it runs on.
        process: Its process id there.
        roles: What it does; empty: everything.
        address: Of its dashboard; empty: it has none.
        seen_at: When it was heard of last.
        seen_until: When it is called gone if it is not heard of again.
        ahead: Seconds by which its clock was ahead of the ledger's then.
        associations: Open ones that have stored something there.
        jobs: That it looks after.
    """

    id: str
    state: states.Gateway
    host: str
    process: int
    version: str
    roles: tuple[str, ...]
    address: str
    started_at: datetime
    seen_at: datetime
    seen_until: datetime
    ended_at: datetime | None
    ahead: float
    associations: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group.

    Attributes:
        key: What its instances share; may be personal data.
        calling: Of the association that opened it.
        closes_at: When its window ends if nothing more arrives and ``awaited`` is false.
        awaited: An association that contributed is still open: until it ends, the window does not.
        jobs: How many were made of it.
    """

    id: GroupId
    state: states.Group
    ae: str
    kind: str
    key: str
    calling: str
    host: str
    opened_at: datetime
    last_received_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    awaited: bool
    instances: int
    bytes: int
    jobs: int
    why: str
    remove_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job and how its deliveries stand.

    Attributes:
        group_id: ``None``: its folder was made by hand.
        folder: Absolute.
        attempt: The one that is to run, runs or ran last, from 1.
        last_attempt: The number of the last one that nobody has to ask for.
        results: DICOM files that it wrote; known from the state collected on.
        due: Deliveries still to be made; ``delivered`` and ``given_up`` likewise.
    """

    id: JobId
    name: str
    state: states.Job
    group_id: GroupId | None
    ae: str
    workflow_name: str
    workflow: str
    engine: str
    destinations: tuple[str, ...]
    folder: str
    instances: int
    bytes: int
    attempt: int
    last_attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    completed_at: datetime | None
    not_before: datetime
    remove_at: datetime | None
    why: str
    results: int
    due: int
    delivered: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView:
    """A DICOM file that a job wrote.

    Attributes:
        path: Below the job's ``output/``.
        offset: Where its data set begins, in bytes.
        size: Of the file, in bytes.
        sha256: Of the file, hexadecimal.
    """

    id: ResultId
    path: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One result on its way to one destination.

    Attributes:
        path: Of the result, below the job's ``output/``.
        sending: Somebody works on it just now.
        not_before: Not tried before this.
        status: The last C-STORE status, if the peer gave one.
        why: What went wrong last.
        next_try: When a due one is tried next, its destination being asked first if it is down; ``None``: never,
            or not before its destination is resumed.
        destination_down: Of a due one, why nothing is sent to its destination now: it is down, or paused; empty if it
            is up.
    """

    id: DeliveryId
    job_id: JobId
    job_name: str
    destination: str
    path: str
    sop_instance: str
    size: int
    state: states.Delivery
    sending: bool
    attempts: int
    queued_at: datetime
    not_before: datetime
    ended_at: datetime | None
    status: int | None
    why: str
    next_try: datetime | None
    destination_down: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationView:
    """How deliveries to one destination stand.

    Attributes:
        state: How it answered last, or that it is paused.
        since: Since when; ``None``: it has never failed.
        failures: In a row.
        given_up: Those that an operator cancelled not counted: somebody knows of them.
        next_try: When the next due one may be tried; ``None``: none is due, or it is paused.
        last_error: Of the destination while it is down or paused; else of a delivery that is due or given up, the one
            touched last; empty when there is none.
    """

    name: str
    state: states.Destination
    since: datetime | None
    failures: int
    due: int
    delivered: int
    given_up: int
    next_try: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line of history.

    Attributes:
        machine: What it is about: association, connection, group, job, delivery, destination, instance, result, folder,
            gateway, config.
        subject: The row's id, or what there is instead.
        destination: Of a delivery, where it goes; else empty.
    """

    id: int
    at: datetime
    machine: str
    subject: str
    from_state: str
    event: str
    to_state: str
    why: str
    remedy: str
    destination: str = ""


View = TypeVar("View", AssociationView, GroupView, JobView, ResultView, DeliveryView, HistoryLine)

#: How each column that is not text, number or time becomes what the view promises.
_KINDS: Mapping[tuple[type, str], Any] = {
    (AssociationView, "state"): states.Association,
    (GroupView, "state"): states.Group,
    (GroupView, "awaited"): bool,
    (JobView, "state"): states.Job,
    (JobView, "destinations"): tuple,
    (DeliveryView, "state"): states.Delivery,
    (DeliveryView, "sending"): bool,
}


def as_view(kind: type[View], row: AnyRow) -> View:
    """A row that has the columns of a view, under their names."""
    found = row._mapping
    names = [field.name for field in fields(kind) if field.name in found]
    return kind(**{name: _KINDS.get((kind, name), lambda value: value)(found[name]) for name in names})
