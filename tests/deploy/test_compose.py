"""The compose file: valid, consistent in itself and with what it mounts, and closed until secrets are made."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose, PyOptions

from deploy.folders import DEPLOY, ROOT
from deploy.unit import seconds
from hilum import config
from hilum.errors import ConfigError

FOLDER = DEPLOY / "compose"
HAPROXY = (FOLDER / "haproxy.cfg").read_text()
GATEWAYS = ("gateway-1", "gateway-2")


def parsed() -> PyCompose:
    return PyOptions(apply_merge=True).from_yaml((FOLDER / "compose.yaml").read_text())


COMPOSE: dict[str, Any] = parsed().to_dict()
SERVICES: dict[str, Any] = COMPOSE["services"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the one documented step makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    subprocess.run([FOLDER / "make-secrets", folder], check=True, capture_output=True)
    return folder


def environment(secrets: Path) -> dict[str, str]:
    given: dict[str, str] = SERVICES["gateway-1"]["environment"]
    return {name: value.replace("/run/secrets", str(secrets)) for name, value in given.items()}


def test_the_file_is_what_compose_reads() -> None:
    compose = parsed()
    compose.validate()
    for references in (compose.validate_configs, compose.validate_secrets, compose.validate_volumes):
        references()
    compose.validate_networks()
    assert set(SERVICES) == {*GATEWAYS, "balancer", "ledger", "archive"}


def test_files_that_it_names_are_there() -> None:
    for entry in COMPOSE["configs"].values():
        assert (FOLDER / entry["file"]).is_file()
    build = SERVICES["gateway-1"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_both_gateways_are_the_same() -> None:
    one, two = ({key: value for key, value in SERVICES[name].items() if key != "depends_on"} for name in GATEWAYS)
    assert one == two


def test_there_is_no_secret_until_somebody_makes_it(secrets: Path) -> None:
    made = {Path(entry["file"]).name for entry in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == made
    known = subprocess.run(["git", "ls-files", FOLDER / "secrets"], cwd=ROOT, check=True, capture_output=True)
    assert known.stdout == b""
    with pytest.raises(ConfigError, match="token"):
        config.load(FOLDER / "app.yaml", {})


def test_secrets_are_long_closed_to_others_and_made_once(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run([FOLDER / "make-secrets", secrets], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert all(re.fullmatch("[0-9a-f]{64}", before[name]) for name in ("web-token", "ledger-password"))
    assert len(set(before.values())) == len(before)


def test_the_gateways_load_their_configuration(secrets: Path) -> None:
    settings = config.load(FOLDER / "app.yaml", environment(secrets))
    assert settings.web.token == (secrets / "web-token").read_text()
    password = (secrets / "ledger-password").read_text()
    assert settings.ledger.url == f"postgresql+psycopg://hilum:{password}@ledger/hilum"
    server = SERVICES["ledger"]["environment"]
    assert (server["POSTGRES_USER"], server["POSTGRES_DB"]) == ("hilum", "hilum")
    (destination,) = settings.dicom.scu.destinations
    assert destination.host_ip in SERVICES
    volume = Path(SERVICES["gateway-1"]["volumes"][0].partition(":")[2])
    storage = settings.storage
    assert all(volume in path.parents for path in (storage.temporary, storage.payloads, storage.output))


def test_only_the_balancer_is_believed_and_nobody_else_can_get_its_address(secrets: Path) -> None:
    settings = config.load(FOLDER / "app.yaml", environment(secrets))
    address = SERVICES["balancer"]["networks"]["inside"]["ipv4_address"]
    assert [str(proxy) for proxy in settings.dicom.scp.proxies] == [address]
    (pool,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(pool["subnet"])
    assert ipaddress.ip_address(address) not in ipaddress.ip_network(pool["ip_range"])


def test_who_is_stopped_gets_the_time_it_needs(secrets: Path) -> None:
    settings = config.load(FOLDER / "app.yaml", environment(secrets))
    assert seconds(SERVICES["gateway-1"]["stop_grace_period"]) > settings.dicom.scp.drain_seconds + 10
    hard_stop = re.search(r"hard-stop-after (\S+)", HAPROXY)
    assert hard_stop
    assert seconds(hard_stop[1]) < seconds(SERVICES["balancer"]["stop_grace_period"])


def test_the_balancer_queues_what_gateways_would_reject_and_outwaits_them(secrets: Path) -> None:
    settings = config.load(FOLDER / "app.yaml", environment(secrets))
    most = {int(number) for number in re.findall(r"send-proxy-v2 maxconn (\d+)", HAPROXY)}
    assert len(most) == 1
    assert max(most) < settings.dicom.scp.max_associations
    waits = [seconds(wait) for wait in re.findall(r"timeout (?:client|server) (\d+m)", HAPROXY)]
    assert max(waits) > settings.dicom.scp.timeouts.idle


def test_haproxy_understands_its_configuration_without_a_warning(tmp_path: Path) -> None:
    # Names of containers exist among containers alone.
    here = re.sub(r"\bgateway-[12]:", "127.0.0.1:", HAPROXY)
    (tmp_path / "haproxy.cfg").write_text(here)
    command = ["haproxy", "-c", "-dW", "-q", "-f", tmp_path / "haproxy.cfg"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "haproxy.cfg").write_text(here.replace("balance leastconn", "balance lestconn"))
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_ports_published_lead_to_where_the_balancer_listens() -> None:
    binds = set(re.findall(r"bind :(\d+)", HAPROXY))
    published = SERVICES["balancer"]["ports"]
    assert {str(port).rpartition(":")[2] for port in published} == binds
    assert any(str(port).startswith("127.0.0.1:") for port in published), "the dashboard is for this machine alone"
    assert all("ports" not in SERVICES[name] for name in (*GATEWAYS, "ledger", "archive"))
