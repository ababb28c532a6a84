"""Configuration: AE titles and addresses, and every parameter that decides how Hilum speaks DICOM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import PydanticUndefined

from hilum.cli.statement.document import Section, Table
from hilum.cli.statement.facts import Facts
from hilum.config import AE, Destination, Settings, Source
from hilum.config.keys import Key, all_keys
from hilum.config.kinds import Section as Keys
from hilum.config.wording import shown_default

#: Outside ``dicom``, but peers notice them.
_ALSO: Final = ("storage.watermark-percent", "storage.reserve-gb")


def configuration(facts: Facts) -> Section:
    """Everything that can be configured, and with a configuration what is."""
    scp, scu = facts.settings.dicom.scp, facts.settings.dicom.scu
    return Section.of(
        "Configuration",
        "The configuration is one file, `app.yaml`; the path of a key tells where in it the key stands. "
        + (
            "Values are those of the configuration that this statement was made for."
            if facts.path
            else "Values are the defaults."
        ),
        Section.of(
            "AE title/presentation address mapping",
            Section.of(
                "Local AE titles",
                f"Storage SCP AE: each of the following, on port {scp.port}.",
                _entries("local-ae-titles", AE, scp.ae_titles),
                f"Storage SCU AE: `{scu.ae_title}`, from any port.",
            ),
            Section.of(
                "Remote AE titles",
                "Peers that may open associations, `dicom.scp.sources`; asked only while "
                "`dicom.scp.reject-unknown-sources` is true:",
                _entries("sources", Source, scp.sources),
                "Peers that instances are sent to, `dicom.scu.destinations`:",
                _entries("destinations", Destination, scu.destinations),
            ),
        ),
        Section.of("Parameters", _parameters(facts)),
    )


def described_keys() -> tuple[Key, ...]:
    """Every key that the table of parameters has."""
    return tuple(
        key for key in all_keys() if not key.holds_keys and (key.path.startswith("dicom.") or key.path in _ALSO)
    )


def _entries(name: str, kind: type[Keys], entries: Sequence[Keys]) -> Table:
    """A list of sections as a table, one column for each key."""
    fields = kind.model_fields
    rows = [[_shown(getattr(entry, field)) for field in fields] for entry in entries]
    return Table.of(
        name, [str(field.alias) for field in fields.values()], rows or [["none", *[""] * (len(fields) - 1)]]
    )


def _parameters(facts: Facts) -> Table:
    columns = ["Key", "Default", "Allowed", "Meaning"]
    rows = [[f"`{key.path}`", _default(key), _allowed(key), key.field.description or ""] for key in described_keys()]
    if facts.path:
        columns.insert(1, "Value")
        for row, key in zip(rows, described_keys(), strict=True):
            row.insert(1, _value(facts.settings, key))
    return Table.of("parameters", columns, rows)


def _default(key: Key) -> str:
    if key.field.is_required():
        return "required"
    default = key.field.default
    assert default is not PydanticUndefined, f"{key.path} has no default that could be shown"
    return _shown(default)


def _allowed(key: Key) -> str:
    kind = key.kind
    name = kind.name.replace("'", "`")
    return f"{name}, {kind.range}" if kind.range else name


def _value(settings: Settings, key: Key) -> str:
    if "[]" in key.path:
        return "see the tables above"
    value: Any = settings
    for part in key.path.split("."):
        value = getattr(value, part.replace("-", "_"))
    return _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        entries = sorted(value) if isinstance(value, frozenset) else value
        return ", ".join(map(shown_default, entries)) or "none"
    return shown_default(value)
