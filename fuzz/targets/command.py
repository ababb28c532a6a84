"""DIMSE command sets: ``decode_command``."""

from __future__ import annotations

from hilum.errors import PeerError
from hilum.wire import decode_command, encode_command


def command(data: bytes) -> None:
    """Only ``PeerError`` is raised; what is understood survives being written and read again."""
    try:
        read = decode_command(data)
    except PeerError as error:
        assert error.source in {0, 2}
        assert str(error)
        return
    assert 0 <= read.field <= 0xFFFF
    assert 0 <= read.message_id <= 0xFFFF
    again = decode_command(encode_command(read))
    for name in ("field", "responded_to", "sop_class", "sop_instance", "status", "has_data", "move_originator"):
        assert getattr(again, name) == getattr(read, name), f"{name} changed"
    assert decode_command(encode_command(again)) == again, "what was written once is not read as written"
