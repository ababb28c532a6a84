"""A platform in the process of the test: docs/platform-api.yaml over HTTP, with the faults that a test asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_KEY = re.compile(r"[0-9a-f]{32}-[1-9][0-9]{0,8}")
_ENDED = {"succeeded", "failed", "cancelled"}


class Fault(StrEnum):
    """What goes wrong with one request."""

    NONE = "none"
    REFUSED = "refused"  # 503, nothing is done
    BUSY = "busy"  # 429 with Retry-After, nothing is done
    LOST = "lost"  # done, and no answer
    CUT = "cut"  # done, and half an answer
    GARBAGE = "garbage"  # done, and the answer is no JSON
    WRONG = "wrong"  # done, and the answer is JSON of something else
    REDIRECT = "redirect"  # nothing is done
    SLOW = "slow"  # done, and the answer does not end
    TWICE = "twice"  # done twice, as by a proxy that repeats
    RESTART = "restart"  # the platform was started anew and has forgotten everything, then it is done


@dataclass
class Job:
    """What the platform knows of one key."""

    description: dict[str, Any]
    stage: str = "created"
    reason: str = ""
    inputs: dict[str, bytes] = field(default_factory=dict)
    outputs: dict[str, bytes] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True)
class Request:
    """One that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class _ProblemError(Exception):
    def __init__(self, status: int, detail: str, **more: str) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"status": status, "title": "it cannot be done", "detail": detail, **more}


