"""Everything that the Storage SCP AE can answer, and when: the tables that peers' vendors look for first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hilum import words
from hilum.cli.statement.document import Table
from hilum.cli.statement.facts import code
from hilum.wire import AbortReason, ContextReply, Reject, Status

_KEPT: Final = "the instance is stored"
_REFUSED: Final = "nothing is stored"

#: When each status is answered to a C-STORE-RQ, and what became of the instance. Source: PS3.4 Table B.2-1; PS3.7 C.
STORE_STATUSES: Final[Mapping[Status, Sequence[tuple[str, str]]]] = {
    Status.SUCCESS: [
        (
            (
                "The data set is complete, its SOP Class and Instance UID are those of the command, and it is on disk "
                "as `dicom.scp.durability` says."
            ),
            _KEPT,
        ),
        ("The SOP class is one of the AE title's `ignored-sop-classes`.", "nothing is stored; the history says so"),
    ],
    Status.OUT_OF_RESOURCES: [
        ("The disk is above its watermark, or cannot be written. The sender may try again.", _REFUSED)
    ],
    Status.DATA_SET_MISMATCH: [
        ("SOP Class UID or SOP Instance UID of the data set is missing or is not that of the command.", _REFUSED)
    ],
    Status.CANNOT_UNDERSTAND: [
        ("The data set is empty, truncated or cannot be walked from element to element.", _REFUSED),
        ("The command says that no data set follows.", _REFUSED),
    ],
    Status.INVALID_SOP_INSTANCE: [("Affected SOP Instance UID is missing or is no UID.", _REFUSED)],
    Status.SOP_CLASS_NOT_SUPPORTED: [
        ("Affected SOP Class UID is not the abstract syntax of the presentation context, or is Verification.", _REFUSED)
    ],
}

#: When each status is answered to a C-ECHO-RQ. Source: PS3.7 9.1.5.1.4.
ECHO_STATUSES: Final[Mapping[Status, str]] = {
    Status.SUCCESS: "The request came on a presentation context of Verification.",
    Status.SOP_CLASS_NOT_SUPPORTED: "The request came on a presentation context of another SOP class.",
}

#: When each status is answered to any other request. Source: PS3.7 C.5.
OTHER_STATUSES: Final[Mapping[Status, str]] = {
    Status.UNRECOGNIZED_OPERATION: "Any request but C-ECHO-RQ, C-STORE-RQ and C-CANCEL-RQ, which has no response.",
}

#: In the order in which they are checked. Source: PS3.8 Table 9-21.
REJECTIONS: Final[Mapping[Reject, str]] = {
    Reject.PROTOCOL_VERSION: "Bit 0 of the protocol version is not set; the other bits are not looked at.",
    Reject.APPLICATION_CONTEXT: "The application context name is another one, or missing.",
    Reject.CALLING_NOT_RECOGNIZED: "The calling AE title is empty or malformed; or `reject-unknown-sources` is true "
    "and no entry of `sources` has this title for the address that the connection comes from.",
    Reject.CALLED_NOT_RECOGNIZED: "The called AE title is empty or malformed, or not one of `ae-titles`.",
    Reject.LOCAL_LIMIT: "`max-associations` associations are open.",
    Reject.CONGESTION: "The disk is above its watermark (`storage.watermark-percent`, `storage.reserve-gb`), or "
    "the gateway lacks something else that it needs for another association.",
}

#: When each reason of source 2 is given. Source: PS3.8 Table 9-26.
PROVIDER_ABORTS: Final[Mapping[AbortReason, str]] = {
    AbortReason.UNRECOGNIZED_PDU: "A PDU of a type that the standard does not have, once an A-ASSOCIATE-RQ has come.",
    AbortReason.UNEXPECTED_PDU: "A PDU that has no place in the state of the association, once an A-ASSOCIATE-RQ has "
    "come.",
    AbortReason.UNEXPECTED_PARAMETER: "Messages interleave: a fragment of a data set that no command announced, a "
    "command before the data set is complete, a change of presentation context within a message.",
    AbortReason.INVALID_PARAMETER_VALUE: "Anything else that is malformed: a length that runs over its parent or is "
    "longer than allowed, a presentation context ID that is even or used twice, no presentation context or user "
    "information item, a PDV on a context that was not accepted, a command set that cannot be read.",
}

#: When the abort has source 0, whose reason means nothing. Source: PS3.8 Table 9-26.
USER_ABORTS: Final = (
    "Before an A-ASSOCIATE-RQ another PDU than A-ABORT came.",
    "After the A-ASSOCIATE-RQ a time that the peer may need has run out (see *Timeouts*).",
    "A response came that nobody had asked for.",
    "A data set is larger than `dicom.scp.limits.object-gb`.",
    "The release could not be recorded: no instance of the association is accepted.",
    "The gateway stops, or has a fault of its own.",
)

#: When each result is given to a proposed presentation context. Source: PS3.8 Table 9-18.
CONTEXT_REPLIES: Final[Mapping[ContextReply, str]] = {
    ContextReply.ACCEPTED: "The SOP class is served, and one of the transfer syntaxes can be taken.",
    ContextReply.ABSTRACT_SYNTAX_NOT_SUPPORTED: "The SOP class is not served; also Verification when it is disabled.",
    ContextReply.TRANSFER_SYNTAXES_NOT_SUPPORTED: "None of the transfer syntaxes can be taken: for Verification none "
    "of those configured, for storage none that is a UID of at most 64 characters.",
}


def store_statuses() -> Table:
    """What a C-STORE-RSP can say."""
    rows = [
        (code(status), words.status_meaning(status), when, then)
        for status, cases in STORE_STATUSES.items()
        for when, then in cases
    ]
    return Table.of("store-scp-statuses", ("Status", "Meaning", "When", "Then"), rows)


def echo_statuses() -> Table:
    """What a C-ECHO-RSP can say."""
    return _statuses("echo-scp-statuses", ECHO_STATUSES)


def other_statuses() -> Table:
    """What any other response can say."""
    return _statuses("other-scp-statuses", OTHER_STATUSES)


def _statuses(name: str, statuses: Mapping[Status, str]) -> Table:
    rows = [(code(status), words.status_meaning(status), when) for status, when in statuses.items()]
    return Table.of(name, ("Status", "Meaning", "When"), rows)


def rejections() -> Table:
    """What an A-ASSOCIATE-RJ can say."""
    rows = [
        (str(reject.result), str(reject.source), str(reject.reason), meaning(reject), when)
        for reject, when in REJECTIONS.items()
    ]
    return Table.of("association-rejection", ("Result", "Source", "Reason", "Meaning", "When"), rows)


def meaning(reject: Reject) -> str:
    """It in words, without its numbers."""
    return str(reject).rpartition(" (")[0]


def aborts() -> Table:
    """When an A-ABORT is sent."""
    rows = [("0", "0", when) for when in USER_ABORTS]
    rows += [("2", str(int(reason)), when) for reason, when in PROVIDER_ABORTS.items()]
    return Table.of("association-abort", ("Source", "Reason", "When"), rows)


def context_replies() -> Table:
    """What becomes of a proposed presentation context."""
    rows = [(str(int(reply)), reply.name.lower().replace("_", " "), when) for reply, when in CONTEXT_REPLIES.items()]
    return Table.of("presentation-context-results", ("Result", "Meaning", "When"), rows)
