"""The JSON Schema of app.yaml, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from hilum.config.settings import Settings
from hilum.config.spellings import DESTINATION, DESTINATION_NAME, SECTIONS
from hilum.model import AETitle


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - pydantic's own
        # Only inside a model does pydantic know that a subclass of str is a text.
        return super().encode_default(str(dft) if isinstance(dft, AETitle) else dft)


def json_schema() -> dict[str, Any]:
    """Draft 2020-12. What it cannot say, such as names that must refer to something, only ``load`` checks."""
    schema = _without_noise(Settings.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator))
    assert isinstance(schema, dict)
    definitions = schema["$defs"]
    for other, proper in SECTIONS.items():
        definitions["Dicom"]["properties"][other[-1]] = dict(schema["properties"][proper[-1]])
    workflow = definitions["Workflow"]["properties"]
    workflow[DESTINATION] = dict(workflow[DESTINATION_NAME])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "app.yaml of Hilum",
        "description": "Configuration of the DICOM gateway Hilum.",
    }


def _without_noise(value: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Without the titles, which repeat the keys, and the defaults of sections, which repeat those of their keys."""
    if isinstance(value, list):
        return [_without_noise(entry) for entry in value]
    if isinstance(value, str):
        return value.replace("``", "`")
    if not isinstance(value, dict):
        return value
    return {
        key: _without_noise(entry)
        for key, entry in value.items()
        if not (key == "title" and isinstance(entry, str)) and not (key == "default" and _is_section(entry))
    }


def _is_section(default: object) -> bool:
    return isinstance(default, dict) or (
        isinstance(default, list) and any(isinstance(entry, dict) for entry in default)
    )
