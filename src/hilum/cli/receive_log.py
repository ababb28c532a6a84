"""What ``hilum receive`` says while it works: lines for people, or JSON lines."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from hilum import words
from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationEvent,
    AssociationRejected,
    ConnectionDropped,
    InstanceRefused,
)
from hilum.cli import output
from hilum.cli.receive_sink import StoredFile
from hilum.wire import name_of


class Narrator:
    """Tells what happens, from any thread.

    Args:
        verbose: A line for each instance, not only for each association.
    """

    def __init__(self, folder: Path, *, verbose: bool, as_json: bool) -> None:
        self._folder = folder
        self._verbose = verbose
        self._as_json = as_json
        self._lock = threading.Lock()
        self._instances = self._bytes = self._associations = 0

    def _tell(self, event: str, text: str, **details: object) -> None:
        """Say it; without text only to programs."""
        # Whoever read along may have left: instances are received all the same.
        with self._lock, suppress(BrokenPipeError):
            if self._as_json:
                output.emit_line({"event": event, **{key.replace("_", "-"): value for key, value in details.items()}})
            elif text:
                print(words.printable(text), flush=True)

    def listening(self, host: str, port: int) -> None:
        """The port is open."""
        folder = self._folder.absolute()
        self._tell(
            "listening", f"Listening on {host} port {port}, files go to {folder}", host=host, port=port, folder=folder
        )

    def stored(self, file: StoredFile) -> None:
        """An instance lies in its file."""
        with self._lock:
            self._instances += 1
            self._bytes += file.size
        name = name_of(file.request.sop_class)
        again = ", replaces the one that was there" if file.replaced else ""
        self._tell(
            "instance",
            f"  {file.path.name}  {name}  {words.size(file.size)}{again}" if self._verbose else "",
            association=file.association.id,
            file=file.path,
            sop_class=file.request.sop_class,
            sop_instance=file.request.sop_instance,
            transfer_syntax=file.request.transfer_syntax,
            modality=file.header.modality,
            bytes=file.size,
            replaced=file.replaced,
        )

    def happened(self, event: AssociationEvent) -> None:
        """Something else, as an observer of the server."""
        match event:
            case AssociationAccepted(association=info):
                with self._lock:
                    self._associations += 1
                self._tell(
                    "association",
                    f"{info.calling} ({info.host}) to {info.called}: association accepted, "
                    f"{event.accepted_contexts} of {event.proposed_contexts} presentation contexts",
                    association=info.id,
                    calling=info.calling,
                    called=info.called,
                    host=info.host,
                )
            case AssociationEnded(association=info, tally=tally):
                ending = "released" if event.how is None else f"{event.how}: {event.why}"
                echoes = f", {words.count(tally.echoes, 'C-ECHO')}" if tally.echoes else ""
                refused = f", {tally.refused} refused" if tally.refused else ""
                self._tell(
                    "end",
                    f"{info.calling} ({info.host}): {ending}; {words.count(tally.stored, 'instance')} stored, "
                    f"{words.size(tally.data_bytes)} in {words.duration(event.duration)}{echoes}{refused}",
                    association=info.id,
                    released=event.how is None,
                    why=event.why,
                    stored=tally.stored,
                    refused=tally.refused,
                    echoes=tally.echoes,
                    bytes=tally.data_bytes,
                    seconds=event.duration,
                )
            case InstanceRefused(association=info):
                self._tell(
                    "refused",
                    f"  {event.sop_instance}  refused with {words.status(event.status)}: {event.comment}",
                    association=info.id,
                    sop_instance=event.sop_instance,
                    status=words.status(event.status),
                    comment=event.comment,
                )
            case AssociationRejected():
                self._tell(
                    "rejected",
                    f"{event.calling} ({event.host}) to {event.called}: {event.reject}; {event.why}",
                    calling=event.calling,
                    called=event.called,
                    host=event.host,
                    why=event.why,
                )
            case ConnectionDropped():
                self._tell("dropped", f"{event.host}: connection dropped: {event.why}", host=event.host, why=event.why)

    def ended(self) -> None:
        """The port is closed."""
        self._tell(
            "stopped",
            f"Received {words.count(self._instances, 'instance')}, {words.size(self._bytes)}, "
            f"over {words.count(self._associations, 'association')}",
            instances=self._instances,
            bytes=self._bytes,
            associations=self._associations,
        )
