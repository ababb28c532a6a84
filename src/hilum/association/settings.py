"""What the association step needs to know of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a sender needs neither, and starts sooner without
    from hilum.association.admission import AdmissionRules, Balancer
    from hilum.wire import NegotiationPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorSettings:
    """Limits and rules for associations that peers open; each new association uses the newest.

    Attributes:
        rules: Who may come; sources that are host names have no networks here, the server fills them in.
        negotiation: Which presentation contexts are accepted.
        balancers: Who must say by the PROXY protocol for whom it connects; host names as for sources.
        max_pdu_length: The longest PDU we take, in bytes; announced to the peer and enforced.
        artim: From the TCP connection to the complete A-ASSOCIATE-RQ, and for the peer to close at the end.
        pdu: From the first to the last byte of one PDU.
        idle: Between PDUs.
        write: For one answer to be taken by the peer.
        pre_association: Connections without an association, in all.
        pre_association_per_host: The same from one address.
        object_bytes: The largest data set that is taken; a larger one ends its association.
        log_commands: Write every command set, requests and responses, to the log.
    """

    rules: AdmissionRules
    negotiation: NegotiationPolicy
    balancers: tuple[Balancer, ...] = ()
    max_pdu_length: int = 131072
    artim: timedelta = timedelta(seconds=30)
    pdu: timedelta = timedelta(seconds=60)
    idle: timedelta = timedelta(seconds=300)
    write: timedelta = timedelta(seconds=60)
    pre_association: int = 256
    pre_association_per_host: int = 16
    object_bytes: int = 16 * 1024**3
    log_commands: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestorTimeouts:
    """How long a requestor waits.

    Attributes:
        connect: For each TCP connection attempt.
        association: For the answer to the A-ASSOCIATE-RQ.
        dimse: For a response, from the moment the last byte of the request was written.
        pdu: From the first to the last byte of one PDU.
        write: For up to 1 MiB to be taken by the peer.
        release: For the A-RELEASE-RP.
    """

    connect: timedelta = timedelta(seconds=10)
    association: timedelta = timedelta(seconds=30)
    dimse: timedelta = timedelta(seconds=60)
    pdu: timedelta = timedelta(seconds=60)
    write: timedelta = timedelta(seconds=60)
    release: timedelta = timedelta(seconds=10)
