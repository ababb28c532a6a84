"""Sessions made of hand-made bytes, and what becomes of them when they are played to a connection in pieces."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from hilum.wire import AssociateRequested, Connection, DataReceived, State
from unit.wire import raw
from unit.wire.raw import COMMAND, LAST, p_data, pdv
from unit.wire.transcript import accepts


@st.composite
def fragments(draw: st.DrawFn, number: int, bits: int, value: bytes) -> list[bytes]:
    """The value as PDVs of any size, also empty ones."""
    cuts = sorted(draw(st.lists(st.integers(0, len(value)), max_size=6)))
    *parts, last = (value[start:end] for start, end in pairwise([0, *cuts, len(value)]))
    return [*(pdv(number, bits, part) for part in parts), pdv(number, bits | LAST, last)]


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """What a well-behaved requestor sends on contexts 1 (echo) and 3 (CT), from the first message to the release."""
    pdvs: list[bytes] = []
    for message_id in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            pdvs += draw(fragments(1, COMMAND, raw.echo_rq(message_id)))
        else:
            data = random.Random(message_id).randbytes(draw(st.sampled_from([0, 1, 11, 600, 1500, 5000])))
            pdvs += draw(fragments(3, COMMAND, raw.store_rq(message_id)))
            pdvs += draw(fragments(3, 0, data))
    ends = sorted({len(pdvs), *draw(st.lists(st.integers(1, max(1, len(pdvs))), max_size=len(pdvs)))})
    pdus = [p_data(*pdvs[start:end]) for start, end in pairwise([0, *ends]) if start < end <= len(pdvs)]
    return b"".join(pdus) + draw(st.sampled_from([raw.RELEASE_RQ, raw.abort(0, 0), b""]))


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were whole before some were changed, removed, put in or put there twice."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case 2:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 1 << 30), max_size=20)


def outcome(connection: Connection, parts: Sequence[bytes]) -> tuple[list[Any], bytes, Any]:
    """Play the parts; accept an association at once and a release at the end.

    Returns:
        The events, pieces of one data set joined; everything sent; where the connection ended up.
    """
    found: list[Any] = []
    for part in parts:
        buffer = bytearray(part)
        for event in connection.receive(memoryview(buffer)):
            if isinstance(event, DataReceived):
                before = found[-1] if found else None
                if isinstance(before, list) and not before[2]:
                    before[1] += bytes(event.data)
                    before[2] = event.last
                else:
                    found.append([event.context_id, bytes(event.data), event.last])
            else:
                found.append(event)
            if isinstance(event, AssociateRequested):
                accepts(connection)
        # The shell uses its buffer again: nothing may still depend on what was in it.
        buffer[:] = b"\xee" * len(buffer)
    # Not sooner: what the peer may still say depends on whether it has been answered.
    if connection.state is State.AWAITING_LOCAL_RELEASE:
        connection.confirm_release()
    where = (connection.state, connection.closed, connection.mid_pdu, connection.pdus_received)
    return found, b"".join(connection.data_to_send()), where
