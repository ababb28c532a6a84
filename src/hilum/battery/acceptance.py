"""Reads an A-ASSOCIATE-AC, strictly.

Source: PS3.8 9.3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hilum.battery.octets import Pdu
from hilum.battery.verdict import MalformedError


@dataclass(frozen=True, slots=True)
class Item:
    """An item or sub-item as it came."""

    kind: int
    reserved: int
    value: bytes


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The answer to one presentation context.

    Attributes:
        result: 0 = accepted.
        reserved: The two reserved bytes.
        transfer_syntaxes: As many as there are; one is right.
    """

    id: int
    result: int
    reserved: bytes
    transfer_syntaxes: tuple[str, ...]


def split(data: bytes) -> Iterator[Item]:
    """The items in a row.

    Raises:
        MalformedError: One does not fit.
    """
    while data:
        if len(data) < 4:
            raise MalformedError("an item header is cut off")
        kind, reserved, length = struct.unpack_from(">BBH", data)
        if length > len(data) - 4:
            raise MalformedError(f"item {kind:02X}H says {length} bytes")
        yield Item(kind, reserved, data[4 : 4 + length])
        data = data[4 + length :]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An A-ASSOCIATE-AC.

    Attributes:
        raw: All of it.
        items: In the order in which they came.
        results: In the order in which they came.
        user: Sub-items of all user information items.
    """

    raw: bytes
    items: tuple[Item, ...]
    results: tuple[ContextResult, ...]
    user: tuple[Item, ...]

    @classmethod
    def read(cls, pdu: Pdu) -> Acceptance:
        """Take it apart.

        Raises:
            MalformedError: It cannot be read.
        """
        if len(pdu.body) < 68:
            raise MalformedError(f"an AC of {len(pdu.body)} bytes")
        items = tuple(split(pdu.body[68:]))
        return cls(
            raw=pdu.raw,
            items=items,
            results=tuple(_result(one.value) for one in items if one.kind == 0x21),
            user=tuple(sub for one in items if one.kind == 0x50 for sub in split(one.value)),
        )

    def result(self, context: int) -> int | None:
        """What a context was answered with; ``None``: nothing."""
        return next((one.result for one in self.results if one.id == context), None)

    def told(self, kind: int) -> list[bytes]:
        """Values of all user information sub-items of a kind."""
        return [one.value for one in self.user if one.kind == kind]

    @property
    def max_length(self) -> int:
        """Longest P-DATA-TF that the acceptor takes, in bytes without header; 0: any, or it did not say."""
        told = self.told(0x51)
        return int.from_bytes(told[0], "big") if told else 0

    def reserved_bytes(self) -> bytes:
        """Every byte that the standard reserves, but for 11-74, which repeat the request's."""
        results = b"".join(one.reserved for one in self.results)
        return self.raw[1:2] + self.raw[8:10] + bytes(one.reserved for one in (*self.items, *self.user)) + results


def _result(value: bytes) -> ContextResult:
    """Source: PS3.8 Table 9-18."""
    if len(value) < 4:
        raise MalformedError(f"a context result of {len(value)} bytes")
    names = tuple(one.value.decode("ascii", "backslashreplace") for one in split(value[4:]) if one.kind == 0x40)
    return ContextResult(id=value[0], result=value[2], reserved=value[1:2] + value[3:4], transfer_syntaxes=names)
