"""Items and sub-items, of which the A-ASSOCIATE PDUs are built, and user information, which both carry.

Items may come in any order and unknown ones are read over; one that declares itself longer than its parent, or comes
twice where there can be one, is refused.

Source: PS3.8 9.3.2, 9.3.3, D.1; PS3.7 D.3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Final

from hilum.errors import PeerError
from hilum.wire.negotiate import RoleSelection


class Item(IntEnum):
    """The items that are made or read. Source: PS3.8 9.3.2, 9.3.3, D.1; PS3.7 D.3.3."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    CONTEXT_RESULT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    COMMON_EXTENDED = 0x57
    USER_IDENTITY = 0x58


#: Most items read within one parent; 1 MiB has room for a quarter of a million empty ones. A request has at most 128
#: contexts, the standard about 60 transfer syntaxes, user information at most three sub-items for each SOP class.
MAX_ITEMS: Final = 512

#: 1 type, 2 reserved, 3-4 length of what follows.
_HEADER: Final = Struct(">BxH")
SHORT: Final = Struct(">H")
_LONG: Final = Struct(">I")


def split(data: memoryview, parent: str) -> Iterator[tuple[int, memoryview]]:
    """Type and value of each item, in order.

    Args:
        data: All of the parent that may be items.
        parent: Its name, for messages.

    Raises:
        PeerError: One does not end within its parent, or there are more than ``MAX_ITEMS``.
    """
    position, end, count = 0, len(data), 0
    while position < end:
        count += 1
        if count > MAX_ITEMS:
            raise PeerError(f"{parent} has more than {MAX_ITEMS} items")
        if end - position < _HEADER.size:
            raise PeerError(f"{parent} ends within an item header, after {end - position} of its 4 bytes")
        kind, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if length > end - position:
            raise PeerError(f"item {kind:02X}H says {length} bytes, but {parent} has only {end - position} left")
        yield kind, data[position : position + length]
        position += length


def only(already: object, what: str) -> None:
    """Refuse the second of what there can be only one of."""
    if already is not None:
        raise PeerError(f"there is more than one {what}")


def text(value: bytes | memoryview) -> str:
    r"""What a peer calls itself or others; foreign bytes are written as ``\xNN``."""
    return bytes(value).strip(b" ").decode("ascii", "backslashreplace")


def uid(value: bytes | memoryview) -> str:
    r"""A UID, unchecked; foreign bytes are written as ``\xNN``.

    UIDs are not padded here. Some peers pad them as in a data set, which harms nobody.

    Source: PS3.8 F.1.
    """
    return bytes(value).rstrip(b"\0 ").decode("ascii", "backslashreplace")


def encode(kind: Item, *parts: bytes) -> bytes:
    """One item."""
    value = b"".join(parts)
    return _HEADER.pack(kind, len(value)) + value


def encode_uid(kind: Item, name: str) -> bytes:
    """An item that holds a UID or another short text, unpadded."""
    return encode(kind, name.encode("ascii"))


@dataclass(slots=True)
class UserInformation:
    """What the two peers tell each other about themselves.

    Attributes:
        max_pdu_length: Longest P-DATA-TF PDU taken, in bytes without the 6-byte header; 0 = no limit, ``None`` = not
            said.
        implementation_class_uid: Unchecked if received; ``""`` if not said.
        implementation_version_name: Unchecked if received; ``""`` if not said.
        roles: By SOP class.
        common_extended: Service class by SOP class.
        user_identity_type: 1-5 if the requestor told who its user is. What it told may be a password and is not read.

    Source: PS3.8 9.3.2.3, D.1; PS3.7 D.3.3.
    """

    max_pdu_length: int | None = None
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    roles: dict[str, RoleSelection] = field(default_factory=dict)
    common_extended: dict[str, str] = field(default_factory=dict)
    user_identity_type: int | None = None


