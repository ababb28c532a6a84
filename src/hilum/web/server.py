"""Serves the web in threads of the gateway."""

from __future__ import annotations

import errno
import socket
import threading
from typing import TYPE_CHECKING, Final

import structlog

from hilum.errors import PermanentError, TemporaryError
from hilum.web.desk import Desk

if TYPE_CHECKING:
    import uvicorn

    from hilum.web.feed import Feed

_log = structlog.get_logger(__name__)

_BACKLOG: Final = 128
#: How long an answer that is under way may take when the server stops.
_GRACE_SECONDS: Final = 2


class WebServer:
    """Listens from ``start`` to ``stop``.

    Args:
        host: Numeric address or name of this machine.
        port: 0 = any free one.
    """

    def __init__(self, host: str, port: int, desk: Desk) -> None:
        self._host = host
        self._port = port
        self._desk = desk
        self._server: uvicorn.Server | None = None
        self._feed: Feed | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Listen; returns the port that is bound. The first answer takes half a second longer: FastAPI is large.

        Raises:
            TemporaryError, PermanentError: The address cannot be bound.
        """
        sock = _listen(self._host, self._port)
        port: int = sock.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(sock,), name="web", daemon=True)
        self._thread.start()
        return port

    def _serve(self, sock: socket.socket) -> None:
        # Here and not above: whoever sends instances need not wait for it.
        import uvicorn  # noqa: PLC0415

        from hilum.web.app import application  # noqa: PLC0415
        from hilum.web.feed import Feed  # noqa: PLC0415

        with sock:
            try:
                feed = self._feed = Feed(desk=self._desk)
                config = uvicorn.Config(
                    application(self._desk, feed),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    lifespan="on",
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                )
                self._server = uvicorn.Server(config)
                if self._stopping.is_set():  # whoever stopped it may have come before there was anything to end
                    feed.close()
                else:
                    self._server.run(sockets=[sock])
            except Exception as error:  # noqa: BLE001  the dashboard is gone; instances still come and go
                _log.error("web.fault", exc_info=error)

    def stop(self) -> None:
        """Answer nothing more; returns when all is over."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._feed is not None:
            self._feed.close()
        if self._thread is not None:
            self._thread.join()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise PermanentError(f"cannot listen on web.host {host!r}: {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        where = f"the dashboard cannot listen on {host} port {port}: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            raise TemporaryError(
                f"{where}; stop the other program that uses it, set another web.port, or web.enabled: false"
            ) from error
        raise PermanentError(f"{where}; set another web.host or web.port, or web.enabled: false") from error
    return sock
