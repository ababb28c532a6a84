"""Small CT-like instances to store, of a patient who does not exist.

Source: PS3.5 7.1, 7.5, A.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Final

from hilum.battery.octets import BIG_ENDIAN, CT, DEFLATED, EXPLICIT, IMPLICIT

PATIENT_NAME: Final = "HILUM^BATTERY"
PATIENT_ID: Final = "HILUM-BATTERY"
_LONG: Final = frozenset({b"OB", b"OW", b"SQ"})
_UNDEFINED: Final = 0xFFFFFFFF
#: Of nearly all UIDs that are made of a UUID.
_UID_LENGTH: Final = 43
_NATIVE: Final = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED})


def new_uid() -> str:
    """A UID that nobody has used, always of the same length. Source: PS3.5 B.2."""
    while len(name := f"2.25.{uuid.uuid4().int}") != _UID_LENGTH:
        pass
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance.

    Attributes:
        sop_instance: Put into the data set; what the command says is another matter.
        fill: The byte of which its pixels are made.
        study: Study and series are the same for all instances of one process unless told.
    """

    sop_class: str = CT
    sop_instance: str = field(default_factory=new_uid)
    transfer_syntax: str
    fill: int = 7
    study: str = ""

    def texts(self) -> list[bytes]:
        """Values that must be found in the stored data set as they are."""
        values = [self.sop_class, self.sop_instance, PATIENT_NAME, PATIENT_ID, _PRIVATE]
        return [value.encode() for value in values]

    def encode(self) -> bytes:
        """The data set in its transfer syntax: private elements and a sequence of undefined length are in it."""
        big = self.transfer_syntax == BIG_ENDIAN
        coding = _Coding(explicit=self.transfer_syntax != IMPLICIT, order=">" if big else "<")
        study = self.study or _STUDY
        reference = coding.text(0x0008, 0x1150, b"UI", CT) + coding.text(0x0008, 0x1155, b"UI", study + ".9")
        data = b"".join(
            (
                coding.text(0x0008, 0x0005, b"CS", "ISO_IR 100"),
                coding.text(0x0008, 0x0016, b"UI", self.sop_class),
                coding.text(0x0008, 0x0018, b"UI", self.sop_instance),
                coding.text(0x0008, 0x0020, b"DA", ""),
                coding.text(0x0008, 0x0060, b"CS", "CT"),
                coding.sequence(0x0008, 0x1140, reference),
                coding.text(0x0009, 0x0010, b"LO", "HILUM BATTERY"),
                coding.text(0x0009, 0x1001, b"LO", _PRIVATE),
                coding.text(0x0010, 0x0010, b"PN", PATIENT_NAME),
                coding.text(0x0010, 0x0020, b"LO", PATIENT_ID),
                coding.text(0x0020, 0x000D, b"UI", study),
                coding.text(0x0020, 0x000E, b"UI", f"{study}.1"),
                coding.text(0x0020, 0x0013, b"IS", "1"),
                b"".join(coding.short(0x0028, element, value) for element, value in _PIXEL_ATTRIBUTES),
                self._pixels(coding),
            )
        )
        return _deflate(data) if self.transfer_syntax == DEFLATED else data

    def pixels(self) -> bytes:
        """Value of the pixel data; what a codec makes of it is nobody's business here."""
        return bytes((self.fill,)) * 8

    def _pixels(self, coding: _Coding) -> bytes:
        """The pixel data element, encapsulated if the transfer syntax wants that. Source: PS3.5 A.4."""
        if self.transfer_syntax in _NATIVE:
            return coding.element(0x7FE0, 0x0010, b"OW", self.pixels())
        items = coding.item(0xE000, b"") + coding.item(0xE000, self.pixels()) + coding.item(0xE0DD, b"")
        return coding.element(0x7FE0, 0x0010, b"OB", items, _UNDEFINED)


#: 2 x 2 pixels of 16 bits.
_PIXEL_ATTRIBUTES: Final = (
    (0x0002, 1),
    (0x0010, 2),
    (0x0011, 2),
    (0x0100, 16),
    (0x0101, 16),
    (0x0102, 15),
    (0x0103, 0),
)
_STUDY: Final = new_uid()
_PRIVATE: Final = "keep this private value"


def _deflate(data: bytes) -> bytes:
    """Source: PS3.5 A.5."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = stream.compress(data) + stream.flush()
    return deflated + b"\0" * (len(deflated) % 2)


@dataclass(frozen=True, slots=True)
class _Coding:
    """How elements become bytes."""

    explicit: bool
    order: str

    def element(self, group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        size = len(value) if length is None else length
        tag = struct.pack(f"{self.order}HH", group, number)
        if not self.explicit:
            return tag + struct.pack(f"{self.order}I", size) + value
        if vr in _LONG:
            return tag + vr + struct.pack(f"{self.order}xxI", size) + value
        return tag + vr + struct.pack(f"{self.order}H", size) + value

    def text(self, group: int, number: int, vr: bytes, text: str) -> bytes:
        value = text.encode()
        return self.element(group, number, vr, value + (b"\0" if vr == b"UI" else b" ") * (len(value) % 2))

    def short(self, group: int, number: int, value: int) -> bytes:
        return self.element(group, number, b"US", struct.pack(f"{self.order}H", value))

    def sequence(self, group: int, number: int, content: bytes) -> bytes:
        """One item; neither the sequence nor the item says how long it is."""
        whole = self.item(0xE000, content, _UNDEFINED) + self.item(0xE00D, b"") + self.item(0xE0DD, b"")
        return self.element(group, number, b"SQ", whole, _UNDEFINED)

    def item(self, number: int, value: bytes, length: int | None = None) -> bytes:
        """An item or a delimiter, which never has a VR."""
        return struct.pack(f"{self.order}HHI", 0xFFFE, number, len(value) if length is None else length) + value
