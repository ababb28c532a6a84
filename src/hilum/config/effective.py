"""The settings that count, written as an app.yaml."""

from __future__ import annotations

import io
import re
from typing import Any

from hilum.config.keys import all_keys
from hilum.config.kinds import Mark
from hilum.config.settings import Settings

_HIDDEN = "********"
_SECRET_NAME = re.compile("TOKEN|SECRET|PASSW|KEY|CREDENTIAL", re.IGNORECASE)


def dump(settings: Settings) -> str:
    """All settings with their defaults as YAML; loading it gives the same, except for secrets, which are masked."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import, see load

    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(tree(settings), text)
    return text.getvalue()


def tree(settings: Settings) -> dict[str, Any]:
    """The same as mappings, lists and plain values, by the keys of app.yaml."""
    found: dict[str, Any] = _tidy(settings.model_dump(mode="json", by_alias=True, exclude_none=True))
    _mask(found)
    found["ledger"]["url"] = settings.ledger.shown
    for workflow in found["workflows"]:
        if len(workflow["destination-name"]) == 1:
            workflow["destination-name"] = workflow["destination-name"][0]
    return found


def _tidy(value: Any, key: str = "") -> Any:  # noqa: ANN401 - values of a file
    """Whole numbers without ".0", sets in order."""
    if isinstance(value, dict):
        return {name: _tidy(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        entries = [_tidy(entry) for entry in value]
        return sorted(entries) if key == "ignored-sop-classes" else entries
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _mask(tree: dict[str, Any]) -> None:
    for key in all_keys():
        if Mark.SECRET in key.marks:
            *around, name = key.path.split(".")
            for section in _sections(tree, around):
                if name in section:
                    section[name] = _HIDDEN
    for engine in tree["engines"].values():
        environment = engine.get("environment", {})
        for name in environment:
            if _SECRET_NAME.search(name):
                environment[name] = _HIDDEN


def _sections(tree: dict[str, Any], path: list[str]) -> list[dict[str, Any]]:
    """Every section at a path in which ``<name>`` stands for any name."""
    found = [tree]
    for part in path:
        if part == "<name>":
            found = [entry for section in found for entry in section.values()]
        else:
            found = [section[part] for section in found if part in section]
    return found
