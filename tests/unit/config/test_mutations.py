"""Whatever a file says, it is loaded or refused: nothing else ever comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hilum.config import dump, init_template, load
from hilum.errors import ConfigError

SPEC = Path(__file__).parent / "spec"
SEEDS = [(SPEC / "app.yaml").read_text(), (SPEC / "app-patient-timeout.yaml").read_text(), init_template()]
SEEDS.append(
    "engines: {a: {type: process, command: [x, '{input}'], environment: {A: b}}}\nworkflows: &w []\nstorage: {}\n"
)
PIECES = st.sampled_from([
    "", " ", "\n", "\t", ":", ": ", "- ", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "<<: ", "!!str ", "!x ", "%",
    "@", "|\n", ">", "? ", ",", "~", "null", "true", "-1", "0x1F", "1e999", ".nan", "99999999999999999999", "2020-1-1",
    "\\", "\x00", "\x85", "\ufeff", "\U0001f4a9", "---\n", "...\n", "dicom", "port", "destination", "workflows:",
    "type", "http",
])  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(PIECES | st.text(max_size=5)) + text[stop:]
    return text


def settle(folder: Path, text: str, environ: dict[str, str]) -> None:
    """Load the text; refused or not, what comes out must be in order."""
    path = folder / "app.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        problems = error.problems
    else:
        path.write_text(dump(loaded))
        assert load(path, {}) == loaded
        return
    assert problems
    assert len(set(problems)) == len(problems)
    for problem in problems:
        assert problem.where.startswith((str(path), "HILUM__"))
        assert problem.message
        assert "\n" not in str(problem)


@settings(max_examples=150, deadline=None)
@given(text=mutated())
@example(text="? - a\n: b")
@example(text="a: &a\n  b: *a")
@example(text="workflows: [[]]\nengines: [a]\ndicom: [b]")
@example(
    text="dicom: {scp: [], scu: {destinations: [5, {name: [a]}]}}\nworkflows: [{clara-ae-title: [1], destination: {}}]"
)
@example(text="storage: {temporary: 5}\nweb: {host: 5}\nengines: {folder: [], a: {type: []}, b: {type: {}}}")
@example(text="workflows: [{name: a, clara-ae-title: b, destination: [[c], [c], {d: e}]}]")
@example(text="dicom: {workflows: 5, storage: 6}")
def test_a_mutated_file_is_loaded_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    settle(tmp_path_factory.mktemp("config"), text, {})


PARTS = st.sampled_from([
    "DICOM", "SCP", "SCU", "PORT", "AE_TITLES", "0", "1", "00000001", "SOURCES", "WORKFLOWS", "DESTINATION", "ENGINES",
    "A", "ENVIRONMENT", "TYPE", "STORAGE", "WEB", "TOKEN", "", "x", "é", "²", "٣", "DESTINATION_NAME", "folder",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    environ=st.dictionaries(
        st.lists(PARTS, max_size=6).map(lambda parts: "HILUM__" + "__".join(parts)),
        PIECES | st.text(max_size=8),
        max_size=4,
    ),
)
def test_any_environment_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: str, environ: dict[str, str]
) -> None:
    # Secrets are masked, so they cannot come back.
    settle(tmp_path_factory.mktemp("config"), seed, {name: environ[name] for name in environ if "TOKEN" not in name})
