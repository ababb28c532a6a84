"""What the Dockerfile says, carried out without an engine: its steps, its health check, its configuration."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dockerfile import Builder, context, only, stages
from deploy.folders import DEPLOY, ROOT
from harness.ports import free_port
from harness.waiting import eventually
from hilum import config
from hilum.errors import ConfigError

FOLDER = DEPLOY / "container"
BUILD, IMAGE = stages(FOLDER / "Dockerfile")
FILES = context(ROOT, FOLDER / "Dockerfile.dockerignore")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage leaves in /opt/hilum, made with the tools of this repository at the same pins."""
    folder = tmp_path_factory.mktemp("image")
    tools = folder / "tools"
    tools.symlink_to(Path(sys.prefix))
    made = folder / "hilum"
    here = {
        "/opt/hilum": str(made),
        "--python python": f"--python {sys.executable}",
        # Takes longer than everything else, and changes nothing but how soon the program starts.
        "--compile-bytecode": "--no-compile-bytecode",
    }
    builder = Builder(ROOT, FILES, folder, here)
    for instruction in BUILD:
        if instruction.word == "COPY":
            builder.copy(instruction.text)
        elif instruction.word == "RUN" and not instruction.text.startswith("python -m venv tools"):
            builder.run(instruction.text)
    return made


@pytest.fixture
def surroundings(environment: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a container, but for ports and folders of this machine."""
    return {
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "HILUM_CONFIG": str(FOLDER / "app.yaml"),
        "HILUM__DICOM__SCP__PORT": "0",
        "HILUM__WEB__PORT": str(free_port()),
        "HILUM__STORAGE__TEMPORARY": str(tmp_path / "storage"),
        "HILUM__STORAGE__PAYLOADS": str(tmp_path / "payloads"),
        "HILUM__STORAGE__OUTPUT": str(tmp_path / "output"),
        "HILUM__LEDGER__URL": f"sqlite:///{tmp_path}/hilum.db",
    }


@pytest.fixture
def gateway(surroundings: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What ENTRYPOINT and CMD start, without tini."""
    init, dashes, *program = only(IMAGE, "ENTRYPOINT").form
    assert (init, dashes) == ("tini", "--")
    with (tmp_path / "log").open("wb") as log:
        command = [*program, *only(IMAGE, "CMD").form]
        process = subprocess.Popen(command, env=surroundings, cwd=tmp_path, stdout=log, stderr=log)
    yield process
    process.terminate()
    process.wait(timeout=60)


def health(surroundings: dict[str, str]) -> int:
    (check,) = [one for one in IMAGE if one.word == "HEALTHCHECK"]
    return subprocess.run(check.form, check=False, env=surroundings, capture_output=True).returncode


def test_only_what_the_image_is_made_of_reaches_the_builder() -> None:
    top = {path.parts[0] for path in FILES}
    assert top == {"deploy", "requirements", "pyproject.toml", "README.md", "LICENSE", "src"}
    assert [path for path in FILES if path.parts[0] == "deploy"] == [Path("deploy/container/app.yaml")]


def test_it_has_the_pinned_packages_and_hilum_and_nothing_else(environment: Path) -> None:
    command = [sys.executable, "-m", "uv", "pip", "freeze", "--python", environment]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    installed = {line for line in listed.stdout.splitlines() if not line.startswith("hilum ")}
    pinned = {
        name: {line.partition(" ;")[0] for line in (ROOT / f"requirements/{name}.txt").read_text().splitlines()}
        for name in ("runtime", "dev")
    }
    extra = {line for line in installed if line.startswith("psycopg")}
    assert extra, "the driver of PostgreSQL"
    assert extra <= pinned["dev"]
    assert installed - extra <= pinned["runtime"]


def test_the_program_knows_its_version(environment: Path) -> None:
    said = subprocess.run([environment / "bin/hilum", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("hilum ")


@pytest.mark.timeout(400)
def test_it_serves_is_healthy_and_ends_in_good_order(
    gateway: subprocess.Popen[bytes], surroundings: dict[str, str], tmp_path: Path
) -> None:
    eventually(lambda: health(surroundings) == 0, seconds=300, what="a healthy gateway")
    gateway.terminate()
    assert gateway.wait(timeout=60) == 0, (tmp_path / "log").read_text()
    assert health(surroundings) != 0


def test_its_configuration_works_there_and_lets_nobody_in() -> None:
    settings = config.load(FOLDER / "app.yaml", {})
    assert settings.dicom.scp.reject_unknown_sources
    assert not settings.dicom.scp.sources
    ports = {settings.dicom.scp.port, settings.web.port}
    assert {int(port) for port in only(IMAGE, "EXPOSE").text.split()} == ports
    volume = Path(only(IMAGE, "VOLUME").text)
    storage = settings.storage
    written = {
        storage.temporary,
        storage.payloads,
        storage.output,
        Path(settings.ledger.url.removeprefix("sqlite:///")),
    }
    assert all(volume in path.parents for path in written)


def test_the_dashboard_is_not_published_without_a_token() -> None:
    with pytest.raises(ConfigError, match="token"):
        config.load(FOLDER / "app.yaml", {"HILUM__WEB__HOST": "0.0.0.0"})


def test_it_runs_as_a_user_of_a_fixed_number() -> None:
    user = only(IMAGE, "USER").text
    assert user == "10104:10104"
    made = " ".join(one.text for one in IMAGE if one.word == "RUN")
    assert all(f"{option} {user.split(':')[0]}" in made for option in ("--uid", "--gid"))
    assert only(IMAGE, "STOPSIGNAL").text == "SIGTERM"


def test_the_image_adds_no_secret() -> None:
    said = "\n".join(one.text for stage in (BUILD, IMAGE) for one in stage)
    assert not re.search(r"token|password|secret", said, re.IGNORECASE)


def test_environment_of_the_image_is_known_to_hilum() -> None:
    known = {name for one in IMAGE if one.word == "ENV" for name in re.findall(r"\b(HILUM_\w+)=", one.text)}
    assert known == {"HILUM_CONFIG"}
