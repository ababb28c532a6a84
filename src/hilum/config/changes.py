"""What differs between two configurations, and what of it waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hilum.config.dicom import AE, Destination
from hilum.config.keys import all_keys, fields_of
from hilum.config.kinds import Mark, Section
from hilum.config.settings import Settings, Workflow
from hilum.errors import Problem

#: Entries of lists that have a name are compared by it, so that one more at the top does not change them all.
_NAMES: Mapping[type[Section], str] = {AE: "ae_title", Destination: "name", Workflow: "name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What came of reading a configuration again.

    Attributes:
        problems: Why it is not in force, in the order of the file; empty: it is.
        changed: The paths of everything that is different now.
        waits: Those of them that count only from the next start on.
    """

    problems: tuple[Problem, ...] = ()
    changed: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


def diff(old: Settings, new: Settings) -> list[str]:
    """The paths of everything that was added, removed or changed, in the order of the keys.

    An entry with a name appears by it: ``dicom.scp.ae-titles[ClaraSCP].timeout``. The order of such entries means
    nothing and is not compared.
    """
    return list(_changes(old, new, ""))


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """Those of the differences that count only from the next start on; all others apply at once."""
    fixed = {key.path for key in all_keys() if Mark.RESTART in key.marks}
    return [path for path in diff(old, new) if path in fixed]


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - values of any key
    if old == new:
        return
    if isinstance(old, Section) and type(old) is type(new):
        for key, field in fields_of(type(old)).items():
            name = _attribute(type(old), field)
            yield from _changes(getattr(old, name), getattr(new, name), f"{path}.{key}" if path else key)
    elif (entries := _named(old, new)) is not None:
        before, after = entries
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _changes(before.get(name), after.get(name), f"{path}[{name}]")
    else:
        yield path


def _attribute(section: type[Section], wanted: object) -> str:
    return next(name for name, field in section.model_fields.items() if field is wanted)


def _named(old: object, new: object) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Both as mappings by name, if both are collections of things that have one."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old, new
    if not (isinstance(old, tuple) and isinstance(new, tuple)):
        return None
    kinds = {type(entry) for entry in (*old, *new)}
    name = _NAMES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if name is None:
        return None
    return {getattr(entry, name): entry for entry in old}, {getattr(entry, name): entry for entry in new}
