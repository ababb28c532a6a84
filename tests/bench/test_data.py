from __future__ import annotations

import hashlib
import xml.dom.minidom
from pathlib import Path

import pydicom
import pytest
from bench.plot import Plot, svg
from bench.process import FailedError
from bench.settings import Settings

from bench import dataset, stored

TINY = dataset.Shape(name="tiny", sop_class=dataset.CT, rows=8, columns=8)


def test_what_is_sent_is_dicom(tmp_path: Path) -> None:
    made = dataset.make(tmp_path, TINY, 2)
    for path in made.paths():
        read = pydicom.dcmread(path)
        assert read.pixel_array.shape == (8, 8)
        assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert sorted(stored.digests(made.paths())) == list(made.digests)


def test_data_are_the_same_every_time_and_differ_between_series(tmp_path: Path) -> None:
    first, again = (dataset.make(tmp_path / name, TINY, 3) for name in ("a", "b"))
    other = dataset.make(tmp_path / "a", TINY, 3, part=1)
    assert first.digests == again.digests
    assert not set(first.digests) & set(other.digests)


def test_data_that_were_removed_are_made_anew(tmp_path: Path) -> None:
    first = dataset.make(tmp_path, TINY, 1)
    for path in (*first.paths(), first.folder):
        path.unlink() if path.is_file() else path.rmdir()
    assert stored.digests(dataset.make(tmp_path, TINY, 1).paths()) == list(first.digests)


@pytest.mark.parametrize("found", [["a"], ["a", "b", "b"], ["a", "c"], []])
def test_whatever_is_not_exactly_what_was_sent_is_told(found: list[str]) -> None:
    stored.check(["b", "a"], ["a", "b"])
    with pytest.raises(FailedError):
        stored.check(found, ["a", "b"])


def test_the_digest_is_that_of_the_data_set_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(bytes(128) + b"DICM\2\0\0\0UL\4\0\4\0\0\0meta" + b"data set")
    assert stored.digests([path]) == [hashlib.sha256(b"data set").hexdigest()]


def test_a_quick_look_does_not_write_over_the_pages_of_a_whole_run() -> None:
    whole = Settings.of({})
    assert whole.pages.name == "bench"
    assert whole.pages != whole.folder
    for quick in ({"BENCH_ROUNDS": "1"}, {"BENCH_SCALE": "0.5"}, {"BENCH_ONLY": "send-*"}):
        assert Settings.of(quick).pages == Settings.of(quick).folder


def test_loads_are_chosen_by_name() -> None:
    assert Settings.of({}).wants("anything")
    settings = Settings.of({"BENCH_ONLY": "send-*, memory"})
    assert [settings.wants(name) for name in ("send-ct", "memory", "memory-2")] == [True, True, False]


def test_a_plot_is_xml_with_every_line() -> None:
    lines = {"a < b": [(1.0, 3.0), (10.0, 300.0)], "flat": [(1.0, 5.0), (10.0, 5.0)]}
    text = svg(Plot(title="t", across="x", up="y", lines=lines, ticks=[(1, "one"), (10, "ten")]))
    xml.dom.minidom.parseString(text)
    assert "a &lt; b" in text
    assert "flat" in text
