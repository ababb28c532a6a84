"""What Hilum has to reach, and whether it did: ratios and medians of one and the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench import gateway, ledger, whole
from bench import transfer as names
from bench.load import Figure, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row.

    Attributes:
        load: Where its figures come from.
        ours: The figure that is judged.
        theirs: The one that it is held against: then ``theirs / ours`` is at least ``threshold``, since figures are
            seconds. ``None``: ``ours`` itself is at most ``threshold``.
        beside: Figures that nothing is judged by, but that a reader will ask for: the same ratio against them.
        limit: The figure that no contender with the same promises can do much better than: what it would reach.
    """

    what: str
    load: str
    ours: str
    threshold: float
    theirs: str | None = None
    beside: Sequence[str] = ()
    limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and what was measured.

    Attributes:
        value: Ratio or figure, from medians; ``None``: its load was not run.
    """

    target: Target
    unit: str
    value: float | None
    ours: Figure | None = None
    theirs: Figure | None = None
    beside: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the target is reached."""
        if self.value is None:
            return False
        return (
            self.value <= self.target.threshold if self.target.theirs is None else self.value >= self.target.threshold
        )


def judge(target: Target, results: Mapping[str, Result]) -> Verdict:
    """Hold a run against a target; pure."""
    result = results.get(target.load)
    ours = result.figures.get(target.ours) if result else None
    if result is None or ours is None:
        return Verdict(target=target, unit="", value=None)
    if target.theirs is None:
        return Verdict(target=target, unit=result.unit, value=ours.median, ours=ours)
    theirs = result.figures.get(target.theirs)
    if theirs is None:
        return Verdict(target=target, unit="", value=None, ours=ours)
    limit = result.figures.get(target.limit or "")
    return Verdict(
        target=target,
        unit="x",
        value=theirs.median / ours.median,
        ours=ours,
        theirs=theirs,
        beside={name: result.figures[name].median / ours.median for name in target.beside if name in result.figures},
        limit=limit and theirs.median / limit.median,
    )


#: Of each contender the same program in the modes that a reader will ask for.
_OTHER_MODES: Final[Mapping[str, Sequence[str]]] = {
    names.DCMTK: (names.DCMTK_FAST,),
    names.DCMTK_PLAIN: (names.DCMTK,),
    names.ORTHANC: (names.ORTHANC_FAST, names.ORTHANC_PLAIN),
    names.STORESCU: (names.STORESCU_PLAIN,),
    names.LIMIT_END: (names.LIMIT,),
    names.LIMIT_EACH: (names.LIMIT,),
}
_LIMITS: Final = {
    names.INSTANCE: names.LIMIT_EACH,
    names.ASSOCIATION: names.LIMIT_END,
    names.HILUM_SEND: names.LIMIT_DROP,
}


def _ratio(what: str, load: str, ours: str, theirs: str, threshold: float) -> Target:
    limit = _LIMITS.get(ours)
    return Target(
        what=what,
        load=load,
        ours=ours,
        theirs=theirs,
        threshold=threshold,
        beside=_OTHER_MODES.get(theirs, ()),
        limit=None if limit == theirs else limit,
    )


def _most(what: str, load: str, ours: str, threshold: float) -> Target:
    return Target(what=what, load=load, ours=ours, threshold=threshold)


_ONE: Final = "receive 500 CT, 1 association"
_FOUR: Final = "receive 500 CT on each of 4 associations"

TARGETS: Final[Sequence[Target]] = (
    _ratio(f"{_ONE}, `association`, against DCMTK", "receive-ct-1", names.ASSOCIATION, names.DCMTK, 1.8),
    _ratio(f"{_ONE}, `instance`, against DCMTK", "receive-ct-1", names.INSTANCE, names.DCMTK, 1.1),
    _ratio(f"{_ONE}, `instance`, against Orthanc", "receive-ct-1", names.INSTANCE, names.ORTHANC, 4),
    _ratio(f"{_ONE}, `instance`, against pynetdicom", "receive-ct-1", names.INSTANCE, names.PYNETDICOM, 8),
    _ratio("receive 2,000 small, `instance`, against DCMTK", "receive-small-1", names.INSTANCE, names.DCMTK, 1.0),
    _ratio("receive 2,000 small, `association`, against DCMTK", "receive-small-1", names.ASSOCIATION, names.DCMTK, 1.4),
    _ratio("receive 4 x 200 MB, `association`, against DCMTK", "receive-multi-1", names.ASSOCIATION, names.DCMTK, 3),
    _ratio(f"{_FOUR}, `association`, against DCMTK --fork", "receive-ct-4", names.ASSOCIATION, names.DCMTK, 1.0),
    _ratio(f"{_FOUR}, `instance`, against DCMTK --fork", "receive-ct-4", names.INSTANCE, names.DCMTK, 0.7),
    _ratio(
        "receive 500 CT from a sender with Nagle on, `instance`, against DCMTK as it comes",
        "receive-ct-nagle",
        names.INSTANCE,
        names.DCMTK_PLAIN,
        20,
    ),
    _ratio(f"{_ONE}: `association` against the limit", "receive-ct-1", names.ASSOCIATION, names.LIMIT_END, 0.6),
    _ratio(f"{_ONE}: `instance` against the limit", "receive-ct-1", names.INSTANCE, names.LIMIT_EACH, 0.6),
    _ratio("send 500 CT, against DCMTK storescu", "send-ct", names.HILUM_SEND, names.STORESCU, 1.5),
    _ratio("send 2,000 small, against DCMTK storescu", "send-small", names.HILUM_SEND, names.STORESCU, 1.0),
    _ratio("whole way of 500 CT, against Orthanc with a Lua auto-route", "whole-way", whole.HILUM, names.ORTHANC, 8),
    _most("memory while 4 associations each receive 2 GB, `instance`", "memory", names.INSTANCE, 120),
    _most("memory while 4 associations each receive 2 GB, `association`", "memory", names.ASSOCIATION, 120),
    _most("from A-RELEASE-RP to the start of the workflow's process", "hand-over", whole.WORKFLOW, 50),
    _most("from job.done to the first C-STORE at the PACS", "hand-over", whole.DELIVERY, 100),
    _ratio(
        "receive rate with 1 million instances in the ledger, against none",
        "ledger-receive",
        ledger.FULL,
        ledger.EMPTY,
        0.9,
    ),
    _most("slowest claim, 1 million instances", "ledger-ask", ledger.CLAIM, 5),
    _most("slowest view, 1 million instances", "ledger-ask", ledger.PAGE, 100),
    _most("overview of the dashboard, 1 million instances", "ledger-ask", ledger.OVERVIEW, 300),
    _most("`hilum --help`", "start", gateway.HELP, 0.3),
    _most("`hilum serve` until it accepts", "start", gateway.SERVE, 1.5),
)
