"""The keys under ``dicom``: what Hilum listens for, whom it believes, and where results go."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hilum.config.kinds import (
    Host,
    ListenPort,
    Mark,
    Network,
    Port,
    Seconds,
    Section,
    SomeSeconds,
    SopClasses,
    Text,
    Title,
    TransferSyntaxes,
)
from hilum.model import AETitle, GroupKind

#: The spec's name of the processor that starts one job per workflow of the AE.
JOB_PROCESSOR = "Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer"


class AbortedAssociations(StrEnum):
    """What becomes of instances whose association ended otherwise than by release."""

    HOLD = "hold"
    ACCEPT = "accept"


class Durability(StrEnum):
    """When what was received is on the disk, not only in its cache."""

    INSTANCE = "instance"
    ASSOCIATION = "association"


class AE(Section):
    """One entry of ``ae-titles``: a called AE title and what becomes of what is sent to it."""

    ae_title: Title = Field(
        default=AETitle("ClaraSCP"),
        description="The called AE title that devices send to. Case-sensitive; spaces at both ends do not count.",
    )
    timeout: int = Field(
        default=0,
        ge=0,
        le=31_536_000,
        description="Seconds without a new instance after which a group is closed and its jobs start. "
        "0 closes it when the association is released.",
    )
    timeout_group: GroupKind = Field(
        default=GroupKind.ASSOCIATION,
        description="What makes instances belong together: everything that arrives within the timeout, or one group "
        "per Patient ID. Hilum adds one per Study and per Series Instance UID.",
    )
    overwrite_same_instance: bool = Field(
        default=False,
        description="Which instance stays when one SOP Instance UID comes twice in a group: the first, or with true "
        "the last.",
    )
    ignored_sop_classes: SopClasses = Field(
        default=frozenset(),
        description="SOP classes that are answered with success but not stored. UIDs, or keywords such as "
        "CTImageStorage.",
    )
    processors: tuple[Text, ...] = Field(
        default=(JOB_PROCESSOR,),
        description="What turns a closed group into jobs. The default starts one job per workflow of this AE title; "
        "others are written package.module:Class.",
    )
    aborted_associations: Annotated[AbortedAssociations, Mark.OURS] = Field(
        default=AbortedAssociations.HOLD,
        description="What happens to instances whose association was aborted or lost: held aside for an operator, or "
        "accepted as if it had been released.",
    )

    @property
    def title(self) -> AETitle:
        """The called AE title."""
        return self.ae_title


class Verification(Section):
    """The C-ECHO service."""

    enabled: bool = Field(default=True, description="Whether C-ECHO is answered.")
    transfer_syntaxes: TransferSyntaxes = Field(
        default=(),
        description="Transfer syntaxes accepted for C-ECHO, as UIDs or keywords. Empty means the three uncompressed "
        "ones.",
    )


class Source(Section):
    """A device that may send."""

    host_ip: Network = Field(
        description="Where the device sends from: IPv4 or IPv6 address, network such as 10.0.0.0/24, or host name."
    )
    ae_title: Title = Field(description="The calling AE title that the device uses.")


class Timeouts(Section):
    """How long a slow or silent peer is waited for."""

    artim: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=30,
        description="Seconds from the connection until the whole association request has arrived.",
    )
    pdu: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=60, description="Seconds that one protocol data unit may take to arrive."
    )
    idle: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=300, description="Seconds of silence after which an open association is aborted."
    )


class Limits(Section):
    """How much one peer may ask for."""

    pre_association: Annotated[int, Mark.OURS] = Field(
        default=256,
        ge=1,
        le=65535,
        description="Connections at a time that have not yet sent a whole association request.",
    )
    pre_association_per_host: Annotated[int, Mark.OURS] = Field(
        default=16, ge=1, le=65535, description="The same, from one address."
    )
    object_gb: Annotated[float, Mark.OURS] = Field(
        default=16,
        gt=0,
        le=1_000_000,
        description="Largest instance that is taken, in GB of 1,000,000,000 bytes.",
    )


class Scp(Section):
    """Receiving."""

    port: Annotated[ListenPort, Mark.RESTART] = Field(
        default=104,
        description="TCP port to listen on. 0 takes any free port; ports below 1024 need a privilege on most systems.",
    )
    ae_titles: Annotated[tuple[AE, ...], Field(min_length=1)] = Field(
        default=(AE(),), description="The AE titles that Hilum answers to; others are rejected."
    )
    max_associations: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="Associations that may be open at a time; the next one is rejected for the moment. The original "
        "allows at most 5.",
    )
    verification: Verification = Field(default=Verification(), description="The C-ECHO service.")
    reject_unknown_sources: bool = Field(
        default=True, description="Whether associations of devices that are not in sources are rejected."
    )
    log_dimse_datasets: bool = Field(
        default=False,
        description="Whether command and data sets are written to the log. They hold personal data: only for a test.",
    )
    sources: tuple[Source, ...] = Field(
        default=(),
        description="The devices that may send. May be left out if reject-unknown-sources is false.",
    )
    proxies: Annotated[tuple[Network, ...], Mark.OURS] = Field(
        default=(),
        description="Load balancers that say by the PROXY protocol, version 1 or 2, whose connection they pass on: "
        "IPv4 or IPv6 address, network such as 10.0.0.0/24, or host name. They are believed, and must say it; from "
        "anybody else it is not understood.",
    )
    drain_seconds: Annotated[Seconds, Mark.OURS] = Field(
        default=20,
        description="Seconds that open associations may go on when the gateway is told to stop; those that are still "
        "open then are aborted, and what they stored is held. Whoever stops it must give it ten more.",
    )
    host: Annotated[Host, Mark.OURS, Mark.RESTART] = Field(
        default="0.0.0.0",  # noqa: S104 - a gateway listens; whom it believes is decided by sources
        description='Address to listen on: "0.0.0.0" for all of IPv4, "::" for IPv4 and IPv6.',
    )
    max_pdu_length: Annotated[int, Mark.OURS] = Field(
        default=131_072,
        ge=4096,
        le=1_048_576,
        description="Longest protocol data unit that peers may send, in bytes.",
    )
    durability: Annotated[Durability, Mark.OURS] = Field(
        default=Durability.INSTANCE,
        description="When received files are forced to disk: each instance before it is answered, or all of them "
        "before the release of the association is answered.",
    )
    aborted_retention: Annotated[Seconds, Mark.OURS] = Field(
        default=86_400,
        description="Seconds that instances of aborted associations are held for an operator. 0 removes them at once.",
    )
    timeouts: Annotated[Timeouts, Mark.OURS] = Field(
        default=Timeouts(), description="How long a slow or silent peer is waited for."
    )
    limits: Annotated[Limits, Mark.OURS] = Field(default=Limits(), description="How much a peer may ask for.")


class Destination(Section):
    """A device that results can be sent to."""

    name: Text = Field(description="The name that workflows use for this destination.")
    host_ip: Host = Field(description="Where the device listens: IPv4 or IPv6 address, or host name.")
    port: Port = Field(description="The TCP port that the device listens on.")
    ae_title: Title = Field(description="The called AE title of the device.")


class Retry(Section):
    """What happens when a destination cannot take a result."""

    waits: Annotated[tuple[SomeSeconds, ...], Field(min_length=1), Mark.OURS] = Field(
        default=(30, 120, 600, 3600),
        description="Seconds to wait before the second, third, ... attempt; the last one repeats. Each is made up to "
        "a fifth longer or shorter, at random.",
    )
    give_up_after: Annotated[Seconds, Mark.OURS] = Field(
        default=604_800,
        description="Seconds after which no new attempt is made. The result stays and can be sent again by hand.",
    )


class ScuTimeouts(Section):
    """How long a slow or silent destination is waited for."""

    connect: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=10, description="Seconds for the TCP connection to each address of a destination."
    )
    association: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=30, description="Seconds for the answer to an association request."
    )
    dimse: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=60,
        description="Seconds for the answer to an instance, from the moment its last byte was sent. Archives that "
        "work on an instance before they answer may need more.",
    )


class Scu(Section):
    """Sending."""

    ae_title: Title = Field(default=AETitle("ClaraSCU"), description="The calling AE title that Hilum uses.")
    max_associations: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="Associations that may be open at a time for sending. The original allows at most 5.",
    )
    destinations: tuple[Destination, ...] = Field(default=(), description="The devices that results can be sent to.")
    retry: Annotated[Retry, Mark.OURS] = Field(
        default=Retry(), description="What happens when a destination cannot take a result."
    )
    timeouts: Annotated[ScuTimeouts, Mark.OURS] = Field(
        default=ScuTimeouts(),
        description="How long a slow or silent destination is waited for; then the result is sent again later.",
    )


class Dicom(Section):
    """Everything that speaks DICOM."""

    scp: Scp = Field(default=Scp(), description="Receiving: the DICOM service class provider.")
    scu: Scu = Field(default=Scu(), description="Sending: the DICOM service class user.")
