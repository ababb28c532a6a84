"""The next file is checked while the one before is on its way: nothing unchecked goes, and nothing stays open."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from harness.data import make_instance
from harness.pacs import Pacs
from hilum.deliver.ahead import Ahead
from hilum.deliver.result_file import DamagedError, UnreadableError
from hilum.ledger.dispatch import DueFile
from hilum.model import Answer
from stage.deliver.sending import Sending

large = partial(make_instance, size=200_000)


def still_open(output: Path) -> list[str]:
    """Files of the job that this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [path for path in found if path.startswith(str(output.parent))]


def files(to_pacs: Sending) -> tuple[Path, tuple[DueFile, ...]]:
    output = to_pacs.job("1.1", "1.2", "1.3", make=large)
    (parcel,) = to_pacs.claim()
    return output, parcel.files


def test_large_and_small_ones_all_arrive(to_pacs: Sending, pacs: Pacs) -> None:
    output = to_pacs.job("1.1", "1.2", "1.3", "1.4", name="large", make=large)
    to_pacs.job("2.1", "2.2", "2.3", name="small")
    to_pacs.run()
    assert set(to_pacs.states()) == {"delivered"}
    assert len(pacs.accepted) == 7
    assert still_open(output) == []


def test_damage_of_the_next_one_harms_neither_neighbour(to_pacs: Sending, pacs: Pacs) -> None:
    output = to_pacs.job("1.1", "1.2", "1.3", make=large)
    with (output / "1.2.dcm").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"!")
    to_pacs.run()
    assert to_pacs.states() == ["delivered", "given up", "delivered"]
    assert (output.parent / "quarantine" / "1.2.dcm").exists()
    assert still_open(output) == []


def test_what_was_checked_and_not_sent_is_let_go(to_pacs: Sending, pacs: Pacs) -> None:
    output = to_pacs.job("1.1", "1.2", "1.3", make=large)
    pacs.answer = lambda _request: Answer(status=0xA700)  # no room: the parcel ends with its first file
    to_pacs.run()
    assert "delivered" not in to_pacs.states()
    assert still_open(output) == []


def test_the_file_is_checked_while_the_one_before_is_in_use(to_pacs: Sending) -> None:
    output, (first, second, _) = files(to_pacs)
    with Ahead(output.parent) as ahead:
        with ahead.take(first, second):
            pass
        assert ahead._next is not None
        ahead._next[1].result()
        (output / "1.2.dcm").unlink()  # it is open, and as it was
        with ahead.take(second, None) as descriptor:
            assert os.fstat(descriptor).st_size == second.size


def test_another_file_than_the_expected_one_may_come(to_pacs: Sending) -> None:
    output, (first, second, third) = files(to_pacs)
    with Ahead(output.parent) as ahead:
        with ahead.take(first, second):
            pass
        with ahead.take(third, None) as descriptor:
            assert os.fstat(descriptor).st_size == third.size
    assert still_open(output) == []


@pytest.mark.parametrize("error", [UnreadableError, DamagedError])
def test_what_was_found_out_ahead_is_told_in_its_turn(to_pacs: Sending, error: type[Exception]) -> None:
    output, (first, second, _) = files(to_pacs)
    (output / "1.2.dcm").unlink()
    if error is DamagedError:
        (output / "1.2.dcm").touch()
    with Ahead(output.parent) as ahead:
        with ahead.take(first, second):
            pass
        with pytest.raises(error), ahead.take(second, None):
            pass
