"""What fuzzing has found, each input as short as it can be."""

from __future__ import annotations

from fuzz.targets.configuration import configuration
from fuzz.targets.part10 import part10

from hilum.store.part10 import NotDicom, read_meta


def test_a_file_that_ends_behind_its_prefix_is_refused_in_64_characters() -> None:
    """`read_meta` promises a reason of at most 64 characters and gave one of 65."""
    head = bytes(128) + b"DICM"
    part10(head)
    meta = read_meta(head)
    assert isinstance(meta, NotDicom)
    assert len(meta.why) <= 64


def test_a_variable_with_a_line_break_in_its_name_is_reported_in_one_line() -> None:
    """The name stood in the message as it was, and with it the line break."""
    configuration(b"{}\nHILUM__\r")
    configuration(b"{}\nHILUM____\r")


def test_a_variable_whose_name_is_not_utf_8_is_reported_so_that_it_can_be_printed() -> None:
    """The foreign byte stood in the message as half of a character: printing it failed."""
    configuration(b"{}\nHILUM__\xc4")
    configuration(b"{}\nHILUM__\xc4__")


def test_a_text_of_several_lines_where_a_list_is_expected_is_reported_in_one_line() -> None:
    """The hint repeated the text with its line breaks."""
    configuration(b"workflows: |\n e\n")
