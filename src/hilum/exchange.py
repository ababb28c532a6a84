"""One request to an HTTP server and its answer, bounded in time and size as a whole.

What can go wrong in the world is a value, not an exception, and no message holds a secret. Nothing that a server asks
for is done: redirects are not followed, cookies not kept. No proxy of the environment is used. Each exchange is a
connection of its own.

Source: RFC 9110; RFC 9112.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from hilum.deadline import Deadline

#: As much of what a server says is told on, in characters.
_TOLD: Final = 300
#: Of a body that goes into a file, in bytes.
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said, be it a success or not.

    Attributes:
        status: Its number, 100-999.
        said: That and its words, as one printable line: ``404 Not Found``.
        headers: By their names in lower case; of several with one name the last.
        body: As much of it as was asked for; empty when it went into a file.
        size: The bytes of the body that came.
        flaw: Why the body is not the whole one; empty if it is.
    """

    status: int
    said: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    size: int
    flaw: str = ""

    @property
    def success(self) -> bool:
        """The server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def why(self) -> str:
        """What it said, for the operator, with the beginning of the body: why it did not do it."""
        if 300 <= self.status < 400:
            there = printable(self.headers.get("location", "nowhere"))
            return f"answered {self.said} to {there}: redirects are not followed; write the address itself"
        more = printable(self.body[:_TOLD].decode("utf-8", "replace"))
        return f"answered {self.said}{f': {more}' if more else ''}"

    def document(self) -> Any:  # noqa: ANN401 - whatever JSON says
        """The body as JSON.

        Raises:
            ValueError: It is not, or not whole; the message says so in a few words.
        """
        if self.flaw:
            raise ValueError(self.flaw)
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ValueError(
                f"the answer is not JSON: {printable(self.body[:60].decode('utf-8', 'replace'))}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """None came, or nothing that is HTTP. Whether the server did what it was asked is not known.

    Attributes:
        why: For the operator.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An HTTP server, and how to talk to it. Usable from any thread.

    Attributes:
        url: ``http`` or ``https``, without credentials and fragment. The certificate of ``https`` is verified.
        authorization: Value of the header of that name; ``None``: there is none.
        timeout: Seconds for a whole exchange.
        authorities: Certificates to verify the server by, in PEM; ``None``: those of the system.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)
    timeout: float = 10
    authorities: Path | None = None

    def ask(
        self,
        method: str,
        below: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO = b"",
        limit: int = 1024 * 1024,
        into: BinaryIO | None = None,
        timeout: float | None = None,
    ) -> Answer | NoAnswer:
        """Ask once.

        Args:
            method: ``GET``, ``PUT``, ``POST`` or ``DELETE``.
            below: What follows the path of ``url``, and query; quoted already, with its slash in front.
            headers: Beside those that every request has.
            body: A file is sent from where it stands to its end, and its size must be that of the header
                ``Content-Length``, which is the caller's to give.
            limit: Bytes of the answer's body that are read; a longer one is a flaw.
            into: Where the body of a success goes as it comes, instead of memory.
            timeout: Seconds, if not those of the server.

        Raises:
            OSError: The file of ``body`` cannot be read, or ``into`` cannot be written.
        """
        seconds = self.timeout if timeout is None else timeout
        talk = _Talk(self, seconds)
        request = _Request(method=method, below=below, headers=headers or {}, body=body)
        try:
            return talk.hold(request, limit, into)
        finally:
            talk.close()


