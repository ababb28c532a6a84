from datetime import UTC, datetime, timedelta

from hilum.engine.rests import Rests

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SOON = NOW + timedelta(seconds=10)


def test_an_engine_that_is_well_gets_what_is_wanted() -> None:
    rests = Rests()
    rests.given("gpu")
    assert rests.allows("gpu", NOW, 7) == 7
    assert rests.allows("gpu", NOW, 0) == 0


def test_one_that_is_unwell_gets_nothing_until_its_time_and_then_one_job() -> None:
    rests = Rests()
    rests.unwell("gpu", SOON)
    assert rests.allows("gpu", NOW, 7) == 0
    assert rests.allows("gpu", SOON, 7) == 1
    assert rests.allows("gpu", SOON, 0) == 0
    assert rests.allows("other", NOW, 7) == 7


def test_while_it_is_tried_it_gets_no_second_job() -> None:
    rests = Rests()
    rests.unwell("gpu", SOON)
    rests.given("gpu")
    assert rests.allows("gpu", SOON + timedelta(hours=1), 7) == 0


def test_the_trial_tells_how_it_goes_on() -> None:
    rests = Rests()
    rests.unwell("gpu", NOW)
    rests.given("gpu")
    rests.unwell("gpu", SOON)
    assert rests.allows("gpu", NOW, 7) == 0
    assert rests.allows("gpu", SOON, 7) == 1
    rests.given("gpu")
    rests.well("gpu")
    assert rests.allows("gpu", NOW, 7) == 7
