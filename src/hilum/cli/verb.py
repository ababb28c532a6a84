"""How a command's usage looks."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Verb(TyperCommand):
    """A command whose usage shows its arguments as its text names them, without marks around them."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  typer keeps this type private
        """The options, then the arguments."""
        arguments = [param.metavar or param.name for param in self.params if param.param_type_name == "argument"]
        return ["[OPTIONS]", *map(str, arguments)]
