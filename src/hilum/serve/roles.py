"""What a gateway may do, so that several gateways of one ledger can share the work by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from hilum.errors import PermanentError


class Role(StrEnum):
    """One kind of work, as people call it."""

    RECEIVE = "receive"
    GROUP = "group"
    RUN = "run"
    DELIVER = "deliver"
    NOTIFY = "notify"
    HOUSEKEEP = "housekeep"
    WEB = "web"


ALL: Final = frozenset(Role)

#: Whose work each step is, by its name; ``None``: it is about the process itself, and every gateway has it.
ROLE_OF: Final[Mapping[str, Role | None]] = {
    "clock": None,
    "takeover": None,
    "end": Role.RECEIVE,
    "senders": Role.RECEIVE,
    "held": Role.RECEIVE,
    "disk": Role.RECEIVE,
    "group": Role.GROUP,
    "job": Role.GROUP,
    "submit": Role.RUN,
    "watch": Role.RUN,
    "results": Role.RUN,
    "adoption": Role.RUN,
    "deliver": Role.DELIVER,
    "probe": Role.DELIVER,
    "receipt": Role.DELIVER,
    "news": Role.NOTIFY,
    "notify": Role.NOTIFY,
    "sweep": Role.HOUSEKEEP,
    "retention": Role.HOUSEKEEP,
    "quarantine": Role.HOUSEKEEP,
}


def parse(text: str) -> frozenset[Role]:
    """Roles from ``receive,group``.

    Raises:
        PermanentError: One is not known, or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = ", ".join(Role)
    unknown = [name for name in names if name not in set(Role)]
    if unknown:
        raise PermanentError(f"there is no role {', '.join(map(repr, unknown))}; the roles are {known}")
    if not names:
        raise PermanentError(f"no role is named; leave --roles out for all of them, or choose from {known}")
    return frozenset(map(Role, names))


def missing(roles: frozenset[Role]) -> Sequence[Role]:
    """Those that others must have, in the order of an instance's way."""
    return [role for role in Role if role not in roles]
