"""The upper layer's state machine: PS3.8 Table 9-10 and nothing else.

Rules of this file:

* It is the standard's table in the standard's words: enum values are its names, member names say what they mean.
* It decides what happens, never how: ``connection.py`` performs the actions.
* A pair that is not in the table cannot happen. For events of the local side that is a bug of ours; events of the peer
  are filled in for every state in which a transport connection exists.

Source: PS3.8 9.2.2, 9.2.3, Tables 9-1 to 9-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hilum.wire.pdu import PduType


class State(StrEnum):
    """Where one association stands. Source: PS3.8 Tables 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAITING_ASSOCIATE = "Sta2"  # transport connection open, A-ASSOCIATE-RQ expected
    AWAITING_LOCAL_ANSWER = "Sta3"  # the local user must accept or reject
    AWAITING_TRANSPORT = "Sta4"
    AWAITING_ASSOCIATE_ANSWER = "Sta5"  # A-ASSOCIATE-RQ sent
    DATA_TRANSFER = "Sta6"
    AWAITING_RELEASE_ANSWER = "Sta7"  # A-RELEASE-RQ sent
    AWAITING_LOCAL_RELEASE = "Sta8"  # A-RELEASE-RQ received, the local user must answer
    COLLISION_REQUESTOR_LOCAL = "Sta9"  # both sides asked for release; requestor, the local user must answer
    COLLISION_ACCEPTOR_PEER = "Sta10"  # both asked; acceptor, A-RELEASE-RP expected
    COLLISION_REQUESTOR_PEER = "Sta11"  # both asked; requestor, A-RELEASE-RP expected
    COLLISION_ACCEPTOR_LOCAL = "Sta12"  # both asked; acceptor, the local user must answer
    AWAITING_CLOSE = "Sta13"  # all is said; the peer should close the transport connection


class Event(StrEnum):
    """What can happen to an association. Source: PS3.8 Table 9-10, first column."""

    ASSOCIATE_REQUEST = "Evt1"  # local user
    TRANSPORT_CONFIRMED = "Evt2"
    ASSOCIATE_AC_RECEIVED = "Evt3"
    ASSOCIATE_RJ_RECEIVED = "Evt4"
    TRANSPORT_INDICATED = "Evt5"
    ASSOCIATE_RQ_RECEIVED = "Evt6"
    ASSOCIATE_ACCEPT = "Evt7"  # local user
    ASSOCIATE_REJECT = "Evt8"  # local user
    DATA_REQUEST = "Evt9"  # local user
    DATA_RECEIVED = "Evt10"
    RELEASE_REQUEST = "Evt11"  # local user
    RELEASE_RQ_RECEIVED = "Evt12"
    RELEASE_RP_RECEIVED = "Evt13"
    RELEASE_RESPONSE = "Evt14"  # local user
    ABORT_REQUEST = "Evt15"  # local user
    ABORT_RECEIVED = "Evt16"
    TRANSPORT_CLOSED = "Evt17"
    TIMER_EXPIRED = "Evt18"  # ARTIM
    INVALID_PDU_RECEIVED = "Evt19"


class Action(StrEnum):
    """What is done about an event. Source: PS3.8 Tables 9-6 to 9-9."""

    CONNECT = "AE-1"
    SEND_ASSOCIATE_RQ = "AE-2"
    CONFIRM_ACCEPTANCE = "AE-3"
    CONFIRM_REJECTION = "AE-4"
    START_TIMER = "AE-5"
    INDICATE_ASSOCIATE = "AE-6"  # or reject at once
    SEND_ASSOCIATE_AC = "AE-7"
    SEND_ASSOCIATE_RJ = "AE-8"
    SEND_DATA = "DT-1"
    INDICATE_DATA = "DT-2"
    SEND_RELEASE_RQ = "AR-1"
    INDICATE_RELEASE = "AR-2"
    CONFIRM_RELEASE = "AR-3"
    SEND_RELEASE_RP = "AR-4"
    STOP_TIMER = "AR-5"
    INDICATE_DATA_WHILE_RELEASING = "AR-6"
    SEND_DATA_WHILE_RELEASING = "AR-7"
    INDICATE_COLLISION = "AR-8"
    SEND_RELEASE_RP_IN_COLLISION = "AR-9"
    CONFIRM_RELEASE_IN_COLLISION = "AR-10"
    SEND_USER_ABORT = "AA-1"
    CLOSE = "AA-2"
    INDICATE_PEER_ABORT = "AA-3"
    INDICATE_LOSS = "AA-4"
    STOP_TIMER_UNASSOCIATED = "AA-5"
    IGNORE = "AA-6"
    SEND_ABORT_AGAIN = "AA-7"
    SEND_PROVIDER_ABORT = "AA-8"


