"""What a gateway sees of a Ray head, without Ray: answers as Ray does, and wrongly when it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Does something instead of answering as Ray would; returns whether it did.
Trouble = Callable[[BaseHTTPRequestHandler], bool]


@dataclass
class FakeRay:
    """Listens on a free port of the loopback.

    Attributes:
        jobs: What it knows, by submission id, as Ray tells it.
        submitted: The bodies of all submissions that came, the refused ones too.
        asked: Method and path of all requests.
        trouble: By method and beginning of the path, the longest that fits.
    """

    token: str | None = None
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node(CPU=4)])
    submitted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    trouble: dict[str, Trouble] = field(default_factory=dict)

    def __enter__(self) -> FakeRay:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake._answer(self, "GET")

            def do_POST(self) -> None:
                fake._answer(self, "POST")

            def log_message(self, *_: object) -> None:
                """Silence."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that breaks off is part of the tests."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def says(self, submission: str, status: str, **more: Any) -> None:
        """The state of a job from now on."""
        known = self.jobs.get(submission, {"submission_id": submission, "driver_node_id": None})
        node_id = known["driver_node_id"] if status == "PENDING" else "n1"
        self.jobs[submission] = {**known, "status": status, "driver_node_id": node_id, **more}

    def forget(self) -> None:
        """As a head that was started anew."""
        self.jobs.clear()

    def _answer(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        where = urlsplit(handler.path)
        what = f"{method} {where.path}"
        self.asked.append(what)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        fitting = sorted((one for one in self.trouble if what.startswith(one)), key=len)
        handler.body = body  # type: ignore[attr-defined]
        if fitting and self.trouble[fitting[-1]](handler):
            return
        if self.token is not None and handler.headers.get("Authorization") != f"Bearer {self.token}":
            missing = handler.headers.get("Authorization") is None
            say(handler, 401 if missing else 403, b"Unauthorized")
        elif what == "GET /api/version":
            tell(handler, {"version": "4", "ray_version": "2.60.0"})
        elif what == "GET /api/jobs/":
            tell(handler, list(self.jobs.values()))
        elif what == "GET /api/v0/nodes":
            tell(handler, {"result": True, "data": {"result": {"result": self.nodes}}})
        elif what == "GET /api/v0/logs/file":
            query = parse_qs(where.query)
            name = query["filename"][0].removeprefix("job-driver-").removesuffix(".log")
            assert query["node_id"] == ["n1"]
            kept = self.logs.get(name, b"").splitlines(keepends=True)
            say(handler, 200, b"".join(kept[-int(query["lines"][0]) :]))
        elif what == "POST /api/jobs/":
            self.take(handler, json.loads(body))
        else:
            self._one(handler, method, where.path.removeprefix("/api/jobs/").removesuffix("/stop"))

    def take(self, handler: BaseHTTPRequestHandler | None, request: dict[str, Any]) -> None:
        self.submitted.append(request)
        name = request["submission_id"]
        if name in self.jobs:
            if handler is not None:
                say(handler, 500, f"Traceback\\nValueError: Job with submission_id {name} already exists.".encode())
            return
        self.says(name, "PENDING", entrypoint=request["entrypoint"], message="Job has not started yet.")
        if handler is not None:
            tell(handler, {"job_id": name, "submission_id": name})

    def _one(self, handler: BaseHTTPRequestHandler, method: str, name: str) -> None:
        if name not in self.jobs:
            say(handler, 404, f"Job {name} does not exist".encode())
        elif method == "GET":
            tell(handler, self.jobs[name])
        else:
            if self.jobs[name]["status"] == "RUNNING":
                self.says(name, "STOPPED")
            tell(handler, {"stopped": True})


def node(*, labels: dict[str, str] | None = None, **total: float) -> dict[str, Any]:
    """A living node with these resources."""
    return {"state": "ALIVE", "resources_total": total, "labels": labels or {}}


def say(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def tell(handler: BaseHTTPRequestHandler, document: object) -> None:
    say(handler, 200, json.dumps(document).encode())


def fails(status: int, body: bytes = b"it went wrong") -> Trouble:
    """Answers so."""

    def trouble(handler: BaseHTTPRequestHandler) -> bool:
        say(handler, status, body)
        return True

    return trouble


def hangs(until: threading.Event) -> Trouble:
    """Says nothing until something has happened, and then answers."""

    def trouble(handler: BaseHTTPRequestHandler) -> bool:
        until.wait(30)
        return False

    return trouble


def breaks_off(handler: BaseHTTPRequestHandler) -> bool:
    """Says half of what it promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'[{"submission_id": "hilum')
    handler.close_connection = True
    return True


def silent(handler: BaseHTTPRequestHandler) -> bool:
    """Breaks off without a word."""
    handler.close_connection = True
    return True


def once(trouble: Trouble) -> Trouble:
    """The first time only."""
    left = [trouble]

    def first(handler: BaseHTTPRequestHandler) -> bool:
        return left.pop()(handler) if left else False

    return first
