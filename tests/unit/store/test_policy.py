from __future__ import annotations

import pytest

from hilum.model import Header, StoreRequest, Uid
from hilum.store import policy

CT, MR = Uid("1.2.840.10008.5.1.4.1.1.2"), Uid("1.2.840.10008.5.1.4.1.1.4")
INSTANCE = Uid("1.2.3.4")
REQUEST = StoreRequest(sop_class=CT, sop_instance=INSTANCE, transfer_syntax=Uid("1.2.840.10008.1.2"), message_id=1)


def header(sop_class: str = CT, sop_instance: str = INSTANCE) -> Header:
    return Header(sop_class=sop_class, sop_instance=sop_instance, modality="CT", patient_id="", study="", series="")


def test_an_instance_is_taken_when_there_is_room_and_nobody_ignores_its_class() -> None:
    assert policy.before(REQUEST, full=None, ignored=()) is None


def test_an_ignored_sop_class_is_answered_with_success() -> None:
    answer = policy.before(REQUEST, full=None, ignored={CT})
    assert answer is policy.SUCCESS
    assert policy.SUCCESS.status == 0x0000


def test_only_the_ignored_sop_class_is_ignored() -> None:
    assert policy.before(REQUEST, full=None, ignored={MR}) is None


def test_a_full_disk_is_out_of_resources_and_the_peer_is_not_told_which() -> None:
    answer = policy.before(REQUEST, full="/spool: 91.0 % used, limit 85 %", ignored=())
    assert answer is not None
    assert (answer.status, answer.comment) == (0xA700, "no room for more instances now; try again later")


def test_an_ignored_instance_needs_no_room() -> None:
    assert policy.before(REQUEST, full="full", ignored={CT}) is policy.SUCCESS


def test_a_data_set_that_is_what_its_command_says_is_kept() -> None:
    assert policy.after(REQUEST, header()) is None


def test_padding_in_the_data_set_makes_no_difference() -> None:
    assert policy.after(REQUEST, header(sop_instance=INSTANCE + "\0")) is None


@pytest.mark.parametrize("found", ["1.2.3.5", "1.2.3.4.1", "1.2.3", "not a uid", "1.2.3.4/../x"])
def test_a_data_set_of_another_instance_does_not_match(found: str) -> None:
    answer = policy.after(REQUEST, header(sop_instance=found))
    assert answer is not None
    assert answer.status == 0xA900
    assert "SOP Instance UID" in answer.comment


def test_a_data_set_of_another_class_does_not_match() -> None:
    answer = policy.after(REQUEST, header(sop_class=MR))
    assert answer is not None
    assert answer.status == 0xA900
    assert "SOP Class UID" in answer.comment


@pytest.mark.parametrize("missing", ["sop_class", "sop_instance"])
def test_a_data_set_that_does_not_say_what_it_is_does_not_match(missing: str) -> None:
    answer = policy.after(REQUEST, header(**{missing: ""}))
    assert answer is not None
    assert answer.status == 0xA900
    assert "missing" in answer.comment


def test_comments_fit_into_the_error_comment_of_the_answer() -> None:
    """(0000,0902) is LO: 64 characters. Source: PS3.5 Table 6.2-1."""
    found = [policy.unreadable("x" * 200), policy.out_of_resources("y" * 200)]
    found += [answer for bad in ("", "9.9") for answer in [policy.after(REQUEST, header(sop_class=bad))] if answer]
    assert len(found) == 4
    assert all(0 < len(answer.comment) <= 64 for answer in found)


def test_an_unreadable_data_set_cannot_be_understood() -> None:
    assert policy.unreadable("truncated").status == 0xC000


def test_what_is_refused_is_not_accepted() -> None:
    assert not policy.unreadable("truncated").accepted
    assert not policy.out_of_resources("full").accepted
