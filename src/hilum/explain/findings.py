"""Where each part of something is, why, and what to do about it; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hilum import states, words
from hilum.explain.explanation import Finding, Remedy, Tone
from hilum.ledger.dossier import Dossier, Part
from hilum.ledger.grouping import Fate
from hilum.ledger.shown import AssociationView, DeliveryView, GroupView, HistoryLine, JobView
from hilum.ledger.work import CANCELLED

_SEND_AGAIN: Final = Remedy(text="have it sent again")
_INSPECT: Final = Remedy(text="look for all that is missing", command="hilum fsck")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the ledger does not say.

    Attributes:
        running: Whether a gateway has the ledger; ``None``: not known.
        missing: Associations and jobs whose folders should be there and are not.
    """

    now: datetime
    running: bool | None = None
    missing: frozenset[str] = frozenset()


def findings(dossier: Dossier, around: Around) -> Sequence[Finding]:
    """What is wrong first; of what stands alike, what happened first."""
    found = [*_arrivals(dossier, around), *_groups(dossier, around), *_jobs(dossier, around), *_lines(dossier)]
    if around.running is False and any(one.tone is Tone.WAITS for one in found):
        found.append(
            Finding(
                tone=Tone.WRONG,
                place="gateway",
                subject="",
                count=0,
                what="No gateway is running, so nothing goes on",
                remedies=(Remedy(text="start it", command="hilum serve"),),
            )
        )
    worst = list(Tone)[::-1]
    return sorted(found, key=lambda one: worst.index(one.tone))


def _instances(count: int) -> str:
    return words.count(count, "instance")


# What came in


def _arrivals(dossier: Dossier, around: Around) -> Iterator[Finding]:
    parts: dict[str, list[Part]] = defaultdict(list)
    for part in dossier.parts:
        parts[part.association].append(part)
    for association in dossier.associations:
        count = sum(part.instances for part in parts[association.id])
        yield from _association(association, count, dossier.history, around)
    counts: dict[tuple[Fate, int | None], int] = defaultdict(int)
    for part in dossier.parts:
        counts[part.fate, part.group] += part.instances
    for (fate, group), count in counts.items():
        if fate in {Fate.DUPLICATE, Fate.REPLACED}:
            yield _repeated(fate, group, count)
        elif fate is Fate.DAMAGED:
            yield _damaged(group, count, dossier.history)


def _association(one: AssociationView, count: int, history: Sequence[HistoryLine], around: Around) -> Iterator[Finding]:
    who = f"{one.calling} ({one.host}) to {one.called}"
    match one.state:
        case states.Association.OPEN:
            yield Finding(
                tone=Tone.WAITS,
                place="spool",
                subject=one.id,
                count=count,
                what=f"The association from {who} is still open, since {words.clock(one.opened_at)}",
                why="what it has stored is counted and grouped when it is released",
                remedies=(Remedy(text="wait for the sender; one that hangs is aborted after dicom.scp.timeouts.idle"),),
            )
        case states.Association.HELD:
            yield _held(one, count or one.instances)
        case states.Association.ACCEPTING:
            yield Finding(
                tone=Tone.WAITS,
                place="held",
                subject=one.id,
                count=count,
                what=f"{_instances(count)} from {who} are about to be accepted, as an operator asked",
            )
        case states.Association.REMOVED:
            yield Finding(
                tone=Tone.WRONG,
                place="removed",
                subject=one.id,
                count=count,
                what=f"{_instances(count)} from {who} were held, and removed{_when(history, one.id, 'expired')}",
                why=_why(history, one.id, "expired") or one.why,
                remedies=(_SEND_AGAIN,),
            )
        case states.Association.RELEASED:
            pass
    if one.id in around.missing:
        yield Finding(
            tone=Tone.WRONG,
            place="lost",
            subject=one.id,
            count=count,
            what=f"The files of the association from {who} are not on the disk",
            why=f"the folder {one.folder} below storage.temporary is gone, and no job has its instances yet",
            remedies=(_INSPECT, _SEND_AGAIN),
        )


