"""The whole answer to a question, from what was found; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from hilum import words
from hilum.explain.explanation import Around, Choice, Explanation, Finding, Remedy, Step, Tone
from hilum.explain.findings import findings
from hilum.explain.timeline import Moment, whole_story
from hilum.ledger.dossier import Dossier
from hilum.ledger.inquiry import Match
from hilum.ledger.shown import AssociationView, HistoryLine

#: What was rejected lately is told in as many lines.
_RECENT: Final = 6

_LOOKED: Final = (
    "what was received, by Study, Series and SOP Instance UID and by Patient ID: rows stay when files are removed",
    "results that workflows wrote, by Study and SOP Instance UID",
    "jobs and associations, by their names and the beginnings of these",
    "the history: whatever was rejected, refused or ignored leaves a line that says why",
)


def of_one(
    dossier: Dossier, around: Around, *, asked: str, personal: bool = False, before: Sequence[Finding] = ()
) -> Explanation:
    """Where one thing is and what happened to it.

    Args:
        asked: What to call the question, without personal data.
        before: What else was found about it, that the ledger does not know.
    """
    found = [*before, *findings(dossier, around)]
    return Explanation(
        asked=asked,
        kind=str(dossier.match.kind),
        tone=worst(found),
        summary=_summary(dossier, found),
        findings=tuple(found),
        story=steps(whole_story(dossier.groups, dossier.associations, dossier.history)),
        patients=tuple(dossier.patients) if personal else (),
    )


def worst(found: Sequence[Finding]) -> Tone:
    """How all of it stands."""
    tones = list(Tone)
    return max((one.tone for one in found), key=tones.index, default=Tone.OK)


def _summary(dossier: Dossier, found: Sequence[Finding]) -> str:
    match = dossier.match
    name = match.id[:8] if match.kind == "job" else match.id
    came = sum(part.instances for part in dossier.parts)
    who = {f"{one.calling} ({one.host})" for one in dossier.associations}
    received = f"{words.count(came, 'instance')} received from {words.listed(sorted(who))}" if came and who else ""
    first = found[0] if found else None
    told = "" if first is None else first.what + (f": {first.why}" if first.why and first.tone != Tone.OK else "")
    delivered = [one for one in found if one.place == "delivered"]
    if first is not None and first.tone is Tone.OK and delivered:
        told = words.listed([one.what for one in delivered])
    parts = [part for part in (received, told[:1].lower() + told[1:] if received else told) if part]
    return f"{str(match.kind).capitalize()} {name}: {'; '.join(parts) or 'nothing is known but its history'}"


def steps(moments: Sequence[Moment]) -> tuple[Step, ...]:
    """A story with the time between its lines."""
    found: list[Step] = []
    for moment in moments:
        after = (moment.at - found[-1].at).total_seconds() if found else 0.0
        found.append(Step(at=moment.at, after=round(max(0.0, after), 3), what=moment.line))
    return tuple(found)


def of_several(matches: Sequence[Match], *, asked: str) -> Explanation:
    """A list to choose from."""
    choices = tuple(Choice(kind=str(one.kind), name=one.name, of=one.of, at=one.at) for one in matches)
    summary = f"{asked} may mean {len(choices)} things: ask for one of them"
    return Explanation(asked=asked, kind="", tone=Tone.LOOK, summary=summary, choices=choices)


def of_nothing(
    lines: Sequence[HistoryLine],
    arriving: Mapping[str, int],
    open_now: Sequence[AssociationView],
    around: Around,
    *,
    asked: str,
    since: datetime,
) -> Explanation:
    """Nothing was found: what there would be, and why there may be nothing.

    Args:
        lines: What was rejected, refused, ignored or broken off since then.
        arriving: How many files of open associations are what was asked for, by association.
        open_now: Associations that have stored something and are not released yet.
    """
    found = [*_arriving(arriving, open_now), *_stopped(around)]
    found += [_sending(one) for one in open_now if one.id not in arriving]
    found += _turned_away(lines)
    found.append(
        Finding(
            tone=Tone.LOOK,
            place="never came",
            subject="",
            count=0,
            what="It may never have been sent here",
            why="if nothing above fits, no association brought it",
            remedies=(
                Remedy(text="see the sender's log: did it reach this host and port, and which answer did it get?"),
                Remedy(text="test what would happen to it", command="hilum explain --would CALLING>CALLED@HOST FILE"),
            ),
        )
    )
    return Explanation(
        asked=asked,
        kind="",
        tone=worst(found),
        summary=f"Nothing is known of {asked}" + (": it is arriving just now" if arriving else ""),
        findings=tuple(found),
        looked=(*_LOOKED, f"what was rejected, refused, ignored or broken off since {words.clock(since)}"),
    )


def _arriving(arriving: Mapping[str, int], open_now: Sequence[AssociationView]) -> Sequence[Finding]:
    return [
        Finding(
            tone=Tone.WAITS,
            place="spool",
            subject=one.id,
            count=arriving[one.id],
            what=f"{words.count(arriving[one.id], 'instance')} of it came with the association from {one.calling} "
            f"({one.host}) to {one.called}, which is still open",
            why="what it has stored is counted and grouped when it is released",
            remedies=(Remedy(text="wait for the sender; one that hangs is aborted after dicom.scp.timeouts.idle"),),
        )
        for one in open_now
        if one.id in arriving
    ]


def _sending(one: AssociationView) -> Finding:
    return Finding(
        tone=Tone.LOOK,
        place="spool",
        subject=one.id,
        count=0,
        what=f"{one.calling} ({one.host}) is sending to {one.called} since {words.clock(one.opened_at)}",
        why="instances are found by their UIDs once their association is released",
    )


def _stopped(around: Around) -> Sequence[Finding]:
    if around.running is not False:
        return ()
    start = (Remedy(text="start it", command="hilum serve"),)
    what = "No gateway is running: nothing can arrive"
    return [Finding(tone=Tone.WRONG, place="gateway", subject="", count=0, what=what, remedies=start)]


def _turned_away(lines: Sequence[HistoryLine]) -> Sequence[Finding]:
    """What did not come in, the latest first; the same thing again and again is one finding."""
    alike: dict[tuple[str, str, str, str], list[HistoryLine]] = defaultdict(list)
    for line in lines:
        subject = line.subject if line.event in {"rejected", "dropped"} else ""
        alike[line.machine, line.event, subject, line.why].append(line)
    latest = sorted(alike.values(), key=lambda several: several[-1].at, reverse=True)
    found = []
    for several in latest[:_RECENT]:
        last = several[-1]
        often = f" {len(several)} times, last" if len(several) > 1 else ""
        found.append(
            Finding(
                tone=Tone.LOOK,
                place=last.event,
                subject=last.subject,
                count=len(several),
                what=f"{_turned(last)}{often} at {words.clock(last.at)}",
                why=last.why,
                remedies=(Remedy(text=last.remedy),) if last.remedy else (),
            )
        )
    return found


def _turned(line: HistoryLine) -> str:
    match line.event:
        case "rejected":
            return f"An association from {line.subject} was rejected"
        case "dropped":
            return f"A connection from {line.subject} was dropped"
        case "ignored":
            return f"Instances of association {line.subject} were ignored"
        case _:
            return f"The {line.machine} {line.subject} was {line.event}"
