"""From a notice to what people read; pure.

Everything here is made of words of ours, names of the configuration, AE titles, ids and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hilum.model import Phase, Topic
from hilum.notify.port import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where notices come from.

    Attributes:
        gateway: Its name.
        public_url: Address of the dashboard, without a slash at its end; empty if it is not known.
    """

    gateway: str
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the ledger has of a notice; see ``hilum.ledger.tables.notices``."""

    key: str
    topic: Topic
    phase: Phase
    subject: str
    count: int
    first_at: datetime
    last_at: datetime
    over_at: datetime | None
    reason: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How to speak of a topic; ``{subject}``, ``{count}``, ``{example}`` and ``{after}`` are filled in.

    Attributes:
        over: Once it has ended; empty for what does not last.
        page: Of the dashboard.
    """

    one: str
    many: str
    remedy: str
    over: str = ""
    page: str = "/history"


#: As much of a job's id as commands show, and as is enough for them.
_SHORT: Final = 8

_WORDS: Final[Mapping[Topic, _Words]] = {
    Topic.JOB_FAILED: _Words(
        one="a job of workflow {subject} failed",
        many="{count} jobs of workflow {subject} failed",
        remedy="hilum jobs show {example} has its log; mend the cause, then: hilum retry {example}",
        page="/jobs",
    ),
    Topic.DELIVERY_GIVEN_UP: _Words(
        one="a delivery to {subject} was given up",
        many="{count} deliveries to {subject} were given up",
        remedy="hilum deliveries --state given-up lists them; mend the cause, then: hilum retry {example}",
        page="/deliveries",
    ),
    Topic.DESTINATION_DOWN: _Words(
        one="destination {subject} is down",
        many="destination {subject} went down {count} times",
        remedy="what is due for it waits and is sent by itself once it answers; hilum echo {subject} tests it",
        over="destination {subject} is up again, after {after}",
        page="/deliveries",
    ),
    Topic.DISK_FULL: _Words(
        one="the disk is too full: no instances are taken",
        many="the disk was too full {count} times: no instances were taken",
        remedy="make room on the disks of storage.temporary, storage.payloads and the ledger",
        over="the disk has room again: instances are taken, after {after}",
        page="/",
    ),
    Topic.ASSOCIATION_HELD: _Words(
        one="an association from {subject} ended without a release and is held",
        many="{count} associations from {subject} ended without a release and are held",
        remedy="have it sent again, or take it as it is: hilum accept {example}",
    ),
    Topic.GROUP_PARKED: _Words(
        one="a group of {subject} is parked: no jobs could be made of it",
        many="{count} groups of {subject} are parked: no jobs could be made of them",
        remedy="hilum groups --state parked says why; mend the cause, then: hilum retry {example}",
        page="/groups",
    ),
    Topic.FILE_QUARANTINED: _Words(
        one="a file that was damaged on disk is in quarantine",
        many="{count} files that were damaged on disk are in quarantine",
        remedy="hilum history names them: have those studies sent again, and look after the disk",
    ),
    Topic.CONFIGURATION_REFUSED: _Words(
        one="a changed configuration was refused; the last good one is in force",
        many="changed configurations were refused {count} times; the last good one is in force",
        remedy="hilum check says what is wrong in it",
        over="the configuration is in order again, after {after}",
        page="/configuration",
    ),
    Topic.LEDGER_DISTRUSTED: _Words(
        one="the gateway ended because the disk failed to sync its ledger, and was started again",
        many="the gateway ended {count} times because the disk failed to sync its ledger",
        remedy="look after that disk, then run: hilum fsck",
    ),
    Topic.SOURCE_QUIET: _Words(
        one="nothing has come from {subject}",
        many="nothing has come from {subject}, for {count} days",
        remedy="look at the device and its queue; hilum history shows whether it was rejected",
        over="{subject} sends again",
    ),
}


def message(facts: Facts, site: Site) -> Message:
    """What to tell."""
    words = _WORDS[facts.topic]
    example = facts.examples[-1] if facts.examples else ""
    if facts.topic is Topic.JOB_FAILED:
        example = example[:_SHORT]
    after = _lasted((facts.over_at or facts.last_at) - facts.first_at)
    filling = {"subject": facts.subject, "count": facts.count, "example": example, "after": after}
    return Message(
        key=facts.key,
        topic=facts.topic.value,
        phase=facts.phase,
        subject=facts.subject,
        count=facts.count,
        first_at=facts.first_at,
        last_at=facts.last_at,
        over_at=facts.over_at,
        gist=_gist(facts, words).format_map(filling),
        reason=facts.reason,
        remedy="" if facts.over_at is not None or facts.phase is Phase.OVER else words.remedy.format_map(filling),
        examples=facts.examples,
        gateway=site.gateway,
        link=_link(facts, words, site),
    )


def _gist(facts: Facts, words: _Words) -> str:
    if facts.phase is Phase.OVER:
        return words.over
    happened = words.one if facts.count == 1 else words.many
    return happened if facts.over_at is None else f"{happened}; {words.over}"


def _lasted(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    if minutes < 1:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _link(facts: Facts, words: _Words, site: Site) -> str:
    if not site.public_url:
        return ""
    if facts.topic is Topic.JOB_FAILED and facts.count == 1 and facts.examples:
        return f"{site.public_url}/jobs/{facts.examples[0]}"
    return site.public_url + words.page


def trial(site: Site, *, key: str, now: datetime) -> Message:
    """What ``hilum notify test`` tells."""
    return Message(
        key=key,
        topic="test",
        phase=Phase.HAPPENED,
        subject=site.gateway,
        count=1,
        first_at=now,
        last_at=now,
        over_at=None,
        gist="a test: whoever gets this gets the notices of this gateway",
        reason="somebody ran: hilum notify test",
        remedy="",
        examples=(),
        gateway=site.gateway,
        link=site.public_url,
    )
