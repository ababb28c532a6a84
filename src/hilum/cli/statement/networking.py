"""Implementation model and network interfaces."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hilum.cli.statement.document import Figure, Section
from hilum.cli.statement.facts import Facts, seconds

_DATA_FLOW: Final = """
   remote AE                                 Hilum                                remote AE

              C-ECHO, C-STORE  +----------------+
   modality, ----------------> | Storage SCP AE | --> spool --> groups --> jobs
   PACS      <---------------- +----------------+                           |
                  responses                                                 | workflow
                                                                            v
              C-STORE          +----------------+                        results
   PACS,     <---------------- | Storage SCU AE | <-------------------------+
   archive   ----------------> +----------------+
                  responses
"""

_SEQUENCE: Final = """
   modality                   Storage SCP AE            workflow           Storage SCU AE              PACS
      | A-ASSOCIATE, C-STORE ...   |                       |                     |                       |
      |--------------------------->| data set on disk      |                     |                       |
      | C-STORE-RSP                |                       |                     |                       |
      |<---------------------------|                       |                     |                       |
      | A-RELEASE-RQ               |                       |                     |                       |
      |--------------------------->| instances recorded    |                     |                       |
      | A-RELEASE-RP               |                       |                     |                       |
      |<---------------------------|                       |                     |                       |
      |                            | group closes, job     |                     |                       |
      |                            |---------------------->| results, job.done   |                       |
      |                            |                       |-------------------->| A-ASSOCIATE, C-STORE  |
      |                            |                       |                     |---------------------->|
      |                            |                       |                     | C-STORE-RSP           |
      |                            |                       |                     |<----------------------|
"""


def implementation_model(facts: Facts) -> Section:
    """What the application entities are, and what makes them act."""
    return Section.of(
        "Implementation model",
        Section.of("Application data flow", Figure(_DATA_FLOW)),
        Section.of(
            "Functional definition of AEs",
            Section.of(
                "Storage SCP AE",
                "Waits for associations on one TCP port, under one or several AE titles: the entries of "
                "`dicom.scp.ae-titles`, which share the port and all limits. It answers C-STORE and, unless that is "
                "disabled, C-ECHO. Each instance is written to a file before it is answered. When the association is "
                "released, its instances are recorded and grouped as the AE title says; each group starts the "
                "workflows of the AE title when it closes.",
            ),
            Section.of(
                "Storage SCU AE",
                "Sends the DICOM files that a finished job has left in its folder to the destinations of its "
                "workflow by C-STORE, and again until each is accepted or given up. It uses the AE title "
                "`dicom.scu.ae-title` and is idle while nothing is due.",
            ),
        ),
        Section.of(
            "Sequencing of real-world activities",
            Figure(_SEQUENCE),
            "Nothing in DICOM ties the two AEs together: what is received and what is sent are different instances "
            "unless a workflow copies its input. A group with a timeout closes when nothing has come for that long; "
            "one without closes at the release. A peer need not send a study over one association.",
            "When the gateway is asked to stop it takes no new associations, gives open ones "
            f"{seconds(timedelta(seconds=facts.settings.dicom.scp.drain_seconds))} to end, and aborts the others.",
        ),
    )


def interfaces(facts: Facts) -> Section:
    """Below DICOM."""
    scp = facts.settings.dicom.scp
    return Section.of(
        "Network interfaces",
        Section.of(
            "Physical network interface",
            "TCP/IP of the operating system, over whatever carries it; IPv4 and IPv6. The Storage SCP AE listens on "
            f"`{scp.host}` port {scp.port} (`dicom.scp.host`, `dicom.scp.port`).",
        ),
        Section.of(
            "Additional protocols",
            "Host names of sources and destinations are resolved by the operating system. An address of a source is "
            "what its name stands for at the last look-up that worked.",
            "From the load balancers that `dicom.scp.proxies` lists the PROXY protocol of HAProxy, version 1 or 2, is "
            "required before the first PDU; the source that it tells is the one that rules and history speak of. It is "
            "spoken with no other peer. No other protocol is used with peers.",
        ),
    )
