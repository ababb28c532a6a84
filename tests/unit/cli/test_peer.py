from __future__ import annotations

import pytest

from hilum.association.peer import Peer
from hilum.cli.exit import UsageError
from hilum.cli.peer import Found, find, split_address
from hilum.model import AETitle

ARCHIVE = Peer(host="10.0.0.6", port=104, called=AETitle("ARCHIVE"))


def directory(name: str) -> tuple[Peer, AETitle] | None:
    return (ARCHIVE, AETitle("GATEWAY")) if name == "archive" else None


def find_(*words: str, call: str | None = None, own: str | None = None) -> Found:
    return find(words, call=call, own=own, directory=directory)


def test_a_title_and_an_address_joined_by_an_at_sign_are_a_peer() -> None:
    found = find_("PACS@10.0.0.6:11112", "a.dcm", "b.dcm")
    assert found.peer == Peer(host="10.0.0.6", port=11112, called=AETitle("PACS"))
    assert found.calling == "HILUM"
    assert found.rest == ("a.dcm", "b.dcm")


def test_without_a_port_it_is_the_usual_one() -> None:
    assert find_("PACS@pacs.example").peer == Peer(host="pacs.example", port=104, called=AETitle("PACS"))


def test_the_last_at_sign_counts_since_titles_may_have_one() -> None:
    assert find_("P@CS@host:1").peer == Peer(host="host", port=1, called=AETitle("P@CS"))


def test_host_and_port_are_a_peer_as_in_dcmtk() -> None:
    found = find_("10.0.0.6", "11112", "a.dcm", call="PACS", own="ME")
    assert found.peer == Peer(host="10.0.0.6", port=11112, called=AETitle("PACS"))
    assert found.calling == "ME"
    assert found.rest == ("a.dcm",)
    assert find_("10.0.0.6", "11112").peer.called == "ANY-SCP"


@pytest.mark.parametrize("words", [("PACS@[::1]:11112",), ("[::1]", "11112"), ("::1", "11112")])
def test_ipv6_addresses_are_understood(words: tuple[str, ...]) -> None:
    found = find(words, call=None, own=None, directory=directory)
    assert (found.peer.host, found.peer.port) == ("::1", 11112)


def test_a_destination_is_found_by_its_name_with_the_title_that_the_gateway_uses() -> None:
    found = find_("archive", "a.dcm")
    assert (found.peer, found.calling, found.rest) == (ARCHIVE, "GATEWAY", ("a.dcm",))
    assert find_("archive", own="ME", call="OTHER").calling == "ME"
    assert find_("archive", own="ME", call="OTHER").peer.called == "OTHER"


@pytest.mark.parametrize(
    ("words", "call", "own", "says"),
    [
        ((), None, None, "no peer: expected AET@host:port"),
        (("nobody",), None, None, "'nobody' is no peer"),
        (("PACS@host:104",), "OTHER", None, "leave one of them out"),
        (("PACS@::1:104",), None, None, "in brackets"),
        (("PACS@[::1",), None, None, "expected \\[IPv6 address\\]:port"),
        (("PACS@host:",), None, None, "'' is no port"),
        (("PACS@host:0",), None, None, "'0' is no port"),
        (("PACS@host:70000",), None, None, "from 1 to 65535"),
        (("host", "65536"), None, None, "from 1 to 65535"),
        (("host", "1" * 5000), None, None, "from 1 to 65535"),
        (("PACS@",), None, None, "is no host"),
        (("@host",), None, None, "@host: an AE title needs"),
        (("A_TITLE_TOO_LONG_BY_FAR@host",), None, None, "at most 16 characters"),
        (("host", "104"), "BACK\\SLASH", None, "-aec: an AE title may not contain"),
        (("host", "104"), None, " ", "-aet: an AE title needs"),
    ],
)
def test_what_is_no_peer_is_refused_with_the_reason(
    words: tuple[str, ...], call: str | None, own: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        find(words, call=call, own=own, directory=directory)


def test_an_address_alone_is_split() -> None:
    assert split_address("host:1") == ("host", 1)
    assert split_address("[fe80::1]") == ("fe80::1", 104)
