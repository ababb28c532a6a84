"""Where instances are that came in: with their associations, and in groups; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hilum import states, words
from hilum.explain import recorded
from hilum.explain.explanation import Around, Finding, Remedy, Tone
from hilum.ledger.dossier import Dossier, Part
from hilum.ledger.grouping import Fate
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.model import GroupKind


def arrivals(dossier: Dossier, around: Around) -> Iterator[Finding]:
    """Associations that are not over or did not end well, and instances that do not count in their groups."""
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
                what=f"{recorded.being(count)} about to be accepted from {who}, as an operator asked",
            )
        case states.Association.REMOVED:
            yield Finding(
                tone=Tone.WRONG,
                place="removed",
                subject=one.id,
                count=count,
                what=f"{recorded.instances(count)} from {who} {'was' if count == 1 else 'were'} held, and removed"
                + recorded.when(history, one.id, "expired"),
                why=recorded.why(history, one.id, "expired") or one.why,
                remedies=(recorded.SEND_AGAIN,),
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
            remedies=(recorded.INSPECT, recorded.SEND_AGAIN),
        )


def _held(one: AssociationView, count: int) -> Finding:
    until = f" until {words.clock(one.remove_at)}" if one.remove_at else ""
    return Finding(
        tone=Tone.LOOK,
        place="held",
        subject=one.id,
        count=count,
        what=f"{recorded.being(count)} held aside{until}, from {one.calling} ({one.host}) to {one.called}: "
        "their association was not released, so no workflow starts from it",
        why=one.why,
        remedies=(
            recorded.SEND_AGAIN,
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
        what=f"{recorded.instances(count)} came more than once in group {group}",
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
        what=f"{recorded.instances(count)} of group {group} {'was' if count == 1 else 'were'} damaged on the disk",
        why=line.why if line else "",
        remedies=(
            Remedy(text=line.remedy if line else "have the study sent again"),
            _retry_group(group, "go on without them"),
        ),
    )


def _retry_group(group: int | None, text: str) -> Remedy:
    return Remedy(text=text, command=f"hilum retry group:{group}", button="Try again", action=f"/groups/{group}/retry")


def groups(dossier: Dossier, around: Around) -> Iterator[Finding]:
    """Groups of which no jobs were made."""
    counts: dict[int, int] = defaultdict(int)
    for part in dossier.parts:
        if part.group is not None and part.fate is Fate.GROUPED:
            counts[part.group] += part.instances
    for group in dossier.groups:
        found = _group(group, counts[group.id] or group.instances, dossier.history, around)
        if found is not None:
            yield found


def _group(one: GroupView, count: int, history: Sequence[HistoryLine], around: Around) -> Finding | None:
    are, why = recorded.being(count), one.why
    until = f" until {words.clock(one.remove_at)}" if one.remove_at else ""
    match one.state:
        case states.Group.OPEN:
            return _open_group(one, count, around)
        case states.Group.PLANNED:
            return None
        case states.Group.CLOSED:
            tone, place = Tone.LOOK if why else Tone.WAITS, "group"
            what = f"{are} in group {one.id}, which is closed; its jobs are made next"
            why, remedies = why and f"the last try failed: {why}", tuple[Remedy, ...]()
        case states.Group.PARKED:
            tone, place, what = Tone.WRONG, "parked", f"{are} parked in group {one.id}: no job could be made of it"
            remedies = (_retry_group(one.id, "mend the cause, then try again"),)
        case states.Group.STORED_ONLY:
            tone, place = Tone.LOOK, "stored only"
            what = f"{are} stored in group {one.id}{until}, and no workflow wanted it"
            add = Remedy(text=f"add an entry to workflows with clara-ae-title: {one.ae}")
            remedies = (add, _retry_group(one.id, "then give it to the workflows"))
        case states.Group.REMOVED:
            tone, place, remedies = Tone.LOOK, "removed", (recorded.SEND_AGAIN,)
            when = recorded.when(history, str(one.id), "expired")
            what = f"{recorded.instances(count)} of group {one.id} {'was' if count == 1 else 'were'} removed{when}"
            why = recorded.why(history, str(one.id), "expired") or why
    subject = f"group:{one.id}"
    return Finding(tone=tone, place=place, subject=subject, count=count, what=what, why=why, remedies=remedies)


def _open_group(one: GroupView, count: int, around: Around) -> Finding:
    same = "" if one.kind == GroupKind.ASSOCIATION else f" of the same {one.kind.lower()}"
    why = (
        "an association that has sent some of it is still open"
        if one.awaited
        else f"if nothing more comes, it closes {words.until(one.closes_at, around.now)}"
    )
    close = Remedy(
        text="start its jobs now",
        command=f"hilum groups close {one.id}",
        button="Close now",
        action=f"/groups/{one.id}/close",
    )
    return Finding(
        tone=Tone.WAITS,
        place="group",
        subject=f"group:{one.id}",
        count=count,
        what=f"{recorded.instances(count)} {'waits' if count == 1 else 'wait'} in group {one.id} for more{same}",
        why=why,
        remedies=(close,),
    )
