from __future__ import annotations

import json

import pytest
from bench.load import Contender, Load, Result
from bench.report import Run, data, page
from bench.target import TARGETS, Target, judge


def result(**values: tuple[float, ...]) -> Result:
    rounds = [dict(zip(values, one, strict=True)) for one in zip(*values.values(), strict=True)]
    contenders = [Contender(name=name, run=lambda _folder: {}) for name in values]
    load = Load(name="load", title="a load", contenders=contenders, bytes=100, instances=1)
    return Result.of(load, rounds)


RATIO = Target(
    what="ours against theirs",
    load="load",
    ours="ours",
    theirs="theirs",
    threshold=2,
    beside=("helped", "absent"),
    limit="loop",
)


@pytest.mark.parametrize(("seconds", "passed"), [(1.0, True), (1.1, False)])
def test_a_ratio_is_made_of_medians_of_the_run(seconds: float, passed: bool) -> None:
    found = result(ours=(seconds, 99.0, 0.1), theirs=(2.0, 50.0, 1.0), helped=(3.0, 3.0, 3.0), loop=(0.5, 0.5, 0.5))
    verdict = judge(RATIO, {"load": found})
    assert verdict.value == pytest.approx(2.0 / seconds)
    assert verdict.passed is passed
    assert verdict.beside == {"helped": pytest.approx(3.0 / seconds)}
    assert verdict.limit == pytest.approx(4.0)


@pytest.mark.parametrize(("value", "passed"), [(5.0, True), (5.1, False)])
def test_a_figure_alone_is_held_against_the_most_that_it_may_be(value: float, passed: bool) -> None:
    target = Target(what="ours", load="load", ours="ours", threshold=5)
    assert judge(target, {"load": result(ours=(value,))}).passed is passed


def test_what_was_not_measured_is_no_success() -> None:
    for results in ({}, {"load": result(theirs=(1.0,))}, {"load": result(ours=(1.0,))}):
        verdict = judge(RATIO, results)
        assert verdict.value is None
        assert not verdict.passed


def run(*results: Result, scale: float = 1) -> Run:
    known = {one.name: one for one in results}
    return Run(
        rounds=1,
        scale=scale,
        machine={"processor": "one"},
        versions={"Hilum": "0"},
        verdicts=[judge(RATIO, known)],
        results=results,
    )


def test_the_page_says_ratio_threshold_and_verdict() -> None:
    text = page(run(result(ours=(1.0,), theirs=(1.5,))))
    assert "| ours against theirs | 1.5 x | at least 2 x | **missed** |" in text
    assert "0 of 1 targets are reached" in text
    assert "quick look" not in text


def test_a_quick_look_says_that_it_is_one() -> None:
    assert "quick look" in page(run(result(ours=(1.0,), theirs=(1.5,)), scale=0.1))


def test_a_row_that_was_not_measured_is_there_and_says_so() -> None:
    assert "| ours against theirs | not measured |" in page(run())
    assert json.loads(data(run()))["targets"][0]["passed"] is None


def test_the_data_have_every_value() -> None:
    document = json.loads(data(run(result(ours=(1.0, 3.0), theirs=(4.0, 4.0)))))
    assert document["loads"][0]["figures"]["ours"] == {"median": 2.0, "min": 1.0, "max": 3.0, "values": [1.0, 3.0]}
    assert document["targets"][0]["value"] == 2.0
    assert document["targets"][0]["passed"] is True


def test_every_target_is_about_figures_that_differ() -> None:
    assert len({(one.load, one.ours, one.theirs) for one in TARGETS}) == len(TARGETS)
