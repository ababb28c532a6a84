"""The PROXY protocol's header, which comes before everything else."""

from __future__ import annotations

from hilum.association.admission import parse_address
from hilum.association.proxy_header import Malformed, ProxyHeader, read_header

#: A header of version 2 is never longer.
_LONGEST = 16 + 0xFFFF


def proxy(data: bytes) -> None:
    """Nothing is raised; what was read from a beginning stays the same; the end lies within what came."""
    whole = read_header(data)
    if isinstance(whole, ProxyHeader):
        assert 0 < whole.length <= min(len(data), _LONGEST)
        if whole.source is not None:
            host, port = whole.source
            assert str(parse_address(host)) == host
            assert 0 <= port <= 0xFFFF
        assert read_header(data[: whole.length]) == whole
        assert read_header(data[: whole.length - 1]) is None
    elif isinstance(whole, Malformed):
        assert whole.why.isprintable()
    for end in {0, 1, 5, 12, 16, 107, len(data) // 2, max(0, len(data) - 1)}:
        found = read_header(data[:end])
        assert found is None or found == whole or (isinstance(found, Malformed) and isinstance(whole, Malformed))
