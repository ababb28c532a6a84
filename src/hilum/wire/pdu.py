"""The PDUs of the upper layer as bytes; the big ones are in ``request.py`` and ``acceptance.py``, data in ``pdata.py``.

Source: PS3.8 9.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from types import MappingProxyType
from typing import ClassVar, Final

from hilum.errors import LocalError


class PduType(IntEnum):
    """The first byte of a PDU. Source: PS3.8 9.3."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """Why the upper layer itself aborts, that is with source 2. Source: PS3.8 Table 9-26."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER_VALUE = 6


_ASSOCIATE_BYTES: Final = (68, 1024 * 1024)
#: Shortest and longest length field of each type but P-DATA-TF, for which the association decides. An A-ASSOCIATE PDU
#: begins with 68 fixed bytes; 128 contexts of 40 transfer syntaxes each need a third of the limit, and DCMTK has the
#: same one.
LENGTHS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        PduType.ASSOCIATE_RQ: _ASSOCIATE_BYTES,
        PduType.ASSOCIATE_AC: _ASSOCIATE_BYTES,
        PduType.ASSOCIATE_RJ: (4, 4),
        PduType.RELEASE_RQ: (4, 4),
        PduType.RELEASE_RP: (4, 4),
        PduType.ABORT: (4, 4),
    }
)
#: Shortest length field of a P-DATA-TF: the header of one PDV. Source: PS3.8 9.3.5.
MIN_DATA_BYTES: Final = 6

#: Assumed of a peer that leaves its maximum length out: the smallest in wide use. PS3.8 D.1 requires it to be said.
DEFAULT_MAX_LENGTH: Final = 16384
#: A shorter maximum length, other than 0, leaves no room for a fragment of 2 bytes. Source: PS3.8 9.3.5.1, E.2.
MIN_MAX_LENGTH: Final = 8
#: Longest fragment sent, in bytes, however much the peer takes: an abort cannot come between two PDUs any sooner.
MAX_FRAGMENT_BYTES: Final = 1024 * 1024

#: 1 type, 2 reserved, 3-6 length of what follows.
PDU_HEADER: Final = Struct(">BxI")
#: 1-4 length of what follows, 5 presentation context ID, 6 message control header.
PDV_HEADER: Final = Struct(">IBB")
#: Both, of a P-DATA-TF PDU with one PDV.
DATA_PDU_HEADER: Final = Struct(">BxIIBB")
_FOUR_BYTES: Final = Struct(">BxIBBBB")

# Message control header. The other six bits are sent as 0 and not looked at. Source: PS3.8 E.2.
COMMAND_BIT: Final = 0x01
LAST_BIT: Final = 0x02


@dataclass(frozen=True, slots=True)
class Reject:
    """Why an association is refused; prints as plain words.

    Attributes:
        result: 1 permanent, 2 transient.
        source: 1 service user, 2 ACSE provider, 3 presentation provider.
        reason: Its meaning depends on the source.

    Source: PS3.8 9.3.4, Table 9-21.
    """

    result: int
    source: int
    reason: int

    NO_REASON: ClassVar[Reject]
    APPLICATION_CONTEXT: ClassVar[Reject]
    CALLING_NOT_RECOGNIZED: ClassVar[Reject]
    CALLED_NOT_RECOGNIZED: ClassVar[Reject]
    PROTOCOL_VERSION: ClassVar[Reject]
    CONGESTION: ClassVar[Reject]
    LOCAL_LIMIT: ClassVar[Reject]

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.result == 2

    @property
    def meaning(self) -> str:
        """What source and reason say, in the words of the standard."""
        return _REJECT_REASONS.get((self.source, self.reason), "for a reason that the standard does not know")

    def __str__(self) -> str:
        """Plain words, then the three numbers by which the peer's manual knows it."""
        how = {1: "rejected for good", 2: "rejected for now"}.get(self.result, "rejected")
        return f"{how}: {self.meaning} ({self.result}/{self.source}/{self.reason})"


_REJECT_REASONS: Final = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given by the protocol layer",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit of associations exceeded",
}
Reject.NO_REASON = Reject(1, 1, 1)
Reject.APPLICATION_CONTEXT = Reject(1, 1, 2)
Reject.CALLING_NOT_RECOGNIZED = Reject(1, 1, 3)
Reject.CALLED_NOT_RECOGNIZED = Reject(1, 1, 7)
Reject.PROTOCOL_VERSION = Reject(1, 2, 2)
Reject.CONGESTION = Reject(2, 3, 1)
Reject.LOCAL_LIMIT = Reject(2, 3, 2)


def encode_reject(reject: Reject) -> bytes:
    """An A-ASSOCIATE-RJ. Source: PS3.8 Table 9-21."""
    return _small(PduType.ASSOCIATE_RJ, reject.result, reject.source, reject.reason)


def decode_reject(body: bytes) -> Reject:
    """Read the four bytes after the header; unknown codes are kept as they are. Source: PS3.8 Table 9-21."""
    return Reject(body[1], body[2], body[3])


def encode_release_rq() -> bytes:
    """An A-RELEASE-RQ. Source: PS3.8 Table 9-24."""
    return _small(PduType.RELEASE_RQ, 0, 0, 0)


def encode_release_rp() -> bytes:
    """An A-RELEASE-RP. Source: PS3.8 Table 9-25."""
    return _small(PduType.RELEASE_RP, 0, 0, 0)


def encode_abort(source: int, reason: int) -> bytes:
    """An A-ABORT; the reason means something with source 2 only. Source: PS3.8 Table 9-26."""
    return _small(PduType.ABORT, 0, source, reason)


def decode_abort(body: bytes) -> tuple[int, int]:
    """Source and reason from the four bytes after the header. Source: PS3.8 Table 9-26."""
    return body[2], body[3]


def _small(kind: PduType, first: int, second: int, third: int) -> bytes:
    """7 reserved, 8-10 what tells this PDU from others of its type."""
    if not all(0 <= value <= 255 for value in (first, second, third)):
        raise LocalError(f"result, source and reason are one byte each, these are {first}/{second}/{third}")
    return _FOUR_BYTES.pack(kind, 4, 0, first, second, third)


def encode_data_header(context_id: int, length: int, *, command: bool, last: bool) -> bytes:
    """The 12 bytes before ``length`` bytes of one fragment that has a P-DATA-TF PDU for itself.

    Source: PS3.8 Tables 9-22, 9-23, E.2.
    """
    control = (COMMAND_BIT if command else 0) | (LAST_BIT if last else 0)
    return DATA_PDU_HEADER.pack(PduType.P_DATA_TF, length + 6, length + 2, context_id, control)


def max_fragment(max_pdu_length: int) -> int:
    """Longest even fragment, in bytes, that a peer with this maximum length (0 = no limit) takes in a PDU of its own.

    Source: PS3.8 D.1, E.2.
    """
    room = max_pdu_length - 6 if max_pdu_length else MAX_FRAGMENT_BYTES
    return min(room, MAX_FRAGMENT_BYTES) & ~1
