"""Who may open an association: every rule, its order, and what the operator is told."""

from __future__ import annotations

import pytest

from hilum.association.admission import Accepted, AdmissionRules, Rejected, Source, admit
from hilum.model import AETitle
from hilum.wire import AssociateRequest, Reject


def rules(
    *sources: tuple[str, str], called: str = "HILUM", reject_unknown: bool = True, at_most: int = 2
) -> AdmissionRules:
    return AdmissionRules(
        called=frozenset({AETitle(called)}),
        sources=tuple(Source.parse(host, AETitle(title)) for host, title in sources),
        reject_unknown_sources=reject_unknown,
        max_associations=at_most,
    )


def request(calling: str = "CT1", called: str = "HILUM") -> AssociateRequest:
    return AssociateRequest(called=called, calling=calling, contexts=())


def rejected(decision: Accepted | Rejected) -> Rejected:
    assert isinstance(decision, Rejected)
    return decision


def test_a_known_source_is_accepted_with_checked_titles() -> None:
    decision = admit(request(calling="CT1  "), "10.0.0.5", rules(("10.0.0.5", "CT1")), open_count=0)
    assert decision == Accepted(calling=AETitle("CT1"), called=AETitle("HILUM"))


@pytest.mark.parametrize(
    ("host_ip", "host", "allowed"),
    [
        ("10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5", "10.0.0.6", False),
        ("10.0.0.0/24", "10.0.0.200", True),
        ("10.0.0.0/24", "10.0.1.1", False),
        ("10.0.0.77/24", "10.0.0.1", True),  # bits right of the prefix do not matter
        ("0.0.0.0/0", "203.0.113.9", True),
        ("10.0.0.5", "::ffff:10.0.0.5", True),  # IPv4 through an IPv6 socket
        ("::ffff:10.0.0.5", "10.0.0.5", True),
        ("::ffff:10.0.0.0/120", "10.0.0.9", True),
        ("fd00::5", "fd00::5", True),
        ("fd00::5", "fd00:0:0::6", False),
        ("fd00::/8", "fd12:3456::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("10.0.0.5", "fd00::5", False),
        ("scanner.example", "10.0.0.5", False),  # a host name without addresses admits nobody
    ],
)
def test_the_address_must_belong_to_the_title(host_ip: str, host: str, allowed: bool) -> None:
    decision = admit(request(), host, rules((host_ip, "CT1")), open_count=0)
    assert isinstance(decision, Accepted) is allowed
    if isinstance(decision, Rejected):
        assert decision.reject == Reject.CALLING_NOT_RECOGNIZED
        assert host_ip in decision.why


def test_any_of_several_entries_with_the_title_may_match() -> None:
    known = rules(("10.0.0.1", "CT1"), ("10.0.0.5", "CT1"), ("10.0.0.9", "MR1"))
    assert isinstance(admit(request(), "10.0.0.5", known, open_count=0), Accepted)
    assert isinstance(admit(request(), "10.0.0.9", known, open_count=0), Rejected)


def test_an_unknown_calling_title_is_told_with_its_remedy() -> None:
    decision = rejected(admit(request(), "10.0.0.9", rules(("10.0.0.5", "MR1")), open_count=0))
    assert decision.reject == Reject.CALLING_NOT_RECOGNIZED == Reject(1, 1, 3)
    assert decision.why == "calling AE title 'CT1' from 10.0.0.9 is not in dicom.scp.sources"
    assert decision.remedy == "add {host-ip: 10.0.0.9, ae-title: CT1} to dicom.scp.sources"


def test_a_known_title_from_a_wrong_address_is_told_where_it_belongs() -> None:
    decision = rejected(admit(request(), "10.0.0.9", rules(("10.0.0.5", "CT1")), open_count=0))
    assert decision.reject == Reject.CALLING_NOT_RECOGNIZED
    assert "10.0.0.9" in decision.why
    assert "10.0.0.5" in decision.why


def test_titles_are_case_sensitive_and_the_operator_gets_a_hint() -> None:
    decision = rejected(admit(request(calling="ct1"), "10.0.0.5", rules(("10.0.0.5", "CT1")), open_count=0))
    assert decision.reject == Reject.CALLING_NOT_RECOGNIZED
    assert "'CT1'" in decision.why
    decision = rejected(admit(request(called="hilum"), "10.0.0.5", rules(("10.0.0.5", "CT1")), open_count=0))
    assert decision.reject == Reject.CALLED_NOT_RECOGNIZED
    assert "'HILUM'" in decision.why


def test_an_unresolved_host_name_is_named_as_the_cause() -> None:
    decision = rejected(admit(request(), "10.0.0.5", rules(("scanner.example", "CT1")), open_count=0))
    assert "scanner.example (a host name that cannot be resolved now)" in decision.why


def test_anybody_may_come_if_unknown_sources_are_not_rejected() -> None:
    decision = admit(request(calling="WHOEVER"), "203.0.113.9", rules(reject_unknown=False), open_count=0)
    assert isinstance(decision, Accepted)


@pytest.mark.parametrize("title", ["", "    ", "A\\B", "A\nB", "A\x1b[2J", "\\xc3\\xa9", "SEVENTEEN_LETTERS"])
def test_an_invalid_title_is_never_recognized(title: str) -> None:
    open_door = rules(reject_unknown=False)
    decision = rejected(admit(request(calling=title), "10.0.0.5", open_door, open_count=0))
    assert decision.reject == Reject.CALLING_NOT_RECOGNIZED
    assert decision.why.isprintable()
    decision = rejected(admit(request(called=title), "10.0.0.5", open_door, open_count=0))
    assert decision.reject == Reject.CALLED_NOT_RECOGNIZED == Reject(1, 1, 7)
    assert decision.why.isprintable()


def test_the_called_title_is_told_with_the_ones_that_exist() -> None:
    decision = rejected(admit(request(called="OTHER"), "10.0.0.5", rules(("10.0.0.5", "CT1")), open_count=0))
    assert decision.reject == Reject.CALLED_NOT_RECOGNIZED
    assert "'OTHER'" in decision.why
    assert "'HILUM'" in decision.remedy


def test_the_limit_is_the_number_of_associations_open_at_once() -> None:
    known = rules(("10.0.0.5", "CT1"), at_most=2)
    assert isinstance(admit(request(), "10.0.0.5", known, open_count=1), Accepted)
    decision = rejected(admit(request(), "10.0.0.5", known, open_count=2))
    assert decision.reject == Reject.LOCAL_LIMIT == Reject(2, 3, 2)
    assert decision.reject.transient


def test_congestion_is_transient_and_says_why() -> None:
    decision = rejected(
        admit(request(), "10.0.0.5", rules(("10.0.0.5", "CT1")), open_count=0, congested="the disk is 86 % full")
    )
    assert decision.reject == Reject.CONGESTION == Reject(2, 3, 1)
    assert decision.why == "the disk is 86 % full"


def test_checks_come_in_the_order_calling_called_limit_congestion() -> None:
    known = rules(("10.0.0.5", "CT1"), at_most=1)
    order = []
    for calling, called, open_count, congested in [
        ("XX", "XX", 1, "full"),
        ("CT1", "XX", 1, "full"),
        ("CT1", "HILUM", 1, "full"),
        ("CT1", "HILUM", 0, "full"),
    ]:
        decision = admit(
            request(calling=calling, called=called), "10.0.0.5", known, open_count=open_count, congested=congested
        )
        order.append(rejected(decision).reject)
    assert order == [
        Reject.CALLING_NOT_RECOGNIZED,
        Reject.CALLED_NOT_RECOGNIZED,
        Reject.LOCAL_LIMIT,
        Reject.CONGESTION,
    ]


def test_only_text_that_is_no_address_is_a_host_name() -> None:
    named = [
        Source.parse(text, AETitle("A")).named for text in ("10.0.0.1", "10.0.0.0/8", "fd00::1", "ct.example", "ct_1")
    ]
    assert named == [False, False, False, True, True]
