"""Looks at the gateways that share the ledger, and at their clocks; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from hilum import states, words
from hilum.doctor.check import Check, Grade
from hilum.ledger.shown import GatewayView

#: Seconds. The time of the ledger is what counts; but logs of machines whose clocks differ cannot be read side by side.
_FAR_AHEAD: Final = 2.0


def gateways(found: Sequence[GatewayView], now: datetime) -> Iterator[Check]:
    """Whether each is heard of, and what differs between them."""
    newest = max((one.version for one in found), default="")
    for one in found:
        heard = f"heard of {words.ago(one.seen_at, now)} ago"
        doing = f"{words.count(one.associations, 'open association')}, {words.count(one.jobs, 'job')}"
        if one.state is not states.Gateway.RUNNING or one.seen_until < now:
            state = "silent" if one.state is states.Gateway.RUNNING else one.state.value
            yield Check(
                area="gateways",
                subject=one.id,
                grade=Grade.LOOK,
                found=f"{state}, {heard}; {doing}",
                expected="a gateway that renews its lease, or nothing that belongs to one that does not",
                remedy=f"start it again on {one.host}; until then another gateway takes over what it left",
            )
            continue
        differs = ""
        if abs(one.ahead) > _FAR_AHEAD:
            differs = f"its clock is {abs(one.ahead):.1f} s {'ahead of' if one.ahead > 0 else 'behind'} the ledger's"
        elif one.version != newest:
            differs = f"it is of version {one.version}, another one of {newest}"
        yield Check(
            area="gateways",
            subject=one.id,
            grade=Grade.LOOK if differs else Grade.OK,
            found=f"running on {one.host}, {heard}; {doing}{f'; {differs}' if differs else ''}",
            expected="clocks that agree, and one version" if differs else "",
            remedy=_remedy(one) if differs else "",
        )


def _remedy(one: GatewayView) -> str:
    if abs(one.ahead) > _FAR_AHEAD:
        return f"set the clock of {one.host} by network time, as that of the ledger's server"
    return "let the update reach all of them"
