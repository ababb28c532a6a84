from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config import FolderEngine, Settings, init_template, warnings
from hilum.config.keys import all_keys

Read = Callable[..., Settings]


def test_the_template_loads_without_problems_and_warnings(read: Read) -> None:
    settings = read(init_template())
    assert warnings(settings) == []
    assert settings.dicom.scp.port == 11112


def test_its_folders_are_relative_to_the_file(read: Read, tmp_path: Path) -> None:
    storage = read(init_template()).storage
    assert {storage.temporary.parent, storage.payloads.parent, storage.output.parent} == {tmp_path}


def test_its_commented_keys_show_the_defaults(read: Read) -> None:
    template = init_template()
    # The engine is an example, not a default.
    uncommented = "\n".join(
        re.sub(r"^( *)#(?=[a-z])", r"\1", line) for line in template.splitlines() if not line.startswith("#engines")
    )
    assert uncommented != template
    assert read(uncommented) == read(template)


@pytest.mark.parametrize("name", ["local", "cluster"])
def test_its_examples_of_engines_work(read: Read, name: str) -> None:
    template = init_template().replace("#engine: folder", f"engine: {name}")
    engine = read(template.replace(f"#engines: {{{name}:", f"engines: {{{name}:")).engines[name]
    assert not isinstance(engine, FolderEngine)
    assert engine.command == ("python", "-m", "my_model", "{input}", "{output}")


def test_every_key_is_in_it() -> None:
    template = init_template()
    absent = [key.path for key in all_keys() if f"{key.name}:" not in template]
    assert absent == []
