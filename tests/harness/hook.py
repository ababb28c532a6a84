"""An HTTP server in the process of the test that takes requests, such as webhooks, and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Post:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def key(self) -> str:
        return self.headers["webhook-id"]


def verified(post: Post, secret: str) -> bool:
    """Whether the signature is right, computed as a receiver would."""
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    mac = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in post.headers["webhook-signature"].split(" ")


@dataclass
class Hook:
    """Listens on a free port of the loopback.

    Attributes:
        answer: Writes the whole answer to a request that was read; the default is 204.
        tls: Speaks HTTPS by it.
    """

    port: int = 0
    answer: Callable[[BaseHTTPRequestHandler], None] = field(default_factory=lambda: status(204))
    tls: ssl.SSLContext | None = None
    posts: list[Post] = field(default_factory=list)

    def __enter__(self) -> Hook:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.posts.append(Post(self.command, self.path, headers, body))
                hook.answer(self)

            do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                """Silence."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that breaks off is part of the tests."""

        self._server = Quiet(("127.0.0.1", self.port), Handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/hook?to=desk"

    @property
    def told(self) -> list[dict[str, Any]]:
        """The documents that came, each key once."""
        return list({post.key: post.document for post in self.posts}.values())


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers so."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer
