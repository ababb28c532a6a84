"""The tables. Every hand-over between steps is a row here.

* Times are aware UTC. Timers are columns (``closes_at``, ``not_before``, ``remove_at``), so a restart needs no timers.
* ``lease_owner``, ``lease_until`` and ``fence`` say who works on a row just now; a claim raises ``fence``, and a record
  with an older one changes nothing. A lease is not a state: see ``hilum.states``.
* ``begun`` counts the claims since work on the row last came to a recorded end: whoever died of it did not record one.
* Types are those that SQLite and PostgreSQL share.
* A ledger keeps what is over for years, so no step and no list may look at all rows of a table: each index here is the
  way of a claim or of a view, and tests ask SQLite whether it takes it. Databases use a partial index only if the
  statement says its condition in the same words; those stand at the end.
  There are no statistics (``ANALYZE``): with them, plans would change with what happens to lie in a ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    and_,
    literal_column,
    or_,
    text,
)

from hilum import states


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite has no time zones: it gets naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the ledger")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """What comes back is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: 64 bits on PostgreSQL; SQLite gives row ids of 64 bits to INTEGER only.
_Id = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _lease() -> tuple[Column[Any], ...]:
    return (
        Column("lease_owner", Text),
        Column("lease_until", UtcDateTime),
        Column("fence", Integer, nullable=False, server_default="0"),
        Column("begun", Integer, nullable=False, server_default="0"),
    )


def _where(name: str, *columns: str, condition: str, sqlite: str = "", unique: bool = False) -> Index:
    """An index of the rows that fulfil a condition; ``sqlite`` if that one has to be told in other words."""
    return Index(
        name, *columns, unique=unique, sqlite_where=text(sqlite or condition), postgresql_where=text(condition)
    )


#: Every process that was ever started on this ledger, until it is long over.
gateways: Final = Table(
    "gateways",
    metadata,
    Column("id", Text, primary_key=True),  # what rows call their owner
    Column("state", Text, nullable=False),
    Column("host", Text, nullable=False),  # name of its machine, for people
    Column("machine", Text, nullable=False),  # where its process id and those of its jobs mean something
    Column("process", Integer, nullable=False),  # its process id there
    Column("ticks", BigInteger, nullable=False),  # when that began, in clock ticks since boot
    Column("version", Text, nullable=False),
    Column("roles", JSON, nullable=False),  # names of what it does
    Column("address", Text, nullable=False, server_default=""),  # of its dashboard; empty: none
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("seen_until", UtcDateTime, nullable=False),  # its own lease: it is dead if it has not renewed it by then
    Column("ahead", Float, nullable=False, server_default="0"),  # seconds by which its clock was ahead of the ledger
    Column("ended_at", UtcDateTime),
    *_lease(),
    Index(None, "state"),
)

#: The folders that gateways share, each marked with a file: whoever finds another mark, or none, has another folder.
storages: Final = Table(
    "storages",
    metadata,
    Column("name", Text, primary_key=True),  # temporary, payloads
    Column("mark", Text, nullable=False),
)

