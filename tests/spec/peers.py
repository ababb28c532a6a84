"""Peers that share no code with Hilum: pynetdicom as a modality and as a PACS."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ, A_RELEASE_RQ, PDU

from interop.pynetdicom_peers import leave_answers_to_who_asked

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"

#: A SOP class and the transfer syntaxes proposed for it, the preferred one first.
Context = tuple[str, Sequence[str]]
ECHO: Context = (VERIFICATION, [IMPLICIT_LE])


@contextmanager
def modality(
    port: int,
    *contexts: Context,
    called: str = "AI",
    calling: str = "MODALITY",
    extended: Sequence[Any] = (),
    heard: list[PDU] | None = None,
) -> Iterator[Association]:
    """An association as pynetdicom asks for it, accepted or not; released at the end if it is open then.

    Args:
        heard: Gets every PDU that comes.
    """
    ae = AE(ae_title=calling)
    for sop_class, syntaxes in contexts or [ECHO]:
        ae.add_requested_context(sop_class, list(syntaxes))
    handlers = [] if heard is None else [(evt.EVT_PDU_RECV, lambda event: heard.append(event.pdu))]
    association = ae.associate("127.0.0.1", port, ae_title=called, ext_neg=list(extended), evt_handlers=handlers)
    leave_answers_to_who_asked(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def rejection(port: int, *, called: str = "AI", calling: str = "MODALITY") -> tuple[int, int, int] | None:
    """Result, source and reason with which an association is rejected; ``None`` if it is accepted."""
    # By the PDU itself: sometimes pynetdicom takes the end of the connection for an abort, although it has read that.
    heard: list[PDU] = []
    with modality(port, called=called, calling=calling, heard=heard) as association:
        for pdu in heard:
            if isinstance(pdu, A_ASSOCIATE_RJ):
                return pdu.result, pdu.source, pdu.reason_diagnostic
        assert association.is_established
        return None


REJECTED_CALLING = (1, 1, 3)
REJECTED_CALLED = (1, 1, 7)
REJECTED_FOR_NOW = (2, 3, 2)


def lose(association: Association) -> None:
    """Cut the connection: no release, no abort."""
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    association.join(10)


@dataclass
class Caller:
    """Who opened an association, as its A-ASSOCIATE-RQ says.

    Attributes:
        window: Operations that may be invoked and performed asynchronously.
    """

    ae_title: str
    class_uid: str
    version_name: str
    window: tuple[int, int]


@dataclass
class Stored:
    """One C-STORE as it came.

    Attributes:
        data_set: Its bytes, undecoded.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: bytes


@dataclass
class Archive:
    """A storage SCP on a free port of the loopback.

    Attributes:
        stored: In the order of the answers.
        callers: Of every association.
        open: Associations open now.
        most: The most that were ever open at a time.
        waiting: Instances that are complete and not answered.
        early: How often something came on an association while an answer of it was due.
    """

    title: str = "ARCHIVE"
    stored: list[Stored] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    open: int = 0
    most: int = 0
    early: int = 0
    _due: set[Association] = field(default_factory=set)
    _permits: float = math.inf
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Archive:
        ae = AE(ae_title=self.title)
        ae.maximum_associations = 50
        ae.require_called_aet = True
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
        self._server = ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_ESTABLISHED, self._established),
                (evt.EVT_DATA_RECV, self._data_received),
                (evt.EVT_PDU_RECV, self._pdu_received),
                (evt.EVT_C_STORE, self._store),
            ],
        )
        self.port: int = self._server.server_address[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.answer()
        self._server.shutdown()

    def entry(self, name: str = "ARCHIVE") -> str:
        """Its entry in ``dicom.scu.destinations``, in YAML."""
        return f"{{name: {name}, host-ip: 127.0.0.1, port: {self.port}, ae-title: {self.title}}}"

    @property
    def waiting(self) -> int:
        return len(self._due)

    def hold(self) -> None:
        """Answer nothing from now on."""
        with self._changed:
            self._permits = 0

    def answer(self, count: float = math.inf) -> None:
        """Answer so many instances."""
        with self._changed:
            self._permits += count
            self._changed.notify_all()

    def _established(self, event: evt.Event) -> None:
        who = event.assoc.requestor
        with self._changed:
            self.open += 1
            self.most = max(self.most, self.open)
            self.callers.append(
                Caller(
                    ae_title=who.ae_title,
                    class_uid=str(who.implementation_class_uid),
                    version_name=str(who.implementation_version_name),
                    window=who.asynchronous_operations,
                )
            )

    def _data_received(self, event: evt.Event) -> None:
        with self._changed:
            self.early += event.assoc in self._due

    def _pdu_received(self, event: evt.Event) -> None:
        # Counted before the answer: the peer may open the next association as soon as it has that.
        if isinstance(event.pdu, A_RELEASE_RQ):
            with self._changed:
                self.open -= 1

    def _store(self, event: evt.Event) -> Literal[0]:
        request = event.request
        came = Stored(
            sop_class=str(request.AffectedSOPClassUID),
            sop_instance=str(request.AffectedSOPInstanceUID),
            transfer_syntax=str(event.context.transfer_syntax),
            data_set=request.DataSet.getvalue(),
        )
        with self._changed:
            self._due.add(event.assoc)
            self._changed.wait_for(lambda: self._permits > 0, 30)
            self._permits -= 1
            self._due.discard(event.assoc)
            self.stored.append(came)
        return 0x0000
