from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hilum.deliver.parcel import MAX_CONTEXTS, in_parts
from hilum.ledger.dispatch import DueFile
from hilum.ledger.lease import Lease
from hilum.model import DeliveryId, ResultId


def due(number: int, sop_class: int, transfer_syntax: int = 1, attempts: int = 0) -> DueFile:
    return DueFile(
        lease=Lease(id=number, fence=1),
        id=DeliveryId(number),
        result_id=ResultId(number),
        path=f"{number}.dcm",
        sop_class=f"1.2.{sop_class}",
        sop_instance=f"1.3.{number}",
        transfer_syntax=f"1.4.{transfer_syntax}",
        offset=0,
        size=1,
        sha256="",
        attempts=attempts,
        queued_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def contexts(part: object) -> int:
    return len({(file.sop_class, file.transfer_syntax) for file in part})  # type: ignore[attr-defined]


def test_the_files_of_an_ordinary_job_go_together() -> None:
    files = [due(number, number % 3) for number in range(300)]
    assert [len(part) for part in in_parts(files)] == [300]


def test_128_contexts_fit_into_one_association() -> None:
    assert MAX_CONTEXTS == 128
    assert [contexts(part) for part in in_parts([due(number, number) for number in range(128)])] == [128]


def test_the_129th_context_needs_another_association() -> None:
    files = [due(number, number % 129) for number in range(400)]
    assert [contexts(part) for part in in_parts(files)] == [128, 1]


def test_the_same_class_in_two_transfer_syntaxes_needs_two_contexts() -> None:
    files = [due(number, number % 100, number // 100) for number in range(200)]
    assert [contexts(part) for part in in_parts(files)] == [128, 72]


def test_what_has_failed_before_goes_last_and_not_with_others() -> None:
    files = [due(number, 1, attempts=number % 2) for number in range(6)]
    assert [[file.id for file in part] for part in in_parts(files)] == [[0, 2, 4], [1, 3, 5]]


def test_nothing_needs_no_association() -> None:
    assert list(in_parts([])) == []


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=600))
def test_each_file_is_in_one_part_and_no_part_is_larger_than_needed(pairs: list[tuple[int, int]]) -> None:
    files = [due(number, *pair) for number, pair in enumerate(pairs)]
    parts = list(in_parts(files))
    assert sorted(file.id for part in parts for file in part) == list(range(len(files)))
    assert all(contexts(part) == MAX_CONTEXTS for part in parts[:-1])
    assert all(contexts(part) <= MAX_CONTEXTS for part in parts)
    assert sum(contexts(part) for part in parts) == contexts(files)
