"""Every key that app.yaml can have, found in the settings models: for messages, reference, schema and overrides."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from hilum.config.kinds import Kind, Mark, Section
from hilum.config.places import KeyPath
from hilum.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key and all that is to be said about it.

    Attributes:
        path: ``dicom.scp.ae-titles[].timeout``; ``<name>`` stands for a name that the user chooses.
        section: The model that has it.
        marks: Its own and those of the sections around it.
    """

    path: str
    section: type[Section]
    field: FieldInfo
    marks: frozenset[Mark]

    @property
    def kind(self) -> Kind:
        """What its value is."""
        return kind_of(self.field.annotation, self.field.metadata)

    @property
    def name(self) -> str:
        """Its last part."""
        return alias(self.field)

    @property
    def holds_keys(self) -> bool:
        """Whether it is a section, a list of sections or a mapping of them."""
        return bool(sections_in(self.field.annotation))


def alias(field: FieldInfo) -> str:
    """The key of a field, as it is written in YAML."""
    assert field.alias is not None, "every section has an alias generator"
    return field.alias


@cache
def all_keys() -> tuple[Key, ...]:
    """In the order of the models, each section before its keys."""
    return tuple(_walk(Settings, "", frozenset()))


def _walk(section: type[Section], prefix: str, around: frozenset[Mark]) -> Iterator[Key]:
    for field in section.model_fields.values():
        path = f"{prefix}{alias(field)}"
        marks = around | {mark for mark in field.metadata if isinstance(mark, Mark)}
        yield Key(path=path, section=section, field=field, marks=marks)
        origin = get_origin(field.annotation)
        step = "[]" if origin is tuple else ".<name>" if origin is Mapping else ""
        for inner in sections_in(field.annotation):
            yield from _walk(inner, f"{path}{step}.", marks)


def sections_in(annotation: Any) -> tuple[type[Section], ...]:  # noqa: ANN401 - annotations have no type
    """The sections that a value of this annotation is, or is made of."""
    annotation, _ = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return (annotation,)
    if get_origin(annotation) is Literal:
        return ()
    return tuple(section for part in get_args(annotation) for section in sections_in(part))


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by key."""
    return {alias(field): field for field in section.model_fields.values()}


def section_at(tree: object, path: KeyPath) -> type[Section] | None:
    """The section that a value at this path is; ``tree`` tells which engine has which type."""
    annotation, _, node = _at(tree, path)
    return _section_of(annotation, node)


def kind_at(tree: object, path: KeyPath) -> Kind:
    """What is expected at this path."""
    annotation, metadata, _ = _at(tree, path)
    return kind_of(annotation, metadata)


def field_at(tree: object, path: KeyPath) -> FieldInfo | None:
    """The field of the key at this path; ``None`` for list entries and for unknown keys."""
    section = section_at(tree, path[:-1]) if path else None
    return fields_of(section).get(str(path[-1])) if section else None


def choices_at(tree: object, path: KeyPath) -> list[str]:
    """The words that are allowed at this path; empty if it is not a matter of words."""
    annotation, _, _ = _at(tree, path)
    return choices_of(_bare(annotation)[0])


def is_secret(tree: object, path: KeyPath) -> bool:
    """Whether no message may quote the value at this path."""
    field = field_at(tree, path)
    return field is not None and Mark.SECRET in field.metadata


def _at(tree: object, path: KeyPath) -> tuple[Any, list[Any], object]:
    annotation: Any = Settings
    metadata: list[Any] = []
    node = tree
    for part in path:
        if section := _section_of(annotation, node):
            field = fields_of(section).get(str(part))
            annotation, metadata = (field.annotation, field.metadata) if field else (None, [])
        else:
            annotation, metadata = _entry(annotation)
        node = _child(node, part)
    return annotation, metadata, node


def _child(node: object, part: str | int) -> object:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _entry(annotation: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401 - annotations have no type
    """The annotation of the entries of a list or of the values of a mapping."""
    arguments = get_args(annotation)
    if get_origin(annotation) in {tuple, frozenset}:
        return _bare(arguments[0])
    return _bare(arguments[1]) if get_origin(annotation) is Mapping else (None, [])


def _section_of(annotation: Any, node: object) -> type[Section] | None:  # noqa: ANN401 - annotations have no type
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if get_origin(annotation) not in {Union, types.UnionType}:
        return None
    chosen = node.get("type") if isinstance(node, dict) else None
    for section in sections_in(annotation):
        if chosen in get_args(section.model_fields["type"].annotation):
            return section
    return None


def _bare(annotation: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401 - annotations have no type
    """An annotation without what stands beside it, and that; ``X | None`` counts as ``X``."""
    metadata: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *beside = get_args(annotation)
            metadata += beside
        elif type(None) in get_args(annotation):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation, metadata


def kind_of(annotation: Any, metadata: list[Any]) -> Kind:  # noqa: ANN401 - annotations have no type
    """How to speak of a value of that annotation."""
    annotation, beside = _bare(annotation)
    beside = [*metadata, *beside]
    for kind in beside:
        if isinstance(kind, Kind):
            return kind
    if choices := choices_of(annotation):
        return Kind(listed([f"'{choice}'" for choice in choices], "or"))
    if annotation is bool:
        return Kind("true or false")
    if annotation in {int, float}:
        return Kind("a whole number" if annotation is int else "a number", _bounds(beside))
    if get_origin(annotation) in {tuple, frozenset}:
        entry = kind_of(*_entry(annotation))
        least = "at least one" if any(isinstance(limit, annotated_types.MinLen) for limit in _flat(beside)) else ""
        if entry.numeric:
            return Kind("a list of numbers", f"{least}, each {entry.range}" if least else entry.range)
        return Kind("a list", least)
    return Kind("keys and values")


def choices_of(annotation: Any) -> list[str]:  # noqa: ANN401 - annotations have no type
    """The words that an enumeration allows; empty for anything else."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [str(choice) for choice in get_args(annotation)] if get_origin(annotation) is Literal else []


def listed(words: list[str], conjunction: str = "and") -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if words else ""


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            yield from entry.metadata
        else:
            yield entry


def _bounds(metadata: list[Any]) -> str:
    low = high = above = None
    for limit in _flat(metadata):
        match limit:
            case annotated_types.Ge():
                low = limit.ge
            case annotated_types.Gt():
                above = limit.gt
            case annotated_types.Le():
                high = limit.le
            case _:
                pass
    if above is not None:
        return f"more than {above}, at most {high}"
    return f"{low} to {high}"