@dataclass
class Platform:
    """Listens on a free port of the loopback.

    Attributes:
        token: That requests have to have; empty: none.
        faults: Of the next requests, one each; then there are none.
        work: What a job does when it is looked at while it runs: ends it, or nothing.
        started: Keys of the jobs whose program began, in order, also of those that are forgotten.
    """

    token: str = ""
    tls: ssl.SSLContext | None = None
    faults: deque[Fault] = field(default_factory=deque)
    work: Callable[[Job], None] = lambda _job: None
    jobs: dict[str, Job] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Platform:
        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that breaks off is part of the tests."""

        self._server = Quiet(("127.0.0.1", 0), _handler(self))
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self._server.server_address[1]}/api"

    def forget(self) -> None:
        """As if it had been started anew without a memory."""
        with self.lock:
            self.jobs.clear()

    def answer(self, request: Request) -> tuple[int, Any]:
        """Do what is asked: the status, and a document or bytes."""
        parts = urlsplit(request.path)
        below = unquote(parts.path.removeprefix("/api"))
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise _ProblemError(401, "the token is not the right one")
        match [request.method, *below.split("/")[1:]]:
            case ["GET", ""]:
                return 200, {"platform-api": "1", "name": "a platform of the tests"}
            case ["POST", "status"]:
                return self._status(_keys(request.body))
            case [_, "jobs", key, *_] if not _KEY.fullmatch(key):
                raise _ProblemError(422, "this is no key")
            case ["PUT", "jobs", key]:
                return self._create(key, _description(request.body, key))
            case ["POST", "jobs", key, "start"]:
                return 200, self._start(key)
            case ["POST", "jobs", key, "cancel"]:
                return 200, self._cancel(key)
            case ["GET", "jobs", key, "log"]:
                return self._log(key, parse_qs(parts.query, keep_blank_values=True))
            case ["PUT", "jobs", key, "input", *path]:
                return self._put(key, "/".join(path), request)
            case ["GET", "jobs", key, "output"]:
                return 200, {"files": [_file(path, data) for path, data in self._known(key).outputs.items()]}
            case ["GET", "jobs", key, "output", *path]:
                found = self._known(key).outputs.get("/".join(path))
                if found is None:
                    raise _ProblemError(404, "there is no such file", stage="unknown")
                return 200, found
            case [_, "" | "status"] | [_, "jobs", _, *_]:
                raise _ProblemError(405, "this cannot be done with that")
        raise _ProblemError(404, "there is nothing")

    def _known(self, key: str) -> Job:
        if key not in self.jobs:
            raise _ProblemError(404, "there is no such job", stage="unknown")
        return self.jobs[key]

    def _shown(self, key: str) -> dict[str, Any]:
        job = self.jobs.get(key)
        if job is None:
            return {"key": key, "stage": "unknown"}
        if job.stage == "running":
            self.work(job)
        shown: dict[str, Any] = {"key": key, "stage": job.stage, "reason": job.reason}
        if job.description.get("files") == "http":
            shown["missing"] = [one["path"] for one in job.description["inputs"] if one["path"] not in job.inputs]
        return shown

    def _status(self, keys: list[str]) -> tuple[int, Any]:
        return 200, {"jobs": [self._shown(key) for key in keys]}

    def _create(self, key: str, description: dict[str, Any]) -> tuple[int, Any]:
        if key in self.jobs:
            if self.jobs[key].description != description:
                raise _ProblemError(409, "another job has this key")
            return 200, self._shown(key)
        self.jobs[key] = Job(description)
        return 201, self._shown(key)

    def _start(self, key: str) -> dict[str, Any]:
        job = self._known(key)
        if job.stage == "created":
            if self._shown(key).get("missing"):
                raise _ProblemError(409, "inputs are missing")
            job.stage = "running"
            self.started.append(key)
            return {"key": key, "stage": "running"}
        return self._shown(key)

    def _cancel(self, key: str) -> dict[str, Any]:
        job = self._known(key)
        if job.stage not in _ENDED:
            job.stage = "cancelled"
        return self._shown(key)

    def _log(self, key: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        tail = query.get("tail", [""])
        if len(tail) != 1 or not re.fullmatch("[0-9]{1,7}", tail[0]) or int(tail[0]) > 1_000_000:
            raise _ProblemError(422, "tail is no number of lines")
        lines = self._known(key).log.splitlines(keepends=True)
        return 200, "".join(lines[-int(tail[0]) :] if int(tail[0]) else []).encode()

    def _put(self, key: str, path: str, request: Request) -> tuple[int, Any]:
        digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        job = self._known(key)
        wanted = {one["path"]: one for one in job.description["inputs"]}
        if path not in wanted:
            raise _ProblemError(404, "there is no such file", stage="unknown")
        told = request.headers.get("content-digest") == f"sha-256=:{digest}:"
        if not told or wanted[path]["sha256"] != hashlib.sha256(request.body).hexdigest():
            raise _ProblemError(422, "this is not the input of that digest")
        job.inputs[path] = request.body
        return 204, b""


def _keys(body: bytes) -> list[str]:
    document = _json(body)
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > 500:
        raise _ProblemError(422, "keys is no list of at most 500")
    if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys):
        raise _ProblemError(422, "one of these is no key")
    return keys


def _description(body: bytes, key: str) -> dict[str, Any]:
    document = _json(body)
    if _validator().is_valid(document):
        return document
    raise _ProblemError(422, f"the description of {key} is not what the platform API says")


def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/Description", "components": api()["components"]}
    )


def api() -> dict[str, Any]:
    """The document that this obeys."""
    from ruamel.yaml import YAML

    file = Path(__file__).parents[2] / "docs" / "platform-api.yaml"
    return dict(json.loads(json.dumps(YAML(typ="safe").load(file))))


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        raise _ProblemError(422, "this is not JSON") from None
    if not isinstance(document, dict):
        raise _ProblemError(422, "this is no object")
    return document


def _file(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            with platform.lock:
                platform.requests.append(request)
                fault = platform.faults.popleft() if platform.faults else Fault.NONE
                refusal = _refusal(fault)
                if fault is Fault.RESTART:
                    platform.forget()
                try:
                    if fault is Fault.TWICE:
                        platform.answer(request)
                    status, document = refusal or platform.answer(request)
                except _ProblemError as error:
                    status, document = error.status, error.document
            self._write(fault, status, document)

        do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_QUERY = do_GET  # noqa: N815

        def _write(self, fault: Fault, status: int, document: Any) -> None:
            kind = "application/json" if status < 400 else "application/problem+json"
            data = b"" if isinstance(document, bytes) else json.dumps(document).encode()
            if isinstance(document, bytes):
                kind = (
                    "text/plain; charset=utf-8"
                    if self.path.partition("?")[0].endswith("/log")
                    else "application/octet-stream"
                )
                data = document
            if fault is Fault.LOST:
                self.close_connection = True
                return
            if fault is Fault.GARBAGE:
                data = b"<html>a proxy speaks"
            if fault is Fault.WRONG:
                data = b'{"hello": "world"}'
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) + (1000 if fault in {Fault.CUT, Fault.SLOW} else 0)))
            if status in {429, 503}:
                self.send_header("Retry-After", "3")
            if status == 307:
                self.send_header("Location", "/elsewhere")
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            if status == 405:
                self.send_header("Allow", "GET, PUT, POST")
            self.end_headers()
            self.wfile.write(data if fault is not Fault.CUT else data[:5])
            if fault is Fault.SLOW:
                while not platform.over.wait(0.02):
                    self.wfile.write(b" ")
            if fault is Fault.CUT:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler


def _refusal(fault: Fault) -> tuple[int, Any] | None:
    status = {Fault.REFUSED: 503, Fault.BUSY: 429, Fault.REDIRECT: 307}.get(fault)
    return (
        None if status is None else (status, {"status": status, "title": "not now", "detail": f"{fault} by the test"})
    )
