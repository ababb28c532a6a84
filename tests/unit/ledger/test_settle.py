"""Which of the instances with one SOP Instance UID counts."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hilum.ledger.grouping import Fate, settle
from hilum.ledger.reception import Received
from hilum.model import GroupKey, GroupKind, Header, Uid


def received(number: int, uid: str) -> Received:
    header = Header(sop_class="1.2", sop_instance=uid, modality="CT", patient_id="", study="", series="")
    return Received(
        number=number,
        header=header,
        sop_class=Uid("1.2"),
        sop_instance=Uid(uid),
        transfer_syntax=Uid("1.2.840.10008.1.2"),
        size=1,
        digest="",
        received_at=datetime(2026, 11, 22, tzinfo=UTC),
        key=GroupKey(kind=GroupKind.PATIENT, value="P", scope=""),
    )


def fates(*uids: str, present: str = "", overwrite: bool) -> list[Fate]:
    members = [received(number, uid) for number, uid in enumerate(uids, 1)]
    settled = settle(dict.fromkeys(present.split()), members, overwrite=overwrite)
    return [settled[number] for number in sorted(settled)]


def test_different_uids_all_count() -> None:
    assert fates("1.1", "1.2", "1.3", overwrite=False) == [Fate.GROUPED] * 3
    assert fates("1.1", "1.2", "1.3", overwrite=True) == [Fate.GROUPED] * 3


def test_without_overwriting_the_first_stays() -> None:
    assert fates("1.1", "1.1", "1.2", "1.1", overwrite=False) == [
        Fate.GROUPED,
        Fate.DUPLICATE,
        Fate.GROUPED,
        Fate.DUPLICATE,
    ]


def test_without_overwriting_what_the_group_has_stays() -> None:
    assert fates("1.1", "1.2", present="1.1", overwrite=False) == [Fate.DUPLICATE, Fate.GROUPED]


def test_with_overwriting_the_last_wins() -> None:
    assert fates("1.1", "1.1", "1.2", "1.1", overwrite=True) == [
        Fate.REPLACED,
        Fate.REPLACED,
        Fate.GROUPED,
        Fate.GROUPED,
    ]


def test_with_overwriting_new_ones_win_over_what_the_group_has() -> None:
    assert fates("1.1", "1.1", present="1.1", overwrite=True) == [Fate.REPLACED, Fate.GROUPED]


@given(
    uids=st.lists(st.sampled_from(["1.1", "1.2", "1.3", "1.4"]), max_size=12),
    present=st.sets(st.sampled_from(["1.1", "1.2", "1.9"])),
    overwrite=st.booleans(),
)
def test_each_uid_counts_once(uids: list[str], present: set[str], overwrite: bool) -> None:
    found = fates(*uids, present=" ".join(present), overwrite=overwrite)
    counted = [uid for uid, fate in zip(uids, found, strict=True) if fate is Fate.GROUPED]
    assert len(counted) == len(set(counted))
    assert set(counted) == set(uids) - (set() if overwrite else present)
    assert set(found) <= {Fate.GROUPED, Fate.REPLACED if overwrite else Fate.DUPLICATE}
