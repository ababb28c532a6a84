"""Keys of engines of the type http."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.config import HttpEngine, Settings, dump, load, warnings


def loaded(folder: Path, keys: str, environment: dict[str, str] | None = None) -> Settings:
    path = folder / "app.yaml"
    path.write_text(f"engines: {{gpu: {{type: http, {keys}}}}}")
    return load(path, environment or {})


def engine(settings: Settings) -> HttpEngine:
    found = settings.engines["gpu"]
    assert isinstance(found, HttpEngine)
    return found


def advice(settings: Settings) -> list[str]:
    return [f"{one.path}: {one.message}" for one in warnings(settings) if "engines" in one.path]


def test_an_address_is_enough(tmp_path: Path) -> None:
    found = engine(loaded(tmp_path, "url: https://example.org/hilum"))
    assert (found.timeout, found.poll_seconds, found.max_jobs, found.attempts) == (30, 2, 4, 2)
    assert (found.token, found.secret, found.files, found.payloads_on_platform) == (None, None, "shared", None)


def test_files_of_authorities_lie_beside_the_configuration(tmp_path: Path) -> None:
    assert engine(loaded(tmp_path, "url: https://x.org, ca-file: ca.pem")).ca_file == tmp_path / "ca.pem"


def test_secrets_come_from_the_file_the_environment_or_a_file_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    told = {
        "HILUM__ENGINES__GPU__TOKEN": "from-the-environment",
        "HILUM__ENGINES__GPU__SECRET_FILE": str(tmp_path / "secret"),
    }
    settings = loaded(tmp_path, "url: https://x.org, token: in-the-file", told)
    assert (engine(settings).token, engine(settings).secret) == ("from-the-environment", "from-a-file")
    for shown in (repr(settings), dump(settings)):
        assert "from-the-environment" not in shown
        assert "from-a-file" not in shown


@pytest.mark.parametrize("url", ["https://example.org", "http://127.0.0.1:9000", "http://localhost:9000"])
def test_a_protected_token_needs_no_advice(tmp_path: Path, url: str) -> None:
    assert advice(loaded(tmp_path, f"url: {url!r}, token: x")) == []


def test_a_token_over_a_connection_that_is_not_protected_is_warned_of(tmp_path: Path) -> None:
    (found,) = advice(loaded(tmp_path, "url: 'http://example.org', token: let-me-in"))
    assert found.startswith("engines.gpu.url: the token is sent as it is")
    assert "let-me-in" not in found


def test_a_folder_there_means_nothing_while_files_go_by_http(tmp_path: Path) -> None:
    (found,) = advice(loaded(tmp_path, "url: https://x.org, files: http, payloads-on-platform: /mnt/x"))
    assert found.startswith("engines.gpu.payloads-on-platform: it means nothing while files go by HTTP")
