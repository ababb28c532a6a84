"""A check that no peer can fail shows nothing: each must fail on a peer that breaks its must and is right otherwise."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from battery.conftest import CALLING, TIMER
from battery.corrupting import Corruption, Flaw, Proxy, SpoiltShelf, honest
from harness.site import Site
from hilum.battery import CHECKS, Conforms, Deviates, Shelf, Target
from hilum.battery.association import echo_pdu
from hilum.battery.instance import PATIENT_NAME
from hilum.battery.octets import ABORT, AC, DATA, JPEG, RELEASE_RP, RJ, RQ

#: Long enough that only a peer that says nothing is silent.
BRIEF: Final = 1.0


# How PDUs are corrupted


def drop(kind: int) -> Corruption:
    return lambda pdu: b"" if pdu[:1] == bytes((kind,)) else pdu


def swap(old: bytes, new: bytes, kind: int = DATA) -> Corruption:
    """In PDUs of one kind, bytes for as many others; it must be there at least in one."""
    assert len(old) == len(new)
    return lambda pdu: pdu.replace(old, new) if pdu[:1] == bytes((kind,)) else pdu


def at(kind: int, *places: tuple[int, bytes]) -> Corruption:
    """Bytes at fixed places of PDUs of one kind."""

    def corrupt(pdu: bytes) -> bytes:
        if pdu[:1] != bytes((kind,)):
            return pdu
        changed = bytearray(pdu)
        for place, new in places:
            changed[place : place + len(new)] = new
        return bytes(changed)

    return corrupt


def element(number: int, value: bytes) -> Corruption:
    """The value of an element of every command set that fits into one PDV; the first bytes if it is longer."""
    header = struct.pack("<HH", 0, number)

    def corrupt(pdu: bytes) -> bytes:
        start = pdu.find(header, 12)
        return pdu if pdu[0] != DATA or start < 0 else pdu[: start + 8] + value + pdu[start + 8 + len(value) :]

    return corrupt


def status(code: int) -> Corruption:
    return element(0x0900, struct.pack("<H", code))


REJECTION: Final = bytes((RJ, 0, 0, 0, 0, 4, 0, 1, 1, 1))


def instead_of_acceptance(other: bytes = REJECTION) -> Corruption:
    return lambda pdu: other if pdu[0] == AC else pdu


def result(old: int, new: int) -> Corruption:
    """Results of contexts in acceptances."""

    def corrupt(pdu: bytes) -> bytes:
        if pdu[0] != AC:
            return pdu
        pattern = re.compile(rb"(\x21\0..[^\0]\0)" + bytes((old,)) + rb"(\0\x40\0)", re.DOTALL)
        return pattern.sub(rb"\g<1>" + re.escape(bytes((new,))) + rb"\2", pdu)

    return corrupt


def sub_item(content: bytes) -> Corruption:
    """One more sub-item at the end of the user information of acceptances, which is their last item."""

    def corrupt(pdu: bytes) -> bytes:
        if pdu[0] != AC:
            return pdu
        start = pdu.index(b"\x50\0", 74)
        while start + 4 + struct.unpack(">H", pdu[start + 2 : start + 4])[0] != len(pdu):
            start = pdu.index(b"\x50\0", start + 1)
        user = pdu[start + 4 :] + content
        body = pdu[6:start] + b"\x50\0" + struct.pack(">H", len(user)) + user
        return pdu[:2] + struct.pack(">I", len(body)) + body

    return corrupt


def without_last_result(pdu: bytes) -> bytes:
    if pdu[0] != AC:
        return pdu
    start = pdu.rindex(b"\x21\0")
    end = start + 4 + struct.unpack(">H", pdu[start + 2 : start + 4])[0]
    body = pdu[6:start] + pdu[end:]
    return pdu[:2] + struct.pack(">I", len(body)) + body


def laundered(pdu: bytes) -> bytes:
    """Any request replaced by one that is right: the peer seems to accept everything."""
    if pdu[:1] != bytes((RQ,)):
        return pdu
    return Target(host="", port=0, called="HILUM", calling=CALLING).request().encode()


def without_case(pdu: bytes) -> bytes:
    """Requests for any spelling of HILUM answered, no other."""
    called = pdu[10:26]
    return pdu[:10] + called.upper() + pdu[26:] if called.strip().upper() == b"HILUM" and pdu[0] == RQ else pdu


def silent(**flaw: object) -> Flaw:
    """A peer that aborts, but never says so."""
    return replace(Flaw(said=drop(ABORT), hangs=True), **flaw)  # type: ignore[arg-type]


MUTE_ON_REJECTION: Final = Flaw(said=drop(RJ))
TRUSTING: Final = Flaw(asked=laundered)
GRUMPY: Final = Flaw(said=instead_of_acceptance())
FULL: Final = Flaw(said=status(0xA700))
EASY: Final = Flaw(said=status(0x0000))


# How files are spoilt


def spoil(old: bytes, new: bytes) -> Corruption:
    assert len(old) == len(new)
    return lambda content: content.replace(old, new)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A way to break a must.

    Attributes:
        found: What the check must say it found; a regular expression.
        files: How the files are spoilt, of which the check looks at.
        patience: For checks that shall find silence.
    """

    found: str
    flaw: Flaw = field(default_factory=Flaw)
    files: Corruption = honest
    patience: float = 10


