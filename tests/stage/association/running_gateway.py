"""A server under test, on a free port of loopback, with a receiver that remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from harness.raw_peer import RawPeer
from hilum.association.admission import AdmissionRules, Source
from hilum.association.server import Server
from hilum.association.settings import AcceptorSettings
from hilum.model import AETitle
from hilum.wire import NegotiationPolicy
from stage.association.recording_sink import RecordingReceiver


class Gateway:
    """The server under test with its settings, which may be replaced while it runs."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.settings = AcceptorSettings(
            rules=AdmissionRules(
                called=frozenset({AETitle("HILUM")}),
                sources=(Source.parse("127.0.0.0/8", AETitle("SCANNER")),),
                reject_unknown_sources=True,
                max_associations=2,
            ),
            negotiation=NegotiationPolicy(verification=True),
            artim=timedelta(seconds=10),
            pdu=timedelta(seconds=10),
            idle=timedelta(seconds=10),
            write=timedelta(seconds=10),
        )
        self.receiver = RecordingReceiver()
        self.seen = self.receiver.seen
        self.server = Server(
            host, 0, settings=lambda: self.settings, receiver=self.receiver, observer=self.receiver.observe
        )
        self.port = self.server.start()

    def configure(self, **changes: Any) -> None:
        """Change settings, or rules where there are settings of no such name; seconds where times are meant."""
        for name, value in changes.items():
            if hasattr(self.settings.rules, name):
                self.settings = replace(self.settings, rules=replace(self.settings.rules, **{name: value}))
            else:
                timed = isinstance(getattr(self.settings, name), timedelta)
                self.settings = replace(self.settings, **{name: timedelta(seconds=value) if timed else value})

    def connect(self, **how: Any) -> RawPeer:
        return RawPeer.connect(self.port, **how)
