from __future__ import annotations

from itertools import product

import pytest

from hilum.group.policy import key_of
from hilum.model import AssociationId, GroupKey, GroupKind, Header

ONE, OTHER = AssociationId("20261122T081500000001-00000001"), AssociationId("20261122T081500000002-00000002")


def header(*, patient: str = "P1", study: str = "1.2.3", series: str = "1.2.3.4") -> Header:
    return Header(
        sop_class="1.2", sop_instance="1.2.3.4.5", modality="CT", patient_id=patient, study=study, series=series
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (GroupKind.ASSOCIATION, ""),
        (GroupKind.PATIENT, "P1"),
        (GroupKind.STUDY, "1.2.3"),
        (GroupKind.SERIES, "1.2.3.4"),
    ],
)
def test_with_a_window_instances_of_all_associations_meet_under_the_value_of_the_kind(
    kind: GroupKind, value: str
) -> None:
    expected = GroupKey(kind=kind, value=value, scope="")
    assert key_of(header(), ONE, kind=kind, windowed=True) == expected
    assert key_of(header(), OTHER, kind=kind, windowed=True) == expected


@pytest.mark.parametrize("kind", list(GroupKind))
def test_without_a_window_no_two_associations_meet(kind: GroupKind) -> None:
    one = key_of(header(), ONE, kind=kind, windowed=False)
    other = key_of(header(), OTHER, kind=kind, windowed=False)
    assert one.value == other.value
    assert (one.scope, other.scope) == (ONE, OTHER)


@pytest.mark.parametrize(
    ("kind", "windowed"), list(product([GroupKind.PATIENT, GroupKind.STUDY, GroupKind.SERIES], [True, False]))
)
def test_instances_without_the_attribute_meet_only_those_of_their_association(kind: GroupKind, windowed: bool) -> None:
    nobody = header(patient="", study="", series="")
    assert key_of(nobody, ONE, kind=kind, windowed=windowed) == GroupKey(kind=kind, value="", scope=ONE)
    assert key_of(nobody, OTHER, kind=kind, windowed=windowed) == GroupKey(kind=kind, value="", scope=OTHER)


def test_other_attributes_do_not_matter() -> None:
    one = header(study="1.1", series="1.1.1")
    other = header(study="1.2", series="1.2.1")
    same = [key_of(each, ONE, kind=GroupKind.PATIENT, windowed=True) for each in (one, other)]
    assert same[0] == same[1]
