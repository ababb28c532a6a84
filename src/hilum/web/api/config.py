"""Configuration: what is in force, what a text would change, and loading the file again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from pydantic import Field

from hilum import config
from hilum.errors import ConfigError, Problem
from hilum.web.desk import Desk
from hilum.web.shape import Shape, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done

_MOST_CHARACTERS: Final = 1_000_000


class Configuration(Shape):
    """The configuration that is in force."""

    path: str | None = Field(description="Of the file; null: it came from nowhere and cannot be loaded again.")
    text: str = Field(description="As an app.yaml, with every default filled in; secrets are masked.")
    settings: dict[str, Any] = Field(description="The same as a tree.")
    warnings: list[shape(Problem)] = Field(description="What is allowed and probably not meant.")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationVerdict:
    """What a configuration would do.

    Attributes:
        valid: Whether it can be used.
        problems: Everything that is wrong with it, in the order of the text.
        warnings: What is allowed and probably not meant.
        changed: The paths of everything that would be different from what is in force.
        waits: Those of them that would count only from the next start on.
    """

    valid: bool
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    changed: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


class Reloaded(Done):
    """What came of loading the file again."""

    changed: list[str] = Field(description="The paths of everything that is different now.")
    waits: list[str] = Field(description="Those of them that count only from the next start on.")


_Text = Annotated[
    str,
    Body(media_type="application/yaml", max_length=_MOST_CHARACTERS, description="The text of an app.yaml."),
]


def router(desk: Desk) -> APIRouter:
    """``/config``."""
    routes = APIRouter(prefix="/config", tags=["config"], route_class=Tagged)

    @routes.get("", name="show", response_model=Configuration, summary="What is in force")
    def show() -> Configuration:
        """With every default filled in, whatever the file leaves out; secrets are masked."""
        settings = desk.settings()
        text = config.dump(settings)
        return Configuration(
            path=None if desk.path is None else str(desk.path),
            text=text,
            settings=config.tree(settings),
            warnings=[shape(Problem).model_validate(one) for one in config.warnings(settings)],
        )

    @routes.post(
        "/validate", name="validate", response_model=shape(ConfigurationVerdict), summary="What a text would change"
    )
    def validate(text: _Text) -> ConfigurationVerdict:
        """As `hilum check`, beside the file that is in use and with the same environment; nothing is changed.

        Processors are not loaded.
        """
        try:
            new = config.loads(text.encode("utf-8", "replace"), desk.path or Path("app.yaml"))
        except ConfigError as error:
            return ConfigurationVerdict(valid=False, problems=error.problems)
        old = desk.settings()
        return ConfigurationVerdict(
            valid=True,
            warnings=tuple(config.warnings(new)),
            changed=tuple(config.diff(old, new)),
            waits=tuple(config.needs_restart(old, new)),
        )

    @routes.post("/reload", name="reload", response_model=Reloaded, summary="Load the file again")
    def reload() -> Reloaded:
        """As SIGHUP. A file with problems changes nothing: 422 tells all of them."""
        came = desk.reload()
        if came.problems:
            raise ConfigError(came.problems)
        changed = f"changed: {', '.join(came.changed)}" if came.changed else "nothing has changed"
        waits = f"; wait for a restart: {', '.join(came.waits)}" if came.waits else ""
        return Reloaded(
            done=f"The configuration was loaded; {changed}{waits}", changed=list(came.changed), waits=list(came.waits)
        )

    return routes
