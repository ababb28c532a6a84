"""Exchanges with a server that works, and with those that do not."""

from __future__ import annotations

import io
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from harness.authority import Authority
from harness.hook import Hook, status
from harness.ports import free_port
from harness.raw_server import drip, raw_server
from hilum.exchange import Answer, NoAnswer, Server


def answered(outcome: Answer | NoAnswer) -> Answer:
    assert isinstance(outcome, Answer), outcome
    return outcome


def why(outcome: Answer | NoAnswer) -> str:
    assert isinstance(outcome, NoAnswer), outcome
    return outcome.why


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_a_request_arrives_as_it_was_made(hook: Hook, method: str) -> None:
    hook.answer = status(201, b'{"a": [1, "\xc3\xbc"]}', Kind="Made")
    server = Server(url=f"http://localhost:{hook.port}/api/", authorization="Bearer let-me-in")
    answer = answered(server.ask(method, "/jobs/1?tail=3", headers={"X-One": "1"}, body=b"\x00body"))
    [post] = hook.posts
    assert (post.method, post.path, post.body) == (method, "/api/jobs/1?tail=3", b"\x00body")
    assert post.headers["authorization"] == "Bearer let-me-in"
    assert post.headers["host"] == f"localhost:{hook.port}"
    assert post.headers["x-one"] == "1"
    assert (answer.status, answer.said, answer.success, answer.flaw) == (201, "201 Created", True, "")
    assert answer.headers["kind"] == "Made"
    assert answer.document() == {"a": [1, "ü"]}


def test_without_a_path_below_the_address_is_taken_as_it_is(hook: Hook) -> None:
    answered(Server(url=hook.url).ask("POST"))
    assert [post.path for post in hook.posts] == ["/hook?to=desk"]


def test_an_answer_of_two_kinds_of_length_is_read_whole(hook: Hook) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    hook.answer = chunked
    answer = answered(Server(url=hook.url).ask("GET"))
    assert (answer.body, answer.size, answer.flaw) == (b"abcde", 5, "")


def test_files_go_and_come_without_being_held_in_memory(hook: Hook, tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "there").write_bytes(content)
    hook.answer = status(200, content)
    with (tmp_path / "there").open("rb") as body, (tmp_path / "back").open("wb") as into:
        length = {"Content-Length": str(len(content))}
        answer = answered(Server(url=hook.url).ask("PUT", headers=length, body=body, into=into, limit=4_000_000))
    assert hook.posts[0].body == content
    assert (answer.body, answer.size, answer.flaw) == (b"", len(content), "")
    assert (tmp_path / "back").read_bytes() == content


def test_what_a_refusal_says_does_not_go_into_the_file(hook: Hook) -> None:
    hook.answer = status(404, b"no such file")
    into = io.BytesIO()
    answer = answered(Server(url=hook.url).ask("GET", into=into))
    assert (into.getvalue(), answer.body) == (b"", b"no such file")


class Broken(io.RawIOBase):
    """A file on a disk that fails."""

    def read(self, _size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")

    def write(self, _data: object) -> int:
        raise OSError(28, "No space left on device")


def test_an_error_of_our_own_disk_is_not_the_servers(hook: Hook) -> None:
    hook.answer = status(200, b"content")
    with pytest.raises(OSError, match="Input/output"):
        Server(url=hook.url).ask("PUT", headers={"Content-Length": "10"}, body=Broken())
    with pytest.raises(OSError, match="No space"):
        Server(url=hook.url).ask("GET", into=Broken())


def test_a_longer_answer_than_wanted_is_cut_and_flawed(hook: Hook) -> None:
    hook.answer = status(200, b'{"a": 1}' + b" " * 5000)
    answer = answered(Server(url=hook.url).ask("GET", limit=1000))
    assert (len(answer.body), answer.flaw) == (1000, "the answer has more than 1000 bytes")
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        answer.document()


def test_an_endless_answer_is_left_once_it_is_longer_than_wanted() -> None:
    def talk(peer: socket.socket, over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            peer.sendall(b"x" * 65536)

    with raw_server(talk) as port:
        answer = answered(Server(url=f"http://127.0.0.1:{port}/", timeout=60).ask("GET", limit=100_000))
    assert (answer.size, answer.flaw) == (100_001, "the answer has more than 100000 bytes")


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000], ids=["nothing", "html", "half", "bytes", "deep"]
)
def test_what_is_not_json_is_said_to_be_none(hook: Hook, text: bytes) -> None:
    hook.answer = status(200, text)
    with pytest.raises(ValueError, match="the answer is not JSON"):
        answered(Server(url=hook.url).ask("GET")).document()


