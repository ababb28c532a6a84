"""Values as text for people: sizes, times, states, C-STORE statuses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")

#: Source: PS3.4 Table B.2-1; PS3.7 C.
_STATUSES: Final = {
    0x0000: "success",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "attribute list warning",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP Instance UID",
    0x0118: "no such SOP class",
    0x0119: "class and instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xB000: "warning: data elements were coerced",
    0xB006: "warning: data elements were discarded",
    0xB007: "warning: data set does not match SOP class",
    0xFE00: "cancelled",
}
_FAMILIES: Final = {
    0xA700: "refused: out of resources",
    0xA900: "data set does not match SOP class",
}


def size(count: int) -> str:
    """Bytes in decimal units, three digits or so: ``33.8 MB``."""
    value = float(count)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def rate(count: int, seconds: float) -> str:
    """Bytes per second: ``82.4 MB/s``."""
    return f"{size(round(count / max(seconds, 1e-6)))}/s"


def duration(span: timedelta) -> str:
    """Two units at most: ``410 ms``, ``2.5 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 days``."""
    seconds = abs(span.total_seconds())
    sign = "-" if span < timedelta() else ""
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 9.95 and seconds % 1:
        return f"{sign}{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{sign}{whole} s"
    for limit, large, large_name, small, small_name in (
        (3600, 60, "min", 1, "s"),
        (86_400, 3600, "h", 60, "min"),
        (172_800, 86_400, "day", 3600, "h"),
    ):
        if whole < limit:
            rest = whole % large // small
            return f"{sign}{whole // large} {large_name}" + (f" {rest} {small_name}" if rest else "")
    return f"{sign}{whole // 86_400} days"


def clock(moment: datetime) -> str:
    """The local time of day and date: ``2026-11-22 13:01:05``."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, roughly: ``12 s``, ``3 min``, ``2 h``, ``5 days``."""
    seconds = max(0.0, (now - moment).total_seconds())
    unit = next((unit for unit in (86_400, 3600, 60) if seconds >= unit), 1)
    return duration(timedelta(seconds=seconds // unit * unit))


def until(moment: datetime | None, now: datetime) -> str:
    """When something is due: ``in 20 s``, ``now``, or nothing."""
    if moment is None:
        return ""
    left = timedelta(seconds=round((moment - now).total_seconds()))
    return f"in {duration(left)}" if left > timedelta() else "now"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """``a, b and c``."""
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if len(words) > 1 else "".join(words)


def status(code: int) -> str:
    """A C-STORE or C-ECHO status by its number, as logs everywhere write it: ``A700H``."""
    return f"{code:04X}H"


def status_meaning(code: int) -> str:
    """What that status says."""
    if code & 0xF000 == 0xC000:
        return "cannot understand"
    return _STATUSES.get(code) or _FAMILIES.get(code & 0xFF00, "unknown status")


def printable(text: str) -> str:
    """Without anything that could end a line or command a terminal: peers choose some of what is printed."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


#: Around what somebody else said, who may name a patient: nothing between them is logged.
SAID: Final = "“”"


def said(text: str) -> str:
    """What a peer said, marked as that: ``“no such patient”``; empty if it said nothing."""
    begin, end = SAID
    return f"{begin}{text.replace(begin, chr(34)).replace(end, chr(34))}{end}" if text else ""


def discreet(text: str) -> str:
    """Without what others said."""
    begin, end = SAID
    while (at := text.find(begin)) >= 0:
        rest = text.find(end, at)
        # One that was cut off goes on to the end.
        text = f"{text[:at].rstrip()}{text[rest + 1 :] if rest >= 0 else ''}"
    return text


def subject(machine: str, text: str) -> str:
    """What a line of history is about, as the command line names it."""
    match machine:
        case "job":
            return text[:8]
        case "result":
            job, _, path = text.partition(":")
            return f"{path} of job {job[:8]}"
        case _:
            return text
