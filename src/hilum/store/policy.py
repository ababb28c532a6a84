"""Whether an instance is taken, judged by its command and by what was read of its data set; pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from hilum.model import Answer, Header, StoreRequest, Uid

#: Source: PS3.4 Table B.2-1.
SUCCESS: Final = Answer(status=0x0000)
_OUT_OF_RESOURCES: Final = 0xA700
_DATA_SET_MISMATCH: Final = 0xA900
_CANNOT_UNDERSTAND: Final = 0xC000
#: (0000,0902) is LO. Source: PS3.5 Table 6.2-1.
_COMMENT_LENGTH: Final = 64


def before(request: StoreRequest, *, full: str | None, ignored: Collection[str]) -> Answer | None:
    """The answer to an instance that will not be stored whatever its data set holds; ``None``: take it.

    Args:
        full: Why there is no room, if there is none. For the operator: peers are not told what the disks are like.
        ignored: SOP classes that are answered with success and dropped, as the specification has it.
    """
    if request.sop_class in ignored:
        return SUCCESS
    if full is not None:
        return out_of_resources("no room for more instances now; try again later")
    return None


def after(request: StoreRequest, header: Header) -> Answer | None:
    """The answer to a readable data set that is not what its command says; ``None``: keep it.

    Source: PS3.4 B.2.2, Table B.2-1.
    """
    for name, told, found in (
        ("SOP Class UID", request.sop_class, header.sop_class),
        ("SOP Instance UID", request.sop_instance, header.sop_instance),
    ):
        if found == told:
            continue
        if not found:
            return Answer(status=_DATA_SET_MISMATCH, comment=f"{name} is missing in the data set")
        if _uid(found) != told:
            return Answer(status=_DATA_SET_MISMATCH, comment=f"{name} differs between command and data set")
    return None


def unreadable(why: str) -> Answer:
    """The answer to a data set that is truncated or no data set."""
    return Answer(status=_CANNOT_UNDERSTAND, comment=why[:_COMMENT_LENGTH])


def out_of_resources(why: str) -> Answer:
    """The answer to an instance that cannot be kept just now; the sender may try again."""
    return Answer(status=_OUT_OF_RESOURCES, comment=why[:_COMMENT_LENGTH])


def _uid(text: str) -> str | None:
    try:
        return Uid(text)
    except ValueError:
        return None
