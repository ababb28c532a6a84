"""Asks the gateway's own rules, in its own order, what would become of what somebody would send; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from hilum import words
from hilum.assembly import Assembly
from hilum.association.admission import AdmissionRules, Rejected, admit
from hilum.explain.explanation import Remedy
from hilum.explain.lines import Lines, admits
from hilum.explain.outlook import Case, groups
from hilum.explain.prospect import Candidate, Prospect, Sender, Stage, Verdict, World
from hilum.model import StoreRequest, Uid
from hilum.store import policy
from hilum.wire import VERIFICATION, AssociateRequest, ProposedContext, name_of, negotiate

#: Presentation contexts of one association.
_MOST_CONTEXTS: Final = 128


def foresee(sender: Sender, candidates: Sequence[Candidate], assembly: Assembly, world: World) -> Prospect:
    """Ask every rule in the order of the way through the gateway."""
    calling, assumed = _calling(sender, world.rules)
    sender = replace(sender, calling=calling)
    case = Case(sender=sender, assembly=assembly, world=world, lines=Lines(assembly.settings))
    stages = [*assumed, *_admission(candidates, case)]
    if not any(stage.verdict is Verdict.NO for stage in stages):
        taken: list[Candidate] = []
        for candidate in candidates:
            stage = _instance(candidate, case)
            stages.append(stage)
            if stage.verdict is Verdict.YES:
                taken.append(candidate)
        stages += groups(taken, case)
    return Prospect(
        calling=sender.calling,
        called=sender.called,
        host=sender.host,
        verdict=_worst(stages),
        summary=_summary(sender, candidates, stages),
        stages=tuple(stages),
    )


def _worst(stages: Sequence[Stage]) -> Verdict:
    order = list(Verdict)
    return max((stage.verdict for stage in stages), key=order.index, default=Verdict.YES)


def _summary(sender: Sender, candidates: Sequence[Candidate], stages: Sequence[Stage]) -> str:
    who = f"{sender.calling} at {sender.host}"
    if stages and stages[-1].step in {"source", "called", "limits"} and stages[-1].verdict is Verdict.NO:
        return f"The association from {who} to {sender.called} would be rejected: {stages[-1].why}"
    of_files = [stage.verdict for stage in stages if stage.step == "instance"]
    taken = of_files.count(Verdict.YES)
    parts = [f"{taken} of {words.count(len(candidates), 'instance')} would be taken"]
    for verdict, word in ((Verdict.IGNORED, "ignored"), (Verdict.NO, "refused")):
        if number := of_files.count(verdict):
            parts.append(f"{number} {word}")
    jobs = [stage.subject for stage in stages if stage.step == "workflow" and stage.verdict is Verdict.YES]
    started = f"; then {words.count(len(jobs), 'job')} would start" if jobs else "; no job would start" if taken else ""
    return f"{', '.join(parts)} from {who}{started}"


def _calling(sender: Sender, rules: AdmissionRules) -> tuple[str, Sequence[Stage]]:
    """The calling title, or one that may come from there, with a remark that it is an assumption."""
    if sender.calling:
        return sender.calling, ()
    fitting = [str(one.title) for one in rules.sources if admits(rules, one.title, sender.host)]
    chosen = fitting[0] if fitting else "ANY-SCU"
    others = f"; also known from there: {', '.join(dict.fromkeys(fitting[1:]))}" if fitting[1:] else ""
    return chosen, [
        Stage(
            step="source",
            subject=chosen,
            verdict=Verdict.YES,
            what=f"The calling AE title is taken to be {chosen}{others}",
            why="none was named; to name it: CALLING>CALLED@HOST",
        )
    ]


def _admission(candidates: Sequence[Candidate], case: Case) -> Iterator[Stage]:
    request = AssociateRequest(called=case.sender.called, calling=case.sender.calling, contexts=_proposed(candidates))
    line = case.lines.source(case.sender.calling, case.sender.host, case.world.rules)
    # Asked three times, each time of a little more, so that it is seen which of the rules says no.
    decision = admit(request, case.sender.host, replace(case.world.rules, called=None), open_count=0)
    who = f"{case.sender.calling} from {case.sender.host}"
    if isinstance(decision, Rejected):
        yield _rejected("source", case.sender.calling, decision, line)
        return
    yield Stage(step="source", subject=case.sender.calling, verdict=Verdict.YES, what=f"{who} is known", line=line)
    decision = admit(request, case.sender.host, case.world.rules, open_count=0)
    if isinstance(decision, Rejected):
        yield _rejected("called", case.sender.called, decision, case.lines.ae(case.sender.called))
        return
    what = f"the called AE title {case.sender.called} is ours"
    yield Stage(
        step="called",
        subject=case.sender.called,
        verdict=Verdict.YES,
        what=what,
        line=case.lines.ae(case.sender.called, "ae-title"),
    )
    decision = admit(request, case.sender.host, case.world.rules, open_count=0, congested=case.world.congested)
    if isinstance(decision, Rejected):
        yield _rejected("limits", "disk", decision, case.lines.of("storage", "watermark-percent"))
        return
    limit = case.world.rules.max_associations
    yield Stage(
        step="limits",
        subject="associations",
        verdict=Verdict.YES,
        what=f"there is room on the disk, and for {words.count(limit, 'association')} at a time",
        line=case.lines.of("dicom", "scp", "max-associations"),
    )
    yield _verification(case)


def _rejected(step: str, subject: str, decision: Rejected, line: str) -> Stage:
    return Stage(
        step=step,
        subject=subject,
        verdict=Verdict.NO,
        what=f"the association would be {decision.reject}",
        why=decision.why,
        line=line,
        remedies=(Remedy(text=decision.remedy),),
    )


def _verification(case: Case) -> Stage:
    proposed = ProposedContext(id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=("1.2.840.10008.1.2",))
    [result] = negotiate([proposed], case.assembly.acceptor.negotiation)
    return Stage(
        step="contexts",
        subject=VERIFICATION,
        verdict=Verdict.YES if result.accepted else Verdict.LOOK,
        what=f"a C-ECHO would be {'answered' if result.accepted else 'refused: its presentation context is'}"
        f"{'' if result.accepted else ' not accepted'}",
        line=case.lines.of("dicom", "scp", "verification", "enabled"),
    )


def _proposed(candidates: Sequence[Candidate]) -> tuple[ProposedContext, ...]:
    pairs = dict.fromkeys((one.sop_class, one.transfer_syntax) for one in candidates)
    return tuple(
        ProposedContext(id=2 * number + 1, abstract_syntax=sop_class, transfer_syntaxes=(syntax,))
        for number, (sop_class, syntax) in enumerate([*pairs][:_MOST_CONTEXTS])
    )


def _instance(one: Candidate, case: Case) -> Stage:
    """What becomes of one instance that comes on a context of its own."""
    [context] = negotiate(_proposed([one]), case.assembly.acceptor.negotiation)
    kind = f"{name_of(one.sop_class) or 'no SOP class'} in {name_of(one.transfer_syntax)}"
    if not context.accepted:
        return Stage(
            step="contexts",
            subject=one.name,
            verdict=Verdict.NO,
            what=f"{kind}: the presentation context would be refused",
            why=context.reply.name.lower().replace("_", " "),
            remedies=(Remedy(text="only storage SOP classes are taken, and private ones: see hilum conformance"),),
        )
    try:
        request = StoreRequest(
            sop_class=Uid(one.sop_class),
            sop_instance=Uid(one.sop_instance),
            transfer_syntax=Uid(one.transfer_syntax),
            message_id=1,
        )
    except ValueError as error:
        return _refused(one, "0117H", str(error), "")
    rule = case.assembly.store.rules(case.sender.called)
    early = policy.before(request, full=case.world.congested, ignored=rule.ignored)
    if early is policy.SUCCESS:
        return Stage(
            step="instance",
            subject=one.name,
            verdict=Verdict.IGNORED,
            what=f"{kind}: answered with success and not stored",
            why=f"its SOP class is in ignored-sop-classes of {case.sender.called}",
            status=words.status(early.status),
            line=case.lines.ae(case.sender.called, "ignored-sop-classes"),
        )
    if early is not None:
        return _refused(one, words.status(early.status), early.comment, case.lines.of("storage", "watermark-percent"))
    late = policy.unreadable(one.why) if one.header is None else policy.after(request, one.header)
    if late is not None:
        return _refused(one, words.status(late.status), late.comment, "")
    if one.size > case.assembly.acceptor.object_bytes:
        why = f"it has {words.size(one.size)}, and {words.size(case.assembly.acceptor.object_bytes)} are the most"
        return _refused(one, "", why, case.lines.of("dicom", "scp", "limits", "object-gb"))
    return Stage(
        step="instance",
        subject=one.name,
        verdict=Verdict.YES,
        what=f"{kind}: stored",
        status=words.status(policy.SUCCESS.status),
    )


def _refused(one: Candidate, status: str, why: str, line: str) -> Stage:
    how = f"answered with status {status}" if status else "the association would be aborted"
    return Stage(
        step="instance",
        subject=one.name,
        verdict=Verdict.NO,
        what=f"refused: {how}",
        why=why,
        status=status,
        line=line,
        remedies=() if line else (Remedy(text="the file itself is at fault: have its sender mend it"),),
    )
