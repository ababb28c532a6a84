"""Where each value of a configuration was written: a line of app.yaml or a variable of the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from hilum.errors import Problem

#: Keys and list positions from the root, e.g. ``("dicom", "scp", "ae-titles", 0, "timeout")``.
KeyPath = tuple[str | int, ...]


def dotted(path: KeyPath) -> str:
    """The path as a user writes it: ``dicom.scp.ae-titles[0].timeout``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown_key(part)}" for part in path)
    return text.removeprefix(".")


def shown_key(key: str) -> str:
    """A key as it can stand in a message: in one line, not too long."""
    short = key if len(key) <= 60 else f"{key[:57]}..."
    return short if short.isprintable() and short else repr(short)


def shown_variable(name: str) -> str:
    """The name of a variable as it can stand in a message: whole, in one line, and printable."""
    return name if name.isprintable() else repr(name)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A character of the file, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem and its rank: the file's in their order, then the environment's by name."""

    rank: tuple[int, Position, str]
    path: KeyPath
    problem: Problem


@dataclass(slots=True, kw_only=True)
class Places:
    """Places by path; what was not written anywhere has the place of what surrounds it.

    Attributes:
        file: Name of the file, as the user gave it.
        keys: Where the key of each path begins; a list's entries have none.
        values: Where the value of each path begins.
        respelled: For a value that was written under another path than the one it is known by, that other path.
        variables: For what came from the environment, the name of the variable.
        damaged: Values that could not be made and are missing; that was said, and nothing else of them is of interest.
    """

    file: str
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)
    respelled: dict[KeyPath, KeyPath] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    damaged: set[KeyPath] = field(default_factory=set)

    def finding(self, path: KeyPath, message: str, *, at_key: bool = False) -> Finding:
        """What is wrong with the value of that path, or with the key itself."""
        variable, position = self._nearest(path, at_key=at_key)
        where = shown_variable(variable) if variable else self._at(position)
        return Finding(
            rank=(1 if variable else 0, position or Position(0, 0), variable or ""),
            path=path,
            problem=Problem(where=where, path=dotted(path if variable else self.written(path)), message=message),
        )

    def at(self, position: Position | None, message: str, path: KeyPath = ()) -> Finding:
        """What is wrong at a place of the file, or with the whole of it."""
        return Finding(
            rank=(0, position or Position(0, 0), ""),
            path=path,
            problem=Problem(where=self._at(position), path=dotted(path), message=message),
        )

    def of_variable(self, name: str, message: str) -> Finding:
        """What is wrong with a variable of the environment that has not become a value."""
        return Finding(
            rank=(1, Position(0, 0), name),
            path=(),
            problem=Problem(where=shown_variable(name), path="", message=message),
        )

    def where(self, path: KeyPath) -> str:
        """The place of a value, in the form that ``Problem.where`` has."""
        variable, position = self._nearest(path, at_key=False)
        return shown_variable(variable) if variable else self._at(position)

    def written(self, path: KeyPath) -> KeyPath:
        """The path under which the file has it."""
        written: KeyPath = ()
        for length, part in enumerate(path, start=1):
            written = self.respelled.get(path[:length], (*written, part))
        return written

    def override(self, path: KeyPath, variable: str) -> None:
        """From now on that value and all below it come from the environment."""
        written = self.written(path)
        for table in (self.keys, self.values):
            for known in [known for known in table if known[: len(written)] == written]:
                del table[known]
        for known in [known for known in self.variables if known[: len(path)] == path]:
            del self.variables[known]
        self.variables[path] = variable

    def _nearest(self, path: KeyPath, *, at_key: bool) -> tuple[str | None, Position | None]:
        for length in range(len(path), 0, -1):
            known = path[:length]
            if known in self.variables:
                return self.variables[known], None
            written = self.written(known)
            first, second = (self.keys, self.values) if at_key or length < len(path) else (self.values, self.keys)
            position = first.get(written) or second.get(written)
            if position:
                return None, position
        return None, None

    def _at(self, position: Position | None) -> str:
        return f"{self.file}:{position.line}:{position.column}" if position else self.file


#: The places of settings that were not read from a file.
NOWHERE = Places(file="settings")
