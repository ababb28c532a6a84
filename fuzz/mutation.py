"""Makes wrong inputs of right ones: seeded, so that every input can be made again, and blind to coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Literal, TypeVar

_T = TypeVar("_T")

#: Longer inputs find nothing that shorter ones do not, only later.
MAX_BYTES: Final = 4096

_ORDERS: Final[tuple[Literal["little", "big"], ...]] = ("little", "big")
_NUMBERS: Final = tuple(
    number.to_bytes(size, order)
    for size in (1, 2, 4)
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 0x7F, 0x80, 0xFE, 0xFF, 0x0100, 0x7FFF, 0xFFFE, 0xFFFF, 0xFFFFFFFF)
    if number < 1 << 8 * size
    for order in _ORDERS
)


class Mutator:
    """An endless row of inputs.

    Each is one seed of the corpus with one to five changes, often with the tail of another seed.
    """

    def __init__(self, corpus: Sequence[bytes], tokens: Sequence[bytes], seed: int) -> None:
        """Begin.

        Args:
            corpus: At least one input; may be empty bytes.
            tokens: What the format is made of: tags, lengths, keywords.
            seed: The same seed makes the same inputs.
        """
        self._corpus = tuple(corpus)
        self._tokens = (*tokens, *_NUMBERS)
        self._random = Random(seed)
        self._changes: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._flip,
            self._set,
            self._overwrite,
            self._overwrite,
            self._insert,
            self._remove,
            self._repeat,
            self._splice,
            self._number,
            self._number,
            self._cut,
        )

    def next(self) -> bytes:
        """The next input, at most ``MAX_BYTES`` long."""
        data = bytearray(self._pick(self._corpus))
        for _ in range(1 + self._below(5)):
            self._pick(self._changes)(data)
        return bytes(data[:MAX_BYTES])

    def _below(self, stop: int) -> int:
        return int(self._random.random() * stop)

    def _pick(self, choices: Sequence[_T]) -> _T:
        return choices[int(self._random.random() * len(choices))]

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._below(len(data))] ^= 1 << self._below(8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._below(len(data))] = self._below(256)

    def _overwrite(self, data: bytearray) -> None:
        token = self._pick(self._tokens)
        start = self._below(len(data) + 1)
        data[start : start + len(token)] = token

    def _insert(self, data: bytearray) -> None:
        start = self._below(len(data) + 1)
        data[start:start] = self._pick(self._tokens)

    def _remove(self, data: bytearray) -> None:
        start = self._below(len(data) + 1)
        del data[start : start + 1 + self._below(16)]

    def _repeat(self, data: bytearray) -> None:
        start = self._below(len(data) + 1)
        data[start:start] = data[start : start + 1 + self._below(128)] * (1 + self._below(3))

    def _splice(self, data: bytearray) -> None:
        other = self._pick(self._corpus)
        data[self._below(len(data) + 1) :] = other[self._below(len(other) + 1) :]

    def _number(self, data: bytearray) -> None:
        """Make a number a little larger or smaller, or what is left of the input: lengths are where readers fall."""
        size = 2 << self._below(2)
        if len(data) < size:
            return
        start = self._below(len(data) - size + 1)
        order: Literal["big", "little"] = "big" if self._below(2) else "little"
        if self._below(4):
            number = int.from_bytes(data[start : start + size], order) + self._below(17) - 8
        else:
            number = len(data) - start - size - self._below(3)
        data[start : start + size] = (number % (1 << 8 * size)).to_bytes(size, order)

    def _cut(self, data: bytearray) -> None:
        del data[self._below(len(data) + 1) :]
