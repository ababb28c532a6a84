"""Overrides from the environment: ``HILUM__DICOM__SCP__PORT=11112``.

Two underscores separate, one stands for a hyphen, a number is a place in a list counted from 0. The value is read as if
it stood in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from hilum.config.document import UnreadableError, Value, parse_value
from hilum.config.keys import field_at, fields_of, is_secret, section_at
from hilum.config.places import Finding, KeyPath, Places, dotted
from hilum.config.spellings import proper

PREFIX = "HILUM__"
#: Far more than any secret has.
_MAX_SECRET_BYTES = 65_536


def override(tree: dict[str, Value], places: Places, environ: Mapping[str, str]) -> list[Finding]:
    """Put every override into ``tree``; outer ones first, so that ``HILUM__WORKFLOWS`` does not undo an inner one.

    Returns:
        The variables that could not become a value. Unknown keys are left to the settings to find.
    """
    findings: list[Finding] = []
    names = [name for name in environ if name.startswith(PREFIX)]
    for name in sorted(names, key=_outer_first):
        findings += _override(tree, places, name, environ[name])
    return findings


def _read_secret(path: str) -> str:
    """What a file holds, without the line break at its end that editors add."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        text = data.decode().rstrip("\r\n")
    except OSError as error:
        raise UnreadableError(f"the file {path!r} of the secret cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"the file {path!r} of the secret is not UTF-8 text") from None
    if not text or len(data) > _MAX_SECRET_BYTES or not text.isprintable():
        raise UnreadableError(f"the file {path!r} of the secret must hold one line, and nothing else")
    return text


def _outer_first(name: str) -> tuple[int, list[tuple[int, str]]]:
    parts = name.split("__")
    return len(parts), [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def _override(tree: dict[str, Value], places: Places, name: str, text: str) -> list[Finding]:
    parts = name.removeprefix(PREFIX).split("__")
    if not all(parts):
        return [places.of_variable(name, "expected names joined by two underscores, such as HILUM__DICOM__SCP__PORT")]
    node: Any = tree
    path: KeyPath = ()
    from_file = False
    for position, part in enumerate(parts):
        path = proper((*path, _step(tree, node, path, part)))
        if len(path) == 1:
            # Also after another spelling has led back to the top level.
            node = tree
        if position == len(parts) - 1 and _names_file(tree, path):
            path, from_file = (*path[:-1], str(path[-1]).removesuffix("-file")), True
        if refusal := _refusal(node, path):
            return [places.of_variable(name, refusal)]
        if position == len(parts) - 1:
            break
        if _is_missing(node, path[-1]):
            _set(node, path[-1], [] if parts[position + 1].isdecimal() else {})
            places.override(path, name)
        node = node[path[-1]]
    try:
        value = _read_secret(text) if from_file else _value(text, name, secret=is_secret(tree, path))
    except UnreadableError as error:
        how = "" if from_file else " (the value is read as YAML)"
        return [places.of_variable(name, error.message + how)]
    _set(node, path[-1], value)
    places.override(path, name)
    return []


def _names_file(tree: object, path: KeyPath) -> bool:
    """Whether the last part is no key, but would be that of a secret without ``-file``."""
    word = str(path[-1])
    if not word.endswith("-file") or field_at(tree, path) is not None:
        return False
    return is_secret(tree, (*path[:-1], word.removesuffix("-file")))


def _value(text: str, name: str, *, secret: bool) -> Value:
    try:
        value = parse_value(text, name)
    except UnreadableError:
        # A secret may look like anything, and no message may quote it.
        if secret and text.isprintable():
            return text
        raise
    return text if secret and text and not isinstance(value, str) else value


def _step(tree: object, node: object, path: KeyPath, part: str) -> str | int:
    """The key or place that one part of the variable's name means."""
    if isinstance(node, list) and part.isdecimal() and part.isascii() and len(part) < 6:
        return int(part)
    section = section_at(tree, path)
    word = part.lower().replace("_", "-")
    if section is not None and word in fields_of(section):
        return word
    field = field_at(tree, path)
    chosen_by_user = field is not None and get_origin(field.annotation) is Mapping
    if not chosen_by_user:
        return word
    if isinstance(node, dict):
        for key in node:
            if _folded(key) == _folded(part):
                return str(key)
    # Names of environment variables stand as they are written; names of engines are usually lower case, and Ray's have
    # underscores.
    return {"environment": part, "runtime-env": part.lower()}.get(str(path[-1]), word)


def _folded(name: str) -> str:
    return re.sub("[^a-z0-9]", "-", name.lower())


def _refusal(node: object, path: KeyPath) -> str:
    around = dotted(path[:-1])
    last = path[-1]
    if isinstance(node, list):
        if not isinstance(last, int):
            return f"{around} is a list; expected the number of an entry, counted from 0, found '{last}'"
        if last > len(node):
            return f"expected the number of an entry of {around}, at most {len(node)} to add one, found {last}"
        return ""
    return "" if isinstance(node, dict) else f"{around} is a single value and has no keys below it"


def _is_missing(node: Any, part: str | int) -> bool:  # noqa: ANN401 - values of a file
    if isinstance(part, int):
        return part == len(node) or node[part] is None
    return node.get(part) is None


def _set(node: Any, part: str | int, value: Value) -> None:  # noqa: ANN401 - values of a file
    if isinstance(part, int) and part == len(node):
        node.append(value)
    else:
        node[part] = value
