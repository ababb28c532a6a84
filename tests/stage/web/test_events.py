"""The stream that tells of changes, from a server that listens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.waiting import eventually
from hilum.ledger.transition import note
from hilum.web import feed as module
from hilum.web.server import WebServer
from hilum.web.session import COOKIE, sessions_of
from stage.ledger.reception_desk import Reception
from stage.web.office import KEYS, Office


@pytest.fixture
def server(filled: Office) -> Iterator[tuple[Office, str, WebServer]]:
    """With the address that it listens on."""
    server = WebServer("127.0.0.1", 0, filled.desk)
    port = server.start()
    yield filled, f"http://127.0.0.1:{port}", server
    server.stop()


class Stream:
    """Events as a browser gets them."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> dict[str, Any]:
        event: dict[str, Any] = {}
        for line in self._lines:
            if not line and event:
                return event
            name, _, value = line.partition(": ")
            if name:
                event[name] = json.loads(value) if name == "data" else value
        raise EOFError


@contextmanager
def listening(address: str, last: str | None = None, headers: Mapping[str, str] = {}) -> Iterator[Stream]:
    where = {} if last is None else {"Last-Event-ID": last}
    with httpx.stream("GET", f"{address}/api/v1/events", headers={**headers, **where}, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def test_who_listens_is_told_what_happens(server: tuple[Office, str, WebServer]) -> None:
    office, address, _ = server
    with listening(address) as stream:
        hello = stream.next()
        assert (hello["event"], hello["data"]["lines"]) == ("hello", [])
        assert hello["data"]["counts"]["jobs"]["failed"] == 1
        office.post("/jobs/02lung/retry")
        change = stream.next()
        (line,) = change["data"]["lines"]
        assert (change["event"], line["machine"], line["subject"], line["event"], line["state"]) == (
            "change",
            "job",
            "02lung",
            "retry asked",
            "queued",
        )
        assert int(change["id"]) == line["id"] == int(hello["id"]) + 1
        assert change["data"]["counts"]["jobs"]["failed"] == 0
        assert change["data"]["missed"] is False


def test_who_was_away_is_told_what_it_missed(server: tuple[Office, str, WebServer]) -> None:
    office, address, _ = server
    with listening(address) as stream:
        last = stream.next()["id"]
    office.post("/jobs/02lung/retry")
    office.post("/jobs/01lung/cancel")
    with listening(address, last) as stream:
        change = stream.next()
        assert [line["subject"] for line in change["data"]["lines"]] == ["02lung", "01lung"]
        office.post("/jobs/01lung/retry")
        assert [line["subject"] for line in stream.next()["data"]["lines"]] == ["01lung"]
    with listening(address, change["id"]) as stream:
        assert [line["subject"] for line in stream.next()["data"]["lines"]] == ["01lung"]


def test_who_was_away_for_too_long_is_told_to_look_at_everything(
    server: tuple[Office, str, WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address, _ = server
    monkeypatch.setattr(module, "_MOST_LINES", 3)
    with listening(address, "1") as stream:
        change = stream.next()
        assert (change["data"]["lines"], change["data"]["missed"]) == ([], True)
    with listening(address, "999999") as stream:  # of another ledger
        assert stream.next()["data"]["missed"] is True


@pytest.mark.parametrize("last", ["", "nonsense", "-1", "²", "1" * 40])
def test_an_id_of_somebody_else_is_no_harm(server: tuple[Office, str, WebServer], last: str) -> None:
    _, address, _ = server
    with httpx.stream(
        "GET", f"{address}/api/v1/events", headers=[(b"Last-Event-ID", last.encode())], timeout=30
    ) as answer:
        assert Stream(answer).next()["event"] in {"hello", "change"}


def test_all_listeners_share_one_look_and_none_holds_a_connection(
    server: tuple[Office, str, WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, address, started = server
    looks = []
    see = module.Feed._see

    def counted(feed: module.Feed, before: Any) -> Any:
        looks.append(threading.get_ident())
        return see(feed, before)

    monkeypatch.setattr(module.Feed, "_see", counted)
    with listening(address) as first, listening(address) as second, listening(address) as third:
        hello = [stream.next() for stream in (first, second, third)]
        assert len({one["id"] for one in hello}) == 1
        before = len(looks)
        eventually(lambda: len(looks) >= before + 3, what="some more looks")
        assert started._feed is not None
        assert started._feed._listeners == 3
        # Each look has one for a moment; a listener would have it for as long as it listens.
        pools = [engine.pool for engine in office.database.engines]
        eventually(lambda: not any(pool.checkedout() for pool in pools), what="no connection in use")  # type: ignore[attr-defined]
        office.post("/jobs/02lung/retry")
        assert len({json.dumps(stream.next()) for stream in (first, second, third)}) == 1
        assert len({id(started._feed._looking)}) == 1


def test_while_nobody_listens_nobody_looks(server: tuple[Office, str, WebServer]) -> None:
    _, address, started = server
    feed = eventually(lambda: started._feed, what="the server to be ready")
    assert feed._looking is None
    with listening(address) as stream:
        stream.next()
        assert feed._looking is not None
    eventually(lambda: feed._looking is None, seconds=40, what="the end of looking")


def test_a_change_of_open_associations_is_told(server: tuple[Office, str, WebServer]) -> None:
    from hilum.model import AETitle, AssociationId, AssociationInfo

    office, address, _ = server
    with listening(address) as stream:
        assert stream.next()["data"]["counts"]["associations"] == 0
        office.talking.append(
            AssociationInfo(
                id=AssociationId("a"),
                calling=AETitle("A"),
                called=AETitle("B"),
                host="10.0.0.1",
                port=1,
                opened_at=office.clock(),
            )
        )
        change = stream.next()
        assert (change["data"]["counts"]["associations"], change["data"]["lines"]) == (1, [])


def test_streams_end_when_the_server_stops(server: tuple[Office, str, WebServer]) -> None:
    _, address, started = server
    with listening(address) as stream:
        stream.next()
        started.stop()
        with pytest.raises(EOFError):
            stream.next()


def test_a_server_that_is_stopped_before_it_is_ready_ends_its_feed_all_the_same(filled: Office) -> None:
    server = WebServer("127.0.0.1", 0, filled.desk)
    server._stopping.set()  # whoever stops it finds nothing yet that could be ended
    server.start()
    assert server._thread is not None
    server._thread.join(60)
    assert server._feed is not None
    assert server._feed._closed


def test_too_many_listeners_are_told_to_try_again(
    server: tuple[Office, str, WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address, _ = server
    monkeypatch.setattr(module, "_MOST_LISTENERS", 1)
    with listening(address) as stream:
        stream.next()
        refused = httpx.get(f"{address}/api/v1/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_a_stream_ends_with_its_session_and_no_other(
    desk: Reception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Office(desk, tmp_path, {**KEYS, "web": {"token": "correct horse"}}).fill()
    monkeypatch.setattr(module, "_BEAT_SECONDS", 0.01)
    sessions = sessions_of(closed.desk)
    assert sessions is not None
    server = WebServer("127.0.0.1", 0, closed.desk)
    address = f"http://127.0.0.1:{server.start()}"
    mine, other = ({"cookie": f"{COOKIE}={sessions.new()}"} for _ in range(2))
    program = {"authorization": "Bearer correct horse"}
    try:
        with (
            listening(address, headers=mine) as ends,
            listening(address, headers=other) as goes_on,
            listening(address, headers=program) as of_a_program,
        ):
            for stream in (ends, goes_on, of_a_program):
                stream.next()
            word = {"x-csrf-token": sessions.csrf(mine["cookie"].partition("=")[2])}
            assert httpx.post(f"{address}/logout", headers=mine | word).status_code == 204
            with pytest.raises(EOFError):
                list(iter(ends.next, None))
            with closed.database.write() as connection:
                note(connection, "gateway", "gateway", "test", now=closed.clock())
            for stream in (goes_on, of_a_program):
                while "test" not in [line["event"] for line in stream.next()["data"]["lines"]]:
                    pass
    finally:
        server.stop()
