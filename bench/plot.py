"""Line plots as SVG, for axes that span powers of ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 200, 40, 50
#: Told apart by most people who cannot tell all colours apart (Okabe and Ito).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Lines over one axis.

    Attributes:
        lines: Points of each line, by its name; coordinates are positive.
        ticks: Of the horizontal axis: where, and what stands there.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    ticks: Sequence[tuple[float, str]]


def svg(plot: Plot) -> str:
    """The plot, both axes logarithmic; it brings its own background, so that it reads on any page."""
    points = [point for line in plot.lines.values() for point in line]
    xs = [x for x, _ in points] + [x for x, _ in plot.ticks]
    low, high = _decades([y for _, y in points])
    to_x = _scale(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    to_y = _scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(_LEFT, 22, plot.title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, plot.across, anchor="middle"),
        _text(_LEFT, _TOP - 6, plot.up),
    ]
    for value in _steps(low, high):
        y = to_y(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", anchor="end"))
    for value, label in plot.ticks:
        parts.append(f'<path d="M{to_x(value):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#eee"/>')
        parts.append(_text(to_x(value), _HEIGHT - _BOTTOM + 18, label, anchor="middle"))
    for number, (name, line) in enumerate(plot.lines.items()):
        parts += _line(name, [(to_x(x), to_y(y)) for x, y in line], number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(name: str, line: Sequence[tuple[float, float]], number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in line)
    key = _TOP + 14 + 20 * number
    left = _WIDTH - _RIGHT + 14
    return [
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in line),
        f'<path d="M{left} {key - 4}h18" stroke="{colour}" stroke-width="3"/>',
        _text(left + 24, key, name),
    ]


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Limits of the axis: the nearest 1, 2 or 5 times a power of ten outside the values."""
    low, high = min(values), max(values)
    return (
        max(step for step in _all_steps(low / 10, low) if step <= low),
        min(step for step in _all_steps(high, high * 10) if step >= high),
    )


def _steps(low: float, high: float) -> list[float]:
    return [step for step in _all_steps(low, high) if low * 0.999 <= step <= high * 1.001]


def _all_steps(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    return [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = math.log(high / low) or 1.0
    return lambda value: start + math.log(value / low) / span * (end - start)