@pytest.mark.parametrize("head", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_answer_that_breaks_off_is_flawed(head: bytes) -> None:
    def talk(peer: socket.socket, _over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + (b"50\r\nhalf" if b"chunked" in head else b"half"))

    with raw_server(talk) as port:
        answer = answered(Server(url=f"http://127.0.0.1:{port}/", timeout=5).ask("GET"))
    assert answer.flaw == "the answer breaks off"


def test_a_refusal_is_told_with_its_reason_on_one_line(hook: Hook) -> None:
    hook.answer = status(503, b"come\x1b[2J back\n\x00 later" + b"." * 5000, **{"Retry-After": "7"})
    answer = answered(Server(url=hook.url).ask("GET"))
    assert answer.why.startswith("answered 503 Service Unavailable: come [2J back later...")
    assert len(answer.why) < 400
    assert answer.headers["retry-after"] == "7"


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    hook.answer = status(307, Location=f"http://localhost:{hook.port}/elsewhere")
    answer = answered(Server(url=hook.url).ask("GET"))
    assert answer.why.endswith("/elsewhere: redirects are not followed; write the address itself")
    assert len(hook.posts) == 1


def test_a_large_body_may_be_refused_before_it_was_read() -> None:
    def talk(peer: socket.socket, over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        while not over.is_set() and peer.recv(1 << 20):
            pass

    size = 20_000_000
    with raw_server(talk) as port:
        server = Server(url=f"http://127.0.0.1:{port}/", timeout=30)
        body = io.BytesIO(bytes(size))
        answer = answered(server.ask("PUT", headers={"Content-Length": str(size)}, body=body))
    assert answer.status == 413


def test_a_proxy_of_the_environment_is_not_asked(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert answered(Server(url=hook.url).ask("POST")).success


def test_nobody_there() -> None:
    assert why(Server(url=f"http://127.0.0.1:{free_port()}/").ask("GET")) == "cannot be reached: Connection refused"


def test_a_name_that_nobody_has() -> None:
    assert why(Server(url="http://no-such-host.invalid/").ask("GET")).startswith("cannot be reached: ")


def test_a_name_service_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: over.wait() and [])
    assert why(Server(url="http://localhost/", timeout=0.2).ask("GET")) == "no answer within 0.2 s"
    over.set()


def test_the_next_address_of_a_name_is_tried(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (free_port(), hook.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: there)
    assert answered(Server(url="http://two.example/").ask("GET")).success


def test_https_is_verified(authority: Authority) -> None:
    with Hook(tls=authority.server) as hook:
        stranger = why(Server(url=hook.url).ask("POST"))
        assert stranger.startswith("the server's certificate is not trusted: ")
        assert stranger.endswith("; see ca-file")
        assert hook.posts == []
        assert answered(Server(url=hook.url, authorities=authority.file).ask("POST", body=b"x")).success
        elsewhere = hook.url.replace("localhost", "127.0.0.1")
        assert "not trusted" in why(Server(url=elsewhere, authorities=authority.file).ask("POST")), "not that name"
        assert [post.body for post in hook.posts] == [b"x"]


def test_https_to_a_server_that_speaks_http(hook: Hook) -> None:
    assert why(Server(url=hook.url.replace("http:", "https:")).ask("GET")).startswith("TLS failed: ")


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    gone = Server(url="https://localhost/", authorities=tmp_path / "gone.pem")
    assert why(gone.ask("GET")) == f"ca-file {tmp_path}/gone.pem cannot be used: No such file or directory"


@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_hangs_is_left_in_time(secure: bool) -> None:
    with raw_server(lambda _peer, over: over.wait() and None) as port:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
        assert why(Server(url=url, timeout=0.3).ask("POST")) == "no answer within 0.3 s"


def test_so_is_one_that_does_not_read() -> None:
    with raw_server(lambda _peer, over: over.wait() and None) as port:
        server = Server(url=f"http://127.0.0.1:{port}/", timeout=60)
        assert why(server.ask("PUT", body=bytes(50_000_000), timeout=0.3)) == "no answer within 0.3 s"


def test_so_is_one_that_answers_byte_by_byte() -> None:
    with raw_server(drip) as port:
        assert why(Server(url=f"http://127.0.0.1:{port}/", timeout=0.3).ask("GET")) == "no answer within 0.3 s"


def test_so_is_one_whose_body_comes_byte_by_byte() -> None:
    def talk(peer: socket.socket, over: threading.Event) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.02):
            peer.sendall(b"x")

    with raw_server(talk) as port:
        answer = answered(Server(url=f"http://127.0.0.1:{port}/", timeout=0.3).ask("GET"))
    assert answer.flaw == "the answer did not end within 0.3 s"


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
def test_garbage_is_no_answer(garbage: bytes) -> None:
    def talk(peer: socket.socket, _over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass

    with raw_server(talk) as port:
        said = why(Server(url=f"http://127.0.0.1:{port}/", timeout=5).ask("POST"))
    assert said
    assert said.isprintable()


@pytest.mark.parametrize("secret", ["Bearer let-me-in\r\nX: y", "Bearer let-me-in \N{EURO SIGN}"])
def test_no_secret_is_told_whatever_is_wrong_with_it(hook: Hook, secret: str) -> None:
    server = Server(url=hook.url, authorization=secret)
    assert "let-me-in" not in why(server.ask("GET"))
    assert "let-me-in" not in repr(server)
    assert hook.posts == []
