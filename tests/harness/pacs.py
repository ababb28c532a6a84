"""A PACS in the process of the test: keeps what it accepts, and answers as it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hilum.association.admission import AdmissionRules
from hilum.association.server import Server
from hilum.association.settings import AcceptorSettings
from hilum.association.sink import Ending
from hilum.model import AETitle, Answer, AssociationInfo, StoreRequest
from hilum.wire import NegotiationPolicy

SUCCESS = Answer(status=0x0000)


@dataclass
class Arrived:
    """One C-STORE that came to its end."""

    request: StoreRequest
    digest: str
    association: AssociationInfo
    answer: Answer


@dataclass
class Pacs:
    """Listens on a free port of the loopback.

    Attributes:
        host: Another address to listen on.
        answer: What to say to an instance, asked when its data set is complete.
        arrived: Every C-STORE in the order of the answers.
        associations: Every association accepted.
    """

    title: str = "PACS"
    port: int = 0
    answer: Callable[[StoreRequest], Answer] = lambda _request: SUCCESS
    host: str = "127.0.0.1"
    arrived: list[Arrived] = field(default_factory=list)
    associations: list[AssociationInfo] = field(default_factory=list)

    def __enter__(self) -> Pacs:
        rules = AdmissionRules(
            called=frozenset({AETitle(self.title)}), sources=(), reject_unknown_sources=False, max_associations=10
        )
        settings = AcceptorSettings(rules=rules, negotiation=NegotiationPolicy(verification=True))
        self._server = Server(
            self.host, self.port, settings=lambda: settings, receiver=self, observer=lambda _event: None
        )
        self.port = self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timedelta(seconds=1))

    @property
    def destination(self) -> dict[str, object]:
        """Its entry in ``dicom.scu.destinations``."""
        return {"name": self.title, "host-ip": self.host, "port": self.port, "ae-title": self.title}

    @property
    def accepted(self) -> list[Arrived]:
        """What it has."""
        return [one for one in self.arrived if one.answer.accepted]

    def congested(self) -> str | None:
        return None

    def open(self, association: AssociationInfo) -> _Sink:
        self.associations.append(association)
        return _Sink(self, association)


class _Sink:
    def __init__(self, pacs: Pacs, association: AssociationInfo) -> None:
        self._pacs = pacs
        self._association = association

    def begin(self, request: StoreRequest) -> _Writer:
        return _Writer(self._pacs, self._association, request)

    def release(self) -> None:
        """Everything was answered before."""

    def broken(self, how: Ending, why: str) -> None:
        """Everything was answered before."""


class _Writer:
    def __init__(self, pacs: Pacs, association: AssociationInfo, request: StoreRequest) -> None:
        self._pacs, self._association, self._request = pacs, association, request
        self._digest = hashlib.sha256()

    def write(self, fragments: Sequence[memoryview]) -> None:
        for fragment in fragments:
            self._digest.update(fragment)

    def finish(self) -> Answer:
        answer = self._pacs.answer(self._request)
        arrived = Arrived(self._request, self._digest.hexdigest(), self._association, answer)
        self._pacs.arrived.append(arrived)
        return answer

    def discard(self) -> None:
        """Nothing is kept."""
