"""Case S28: destinations that break the protocol, stall or flood; what is for them is kept, and nobody else waits."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.outbox import finished
from harness.data import make_instance
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.raw_peer import (
    AC,
    COMMAND,
    DATA,
    EXPLICIT,
    JPEG,
    LAST,
    RELEASE,
    RELEASE_RQ,
    RELEASED,
    RJ,
    USER_ABORT,
    RawPeer,
    associate_ac,
    associate_rq,
    p_data,
    pdu,
    response,
    store_rq,
)
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.ledger.database import Database
from hilum.ledger.rows import AnyRow
from hostile.hostile_pacs import ACCEPTED, C_STORE_RSP, Behaviour, HostilePacs, take_data_set
from hostile.vitals import MEGABYTE, forget_peak, vitals

TIMEOUTS = {"connect": 0.5, "association": 0.5, "dimse": 0.5}
#: Seconds that one attempt may take: each of the timeouts once, the wait for the peer to close, and a busy machine.
LONGEST = 8.0


@dataclass
class Sender:
    """A gateway with two destinations; each job goes to both."""

    site: Site
    pid: int
    hostile: HostilePacs
    healthy: Pacs
    sockets: int  # that it has when it does nothing

    def deliveries(self, job: str) -> dict[str, AnyRow]:
        """By destination, each job having one result."""
        ids = {row.id for row in self.site.rows("jobs") if row.folder.endswith(f"/{job}")}
        return {row.destination: row for row in self.site.rows("deliveries") if row.job_id in ids}


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    folder = tmp_path_factory.mktemp("site")
    with HostilePacs() as hostile, Pacs(title="HEALTHY") as healthy:
        destinations = [hostile.destination, healthy.destination]
        keys = {
            "dicom": {"scu": {"destinations": destinations, "timeouts": TIMEOUTS, "retry": {"waits": [0.2]}}},
            "workflows": [
                {
                    "name": "back",
                    "clara-ae-title": "HILUM",
                    "destination-name": [one["name"] for one in destinations],
                    "workflow": "wf-1",
                }
            ],
        }
        site = Site(folder, keys)
        with GatewayProcess(site) as process:
            site.database = Database(site.settings.ledger.url)
            pid = process.process.pid
            yield Sender(site, pid, hostile, healthy, vitals(pid).sockets)
            site.database.close()


def until_closed(peer: RawPeer) -> None:
    while peer.socket.recv(1 << 16):
        pass


def says(*data: bytes, after: int = 1) -> Behaviour:
    """Take so many PDUs, say something, and listen until the gateway closes."""

    def behave(peer: RawPeer) -> None:
        for _ in range(after):
            peer.pdu()
        peer.send(*data)
        until_closed(peer)

    return behave


def responds(*data: bytes) -> Behaviour:
    """Accept the association, take the instance, and answer it like this."""

    def behave(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPTED)
        peer.pdu()
        take_data_set(peer)
        peer.send(*data)
        until_closed(peer)

    return behave


def within(*data: bytes, pdus: int) -> Behaviour:
    """Accept the association, and say something when so many PDUs have come."""

    def behave(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(ACCEPTED)
        for _ in range(pdus):
            peer.pdu()
        peer.send(*data)

    return behave


def floods(first: bytes, block: bytes, *, instead_of_response: bool = False) -> Behaviour:
    """Say one thing and then another for ever."""

    def behave(peer: RawPeer) -> None:
        peer.pdu()
        if instead_of_response:
            peer.send(ACCEPTED)
            peer.pdu()
            take_data_set(peer)
        peer.send(first)
        peer.flood(block)

    return behave


def drips(data: bytes, *, instead_of_response: bool = False) -> Behaviour:
    """Say one byte after the other, slowly."""

    def behave(peer: RawPeer) -> None:
        peer.pdu()
        if instead_of_response:
            peer.send(ACCEPTED)
            peer.pdu()
            take_data_set(peer)
        for byte in data:
            peer.send(bytes([byte]))
            time.sleep(0.1)

    return behave


def vanishes(pdus: int, *, accept: bool = True, reset: bool = False) -> Behaviour:
    """Close after so many PDUs."""

    def behave(peer: RawPeer) -> None:
        for at in range(pdus):
            peer.pdu()
            if at == 0 and accept:
                peer.send(ACCEPTED)
        if reset:
            peer.reset()

    return behave


WRONG: dict[str, Behaviour] = {
    # instead of an answer to the A-ASSOCIATE-RQ
    "silence after the connection": until_closed,
    "silence after the request": says(),
    "another protocol": says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "unknown reject": says(pdu(RJ, b"\0\x09\x09\x09")),
    "zero reject": says(pdu(RJ, bytes(4))),
    "a request of its own": says(associate_rq()),
    "a transfer syntax never offered": says(associate_ac((1, 0, JPEG))),
    "a context never offered": says(associate_ac((7, 0, EXPLICIT))),
    "an even context": says(associate_ac((2, 0, EXPLICIT))),
    "maximum length 1": says(associate_ac((1, 0, EXPLICIT), max_length=1)),
    "maximum length 7": says(associate_ac((1, 0, EXPLICIT), max_length=7)),
    "an accept of 200 MB": floods(struct.pack(">BxI", AC, 200_000_000), bytes(65536)),
    "endless PDUs before the accept": floods(b"", p_data(1, COMMAND, bytes(4096))),
    "a dripping accept": drips(ACCEPTED),
    "abort with the accept": says(ACCEPTED + USER_ABORT),
    "release with the accept": says(ACCEPTED + RELEASE),
    "abort instead of accept": says(USER_ABORT),
    # instead of a response
    "silence after the accept": says(ACCEPTED),
    "silence after the instance": responds(),
    "wrong message id": responds(response(C_STORE_RSP, 99, 0)),
    "wrong context": responds(response(C_STORE_RSP, 1, 0, context_id=3)),
    "wrong command": responds(response(0x8030, 1, 0)),
    "a response with endless data": floods(
        response(C_STORE_RSP, 1, 0, data_type=0), p_data(1, 0, bytes(16000)), instead_of_response=True
    ),
    "an endless command": floods(b"", p_data(1, COMMAND, bytes(4096)), instead_of_response=True),
    "endless empty fragments": floods(b"", p_data(1, COMMAND, b"") * 100, instead_of_response=True),
    "a PDU of 2 GB": responds(struct.pack(">BxI", DATA, 0x7FFFFFFF)),
    "a dripping response": drips(response(C_STORE_RSP, 1, 0), instead_of_response=True),
    "an instance for us": responds(store_rq(context_id=1)),
    "data without a command": responds(p_data(1, LAST, b"data")),
    "a second accept": responds(ACCEPTED),
    "release after the instance": responds(RELEASE),
    "answer to no release": responds(RELEASED),
    # within the instance
    "release within the instance": within(RELEASE, pdus=3),
    "an instance for us within ours": within(store_rq(context_id=1), pdus=3),
    "abort after the accept": within(USER_ABORT, pdus=0),
    "abort after the command": within(USER_ABORT, pdus=1),
    "abort within the instance": within(USER_ABORT, pdus=3),
    "abort after the instance": responds(USER_ABORT),
    "gone after the connection": vanishes(0),
    "gone after the request": vanishes(1, accept=False),
    "gone after the accept": vanishes(1),
    "gone after the command": vanishes(2),
    "gone within the instance": vanishes(4),
    "reset within the instance": vanishes(4, reset=True),
}


@contextmanager
def mended_afterwards(pacs: HostilePacs, behaviour: Behaviour) -> Iterator[None]:
    pacs.behaviour = behaviour
    try:
        yield
    finally:
        pacs.behaviour = pacs.archive


@pytest.mark.parametrize("wrong", WRONG)
def test_s28_an_attempt_ends_soon_and_what_was_to_be_delivered_is_kept(
    sender: Sender, tmp_path: Path, wrong: str
) -> None:
    path = make_instance(tmp_path, size=100_000)
    job = wrong.replace(" ", "-")
    before = vitals(sender.pid)
    forget_peak(sender.pid)
    with mended_afterwards(sender.hostile, WRONG[wrong]):
        finished(sender.site, path, name=job)

        def failed() -> str:
            """Of the file if it was on its way, else of the destination, to which nothing is sent then."""
            row = sender.deliveries(job).get("PACS")
            down = sender.site.rows("destinations", id="PACS", state="down")
            if row is None or not (row.attempts or down):
                return ""
            assert row.state != "delivered"
            return str(row.why or down[0].why)

        eventually(failed, seconds=LONGEST, what="the end of an attempt, with its reason")
        eventually(
            lambda: data_set_digest(path) in [one.digest for one in sender.healthy.accepted],
            seconds=LONGEST,
            what="the delivery to another destination",
        )
    assert vitals(sender.pid).peak < before.memory + 24 * MEGABYTE
    eventually(lambda: sender.deliveries(job)["PACS"].state == "delivered", what="the delivery to the mended archive")
    assert data_set_digest(path) in sender.hostile.digests
    log = sender.site.folder / "serve.log"
    assert "Traceback" not in log.read_text()


def test_s28_a_peer_that_accepts_nothing_never_counts_as_delivered(sender: Sender, tmp_path: Path) -> None:
    path = make_instance(tmp_path)

    def refuse_the_context(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(associate_ac((1, 3, EXPLICIT)))
        if peer.pdu()[0] == RELEASE_RQ:
            peer.send(RELEASED)

    def given_up() -> AnyRow | None:
        row = sender.deliveries("nothing-accepted").get("PACS")
        return row if row is not None and row.state == "given up" else None

    with mended_afterwards(sender.hostile, refuse_the_context):
        finished(sender.site, path, name="nothing-accepted")
        row = eventually(given_up, what="the end of all attempts")
    assert row is not None
    assert row.attempts == 3
    [file] = (sender.site.payloads / "nothing-accepted" / "output").glob("*.dcm")
    assert data_set_digest(file) == data_set_digest(path)


def test_s28_after_all_that_nothing_is_left_open(sender: Sender) -> None:
    eventually(lambda: vitals(sender.pid).sockets <= sender.sockets, what="the end of all associations")
