from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.pictures.facts import Facts, NonsenseError, Preset, Segment

FACTS = Facts(
    sop_instance="1.2",
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    what="CT Image Storage",
    shown=True,
    series="1.3",
    series_number=3,
    instance_number=None,
    rows=512,
    columns=256,
    frames=1,
    position=(1.0, 2.0, 3.0),
    orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    presets=(Preset(center=40.0, width=400.0, name="ABDOMEN"),),
    segments=(Segment(number=1, label="Liver", colour="#a0b0c0"),),
    source_instances=("1.5",),
)


def test_survive_the_way() -> None:
    assert Facts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sop_instance", 5),
        ("what", "x" * 2000),
        ("shown", "yes"),
        ("frames", -1),
        ("frames", 1e300),
        ("rows", True),
        ("series_number", "3"),
        ("position", [1.0, 2.0]),
        ("position", [1.0, 2.0, float("nan")]),
        ("orientation", "123456"),
        ("presets", [{"center": 1.0}]),
        ("segments", [{"number": 1, "label": "", "colour": "red; background: url(x)"}]),
        ("source_instances", None),
    ],
)
def test_a_decoder_that_lies_is_not_believed(key: str, value: Any) -> None:
    with pytest.raises(NonsenseError):
        Facts.from_json(json.loads(json.dumps(FACTS.to_json())) | {key: value})


def test_something_left_out_is_not_believed() -> None:
    said = json.loads(json.dumps(FACTS.to_json()))
    for key in said:
        with pytest.raises(NonsenseError):
            Facts.from_json({one: value for one, value in said.items() if one != key})


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(FACTS.to_json())), value=_ANYTHING)
def test_anything_gives_facts_or_an_error(key: str, value: Any) -> None:
    try:
        found = Facts.from_json(json.loads(json.dumps(FACTS.to_json())) | {key: value})
    except NonsenseError:
        return
    assert isinstance(found, Facts)


@given(_ANYTHING)
def test_whatever_else_it_says_is_an_error(said: Any) -> None:
    with pytest.raises(NonsenseError):
        Facts.from_json(said)
