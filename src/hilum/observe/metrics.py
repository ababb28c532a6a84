"""What is counted while a gateway runs, for Prometheus.

Labels are bounded: AE titles, workflows, engines and destinations are those of the configuration, everything else is a
word of ours. A name that only a peer chose becomes ``other`` (``hilum.observe.names``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from hilum import states
from hilum.observe.durations import Durations
from hilum.observe.meter import Change, Phase
from hilum.observe.names import OTHER, Names, known
from hilum.observe.spread import Spread
from hilum.wire import Reject

_log = structlog.get_logger(__name__)

#: Upper ends of buckets, in seconds, for what takes as long as people and machines take.
_ASSOCIATION: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)
_GROUP: Final = (1, 5, 15, 60, 300, 900, 3600, 14400)
_JOB: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_DELIVERY: Final = (0.5, 1, 5, 15, 60, 300, 1800, 3600, 21600, 86400, 604800)
_STEP: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600)
_LEDGER: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)

#: Why a group that has no window is closed.
RELEASED: Final = "association released"
_CLOSES: Final = (states.GroupEvent.WINDOW_ENDED, states.GroupEvent.CLOSE_ASKED)
_FATES: Final = (states.GroupEvent.PLANNED, states.GroupEvent.NOT_WANTED, states.GroupEvent.CANNOT_PLAN)
_WORKED_ON: Final = (states.Job.RUNNING, states.Job.CANCELLING)
_MADE: Final = "made"
#: What a C-STORE is refused with most. Source: PS3.4 Table B.2-1.
_REFUSALS: Final = ("A7xx", "A9xx", "Cxxx")
_REJECTS: Final = (
    Reject.CALLING_NOT_RECOGNIZED,
    Reject.CALLED_NOT_RECOGNIZED,
    Reject.LOCAL_LIMIT,
    Reject.CONGESTION,
    Reject.APPLICATION_CONTEXT,
    Reject.PROTOCOL_VERSION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What one metric is.

    Attributes:
        name: As in a query; of a histogram without ``_bucket``, ``_sum`` and ``_count``.
        kind: counter, histogram or gauge.
        labels: In their order.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    documentation: str


class Metrics:
    """Counts what the parts of one gateway tell; a ``Meter``. Usable from any thread; never raises.

    Attributes:
        registry: Has all of it and nothing else.
        names: Which labels there may be; replaced by ``know``.
        described: Every metric in the registry, in its order.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self.names = Names()
        self._receiving()
        self._flow()
        self._machinery()
        for kind in ("write", "note", "read"):
            self._failures.labels(kind)
        self._by_machine: Mapping[str, Callable[[Change], None]] = {
            "group": self._group,
            "job": self._job,
            "delivery": self._delivery,
            "destination": self._destination,
            "notice": self._notice,
        }

    def _receiving(self) -> None:
        counter, histogram, spread = self._counter, self._histogram, self._spread
        peers = ("called", "calling")
        self._accepted = counter("associations_accepted", "Associations accepted.", peers)
        self._rejected = counter(
            "associations_rejected", "Associations rejected, by the reason that the peer was told.", (*peers, "reason")
        )
        self._ended = counter("associations_ended", "Associations that are over, by how they ended.", (*peers, "how"))
        self._lasted = histogram(
            "association_seconds", "From the A-ASSOCIATE-RQ to the end.", ("called",), buckets=_ASSOCIATION
        )
        self._dropped = counter(
            "connections_dropped", "Connections that ended without an association, by cause.", ("cause",)
        )
        self._instances = counter(
            "instances",
            "C-STOREs answered, by outcome: stored, ignored (answered with success as configured, not kept), "
            "refused. Counted when their association ends.",
            (*peers, "outcome"),
        )
        self._refused = counter(
            "instances_refused", "C-STOREs answered with a failure, by class of status.", ("called", "status")
        )
        self._bytes = counter(
            "received_bytes", "Bytes of data sets, whatever became of them. Counted when their association ends.", peers
        )
        self._echoes = counter("echoes", "C-ECHOs answered. Counted when their association ends.", peers)
        self._took = spread(
            "instance_receive_seconds",
            "From a C-STORE-RQ to its answer, the network included. Counted when its association ends.",
            ("called",),
        )
        self._waited = spread(
            "sync_seconds", "For the disk: at each instance, or at each release, as durability says.", ("what",)
        )

    def _flow(self) -> None:
        counter, histogram = self._counter, self._histogram
        self._lines = counter("history_lines", "Lines of history: whatever happened.", ("machine", "event"))
        self._opened = counter("groups_opened", "Groups that were begun.", ("called",))
        self._closed = counter(
            "groups_closed", "Groups that nothing more goes into, by what closed them.", ("called", "reason")
        )
        self._fates = counter(
            "groups_planned", "What the workflows made of closed groups, by outcome.", ("called", "outcome")
        )
        self._open = histogram(
            "group_open_seconds", "From a group's first instance to its close.", ("called",), buckets=_GROUP
        )
        self._jobs = counter("job_events", "What happened to jobs.", ("workflow", "event"))
        self._queued = histogram(
            "job_wait_seconds", "From when a job could have started to its start.", ("workflow",), buckets=_JOB
        )
        self._ran = histogram(
            "job_run_seconds",
            "From the start of an attempt to its end, by outcome.",
            ("workflow", "engine", "outcome"),
            buckets=_JOB,
        )
        self._whole = histogram(
            "job_seconds", "From when a job was made to the end of its last delivery.", ("workflow",), buckets=_DELIVERY
        )
        self._deliveries = counter("delivery_events", "What happened to deliveries.", ("destination", "event"))
        self._delivered = histogram(
            "delivery_seconds", "From when a delivery was queued to its success.", ("destination",), buckets=_DELIVERY
        )
        self._sent = counter(
            "sent_bytes",
            "Bytes of data sets that destinations took. Counted when their association ends.",
            ("destination",),
        )
        self._destinations = counter("destination_events", "What happened to destinations.", ("destination", "event"))
        self._notices = counter("notice_events", "What happened to notices.", ("channel", "event"))

    def _machinery(self) -> None:
        counter, histogram = self._counter, self._histogram
        self._phases = histogram(
            "step_seconds", "Of a step: its claims, its acts, its records.", ("step", "phase"), buckets=_STEP
        )
        self._works = counter("step_works", "Works of a step that came to an end, by outcome.", ("step", "outcome"))
        self._renewed = counter("leases_renewed", "Leases of works that go on for long.", ("step",))
        self._not_renewed = counter("lease_renewals_failed", "Times that leases could not be renewed.", ("step",))
        self._lost = counter(
            "leases_lost", "Works that counted for nothing because somebody else had their row by then.", ("step",)
        )
        self._transactions = histogram(
            "ledger_transaction_seconds",
            "Transactions of the ledger, from begin to commit: write (synced), note (not synced), read.",
            ("kind",),
            buckets=_LEDGER,
        )
        self._waits = histogram(
            "ledger_wait_seconds", "How long writers waited for other writers.", ("kind",), buckets=_LEDGER
        )
        self._failures = counter("ledger_failures", "Transactions that the ledger could not make.", ("kind",))
        self._checkpoints = histogram(
            "ledger_checkpoint_seconds", "Moves of the write-ahead log into the database.", (), buckets=_LEDGER
        )
        self._not_moved = counter("ledger_checkpoints_failed", "Such moves that failed.", ())

    def _counter(self, name: str, documentation: str, labels: Sequence[str]) -> Counter:
        self._describe(f"{name}_total", "counter", documentation, labels)
        return Counter(f"hilum_{name}", documentation, labels, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, labels: Sequence[str], *, buckets: Sequence[float]
    ) -> Histogram:
        self._describe(name, "histogram", documentation, labels)
        return Histogram(f"hilum_{name}", documentation, labels, registry=self.registry, buckets=buckets)

    def _spread(self, name: str, documentation: str, labels: Sequence[str]) -> Spread:
        self._describe(name, "histogram", documentation, labels)
        return Spread(f"hilum_{name}", documentation, labels, self.registry)

    def _describe(self, name: str, kind: str, documentation: str, labels: Sequence[str]) -> None:
        self.described.append(
            Described(name=f"hilum_{name}", kind=kind, labels=tuple(labels), documentation=documentation)
        )

    def know(self, names: Names) -> None:
        """Another configuration is in force. What can happen under its names begins at zero: rates need that."""
        self.names = names
        for called in (*names.called, OTHER):
            for reject in _REJECTS:
                self._rejected.labels(called, OTHER, reject.meaning)
        for called in names.called:
            for status in _REFUSALS:
                self._refused.labels(called, status)
        for workflow in names.workflows:
            for event in (_MADE, *states.JobEvent):
                self._jobs.labels(workflow, event)
        for destination in names.destinations:
            for event in (_MADE, *states.DeliveryEvent):
                self._deliveries.labels(destination, event)
            self._sent.labels(destination)
            for change in states.DestinationEvent:
                self._destinations.labels(destination, change)
        for channel in names.channels:
            for told in (_MADE, *states.NoticeEvent):
                self._notices.labels(channel, told)

    # What acceptors tell

    def accepted(self, called: str, calling: str) -> None:
        """An association was accepted."""
        self._accepted.labels(*self._peers(called, calling)).inc()

    def rejected(self, called: str, calling: str, reason: str) -> None:
        """An association was rejected, for one of the reasons that PS3.8 knows."""
        self._rejected.labels(*self._peers(called, calling), reason).inc()

    def dropped(self, cause: str) -> None:
        """A connection ended without an association."""
        self._dropped.labels(cause).inc()

    def refused(self, called: str, status: str) -> None:
        """A C-STORE was answered with a failure of this class."""
        self._refused.labels(known(called, self.names.called), status).inc()

    def ended(
        self,
        called: str,
        calling: str,
        how: str,
        *,
        lasted: timedelta,
        instances: Mapping[str, int],
        echoes: int,
        data_bytes: int,
        took: Durations,
    ) -> None:
        """An association is over.

        Args:
            instances: By outcome, how many.
        """
        peers = self._peers(called, calling)
        self._ended.labels(*peers, how).inc()
        self._lasted.labels(peers[0]).observe(lasted.total_seconds())
        for outcome, number in instances.items():
            self._instances.labels(*peers, outcome).inc(number)
        self._echoes.labels(*peers).inc(echoes)
        self._bytes.labels(*peers).inc(data_bytes)
        if took.count:
            self._took.add((peers[0],), took)

    def synced(self, what: str, durations: Durations) -> None:
        """As ``Meter`` says."""
        if durations.count:
            self._waited.add((what,), durations)

    def _peers(self, called: str, calling: str) -> tuple[str, str]:
        return known(called, self.names.called), known(calling, self.names.calling)

    # What the ledger tells

    def changed(self, changes: Sequence[Change]) -> None:
        """As ``Meter`` says."""
        try:
            for one in changes:
                self._lines.labels(one.machine, one.event).inc()
                count = self._by_machine.get(one.machine)
                if count is not None and one.about:
                    count(one)
        except Exception as error:  # noqa: BLE001  it is committed: who made it must not take it for failed
            _log.error("metrics.fault", exc_info=error)

    def _group(self, one: Change) -> None:
        called = known(one.about["ae"], self.names.called)
        if one.event == _MADE:
            self._opened.labels(called).inc()
        reason = RELEASED if one.event == _MADE and one.after == states.Group.CLOSED else one.event
        if reason in {RELEASED, *_CLOSES}:
            self._closed.labels(called, reason).inc()
            self._open.labels(called).observe(_seconds(one, "opened_at"))
        elif one.event in _FATES:
            self._fates.labels(called, one.event).inc()

    def _job(self, one: Change) -> None:
        workflow = known(one.about["workflow_name"], self.names.workflows)
        self._jobs.labels(workflow, one.event).inc()
        if one.event == states.JobEvent.STARTED:
            self._queued.labels(workflow).observe(_seconds(one, "not_before"))
        elif one.event == states.JobEvent.SETTLED:
            self._whole.labels(workflow).observe(_seconds(one, "created_at"))
        elif one.before in _WORKED_ON and one.event != states.JobEvent.CANCEL_ASKED:
            engine = known(one.about["engine"], self.names.engines)
            self._ran.labels(workflow, engine, one.event).observe(_seconds(one, "started_at"))

    def _delivery(self, one: Change) -> None:
        destination = known(one.about["destination"], self.names.destinations)
        self._deliveries.labels(destination, one.event).inc()
        if one.event == states.DeliveryEvent.ACCEPTED:
            self._delivered.labels(destination).observe(_seconds(one, "queued_at"))

    def sent(self, destination: str, data_bytes: int) -> None:
        """As ``Meter`` says."""
        self._sent.labels(known(destination, self.names.destinations)).inc(data_bytes)

    def _destination(self, one: Change) -> None:
        self._destinations.labels(known(one.about["id"], self.names.destinations), one.event).inc()

    def _notice(self, one: Change) -> None:
        self._notices.labels(known(one.about["channel"], self.names.channels), one.event).inc()

    def transaction(self, kind: str, *, waited: float, seconds: float) -> None:
        """As ``Meter`` says."""
        self._transactions.labels(kind).observe(seconds)
        if kind != "read":
            self._waits.labels(kind).observe(waited)

    def transaction_failed(self, kind: str) -> None:
        """As ``Meter`` says."""
        self._failures.labels(kind).inc()

    def checkpoint(self, *, seconds: float, ok: bool) -> None:
        """As ``Meter`` says."""
        self._checkpoints.observe(seconds)
        if not ok:
            self._not_moved.inc()

    # What steps tell

    def begins(self, step: str) -> None:
        """As ``Meter`` says: what can happen to its works begins at zero."""
        for outcome in ("done", "failed"):
            self._works.labels(step, outcome)
        for counter in (self._renewed, self._not_renewed, self._lost):
            counter.labels(step)

    def stepped(self, step: str, phase: Phase, seconds: float) -> None:
        """As ``Meter`` says."""
        self._phases.labels(step, phase).observe(seconds)

    def worked(self, step: str, *, ok: bool) -> None:
        """As ``Meter`` says."""
        self._works.labels(step, "done" if ok else "failed").inc()

    def renewed(self, step: str, leases: int, *, ok: bool) -> None:
        """As ``Meter`` says."""
        if ok:
            self._renewed.labels(step).inc(leases)
        else:
            self._not_renewed.labels(step).inc()

    def lease_lost(self, step: str) -> None:
        """As ``Meter`` says."""
        self._lost.labels(step).inc()


def _seconds(one: Change, column: str) -> float:
    """How long it has been since; never less than nothing, whatever clocks do."""
    since: datetime | None = one.since.get(column)
    return 0.0 if since is None else max(0.0, (one.at - since).total_seconds())
