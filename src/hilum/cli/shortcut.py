"""Reads plain command lines of ``hilum send`` without the library that reads all others.

That library takes longer to load than a study takes to be sent. Whatever is not plain, from ``--help`` to a mistake, is
left to it: here nothing is complained of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _associations(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100 else None


#: By their names: options with a value, how it is read (``None``: left to the library), and the argument it becomes.
VALUES: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "-aec": ("call", str),
    "--call": ("call", str),
    "-aet": ("aetitle", str),
    "--aetitle": ("aetitle", str),
    "--associations": ("associations", _associations),
    "-to": ("connect", _number),
    "--timeout": ("connect", _number),
    "-ta": ("acse", _number),
    "--acse-timeout": ("acse", _number),
    "-td": ("dimse", _number),
    "--dimse-timeout": ("dimse", _number),
    "-c": ("config", Path),
    "--config": ("config", Path),
}
#: Options without a value.
FLAGS: Final = {
    "-v": "verbose",
    "--verbose": "verbose",
    "-q": "quiet",
    "--quiet": "quiet",
    "--json": "as_json",
}


def read(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What ``errand.run`` is to be called with; ``None`` = let the library read it.

    Args:
        arguments: Of the program, without its name.
    """
    if arguments[:1] != ["send"] or "_HILUM_COMPLETE" in os.environ:
        return None
    words: list[str] = []
    found: dict[str, Any] = {}
    rest = iter(arguments[1:])
    for one in rest:
        if not one.startswith("-"):
            words.append(one)
        elif (flag := FLAGS.get(one)) is not None:
            found[flag] = True
        else:
            name, convert = VALUES.get(one, ("", _associations))
            text = next(rest, "-")
            value = None if not name or text.startswith("-") else convert(text)
            if value is None:
                return None
            found[name] = value
    return {"words": words} | found if words else None
