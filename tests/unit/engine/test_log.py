from __future__ import annotations

from hilum.engine.log import readable


def test_the_tail_of_a_log_is_its_last_lines() -> None:
    assert readable(b"one\ntwo\nthree\n", 2) == "two\nthree"
    assert readable(b"one\ntwo", 5) == "one\ntwo"
    assert readable(b"one\n", 0) == ""
    assert readable(b"", 5) == ""


def test_a_progress_bar_is_shown_as_it_ended() -> None:
    assert readable(b" 10%\r 50%\r100%\r\ndone\n", 5) == "100%\ndone"


def test_a_log_cannot_write_to_the_terminal_of_its_reader() -> None:
    assert (
        readable(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \xff \x9b2J\ttab", 1)
        == r"red \x1b]0;title\x07 " + "\ufffd \ufffd2J\ttab"
    )
    assert readable("\u202ereversed \x9b2J".encode(), 1) == r"\u202ereversed \x9b2J"