def _held(one: AssociationView, count: int) -> Finding:
    until = f" until {words.clock(one.remove_at)}" if one.remove_at else ""
    return Finding(
        tone=Tone.LOOK,
        place="held",
        subject=one.id,
        count=count,
        what=f"{_instances(count)} from {one.calling} ({one.host}) to {one.called} are held aside{until}: "
        "their association was not released, so no workflow starts from it",
        why=one.why,
        remedies=(
            _SEND_AGAIN,
            Remedy(
                text="take it as it is",
                command=f"hilum accept {one.id}",
                button="Accept",
                action=f"/associations/{one.id}/accept",
            ),
        ),
    )


def _repeated(fate: Fate, group: int | None, count: int) -> Finding:
    first = "the first one counts" if fate is Fate.DUPLICATE else "the last one counts"
    return Finding(
        tone=Tone.OK,
        place="ignored",
        subject=f"group:{group}",
        count=count,
        what=f"{_instances(count)} came more than once in group {group}",
        why=f"instances with the same SOP Instance UID: {first}",
        remedies=(Remedy(text="overwrite-same-instance of the AE title decides which one counts"),),
    )


def _damaged(group: int | None, count: int, history: Sequence[HistoryLine]) -> Finding:
    line = next((line for line in reversed(history) if line.event == "quarantined"), None)
    return Finding(
        tone=Tone.WRONG,
        place="quarantined",
        subject=f"group:{group}",
        count=count,
        what=f"{_instances(count)} of group {group} were damaged on the disk after they had been received",
        why=line.why if line else "",
        remedies=(
            Remedy(text=line.remedy if line else "have the study sent again"),
            _retry_group(group, "go on without them"),
        ),
    )


def _retry_group(group: int | None, text: str) -> Remedy:
    return Remedy(text=text, command=f"hilum retry group:{group}", button="Try again", action=f"/groups/{group}/retry")


# Groups


def _groups(dossier: Dossier, around: Around) -> Iterator[Finding]:
    counts: dict[int, int] = defaultdict(int)
    for part in dossier.parts:
        if part.group is not None and part.fate is Fate.GROUPED:
            counts[part.group] += part.instances
    for group in dossier.groups:
        found = _group(group, counts[group.id] or group.instances, dossier.history, around)
        if found is not None:
            yield found


def _group(one: GroupView, count: int, history: Sequence[HistoryLine], around: Around) -> Finding | None:
    name = f"group:{one.id}"
    match one.state:
        case states.Group.OPEN:
            wait = (
                "an association that has sent some of it is still open"
                if one.awaited
                else f"nothing more comes: it closes {words.until(one.closes_at, around.now)}"
            )
            return Finding(
                tone=Tone.WAITS,
                place="group",
                subject=name,
                count=count,
                what=f"{_instances(count)} wait in group {one.id} for more of the same {one.kind.lower()}",
                why=wait if one.awaited else f"if {wait}",
                remedies=(
                    Remedy(
                        text="start its jobs now",
                        command=f"hilum groups close {one.id}",
                        button="Close now",
                        action=f"/groups/{one.id}/close",
                    ),
                ),
            )
        case states.Group.CLOSED:
            what = f"{_instances(count)} are in group {one.id}, which is closed; its jobs are made next"
            return Finding(
                tone=Tone.LOOK if one.why else Tone.WAITS,
                place="group",
                subject=name,
                count=count,
                what=what,
                why=one.why and f"the last try failed: {one.why}",
            )
        case states.Group.PARKED:
            return Finding(
                tone=Tone.WRONG,
                place="parked",
                subject=name,
                count=count,
                what=f"{_instances(count)} are parked in group {one.id}: no job could be made of it",
                why=one.why,
                remedies=(_retry_group(one.id, "mend the cause, then try again"),),
            )
        case states.Group.STORED_ONLY:
            until = f" until {words.clock(one.remove_at)}" if one.remove_at else ""
            return Finding(
                tone=Tone.LOOK,
                place="stored only",
                subject=name,
                count=count,
                what=f"{_instances(count)} are stored in group {one.id}{until}, and no workflow wanted it",
                why=one.why,
                remedies=(
                    Remedy(text=f"add an entry to workflows with clara-ae-title: {one.ae}"),
                    _retry_group(one.id, "then give it to the workflows"),
                ),
            )
        case states.Group.REMOVED:
            return Finding(
                tone=Tone.LOOK,
                place="removed",
                subject=name,
                count=count,
                what=f"{_instances(count)} of group {one.id} were removed{_when(history, str(one.id), 'expired')}",
                why=_why(history, str(one.id), "expired") or one.why,
                remedies=(_SEND_AGAIN,),
            )
        case states.Group.PLANNED:
            return None


