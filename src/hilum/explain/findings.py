"""Everything that is found of one thing; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hilum import words
from hilum.explain import outcome, reception
from hilum.explain.explanation import Around, Finding, Remedy, Tone
from hilum.ledger.dossier import Dossier


def findings(dossier: Dossier, around: Around) -> Sequence[Finding]:
    """What is wrong first; of what stands alike, what happened first."""
    found = [
        *reception.arrivals(dossier, around),
        *reception.groups(dossier, around),
        *outcome.jobs(dossier, around),
        *_lines(dossier),
    ]
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
