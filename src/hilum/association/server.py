"""The listening socket: takes connections, gives each a thread, and ends them in order."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from hilum.association import listening, remedy
from hilum.association.acceptor import Acceptor
from hilum.association.admission import Balancer, Source, is_among, parse_address
from hilum.association.capacity import Capacity
from hilum.association.names import HostNames
from hilum.association.observer import ConnectionDropped, Early, Observer, Tally
from hilum.association.settings import AcceptorSettings
from hilum.association.sink import Receiver
from hilum.clock import Clock, utc_now
from hilum.errors import LocalError
from hilum.model import AssociationInfo

_Place = TypeVar("_Place", Source, Balancer)

_log = structlog.get_logger(__name__)

#: How long a lack of file descriptors or threads is waited out before the next connection is taken.
_BREATH_SECONDS: Final = 0.2
#: How long start waits for the first look-up of sources that are host names.
_FIRST_LOOKUP: Final = timedelta(seconds=3)
#: How often the listener thread looks up though nobody comes, so that others can see that it lives.
_LOOK_SECONDS: Final = 1.0
#: How long a connection that came before the server stops may take to ask for its association.
_GREETING_SECONDS: Final = 10.0
#: How long an aborted association may take to end by itself when the server stops.
_ABORT_SECONDS: Final = 2.0


class Server:
    """Accepts associations on one port.

    Args:
        host: Address to listen on; ``0.0.0.0`` = all of IPv4, ``::`` = all of both families.
        port: 0 = any free one.
        settings: Gives the newest settings, at any time, from any thread; quick.
        receiver: Makes a sink for each association.
        observer: Is told what happens; called from the threads of the connections.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        settings: Callable[[], AcceptorSettings],
        receiver: Receiver,
        observer: Observer,
        clock: Clock = utc_now,
    ) -> None:
        self._host = host
        self._port = port
        self._settings = settings
        self._receiver = receiver
        self._observer = observer
        self._clock = clock
        self._capacity = Capacity()
        self._names = HostNames()
        self._guard = threading.Lock()
        self._serving: dict[Acceptor, threading.Thread] = {}
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._looked_at = time.monotonic()
        self._wake_read, self._wake_write = -1, -1

    @property
    def open_count(self) -> int:
        """Associations open now."""
        return self._capacity.associations

    @property
    def connection_count(self) -> int:
        """Connections open now, with and without an association."""
        with self._guard:
            return len(self._serving)

    @property
    def looked_at(self) -> float:
        """When the listener last looked for connections, monotonic: a second ago at most, unless it hangs."""
        return self._looked_at

    def talking(self) -> Sequence[AssociationInfo]:
        """The associations that are open now, the oldest first; from any thread."""
        found = [info for acceptor in self._running() if (info := acceptor.association) is not None]
        return sorted(found, key=lambda info: info.opened_at)

    def progress(self) -> Mapping[str, Tally]:
        """What has come over each open association so far, by its id; from any thread."""
        running = self._running()
        return {info.id: one.tally for one in running if (info := one.association) is not None}

    def abort(self, association: str, why: str) -> bool:
        """Abort the open association with this id for an operator; whether it was open. From any thread.

        Args:
            why: Who asked, and by what.
        """
        for acceptor in self._running():
            info = acceptor.association
            if info is not None and info.id == association:
                acceptor.cut_off(why)
                return True
        return False

    def start(self) -> int:
        """Listen and serve in threads of their own; returns the port that is bound.

        Raises:
            TemporaryError: The address is in use or not there (yet).
            PermanentError: The address cannot be bound: not allowed, or no address.
        """
        if self._listener is not None:
            raise LocalError("this server was started before; make a new one")
        self._listener = listening.listen(self._host, self._port)
        self._listener.setblocking(False)
        self._wake_read, self._wake_write = os.pipe()
        self._resolved()
        self._names.wait_until_tried(_FIRST_LOOKUP)
        self._thread = threading.Thread(target=self._accept_all, name="listener", daemon=True)
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def stop(self, drain: timedelta) -> None:
        """Let nobody else in, give open associations time to end, abort the others; returns when all have ended.

        Who had connected before is served: a load balancer could not take the connection elsewhere any more.

        Args:
            drain: How long associations may go on as if nothing were.
        """
        if self._listener is None or self._stopping.is_set():
            return
        until = time.monotonic() + drain.total_seconds()
        self._stopping.set()
        os.write(self._wake_write, b"x")
        assert self._thread is not None
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)
        greeted = min(until, time.monotonic() + _GREETING_SECONDS)
        for acceptor in self._running():
            if not acceptor.wait_until_asked(greeted - time.monotonic()):
                acceptor.interrupt()
        self._capacity.wait_until_empty(timedelta(seconds=max(0.0, until - time.monotonic())))
        for acceptor in self._running():
            acceptor.interrupt()
        until = time.monotonic() + _ABORT_SECONDS
        for acceptor, thread in self._running().items():
            thread.join(max(0.0, until - time.monotonic()))
            acceptor.cut()
        for thread in self._running().values():
            thread.join()
        self._names.close()

    def _running(self) -> dict[Acceptor, threading.Thread]:
        with self._guard:
            return dict(self._serving)

    def _resolved(self) -> AcceptorSettings:
        """The newest settings, with what the host names among sources and balancers stand for just now."""
        settings = self._settings()
        sources, balancers = settings.rules.sources, settings.balancers
        names = {source.host_ip for source in sources if not source.networks}
        names |= {balancer.host_ip for balancer in balancers if not balancer.networks}
        self._names.watch(names)
        if not names:
            return settings
        return replace(
            settings,
            rules=replace(settings.rules, sources=tuple(map(self._known, sources))),
            balancers=tuple(map(self._known, balancers)),
        )

    def _known(self, place: _Place) -> _Place:
        return place if place.networks else replace(place, networks=self._names.networks(place.host_ip))

    def _accept_all(self) -> None:
        """Body of the listener thread."""
        assert self._listener is not None
        ready = select.poll()
        ready.register(self._listener, select.POLLIN)
        ready.register(self._wake_read, select.POLLIN)
        while not self._stopping.is_set():
            self._looked_at = time.monotonic()
            ready.poll(_LOOK_SECONDS * 1000)
            self._accept_one()
        listening.close(self._listener, self._accept_one)

    def _accept_one(self) -> bool:
        """Serve a connection that waits; ``False``: none does, or none can be taken now."""
        assert self._listener is not None
        try:
            sock, address = self._listener.accept()
        except ConnectionAbortedError:
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            # Out of descriptors or memory, mostly: the connection stays in the backlog, so trying at once would spin.
            why = os.strerror(error.errno) if error.errno else str(error)
            _log.warning("listener.cannot_accept", error=why)
            self._stopping.wait(_BREATH_SECONDS)
            return False
        try:
            self._take(sock, str(parse_address(address[0])), int(address[1]))
        except Exception:  # noqa: BLE001  it costs one connection: a gateway without this thread would be deaf
            _log.exception("listener.fault")
            sock.close()
            self._stopping.wait(_BREATH_SECONDS)
        return True

    def _take(self, sock: socket.socket, host: str, port: int) -> None:
        """Serve a connection if there is room for it."""
        sock.setblocking(True)
        limits = self._resolved()
        relayed = is_among(host, limits.balancers)
        # Of whom a balancer speaks is not known yet: the limit of one host counts when it is.
        per_host = limits.pre_association if relayed else limits.pre_association_per_host
        full = self._capacity.enter(host, total=limits.pre_association, per_host=per_host)
        if full is not None:
            sock.close()
            self._observer(
                ConnectionDropped(host=host, port=port, cause=Early.TOO_MANY, why=full, remedy=remedy.TOO_MANY)
            )
            return
        try:
            self._serve(sock, host, port, relayed=relayed)
        except (OSError, RuntimeError) as error:
            # The connection is gone again, or there are no more threads, which is like a lack of descriptors.
            _log.warning("listener.cannot_serve", error=str(error))
            sock.close()
            self._capacity.leave(host)
            self._stopping.wait(_BREATH_SECONDS)

    def _serve(self, sock: socket.socket, host: str, port: int, *, relayed: bool) -> None:
        """Start the connection's thread.

        Raises:
            OSError: The connection is gone.
            RuntimeError: There are no more threads.
        """
        acceptor = Acceptor(
            sock,
            host,
            port,
            relayed=relayed,
            settings=self._resolved,
            capacity=self._capacity,
            receiver=self._receiver,
            observer=self._observer,
            clock=self._clock,
        )
        thread = threading.Thread(target=self._run, args=(acceptor,), name=f"peer {host}:{port}", daemon=True)
        with self._guard:
            self._serving[acceptor] = thread
        try:
            thread.start()
        except RuntimeError:
            with self._guard:
                del self._serving[acceptor]
            raise

    def _run(self, acceptor: Acceptor) -> None:
        try:
            acceptor.run()
        finally:
            with self._guard:
                del self._serving[acceptor]
