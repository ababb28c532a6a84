"""Loads, contenders and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

#: One run of a contender in an empty folder: a value by the name of each figure that it gives.
Run = Callable[[Path], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something that is run once a round."""

    name: str
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What contenders are given, and who they are.

    Attributes:
        bytes: That a run moves; 0: what is measured is no transfer.
        instances: As with ``bytes``.
        unit: Of the figures.
        note: What a reader has to know about it.
        most_rounds: For what varies little and takes long.
    """

    name: str
    title: str
    contenders: Sequence[Contender]
    bytes: int = 0
    instances: int = 0
    unit: str = "s"
    note: str = ""
    most_rounds: int = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """The values of one contender, in the order of the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """What a verdict is made of."""
        return median(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a load.

    Attributes:
        figures: By name, in the order in which they came.
    """

    name: str
    title: str
    unit: str
    bytes: int
    instances: int
    note: str
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def of(cls, load: Load, rounds: Sequence[Mapping[str, float]]) -> Result:
        """From one mapping of values a round."""
        names = dict.fromkeys(name for values in rounds for name in values)
        figures = {name: Figure(tuple(values[name] for values in rounds if name in values)) for name in names}
        return cls(
            name=load.name,
            title=load.title,
            unit=load.unit,
            bytes=load.bytes,
            instances=load.instances,
            note=load.note,
            figures=figures,
        )
