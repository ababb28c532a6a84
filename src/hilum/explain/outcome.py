"""Where jobs are, and what came of them; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hilum import states, words
from hilum.explain import recorded
from hilum.explain.explanation import Around, Finding, Remedy, Tone
from hilum.ledger.dossier import Dossier
from hilum.ledger.shown import DeliveryView, HistoryLine, JobView
from hilum.ledger.work import CANCELLED


def jobs(dossier: Dossier, around: Around) -> Iterator[Finding]:
    """Each job, and behind it its deliveries."""
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
                remedies=(recorded.INSPECT, recorded.SEND_AGAIN),
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
            what = f"{name} with {recorded.instances(count)} waits for engine {job.engine}{when}"
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
            what = f"{name} is over, and its folder was removed{recorded.when(history, job.id, 'expired')}"
            tone, why = Tone.OK, recorded.why(history, job.id, "expired") or why
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
            what = f"{count} wait{'s' if one else ''} for {destination}, {_tried(wait)}"
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


def _tried(wait: str) -> str:
    return {"": "not tried", "now": "about to be tried"}.get(wait, f"tried next {wait}")
