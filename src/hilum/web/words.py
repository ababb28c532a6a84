"""Answers that many operations share."""

from __future__ import annotations

from pydantic import Field

from hilum.web.shape import Shape


class Done(Shape):
    """What was asked for; the steps do it from here on."""

    done: str = Field(description="As a sentence without its full stop.")
    ok: bool = Field(default=True, description="false: it was done, and what came of it is not good.")
