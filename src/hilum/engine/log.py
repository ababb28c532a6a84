"""What runs wrote, made safe to show."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def readable(data: bytes, tail: int) -> str:
    """The last lines of a log as a terminal would have left them: no colours, of a progress bar its last state.

    Other control characters are escaped: what a peer put into an image must not reach the operator's terminal by way
    of a program that prints it.
    """
    lines = data.decode(errors="replace").rstrip("\n").split("\n")
    shown = (_COLOUR.sub("", line).rstrip("\r").rpartition("\r")[2] for line in lines[-tail:] if tail > 0)
    return "\n".join("".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line) for line in shown)
