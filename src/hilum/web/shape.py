"""What an answer looks like: the ledger's views with the keys of ``app.yaml`` and of ``--json``, kebab-case.

The models are made from the dataclasses and say what those say, so that the OpenAPI document cannot drift from them.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from inspect import cleandoc
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

Item = TypeVar("Item")
Extended = TypeVar("Extended")


def kebab(name: str) -> str:
    """As keys are written for people."""
    return name.replace("_", "-")


class Shape(BaseModel):
    """The root of all answers and questions."""

    model_config = ConfigDict(
        alias_generator=kebab,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        extra="ignore",
        ser_json_timedelta="float",  # seconds
    )


class Page(Shape, Generic[Item]):
    """A part of a list."""

    items: list[Item] = Field(description="In the order that the operation promises.")
    next: str | None = Field(description="Give it as `cursor` to get what follows; null: this is the end.")


@cache
def shape(view: type[Any], name: str = "") -> type[Shape]:
    """The model of a dataclass, and of those within it: same fields, same words.

    Args:
        name: If it is not the dataclass's, without ``View``.
    """
    summary = ""
    words: dict[str, str] = {}
    for base in reversed([one for one in view.__mro__ if is_dataclass(one)]):
        summary, more = _documented(cleandoc(base.__doc__ or ""))
        words |= more
    hints = get_type_hints(view)
    members: dict[str, Any] = {}
    for one in fields(view):
        default = ... if one.default is MISSING else one.default
        members[one.name] = (_shaped(hints[one.name]), Field(default=default, description=words.get(one.name)))
    return create_model(name or view.__name__.removesuffix("View"), __base__=Shape, __doc__=summary, **members)


@cache
def page_of(view: type[Any], name: str = "") -> type[Page[Any]]:
    """The model of a page of such items."""
    item = shape(view, name)  # type: ignore[arg-type]
    base: Any = Page.__class_getitem__(item)
    return create_model(f"{item.__name__}Page", __base__=base, __doc__=Page.__doc__)  # type: ignore[no-any-return]


def extended(kind: type[Extended], view: Any, **more: object) -> Extended:  # noqa: ANN401  a dataclass
    """A view with more fields.

    Args:
        kind: A dataclass derived from that of the view.
    """
    return kind(**{one.name: getattr(view, one.name) for one in fields(view)}, **more)


def _shaped(hint: Any) -> Any:  # noqa: ANN401  any type at all
    """A type with the models of the dataclasses in it."""
    if isinstance(hint, type) and is_dataclass(hint):
        return shape(hint)
    origin, parts = get_origin(hint), tuple(_shaped(part) for part in get_args(hint))
    if origin is None or parts == get_args(hint):
        return hint
    return Union[parts] if origin in {Union, UnionType} else origin[parts]  # noqa: UP007  made at run time


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph, and what ``Attributes:`` says of each one."""
    summary, _, rest = text.partition("Attributes:")
    words: dict[str, str] = {}
    for match in re.finditer(r"^    (\w+): (.*(?:\n {6,}.*)*)", rest, re.MULTILINE):
        words[match[1]] = re.sub(r"\s+", " ", match[2]).replace("``", "`")
    return summary.strip(), words
