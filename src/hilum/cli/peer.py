"""Where to connect to, as people write it: ``AET@host:port``, ``host port``, or the name of a destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hilum.association.peer import Peer
from hilum.cli.exit import UsageError
from hilum.model import AETitle

#: The usual one. Source: PS3.8 9.1.1.
DEFAULT_PORT: Final = 104
#: What DCMTK's programs call when they are not told otherwise.
ANY_TITLE: Final = AETitle("ANY-SCP")
OWN_TITLE: Final = AETitle("HILUM")

_EXPECTED: Final = "expected AET@host:port, or host and port, or the name of a destination in the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The peer that the first words of a command line mean.

    Attributes:
        calling: Our own title towards it.
        rest: The words after the peer.
    """

    peer: Peer
    calling: AETitle
    rest: tuple[str, ...]


#: Looks a destination up by its name: the peer, and the title that the gateway uses itself; ``None``: no such name.
Directory = Callable[[str], tuple[Peer, AETitle] | None]


def find(words: Sequence[str], *, call: str | None, own: str | None, directory: Directory) -> Found:
    """Read a peer from the beginning of the words.

    Args:
        call: Called AE title given as an option.
        own: Calling AE title given as an option.
        directory: Asked only for words that are no address.

    Raises:
        UsageError: They mean no peer, or two things at once.
    """
    calling = title(own, "-aet") if own is not None else None
    called = title(call, "-aec") if call is not None else None
    if not words:
        raise UsageError(f"no peer: {_EXPECTED}")
    if "@" in words[0]:
        if called is not None:
            raise UsageError(f"{words[0]!r} names the called AE title and so does -aec; leave one of them out")
        text, _, address = words[0].rpartition("@")
        host, port = split_address(address)
        return Found(
            peer=Peer(host=host, port=port, called=title(text, words[0])),
            calling=calling or OWN_TITLE,
            rest=tuple(words[1:]),
        )
    if len(words) > 1 and words[1].isdigit():
        peer = Peer(host=_host(words[0]), port=_port(words[1], " ".join(words[:2])), called=called or ANY_TITLE)
        return Found(peer=peer, calling=calling or OWN_TITLE, rest=tuple(words[2:]))
    known = directory(words[0])
    if known is None:
        raise UsageError(f"{words[0]!r} is no peer: {_EXPECTED}")
    peer, usual = known
    if called is not None:
        peer = Peer(host=peer.host, port=peer.port, called=called)
    return Found(peer=peer, calling=calling or usual, rest=tuple(words[1:]))


def split_address(text: str) -> tuple[str, int]:
    """``host:port`` or ``host``; IPv6 addresses stand in brackets.

    Raises:
        UsageError: It is neither.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UsageError(f"{text!r} is no address: expected [IPv6 address]:port")
        return _host(host), _port(rest[1:], text) if rest else DEFAULT_PORT
    if text.count(":") > 1:
        raise UsageError(f"{text!r} has several colons: write an IPv6 address in brackets, as in [::1]:104")
    host, colon, port = text.partition(":")
    return _host(host), _port(port, text) if colon else DEFAULT_PORT


def title(text: str, where: str) -> AETitle:
    """An AE title of the command line.

    Raises:
        UsageError: It is none; the message says why.
    """
    try:
        return AETitle(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _host(text: str) -> str:
    host = text.removeprefix("[").removesuffix("]")
    if not host or any(character in host for character in " /@"):
        raise UsageError(f"{text!r} is no host: expected an IPv4 or IPv6 address, or a host name")
    return host


def _port(text: str, where: str) -> int:
    if not (text.isdigit() and text.isascii() and 1 <= int(text[:6]) <= 65535):
        raise UsageError(f"{where!r}: {text!r} is no port, expected a number from 1 to 65535")
    return int(text)
