from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from battery.corrupting import Flaw, Proxy
from hilum.battery import CHECKS, Check, Conforms, Deviates, NotObservable, Target, chosen, run
from hilum.battery.octets import AC
from hilum.battery.verdict import Findings, MalformedError, RefusedError, UnobservableError, fact, seen
from hilum.errors import PermanentError, TemporaryError


def check(*findings: object) -> Check:
    """Yields findings, and raises what is an exception."""

    def body(_: Target) -> Findings:
        for finding in findings:
            if isinstance(finding, Exception):
                raise finding
            yield finding  # type: ignore[misc]

    return Check(1, "title", "PS3.8", body)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([seen("AC", "AC")], Conforms()),
        ([seen("ABT 2/0", "ABT 2/2", "ABT 2/0"), seen("AC", "AC")], Conforms("ABT 2/0")),
        ([seen("ABT 0/0", "ABT *")], Conforms()),
        ([seen("AC", "AC"), seen("AC", "RJ *", "ABT 2/?", case="two")], Deviates("AC", "RJ * or ABT 2/?", "two")),
        ([seen("silent", "AC"), RuntimeError("never gets here")], Deviates("silent", "AC")),
        ([fact(True, "others", "all [0]*?")], Conforms()),
        ([fact(False, "others", "nothing else")], Deviates("others", "nothing else")),
        ([seen("AC", "AC"), UnobservableError("no files")], NotObservable("no files")),
        ([RefusedError("RJ 1/1/1")], Deviates("RJ 1/1/1", "AC")),
        ([MalformedError("a PDV header is cut off")], Deviates("a PDV header is cut off", "well-formed bytes")),
    ],
)
def test_the_first_wrong_finding_decides(findings: list[object], verdict: object, target: Target) -> None:
    assert check(*findings).run(target) == verdict


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("5", [5]), ("30-28,5", [5]), ("28-30, 5", [5, 28, 29, 30]), ("14-17", [14, 17]), ("99-", [99])],
)
def test_checks_are_chosen_by_number_and_range(text: str, numbers: list[int]) -> None:
    assert [one.number for one in chosen(text)] == numbers


@pytest.mark.parametrize("text", ["x", "5,", "-5", "1-x", "86", "9" * 99])
def test_what_chooses_no_check_is_refused(text: str) -> None:
    with pytest.raises(PermanentError):
        chosen(text)


def test_nothing_chosen_means_every_check() -> None:
    assert chosen("") == CHECKS


def test_each_outcome_is_told_as_it_comes(target: Target) -> None:
    told = []
    outcomes = run(target, chosen("1,26"), tell=told.append)
    assert [(one.check.number, one.verdict) for one in outcomes] == [(1, Conforms()), (26, Conforms())]
    assert told == outcomes


def test_a_peer_that_rejects_us_altogether_is_not_tested(target: Target) -> None:
    with pytest.raises(PermanentError, match=r"rejects STRANGER \(RJ 1/1/3\).*--calling"):
        run(replace(target, calling="STRANGER"))


def test_a_peer_that_is_not_there_is_not_tested(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(TemporaryError, match="no connection: Connection refused"):
        run(replace(target, port=port))


def test_a_peer_that_says_nothing_is_not_tested(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(TemporaryError, match="met with silent"):
        run(replace(target, port=mute.getsockname()[1], patience=0.2))


def test_when_the_peer_is_lost_the_rest_is_left_out(target: Target) -> None:
    with Proxy(target.port, Flaw()) as proxy:
        mortal = replace(target, port=proxy.port, patience=0.2, recovery=0.3)
        outcomes = run(mortal, chosen("7,26,27"), tell=lambda outcome: outcome.check.number == 7 and proxy.stop())
    assert outcomes[0].verdict == Conforms()
    assert outcomes[1].verdict == Deviates("answers no more", "an answer to the next request for an association")
    assert outcomes[2].verdict == NotObservable("the peer has not answered since check 26")


def test_without_consent_nothing_is_stored(target: Target) -> None:
    stores = [one for one in run(replace(target, stores=False), chosen("67,77,84")) if one.verdict != Conforms()]
    assert [one.verdict for one in stores] == [NotObservable("it would store an instance at the peer")] * 3


def test_what_nobody_waits_for_or_can_look_at_is_not_judged(target: Target) -> None:
    outcomes = run(replace(target, slow=None, shelf=None), chosen("2-4,14,80-83,97-100"))
    assert {type(one.verdict) for one in outcomes} == {NotObservable}


def test_an_acceptance_that_cannot_be_read_deviates(target: Target) -> None:
    def cut(pdu: bytes) -> bytes:
        return pdu[:5] + bytes((pdu[5] - 2,)) + pdu[6:-2] if pdu[0] == AC else pdu

    with Proxy(target.port, Flaw(said=cut)) as proxy:
        (outcome,) = run(replace(target, port=proxy.port), chosen("43"))
    assert outcome.verdict == Deviates("item 50H says 69 bytes", "well-formed bytes")
