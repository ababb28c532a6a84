"""Which instances belong together; pure."""

from __future__ import annotations

from typing import assert_never

from hilum.model import AssociationId, GroupKey, GroupKind, Header


def key_of(header: Header, association: AssociationId, *, kind: GroupKind, windowed: bool) -> GroupKey:
    """What decides the group of an instance.

    Without a window every association is grouped by itself. With one, instances of several associations meet: all
    of the AE's (``Association``), or those that share the attribute. An instance without that attribute meets only
    instances of its own association: two unknown patients must never become one.

    Args:
        windowed: Whether ``timeout`` is greater than zero.

    Source: ``timeout`` and ``timeout-group`` of the specification; the missing attribute: ours, docs/operations.md.
    """
    match kind:
        case GroupKind.ASSOCIATION:
            value = ""
        case GroupKind.PATIENT:
            value = header.patient_id
        case GroupKind.STUDY:
            value = header.study
        case GroupKind.SERIES:
            value = header.series
        case never:
            assert_never(never)
    alone = not windowed or (not value and kind is not GroupKind.ASSOCIATION)
    return GroupKey(kind=kind, value=value, scope=association if alone else "")
