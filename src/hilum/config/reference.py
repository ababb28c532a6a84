"""Renders docs/configuration.md from the settings models.

Write it anew with ``python -m hilum.config.reference > docs/configuration.md``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from hilum.config.keys import Key, all_keys
from hilum.config.kinds import Mark
from hilum.config.wording import shown_default

_INTRODUCTION = """\
# Configuration

Everything that Hilum does is told by one YAML file, usually `app.yaml`. `hilum init` writes one to start from.
Every key has a default unless it is marked *required*, so a file says only what is different.

<!-- Generated from the settings models: python -m hilum.config.reference > docs/configuration.md -->

**Whose** tells where a key comes from: *spec* keys are those of the Clara DICOM Adapter and mean what they mean
there; *Hilum* keys are additions. **↻** marks a key whose change counts from the next start on; all others apply
when the file changes, without touching open associations. Times are in seconds unless the key says otherwise.

**Mistakes** stop the start with exit status 2. All are reported at once, each with file, line and column, the key,
what was found and what was expected. Unknown keys are mistakes too. On a reload, a file with mistakes changes
nothing.

**Text, numbers, truth**: `104` is a number and `"104"` is a text; only `true` and `false` are truth values, not
`yes` and `no`. A text that looks like a number needs quotes. A section or list without a value counts as left out.

**Folders and files** that are relative begin at the folder of `app.yaml`.

**Other places**: `workflows` and `storage` may also stand under `dicom`, and `destination-name` of a workflow may
be called `destination`.

**Environment**: every value can be overridden by a variable. `HILUM__` and the path in capitals, with two
underscores between the parts, one for each hyphen, and the number of an entry in a list counted from 0:

```sh
HILUM__DICOM__SCP__PORT=11112
HILUM__DICOM__SCP__AE_TITLES__0__TIMEOUT=300
HILUM__DICOM__SCP__SOURCES='[{host-ip: 10.0.0.5, ae-title: CT1}]'
```

The value is read as YAML, a secret as it is. A secret may also lie in a file of one line, named by the same variable
with `_FILE` at its end: `HILUM__WEB__TOKEN_FILE=/run/secrets/token`. Variables that fit no key are mistakes.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    lines = [_INTRODUCTION]
    for heading, meaning, keys in _tables():
        lines += [f"## {heading}", "", *([meaning, ""] if meaning else [])]
        lines += ["| key | type | default | range | meaning | whose |", "|---|---|---|---|---|---|"]
        lines += [_row(key) for key in keys]
        lines.append("")
    return "\n".join(lines)


def _tables() -> list[tuple[str, str, list[Key]]]:
    """One table for each section that has keys of its own, in the order of the keys."""
    tables: dict[tuple[str, str], tuple[str, list[Key]]] = {}
    meanings = {key.path: key.field.description or "" for key in all_keys()}
    for key in all_keys():
        if key.holds_keys:
            continue
        around = key.path.removesuffix(key.name).removesuffix(".")
        title = f"`{around}`"
        meaning = meanings.get(around.removesuffix("[]"), "")
        if around.endswith("<name>") and "type" not in key.section.model_fields:
            meaning = f"{meanings.get(around.removesuffix('.<name>'), '')} Each has:"
        elif around.endswith("<name>"):
            kind = key.section.model_fields["type"].annotation
            title += f" of the type `{kind.__args__[0]}`" if kind else ""
            meaning = (key.section.__doc__ or "").replace("``", "`")
        elif around.endswith("[]"):
            meaning = f"{meaning} Each entry has:"
        tables.setdefault((around, title), (meaning, []))[1].append(key)
    return [(title, meaning, keys) for (_, title), (meaning, keys) in tables.items()]


def _row(key: Key) -> str:
    kind = key.kind
    name = kind.name.removeprefix("a ").removeprefix("an ").replace("'", "`")
    restart = " ↻" if Mark.RESTART in key.marks else ""
    cells = (
        f"`{key.name}`{restart}",
        name,
        _default(key),
        kind.range,
        key.field.description or "",
        "Hilum" if Mark.OURS in key.marks else "spec",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(key: Key) -> str:
    if key.field.is_required():
        return "*required*"
    default = key.field.default
    if default is PydanticUndefined:
        return "the name" if key.name == "workflow" else "none"
    if isinstance(default, Path) and not default.is_absolute():
        return f"`./{default}`"
    return "none" if default is None or default in ((), frozenset()) else f"`{shown_default(default)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
