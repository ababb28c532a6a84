"""Plays a modality with Hilum's own requestor; other peers have tests of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hilum.association.peer import Peer
from hilum.association.requestor import Requestor
from hilum.association.settings import RequestorTimeouts
from hilum.model import AETitle, Answer, Uid
from hilum.store.rescan import Scanned, rescan


@contextmanager
def association(
    port: int, paths: Sequence[Path], *, called: str = "HILUM", calling: str = "MODALITY"
) -> Iterator[Requestor]:
    """An association with the contexts that the files need; released at the end of the block."""
    pairs = list(dict.fromkeys((Uid(one.header.sop_class), Uid(one.meta.transfer_syntax)) for one in map(_scan, paths)))
    peer = Peer(host="127.0.0.1", port=port, called=AETitle(called))
    with Requestor.open(peer, AETitle(calling), pairs, timeouts=RequestorTimeouts()) as requestor:
        yield requestor


def store(requestor: Requestor, path: Path, *, sop_instance: str = "") -> Answer:
    """Send one file over an open association.

    Args:
        sop_instance: What the request calls it; that of the file if left out.
    """
    found = _scan(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return requestor.store(
            descriptor,
            found.meta.data_set_offset,
            found.size - found.meta.data_set_offset,
            sop_class=Uid(found.header.sop_class),
            sop_instance=Uid(sop_instance or found.header.sop_instance),
            transfer_syntax=Uid(found.meta.transfer_syntax),
        )
    finally:
        os.close(descriptor)


def send(port: int, *paths: Path, called: str = "HILUM", calling: str = "MODALITY") -> list[Answer]:
    """Send files over one association and release it; the answers in their order."""
    with association(port, paths, called=called, calling=calling) as requestor:
        return [store(requestor, path) for path in paths]


def _scan(path: Path) -> Scanned:
    found = rescan(path)
    assert isinstance(found, Scanned), (path, found)
    return found
