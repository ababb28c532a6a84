from __future__ import annotations

import os
from pathlib import Path

from hilum.store.disk import Watermark, judge


def file_system(*, blocks: int, free: int, available: int) -> os.statvfs_result:
    # f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, then inodes, flags and the longest name
    return os.statvfs_result((4096, 1_000_000, blocks, free, available, 0, 0, 0, 0, 255))


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_above_the_percentage_a_disk_is_full() -> None:
    found = file_system(blocks=100_000, free=12_800, available=12_800)
    assert judge(Path("/data"), found, percent=85, reserve_bytes=0) == "/data: 87.2 % used, limit 85 %"
    assert judge(Path("/data"), found, percent=87.5, reserve_bytes=0) is None


def test_below_the_reserve_a_disk_is_full() -> None:
    found = file_system(blocks=100_000, free=4_900, available=4_900)
    assert judge(Path("/data"), found, percent=100, reserve_bytes=5 * 10**9) == "/data: 4.9 GB free, reserve 5 GB"
    assert judge(Path("/data"), found, percent=100, reserve_bytes=4_900 * 10**6) is None


def test_what_only_root_may_use_is_not_counted_as_free() -> None:
    found = file_system(blocks=100, free=10, available=0)
    assert judge(Path("/data"), found, percent=99, reserve_bytes=0) == "/data: 100.0 % used, limit 99 %"


def test_a_file_system_without_blocks_is_full() -> None:
    found = file_system(blocks=0, free=0, available=0)
    assert judge(Path("/data"), found, percent=85, reserve_bytes=0) is not None


def test_a_real_disk_is_looked_at(tmp_path: Path) -> None:
    assert Watermark([tmp_path], 100, 0, Seconds()).full() is None
    full = Watermark([tmp_path], 100, 1 << 62, Seconds()).full()
    assert full is not None
    assert full.startswith(f"{tmp_path}: ")


def test_every_path_is_looked_at(tmp_path: Path) -> None:
    missing = tmp_path / "not mounted"
    full = Watermark([tmp_path, missing], 100, 0, Seconds()).full()
    assert full == f"{missing}: free space cannot be told: No such file or directory"


def test_an_answer_holds_for_a_second(tmp_path: Path) -> None:
    clock = Seconds()
    folder = tmp_path / "late"
    watermark = Watermark([folder], 100, 0, clock)
    assert watermark.full() is not None
    folder.mkdir()
    clock.now += 0.9
    assert watermark.full() is not None
    clock.now += 0.1
    assert watermark.full() is None
    folder.rmdir()
    assert watermark.full() is None


def test_other_limits_count_at_once(tmp_path: Path) -> None:
    watermark = Watermark([tmp_path], 100, 0, Seconds())
    assert watermark.full() is None
    watermark.limit(100, 1 << 62)
    assert watermark.full() is not None
    watermark.limit(100, 0)
    assert watermark.full() is None
