"""The Storage SCP AE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hilum import words
from hilum.cli.statement import scp_answers, services
from hilum.cli.statement.document import Section, Table
from hilum.cli.statement.facts import Facts, seconds, syntaxes
from hilum.config import AbortedAssociations
from hilum.wire import APPLICATION_CONTEXT, VERIFICATION
from hilum.wire.dimse import MAX_COMMAND_BYTES
from hilum.wire.items import MAX_ITEMS
from hilum.wire.pdu import DEFAULT_MAX_LENGTH, LENGTHS, MIN_MAX_LENGTH, PduType
from hilum.wire.uids import STORAGE_SERVICE_CLASS


def scp(facts: Facts) -> Section:
    """The specification of the AE."""
    return Section.of(
        "Storage SCP AE specification",
        _sop_classes(facts),
        _policies(facts),
        Section.of("Association initiation policy", "The Storage SCP AE never initiates an association."),
        Section.of(
            "Association acceptance policy",
            _admission(facts),
            _activity(facts),
            _communication_failure(),
            _timeouts(facts),
        ),
    )


def _sop_classes(facts: Facts) -> Section:
    verification = "Yes" if facts.acceptor.negotiation.verification else "No: disabled"
    rows = [("Verification", VERIFICATION, "No", verification), *services.storage("No", "Yes")]
    return Section.of(
        "SOP classes",
        Table.of("scp-sop-classes", ("SOP class", "UID", "SCU", "SCP"), rows),
        "A SOP class that is none of these is taken all the same if SOP Class Common Extended Negotiation declares "
        f"its service class to be Storage ({STORAGE_SERVICE_CLASS}).",
    )


def _policies(facts: Facts) -> Section:
    acceptor = facts.acceptor
    general = [
        ("Application context name", APPLICATION_CONTEXT),
        ("Maximum PDU length received", f"{acceptor.max_pdu_length} bytes (`dicom.scp.max-pdu-length`)"),
        (
            "Maximum PDU length sent",
            (
                f"what the peer says; {DEFAULT_MAX_LENGTH} bytes if it says nothing; less than {MIN_MAX_LENGTH} but "
                "not 0 is aborted"
            ),
        ),
        ("Longest A-ASSOCIATE-RQ", f"{LENGTHS[PduType.ASSOCIATE_RQ][1]} bytes, {MAX_ITEMS} items in one parent"),
        ("Longest command set", f"{MAX_COMMAND_BYTES} bytes"),
        ("Largest data set", f"{acceptor.object_bytes} bytes (`dicom.scp.limits.object-gb`)"),
    ]
    number = [
        ("Associations at a time", f"{acceptor.rules.max_associations} (`dicom.scp.max-associations`)"),
        (
            "Connections at a time that are no association",
            (
                f"{acceptor.pre_association}, of one address {acceptor.pre_association_per_host}; one more is closed "
                "without an answer (`dicom.scp.limits`)"
            ),
        ),
    ]
    return Section.of(
        "Association policies",
        Section.of("General", Table.of("scp-association", ("Property", "Value"), general)),
        Section.of("Number of associations", Table.of("scp-associations", ("Property", "Value"), number)),
        Section.of(
            "Asynchronous nature",
            "Asynchronous operations are not supported: the window is never negotiated, which means 1/1. Requests that "
            "come before the answer to the one before them are answered in their order.",
        ),
        services.identification("scp-implementation"),
    )


def _admission(facts: Facts) -> Section:
    checked = "are checked" if facts.acceptor.rules.reject_unknown_sources else "are not checked as configured"
    return Section.of(
        "Acceptance and rejection",
        "An association is accepted when none of the following applies; they are checked in this order. AE titles "
        "are compared case-sensitively, without leading and trailing spaces. Calling AE title and address "
        f"{checked} (`dicom.scp.reject-unknown-sources`).",
        scp_answers.rejections(),
        "An association of which no presentation context can be accepted is accepted all the same.",
        "An association, or the connection before it, is aborted for these reasons:",
        scp_answers.aborts(),
    )


def _activity(facts: Facts) -> Section:
    return Section.of(
        "Activity: receive instances",
        Section.of(
            "Description and sequencing of activities",
            "A peer opens an association, sends any number of C-ECHO and C-STORE requests in any order, and releases "
            "it. Every priority is taken; Move Originator AE title and message ID are ignored. A-RELEASE-RP is "
            "sent once all instances of the association are recorded, on disk; from then on each of them reaches the "
            "workflows of its AE title whatever happens to the gateway.",
            "Before the release nothing is started with an instance. No meaning is attached to the order of instances "
            "or to how they are spread over associations.",
        ),
        _contexts(facts),
        _extended_negotiation(),
        Section.of("SOP specific conformance for Verification", *_disabled(facts), scp_answers.echo_statuses()),
        _storage(facts),
        Section.of("Other requests", scp_answers.other_statuses()),
    )


def _disabled(facts: Facts) -> Sequence[str]:
    if facts.acceptor.negotiation.verification:
        return ()
    return ("Verification is disabled (`dicom.scp.verification.enabled`): no presentation context of it is accepted.",)


def _contexts(facts: Facts) -> Section:
    negotiation = facts.acceptor.negotiation
    any_syntax = "any: the first that the peer proposes"
    rows = [
        ("Any Storage SOP class, private ones included", "as proposed", any_syntax, "SCP", "None"),
    ]
    if negotiation.verification:
        accepted = syntaxes(negotiation.verification_transfer_syntaxes)
        wanted = f"the first that the peer proposes of: {accepted}"
        rows.insert(0, ("Verification", VERIFICATION, wanted, "SCP", "None"))
    columns = ("Abstract syntax", "UID", "Transfer syntax", "Role", "Extended negotiation")
    return Section.of(
        "Accepted presentation contexts",
        Table.of("scp-presentation-contexts", columns, rows),
        "Each proposed context is judged by itself, so one SOP class may be proposed in several contexts.",
        scp_answers.context_replies(),
    )


def _extended_negotiation() -> Section:
    rows = [
        ("SCP/SCU role selection (54H)", "the role SCU is granted if proposed, the role SCP never"),
        ("Asynchronous operations window (53H)", "ignored"),
        ("SOP class extended negotiation (56H)", "ignored"),
        ("SOP class common extended negotiation (57H)", "the service class is read; there is no answer to it"),
        (
            "User identity (58H)",
            "ignored: no user is authenticated, and what is told of one is neither kept nor logged",
        ),
        ("anything else", "ignored"),
    ]
    return Section.of("Negotiation", Table.of("scp-negotiation", ("Item", "Treatment"), rows))


def _storage(facts: Facts) -> Section:
    scp = facts.settings.dicom.scp
    accepting = [ae.title for ae in scp.ae_titles if ae.aborted_associations is AbortedAssociations.ACCEPT]
    exception = f" As configured, these are {words.listed(accepting)}." if accepting else ""
    held = words.duration(timedelta(seconds=scp.aborted_retention)) if scp.aborted_retention else "no time"
    return Section.of(
        "SOP specific conformance for Storage",
        "Level 2 (Full) storage: every element of the data set is kept, Standard, Standard Extended and private ones, "
        "byte for byte as received and in its transfer syntax. Nothing is decoded, converted or coerced, no warning "
        "status is used and no element is discarded. Digital signatures stay as valid as they were. Error Comment "
        "(0000,0902) tells the reason of a failure; Offending Element (0000,0901) is not sent.",
        scp_answers.store_statuses(),
        "The data set of a request that fails is read to its end and dropped; the association goes on.",
        "An instance whose SOP Instance UID came before is answered like any other. Of all instances with one UID in "
        "a group one counts: the first, or with `overwrite-same-instance` the last.",
        "Success is a promise to store, not yet to process. Instances of an association that ends otherwise than by "
        f"release are held for {held} (`dicom.scp.aborted-retention`) until an operator accepts them, and are then "
        f"removed; AE titles with `aborted-associations: accept` take them as if released.{exception}",
        "Stored instances can be reached in the folders of jobs; they cannot be queried or retrieved by DICOM. "
        "Storage commitment is not offered.",
    )


def _communication_failure() -> Section:
    rows = [
        ("No complete A-ASSOCIATE-RQ in time", "the connection is closed without an answer"),
        ("A-ABORT is received, or the connection is lost", "the association ends as described for Storage"),
        (
            "A time has run out after the A-ASSOCIATE-RQ",
            "A-ABORT is sent, if the peer still reads; the association ends as described for Storage",
        ),
        ("The association ends within a data set", "what there is of the instance is removed"),
    ]
    return Section.of(
        "Communication failure behaviour",
        Table.of("scp-communication-failure", ("Failure", "Behaviour"), rows),
        "Each failure is written to the log, with its reason; a rejection, an instance that is refused and the end of "
        "an association that had stored something are also in the history, which `hilum history` shows.",
    )


def _timeouts(facts: Facts) -> Section:
    acceptor = facts.acceptor
    rows = [
        ("From the connection to the complete A-ASSOCIATE-RQ (ARTIM)", seconds(acceptor.artim), _key("artim")),
        ("For the peer to close the connection at the end (ARTIM)", seconds(acceptor.artim), _key("artim")),
        ("From the first to the last byte of one PDU", seconds(acceptor.pdu), _key("pdu")),
        ("Between two PDUs", seconds(acceptor.idle), _key("idle")),
        ("For the peer to take an answer", seconds(acceptor.write), "fixed"),
    ]
    return Section.of("Timeouts", Table.of("scp-timeouts", ("Time", "Value", "Key"), rows))


def _key(name: str) -> str:
    return f"`dicom.scp.timeouts.{name}`"
