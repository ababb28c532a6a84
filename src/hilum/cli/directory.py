"""Destinations of a configuration, by name: for the commands that take a peer."""

from __future__ import annotations

from pathlib import Path

from hilum.association.peer import Peer
from hilum.cli.options import config_path
from hilum.cli.peer import Directory
from hilum.model import AETitle


def look_up(given: Path | None) -> Directory:
    """Looks destinations up in a configuration, which is read only if somebody asks.

    Args:
        given: The file, if the user named one; only then it is an error that there is none.
    """

    def directory(name: str) -> tuple[Peer, AETitle] | None:
        from hilum import config

        path = config_path(given)
        if given is None and not path.exists():
            return None
        scu = config.load(path).dicom.scu
        for one in scu.destinations:
            if one.name == name:
                return Peer(host=one.host_ip, port=one.port, called=one.ae_title), scu.ae_title
        return None

    return directory
