"""The app.yaml that ``hilum init`` writes."""

from __future__ import annotations

from importlib.resources import files


def init_template() -> str:
    """A commented app.yaml that loads as it is; keys with a ``#`` before them show their defaults."""
    return files("hilum.config").joinpath("template.yaml").read_text(encoding="utf-8")
