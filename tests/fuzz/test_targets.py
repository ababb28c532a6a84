"""Every target on its corpus and some thousand mutations, and proof that a fault would be seen."""

from __future__ import annotations

import struct
from datetime import date
from typing import Any

import pytest
from fuzz.mutation import MAX_BYTES, Mutator
from fuzz.report import Campaign, page
from fuzz.targets import CORPUS, TARGETS, Target
from fuzz.targets.association import ACCEPTOR_BEGINNINGS, REQUESTOR_BEGINNINGS

from fuzz import campaign, seeds
from hilum.store.scan import HeadScanner
from hilum.wire import Connection, Role, State

#: A few seconds altogether on one slow core.
MUTATIONS = {
    "acceptor": 2000,
    "requestor": 2000,
    "command": 10000,
    "head": 4000,
    "part10": 10000,
    "proxy": 10000,
    "configuration": 400,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_corpus_and_thousands_of_mutations(name: str) -> None:
    target = TARGETS[name]
    tally = campaign.fuzz(target, seed=20, count=len(target.corpus) + MUTATIONS[name], unchanged=True)
    assert list(tally.crashes) == []
    assert tally.executions == len(target.corpus) + MUTATIONS[name]


def test_the_corpus_holds_every_seed_and_stays_small() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    for name, make in seeds.SEEDS.items():
        assert set(make()) <= set(TARGETS[name].corpus), f"run python -m fuzz.seeds: {name} has changed"
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 1_000_000


def test_the_shares_make_a_whole() -> None:
    assert sum(target.share for target in TARGETS.values()) == 1000


def test_the_associations_of_the_targets_begin_in_every_state_that_a_peer_can_reach() -> None:
    reached = set()
    for role, beginnings in ((Role.ACCEPTOR, ACCEPTOR_BEGINNINGS), (Role.REQUESTOR, REQUESTOR_BEGINNINGS)):
        for begin in beginnings:
            connection = Connection(role)
            begin(connection)
            reached.add(connection.state)
    # Nothing can be received before there is a transport, and in Sta9 and Sta12 we answer at once.
    assert reached == set(State) - {
        State.AWAITING_TRANSPORT,
        State.COLLISION_REQUESTOR_LOCAL,
        State.COLLISION_ACCEPTOR_LOCAL,
    }


def test_the_same_seed_makes_the_same_inputs() -> None:
    corpus, tokens = TARGETS["command"].corpus, TARGETS["command"].tokens
    first, second, other = (Mutator(corpus, tokens, seed) for seed in (1, 1, 2))
    inputs = [first.next() for _ in range(500)]
    assert inputs == [second.next() for _ in range(500)]
    assert inputs != [other.next() for _ in range(500)]
    assert max(map(len, inputs)) <= MAX_BYTES
    assert len(set(inputs)) > 480


def test_a_reader_that_trusts_a_length_is_found_and_its_input_shortened() -> None:
    def trusting(data: bytes) -> None:
        _, found, rest = data.partition(b"HEAD")
        if found and rest:
            struct.unpack_from(f"{rest[0]}s", rest, 1)

    target = Target(name="command", about="", run=trusting, tokens=(b"HEAD", b"\x05"), share=0)
    tally = campaign.fuzz(target, seed=3, count=20000, unchanged=True)
    [crash] = tally.crashes.values()
    assert crash.where.startswith("error at ")
    assert crash.where.endswith(" in trusting")
    assert len(crash.data) == len(b"HEAD") + 1
    with pytest.raises(struct.error):
        trusting(crash.data)


def test_a_target_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr(campaign, "HANG_SECONDS", 0.1)
    target = Target(name="command", about="", run=endless, tokens=(), share=0)
    tally = campaign.fuzz(target, seed=3, count=1, unchanged=False)
    [crash] = tally.crashes.values()
    assert crash.where.startswith("HangError")


def test_a_connection_that_loses_an_event_at_a_split_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Connection.receive

    def forgetful(self: Connection, data: memoryview) -> Any:
        return receive(self, data)[:1]

    monkeypatch.setattr(Connection, "receive", forgetful)
    target = TARGETS["acceptor"]
    assert campaign.fuzz(target, seed=1, count=len(target.corpus), unchanged=True).crashes


def test_a_scanner_that_depends_on_the_split_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = HeadScanner.feed
    monkeypatch.setattr(HeadScanner, "feed", lambda self, view: feed(self, view[:256]))
    target = TARGETS["head"]
    assert campaign.fuzz(target, seed=1, count=len(target.corpus), unchanged=True).crashes


def test_a_command_set_that_is_read_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    target = TARGETS["command"]
    monkeypatch.setattr("fuzz.targets.command.encode_command", lambda _: target.corpus[0])
    assert campaign.fuzz(target, seed=1, count=len(target.corpus), unchanged=True).crashes


def test_the_page_tells_executions_crashes_and_what_they_became() -> None:
    crash = campaign.Crash(target="head", where="ValueError at x.py:1 in f", data=b"abc")
    tally = campaign.Tally(executions=12345, seconds=2.0, crashes={crash.where: crash})
    told = page(Campaign(day=date(2026, 1, 2), seed=5, processes=2, seconds=60.0, tallies={"head": tally}))
    assert "12,345 executions in 1.0 minutes, 2 processes" in told
    assert "seed 5" in told
    assert "- `head`: ValueError at x.py:1 in f, 3 bytes" in told
    assert "- a file that ends behind its prefix is refused in 64 characters: " in told