#: An association that stored at least one instance.
associations: Final = Table(
    "associations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),  # the gateway it came to
    Column("calling", Text, nullable=False),
    Column("called", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("instances", Integer, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("ignored", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("why", Text, nullable=False, server_default=""),  # why it is held
    Column("folder", Text, nullable=False),  # below storage.temporary
    Column("spooled", Boolean, nullable=False, server_default=text("true")),  # the folder still exists
    Column("remove_at", UtcDateTime),
    *_lease(),
    Index(None, "calling", "opened_at"),
    Index(None, "state", "id"),  # ids sort by time of birth
    # SQLite has no booleans: ``WHERE spooled`` is written for it as ``spooled = 1``.
    _where("ix_associations_spooled", "state", condition="spooled", sqlite="spooled = 1"),
    _where("ix_associations_tried_again", "lease_until", condition="begun > 1"),
)

groups: Final = Table(
    "groups",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("state", Text, nullable=False),
    Column("ae", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),  # the value that its instances share; may be personal data: never logged
    Column("scope", Text, nullable=False),  # the association it is confined to, or empty
    Column("calling", Text, nullable=False),  # of the association that opened it
    Column("host", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("last_received_at", UtcDateTime, nullable=False),
    Column("closes_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("instances", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime),
    Column("why", Text, nullable=False, server_default=""),
    Column("remove_at", UtcDateTime),
    *_lease(),
    _where("uq_groups_open", "ae", "kind", "key", "scope", condition="state = 'open'", unique=True),
    Index(None, "state", "closes_at"),
    Index(None, "state", "id"),
    _where("ix_groups_expiring", "state", "remove_at", condition="remove_at IS NOT NULL"),
    _where("ix_groups_tried_again", "lease_until", condition="begun > 1"),
)

#: Open associations that have received for a window: it does not run out under them.
contributions: Final = Table(
    "contributions",
    metadata,
    Column("association_id", Text, ForeignKey("associations.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("ae", Text, nullable=False),
    Index(None, "ae", "kind", "key"),
)

instances: Final = Table(
    "instances",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("association_id", Text, ForeignKey("associations.id"), nullable=False),
    Column("number", Integer, nullable=False),  # its file is <folder of the association>/<number>.dcm
    Column("fate", Text, nullable=False),
    Column("group_id", _Id, ForeignKey("groups.id")),
    Column("sop_class", Text, nullable=False),
    Column("sop_instance", Text, nullable=False),
    Column("transfer_syntax", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("study", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes of the file
    Column("digest", Text, nullable=False, server_default=""),  # of the data set: hilum.store.digest; empty: unknown
    Column("received_at", UtcDateTime, nullable=False),
    Index("uq_instances_number", "association_id", "number", unique=True),
    _where("uq_instances_grouped", "group_id", "sop_instance", condition="fate = 'grouped'", unique=True),
    _where("ix_instances_apart", "group_id", condition="fate != 'grouped'"),  # the few that do not count in their group
    # What somebody on the telephone can name.
    Index(None, "study"),
    Index(None, "series"),
    Index(None, "patient_id"),
    Index(None, "sop_instance"),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("group_id", _Id, ForeignKey("groups.id")),  # NULL: adopted, a folder that nobody made through Hilum
    Column("ae", Text, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("destinations", JSON, nullable=False),
    Column("folder", Text, nullable=False),  # absolute
    Column("instances", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),  # the one to run or running, from 1
    Column("last_attempt", Integer, nullable=False),  # the number of the last one that nobody has to ask for
    Column("submissions", Integer, nullable=False, server_default="0"),  # of this attempt that came to nothing
    Column("gateway", Text),  # the one that hands it to its engine and watches it there
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("not_before", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    Column("remove_at", UtcDateTime),
    *_lease(),
    Index("uq_jobs_name", "name", unique=True),
    Index(None, "state", "not_before"),
    Index(None, "state", "created_at"),
    Index(None, "group_id"),
    _where("ix_jobs_expiring", "state", "remove_at", condition="remove_at IS NOT NULL"),
    _where("ix_jobs_tried_again", "lease_until", condition="begun > 1"),
)

results: Final = Table(
    "results",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("path", Text, nullable=False),  # below the job's output/
    Column("sop_class", Text, nullable=False),
    Column("sop_instance", Text, nullable=False),
    Column("transfer_syntax", Text, nullable=False),
    Column("study", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),  # of the data set in the file, bytes
    Column("size", BigInteger, nullable=False),  # of the file, bytes
    Column("sha256", Text, nullable=False),  # of the file, hexadecimal
    Index("uq_results_path", "job_id", "path", unique=True),
    Index(None, "study"),
    Index(None, "sop_instance"),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("result_id", _Id, ForeignKey("results.id"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("status", Integer),  # the last C-STORE status, if the peer gave one
    Column("why", Text, nullable=False, server_default=""),
    *_lease(),
    Index("uq_deliveries_result", "result_id", "destination", unique=True),
    Index(None, "job_id", "state"),
    Index(None, "state", "queued_at"),
    # Not the destination first: most rows have the same one, and a database without statistics takes it for rare.
    Index(None, "state", "destination", "queued_at"),
    _where("ix_deliveries_due", "destination", "not_before", condition="state = 'due'"),
    _where("ix_deliveries_delivered", "destination", "ended_at", condition="state = 'delivered'"),
    _where("ix_deliveries_tried_again", "lease_until", condition="begun > 1"),
)

#: How each destination answers; one without a row has never failed.
destinations: Final = Table(
    "destinations",
    metadata,
    Column("id", Text, primary_key=True),  # its name in dicom.scu.destinations
    Column("state", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),  # when it came into this state
    Column("failures", Integer, nullable=False),  # in a row
    Column("not_before", UtcDateTime, nullable=False),  # when it is asked again while it is down
    Column("why", Text, nullable=False, server_default=""),
    *_lease(),
)

#: How each sender behaved on one day: sums over its associations, which may have stored nothing.
senders: Final = Table(
    "senders",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("day", Text, nullable=False),  # 2026-11-22, UTC
    Column("calling", Text, nullable=False),
    Column("called", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("implementation", Text, nullable=False, server_default=""),  # as it called itself last
    Column("last_at", UtcDateTime, nullable=False),
    Column("associations", Integer, nullable=False, server_default="0"),
    Column("broken", Integer, nullable=False, server_default="0"),  # of them, those that were not released
    Column("instances", Integer, nullable=False, server_default="0"),  # C-STOREs that were answered
    Column("bytes", BigInteger, nullable=False, server_default="0"),  # of data sets
    Column("pdus", BigInteger, nullable=False, server_default="0"),  # of any type that came
    Column("seconds", Float, nullable=False, server_default="0"),  # that its associations lasted
    Column("idle_seconds", Float, nullable=False, server_default="0"),  # from our answer to its next request
    Column("pauses", JSON, nullable=False),  # how often that took how long: see hilum.association.manners
    Column("stalls", JSON, nullable=False),  # how often it paused so long in the middle of a request
    Column("refused", JSON, nullable=False),  # presentation contexts: how often, by abstract syntax
    Index("uq_senders_day", "day", "calling", "called", "host", unique=True),
)

#: Events that tell of a setback although no operator has to do anything about it.
_SETBACKS: Final = (
    states.JobEvent.ATTEMPT_FAILED,
    states.JobEvent.FAILED,
    states.DeliveryEvent.FAILED_FOR_NOW,
    states.DeliveryEvent.FAILED_FOR_GOOD,
    states.AssociationEvent.BROKEN,
    states.AssociationEvent.EXPIRED,
)
_NOTABLE: Final = "remedy != '' OR event IN (" + ", ".join(f"'{event}'" for event in _SETBACKS) + ")"

#: Events that become notices, or tell that what a notice said is over; those of notices themselves are told to nobody.
_NEWS: Final = (
    states.JobEvent.FAILED,
    states.DeliveryEvent.FAILED_FOR_GOOD,
    states.DestinationEvent.ANSWERED,
    states.AssociationEvent.BROKEN,
    states.GroupEvent.CANNOT_PLAN,
    "quarantined",
    "disk full",
    "disk has room",
    "distrusted",
)
_NEWS_ITEM: Final = (
    "machine != 'notice' AND event IN (" + ", ".join(f"'{event}'" for event in _NEWS) + ")"
    " OR machine = 'config' AND event = 'refused'"
)

#: Whatever changed a state, and whatever was refused, ignored, discarded or given up; nothing disappears in silence.
history: Final = Table(
    "history",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    # association, group, job, delivery, destination, instance, result, folder, notice, disk, gateway, config, session
    Column("machine", Text, nullable=False),
    Column("subject", Text, nullable=False),  # the row's id, or what there is instead
    Column("from_state", Text, nullable=False, server_default=""),
    Column("event", Text, nullable=False),
    Column("to_state", Text, nullable=False, server_default=""),
    Column("why", Text, nullable=False, server_default=""),
    Column("remedy", Text, nullable=False, server_default=""),
    Index(None, "machine", "subject"),
    Index(None, "machine", "id"),
    Index(None, "at"),
    _where("ix_history_notable", "id", condition=_NOTABLE),
    _where("ix_history_news", "id", condition=_NEWS_ITEM),
)

#: Word of something that people should know, through one channel of ``notifications``.
notices: Final = Table(
    "notices",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("channel", Text, nullable=False),  # its name in notifications.webhooks or notifications.mail
    Column("state", Text, nullable=False),
    Column("topic", Text, nullable=False),  # hilum.model.Topic
    Column("phase", Text, nullable=False),  # hilum.model.Phase
    Column("subject", Text, nullable=False),  # what it happened to: a workflow, a destination, a source, a folder
    Column("occasion", Text, nullable=False, server_default=""),  # what may be told once only, such as a day
    Column("key", Text, nullable=False),  # the same for every attempt
    Column("times", Integer, nullable=False),  # how often it happened
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # of the last time, in words of ours alone
    Column("examples", JSON, nullable=False),  # ids of some of the rows that it is about
    Column("due_at", UtcDateTime, nullable=False),  # when it may be told first
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("why", Text, nullable=False, server_default=""),  # what went wrong at the last attempt
    Column("over_at", UtcDateTime),  # of what lasts: when it ended
    *_lease(),
    Index("uq_notices_key", "key", unique=True),
    Index(None, "channel", "topic", "subject", "due_at"),
    Index(None, "channel", "state", "id"),
    _where("ix_notices_due", "channel", "not_before", condition="state = 'due'"),
    _where("ix_notices_lasting", "topic", "subject", condition="phase = 'began' AND over_at IS NULL"),
    _where("ix_notices_tried_again", "lease_until", condition="begun > 1"),
)

#: How far readers of the history have come.
cursors: Final = Table(
    "cursors",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("line", _Id, nullable=False),  # id of the last line of history that it has dealt with
)

# Conditions of partial indexes in the words of those: with literals, since a parameter could be anything.
IS_DUE: Final = deliveries.c.state == literal_column(f"'{states.Delivery.DUE}'")
IS_DELIVERED: Final = deliveries.c.state == literal_column(f"'{states.Delivery.DELIVERED}'")
IS_OPEN: Final = groups.c.state == literal_column(f"'{states.Group.OPEN}'")
IS_GROUPED: Final = instances.c.fate == literal_column("'grouped'")
IS_APART: Final = instances.c.fate != literal_column("'grouped'")
IS_NOTABLE: Final = or_(
    history.c.remedy != literal_column("''"), history.c.event.in_([literal_column(f"'{event}'") for event in _SETBACKS])
)

IS_NEWS: Final = text(f"({_NEWS_ITEM})")
IS_WAITING: Final = notices.c.state == literal_column(f"'{states.Notice.DUE}'")
IS_LASTING: Final = and_(notices.c.phase == literal_column("'began'"), notices.c.over_at.is_(None))


def begun_again(table: Table) -> ColumnElement[bool]:
    """True for rows on which work was begun more than once since it last came to a recorded end."""
    found: ColumnElement[bool] = table.c.begun > literal_column("1")
    return found


def by_no_index(column: Column[str]) -> ColumnElement[str]:
    """A text column as something computed, where its index would lead through more rows than that of another one."""
    return column.concat("")
