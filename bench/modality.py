"""A sender in the process of the bench, that knows the moment at which its release was answered."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.process import FailedError
from bench.receiver import Endpoint
from hilum.association.peer import Peer
from hilum.association.requestor import Requestor
from hilum.model import AETitle, Uid
from hilum.store.rescan import Scanned, rescan


class Modality:
    """Sends one file an association."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._peer = Peer(host="127.0.0.1", port=endpoint.port, called=AETitle(endpoint.title))

    def send(self, path: Path) -> tuple[str, int]:
        """The SOP Instance UID, and when the A-RELEASE-RP was here, in nanoseconds since 1970."""
        found = rescan(path)
        if not isinstance(found, Scanned):
            raise FailedError(f"{path} is no DICOM file")
        sop_class, syntax = Uid(found.header.sop_class), Uid(found.meta.transfer_syntax)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with Requestor.open(self._peer, AETitle("MODALITY"), [(sop_class, syntax)]) as association:
                offset = found.meta.data_set_offset
                answer = association.store(
                    descriptor,
                    offset,
                    found.size - offset,
                    sop_class=sop_class,
                    sop_instance=Uid(found.header.sop_instance),
                    transfer_syntax=syntax,
                )
                if not answer.accepted:
                    raise FailedError(f"refused: {answer}")
                association.release()
                return found.header.sop_instance, time.time_ns()
        finally:
            os.close(descriptor)
