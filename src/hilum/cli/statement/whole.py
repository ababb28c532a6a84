"""The statement as a whole, in the order of PS3.2."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from hilum.cli.statement import annexes, services
from hilum.cli.statement.document import Contents, Section, Statement, Table
from hilum.cli.statement.facts import Facts, syntaxes
from hilum.cli.statement.networking import implementation_model, interfaces
from hilum.cli.statement.parameters import configuration
from hilum.cli.statement.scp import scp
from hilum.cli.statement.scu import scu
from hilum.config import Settings
from hilum.wire import (
    DICOM_EDITION,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_LE,
    VERIFICATION,
    name_of,
)


def statement_of(settings: Settings, path: Path | None = None) -> Statement:
    """What the gateway conforms to with these settings.

    Args:
        path: Where they stand; ``None``: they are the defaults.

    Raises:
        PermanentError: A processor cannot be loaded.
    """
    facts = Facts.of(settings, path)
    return Statement(
        title="DICOM conformance statement of Hilum",
        cover=(
            ("Product", f"Hilum {version('hilum')}, a DICOM gateway between imaging devices and AI workflows"),
            ("Standard", f"DICOM PS3 {DICOM_EDITION}"),
            ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
            ("Configuration", str(path) if path else "the defaults"),
        ),
        sections=(
            _overview(facts),
            Section.of("Table of contents", Contents()),
            _introduction(),
            Section.of(
                "Networking",
                implementation_model(facts),
                Section.of("AE specifications", scp(facts), scu(facts)),
                interfaces(facts),
                configuration(facts),
            ),
            annexes.media(),
            annexes.character_sets(),
            annexes.security(facts),
            annexes.annexes(),
        ),
    )


def _overview(facts: Facts) -> Section:
    negotiation = facts.acceptor.negotiation
    echo = syntaxes(negotiation.verification_transfer_syntaxes)
    asked = f"{name_of(IMPLICIT_LE)} ({IMPLICIT_LE})"
    provided = "Yes" if negotiation.verification else "No: disabled"
    rows = [
        (
            "Verification",
            VERIFICATION,
            "Commands only",
            provided,
            f"SCP: {echo}; SCU: {asked}" if negotiation.verification else f"SCU: {asked}",
        ),
        *services.storage("Yes", "Yes", "any"),
    ]
    return Section.of(
        "Conformance statement overview",
        "Hilum receives instances by C-STORE, groups them, runs workflows on the groups, and sends the instances that "
        f"these make by C-STORE. C-ECHO is {'answered' if negotiation.verification else 'disabled'}. Data sets are "
        "stored and sent byte for byte, in whatever transfer syntax they are; none is decoded, converted or changed.",
        Table.of("network-services", ("SOP class", "UID", "User (SCU)", "Provider (SCP)", "Transfer syntaxes"), rows),
        "Not supported: storage commitment, query/retrieve, worklist, procedure steps, print, media interchange, "
        "DICOM web services.",
    )


def _introduction() -> Section:
    return Section.of(
        "Introduction",
        Section.of(
            "Scope",
            "This statement is about the gateway, `hilum serve`. It is made by `hilum conformance` from the program "
            "and its configuration. The commands `hilum echo`, `hilum send` and `hilum receive` use the same code, "
            "with options of their own.",
            "It is meant for those who connect devices to Hilum, and presumes knowledge of DICOM. Two products whose "
            "statements fit together can exchange instances; whether their users can do with them what they want to, "
            "only a test shows.",
        ),
        Section.of(
            "Terms",
            "Terms are those of PS3. *Group*: the instances that one job gets. *Workflow*: a program that takes a "
            "group and makes results. *Job*: one run of a workflow on a group. *Result*: a DICOM file that a job has "
            "left. *Source*, *destination*: a peer that may send, one that results are sent to.",
        ),
    )
