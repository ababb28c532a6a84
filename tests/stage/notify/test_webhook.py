"""Webhooks to a server that works, and to those that do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from harness.hook import Hook, status, verified
from hilum.notify.port import NotTold, Told
from hilum.notify.webhook import Webhook
from stage.notify.conftest import MESSAGE, NOW, Authority


def tell(channel: Webhook) -> Told | NotTold:
    return channel.tell(MESSAGE, lambda: NOW)


def test_it_is_posted_as_json_with_its_key_and_signature(hook: Hook) -> None:
    outcome = tell(Webhook(url=hook.url, secret="key", authorization="Bearer let-me-in"))
    assert outcome == Told(answer="204 No Content")
    [post] = hook.posts
    assert post.path == "/hook?to=desk"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["host"] == f"localhost:{hook.port}"
    assert post.headers["authorization"] == "Bearer let-me-in"
    assert post.headers["webhook-id"] == post.headers["idempotency-key"] == MESSAGE.key
    assert post.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verified(post, "key")
    assert not verified(replace(post, body=post.body.replace(b"lung", b"lunk")), "key")
    assert not verified(post, "another key")


def test_the_body_is_what_the_documents_say(hook: Hook) -> None:
    tell(Webhook(url=hook.url))
    [post] = hook.posts
    assert post.document == {
        "version": 1,
        "id": MESSAGE.key,
        "topic": "job-failed",
        "phase": "happened",
        "subject": "lung",
        "count": 3,
        "first-at": "2026-11-25T09:00:00.000Z",
        "last-at": "2026-11-25T09:00:00.000Z",
        "over-at": None,
        "gist": "3 jobs of workflow lung failed",
        "reason": "exit code 3",
        "remedy": "hilum jobs show b2",
        "examples": ["a1", "b2"],
        "gateway": "gw1",
        "link": "https://hilum.example.org/jobs",
    }
    assert "webhook-signature" not in post.headers, "without a secret nothing is signed"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_success_means_taken(hook: Hook, code: int) -> None:
    hook.answer = status(code)
    assert isinstance(tell(Webhook(url=hook.url)), Told)


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_a_failure_with_its_reason(hook: Hook, code: int) -> None:
    hook.answer = status(code, b"no such\x1b[2J channel\n\x00 here")
    outcome = tell(Webhook(url=hook.url))
    assert isinstance(outcome, NotTold)
    assert outcome.why.startswith(f"answered {code} ")
    assert outcome.why.endswith("no such [2J channel here")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(hook: Hook, code: int) -> None:
    hook.answer = status(code, Location=f"http://localhost:{hook.port}/elsewhere")
    outcome = tell(Webhook(url=hook.url))
    assert isinstance(outcome, NotTold)
    assert "/elsewhere: redirects are not followed; write the address itself" in outcome.why
    assert [post.path for post in hook.posts] == ["/hook?to=desk"]


def test_a_proxy_of_the_environment_is_not_asked(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(tell(Webhook(url=hook.url)), Told)


def test_nobody_there(hook: Hook) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert tell(Webhook(url=f"http://127.0.0.1:{port}/")) == NotTold(why="cannot be reached: Connection refused")


def test_a_name_that_nobody_has() -> None:
    outcome = tell(Webhook(url="http://no-such-host.invalid/"))
    assert isinstance(outcome, NotTold)
    assert outcome.why.startswith("cannot be reached: ")


def test_https_is_verified(authority: Authority) -> None:
    with Hook(tls=authority.server) as hook:
        stranger = tell(Webhook(url=hook.url))
        assert isinstance(stranger, NotTold)
        assert stranger.why.startswith("the server's certificate is not trusted: ")
        assert stranger.why.endswith("; see ca-file")
        assert hook.posts == []
        assert isinstance(tell(Webhook(url=hook.url, authorities=authority.file)), Told)
        elsewhere = hook.url.replace("localhost", "127.0.0.1")
        assert isinstance(tell(Webhook(url=elsewhere, authorities=authority.file)), NotTold), "not that name"
        [post] = hook.posts
        assert json.loads(post.body)["topic"] == "job-failed"


def test_https_to_a_server_that_speaks_http(hook: Hook) -> None:
    outcome = tell(Webhook(url=hook.url.replace("http:", "https:")))
    assert isinstance(outcome, NotTold)
    assert outcome.why.startswith("TLS failed: ")


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Listens, takes one connection and does with it what ``talk`` does; its port."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, suppress(OSError):  # the client broke off
                talk(peer, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def drip(peer: socket.socket, over: threading.Event) -> None:
    """Sends a header that never ends, byte by byte: no time-out of a socket ends that."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.02):
        peer.sendall(b"x")


@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_hangs_is_left_in_time(secure: bool) -> None:
    with raw_server(lambda _peer, over: over.wait() and None) as port:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
        assert tell(Webhook(url=url, timeout=0.3)) == NotTold(why="no answer within 0.3 s")


def test_so_is_one_that_answers_byte_by_byte() -> None:
    with raw_server(drip) as port:
        outcome = tell(Webhook(url=f"http://127.0.0.1:{port}/", timeout=0.3))
    assert outcome == NotTold(why="no answer within 0.3 s")


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00" * 70_000,
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
    ],
    ids=["ssh", "no number", "zeros", "nothing", "too many headers"],
)
def test_garbage_is_a_failure(garbage: bytes) -> None:
    def talk(peer: socket.socket, _over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass

    with raw_server(talk) as port:
        outcome = tell(Webhook(url=f"http://127.0.0.1:{port}/", timeout=5))
    assert isinstance(outcome, NotTold)
    assert outcome.why
    assert outcome.why.isprintable()


def test_an_answer_that_breaks_off_after_its_status_is_judged_by_it(hook: Hook) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(500)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    hook.answer = answer
    outcome = tell(Webhook(url=hook.url))
    assert isinstance(outcome, NotTold)
    assert outcome.why.startswith("answered 500 Internal Server Error")
