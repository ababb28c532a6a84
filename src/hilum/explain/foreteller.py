"""Looks at how things stand, reads files, and has foretold what would become of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from hilum import states
from hilum.assembly import Assembly
from hilum.association.admission import AdmissionRules, parse_address
from hilum.association.names import HostNames
from hilum.config import Settings
from hilum.engine.port import Healthy, Unhealthy
from hilum.errors import PermanentError, TemporaryError
from hilum.explain.foresight import foresee
from hilum.explain.prospect import Candidate, Prospect, Sender, World
from hilum.ledger import views
from hilum.ledger.database import Database
from hilum.store.disk import judge
from hilum.store.part10 import HEAD_BYTES, NotDicom, read_meta
from hilum.store.rescan import Scanned, rescan
from hilum.store.scan import HeadScanner, Unreadable

#: How long host names of sources may take to be looked up.
_LOOK_UP: Final = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreteller:
    """Tells what would happen. Nothing is sent, nothing is changed.

    Attributes:
        settings: The configuration whose rules are asked.
        database: ``None``: no gateway has run with it yet.
    """

    settings: Settings
    database: Database | None

    def foretell(self, sender: Sender, candidates: Sequence[Candidate], *, now: datetime) -> Prospect:
        """What would become of these instances.

        Raises:
            PermanentError: The configuration names a processor that cannot be loaded.
        """
        assembly = Assembly.of(self.settings)
        world = World(
            now=now,
            rules=_resolved(assembly.acceptor.rules),
            congested=self._congested(),
            engines={name: _health(assembly, name) for name in assembly.engine.engines},
            down=self._down(),
        )
        return foresee(sender, candidates, assembly, world)

    def _congested(self) -> str | None:
        storage = self.settings.storage
        reserve = int(storage.reserve_gb * 1_000_000_000)
        for folder in (storage.temporary, storage.payloads):
            try:
                found = os.statvfs(folder)
            except OSError:
                continue  # no gateway has made it yet
            full = judge(folder, found, percent=storage.watermark_percent, reserve_bytes=reserve)
            if full:
                return full
        return None

    def _down(self) -> Mapping[str, str]:
        if self.database is None:
            return {}
        with self.database.read() as connection:
            found = views.destinations(connection)
        return {one.name: one.last_error for one in found if one.state is states.Destination.DOWN}


def _health(assembly: Assembly, name: str) -> Healthy | Unhealthy:
    return assembly.engine.engines[name].probe()


def _resolved(rules: AdmissionRules) -> AdmissionRules:
    """The rules with the addresses that host names of sources stand for now, as the gateway has them."""
    names = {source.host_ip for source in rules.sources if source.named}
    if not names:
        return rules
    known = HostNames()
    known.watch(names)
    known.wait_until_tried(_LOOK_UP)
    known.close()
    sources = tuple(
        replace(source, networks=known.networks(source.host_ip)) if source.named else source for source in rules.sources
    )
    return replace(rules, sources=sources)


def candidate_of(path: Path) -> Candidate | str:
    """The instance in a file, or why nobody would send it."""
    try:
        found = rescan(path.resolve())
        size = path.stat().st_size
        with path.open("rb") as file:
            meta = read_meta(file.read(HEAD_BYTES))
    except (TemporaryError, OSError) as error:
        return str(error)
    if isinstance(meta, NotDicom):
        return meta.why
    header = found.header if isinstance(found, Scanned) else None
    return Candidate(
        name=path.name,
        sop_class=(header.sop_class if header else "") or meta.sop_class,
        sop_instance=(header.sop_instance if header else "") or meta.sop_instance,
        transfer_syntax=meta.transfer_syntax,
        header=header,
        why=found.why if isinstance(found, Unreadable) else "",
        size=size - meta.data_set_offset,
    )


def candidate_of_head(name: str, head: bytes, size: int) -> Candidate | str:
    """The same from the beginning of a file, as far as that tells.

    Args:
        size: Of the whole file, in bytes; what is missing is taken to be the rest of one value.
    """
    meta = read_meta(head)
    if isinstance(meta, NotDicom):
        return meta.why
    scanner = HeadScanner(meta.transfer_syntax)
    scanner.feed(memoryview(head)[meta.data_set_offset :])
    missing = max(0, size - len(head))
    scanner.pass_over(min(scanner.unneeded, missing))
    found = scanner.finish()
    header = None if isinstance(found, Unreadable) else found
    return Candidate(
        name=name,
        sop_class=(header.sop_class if header else "") or meta.sop_class,
        sop_instance=(header.sop_instance if header else "") or meta.sop_instance,
        transfer_syntax=meta.transfer_syntax,
        header=header,
        why=found.why if isinstance(found, Unreadable) else "",
        size=max(size, len(head)) - meta.data_set_offset,
    )


def sender_of(text: str) -> Sender:
    """Who would send, as people write it: ``CALLED@HOST`` or ``CALLING>CALLED@HOST``; a host name is looked up.

    Raises:
        PermanentError: It is not written so, or the host is not known.
    """
    titles, at, host = text.rpartition("@")
    calling, _, called = titles.rpartition(">")
    if not at or not host or not called.strip():
        raise PermanentError(
            f"{text!r} is no sender: expected CALLED@HOST or CALLING>CALLED@HOST, as in CT1>HILUM@10.0.0.5"
        )
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = parse_address(host)
    except ValueError:
        try:
            address = parse_address(str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]))
        except (OSError, ValueError) as error:  # ValueError: a text that cannot be a host name at all
            raise PermanentError(f"{host!r} is neither an address nor a host name that can be looked up now") from error
    return Sender(calling=calling.strip(), called=called.strip(), host=str(address))