def decode_user_information(value: memoryview, sop_classes: frozenset[str]) -> UserInformation:
    """Read the user information item; extended negotiation and whatever is unknown is read over.

    Args:
        value: Of the item.
        sop_classes: What is said about others is dropped, which bounds what is kept.

    Raises:
        PeerError: A length overruns or is not the one that its sub-item must have.

    Source: PS3.8 9.3.2.3, D.1, D.2; PS3.7 D.3.3.
    """
    user = UserInformation()
    for kind, sub_value in split(value, "the user information item"):
        if kind == Item.MAXIMUM_LENGTH:
            only(user.max_pdu_length, "maximum length sub-item")
            if len(sub_value) != _LONG.size:
                raise PeerError(f"the maximum length sub-item has {len(sub_value)} bytes; 4 are needed")
            user.max_pdu_length = _LONG.unpack(sub_value)[0]
        elif kind == Item.IMPLEMENTATION_CLASS_UID:
            user.implementation_class_uid = uid(sub_value)
        elif kind == Item.IMPLEMENTATION_VERSION_NAME:
            user.implementation_version_name = text(sub_value)
        elif kind == Item.ROLE_SELECTION:
            role = _decode_role(sub_value)
            if role.sop_class in sop_classes:
                user.roles[role.sop_class] = role
        elif kind == Item.COMMON_EXTENDED:
            sop_class, service_class = _decode_common_extended(sub_value)
            if sop_class in sop_classes:
                user.common_extended[sop_class] = service_class
        elif kind == Item.USER_IDENTITY and len(sub_value) > 0:
            user.user_identity_type = sub_value[0]
    return user


def _decode_role(value: memoryview) -> RoleSelection:
    """Source: PS3.7 Table D.3-9."""
    sop_class, roles = _split_counted(value, "the role selection sub-item")
    if len(roles) < 2:
        raise PeerError("a role selection sub-item ends before its two roles")
    return RoleSelection(sop_class=uid(sop_class), scu=roles[0] == 1, scp=roles[1] == 1)


def _decode_common_extended(value: memoryview) -> tuple[str, str]:
    """SOP class and its service class; the related general SOP classes behind them are of no use here.

    Source: PS3.7 Table D.3-12.
    """
    sop_class, rest = _split_counted(value, "the common extended negotiation sub-item")
    service_class, _ = _split_counted(rest, "the common extended negotiation sub-item")
    return uid(sop_class), uid(service_class)


def _split_counted(value: memoryview, where: str) -> tuple[memoryview, memoryview]:
    """A field that begins with its own 2-byte length, and what follows it."""
    if len(value) < SHORT.size:
        raise PeerError(f"{where} ends where the length of a field is expected")
    length = SHORT.unpack_from(value)[0]
    if length > len(value) - SHORT.size:
        raise PeerError(f"a field of {where} says {length} bytes, but only {len(value) - SHORT.size} follow")
    return value[SHORT.size : SHORT.size + length], value[SHORT.size + length :]


def encode_user_information(
    *,
    max_pdu_length: int,
    implementation_class_uid: str,
    implementation_version_name: str,
    roles: Sequence[RoleSelection] = (),
    common_extended: Mapping[str, str] | None = None,
) -> bytes:
    """The user information item, its sub-items in ascending order. Source: PS3.8 D.1; PS3.7 D.3.3."""
    return encode(
        Item.USER_INFORMATION,
        encode(Item.MAXIMUM_LENGTH, _LONG.pack(max_pdu_length)),
        encode_uid(Item.IMPLEMENTATION_CLASS_UID, implementation_class_uid),
        *(encode(Item.ROLE_SELECTION, _count(role.sop_class), bytes((role.scu, role.scp))) for role in roles),
        encode_uid(Item.IMPLEMENTATION_VERSION_NAME, implementation_version_name),
        *(
            encode(Item.COMMON_EXTENDED, _count(sop_class), _count(service_class), SHORT.pack(0))
            for sop_class, service_class in (common_extended or {}).items()
        ),
    )


def _count(name: str) -> bytes:
    value = name.encode("ascii")
    return SHORT.pack(len(value)) + value
