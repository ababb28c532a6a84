from __future__ import annotations

from hilum.serve.flow import FOLLOWS, Wakes


def test_every_step_is_named_and_follows_only_steps() -> None:
    assert {name for names in FOLLOWS.values() for name in names} <= FOLLOWS.keys()


def test_the_way_of_an_instance_leads_from_each_step_to_the_next() -> None:
    for before, after in (("job", "submit"), ("submit", "watch"), ("watch", "results"), ("results", "deliver")):
        assert after in FOLLOWS[before]


def test_only_who_is_meant_is_woken() -> None:
    wakes = Wakes()
    wakes.run(FOLLOWS)
    seen = {name: wakes.of(name).generation for name in FOLLOWS}

    def woken() -> set[str]:
        changed = {name for name in FOLLOWS if wakes.of(name).generation != seen[name]}
        seen.update({name: wakes.of(name).generation for name in FOLLOWS})
        return changed

    wakes.released()
    assert woken() == {"group", "job"}
    for wake in wakes.after("watch"):
        wake.notify()
    assert woken() == {"results", "submit"}
    wakes.notify()
    assert woken() == FOLLOWS.keys()


def test_other_gateways_are_told_of_what_nobody_here_goes_on_with() -> None:
    told: list[list[str]] = []
    wakes = Wakes(lambda words: told.append([*words]))
    wakes.run(["end", "group"])
    seen = wakes.of("job").generation
    wakes.released()
    assert told == [["job"]]
    assert wakes.of("job").generation == seen


def test_what_an_operator_asks_for_is_told_to_all() -> None:
    told: list[list[str]] = []
    wakes = Wakes(lambda words: told.append([*words]))
    wakes.run(FOLLOWS)
    wakes.notify()
    assert told == []
    wakes.tell_all()
    assert told == [["*"]]


def test_what_others_tell_wakes_the_step_that_is_meant_or_all_if_it_is_not_known() -> None:
    wakes = Wakes()
    before = {name: wakes.of(name).generation for name in FOLLOWS}
    wakes.hear("job")
    assert [name for name in FOLLOWS if wakes.of(name).generation != before[name]] == ["job"]
    for word in ("*", "", "a step of a later version"):
        before = {name: wakes.of(name).generation for name in FOLLOWS}
        wakes.hear(word)
        assert all(wakes.of(name).generation != before[name] for name in FOLLOWS)
