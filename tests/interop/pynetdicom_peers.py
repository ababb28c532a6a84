"""pynetdicom as a modality and as a PACS."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Self

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from interop.real_files import RealFile

Pair = tuple[str, str]


def send(port: int, files: Sequence[RealFile], *, called: str = "HILUM") -> None:
    """Send files as they are over one association; every instance must be taken."""
    ae = AE("PYNETDICOM")
    for sop_class, transfer_syntax in dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files):
        ae.add_requested_context(sop_class, transfer_syntax)
    association = ae.associate("127.0.0.1", port, ae_title=called)
    assert association.is_established
    leave_answers_to_who_asked(association)
    assert [association.send_c_store(file.path).Status for file in files] == [0] * len(files)
    association.release()
    assert association.is_released


def leave_answers_to_who_asked(association: Association) -> None:
    """Keep the thread that looks for requests of the peer from taking, on a busy machine, the answer to one of ours."""
    take = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: take(block) if block else (None, None)


class Archive:
    """A PACS that keeps the bytes of what it receives.

    Args:
        takes: Pairs of SOP class and transfer syntax that it accepts. Private SOP classes need pynetdicom's
            unrestricted storage service, which accepts everything.
    """

    def __init__(self, takes: Iterable[Pair], *, title: str = "ARCHIVE") -> None:
        self._title = title
        self._ae = AE(title)
        self._ae.add_supported_context(Verification)
        for sop_class, transfer_syntax in takes:
            self._ae.add_supported_context(sop_class, transfer_syntax)
        self._lock = threading.Lock()
        self._received: list[str] = []
        #: How many presentation contexts each association proposed.
        self.associations: list[int] = []

    def __enter__(self) -> Self:
        handlers: list[Any] = [(evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._requested)]
        self._server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _requested(self, event: evt.Event) -> None:
        with self._lock:
            self.associations.append(len(event.assoc.requestor.primitive.presentation_context_definition_list))

    def _store(self, event: evt.Event) -> int:
        with self._lock:
            self._received.append(hashlib.sha256(event.request.DataSet.getvalue()).hexdigest())
        return 0x0000

    @property
    def destination(self) -> dict[str, object]:
        """Its entry in ``dicom.scu.destinations``."""
        return {"name": self._title, "host-ip": "127.0.0.1", "port": self.port, "ae-title": self._title}

    def digests(self) -> list[str]:
        """SHA-256 of every data set it has, sorted."""
        with self._lock:
            return sorted(self._received)
