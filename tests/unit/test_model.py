from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.model import AETitle, Answer, GroupKey, GroupKind, Uid


@pytest.mark.parametrize("text", ["A", "ABCDEFGHIJKLMNOP", "clara scp", "a.b-c_d", "~!@#$%^&*()", "0"])
def test_1_to_16_printable_characters_are_an_ae_title(text: str) -> None:
    assert AETitle(text) == text


@pytest.mark.parametrize("text", ["  PACS", "PACS    ", "  PACS  ", f"{'PACS':16}"])
def test_spaces_around_an_ae_title_do_not_count(text: str) -> None:
    assert AETitle(text) == "PACS"


def test_spaces_around_an_ae_title_do_not_count_towards_its_length() -> None:
    assert AETitle("   ABCDEFGHIJKLMNOP   ") == "ABCDEFGHIJKLMNOP"


def test_case_counts_in_an_ae_title() -> None:
    assert AETitle("pacs") != AETitle("PACS")


@pytest.mark.parametrize("text", ["", " ", " " * 16])
def test_an_ae_title_of_nothing_but_spaces_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at least one character"):
        AETitle(text)


def test_an_ae_title_of_17_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 characters, this has 17"):
        AETitle("ABCDEFGHIJKLMNOPQ")


@pytest.mark.parametrize("bad", ["\\", "\n", "\t", "\x1b", "\0", "\x7f", "\x1f", "é", "\u00a0", "\u2028", "电"])
def test_an_ae_title_with_a_backslash_a_control_character_or_beyond_ascii_is_refused(bad: str) -> None:
    for text in (f"PA{bad}CS", f"{bad}PACS", f"PACS{bad}"):
        with pytest.raises(ValueError, match="may not contain") as raised:
            AETitle(text)
        assert repr(bad) in str(raised.value)


@pytest.mark.parametrize("text", ["1", "0", "1.2", "1.2.840.10008.1.1", "2.25.329800735698586629295641978511506172918"])
def test_digits_and_dots_are_a_uid(text: str) -> None:
    assert Uid(text) == text


def test_64_characters_are_a_uid_and_65_are_not() -> None:
    longest = ("1." * 32)[:63] + "2"
    assert len(Uid(longest)) == 64
    with pytest.raises(ValueError, match="at most 64 characters, this has 65"):
        Uid(longest + "3")


@pytest.mark.parametrize("text", ["1.2.3\0", "1.2.3 ", "1.2.3\0\0", "1.2.3 \0"])
def test_padding_behind_a_uid_is_removed(text: str) -> None:
    assert Uid(text) == "1.2.3"


def test_padding_does_not_count_towards_the_length_of_a_uid() -> None:
    assert len(Uid("1" * 64 + "\0")) == 64


def test_a_leading_zero_in_a_uid_is_let_pass() -> None:
    assert Uid("1.02.3") == "1.02.3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        " ",
        " 1.2.3",
        "\x001.2.3",
        ".",
        "..",
        "../1.2.3",
        "1.2.3/../../etc/passwd",
        "/etc/passwd",
        "1..2",
        ".1.2",
        "1.2.",
        "1.2.3\n",
        "1.2.a",
        "1,2",
        "-1.2",
        "1.2.3\x00/x",
        "１.２",  # noqa: RUF001  digits to str.isdigit, not to DICOM
        "1.2.٣",
    ],
)
def test_whatever_else_is_no_uid(text: str) -> None:
    with pytest.raises(ValueError, match="a UID is made of numbers joined by dots"):
        Uid(text)


def test_the_message_about_a_bad_uid_is_short_and_shows_control_characters_harmlessly() -> None:
    with pytest.raises(ValueError, match="a UID") as raised:
        Uid("1.2\x1b[31m\n")
    assert "\x1b" not in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=70))
def test_a_uid_is_always_safe_as_a_file_name(text: str) -> None:
    try:
        uid = Uid(text)
    except ValueError:
        return
    assert 1 <= len(uid) <= 64
    assert set(uid) <= set("0123456789.")
    assert ".." not in uid
    assert not uid.startswith(".")


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=20))
def test_an_ae_title_is_always_fit_for_the_wire(text: str) -> None:
    try:
        title = AETitle(text)
    except ValueError:
        return
    assert 1 <= len(title.encode("ascii")) <= 16
    assert title == title.strip(" ")
    assert AETitle(title) == title


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116])
def test_success_and_warnings_mean_that_the_peer_has_the_instance(status: int) -> None:
    assert Answer(status=status).accepted


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA900, 0xC000, 0xC123, 0xFE00, 0xFF00, 0x0110, 0x0117, 0x0122])
def test_failures_and_what_is_no_final_status_mean_that_it_has_not(status: int) -> None:
    assert not Answer(status=status).accepted


def test_values_do_not_change() -> None:
    key = GroupKey(kind=GroupKind.PATIENT, value="P1", scope="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        key.value = "P2"  # type: ignore[misc]


def test_group_kinds_are_spelled_as_the_specification_spells_them() -> None:
    assert [str(kind) for kind in GroupKind] == ["Association", "Patient", "Study", "Series"]
