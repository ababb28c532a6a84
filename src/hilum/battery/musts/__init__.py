"""The checks, by the chapters of the list of musts.

==========================  ======================================================
``transport.py``            1-20   the state machine, seen from the network
``negotiation.py``          21-42  A-ASSOCIATE-RQ
``user_information.py``     43-54  what the two sides tell each other about themselves
``data_transfer.py``        55-64  P-DATA-TF
``dimse.py``                65-75  command sets
``storage.py``              76-84  the storage service
``part10.py``               97-100 files
==========================  ======================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hilum.battery.musts import (
    data_transfer,
    dimse,
    negotiation,
    part10,
    storage,
    transport,
    user_information,
)
from hilum.battery.verdict import Check

_CHAPTERS: Final = (transport, negotiation, user_information, data_transfer, dimse, storage, part10)

#: All checks in the order of their numbers.
CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (thing for chapter in _CHAPTERS for thing in vars(chapter).values() if isinstance(thing, Check)),
        key=lambda check: check.number,
    )
)

#: Musts between the first and the last number that have no check here, and why.
ELSEWHERE: Final[Mapping[int, str]] = {
    15: "a release collision needs a peer that releases by itself, as a requestor does",
    16: "data after its own release request needs a peer that releases by itself",
    79: "the peer's disk would have to be full",
    85: "which SOP classes the peer ignores is its configuration",
}