def says_nothing(flaw: Flaw | None = None) -> Wrong:
    return Wrong("silent", flaw or silent(), patience=BRIEF)


WRONG: Final[Mapping[int, Wrong]] = {
    1: says_nothing(),
    2: says_nothing(Flaw(hangs=True)),
    3: Wrong("open", Flaw(hangs=True)),
    4: says_nothing(),
    5: says_nothing(),
    6: says_nothing(),
    7: says_nothing(),
    8: Wrong("ABT 0/0", Flaw(said=at(ABORT, (8, b"\0\0")))),
    9: Wrong("ABT 2/1", Flaw(said=at(ABORT, (9, b"\1")))),
    10: says_nothing(),
    11: Wrong("0600000000040000ff00", Flaw(said=at(RELEASE_RP, (8, b"\xff")))),
    12: says_nothing(Flaw(hangs=True)),
    13: Wrong("P-DATA", Flaw(asked=drop(5))),
    14: Wrong("what was answered is gone", files=lambda _: b"", patience=BRIEF),
    17: Wrong("RJ 1/1/1", GRUMPY),
    18: Wrong("others", Flaw(said=at(AC, (8, b"\xff")))),
    19: Wrong("FIN", Flaw(said=drop(ABORT))),
    20: Wrong("silent", Flaw(deaf=True), patience=BRIEF),
    21: Wrong("AC", TRUSTING),
    22: Wrong("AC", TRUSTING),
    23: Wrong("RJ 1/1/1", Flaw(said=at(RJ, (9, b"\1")))),
    24: Wrong("AC", Flaw(asked=without_case)),
    25: Wrong("AC", TRUSTING),
    26: Wrong("AC", TRUSTING),
    27: Wrong("FIN", MUTE_ON_REJECTION),
    28: Wrong("others", Flaw(said=at(AC, (42, bytes(32))))),
    29: Wrong("10 21 21 21 50", Flaw(said=without_last_result)),
    30: Wrong("1", Flaw(said=result(3, 1))),
    31: Wrong("1.2.840.10008.1.2.4.51", Flaw(said=swap(JPEG.encode(), JPEG.encode()[:-2] + b"51", AC))),
    32: Wrong("AC", TRUSTING),
    33: Wrong("AC", TRUSTING),
    34: Wrong("4", Flaw(said=result(0, 4))),
    35: Wrong("AC", TRUSTING),
    36: Wrong("RJ 1/1/1", GRUMPY),
    37: Wrong("RJ 1/1/1", GRUMPY),
    38: Wrong("RJ 1/1/1", GRUMPY),
    39: Wrong("silent", Flaw(said=drop(ABORT), hangs=True), patience=BRIEF),
    40: Wrong("AC, result 1", Flaw(said=result(0, 1))),
    41: Wrong("4", Flaw(said=result(0, 4))),
    42: Wrong("AC, result 0", TRUSTING),
    43: Wrong("0", Flaw(said=swap(b"\x51\0\0\4", b"\x5e\0\0\4", AC))),
    44: Wrong(r"\d+ bytes", Flaw(asked=swap(b"\x51\0\0\4\0\0\0\x80", b"\x51\0\0\4\0\0\x40\0", RQ))),
    45: Wrong("silent", Flaw(said=swap(b"\x51\0\0\4\0\2\0\0", b"\x51\0\0\4\0\1\0\0", AC)), patience=BRIEF / 2),
    46: Wrong("P-DATA", Flaw(asked=swap(b"\x51\0\0\4\0\0\0\1", b"\x51\0\0\4\0\0\x40\0", RQ))),
    47: Wrong("RJ 1/1/1", GRUMPY),
    48: Wrong(r"'2\.X5.*", Flaw(said=swap(b"2.25.", b"2.X5.", AC))),
    49: Wrong("00090009", Flaw(said=sub_item(b"\x53\0\0\4\0\x09\0\x09"))),
    50: Wrong("0101", Flaw(said=sub_item(b"\x54\0\0\x1d\0\x191.2.840.10008.5.1.4.1.1.2\1\1"))),
    51: Wrong("ffffffffff", Flaw(said=sub_item(b"\x56\0\0\x20\0\x191.2.840.10008.5.1.4.1.1.2\xff\xff\xff\xff\xff"))),
    52: Wrong("3", Flaw(said=result(0, 3))),
    53: Wrong("RJ 1/1/1", GRUMPY),
    54: Wrong("1", Flaw(said=result(3, 1))),
    55: says_nothing(),
    56: says_nothing(),
    57: Wrong("other bits", Flaw(said=at(DATA, (11, b"\xff")))),
    58: Wrong("A700", FULL),
    59: Wrong("A700", FULL),
    60: says_nothing(),
    61: says_nothing(),
    62: says_nothing(),
    63: Wrong("A700", FULL),
    64: Wrong("A700", FULL),
    65: Wrong("its group length is wrong", Flaw(said=at(DATA, (20, b"\x01")))),
    66: Wrong("9", Flaw(said=element(0x0120, b"\x09\0"))),
    67: Wrong(r"9\.25\..*", Flaw(said=element(0x1000, b"9"))),
    68: Wrong("A700", FULL),
    69: Wrong("0000", EASY),
    70: Wrong("0000", Flaw(asked=lambda pdu: echo_pdu() if pdu[0] == DATA else pdu)),
    71: Wrong("0000", EASY),
    72: Wrong("0000", EASY),
    73: Wrong("silent", Flaw(said=drop(ABORT), hangs=True), patience=BRIEF),
    74: Wrong("0000", EASY),
    75: Wrong("9", Flaw(said=element(0x0120, b"\x09\0"))),
    76: Wrong("the patient", Flaw(said=element(0x0902, PATIENT_NAME.encode()))),
    77: Wrong("0000", EASY),
    78: Wrong("0000", EASY),
    80: Wrong("no file yet", files=lambda _: b""),
    81: Wrong("gone", files=lambda _: b"", patience=BRIEF),
    82: Wrong("other bytes", Flaw(asked=swap(b"keep this", b"lose this"))),
    83: Wrong("changed", Flaw(asked=swap(b"keep this", b"lose this"))),
    84: Wrong("a mixture", files=spoil(b"\7" * 8, b"\7" * 4 + b"\x08" * 4)),
    97: Wrong("something", files=lambda content: b"#!/bin/sh" + content[9:]),
    98: Wrong("ANYBODY", files=spoil(CALLING.encode() + b" ", b"ANYBODY ")),
    99: Wrong("1.2.840.10008.1.2.1.98", files=spoil(b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1.98")),
}


def run(number: int, target: Target, flaw: Flaw) -> object:
    check = next(check for check in CHECKS if check.number == number)
    with Proxy(target.port, flaw) as proxy:
        return check.run(replace(target, port=proxy.port))


@pytest.mark.parametrize("number", [pytest.param(number, id=f"{number:03}") for number in WRONG])
def test_a_peer_that_is_wrong_in_this_deviates(number: int, target: Target, site: Site) -> None:
    wrong = WRONG[number]
    shelf = SpoiltShelf(site.folder, spoil=wrong.files)
    verdict = run(number, replace(target, patience=wrong.patience, slow=TIMER * 2, shelf=shelf), wrong.flaw)
    assert isinstance(verdict, Deviates), verdict
    assert re.fullmatch(wrong.found, verdict.found), verdict


def test_a_peer_that_writes_outside_its_folder_deviates(target: Target, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    def escape(pdu: bytes) -> bytes:
        if found := re.search(rb"\.\./(hilum-\d+)", pdu):
            (tmp_path / found[1].decode()).touch()
        return pdu

    verdict = run(100, replace(target, shelf=Shelf(tmp_path / "folder")), Flaw(asked=escape))
    assert verdict == Deviates("1 files", "no file", "outside the folder, SOP instance")


def test_every_check_was_seen_to_fail() -> None:
    assert {*WRONG, 100} == {check.number for check in CHECKS}


@pytest.mark.parametrize("number", [1, 19, 28, 39, 44, 63, 84])
def test_behind_an_honest_proxy_nothing_deviates(number: int, target: Target) -> None:
    assert run(number, target, Flaw()) == Conforms()
