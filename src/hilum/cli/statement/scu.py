"""The Storage SCU AE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

from hilum import words
from hilum.association.requestor import MAX_CONTEXTS, MAX_PDU_BYTES
from hilum.cli.statement import scp_answers, services
from hilum.cli.statement.document import Section, Table
from hilum.cli.statement.facts import Facts, code, seconds
from hilum.deliver.policy import MISCONFIGURED_WAIT, PERMANENT_ATTEMPTS, Fault, fault_of
from hilum.ledger.dispatch import PARCEL
from hilum.ledger.lease import MAX_BEGUN
from hilum.model import Answer
from hilum.retry import SPREAD
from hilum.wire import APPLICATION_CONTEXT, IMPLICIT_LE, VERIFICATION, Reject, name_of
from hilum.wire.pdu import DEFAULT_MAX_LENGTH, MAX_FRAGMENT_BYTES

#: What brings each fault about, and what is done next. ``{later}`` is the ordinary schedule.
FAULTS: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.UNREACHABLE: (
        (
            "no connection or no association, a transient rejection, an abort, a time that has run out, a violation of "
            "the protocol"
        ),
        "{later}",
    ),
    Fault.MISCONFIGURED: (
        "a permanent rejection; the destination is not configured any more",
        "{later}, but not more often than every {misconfigured}",
    ),
    Fault.FULL: (
        "a status that says that the peer has no room",
        "{later}",
    ),
    Fault.BUSY: ("a status that says that the peer cannot now, or that is not known", "{later}"),
    Fault.REFUSED: (
        "a status that says that the peer will not have the instance; its presentation context was not accepted",
        "{later}, {attempts} attempts in all",
    ),
    Fault.LOCAL: (
        "the file is gone or cannot be read",
        "{later}, {attempts} attempts in all",
    ),
    Fault.DAMAGED: (
        "the file has another size or SHA-256 than when the job ended",
        "given up at once; the file is moved to the job folder's `quarantine/`",
    ),
    Fault.POISON: (
        f"the gateway itself ended {MAX_BEGUN} times in a row while it sent the file",
        "given up",
    ),
}


def scu(facts: Facts) -> Section:
    """The specification of the AE."""
    return Section.of(
        "Storage SCU AE specification",
        _sop_classes(),
        _policies(facts),
        Section.of("Association initiation policy", _activity(facts), _communication_failure(facts), _timeouts(facts)),
        Section.of("Association acceptance policy", "The Storage SCU AE never accepts an association."),
    )


def _sop_classes() -> Section:
    return Section.of(
        "SOP classes",
        Table.of("scu-sop-classes", ("SOP class", "UID", "SCU", "SCP"), services.storage("Yes", "No")),
        "The SOP class is the one that the result's data set names; it is not looked at any further.",
        f"The commands `hilum echo` and `hilum check --probe` are SCU of Verification ({VERIFICATION}, in "
        f"{name_of(IMPLICIT_LE)}); the AE itself sends no C-ECHO.",
    )


def _policies(facts: Facts) -> Section:
    general = [
        ("Application context name", APPLICATION_CONTEXT),
        ("Maximum PDU length received", f"{MAX_PDU_BYTES} bytes"),
        (
            "Maximum PDU length sent",
            (
                f"what the peer says, up to {MAX_FRAGMENT_BYTES} bytes of data; {DEFAULT_MAX_LENGTH} bytes if it says "
                "nothing"
            ),
        ),
    ]
    number = [
        (
            "Associations at a time that carry instances, to all destinations",
            f"{facts.delivery.max_associations} (`dicom.scu.max-associations`)",
        ),
        ("Presentation contexts proposed", f"1 to {MAX_CONTEXTS}"),
    ]
    return Section.of(
        "Association policies",
        Section.of("General", Table.of("scu-association", ("Property", "Value"), general)),
        Section.of(
            "Number of associations",
            Table.of("scu-associations", ("Property", "Value"), number),
            "A destination that failed last time, or does not answer promptly, is first asked for an association that "
            "is released at once and carries nothing. It does not count towards the limit. One that has just come back "
            "gets one association, then twice as many each time that one went well.",
        ),
        Section.of(
            "Asynchronous nature",
            "Asynchronous operations are not supported: the window is not proposed, and the next request is sent after "
            "the response to the one before it.",
        ),
        services.identification("scu-implementation"),
    )


def _activity(facts: Facts) -> Section:
    return Section.of(
        "Activity: send results",
        Section.of(
            "Description and sequencing of activities",
            "When a job has ended, its results are sent to each destination of its workflow at once: one association "
            "for the results of one job to one destination, released when each of them has its answer; several for "
            f"more than {PARCEL} results or {MAX_CONTEXTS} presentation contexts. Each result is judged by itself: "
            "what fails is tried again, what was accepted is not sent again, unless the gateway ended "
            "between the response and the record of it.",
        ),
        Section.of(
            "Proposed presentation contexts",
            Table.of(
                "scu-presentation-contexts",
                ("Abstract syntax", "UID", "Transfer syntax", "Role", "Extended negotiation"),
                [("Each SOP class of the results", "as in the results", "that of the result, alone", "SCU", "None")],
            ),
            "There is one context for each pair of SOP class and transfer syntax. No role, no asynchronous window, no "
            "extended negotiation and no user identity is proposed.",
        ),
        Section.of(
            "SOP specific conformance for Storage",
            "The data set of the file is sent byte for byte, in its transfer syntax; preamble and group 0002 are not "
            "sent. A deflated data set of odd length gets the NUL that makes it even. Nothing is converted: a peer "
            "that does not accept the transfer syntax does not get the instance. Affected SOP Class and Instance UID "
            "are those of the data set; the priority is MEDIUM; Move Originator is not sent.",
            _statuses(facts),
        ),
    )


def _statuses(facts: Facts) -> Table:
    """What every possible status leads to, asked of the code that decides it."""
    rows = [
        (_range(first, last), meaning, reaction)
        for first, last, meaning, reaction in _reactions(facts)
        if meaning != _UNKNOWN
    ]
    rows.append(("any other", _UNKNOWN, _then(facts, Fault.BUSY)))
    return Table.of("store-scu-statuses", ("Status", "Meaning", "Behaviour"), rows)


_UNKNOWN: Final = words.status_meaning(0xFFFF)


def _reactions(facts: Facts) -> Iterator[tuple[int, int, str, str]]:
    """First and last status, meaning and behaviour of each run of statuses that are treated alike."""
    thens = {fault: _then(facts, fault) for fault in Fault}

    def treatment(status: int) -> tuple[str, str]:
        answer = Answer(status=status)
        meaning = words.status_meaning(status)
        if answer.accepted:
            success = "delivered" if status == 0 else "delivered; the history says with which warning"
            return (meaning if meaning != _UNKNOWN else "warning"), success
        fault = fault_of(answer)
        known = meaning != _UNKNOWN or fault is Fault.BUSY
        return (meaning if known else "failure"), thens[fault]

    for (meaning, reaction), run in groupby(range(0x10000), key=treatment):
        statuses = list(run)
        yield statuses[0], statuses[-1], meaning, reaction


def _range(first: int, last: int) -> str:
    return code(first) if first == last else f"{code(first)}-{code(last)}"


def _then(facts: Facts, fault: Fault) -> str:
    """What is done about a fault, in one clause."""
    seldom = min(MISCONFIGURED_WAIT, facts.delivery.retry.waits[-1])
    return FAULTS[fault][1].format(
        later="tried again later", misconfigured=words.duration(seldom), attempts=PERMANENT_ATTEMPTS
    )


def _communication_failure(facts: Facts) -> Section:
    rule = facts.delivery.retry
    waits = words.listed([words.duration(wait) for wait in rule.waits])
    rejects = [
        (
            str(reject.result),
            str(reject.source),
            str(reject.reason),
            scp_answers.meaning(reject),
            _then(facts, Fault.UNREACHABLE if reject.transient else Fault.MISCONFIGURED),
        )
        for reject in rejections()
    ]
    rows = [(fault.value, cause, _then(facts, fault)) for fault, (cause, _) in FAULTS.items()]
    return Section.of(
        "Communication failure behaviour",
        Table.of("scu-faults", ("Fault", "Cause", "Behaviour"), rows),
        f"*Later* is after {waits} (`dicom.scu.retry.waits`; the last wait repeats). A result is given up when its "
        f"next attempt would be more than {words.duration(rule.give_up_after)} after its job has ended "
        "(`dicom.scu.retry.give-up-after`), or when it has no attempt left; an operator sees it and can have it sent "
        "again.",
        "An A-ASSOCIATE-RJ is understood as follows; other reasons count by their result.",
        Table.of("scu-rejections", ("Result", "Source", "Reason", "Meaning", "Behaviour"), rejects),
        "When there is no association, or it breaks, or the peer has no room, nothing more is sent to that peer: it is "
        "asked, at the times above, for an association that carries nothing, and the results go on when it takes one. "
        "Only the result that was on its way has used up an attempt. One that was on its way at such a moment before "
        "is sent after all others, and what happens to it then is not held against the peer. Each time is made longer "
        f"or shorter by up to {SPREAD:.0%}, at random.",
        "A response with another message ID, command field or presentation context than expected, one without status "
        "or with a data set, and a violation of PS3.8 abort the association. Whether the peer has the instance is then "
        "unknown, and it is sent again.",
    )


def rejections() -> tuple[Reject, ...]:
    """Every reason for which the standard has a number."""
    known = (value for value in vars(Reject).values() if isinstance(value, Reject))
    return tuple(sorted(known, key=lambda reject: (reject.result, reject.source, reject.reason)))


def _timeouts(facts: Facts) -> Section:
    timeouts = facts.delivery.timeouts
    rows = [
        ("For the TCP connection, to each address", seconds(timeouts.connect), _key("connect")),
        ("For the answer to the A-ASSOCIATE-RQ", seconds(timeouts.association), _key("association")),
        ("For a response, from the last byte of the request", seconds(timeouts.dimse), _key("dimse")),
        ("From the first to the last byte of one PDU", seconds(timeouts.pdu), "fixed"),
        ("For the peer to take up to 1 MiB", seconds(timeouts.write), "fixed"),
        ("For the A-RELEASE-RP", seconds(timeouts.release), "fixed"),
    ]
    return Section.of("Timeouts", Table.of("scu-timeouts", ("Time", "Value", "Key"), rows))


def _key(name: str) -> str:
    return f"`dicom.scu.timeouts.{name}`"
