from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hilum import config
from hilum.config import Settings
from hilum.doctor.check import Check, Grade
from hilum.doctor.machine import clock, descriptors, disk, permissions, ports

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


def settings(folder: Path, extra: str = "") -> Settings:
    path = folder / "app.yaml"
    path.write_text(
        "dicom: {scp: {host: 127.0.0.1, port: 0, reject-unknown-sources: false}}\n"
        "storage: {temporary: spool, payloads: payloads, output: output, watermark-percent: 100, reserve-gb: 0}\n"
        f"web: {{enabled: false}}\n{extra}"
    )
    for name in ("spool", "payloads", "output"):
        (folder / name).mkdir(exist_ok=True)
    return config.load(path, {})


def worst(checks: list[Check]) -> Grade:
    order = list(Grade)
    return max((one.grade for one in checks), key=order.index)


def test_a_clock_before_the_ledgers_last_line_is_wrong() -> None:
    [first, *_] = clock(NOW, NOW + timedelta(hours=1))
    assert first.grade is Grade.WRONG
    assert first.expected == "not before the ledger's last line, 2026-11-22 09:15:00 UTC"
    [first, *_] = clock(NOW, NOW - timedelta(hours=1))
    assert first.grade is Grade.OK
    [first, *_] = clock(datetime(1970, 1, 1, tzinfo=UTC), None)
    assert first.grade is Grade.WRONG


def test_folders_that_are_there_are_well(tmp_path: Path) -> None:
    found = list(disk(settings(tmp_path), tmp_path / "hilum.db"))
    assert {one.grade for one in found} <= {Grade.OK, Grade.LOOK}  # the disk of a test machine may be slow
    assert [one.found for one in found if one.subject == "storage.temporary and storage.payloads"] == [
        "on one file system: inputs of jobs are links"
    ]
    assert not [*(tmp_path / "spool").iterdir()], "nothing is left by the sync"


def test_a_full_disk_says_what_peers_are_told(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    storage = chosen.storage.model_copy(update={"reserve_gb": 1_000_000})
    found = list(disk(chosen.model_copy(update={"storage": storage}), tmp_path / "hilum.db"))
    full = [one for one in found if one.grade is Grade.WRONG]
    assert full
    assert "A700H" in full[0].found


def test_a_folder_that_is_not_there_is_made_by_serve(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    (tmp_path / "output").rmdir()
    missing = [one for one in disk(chosen, tmp_path / "hilum.db") if one.remedy == "hilum serve makes it"]
    assert [one.subject for one in missing] == [f"storage.output {tmp_path}/output"]


def test_a_folder_that_everybody_may_write_is_wrong(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert worst(list(permissions(chosen, tmp_path / "hilum.db"))) is Grade.OK
    (tmp_path / "payloads").chmod(0o777)
    found = [one for one in permissions(chosen, tmp_path / "hilum.db") if one.grade is Grade.WRONG]
    assert [one.remedy for one in found] == [f"chmod o-w {tmp_path}/payloads"]


def test_a_port_that_another_program_has_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        number = other.getsockname()[1]
        chosen = settings(tmp_path)
        scp = chosen.dicom.scp.model_copy(update={"port": number})
        chosen = chosen.model_copy(update={"dicom": chosen.dicom.model_copy(update={"scp": scp})})
        [taken] = ports(chosen, running=False)
        assert (taken.grade, taken.expected) == (Grade.WRONG, "a free port")
        [held] = ports(chosen, running=True)
        assert held.grade is Grade.OK
    [free] = ports(chosen, running=False)
    assert free.found == "free; no gateway is running"
    [silent] = ports(chosen, running=True)
    assert silent.grade is Grade.WRONG


def test_descriptors_are_counted_for_all_that_is_allowed(tmp_path: Path) -> None:
    [enough] = descriptors(settings(tmp_path), None)
    assert "files may be open" in enough.found
    chosen = settings(tmp_path)
    limits = chosen.dicom.scp.limits.model_copy(update={"pre_association": 1 << 40})
    scp = chosen.dicom.scp.model_copy(update={"limits": limits})
    chosen = chosen.model_copy(update={"dicom": chosen.dicom.model_copy(update={"scp": scp})})
    [few] = descriptors(chosen, None)
    assert few.grade is Grade.WRONG
    assert "LimitNOFILE" in few.remedy