# Jobs and what came of them


def _jobs(dossier: Dossier, around: Around) -> Iterator[Finding]:
    for job in dossier.jobs:
        yield _job(job, dossier.history, around)
        if job.id in around.missing:
            yield Finding(
                tone=Tone.WRONG,
                place="lost",
                subject=job.id,
                count=job.instances,
                what=f"The folder of job {job.id[:8]} is not on the disk",
                why=f"{job.folder} is gone, and Hilum has not removed it",
                remedies=(_INSPECT, _SEND_AGAIN),
            )
        mine = [one for one in dossier.deliveries if one.job_id == job.id]
        yield from _deliveries(job, mine, around)


def _job(job: JobView, history: Sequence[HistoryLine], around: Around) -> Finding:
    name = f"Job {job.id[:8]} ({job.workflow_name})"
    count, why = job.instances, job.why
    tone, what, remedies = Tone.WAITS, "", tuple[Remedy, ...]()
    look = Remedy(text="see its log", command=f"hilum jobs show {job.id[:8]}")
    again = Remedy(
        text="mend the cause, then run it again",
        command=f"hilum retry {job.id[:8]}",
        button="Run again",
        action=f"/jobs/{job.id}/retry",
    )
    match job.state:
        case states.Job.QUEUED:
            later = job.not_before > around.now
            when = f", not before {words.clock(job.not_before)}" if later else ""
            what = f"{name} with {_instances(count)} waits for engine {job.engine}{when}"
            tone = Tone.LOOK if why else Tone.WAITS
            why = why and f"attempt {max(1, job.attempt - 1)} of {job.last_attempt} failed: {why}"
            remedies = (look,) if why else ()
        case states.Job.RUNNING:
            since = f", since {words.clock(job.started_at)}" if job.started_at else ""
            what = f"{name} runs on engine {job.engine}{since}, attempt {job.attempt} of {job.last_attempt}"
            why = why or ("output/job.done in its folder ends it" if job.engine == "folder" else "")
        case states.Job.FINISHED:
            what = f"{name} has finished; its results are being read"
        case states.Job.CANCELLING:
            what = f"{name} is being stopped, as an operator asked"
        case states.Job.COLLECTED | states.Job.COMPLETE:
            tone, what, remedies = _finished(job, name, look)
        case states.Job.FAILED:
            tone, what, remedies = Tone.WRONG, f"{name} failed", (look, again)
        case states.Job.CANCELLED:
            again = Remedy(text="run it all the same", command=again.command, button=again.button, action=again.action)
            tone, what, remedies = Tone.LOOK, f"{name} was cancelled by an operator", (again,)
        case states.Job.REMOVED:
            what = f"{name} is over, and its folder was removed{_when(history, job.id, 'expired')}"
            tone, why = Tone.OK, _why(history, job.id, "expired") or why
    return Finding(tone=tone, place=str(job.state), subject=job.id, count=count, what=what, why=why, remedies=remedies)


def _finished(job: JobView, name: str, look: Remedy) -> tuple[Tone, str, tuple[Remedy, ...]]:
    what = f"{name} has finished with {words.count(job.results, 'result')}"
    if not job.results:
        folder = Remedy(text=f"see what it wrote into {job.folder}/output")
        return Tone.LOOK, f"{what}: there is no DICOM file to send", (look, folder)
    if not job.destinations:
        to_send = Remedy(text=f"to have them sent, name a destination in workflows, entry {job.workflow_name}")
        return Tone.LOOK, f"{what}, which stay in {job.folder}/output: it has no destination", (to_send,)
    return Tone.OK, what, ()


