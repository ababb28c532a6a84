"""Data sets cut into PDUs in place."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO

import pytest

from hilum.association.outflow import Outflow
from hilum.wire import (
    EXPLICIT_LE,
    AssociateRequest,
    Connection,
    ContextReply,
    ContextResult,
    ProposedContext,
    Role,
)


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(struct.pack(">I", value) for value in range(100_000)))
        file.flush()
        yield file


def connection(max_length: int) -> Connection:
    """A requestor whose peer takes PDUs of so many bytes."""
    context = ProposedContext(id=9, abstract_syntax="1.2", transfer_syntaxes=(EXPLICIT_LE,))
    result = ContextResult(id=9, reply=ContextReply.ACCEPTED, abstract_syntax="1.2", transfer_syntax=EXPLICIT_LE)
    requestor = Connection(Role.REQUESTOR)
    acceptor = Connection(Role.ACCEPTOR, max_pdu_length=max_length)
    requestor.request(AssociateRequest(called="A", calling="B", contexts=(context,)))
    acceptor.receive(memoryview(b"".join(requestor.data_to_send())))
    acceptor.accept([result])
    requestor.receive(memoryview(b"".join(acceptor.data_to_send())))
    return requestor


def sent(outflow: Outflow, file: IO[bytes], length: int, padding: int = 0) -> bytes:
    data = b""
    done = 0
    while True:
        part, size = outflow.fill(file.fileno(), 4 + done, length - done, 9, padding=padding)
        data += part
        done += size
        if done == length:
            return data


def fragments(data: bytes, max_length: int) -> tuple[bytes, list[bool]]:
    """The data set and the last-bits of a stream of P-DATA-TF PDUs of one PDV each."""
    content, last_bits = b"", []
    while data:
        kind, length, pdv, context_id, control = struct.unpack_from(">BxIIBB", data)
        assert (kind, context_id, length) == (4, 9, pdv + 4)
        assert length <= (max_length or length)
        content += data[12 : 6 + length]
        last_bits.append(control == 2)
        data = data[6 + length :]
    return content, last_bits


@pytest.mark.parametrize("max_length", [8, 9, 100, 16384, 131072, 0])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 94, 95, 188, 16378, 16379, 131066, 262133])
def test_the_stream_is_the_file_in_pdus_that_the_peer_takes(file: IO[bytes], max_length: int, length: int) -> None:
    length = min(length, max_length * 100) if max_length else length
    file.seek(4)
    expected = file.read(length)
    content, last_bits = fragments(sent(Outflow(connection(max_length)), file, length), max_length)
    assert content == expected
    assert last_bits == [False] * (len(last_bits) - 1) + [True]


@pytest.mark.parametrize("max_length", [8, 100, 16384])
@pytest.mark.parametrize("length", [1, 3, 93, 95, 16377, 16379])
def test_padding_ends_the_data_set(file: IO[bytes], max_length: int, length: int) -> None:
    length = min(length, max_length * 100 + 1)
    file.seek(4)
    expected = file.read(length) + b"\0"
    outflow = Outflow(connection(max_length))
    sent(outflow, file, 40_000)  # leaves its bytes in the buffer
    content, last_bits = fragments(sent(outflow, file, length + 1, padding=1), max_length)
    assert content == expected
    assert last_bits.count(True) == 1


def test_a_whole_part_is_sent_at_once(file: IO[bytes]) -> None:
    outflow = Outflow(connection(16384))
    assert 900_000 < outflow.capacity < 1024 * 1024
    part, size = outflow.fill(file.fileno(), 0, 300_000, 9)
    assert size == 300_000
    assert len(part) == 300_000 + 12 * -(-300_000 // 16378)


def test_a_file_that_ends_too_soon_is_noticed(file: IO[bytes]) -> None:
    with pytest.raises(EOFError):
        Outflow(connection(16384)).fill(file.fileno(), 399_000, 1002, 9)
