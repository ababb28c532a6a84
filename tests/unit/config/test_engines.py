from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hilum.config import RayEngine, Settings, dump, warnings

Read = Callable[..., Settings]

RAY = """
engines:
  gpu:
    type: ray
    url: http://head:8265
    command: [model, "{input}"]
    environment: {API_KEY: k, MODE: fast}
    runtime-env: {pip: [model==1.4], container: {image: x, count: 2}}
    resources: {scanner: 1}
    labels: {ray.io/accelerator-type: A100}
    ca-file: ca.pem
    payloads-on-nodes: /mnt/hilum
"""


def test_a_ray_engine_has_its_defaults(read: Read) -> None:
    engine = read("engines: {gpu: {type: ray, url: 'http://head:8265', command: [x]}}").engines["gpu"]
    assert isinstance(engine, RayEngine)
    assert (engine.cpus, engine.gpus, engine.memory_gb) == (1, 0, 0)
    assert (engine.pending_timeout, engine.timeout, engine.poll_seconds) == (600, 3600, 2)
    assert (engine.max_jobs, engine.attempts) == (4, 2)
    assert (engine.payloads_on_nodes, engine.ca_file, engine.token) == (None, None, None)


def test_what_a_ray_engine_says_is_kept_as_it_is(read: Read, tmp_path: Path) -> None:
    engine = read(RAY).engines["gpu"]
    assert isinstance(engine, RayEngine)
    assert engine.runtime_env == {"pip": ["model==1.4"], "container": {"image": "x", "count": 2}}
    assert (engine.resources, engine.labels) == ({"scanner": 1}, {"ray.io/accelerator-type": "A100"})
    assert (engine.payloads_on_nodes, engine.ca_file) == (Path("/mnt/hilum"), tmp_path / "ca.pem")


def test_a_token_is_never_shown_and_neither_are_variables_that_sound_secret(read: Read) -> None:
    shown = dump(read(RAY + "    token: s3cret\n"))
    assert "s3cret" not in shown
    assert "API_KEY: '********'" in shown
    assert "MODE: fast" in shown


def test_runtime_env_can_be_set_by_variables_in_ray_s_spelling(read: Read) -> None:
    name = "HILUM__ENGINES__GPU__RUNTIME_ENV__WORKING_DIR"
    engine = read(RAY, {name: "s3://x/y.zip"}).engines["gpu"]
    assert isinstance(engine, RayEngine)
    assert engine.runtime_env["working_dir"] == "s3://x/y.zip"


def test_a_token_over_an_open_connection_is_a_warning_unless_it_stays_on_this_machine(read: Read) -> None:
    for url, places in (("http://head:8265", ["engines.gpu.url"]), ("http://127.0.0.1:8265", []), ("https://head", [])):
        said = warnings(read(RAY.replace("http://head:8265", url) + "    token: t\n"))
        assert [one.path for one in said if one.path.startswith("engines")] == places