class _FileError(Exception):
    """Our own side of a transfer failed, so that nothing can be said of the server."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    below: str
    headers: Mapping[str, str]
    body: bytes | BinaryIO


class _Talk:
    """One exchange while it lasts."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._until = 0.0  # of the monotonic clock; not known before it begins
        self._where = urlsplit(server.url)
        self._sockets: list[socket.socket] = []

    def close(self) -> None:
        for one in self._sockets:
            one.close()

    def hold(self, request: _Request, limit: int, into: BinaryIO | None) -> Answer | NoAnswer:
        try:
            context = _trust(self._server.authorities) if self._where.scheme == "https" else None
        except OSError as error:
            return NoAnswer(why=f"ca-file {self._server.authorities} cannot be used: {error.strerror or error}")
        self._until = time.monotonic() + self._seconds
        with Deadline(self._seconds, lambda: self._sockets[-1] if self._sockets else None) as deadline:
            try:
                self._connect()
                if context is not None:
                    self._secure(context)
                answer = self._send(request)
                # One that was cut off in its header looks like a whole one.
                if deadline.expired:
                    return self._late()
            except _FileError as error:
                raise error.error from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                return self._late() if deadline.expired else self._no_answer(error)
            return self._read(answer, limit, into, deadline)

    def _connect(self) -> None:
        host, port = self._where.hostname or "", self._where.port or (443 if self._where.scheme == "https" else 80)
        last: OSError = OSError("no address")
        for family, kind, protocol, _, address in _addresses(host, port, self._left()):
            one = socket.socket(family, kind, protocol)
            self._sockets.append(one)
            try:
                one.settimeout(self._left())
                one.connect(address)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                last = error
                one.close()
                self._sockets.pop()
            else:
                return
        raise last

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _secure(self, context: ssl.SSLContext) -> None:
        secure = context.wrap_socket(
            self._sockets[-1], server_hostname=self._where.hostname, do_handshake_on_connect=False
        )
        self._sockets.append(secure)
        secure.do_handshake()

    def _send(self, request: _Request) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._where.hostname or "", self._where.port)
        connection.sock = self._sockets[-1]
        headers = {
            "Host": self._where.netloc.rpartition("@")[2],
            "User-Agent": f"hilum/{version('hilum')}",
            "Connection": "close",
        }
        if self._server.authorization is not None:
            headers["Authorization"] = self._server.authorization
        path = self._where.path.removesuffix("/") + request.below if request.below else self._where.path or "/"
        target = path + (f"?{self._where.query}" if self._where.query and not request.below else "")
        body = request.body if isinstance(request.body, bytes) else _Reader(request.body)
        try:
            connection.request(request.method, target, body=body or None, headers=headers | dict(request.headers))
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse a large body before it has read all of it, and say why.
            if not isinstance(body, _Reader):
                raise
        return connection.getresponse()

    def _read(self, answer: http.client.HTTPResponse, limit: int, into: BinaryIO | None, deadline: Deadline) -> Answer:
        pieces: list[bytes] = []
        size, flaw = 0, ""
        keep = into if into is not None and 200 <= answer.status < 300 else None
        try:
            while size <= limit and (piece := answer.read(min(_PIECE, limit + 1 - size))):
                size += len(piece)
                if keep is None:
                    pieces.append(piece)
                else:
                    _write(keep, piece)
            if size > limit:
                flaw = f"the answer has more than {limit} bytes"
            elif answer.length:
                flaw = "the answer breaks off"
        except _FileError as error:
            raise error.error from None
        except http.client.IncompleteRead as error:
            flaw = "the answer breaks off"
            pieces.append(error.partial[: limit - size])
        except (OSError, http.client.HTTPException, ValueError):
            flaw = "the answer breaks off"
        if deadline.expired:
            flaw = f"the answer did not end within {self._seconds:g} s"
        return Answer(
            status=answer.status,
            said=f"{answer.status} {printable(answer.reason or '')}".strip(),
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=b"".join(pieces)[:limit],
            size=size,
            flaw=flaw,
        )

    def _late(self) -> NoAnswer:
        return NoAnswer(why=f"no answer within {self._seconds:g} s")

    def _no_answer(self, error: Exception) -> NoAnswer:
        match error:
            case TimeoutError():
                return self._late()
            case ssl.SSLCertVerificationError():
                why = f"the server's certificate is not trusted: {error.verify_message}; see ca-file"
            case ssl.SSLError():
                why = f"TLS failed: {error.reason or error}"
            case http.client.RemoteDisconnected():
                why = "the server ended the conversation without an answer"
            case OSError():
                why = f"cannot be reached: {error.strerror or error}"
            case http.client.InvalidURL() | ValueError():  # never with its own words, which quote what they are about
                why = "the address, the authorization or another header has characters that cannot be sent"
            case _:
                why = f"what came back is not HTTP: {type(error).__name__}"
        return NoAnswer(why=why)


class _Reader:
    """A file that is sent; tells its own errors from those of the connection."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size if size < 0 else max(size, _PIECE))
        except OSError as error:
            raise _FileError(error) from None


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _FileError(error) from None


def _trust(authorities: Path | None) -> ssl.SSLContext:
    """Whom to trust; read again when the file has changed, since reading all authorities of a system takes long.

    Raises:
        OSError: The file cannot be read, or has no certificate.
    """
    file = authorities or Path(ssl.get_default_verify_paths().cafile or "/")
    return _trust_as_of(authorities, file.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _trust_as_of(authorities: Path | None, _changed: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=None if authorities is None else str(authorities))


_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def _addresses(host: str, port: int, seconds: float) -> list[_Address]:
    """Where a host is, from a name service that may hang: then its thread is left to itself.

    Raises:
        OSError: It is nowhere, or nobody said so in time.
        UnicodeError: This cannot be the name of a host.
    """
    found: list[_Address] = []
    failed: list[OSError | UnicodeError] = []

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=look, name="exchange-name", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found


def printable(text: str) -> str:
    """One line that spoils no terminal, and not a long one."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_TOLD]
