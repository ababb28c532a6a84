"""Who may open an association: the rules, and one function that applies them.

No socket and no clock here. Host names of sources are looked up elsewhere; this module only sees the addresses they
stand for just now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from hilum.model import AETitle
from hilum.wire import AssociateRequest, Reject

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entry of ``dicom.scp.sources``.

    Attributes:
        host_ip: As the operator wrote it; messages show it, so that it can be searched for.
        title: The calling AE title that may come from there.
        networks: What ``host_ip`` stands for; empty for a host name that is not, or cannot be, resolved.
    """

    host_ip: str
    title: AETitle
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, host_ip: str, title: AETitle) -> Self:
        """An IPv4 or IPv6 address or CIDR becomes its network; any other text is a host name and has none yet."""
        network = parse_network(host_ip)
        return cls(host_ip=host_ip, title=title, networks=() if network is None else (network,))

    @property
    def named(self) -> bool:
        """Whether ``host_ip`` is a host name."""
        return parse_network(self.host_ip) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """One entry of ``dicom.scp.proxies``: whoever it says a connection is from is believed.

    Attributes:
        host_ip: As the operator wrote it.
        networks: What it stands for; empty for a host name that is not, or cannot be, resolved.
    """

    host_ip: str
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, host_ip: str) -> Self:
        """As ``Source.parse``."""
        network = parse_network(host_ip)
        return cls(host_ip=host_ip, networks=() if network is None else (network,))


def is_among(host: str, balancers: Sequence[Balancer]) -> bool:
    """Whether a connection from that numeric address is a balancer's."""
    if not balancers:
        return False
    address = parse_address(host)
    return any(address in network for balancer in balancers for network in balancer.networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """What ``admit`` needs to know of the configuration.

    Attributes:
        called: AE titles that we answer to; ``None`` = any.
        sources: In the order of the configuration; only asked when ``reject_unknown_sources``.
        max_associations: Upper limit of associations open at the same time.
    """

    called: frozenset[AETitle] | None
    sources: tuple[Source, ...]
    reject_unknown_sources: bool
    max_associations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The association may be opened; both titles are checked."""

    calling: AETitle
    called: AETitle


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The association is refused.

    Attributes:
        reject: What the peer is told.
        why: What was found, for the operator, as one clause; without personal data and control characters.
        remedy: What the operator can do about it.
    """

    reject: Reject
    why: str
    remedy: str


def admit(
    request: AssociateRequest, host: str, rules: AdmissionRules, *, open_count: int, congested: str | None = None
) -> Accepted | Rejected:
    """Decide about one A-ASSOCIATE-RQ whose protocol version and application context are already found good.

    The calling title is checked before the called one: a stranger is not told which titles exist. Limits come last:
    who may not come at all is not asked to try again.

    Args:
        host: The peer's numeric address.
        open_count: Associations that are open now, this one not counted.
        congested: Why no association can be taken now, ``None`` if it can.

    Source: PS3.8 9.3.4, Table 9-21.
    """
    calling = _known_calling(request.calling, host, rules)
    if isinstance(calling, Rejected):
        return calling
    called = _known_called(request.called, rules)
    if isinstance(called, Rejected):
        return called
    if open_count >= rules.max_associations:
        return Rejected(
            reject=Reject.LOCAL_LIMIT,
            why=f"{open_count} associations are open and dicom.scp.max-associations is {rules.max_associations}",
            remedy="the peer can try again when one has ended; if this happens often, raise max-associations",
        )
    if congested is not None:
        return Rejected(
            reject=Reject.CONGESTION,
            why=congested,
            remedy="the peer can try again later; free or add storage, see storage.watermark-percent and reserve-gb",
        )
    return Accepted(calling=calling, called=called)


def _known_calling(text: str, host: str, rules: AdmissionRules) -> AETitle | Rejected:
    """The calling title, if it may come from this address."""
    try:
        title = AETitle(text)
    except ValueError as error:
        return Rejected(
            reject=Reject.CALLING_NOT_RECOGNIZED,
            why=f"the calling AE title {text[:16]!r} from {host} is not valid: {error}",
            remedy="set the device's own AE title to 1-16 printable ASCII characters without backslash",
        )
    if not rules.reject_unknown_sources:
        return title
    entries = [source for source in rules.sources if source.title == title]
    address = parse_address(host)
    if any(address in network for source in entries for network in source.networks):
        return title
    if not entries:
        near = _other_case(title, {source.title for source in rules.sources})
        return Rejected(
            reject=Reject.CALLING_NOT_RECOGNIZED,
            why=f"calling AE title {str(title)!r} from {host} is not in dicom.scp.sources{near}",
            remedy=f"add {{host-ip: {host}, ae-title: {title}}} to dicom.scp.sources",
        )
    places = ", ".join(
        source.host_ip if source.networks else f"{source.host_ip} (a host name that cannot be resolved now)"
        for source in entries
    )
    return Rejected(
        reject=Reject.CALLING_NOT_RECOGNIZED,
        why=f"calling AE title {str(title)!r} came from {host}, but dicom.scp.sources has it for {places}",
        remedy=f"if {host} is that device, add {{host-ip: {host}, ae-title: {title}}} to dicom.scp.sources",
    )


def _known_called(text: str, rules: AdmissionRules) -> AETitle | Rejected:
    """The called title, if it is one of ours."""
    try:
        title = AETitle(text)
    except ValueError as error:
        return Rejected(
            reject=Reject.CALLED_NOT_RECOGNIZED,
            why=f"the called AE title {text[:16]!r} is not valid: {error}",
            remedy=f"let the device call {_listed(rules.called)}",
        )
    if rules.called is None or title in rules.called:
        return title
    return Rejected(
        reject=Reject.CALLED_NOT_RECOGNIZED,
        why=f"called AE title {str(title)!r} is not in dicom.scp.ae-titles{_other_case(title, rules.called)}",
        remedy=f"let the device call {_listed(rules.called)}, or add ae-title {title} to dicom.scp.ae-titles",
    )


def parse_address(host: str) -> Address:
    """A numeric address; an IPv4 one that came in through an IPv6 socket counts as IPv4.

    Raises:
        ValueError: The text is no numeric address.
    """
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(host_ip: str) -> Network | None:
    """What an address or a CIDR covers, bits right of the prefix ignored; ``None`` if the text is neither."""
    try:
        network = ip_network(host_ip, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _other_case(title: AETitle, titles: frozenset[AETitle] | set[AETitle]) -> str:
    """A hint when only upper and lower case differ, the most common mistake with titles."""
    near = sorted(other for other in titles if other.lower() == title.lower())
    return f" (it has {_listed(frozenset(near))}: upper and lower case matter)" if near else ""


def _listed(titles: frozenset[AETitle] | None) -> str:
    if titles is None:
        return "a title of 1 to 16 characters"
    return ", ".join(repr(str(title)) for title in sorted(titles)) or "(none is configured)"
