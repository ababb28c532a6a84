"""The peer under test: where it is, how it is called, how long it is waited for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from hilum.battery import octets
from hilum.battery.acceptance import Acceptance
from hilum.battery.association import CT_EXPLICIT, ECHO, Association
from hilum.battery.instance import Instance
from hilum.battery.line import Line
from hilum.battery.octets import Heard, Nothing, Pdu
from hilum.battery.request import Proposal, Request
from hilum.battery.stored import Shelf
from hilum.battery.verdict import RefusedError, UnobservableError

#: Seconds between two tries to get an association from a peer that has none free just now.
_BREATH: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to call.

    Attributes:
        called: AE title of the peer.
        calling: One that it accepts.
        patience: Seconds that an answer may take.
        calm: Seconds without anything that count as nothing more will come.
        slow: Seconds that any timer of the peer runs at most; ``None`` leaves out what needs them.
        recovery: Seconds that it may need after a check before it answers again.
        stores: Whether it may be sent instances.
        shelf: Where the files lie that it stores; ``None`` if they cannot be seen.
    """

    host: str
    port: int
    called: str
    calling: str = "HILUM"
    patience: float = 2.0
    calm: float = 0.3
    slow: float | None = None
    recovery: float = 10.0
    stores: bool = True
    shelf: Shelf | None = None

    def connect(self, host: str | None = None) -> Line:
        """A new connection.

        Raises:
            UnobservableError: There is none to be had.
        """
        try:
            sock = socket.create_connection((host or self.host, self.port), timeout=max(self.patience, 2.0))
        except OSError as error:
            raise UnobservableError(f"no connection: {error.strerror or error}") from error
        return Line(sock, self.patience)

    def request(self, *contexts: Proposal | bytes, **differently: Any) -> Request:  # noqa: ANN401  Request's own
        """A request as it should be, but for what is told; without contexts the usual two are proposed."""
        titles: dict[str, Any] = {"called": self.called.encode(), "calling": self.calling.encode()}
        return Request(contexts=contexts or (ECHO, CT_EXPLICIT), **(titles | differently))

    @contextmanager
    def call(self, request: Request | bytes) -> Iterator[tuple[Line, Heard]]:
        """A new connection on which a request was sent, and what was heard then; released at the end if accepted.

        A peer with few associations may not have noticed yet that the one before is over, so a transient rejection
        is no answer until it has had time.
        """
        sent = request if isinstance(request, bytes) else request.encode()
        until = time.monotonic() + self.patience
        while True:
            with self.connect() as line:
                line.send(sent)
                heard = line.hear()
                if not fnmatchcase(str(heard), "RJ 2/*") or time.monotonic() > until:
                    yield line, heard
                    if str(heard) == "AC":
                        line.part(self.calm)
                    return
            time.sleep(_BREATH)

    @contextmanager
    def associate(self, *contexts: Proposal | bytes, **differently: Any) -> Iterator[Association]:  # noqa: ANN401
        """An association that works; arguments as for ``request``.

        Raises:
            RefusedError: It was not accepted.
            UnobservableError: The peer has none free now.
            MalformedError: The acceptance cannot be read.
        """
        with self.call(self.request(*contexts, **differently)) as (line, heard):
            if fnmatchcase(str(heard), "RJ 2/*"):
                raise UnobservableError(f"no association is free: {heard}")
            if not isinstance(heard, Pdu) or heard.kind != octets.AC:
                raise RefusedError(str(heard))
            yield Association(line, Acceptance.read(heard), stores=self.stores)

    def instance(self, transfer_syntax: str = octets.EXPLICIT, **differently: Any) -> Instance:  # noqa: ANN401
        """A new instance; arguments as for ``Instance``."""
        return Instance(transfer_syntax=transfer_syntax, **differently)

    def timers(self) -> float:
        """How long any timer of the peer runs at most.

        Raises:
            UnobservableError: Nobody wants to wait for them.
        """
        if self.slow is None:
            raise UnobservableError("it takes as long as the peer's timers: see --slow")
        return self.slow

    def files(self) -> Shelf:
        """Where the peer's files can be looked at.

        Raises:
            UnobservableError: They cannot.
        """
        if self.shelf is None:
            raise UnobservableError("what the peer has stored cannot be seen: see --stored")
        return self.shelf

    def alive(self) -> bool:
        """Whether the peer answers a request for an association, given some time to recover."""
        until = time.monotonic() + max(self.recovery, self.patience)
        while (left := until - time.monotonic()) > 0:
            try:
                with self.connect() as line:
                    line.send(self.request(ECHO).encode())
                    heard = line.hear(left)
                    if isinstance(heard, Pdu) and heard.kind == octets.AC:
                        line.part(self.calm)
                    if heard is not Nothing.SILENT and heard is not Nothing.RST:
                        return True
            except UnobservableError:
                time.sleep(_BREATH)
        return False

    def addresses(self) -> set[str]:
        """Numeric addresses of the host; a loopback address stands for that of the other family too."""
        found = {str(one[4][0]) for one in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)}
        return found | {"127.0.0.1", "::1"} if found & {"127.0.0.1", "::1"} else found
