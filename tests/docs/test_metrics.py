"""Pages, dashboard and alert rules speak of metrics that exist, with labels and words that exist."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hilum import states
from hilum.association.observer import Early
from hilum.association.sink import Ending
from hilum.observe.meter import Phase
from hilum.observe.metrics import RELEASED
from hilum.serve.flow import FOLLOWS
from hilum.web.metrics_reference import described, reference
from hilum.wire import Reject
from interop.programs import program

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "hilum.json"
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCRAPE = ROOT / "deploy" / "prometheus" / "prometheus.yml"

OURS = {one.name: one for one in described()}
#: Of Prometheus and its client library.
THEIRS = {
    "up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
}
ADDED_BY_PROMETHEUS = {"instance", "job", "le"}


def _is_words(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum


#: Every word that a label with one of few values can have.
WORDS: Mapping[str, set[str]] = {
    "event": {str(one) for kind in vars(states).values() if _is_words(kind) for one in kind} | {"made"},
    "state": {str(one) for kind in (states.Group, states.Job) for one in kind},
    "how": {"released", *map(str, Ending)},
    "reason": {one.meaning for one in vars(Reject).values() if isinstance(one, Reject)} | {RELEASED},
    "cause": set(map(str, Early)),
    "outcome": {"stored", "ignored", "refused", "done", "failed"},
    "status": {"A7xx", "A9xx", "Cxxx"},
    "kind": {"write", "note", "read"},
    "phase": set(map(str, Phase)),
    "step": set(FOLLOWS),
    "file": {"database", "wal"},
    "job": {"hilum"},
}


def rules() -> list[Mapping[str, Any]]:
    loaded = YAML(typ="safe").load(RULES)
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def panels() -> Iterator[Mapping[str, Any]]:
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def expressions() -> Iterator[tuple[str, str]]:
    """Each with where it stands; what Grafana fills in is filled in."""
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            yield f"panel {panel['title']} {target['refId']}", text


EXPRESSIONS = [pytest.param(text, id=where) for where, text in expressions()]
_NAME = re.compile(r"\b(hilum_\w+|process_\w+|python_\w+|up)\b(?:\{([^}]*)\})?")


def _metric(name: str) -> str | None:
    """The metric that a name in a query belongs to."""
    if name in OURS or name in THEIRS:
        return name
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base in OURS and OURS[base].kind == "histogram" else None


def test_the_page_says_what_is_exposed() -> None:
    """Write it anew with: python -m hilum.web.metrics_reference > docs/metrics.md."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len(OURS) == len(described())
    for one in OURS.values():
        assert re.fullmatch(r"hilum_[a-z]+(_[a-z]+)*", one.name)
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert one.documentation.endswith("."), one.name
        assert one.kind != "histogram" or one.name.endswith("_seconds"), one.name


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_every_metric_in_a_query_exists_with_its_labels(text: str) -> None:
    names = list(_NAME.finditer(text))
    assert names
    for found in names:
        metric = _metric(found[1])
        assert metric, found[1]
        known = set(OURS[metric].labels) if metric in OURS else set()
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', found[2] or ""):
            assert label in known | ADDED_BY_PROMETHEUS, (found[0], label)
            if label in WORDS:
                pattern = value if operator in {"=~", "!~"} else re.escape(value)
                assert any(re.fullmatch(pattern, word) for word in WORDS[label]), (label, value)
    labels = {label for found in names if (one := OURS.get(_metric(found[1]) or "")) for label in one.labels}
    for grouped in re.findall(r"\bby \(([^)]*)\)", text):
        assert {name.strip() for name in grouped.split(",")} <= labels | ADDED_BY_PROMETHEUS


def test_every_metric_is_on_the_dashboard_or_in_a_rule() -> None:
    used = {_metric(found[1]) for _, text in expressions() for found in _NAME.finditer(text)}
    assert set(OURS) - used == {"hilum_associations_held_oldest_seconds", "hilum_next_seconds"}


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "meaning", "action"}, rule["alert"]
        assert all(len(text) > 20 for text in rule["annotations"].values()), rule["alert"]


def test_every_command_that_a_rule_recommends_exists() -> None:
    from typer.main import get_command

    from hilum.cli.app import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    told = {word for rule in rules() for word in re.findall(r"`hilum ([a-z]+)", rule["annotations"]["action"])}
    assert told
    assert told <= known


def test_panels_have_their_places() -> None:
    placed = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in placed:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in placed}) == len(placed)


def test_the_scrape_configuration_asks_for_what_there_is() -> None:
    (job,) = YAML(typ="safe").load(SCRAPE)["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("hilum", "/metrics")
    assert job["authorization"]["type"] == "Bearer"


def test_promtool_understands_rules_and_dashboard(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    page = tmp_path / "dashboard.yml"
    with page.open("w") as file:
        YAML(typ="safe").dump({"groups": [{"name": "dashboard", "rules": recorded}]}, file)
    promtool = program("promtool", "prometheus")
    for file in (RULES, page):
        ran = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
