"""What Hilum is configured with."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

TITLE: Final = "HILUM"


def receiving(port: int, web: int, durability: str) -> dict[str, Any]:
    """An AE title that takes everything and has no workflow."""
    return {
        "dicom": {
            "scp": {
                "port": port,
                "host": "127.0.0.1",
                "ae-titles": [{"ae-title": TITLE}],
                "reject-unknown-sources": False,
                "max-associations": 100,
                "durability": durability,
            },
            "scu": {"ae-title": TITLE, "destinations": []},
        },
        "workflows": [],
        # The machine that runs the bench may have a rather full disk.
        "storage": {
            "temporary": "spool",
            "payloads": "payloads",
            "output": "output",
            "watermark-percent": 100,
            "reserve-gb": 0,
        },
        "web": {"port": web},
    }


def passing_through(command: Sequence[str], pacs_port: int, pacs_title: str) -> dict[str, Any]:
    """A workflow that runs a command, with one destination."""
    pacs = {"name": "PACS", "host-ip": "127.0.0.1", "port": pacs_port, "ae-title": pacs_title}
    return {
        "dicom": {"scu": {"destinations": [pacs]}},
        "workflows": [
            {
                "name": "pass-through",
                "clara-ae-title": TITLE,
                "destination-name": "PACS",
                "workflow": "pass-through",
                "engine": "command",
            }
        ],
        "engines": {"command": {"type": "process", "command": list(command)}},
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``: mappings are merged, everything else is replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def write(folder: Path, keys: Mapping[str, Any]) -> Path:
    """Write ``app.yaml`` into a folder; its path."""
    text = io.StringIO()
    YAML(typ="safe").dump(dict(keys), text)
    path = folder / "app.yaml"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path
