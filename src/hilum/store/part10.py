"""The head of a DICOM file: writes the one of a spooled instance, reads the one of any file somebody else made.

Source: PS3.10 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Final

from hilum.store.walk import LONG_VRS, SHORT_VRS
from hilum.wire import uids

#: So much of a file holds its head, unless its private information is of unusual size.
HEAD_BYTES: Final = 1 << 16

_PREAMBLE: Final = bytes(128)
_PREFIX: Final = b"DICM"
_GROUP: Final = 0x0002
#: (0002,0000) without its value, and all of (0002,0001): version 1 of this layout.
_GROUP_LENGTH: Final = b"\x02\0\0\0UL\x04\0"
_VERSION: Final = b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01"
_EXPLICIT_HEADER: Final = Struct("<HH2sH")
_IMPLICIT_HEADER: Final = Struct("<HHL")
_LENGTH: Final = Struct("<L")

_SOP_CLASS: Final = 0x0002
_SOP_INSTANCE: Final = 0x0003
_TRANSFER_SYNTAX: Final = 0x0010

#: No first element of a data set that somebody wrote without VR is longer: they are codes, dates and UIDs.
_FIRST_VALUE_BYTES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaInfo:
    """What the head of a file says about its data set. UIDs are unchecked, and empty where the file has none.

    Attributes:
        transfer_syntax: (0002,0010); never empty: see ``guessed``.
        sop_class: (0002,0002).
        sop_instance: (0002,0003).
        data_set_offset: Where the data set begins, in bytes from the beginning of the file.
        guessed: The file does not name its transfer syntax: one of the three uncompressed ones was told from the first
            element.
    """

    transfer_syntax: str
    sop_class: str
    sop_instance: str
    data_set_offset: int
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDicom:
    """The file cannot be taken for a DICOM file.

    Attributes:
        why: For the operator; at most 64 characters, nothing of the file's content.
    """

    why: str


def file_meta(
    *,
    sop_class: str,
    sop_instance: str,
    transfer_syntax: str,
    calling: str,
    called: str = "",
    implementation_class_uid: str,
    implementation_version_name: str,
) -> bytes:
    """The preamble, the prefix and group 0002 of a file whose data set follows at once.

    Args:
        sop_class: Of the data set.
        sop_instance: Of the data set.
        transfer_syntax: That of the presentation context the data set came on.
        calling: AE title that sent the instance; becomes Source Application Entity Title.
        called: AE title that received it; if given, both ends of the transfer are recorded too.
        implementation_class_uid: Of the writer.
        implementation_version_name: Of the writer, 1-16 characters.

    Source: PS3.10 7.1, Table 7.1-1.
    """
    before, after = _constant(
        sop_class=sop_class,
        transfer_syntax=transfer_syntax,
        calling=calling,
        called=called,
        class_uid=implementation_class_uid,
        version_name=implementation_version_name,
    )
    instance = _text(0x0003, b"UI", sop_instance)
    length = _LENGTH.pack(len(before) + len(instance) + len(after))
    return b"".join((_PREAMBLE, _PREFIX, _GROUP_LENGTH, length, before, instance, after))


@lru_cache(maxsize=1000)
def _constant(
    *, sop_class: str, transfer_syntax: str, calling: str, called: str, class_uid: str, version_name: str
) -> tuple[bytes, bytes]:
    """The elements before and after the one that differs between the instances of an association."""
    before = _VERSION + _text(0x0002, b"UI", sop_class)
    elements = [
        _text(0x0010, b"UI", transfer_syntax),
        _text(0x0012, b"UI", class_uid),
        _text(0x0013, b"SH", version_name),
        _text(0x0016, b"AE", calling),
    ]
    if called:
        elements += [_text(0x0017, b"AE", calling), _text(0x0018, b"AE", called)]
    return before, b"".join(elements)


def _text(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) & 1:
        # PS3.5 6.2: UIDs are padded with NUL, other text with a space.
        value += b"\0" if vr == b"UI" else b" "
    return _EXPLICIT_HEADER.pack(_GROUP, element, vr, len(value)) + value


def read_meta(head: bytes) -> MetaInfo | NotDicom:
    """Read the head of a file that anybody may have written.

    Group 0002 is walked from element to element: its group length is often wrong. Without preamble or without group
    0002 a file is taken only if it begins as data sets do, with an element of group 0008.

    Args:
        head: The first ``HEAD_BYTES`` of the file, or all of it.
    """
    prefixed = head[128:132] == _PREFIX
    read = _read_group(head, 132 if prefixed else 0)
    if read is None:
        return _refuse(f"group 0002 does not end within the first {len(head)} bytes", prefixed=prefixed)
    values, offset = read
    transfer_syntax = values.get(_TRANSFER_SYNTAX, "")
    guessed = not transfer_syntax
    if guessed:
        transfer_syntax = _guess(head, offset, lenient=prefixed)
        if not transfer_syntax:
            return _refuse("no transfer syntax in group 0002, no data set to tell it from", prefixed=prefixed)
    if not uids.is_uid(transfer_syntax):
        return _refuse("the transfer syntax in group 0002 is not a UID", prefixed=prefixed)
    return MetaInfo(
        transfer_syntax=transfer_syntax,
        sop_class=values.get(_SOP_CLASS, ""),
        sop_instance=values.get(_SOP_INSTANCE, ""),
        data_set_offset=offset,
        guessed=guessed,
    )


def _refuse(why: str, *, prefixed: bool) -> NotDicom:
    """Without its prefix nothing tells that a file was ever meant to be DICOM."""
    return NotDicom(why=why if prefixed else "no DICM at byte 128, and it does not begin with a data set")


def _read_group(head: bytes, pos: int) -> tuple[dict[int, str], int] | None:
    """The elements of group 0002 from ``pos``, as text, and where they end; ``None`` if that is not in ``head``."""
    values: dict[int, str] = {}
    while head[pos : pos + 2] == b"\x02\0":
        start = pos + 8
        if start > len(head):
            return None
        _, element, vr, length = _EXPLICIT_HEADER.unpack_from(head, pos)
        if vr.decode("latin-1") in LONG_VRS:
            start += 4
            if start > len(head):
                return None
            (length,) = _LENGTH.unpack_from(head, pos + 8)
        elif vr.decode("latin-1") not in SHORT_VRS:
            # Some old writers code this group like the implicit VR data set that follows.
            length = _IMPLICIT_HEADER.unpack_from(head, pos)[2]
        pos = start + length
        if pos > len(head):
            return None
        values.setdefault(element, head[start:pos].decode("ascii", "replace").strip(" \0"))
    return values, pos


def _guess(head: bytes, pos: int, *, lenient: bool) -> str:
    """Which of the uncompressed transfer syntaxes the first element shows; empty if it shows none.

    Args:
        lenient: The file is known to be DICOM, so that its data set may begin with any group.
    """
    if pos + 8 > len(head):
        return ""
    group, _, vr, _ = _EXPLICIT_HEADER.unpack_from(head, pos)
    swapped = int.from_bytes(head[pos : pos + 2], "big")
    if not lenient and 0x0008 not in {group, swapped}:
        return ""
    name = vr.decode("latin-1")
    if name in SHORT_VRS or name in LONG_VRS:
        # A data set begins with a low group, and a low group read in the wrong byte order is a high one.
        return uids.EXPLICIT_BE if swapped < group else uids.EXPLICIT_LE
    length: int = _IMPLICIT_HEADER.unpack_from(head, pos)[2]
    if lenient or (group == 0x0008 and length <= _FIRST_VALUE_BYTES):
        return uids.IMPLICIT_LE
    return ""
