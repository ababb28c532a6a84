from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from hilum.config import init_template, json_schema
from hilum.config.keys import all_keys

SPEC = Path(__file__).parent / "spec"
GOOD = [(SPEC / name).read_text() for name in ("app.yaml", "app-association-timeout.yaml", "app-patient-timeout.yaml")]
GOOD += [
    init_template(),
    "dicom: {workflows: [{name: a, clara-ae-title: A, destination: [x]}], storage: {reserve-gb: 0.5}}",
    "engines: {a: {type: process, command: [x], environment: {A: b}}, b: {type: folder}}",
]
BAD = [
    "zebra: 1",
    "dicom: {scp: {port: '104'}}",
    "dicom: {scp: {port: 65536}}",
    "dicom: {scp: {max-associations: 0}}",
    "dicom: {scp: {ae-titles: []}}",
    "dicom: {scp: {ae-titles: [{timeout-group: patient}]}}",
    "dicom: {scp: {ae-titles: [{ae-title: SeventeenLetters!}]}}",
    "dicom: {scp: {sources: [{host-ip: a}]}}",
    "workflows: [{name: a}]",
    "workflows: [{name: a, clara-ae-title: A, destination-name: 5}]",
    "engines: {a: {}}",
    "engines: {a: {type: http}}",
    "engines: {a: {type: process, command: []}}",
    "ledger: {url: 'postgresql://h/d'}",
]

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int}


def holds(schema: Any, value: Any, root: Any) -> bool:
    """Whether a value has the form of a schema: the keywords that ours uses, and no others."""
    known = {
        "$ref",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "propertyNames",
        "items",
        "enum",
        "const",
    }
    known |= {
        "anyOf",
        "oneOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "maxLength",
        "minItems",
        "pattern",
    }
    known |= {"default", "description", "title", "discriminator", "uniqueItems", "$defs", "$schema"}
    assert set(schema) <= known
    if "$ref" in schema and not holds(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root):
        return False
    if "anyOf" in schema and not any(holds(one, value, root) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(holds(one, value, root) for one in schema["oneOf"]) != 1:
        return False
    if "type" in schema and not _is(schema["type"], value):
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            holds(schema.get("items", {}), one, root) for one in value
        )
    if isinstance(value, dict):
        return _is_object(schema, value, root)
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return low <= value <= high and value > schema.get("exclusiveMinimum", value - 1)
    return True


def _is(name: str, value: object) -> bool:
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _is_object(schema: Any, value: Any, root: Any) -> bool:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", [])) <= set(value):
        return False
    for key, entry in value.items():
        if key not in properties and rest is False:
            return False
        inner = properties.get(key, rest if isinstance(rest, dict) else {})
        if not holds(inner, entry, root) or not holds(schema.get("propertyNames", {}), key, root):
            return False
    return True


def parsed(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_has_the_form_of_the_schema(text: str) -> None:
    schema = json_schema()
    assert holds(schema, parsed(text), schema)


@pytest.mark.parametrize("text", BAD)
def test_what_an_editor_can_find_the_schema_finds(text: str) -> None:
    schema = json_schema()
    assert not holds(schema, parsed(text), schema)


@pytest.mark.parametrize("text", GOOD)
def test_another_reader_of_schemas_agrees(text: str) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(parsed(text))


def test_the_schema_names_its_draft_and_every_key_with_its_meaning() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    properties = [schema["properties"], *(one.get("properties", {}) for one in schema["$defs"].values())]
    names = {name for one in properties for name in one}
    assert names == {key.name for key in all_keys()} | {"destination"}
    for one in properties:
        for key in one.values():
            described = "description" in key or "description" in schema["$defs"][key["$ref"].removeprefix("#/$defs/")]
            assert described
