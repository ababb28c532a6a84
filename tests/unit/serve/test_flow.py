from __future__ import annotations

from hilum.serve.flow import FOLLOWS, Wakes


def test_every_step_is_named_and_follows_only_steps() -> None:
    assert {name for names in FOLLOWS.values() for name in names} <= FOLLOWS.keys()


def test_the_way_of_an_instance_leads_from_each_step_to_the_next() -> None:
    for before, after in (("job", "submit"), ("submit", "watch"), ("watch", "results"), ("results", "deliver")):
        assert after in FOLLOWS[before]


def test_only_who_is_meant_is_woken() -> None:
    wakes = Wakes()
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
