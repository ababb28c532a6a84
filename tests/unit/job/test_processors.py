from __future__ import annotations

from pathlib import Path

import pytest

from hilum.errors import PermanentError
from hilum.job import processors
from hilum.job.processors import JobProcessor, ProcessorError
from unit.job import processor_examples as examples

HERE = "unit.job.processor_examples"


@pytest.mark.parametrize(
    "name",
    [
        "Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer",
        "Nvidia.Clara.Dicom.Processors.JobProcessor, Nvidia.Clara.DicomServer",
    ],
)
def test_the_specifications_string_names_the_built_in_processor(name: str) -> None:
    assert isinstance(processors.load(name), JobProcessor)


def test_a_module_and_a_class_name_a_processor() -> None:
    assert isinstance(processors.load(f"{HERE}:Nothing"), examples.Nothing)


def test_a_class_inside_a_class_can_be_named() -> None:
    assert isinstance(processors.load(f"{HERE}:Outer.Inner"), examples.Outer.Inner)


def test_an_object_that_is_ready_made_can_be_named() -> None:
    assert processors.load(f"{HERE}:ready_made") is examples.ready_made


def announce(folder: Path, line: str) -> None:
    """Installs a package that consists of its announcement."""
    info = folder / "hilum_test_processor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hilum-test-processor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hilum.processors]\n{line}\n")


def test_an_installed_package_can_announce_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(tmp_path, f"nothing = {HERE}:Nothing")
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(processors.load("nothing"), examples.Nothing)


def test_an_announced_processor_whose_module_is_missing_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(tmp_path, "broken = no_such_module_of_ours:Processor")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ProcessorError, match=r"'broken' cannot be loaded: ModuleNotFoundError: .*no_such_module_of_ours"
    ):
        processors.load("broken")


def test_a_name_that_nobody_announces_is_told_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(tmp_path, f"nothing = {HERE}:Nothing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProcessorError, match=r"'nothign' is not known: expected .*package.module:Class.*\(nothing\)"):
        processors.load("nothign")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module_of_ours:Processor", "cannot be loaded: ModuleNotFoundError"),
        (f"{HERE}:NoSuchClass", "cannot be loaded: AttributeError"),
        (f"{HERE}:", "cannot be loaded: AttributeError"),
        (":Nothing", "cannot be loaded: ValueError"),
        (f"{HERE}:CannotBeMade", "cannot be loaded: RuntimeError: the model is not installed"),
        (f"{HERE}:WantsArguments", "cannot be loaded: TypeError"),
        (f"{HERE}:WithoutPlan", r"has no method plan\(group, workflows\)"),
        (f"{HERE}:PlansTooLittle", r"has no method plan\(group, workflows\)"),
        (f"{HERE}:PlanIsNoMethod", r"has no method plan\(group, workflows\)"),
        ("", "is not known"),
        ("Nvidia.Clara.Dicom.Processors.OtherProcessor,Nvidia.Clara.DicomServer", "is not known"),
    ],
)
def test_a_name_that_leads_to_no_processor_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(ProcessorError, match=why) as raised:
        processors.load(name)
    assert repr(name) in str(raised.value)


def test_a_processor_that_cannot_be_loaded_is_for_the_operator() -> None:
    assert issubclass(ProcessorError, PermanentError)
