"""Values that more than one step speaks of. Each is checked once, when it is made, and never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self

#: Sortable by time of birth, ``20261122T081500123456-9f3c21ab``; names the association's folder in the spool.
AssociationId = NewType("AssociationId", str)
InstanceId = NewType("InstanceId", int)
GroupId = NewType("GroupId", int)
#: 32 hexadecimal digits, derived from group and workflow: the idempotency key under which an engine runs it.
JobId = NewType("JobId", str)
ResultId = NewType("ResultId", int)
DeliveryId = NewType("DeliveryId", int)
NoticeId = NewType("NoticeId", int)

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class AETitle(str):
    """An application entity title: 1-16 printable ASCII characters without backslash, case-sensitive.

    Leading and trailing spaces are not significant and are removed at birth.

    Raises:
        ValueError: The text is empty, too long or has a character outside the repertoire; the message says which.

    Source: PS3.5 6.2, VR AE; PS3.8 Table 9-11.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check and strip."""
        title = text.strip(" ")
        if not title:
            raise ValueError("an AE title needs at least one character that is not a space")
        if len(title) > 16:
            raise ValueError(f"an AE title has at most 16 characters, this has {len(title)}")
        for character in title:
            if character == "\\" or not " " <= character <= "~":
                raise ValueError(f"an AE title may not contain {character!r}: printable ASCII without backslash only")
        return super().__new__(cls, title)


class Uid(str):
    """A DICOM unique identifier: digits and dots, at most 64; safe as a file name.

    Trailing NUL and space padding is removed at birth. A component with a leading zero is let pass: real devices
    make them, and nothing here depends on their absence.

    Raises:
        ValueError: The text is empty, too long or not of that form.

    Source: PS3.5 9.1.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check and strip."""
        uid = text.rstrip("\0 ")
        if len(uid) > 64:
            raise ValueError(f"a UID has at most 64 characters, this has {len(uid)}")
        if not _UID.fullmatch(uid):
            raise ValueError(f"a UID is made of numbers joined by dots, this is {uid[:64]!r}")
        return super().__new__(cls, uid)


class Topic(StrEnum):
    """What people can be told of: the values of ``about`` in ``notifications``."""

    JOB_FAILED = "job-failed"
    DELIVERY_GIVEN_UP = "delivery-given-up"
    DESTINATION_DOWN = "destination-down"
    DISK_FULL = "disk-full"
    ASSOCIATION_HELD = "association-held"
    GROUP_PARKED = "group-parked"
    FILE_QUARANTINED = "file-quarantined"
    CONFIGURATION_REFUSED = "configuration-refused"
    LEDGER_DISTRUSTED = "ledger-distrusted"
    SOURCE_QUIET = "source-quiet"


class Phase(StrEnum):
    """What a notice says of its topic."""

    HAPPENED = "happened"
    BEGAN = "began"  # and lasts, as far as is known when it is written
    OVER = "over"  # what an earlier notice said has ended


class GroupKind(StrEnum):
    """What makes instances belong together: the value of ``timeout-group``."""

    ASSOCIATION = "Association"
    PATIENT = "Patient"
    STUDY = "Study"
    SERIES = "Series"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKey:
    """What instances of one AE must share to be in one group.

    Attributes:
        value: The shared attribute, ``""`` where it is absent or the kind has none. May be personal data: never logged.
        scope: The association that the group is confined to; ``""`` = instances of several associations may meet in it.
    """

    kind: GroupKind
    value: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    r"""The few attributes of a data set that grouping and the dashboard need.

    Text is decoded as UTF-8 with foreign bytes written as ``\xNN``, padding removed: equal bytes give equal text and
    different bytes different text, whatever the character set. Absent and empty attributes are both ``""``.

    Attributes:
        sop_class: (0008,0016), unchecked.
        sop_instance: (0008,0018), unchecked.
        modality: (0008,0060).
        patient_id: (0010,0020), at most 1024 bytes.
        study: (0020,000D), unchecked.
        series: (0020,000E), unchecked.
    """

    sop_class: str
    sop_instance: str
    modality: str
    patient_id: str
    study: str
    series: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationInfo:
    """Who opened an association, to whom, from where, since when.

    Attributes:
        host: The peer's numeric address; never a name, so that no lookup can stall or lie.
        opened_at: Aware UTC, when the A-ASSOCIATE-RQ was complete.
    """

    id: AssociationId
    calling: AETitle
    called: AETitle
    host: str
    port: int
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRequest:
    """One C-STORE-RQ with the context it came on.

    Attributes:
        sop_class: Affected SOP Class UID; equals the abstract syntax of the context.
        sop_instance: Affected SOP Instance UID, well formed, so safe as a file name.
        transfer_syntax: Of the accepted presentation context.
        message_id: 0-65535.
    """

    sop_class: Uid
    sop_instance: Uid
    transfer_syntax: Uid
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one side answers to a C-STORE.

    Attributes:
        status: (0000,0900).
        comment: (0000,0902), at most 64 characters, no personal data; empty = not sent.

    Source: PS3.4 Table B.2-1; PS3.7 C.
    """

    status: int
    comment: str = ""

    @property
    def accepted(self) -> bool:
        """Success or warning: the receiver has the instance and it must not be sent again."""
        return self.status in _ACCEPTED


#: Success and the warnings after which the receiver has the instance. Source: PS3.4 Table B.2-1; PS3.7 C.
_ACCEPTED = frozenset({0x0000, 0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsLine:
    """A line of history that may be news.

    Attributes:
        facts: What the row says that the line is about, by what it is called: workflow, destination, status (four
            hexadecimal digits), calling, called, ae.
    """

    id: int
    at: datetime
    machine: str
    subject: str
    event: str
    to_state: str
    why: str
    facts: Mapping[str, str]
