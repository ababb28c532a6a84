"""A-ASSOCIATE-RQ as bytes, right or wrong in every part.

Source: PS3.8 9.3.2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.battery.octets import RQ, item, pdu

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context as it is proposed."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: Sequence[str]

    def encode(self, reserved: int = 0) -> bytes:
        """Its item. Source: PS3.8 Table 9-13."""
        return item(
            0x20,
            bytes((self.id, reserved, reserved, reserved)),
            item(0x30, self.abstract_syntax.encode(), reserved=reserved),
            *(item(0x40, syntax.encode(), reserved=reserved) for syntax in self.transfer_syntaxes),
            reserved=reserved,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request; ``dataclasses.replace`` makes it a wrong one.

    Attributes:
        called: Padded to 16 bytes; longer is cut.
        contexts: Proposals, or items as bytes.
        version: Bit field.
        application_context: ``None`` leaves its item out.
        max_length: ``None`` leaves its sub-item out.
        user: Further sub-items of the user information.
        last: Items after all others.
        items: Instead of all that the other attributes make.
        reserved: What stands in every reserved byte.
        fixed: Bytes 43-74.
    """

    called: bytes
    calling: bytes
    contexts: Sequence[Proposal | bytes]
    version: int = 1
    application_context: str | None = APPLICATION_CONTEXT
    max_length: int | None = 16384
    user: bytes = b""
    last: bytes = b""
    items: bytes | None = None
    reserved: int = 0
    fixed: bytes | None = None

    def application_item(self) -> bytes:
        """The application context item."""
        if self.application_context is None:
            return b""
        return item(0x10, self.application_context.encode(), reserved=self.reserved)

    def context_items(self) -> bytes:
        """One item for each proposal."""
        return b"".join(
            context if isinstance(context, bytes) else context.encode(self.reserved) for context in self.contexts
        )

    def user_item(self) -> bytes:
        """The user information item."""
        length = b""
        if self.max_length is not None:
            length = item(0x51, struct.pack(">I", self.max_length), reserved=self.reserved)
        own = item(0x52, b"2.25.77413962036461906342271866416105718212", reserved=self.reserved)
        name = item(0x55, b"HILUM_BATTERY", reserved=self.reserved)
        return item(0x50, length, own, self.user, name, reserved=self.reserved)

    def encode(self) -> bytes:
        """All of it."""
        items = self.items
        if items is None:
            items = self.application_item() + self.context_items() + self.user_item()
        head = struct.pack(">HBB", self.version, self.reserved, self.reserved)
        titles = self.called.ljust(16)[:16] + self.calling.ljust(16)[:16]
        fixed = bytes((self.reserved,)) * 32 if self.fixed is None else self.fixed
        return pdu(RQ, head + titles + fixed + items + self.last, reserved=self.reserved)
