from __future__ import annotations

from hilum.cli.outbox import Outgoing
from hilum.cli.sending import by_contexts
from hilum.model import Uid


def file(number: int, sop_class: int) -> Outgoing:
    return Outgoing(
        path=str(number),
        sop_class=Uid(f"1.2.840.10008.5.1.4.1.1.{sop_class}"),
        sop_instance=Uid(f"1.{number}"),
        transfer_syntax=Uid("1.2.840.10008.1.2.1"),
        offset=0,
        length=2,
    )


def test_files_of_up_to_128_contexts_go_together_in_their_order() -> None:
    files = [file(number, number % 128) for number in range(300)]
    assert [list(part) for part in by_contexts(files)] == [files]


def test_the_129th_context_begins_another_part() -> None:
    files = [file(number, number) for number in range(300)]
    parts = list(by_contexts(files))
    assert [len(part) for part in parts] == [128, 128, 44]
    assert [one for part in parts for one in part] == files


def test_nothing_has_no_parts() -> None:
    assert list(by_contexts([])) == []
