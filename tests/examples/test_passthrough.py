"""``examples/passthrough``: the same images under new names."""

from pathlib import Path

from pydicom import dcmread

from examples.workflow import run
from hilum.cli.phantom import write_series


def test_each_image_comes_back_as_a_new_one_of_a_new_series(tmp_path: Path) -> None:
    series = write_series(tmp_path / "input", slices=3, size=32, seed=8)
    done = run("passthrough/copy_images.py", tmp_path / "input", tmp_path / "output")
    assert (done.status, done.out, done.err) == (0, "3 images in 1 series\n", "")
    copies = [dcmread(file) for file in (tmp_path / "output").iterdir()]
    assert {copy.StudyInstanceUID for copy in copies} == {series.study}
    assert len({copy.SeriesInstanceUID for copy in copies} | {series.series}) == 2
    assert len({copy.SOPInstanceUID for copy in copies} | set(series.instances)) == 6
    assert all(copy.SOPInstanceUID == copy.file_meta.MediaStorageSOPInstanceUID for copy in copies)
    assert {copy.PixelData for copy in copies} == {dcmread(file).PixelData for file in series.files}


def test_an_empty_input_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    done = run("passthrough/copy_images.py", tmp_path / "input", tmp_path / "output")
    assert done.status == 1
    assert "no *.dcm file" in done.err
