"""Every kind of answer of a destination, and what comes of it: for the file, for those behind it, for the destination.

Musts 87-96 of the standard as a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import pytest

from harness.raw_peer import (
    EXPLICIT,
    RELEASE_RQ,
    RELEASED,
    RJ,
    USER_ABORT,
    RawPeer,
    associate_ac,
    pdu,
    response,
)
from hilum.association.settings import RequestorTimeouts
from hilum.deliver.policy import MISCONFIGURED_WAIT
from hilum.deliver.settings import DeliverySettings
from hilum.retry import RetryRule
from hostile.hostile_pacs import C_STORE_RSP, HostilePacs, take_data_set
from stage.deliver.sending import Sending

Behaviour = Callable[[RawPeer], None]

SHORT, LONG = timedelta(seconds=0.5), timedelta(seconds=20)
ACCEPTED = associate_ac((1, 0, EXPLICIT))
#: More than the system buffers on the way.
ENOUGH = 8_000_000


class Impatient(Sending):
    #: The timer that is short, since it is to run out; what is answered takes as long as this machine is slow.
    short = ""

    def settings(self) -> DeliverySettings:
        timers = {timer.name: SHORT if timer.name == self.short else LONG for timer in fields(RequestorTimeouts)}
        return replace(
            super().settings(),
            retry=RetryRule(waits=[timedelta(seconds=30), timedelta(hours=1)], give_up_after=timedelta(days=7)),
            timeouts=RequestorTimeouts(**timers),
        )


def until_closed(peer: RawPeer) -> None:
    while peer.socket.recv(1 << 16):
        pass


def session(*answers: Callable[[RawPeer, int], bool]) -> Behaviour:
    """Accept, then treat each instance in turn: the last treatment repeats. One that returns false ends it."""

    def behave(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPTED)
        number = 0
        while True:
            kind, _body = peer.pdu()
            if kind == RELEASE_RQ:
                peer.send(RELEASED)
                return
            treat = answers[min(number, len(answers) - 1)]
            number += 1
            if not treat(peer, number):
                return

    return behave


def status(value: int) -> Callable[[RawPeer, int], bool]:
    def treat(peer: RawPeer, number: int) -> bool:
        take_data_set(peer)
        peer.send(response(C_STORE_RSP, number, value))
        return True

    return treat


def says(make: Callable[[int], bytes], *, stay: bool = True) -> Callable[[RawPeer, int], bool]:
    """Take the instance and say this; then listen until the gateway closes."""

    def treat(peer: RawPeer, number: int) -> bool:
        take_data_set(peer)
        peer.send(make(number))
        if stay:
            until_closed(peer)
        return False

    return treat


def vanishes(_peer: RawPeer, _number: int) -> bool:
    return False


def reads_slowly(peer: RawPeer, number: int) -> bool:
    """A byte at a time for a while, and then nothing for longer than anybody waits."""
    for _ in range(20):
        peer.read(1)
        time.sleep(0.005)
    time.sleep(4 * SHORT.total_seconds())
    return False


def rejects(result: int, source: int, reason: int) -> Behaviour:
    def behave(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(pdu(RJ, bytes([0, result, source, reason])))
        until_closed(peer)

    return behave


def instead_of_accept(data: bytes = b"") -> Behaviour:
    def behave(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(data)
        until_closed(peer)

    return behave


def refuses_the_context(peer: RawPeer) -> None:
    peer.pdu()
    peer.send(associate_ac((1, 4, EXPLICIT)))
    if peer.pdu()[0] == RELEASE_RQ:
        peer.send(RELEASED)


OK = status(0)
DONE = ("delivered", 1)
WAITS = ("due", 1)
UNTOUCHED = ("due", 0)


@dataclass(frozen=True)
class Case:
    """What the destination does, and what becomes of two files, the first of which meets it.

    Attributes:
        why: Is part of the reason shown; of the destination if that is down, else of the first file.
        short: The timer that runs out.
    """

    does: Behaviour
    first: tuple[str, int]
    second: tuple[str, int]
    down: bool = False
    why: str = ""
    asked_after: timedelta = timedelta(seconds=30)
    short: str = ""


CASES: dict[str, Case] = {
    "success": Case(session(OK), DONE, DONE),
    # 89: delivered with a warning
    **{
        f"warning {one:04X}": Case(session(status(one), OK), DONE, DONE, why=f"{one:04X}H")
        for one in (0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116)
    },
    # 89: no room. 93: the file behind is not shipped in vain, and not blamed
    **{
        f"full {one:04X}": Case(session(status(one)), WAITS, UNTOUCHED, down=True, why=f"{one:04X}H")
        for one in (0xA700, 0xA701, 0xA7FF)
    },
    # 89: of this file alone. 93: the others go on
    **{
        f"status {one:04X}": Case(session(status(one), OK), WAITS, DONE, why=f"{one:04X}H")
        for one in (
            *(0x0105, 0x0106, 0x0110, 0x0111, 0x0115, 0x0117, 0x0119, 0x0120, 0x0121, 0x0122, 0x0124),
            *(0x0210, 0x0211, 0x0212, 0x0213, 0xA800, 0xA900, 0xA9FF, 0xC000, 0xCFFF, 0xFE00, 0xFF00, 0x1234),
        )
    },
    # 90: rejections for now, and for good
    **{
        f"reject 2/{source}/{reason}": Case(
            rejects(2, source, reason), UNTOUCHED, UNTOUCHED, down=True, why=f"2/{source}/{reason}"
        )
        for source, reason in ((1, 1), (2, 1), (3, 1), (3, 2))
    },
    **{
        f"reject 1/{source}/{reason}": Case(
            rejects(1, source, reason),
            UNTOUCHED,
            UNTOUCHED,
            down=True,
            why=f"1/{source}/{reason}",
            asked_after=MISCONFIGURED_WAIT,
        )
        for source, reason in ((1, 1), (1, 2), (1, 3), (1, 7), (2, 1), (2, 2))
    },
    # no association
    "silence after the connection": Case(until_closed, UNTOUCHED, UNTOUCHED, down=True, short="association"),
    "silence after the request": Case(
        instead_of_accept(), UNTOUCHED, UNTOUCHED, down=True, why="A-ASSOCIATE-RQ", short="association"
    ),
    "abort instead of an answer": Case(instead_of_accept(USER_ABORT), UNTOUCHED, UNTOUCHED, down=True, why="abort"),
    "nonsense": Case(instead_of_accept(b"HTTP/1.1 400 Bad Request\r\n"), UNTOUCHED, UNTOUCHED, down=True),
    "gone at once": Case(lambda _peer: None, UNTOUCHED, UNTOUCHED, down=True),
    # 91: outcome unknown
    "abort within the instance": Case(session(says(lambda _n: USER_ABORT)), WAITS, UNTOUCHED, down=True, why="abort"),
    "gone within the instance": Case(session(vanishes), WAITS, UNTOUCHED, down=True),
    "silence after the instance": Case(
        session(says(lambda _n: b"")), WAITS, UNTOUCHED, down=True, why="response", short="dimse"
    ),
    "reads no more": Case(session(reads_slowly), WAITS, UNTOUCHED, down=True, short="write"),
    "abort within the second": Case(session(OK, says(lambda _n: USER_ABORT)), DONE, WAITS, down=True, why="abort"),
    # 92: answers that do not belong
    "wrong message id": Case(
        session(says(lambda n: response(C_STORE_RSP, n + 1, 0))), WAITS, UNTOUCHED, down=True, why="message ID"
    ),
    "wrong context": Case(
        session(says(lambda n: response(C_STORE_RSP, n, 0, context_id=3))), WAITS, UNTOUCHED, down=True
    ),
    "wrong command": Case(session(says(lambda n: response(0x8030, n, 0))), WAITS, UNTOUCHED, down=True),
    # 87, 94: never sent without a context
    "context refused": Case(refuses_the_context, WAITS, WAITS, why="does not accept SOP class"),
    # 96: what was answered counts, however the association ends
    "no answer to the release": Case(
        session(OK, says(lambda n: response(C_STORE_RSP, n, 0))), DONE, DONE, short="release"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_comes_of_an_answer(sending: Sending, name: str) -> None:
    case = CASES[name]
    sending = Impatient(sending.desk, sending.root)
    sending.short = case.short
    with HostilePacs() as pacs:
        pacs.behaviour = case.does
        sending.to("PACS", int(str(pacs.destination["port"])))
        sending.job("1.1", "1.2", size=ENOUGH if name == "reads no more" else 2000)
        sending.carry()
        rows = sending.deliveries()
        assert [(row.state, row.attempts) for row in rows] == [case.first, case.second]
        assert all(row.lease_until is None and row.begun == 0 for row in rows)
        destinations = sending.desk.rows("destinations")
        if case.down:
            (row,) = destinations
            assert (row.state, row.failures) == ("down", 1)
            assert case.why in row.why
            wait = row.not_before - sending.clock()
            assert case.asked_after <= wait < 1.5 * case.asked_after
        else:
            assert destinations == []
            assert case.why in rows[0].why
        for row in rows:
            if (row.state, row.attempts) == WAITS:
                assert row.why
                assert row.not_before == sending.clock.in_(30)
        # Mended, everything that is due gets there, the same bytes under the same UID.
        pacs.behaviour, sending.short = pacs.archive, ""
        for _ in range(3):
            sending.clock.forward(1.5 * 900)
            sending.run()
        assert set(sending.states()) == {"delivered"}
