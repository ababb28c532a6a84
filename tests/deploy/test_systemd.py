"""The unit of systemd: what systemd itself says of it, and that Hilum and its jobs can live with it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.folders import DEPLOY
from deploy.unit import allowed_calls, seconds, settings
from hilum import config
from hilum.cli.exit import ExitCode
from hilum.pictures.decoder import cage

FOLDER = DEPLOY / "systemd"
UNIT = settings(FOLDER / "hilum.service")
PROGRAM = "/opt/hilum/bin/hilum"
STATE = Path("/var/lib/hilum")
#: Of 0 to 10. What is left: the network, the port, jobs that outlive the service, models that compile as they run.
MOST_EXPOSED = 2.0


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with both of its drop-ins, on a program that this machine has."""
    path = tmp_path / "hilum.service"
    path.write_text((FOLDER / "hilum.service").read_text().replace(PROGRAM, str(Path(sys.executable).parent / "hilum")))
    drops = tmp_path / "hilum.service.d"
    drops.mkdir()
    for name in ("gpu.conf", "web.conf"):
        (drops / name).write_bytes((FOLDER / name).read_bytes())
    return path


def verified(unit: Path) -> str:
    command = ["systemd-analyze", "verify", "--man=no", unit]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={"SYSTEMD_LOG_LEVEL": "notice"})
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


def test_systemd_understands_it(unit: Path) -> None:
    assert verified(unit) == ""


def test_systemd_would_say_if_it_did_not(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in verified(unit)


def test_it_is_hardly_exposed() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:g}", "--no-pager"]
    done = subprocess.run([*command, FOLDER / "hilum.service"], check=False, capture_output=True, text=True)
    level = re.search(r"Overall exposure level for hilum.service: ([0-9.]+)", done.stdout)
    assert level, done.stderr
    assert (done.returncode, float(level[1])) <= (0, MOST_EXPOSED), done.stdout


def test_it_lets_the_decoder_of_pictures_close_its_own_cage() -> None:
    calls = allowed_calls(UNIT["SystemCallFilter"])
    assert {*cage._ALLOWED, "prctl", "setpriority", "prlimit64"} <= calls
    assert not {"mount", "bpf", "ptrace", "setuid"} & calls


def test_jobs_outlive_a_restart() -> None:
    assert UNIT["KillMode"] == ["process"]
    assert UNIT["OOMPolicy"] == ["continue"]
    # Each of these takes away at a stop what a job still uses.
    assert not {"PrivateTmp", "RuntimeDirectory", "DynamicUser"} & set(UNIT)
    assert UNIT["RemoveIPC"] == ["no"]


def test_a_mistake_in_the_configuration_is_not_tried_again_and_a_passing_fault_is() -> None:
    never = {int(status) for line in UNIT["RestartPreventExitStatus"] for status in line.split()}
    assert UNIT["Restart"] == ["on-failure"]
    assert never == {ExitCode.FAILED, ExitCode.USAGE}
    assert ExitCode.TEMPORARY not in never
    assert UNIT["StartLimitIntervalSec"] == ["0"]


def test_a_stop_leaves_open_associations_their_time() -> None:
    assert seconds(UNIT["TimeoutStopSec"][0]) > 2 * config.load(FOLDER / "app.yaml", {}).dicom.scp.drain_seconds


def test_the_gateway_says_when_it_works_and_is_watched() -> None:
    assert (UNIT["Type"], UNIT["NotifyAccess"]) == (["notify"], ["main"])
    assert seconds(UNIT["WatchdogSec"][0]) >= 30


def test_its_configuration_writes_only_where_the_unit_lets_it() -> None:
    assert UNIT["ProtectSystem"] == ["strict"]
    assert UNIT["StateDirectory"][0].split()[0] == STATE.name
    loaded = config.load(FOLDER / "app.yaml", {})
    ledger = Path(loaded.ledger.url.removeprefix("sqlite:///"))
    storage = loaded.storage
    assert all(STATE in path.parents for path in (storage.temporary, storage.payloads, storage.output, ledger))
    assert loaded.dicom.scp.port < 1024
    assert UNIT["AmbientCapabilities"] == UNIT["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]


def test_the_token_of_the_dashboard_is_a_credential(tmp_path: Path) -> None:
    environment = dict(value.split("=", 1) for value in settings(FOLDER / "web.conf")["Environment"])
    token = tmp_path / "web.token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    given = {name: value.replace("%d", str(tmp_path)) for name, value in environment.items()}
    assert config.load(FOLDER / "app.yaml", given).web.token == token.read_text().strip()


def test_user_and_folders_are_made(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        folder = tmp_path / f"usr/lib/{kind}.d"
        folder.mkdir(parents=True)
        (folder / "hilum.conf").write_bytes((FOLDER / f"hilum.{kind}").read_bytes())
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True)
    assert re.search(
        r"^hilum:.*:/var/lib/hilum:/usr/sbin/nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
    subprocess.run(
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", "hilum.conf"], check=True, capture_output=True
    )
    found = (tmp_path / "etc/hilum").stat()
    assert found.st_mode & 0o777 == 0o750
    assert f"hilum:x:{found.st_gid}:" in (tmp_path / "etc/group").read_text()
