"""Which groups, jobs and deliveries would be made of instances that were taken; pure, but for the processors of others.

Processors are asked as the gateway asks them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hilum import words
from hilum.assembly import Assembly
from hilum.engine.port import Unhealthy
from hilum.explain.explanation import Remedy
from hilum.explain.lines import Lines
from hilum.explain.prospect import Candidate, Sender, Stage, Verdict, World
from hilum.job.policy import JobPlan
from hilum.ledger.grouping import Fate, settle
from hilum.ledger.reception import Received
from hilum.model import AETitle, AssociationId, GroupId, GroupKey, GroupKind, Header, InstanceId, Uid

#: The id that an association gets only when it is there.
_NOBODY: Final = AssociationId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Who would send, to which gateway, and how things stand there."""

    sender: Sender
    assembly: Assembly
    world: World
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A group as a processor sees it."""

    id: GroupId
    ae: AETitle
    kind: GroupKind
    key: str
    closed_at: datetime
    members: Sequence[_Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    id: InstanceId
    header: Header


def groups(taken: Sequence[Candidate], case: Case) -> Iterator[Stage]:
    """The groups that they would form, each followed by its jobs, their engines and their destinations."""
    grouping = case.assembly.store.rules(case.sender.called).grouping
    by_key: dict[GroupKey, list[Received]] = defaultdict(list)
    for number, one in enumerate(taken, 1):
        assert one.header is not None
        key = grouping.key_of(one.header, _NOBODY)
        by_key[key].append(_received(number, one, key, case.world.now))
    for number, (key, members) in enumerate(by_key.items(), 1):
        fates = settle({}, members, overwrite=grouping.overwrite)
        counted = [one for one in members if fates[one.number] is Fate.GROUPED]
        repeated = len(members) - len(counted)
        how = (
            f"closed {words.duration(grouping.window)} after its last instance"
            if grouping.window
            else "closed when the association is released"
        )
        same = f"; {words.count(repeated, 'instance')} with a UID that is there already would not count"
        yield Stage(
            step="group",
            subject=str(number),
            verdict=Verdict.YES if not repeated else Verdict.LOOK,
            what=f"{words.count(len(counted), 'instance')} would form group {number} of {len(by_key)}, {how}"
            + (same if repeated else ""),
            why=_together(key, windowed=bool(grouping.window)),
            line=case.lines.ae(case.sender.called, "timeout-group"),
        )
        yield from _jobs(number, key, counted, case)


def _together(key: GroupKey, *, windowed: bool) -> str:
    if key.kind is GroupKind.ASSOCIATION:
        return "everything that arrives within the timeout" if windowed else "all of one association"
    if not key.value:
        return f"they have no {key.kind.lower()} attribute, so they meet only others of their association"
    return f"they share one {key.kind.lower()}" + ("" if windowed else ", within one association")


def _received(number: int, one: Candidate, key: GroupKey, now: datetime) -> Received:
    assert one.header is not None
    return Received(
        number=number,
        header=one.header,
        sop_class=Uid(one.sop_class),
        sop_instance=Uid(one.sop_instance),
        transfer_syntax=Uid(one.transfer_syntax),
        size=one.size,
        digest="",
        received_at=now,
        key=key,
    )


def _jobs(number: int, key: GroupKey, members: Sequence[Received], case: Case) -> Iterator[Stage]:
    group = _Group(
        id=GroupId(0),
        ae=AETitle(case.sender.called),
        kind=key.kind,
        key=key.value,
        closed_at=case.world.now,
        members=[_Member(id=InstanceId(one.number), header=one.header) for one in members],
    )
    try:
        plans = [
            plan
            for processor in case.assembly.plan.processors.get(case.sender.called, ())
            for plan in processor.plan(group, case.assembly.plan.workflows)
        ]
    except Exception as error:  # noqa: BLE001  a processor is somebody else's code
        yield Stage(
            step="workflow",
            subject=f"group {number}",
            verdict=Verdict.NO,
            what=f"group {number} would be parked: its processor fails",
            why=f"{type(error).__name__}: {error}",
            line=case.lines.ae(case.sender.called, "processors"),
        )
        return
    if not plans:
        yield Stage(
            step="workflow",
            subject=f"group {number}",
            verdict=Verdict.LOOK,
            what=f"group {number} would be stored only",
            why=f"no workflow for AE title {case.sender.called}",
            line=case.lines.of("workflows"),
            remedies=(Remedy(text=f"add an entry with clara-ae-title: {case.sender.called}"),),
        )
    for plan in plans:
        yield from _job(plan, number, len(members), case)


def _job(plan: JobPlan, number: int, members: int, case: Case) -> Iterator[Stage]:
    count = members if plan.instances is None else len(plan.instances)
    yield Stage(
        step="workflow",
        subject=plan.workflow_name,
        verdict=Verdict.YES,
        what=f"workflow {plan.workflow_name} would get {words.count(count, 'instance')} of group {number}",
        line=case.lines.workflow(plan.workflow_name),
    )
    health = case.world.engines.get(plan.engine)
    engine = case.lines.of("engines", plan.engine)
    if health is None:
        why = f"there is no engine {plan.engine}"
        yield Stage(
            step="engine", subject=plan.engine, verdict=Verdict.NO, what="the job would fail", why=why, line=engine
        )
        return
    sick = health.why if isinstance(health, Unhealthy) else ""
    yield Stage(
        step="engine",
        subject=plan.engine,
        verdict=Verdict.NO if sick else Verdict.YES,
        what=f"engine {plan.engine} {'cannot take jobs now' if sick else 'would run it'}",
        why=sick,
        line=engine,
    )
    yield from _destinations(plan, case)


def _destinations(plan: JobPlan, case: Case) -> Iterator[Stage]:
    if not plan.destinations:
        yield Stage(
            step="destination",
            subject=plan.workflow_name,
            verdict=Verdict.LOOK,
            what="results would stay in the job's folder",
            why=f"workflow {plan.workflow_name} has no destination-name",
            line=case.lines.workflow(plan.workflow_name, "destination-name"),
        )
    for name in dict.fromkeys(plan.destinations):
        peer = case.assembly.delivery.destinations.get(name)
        down = case.world.down.get(name, "")
        if peer is None:
            what, why, verdict = f"nothing could be sent to {name}", "it is not in the configuration", Verdict.NO
        elif down:
            what, why, verdict = f"results would wait for {name}, {peer}: it is down", down, Verdict.LOOK
        else:
            what, why, verdict = f"results would go to {name}, {peer}", "", Verdict.YES
        yield Stage(
            step="destination", subject=name, verdict=verdict, what=what, why=why, line=case.lines.destination(name)
        )
