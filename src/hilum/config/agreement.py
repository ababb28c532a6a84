"""What several keys of app.yaml must agree on: names that refer to something, names that may stand only once.

Looks at the values as they were written, so that a mistake elsewhere does not hide one of these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.config.dicom import AE
from hilum.config.engines import FOLDER
from hilum.config.keys import listed
from hilum.config.kinds import did_you_mean, is_loopback
from hilum.config.places import Finding, KeyPath, Places
from hilum.config.settings import Settings, Storage

#: Given a path and what is wrong there.
_Report = Callable[[KeyPath, str], None]

_AE_TITLES = ("dicom", "scp", "ae-titles")
_DESTINATIONS = ("dicom", "scu", "destinations")


def disagreements(tree: dict[str, Any], places: Places, folder: Path) -> list[Finding]:
    """Every disagreement.

    Args:
        folder: Where relative folders begin.
    """
    findings: list[Finding] = []

    def report(path: KeyPath, message: str) -> None:
        findings.append(places.finding(path, message))

    _unique(tree, _AE_TITLES, "ae-title", places, report)
    _unique(tree, _DESTINATIONS, "name", places, report)
    _unique(tree, ("workflows",), "name", places, report)
    _references(tree, report)
    _folder_engine(tree, report)
    _folders(tree, folder, report)
    _web(tree, report)
    _notifications(tree, report)
    return findings


def _get(tree: object, *path: str) -> Any:  # noqa: ANN401 - values of a file
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _entries(tree: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    found = _get(tree, *path)
    for index, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, dict):
            yield (*path, index), entry


def _names(tree: dict[str, Any], path: tuple[str, ...], key: str) -> list[str]:
    names = (entry.get(key) for _, entry in _entries(tree, path))
    return [name for name in names if isinstance(name, str)]


def _unique(tree: dict[str, Any], path: tuple[str, ...], key: str, places: Places, report: _Report) -> None:
    first: dict[str, KeyPath] = {}
    for at, entry in _entries(tree, path):
        name = entry.get(key)
        if not isinstance(name, str):
            continue
        name = name.strip(" ")
        if name in first:
            report(
                (*at, key), f"{name[:80]!r} stands already at {places.where((*first[name], key))}; use each only once"
            )
        else:
            first[name] = at


def _references(tree: dict[str, Any], report: _Report) -> None:
    titles = _Known("AE title", "dicom.scp.ae-titles", _titles(tree))
    destinations = _Known("destination", "dicom.scu.destinations", _names(tree, _DESTINATIONS, "name"))
    engines = _get(tree, "engines")
    runners = _Known("engine", "engines", [FOLDER, *engines] if isinstance(engines, dict) else [FOLDER])
    for at, workflow in _entries(tree, ("workflows",)):
        title = workflow.get("clara-ae-title")
        titles.check(title.strip(" ") if isinstance(title, str) else title, (*at, "clara-ae-title"), report)
        runners.check(workflow.get("engine"), (*at, "engine"), report)
        path = (*at, "destination-name")
        wanted = workflow.get("destination-name")
        if not isinstance(wanted, list):
            destinations.check(wanted, path, report)
            continue
        for position, name in enumerate(wanted):
            if name in wanted[:position]:
                report((*path, position), f"{name!r} stands twice in this list; results are sent once to each")
            else:
                destinations.check(name, (*path, position), report)


def _titles(tree: dict[str, Any]) -> list[str]:
    if not _get(tree, *_AE_TITLES):
        return [ae.title for ae in Settings().dicom.scp.ae_titles]
    titles = [entry.get("ae-title", AE().title) for _, entry in _entries(tree, _AE_TITLES)]
    return [title.strip(" ") for title in titles if isinstance(title, str)]


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that a key can refer to."""

    what: str
    where: str
    names: list[str]

    def check(self, name: object, path: KeyPath, report: _Report) -> None:
        """Report a name that refers to nothing; values of a wrong type are left to the settings to find."""
        if not isinstance(name, str) or not name or name in self.names:
            return
        there = list(dict.fromkeys(self.names))
        message = f"there is no {self.what} {name[:80]!r} in {self.where}"
        if hint := did_you_mean(name, there):
            message += hint
        elif not there:
            message += ", which is empty"
        else:
            message += f"; there {'are' if len(there) > 1 else 'is only'} {listed(there)}"
        report(path, message)


def _folder_engine(tree: dict[str, Any], report: _Report) -> None:
    kind = _get(tree, "engines", FOLDER, "type")
    if isinstance(kind, str) and kind != FOLDER:
        report(("engines", FOLDER), "the name 'folder' belongs to the engine that is always there; use another name")


def _folders(tree: dict[str, Any], folder: Path, report: _Report) -> None:
    """The spool is read at start as associations: nothing else may be in it, nor it in a folder of jobs."""

    def absolute(key: str) -> Path:
        written = _get(tree, "storage", key)
        default = Storage.model_fields[key].default
        return Path(os.path.normpath(folder / (written if isinstance(written, str) and written else default)))

    temporary = absolute("temporary")
    for key in ("payloads", "output"):
        other = absolute(key)
        if temporary == other or temporary in other.parents or other in temporary.parents:
            message = f"storage.temporary ({temporary}) and storage.{key} ({other}) overlap; use separate folders"
            report(("storage", "temporary"), message)
            return


def _web(tree: dict[str, Any], report: _Report) -> None:
    host = _get(tree, "web", "host")
    if isinstance(host, str) and host and not is_loopback(host) and not _get(tree, "web", "token"):
        report(("web", "host"), f"other machines can reach {host}: set web.token too, or use 127.0.0.1")


def _notifications(tree: dict[str, Any], report: _Report) -> None:
    """Channels are known by their names alone, and a window must not end before it begins."""
    webhooks, mail = _get(tree, "notifications", "webhooks"), _get(tree, "notifications", "mail")
    if isinstance(webhooks, dict) and isinstance(mail, dict):
        for name in webhooks.keys() & mail.keys():
            report(("notifications", "mail", name), f"{name[:80]!r} is a webhook already; give it another name")
    for key, section in (("mail", mail),):
        for name, entry in section.items() if isinstance(section, dict) else ():
            if isinstance(entry, dict) and entry.get("password") and not entry.get("user"):
                report(("notifications", key, name, "password"), "there is a password, but no user to log in")
    for at, entry in _entries(tree, ("notifications", "expected")):
        by, since = entry.get("by"), entry.get("since", "00:00")
        if isinstance(by, str) and isinstance(since, str) and len(by) == len(since) == 5 and by <= since:
            report((*at, "by"), f"{by} is not after since ({since}); both are times of the same day")