def _deliveries(job: JobView, mine: Sequence[DeliveryView], around: Around) -> Iterator[Finding]:
    alike: dict[tuple[str, states.Delivery, bool, str], list[DeliveryView]] = defaultdict(list)
    for one in mine:
        why = "" if one.state is states.Delivery.DELIVERED else one.destination_down or one.why
        alike[one.destination, one.state, one.sending, why].append(one)
    for (destination, state, sending, why), several in alike.items():
        yield _delivery(job, destination, state, several, sending=sending, why=why, around=around)


def _delivery(
    job: JobView,
    destination: str,
    state: states.Delivery,
    several: Sequence[DeliveryView],
    *,
    sending: bool,
    why: str,
    around: Around,
) -> Finding:
    count, first = words.count(len(several), "result"), several[0]
    one = len(several) == 1
    subject = f"delivery:{first.id}" if one else job.id
    command = f"hilum retry {subject if one else job.id[:8]}"
    action = f"/deliveries/{first.id}/retry" if one else f"/jobs/{job.id}/retry"
    test = Remedy(text=f"see whether {destination} answers", command=f"hilum echo {destination}")
    remedies = tuple[Remedy, ...]()
    match state:
        case states.Delivery.DELIVERED:
            at = max((each.ended_at for each in several if each.ended_at), default=None)
            status = "" if first.status in {None, 0} else f", with status {words.status(first.status or 0)}"
            tone, what = (
                Tone.OK,
                f"{count} delivered to {destination}{status}" + (f" at {words.clock(at)}" if at else ""),
            )
        case states.Delivery.DUE if sending:
            tone, what = Tone.WAITS, f"{count} being sent to {destination} just now"
        case states.Delivery.DUE:
            wait = words.until(min((each.next_try for each in several if each.next_try), default=None), around.now)
            tone = Tone.LOOK if why else Tone.WAITS
            what = (
                f"{count} wait{'s' if one else ''} for {destination}, {f'tried next {wait}' if wait else 'not tried'}"
            )
            if why:
                remedies = (test, Remedy(text="try it now", command=command, button="Try now", action=action))
        case states.Delivery.GIVEN_UP:
            tone = Tone.LOOK if why == CANCELLED else Tone.WRONG
            what = (
                f"{count} given up for {destination} after {words.count(max(e.attempts for e in several), 'attempt')}"
            )
            again = Remedy(text="mend the cause, then send again", command=command, button="Send again", action=action)
            remedies = (test, again)
    place = "sending" if sending else str(state)
    return Finding(tone=tone, place=place, subject=subject, count=len(several), what=what, why=why, remedies=remedies)


# What stands in the history alone

_APART: Final = frozenset({"quarantined", "duplicate", "replaced", "made"})


def _lines(dossier: Dossier) -> Iterator[Finding]:
    held = {one.id for one in dossier.associations}
    for line in dossier.history:
        told = line.machine == "association" and line.subject in held and line.event != "ignored"
        if not line.remedy or told or line.machine in {"group", "job", "delivery"} or line.event in _APART:
            continue
        what = f"{line.machine} {words.subject(line.machine, line.subject)} {line.event} at {words.clock(line.at)}"
        yield Finding(
            tone=Tone.LOOK if line.event in {"ignored", "without key"} else Tone.WRONG,
            place="not sent" if line.machine == "result" else line.event,
            subject=words.subject(line.machine, line.subject),
            count=1,
            what=what[0].upper() + what[1:],
            why=line.why,
            remedies=(Remedy(text=line.remedy),),
        )


def _line(history: Sequence[HistoryLine], subject: str, event: str) -> HistoryLine | None:
    return next((line for line in reversed(history) if (line.subject, line.event) == (subject, event)), None)


def _when(history: Sequence[HistoryLine], subject: str, event: str) -> str:
    line = _line(history, subject, event)
    return f" at {words.clock(line.at)}" if line else ""


def _why(history: Sequence[HistoryLine], subject: str, event: str) -> str:
    line = _line(history, subject, event)
    return line.why if line else ""
