"""Where in the configuration something is decided; pure."""

from __future__ import annotations

from dataclasses import replace

from hilum.association.admission import AdmissionRules, Rejected, admit
from hilum.config import Settings
from hilum.config.places import KeyPath, dotted
from hilum.model import AETitle
from hilum.wire import AssociateRequest


class Lines:
    """Where in the configuration something is decided."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = settings.places

    def of(self, *path: str | int) -> str:
        """``dicom.scp.port (app.yaml:3:11)``; what stands nowhere is the default."""
        key: KeyPath = path
        written = self._places.written(key)
        known = written in self._places.values or written in self._places.keys or key in self._places.variables
        return f"{dotted(key)} ({self._places.where(key) if known else 'the default'})"

    def ae(self, title: str, *rest: str | int) -> str:
        """Something of the entry of a called AE title; of all entries, if there is none."""
        titles = [ae.title for ae in self._settings.dicom.scp.ae_titles]
        if title not in titles:
            return self.of("dicom", "scp", "ae-titles")
        return self.of("dicom", "scp", "ae-titles", titles.index(AETitle(title)), *rest)

    def workflow(self, name: str, *rest: str) -> str:
        """Something of the entry of a workflow."""
        names = [one.name for one in self._settings.workflows]
        return self.of("workflows", names.index(name), *rest) if name in names else self.of("workflows")

    def source(self, title: str, host: str, rules: AdmissionRules) -> str:
        """The entry that lets a sender in; of all entries, if none does."""
        if not rules.reject_unknown_sources:
            return self.of("dicom", "scp", "reject-unknown-sources")
        for number, one in enumerate(rules.sources):
            if one.title == title and admits(replace(rules, sources=(one,)), title, host):
                return self.of("dicom", "scp", "sources", number)
        return self.of("dicom", "scp", "sources")

    def destination(self, name: str) -> str:
        """The entry of a destination."""
        names = [one.name for one in self._settings.dicom.scu.destinations]
        return self.of("dicom", "scu", "destinations", *((names.index(name),) if name in names else ()))


def admits(rules: AdmissionRules, calling: str, host: str) -> bool:
    """Whether these rules let this title come from this address, whatever it calls."""
    request = AssociateRequest(called="ANY", calling=calling, contexts=())
    return not isinstance(admit(request, host, replace(rules, called=None), open_count=0), Rejected)
