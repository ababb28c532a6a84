"""``hilum doctor battery`` as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from battery.corrupting import Flaw, Proxy
from hilum.battery import Target
from hilum.battery.octets import ABORT


def doctor(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hilum", "doctor", "battery", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_a_peer_without_deviations_ends_with_0(target: Target) -> None:
    ran = doctor("127.0.0.1", target.port, "--called", "HILUM", "--calling", target.calling, "--only", "1,21-22,80")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert [line[:2] for line in lines[1:4]] == [["1", "conforms"], ["21", "conforms"], ["22", "conforms"]]
    assert lines[4][:3] == ["80", "not", "observable"]
    assert "4 musts: 3 kept, 0 not kept, 1 not observable" in ran.stdout


def test_a_deviation_is_named_and_ends_with_1(target: Target) -> None:
    with Proxy(target.port, Flaw(said=lambda pdu: pdu[:8] + b"\0\0" if pdu[0] == ABORT else pdu)) as proxy:
        ran = doctor("127.0.0.1", proxy.port, "--called", "HILUM", "--calling", target.calling, "--only", "8", "--json")
    assert ran.returncode == 1
    document = json.loads(ran.stdout)
    assert document["deviations"] == 1
    (found,) = document["checks"]
    assert found.pop("seconds") < 10
    assert found == {
        "number": 8,
        "title": "a PDU of unknown type on an association is aborted as unrecognized",
        "source": "PS3.8 Table 9-10, Evt19; Table 9-26",
        "verdict": "deviates",
        "found": "type 08H: ABT 0/0",
        "expected": "ABT 2/1 or ABT 2/0",
        "why": "",
    }


def test_files_are_checked_where_they_can_be_seen(target: Target) -> None:
    assert target.shelf is not None
    folder = target.shelf.folder
    ran = doctor(
        "127.0.0.1", target.port, "-aec", "HILUM", "-aet", target.calling, "--stored", folder, "--only", "80", "--json"
    )
    assert json.loads(ran.stdout)["checks"][0]["verdict"] == "conforms"


def test_a_title_that_the_peer_rejects_is_explained(target: Target) -> None:
    ran = doctor("127.0.0.1", target.port, "--called", "HILUM", "--only", "1")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "rejects HILUM (RJ 1/1/3)" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("127.0.0.1", "104"),
        ("127.0.0.1", "70000", "--called", "X"),
        ("127.0.0.1", "104", "--called", "SEVENTEEN-LETTERS"),
        ("127.0.0.1", "104", "--called", "X", "--only", "every"),
        ("127.0.0.1", "104", "--called", "X", "--stored", str(Path(__file__))),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: tuple[str, ...]) -> None:
    ran = doctor(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
