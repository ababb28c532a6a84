"""``examples/app.yaml`` is a configuration that can be taken as it is."""

from pathlib import Path

from examples.workflow import EXAMPLES
from hilum.config import ProcessEngine, load, warnings


def test_the_example_configuration_loads_without_a_warning() -> None:
    assert warnings(load(EXAMPLES / "app.yaml", {})) == []


def test_it_runs_the_lung_example() -> None:
    settings = load(EXAMPLES / "app.yaml", {})
    (workflow,) = settings.workflows
    engine = settings.engines[workflow.engine]
    assert isinstance(engine, ProcessEngine)
    _python, script, source, target = engine.command
    assert (EXAMPLES.parent / Path(script).relative_to("/opt/hilum")).is_file()
    assert (source, target) == ("{input}", "{output}")
