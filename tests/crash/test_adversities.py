"""Each adversity once; the long form of this adds those that take their time."""

from __future__ import annotations

import pytest

from crash import adversities
from crash.disks import cannot_mount
from crash.proofs import ADVERSITIES

_MOUNTED = {"full_disk", "full_ledger_disk", "read_only", "frozen"}


#: Of a ledger in a file: a server has its own disk, and is locked by rows.
_OF_FILES = {"full_ledger_disk", "locked_ledger"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sqlite if name in _OF_FILES else ()) for name in ADVERSITIES]
)
def test_when_it_is_over_everything_is_there(name: str) -> None:
    if name in _MOUNTED and (why := cannot_mount()):
        pytest.skip(why)
    trials = list(ADVERSITIES[name]())
    assert trials
    for trial in trials:
        trial.check()


def test_all_of_them_are_tried() -> None:
    made = {name for name, one in vars(adversities).items() if getattr(one, "__module__", "") == adversities.__name__}
    public = {name for name in made if not name.startswith("_")}
    assert {name.split(" ")[0] for name in ADVERSITIES} == public
