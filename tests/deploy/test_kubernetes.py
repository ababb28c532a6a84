"""The manifests of Kubernetes: what its schemas say, and that they fit each other, the image and Hilum."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from deploy.dockerfile import only, stages
from deploy.folders import DEPLOY
from hilum import config
from hilum.errors import ConfigError

FOLDER = DEPLOY / "kubernetes"
#: The oldest that is meant, and the newest whose schemas are here.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]
#: Of the secret, which is made by hand; see docs/deployment.md.
SECRETS = {"ledger-url": "postgresql+psycopg://hilum:secret@ledger.example.org/hilum", "web-token": 64 * "f"}


def rendered() -> list[dict[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", FOLDER], check=True, capture_output=True, text=True)
    return list(YAML(typ="safe").load_all(done.stdout))


MANIFESTS = rendered()


def one(kind: str, name: str = "hilum") -> dict[str, Any]:
    (found,) = [manifest for manifest in MANIFESTS if manifest["kind"] == kind and manifest["metadata"]["name"] == name]
    return found


DEPLOYMENT = one("Deployment")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(GATEWAY,) = POD["containers"]


def environment(folder: Path) -> dict[str, str]:
    """What the container gets, with the secret where it is mounted."""
    for name, value in SECRETS.items():
        (folder / name).write_text(value)
    return {entry["name"]: entry["value"].replace("/run/secrets/hilum", str(folder)) for entry in GATEWAY["env"]}


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    (tmp_path / "app.yaml").write_text(one("ConfigMap")["data"]["app.yaml"])
    return config.load(tmp_path / "app.yaml", environment(tmp_path))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_allow_them(version: str) -> None:
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_would_tell() -> None:
    wrong = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicsa": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_everything_is_in_the_namespace_and_every_file_has_its_place() -> None:
    assert {manifest["metadata"].get("namespace", "hilum") for manifest in MANIFESTS} == {"hilum"}
    listed = YAML(typ="safe").load((FOLDER / "kustomization.yaml").read_text())["resources"]
    others = {"kustomization.yaml", "app.yaml", "monitor.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == {*listed, *others}


def test_labels_find_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        one("Service")["spec"]["selector"],
        one("Service", "hilum-web")["spec"]["selector"],
    ]
    assert all(selector.items() <= labels for selector in selectors)


def test_the_configuration_loads_and_writes_to_the_shared_volume(settings: config.Settings) -> None:
    assert settings.ledger.url == SECRETS["ledger-url"]
    assert settings.web.token == SECRETS["web-token"]
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in GATEWAY["volumeMounts"]}
    storage = settings.storage
    assert all(mounts["site"] in path.parents for path in (storage.temporary, storage.payloads, storage.output))
    assert one("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteMany"]
    (read,) = [entry["value"] for entry in GATEWAY["env"] if entry["name"] == "HILUM_CONFIG"]
    assert Path(read).parent == mounts["configuration"]


def test_without_the_secret_no_gateway_starts(tmp_path: Path) -> None:
    given = {name: value for name, value in environment(tmp_path).items() if "TOKEN" not in name}
    with pytest.raises(ConfigError, match="token"):
        config.load(FOLDER / "app.yaml", given)


def test_ports_are_those_that_the_gateway_listens_on(settings: config.Settings) -> None:
    ports = {port["name"]: port["containerPort"] for port in GATEWAY["ports"]}
    assert ports == {"dicom": settings.dicom.scp.port, "web": settings.web.port}
    assert one("Service")["spec"]["ports"][0]["targetPort"] in ports
    assert one("Service", "hilum-web")["spec"]["ports"][0]["targetPort"] in ports


def test_devices_keep_their_addresses() -> None:
    assert one("Service")["spec"]["externalTrafficPolicy"] == "Local"


def test_it_is_asked_for_its_health() -> None:
    asked = {kind: GATEWAY[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    live, ready = "/health/live", "/health/ready"
    assert asked == {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready}


def test_a_stop_leaves_open_associations_their_time(settings: config.Settings) -> None:
    before = int(GATEWAY["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert POD["terminationGracePeriodSeconds"] > before + settings.dicom.scp.drain_seconds + 10


def test_a_rolling_update_never_has_less_gateways_than_wanted() -> None:
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] < DEPLOYMENT["spec"]["replicas"]


def test_it_has_no_rights_that_it_does_not_need() -> None:
    image = stages(DEPLOY / "container/Dockerfile")[-1]
    user, group = map(int, only(image, "USER").text.split(":"))
    context = POD["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (user, group, group)
    assert context["runAsNonRoot"]
    assert not POD["automountServiceAccountToken"]
    assert GATEWAY["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
