"""What is wrong with a value, in plain words: from the findings of the settings models to problems for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from hilum.config import keys
from hilum.config.engines import Engine
from hilum.config.kinds import Kind, Section, did_you_mean, nearest
from hilum.config.places import Finding, KeyPath, Places, dotted, shown_key

_TRUE = frozenset({"yes", "on", "y", "true", "1"})
_FALSE = frozenset({"no", "off", "n", "false", "0"})


def findings(error: ValidationError, tree: dict[str, Any], places: Places) -> list[Finding]:
    """One finding for each thing that the models refuse."""
    return [
        _finding(details, tree, places) for details in error.errors(include_url=False) if not _is_consequence(details)
    ]


def _is_consequence(details: ErrorDetails) -> bool:
    """Whether it only follows from another error, which is reported."""
    # To the models, a list whose entries are all wrong is empty too.
    emptied = details["type"] == "too_short" and bool(details["input"])
    return emptied or details["type"] == "default_factory_not_called"


def _finding(details: ErrorDetails, tree: dict[str, Any], places: Places) -> Finding:
    path = _real_path(tree, details["loc"])
    kind_of_error = details["type"]
    if kind_of_error == "extra_forbidden":
        return places.finding(path, _unknown_key(tree, path), at_key=True)
    if kind_of_error == "missing":
        missing = (*path, str(details["loc"][-1]))
        return places.finding(missing, _missing(tree, missing), at_key=True)
    if kind_of_error == "union_tag_not_found":
        missing = (*path, "type")
        types = keys.listed([f"'type: {one}'" for one in _engines()], "or")
        return places.finding(missing, f"this key is missing; write {types}", at_key=True)
    if kind_of_error == "union_tag_invalid":
        return places.finding((*path, "type"), _unknown_engine(details["ctx"]["tag"]))
    of_name = details["loc"][-1:] == ("[key]",)
    if kind_of_error == "value_error":
        return places.finding(path, str(details["ctx"]["error"]), at_key=of_name)
    if of_name:
        return places.finding(path, "this name is empty; expected at least one character", at_key=True)
    found = _value_at(tree, path)
    if found is None:
        return places.finding(path, _no_value(tree, path), at_key=True)
    if kind_of_error in {"too_short", "string_too_short"}:
        return places.finding(path, f"this is empty; expected at least one {'entry' if found == [] else 'character'}")
    kind = keys.kind_at(tree, path)
    shown = "something else" if keys.is_secret(tree, path) else describe(found)
    return places.finding(path, f"expected {kind.phrase}, found {shown}{_hint(tree, path, kind, found)}")


def _real_path(tree: object, loc: tuple[str | int, ...]) -> KeyPath:
    """The part of an error's location that is in the document: the models add names of union members."""
    path: KeyPath = ()
    node: Any = tree
    for part in loc:
        is_key = isinstance(node, dict) and part in node
        if is_key or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]
            path = (*path, part)
    return path


def _value_at(tree: Any, path: KeyPath) -> Any:  # noqa: ANN401 - values of a file
    for part in path:
        tree = tree[part]
    return tree


def _unknown_key(tree: object, path: KeyPath) -> str:
    word = shown_key(str(path[-1]))
    section = keys.section_at(tree, path[:-1])
    engines = _engines()
    having = [f"'{name}'" for name, one in engines.items() if word in keys.fields_of(one)]
    if section in engines.values() and having:
        own = next(name for name, one in engines.items() if one is section)
        others = keys.listed(having, "or")
        return f"an engine of the type '{own}' has no key '{word}'; only those of the type {others} have it"
    known = list(keys.fields_of(section)) if section else []
    meant = nearest(word.replace("_", "-"), known)
    elsewhere = list(dict.fromkeys(key.path for key in keys.all_keys() if key.name == word))
    below = [found for found in elsewhere if found.startswith(f"{dotted(path[:-1])}.")]
    if meant:
        return f"unknown key '{word}'; did you mean {keys.listed([repr(meant), *below], 'or')}?"
    if 0 < len(elsewhere) <= 3:
        return f"unknown key '{word}' here; did you mean {keys.listed(elsewhere, 'or')}? Check the indentation"
    return f"unknown key '{word}'; known here: {', '.join(known)}"


def _missing(tree: object, path: KeyPath) -> str:
    field = keys.field_at(tree, path)
    meaning = (field.description or "" if field else "").removesuffix(".")
    return f"this key is missing: {meaning[:1].lower()}{meaning[1:]}"


def _engines() -> dict[str, type[Section]]:
    """The sections of engines, by their types."""
    sections = keys.sections_in(Engine)
    return {keys.choices_of(one.model_fields["type"].annotation)[0]: one for one in sections}


def _unknown_engine(tag: object) -> str:
    types = list(_engines())
    expected = keys.listed([f"'{one}'" for one in types], "or")
    hint = did_you_mean(str(tag), types)
    return f"expected {expected}, the engine types of this version, found {describe(tag)}{hint}"


def _no_value(tree: object, path: KeyPath) -> str:
    message = f"there is no value here; expected {keys.kind_at(tree, path).phrase}"
    field = keys.field_at(tree, path)
    if field is None or field.is_required():
        return message
    default = field.default
    return message if default is PydanticUndefined else f"{message}, or leave it out to get {shown_default(default)}"


def shown_default(value: object) -> str:
    """A default as it would be written in YAML, short."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple | frozenset | list):
        return "[" + ", ".join(shown_default(entry) for entry in value) + "]"
    return str(value)


def describe(value: object) -> str:
    """What was found, short and without characters that would spoil a terminal."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            shown = value if len(value) <= 60 else f"{value[:57]}..."
            return f"the text {shown!r}"
        case list():
            return "a list"
        case Mapping():
            return "keys and values"
        case _:
            return "nothing"


def _hint(tree: object, path: KeyPath, kind: Kind, found: object) -> str:
    """What to do, where the mistake is a usual one."""
    if choices := keys.choices_at(tree, path):
        return did_you_mean(str(found), choices)
    word = str(found).lower()
    if kind.name == "true or false":
        if word in _TRUE | _FALSE:
            return f"; write {'true' if word in _TRUE else 'false'}"
        return ""
    if kind.numeric:
        return "; remove the quotes" if isinstance(found, str) and _is_number(found) else _unit_hint(found)
    if isinstance(found, list):
        return "; remove the '-'" if kind.name == "keys and values" else ""
    if kind.name.startswith("a list"):
        entry = shown_key(str(found))
        return (
            "; begin each entry with '- '" if isinstance(found, dict) or entry != str(found) else f"; write [{entry}]"
        )
    if kind.name == "keys and values":
        return "; its keys belong on the lines below it, indented"
    return "; put it in quotes" if isinstance(found, int | float) else ""


def _unit_hint(found: object) -> str:
    number = isinstance(found, str) and found[:1].isdigit()
    return "; write only the number, without a unit" if number else ""


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 1e300
    except ValueError:
        return False