_TABLE_9_10: Final = """
        Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10 Sta11 Sta12 Sta13
Evt1    AE-1  .     .     .     .     .     .     .     .     .     .     .     .
Evt2    .     .     .     AE-2  .     .     .     .     .     .     .     .     .
Evt3    .     AA-1  AA-8  .     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt4    .     AA-1  AA-8  .     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt5    AE-5  .     .     .     .     .     .     .     .     .     .     .     .
Evt6    .     AE-6  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
Evt7    .     .     AE-7  .     .     .     .     .     .     .     .     .     .
Evt8    .     .     AE-8  .     .     .     .     .     .     .     .     .     .
Evt9    .     .     .     .     .     DT-1  .     AR-7  .     .     .     .     .
Evt10   .     AA-1  AA-8  .     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt11   .     .     .     .     .     AR-1  .     .     .     .     .     .     .
Evt12   .     AA-1  AA-8  .     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt13   .     AA-1  AA-8  .     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
Evt14   .     .     .     .     .     .     .     AR-4  AR-9  .     .     AR-4  .
Evt15   .     .     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  .
Evt16   .     AA-2  AA-3  .     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
Evt17   .     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
Evt18   .     AA-2  .     .     .     .     .     .     .     .     .     .     AA-2
Evt19   .     AA-1  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""


def _read(table: str) -> Mapping[tuple[State, Event], Action]:
    head, *rows = (line.split() for line in table.strip().splitlines())
    return MappingProxyType(
        {
            (State(state), Event(event)): Action(action)
            for event, *actions in rows
            for state, action in zip(head, actions, strict=True)
            if action != "."
        }
    )


#: What to do, by state and event. Source: PS3.8 Table 9-10.
TRANSITIONS: Final[Mapping[tuple[State, Event], Action]] = _read(_TABLE_9_10)

#: Where each action leads; ``INDICATE_ASSOCIATE`` leads to Sta13 instead if the request is rejected at once, and
#: ``INDICATE_COLLISION`` to Sta10 instead on the side of the acceptor. Source: PS3.8 Tables 9-6 to 9-9.
NEXT_STATE: Final[Mapping[Action, State]] = MappingProxyType(
    {
        Action.CONNECT: State.AWAITING_TRANSPORT,
        Action.SEND_ASSOCIATE_RQ: State.AWAITING_ASSOCIATE_ANSWER,
        Action.CONFIRM_ACCEPTANCE: State.DATA_TRANSFER,
        Action.CONFIRM_REJECTION: State.IDLE,
        Action.START_TIMER: State.AWAITING_ASSOCIATE,
        Action.INDICATE_ASSOCIATE: State.AWAITING_LOCAL_ANSWER,
        Action.SEND_ASSOCIATE_AC: State.DATA_TRANSFER,
        Action.SEND_ASSOCIATE_RJ: State.AWAITING_CLOSE,
        Action.SEND_DATA: State.DATA_TRANSFER,
        Action.INDICATE_DATA: State.DATA_TRANSFER,
        Action.SEND_RELEASE_RQ: State.AWAITING_RELEASE_ANSWER,
        Action.INDICATE_RELEASE: State.AWAITING_LOCAL_RELEASE,
        Action.CONFIRM_RELEASE: State.IDLE,
        Action.SEND_RELEASE_RP: State.AWAITING_CLOSE,
        Action.STOP_TIMER: State.IDLE,
        Action.INDICATE_DATA_WHILE_RELEASING: State.AWAITING_RELEASE_ANSWER,
        Action.SEND_DATA_WHILE_RELEASING: State.AWAITING_LOCAL_RELEASE,
        Action.INDICATE_COLLISION: State.COLLISION_REQUESTOR_LOCAL,
        Action.SEND_RELEASE_RP_IN_COLLISION: State.COLLISION_REQUESTOR_PEER,
        Action.CONFIRM_RELEASE_IN_COLLISION: State.COLLISION_ACCEPTOR_LOCAL,
        Action.SEND_USER_ABORT: State.AWAITING_CLOSE,
        Action.CLOSE: State.IDLE,
        Action.INDICATE_PEER_ABORT: State.IDLE,
        Action.INDICATE_LOSS: State.IDLE,
        Action.STOP_TIMER_UNASSOCIATED: State.IDLE,
        Action.IGNORE: State.AWAITING_CLOSE,
        Action.SEND_ABORT_AGAIN: State.AWAITING_CLOSE,
        Action.SEND_PROVIDER_ABORT: State.AWAITING_CLOSE,
    }
)

#: What it is to receive a PDU, by its type; any other type is ``INVALID_PDU_RECEIVED``.
RECEIVED: Final[Mapping[int, Event]] = MappingProxyType(
    {
        PduType.ASSOCIATE_RQ: Event.ASSOCIATE_RQ_RECEIVED,
        PduType.ASSOCIATE_AC: Event.ASSOCIATE_AC_RECEIVED,
        PduType.ASSOCIATE_RJ: Event.ASSOCIATE_RJ_RECEIVED,
        PduType.P_DATA_TF: Event.DATA_RECEIVED,
        PduType.RELEASE_RQ: Event.RELEASE_RQ_RECEIVED,
        PduType.RELEASE_RP: Event.RELEASE_RP_RECEIVED,
        PduType.ABORT: Event.ABORT_RECEIVED,
    }
)

#: Answers to a PDU that has no place in the state in which it came: nothing in it needs to be read.
UNREAD: Final = frozenset(
    {
        Action.SEND_USER_ABORT,
        Action.SEND_PROVIDER_ABORT,
        Action.SEND_ABORT_AGAIN,
        Action.IGNORE,
    }
)

#: States in which the peer's P-DATA-TF is taken.
DATA_WANTED: Final = frozenset(
    state for (state, event), action in TRANSITIONS.items() if event is Event.DATA_RECEIVED and action not in UNREAD
)
