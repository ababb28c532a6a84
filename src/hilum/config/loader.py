"""Reads app.yaml and the environment into settings, or tells everything that is wrong with them at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from hilum.config.agreement import disagreements
from hilum.config.keys import fields_of, section_at, sections_in
from hilum.config.places import Finding, KeyPath, Places
from hilum.config.settings import Settings
from hilum.config.spellings import respell
from hilum.config.wording import findings as wrong_values
from hilum.errors import ConfigError


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a configuration and everything in the environment that overrides it.

    Args:
        path: The file; its folder is where relative folders and the ledger's file begin.
        environ: Variables whose names begin with ``HILUM__`` override values of the file.

    Raises:
        ConfigError: With every problem, the file's in their order and then the environment's.
    """
    # The YAML library takes as long to import as everything else here; commands that read no file do without.
    from hilum.config import document  # noqa: PLC0415

    return _load(lambda: document.read(path), path, environ)


def loads(data: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The same with a content that a file could have.

    Args:
        path: Of that file, which is not looked at.

    Raises:
        ConfigError: As ``load``.
    """
    from hilum.config import document  # noqa: PLC0415

    return _load(lambda: document.decoded(data), path, environ)


def _load(read: Callable[[], str], path: Path, environ: Mapping[str, str]) -> Settings:
    from hilum.config import document  # noqa: PLC0415
    from hilum.config.environment import override  # noqa: PLC0415

    places = Places(file=str(path))
    try:
        tree, findings = document.parse(read(), places)
    except document.UnreadableError as error:
        raise ConfigError([places.at(error.position, error.message).problem]) from None
    folder = path.absolute().parent
    findings += respell(tree, places)
    findings += override(tree, places, environ)
    findings += respell(tree, places)
    _leave_out_empty_sections(tree, tree, ())
    settings, wrong = _validated(tree, places)
    findings += [finding for finding in wrong if finding.path not in places.damaged]
    reported = {finding.path for finding in findings}
    findings += [finding for finding in disagreements(tree, places, folder) if finding.path not in reported]
    if findings or settings is None:
        findings.sort(key=lambda finding: finding.rank)
        raise ConfigError([finding.problem for finding in findings])
    return settings.located(folder, places)


def _validated(tree: dict[str, Any], places: Places) -> tuple[Settings | None, list[Finding]]:
    # JSON has the types of YAML, and what pydantic reads as JSON it can check strictly: "104" is not a number, but a
    # list may become a tuple and a word a member of an enumeration.
    try:
        return Settings.model_validate_json(json.dumps(tree), strict=True, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, wrong_values(error, tree, places)


def _leave_out_empty_sections(tree: dict[str, Any], node: object, path: KeyPath) -> None:
    """A section or list without a value counts as left out: usually all its entries are commented out."""
    if isinstance(node, list):
        for index, entry in enumerate(node):
            _leave_out_empty_sections(tree, entry, (*path, index))
    if not isinstance(node, dict):
        return
    section = section_at(tree, path)
    fields = fields_of(section) if section else {}
    for key, value in list(node.items()):
        if value is not None:
            _leave_out_empty_sections(tree, value, (*path, key))
        elif key in fields and not fields[key].is_required():
            annotation = fields[key].annotation
            if sections_in(annotation) or get_origin(annotation) in {tuple, frozenset, Mapping}:
                del node[key]
