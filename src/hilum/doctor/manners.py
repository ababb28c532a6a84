"""What the gateway saw of its senders, judged: what makes them slow, and what to do; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from hilum import words
from hilum.doctor.check import Check, Grade
from hilum.ledger.senders import Behaviour, SenderKey
from hilum.observe.durations import BOUNDS, Durations
from hilum.wire import name_of

#: PDUs that are shorter cost a sender and us a header and a call for too few bytes.
_SMALL_PDU: Final = 16_000
#: So small an instance says nothing of how long PDUs may be.
_LARGE_INSTANCE: Final = 64_000
#: Pauses between requests that are longer leave the line empty.
_LONG_PAUSE: Final = 0.02
#: Linux acknowledges after 40 ms at the latest, other systems after 200 ms: who waits for that waits so long.
_DELAYED: Final = ((0.025, 0.05, "40 ms"), (0.1, 0.25, "200 ms"))
#: So often it is a pattern and no accident.
_PATTERN: Final = 0.2
_LEAST: Final = 5
#: Of its associations; more break off than those that networks lose.
_BROKEN: Final = 0.2

_ACK_REMEDY: Final = (
    "its software waits for acknowledgements (Nagle's algorithm): switch TCP_NODELAY on at the sender "
    "(DCMTK: environment TCP_NODELAY=1; others: a registry or socket option of the vendor)"
)


def sender(key: SenderKey, seen: Behaviour, *, our_pdu: int) -> Iterator[Check]:
    """What one sender could do better; one check that all is well if there is nothing.

    Args:
        our_pdu: The longest PDU that we announce, in bytes.
    """
    found = [*_contexts(key, seen), *_pdus(key, seen, our_pdu), *_stalls(key, seen), *_pauses(key, seen)]
    found += _broken(key, seen)
    yield from found or [_check(key, Grade.OK, _overview(seen))]


def name_lookup(host: str, seconds: float, *, found: bool) -> Check:
    """What a reverse lookup of a sender's address, made here, took.

    Hilum never makes one, and how the sender's own name service answers for our address is not known here.
    """
    slow = seconds > 1
    took = words.duration(timedelta(seconds=round(seconds, 3)))
    return Check(
        area="senders",
        subject=f"{host}, reverse name lookup from here",
        grade=Grade.LOOK if slow else Grade.OK,
        found=f"{'answered' if found else 'no name'} after {took}",
        expected="less than 1 s" if slow else "",
        remedy="Hilum does not need it, but a sender with the same name service may stall as long before each "
        "association: give the addresses names in DNS or in its hosts file"
        if slow
        else "",
    )


def _overview(seen: Behaviour) -> str:
    idle = seen.pauses.seconds / max(1, seen.pauses.count)
    speed = words.rate(seen.bytes, seen.seconds) if seen.seconds else "no time at all"
    return (
        f"{words.count(seen.associations, 'association')}, {words.count(seen.instances, 'instance')}, {speed}; "
        f"{words.duration(timedelta(seconds=round(idle, 4)))} idle per request"
        + (f"; {seen.implementation}" if seen.implementation else "")
    )


def _contexts(key: SenderKey, seen: Behaviour) -> Iterator[Check]:
    if not seen.refused:
        return
    told = [f"{name_of(uid)} ({words.count(number, 'time')})" for uid, number in seen.refused.most_common(5)]
    yield _check(
        key,
        Grade.LOOK,
        f"presentation contexts were refused: {words.listed(told)}",
        "storage SOP classes and Verification alone",
        "Query/Retrieve, worklist and printing are not served here: send those to the PACS; if it is Verification, "
        "see dicom.scp.verification",
    )


def _pdus(key: SenderKey, seen: Behaviour, our_pdu: int) -> Iterator[Check]:
    """Each instance has a command in a PDU of its own, each association two more."""
    data = seen.pdus - seen.instances - 2 * seen.associations
    if data <= 0 or not seen.instances or seen.bytes / seen.instances < _LARGE_INSTANCE:
        return
    length = seen.bytes / data
    if length < _SMALL_PDU:
        yield _check(
            key,
            Grade.LOOK,
            f"its PDUs have {words.size(round(length))} on average, although we take {words.size(our_pdu)}",
            f"at least {words.size(_SMALL_PDU)}",
            "raise the maximum PDU length at the sender to 16384 bytes at least, better to 65536 or more",
        )


def _stalls(key: SenderKey, seen: Behaviour) -> Iterator[Check]:
    """Waits inside a request, and such a pause between requests, as delayed acknowledgements make them."""
    for name, durations in (("in the middle of its requests", seen.stalls), ("between its requests", seen.pauses)):
        for low, high, usual in _DELAYED:
            number = _between(durations, low, high)
            if number >= max(_LEAST, _PATTERN * seen.instances):
                share = number / max(1, seen.instances)
                yield _check(
                    key,
                    Grade.LOOK,
                    f"it stalled {number} times for about {usual} {name} ({share:.0%} of its instances)",
                    "no such pattern: it is that of a delayed acknowledgement",
                    _ACK_REMEDY,
                )


def _between(durations: Durations, low: float, high: float) -> int:
    return sum(
        number
        for upper, below, number in zip(BOUNDS, (0.0, *BOUNDS[:-1]), durations.counts[:-1], strict=True)
        if below >= low and upper <= high
    )


def _pauses(key: SenderKey, seen: Behaviour) -> Iterator[Check]:
    number = seen.pauses.count
    if number < _LEAST or not seen.instances:
        return
    idle = seen.pauses.seconds / number
    share = seen.pauses.seconds / seen.seconds if seen.seconds else 0.0
    if idle > _LONG_PAUSE and share > 0.5:
        yield _check(
            key,
            Grade.LOOK,
            f"{words.duration(timedelta(seconds=round(idle, 4)))} pass from each answer of ours to its next request: "
            f"{share:.0%} of the time its associations are open",
            f"at most {words.duration(timedelta(seconds=_LONG_PAUSE))}",
            "the sender is slow to read or prepare its instances: look at its disk and its load, and let it use "
            "several associations at a time",
        )
    if seen.associations >= _LEAST and seen.instances <= 1.5 * seen.associations:
        yield _check(
            key,
            Grade.LOOK,
            f"{words.count(seen.instances, 'instance')} came over {words.count(seen.associations, 'association')}",
            "one association per series or study",
            "let the sender keep the association open for all instances; groups then need no timeout either",
        )


def _broken(key: SenderKey, seen: Behaviour) -> Iterator[Check]:
    if seen.broken >= 2 and seen.broken > _BROKEN * seen.associations:
        yield _check(
            key,
            Grade.LOOK,
            f"{seen.broken} of {words.count(seen.associations, 'association')} were not released",
            "a release at the end of each",
            "see hilum history for the reasons; what such an association stored is held aside",
        )


def _check(key: SenderKey, grade: Grade, found: str, expected: str = "", remedy: str = "") -> Check:
    subject = f"{key.calling} ({key.host}) to {key.called}"
    return Check(area="senders", subject=subject, grade=grade, found=found, expected=expected, remedy=remedy)
