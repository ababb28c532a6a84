"""``app.yaml``: defaults, types and ranges as ``hilum check`` tells them, and what the folders and the port mean."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data import make_instance
from harness.sending import send
from harness.site import Site, data_set_digest
from spec.command_line import check, hilum
from spec.job_folder import JobFolder, uids, wait_for_jobs
from spec.peers import modality
from spec.sentences import sentence

MakeSite = Callable[..., Site]

JOB_PROCESSOR = "Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer"

#: The specification's reference of keys with the values that its comments name, "- []" as it stands there.
REFERENCE = f"""\
dicom:
  scp:
    port: 104
    ae-titles:
      - ae-title: ClaraSCP
        timeout: 0
        timeout-group: Association
        overwrite-same-instance: false
        ignored-sop-classes:
        processors:
          - "{JOB_PROCESSOR}"
    max-associations: 2
    verification:
      enabled: true
      transfer-syntaxes:
        - []
    reject-unknown-sources: true
    log-dimse-datasets: false
    sources:
      - host-ip: ct1.example.org
        ae-title: CT1
  scu:
    ae-title: ClaraSCU
    max-associations: 2
    destinations:
      - name: PACS
        host-ip: 10.0.0.6
        port: 104
        ae-title: PACS
  workflows:
    - name: ct
      clara-ae-title: ClaraSCP
      destination-name: PACS
      workflow: 0fcdcdea-89c6-456f-b20a-bc7379c54ef2
      destination: PACS
  storage:
    temporary: ./storage
    payloads: /app/payloads
    output: /app/output
"""

WRONG = """\
dicom:
  scp:
    port: "104"
    ae-titles:
      - ae-title: LONGER THAN 16 CHARACTERS
        timeout: 1.5
        timeout-group: Patients
        overwrite-same-instance: "no"
        ignored-sop-classes: [Dicom]
        processors: 5
    max-associations: 0
    verification: {enabled: 1, transfer-syntaxes: [not-one]}
    reject-unknown-sources: maybe
    log-dimse-datasets: "true"
    sources: [{ae-title: CT1}, {host-ip: 10.20.30.1}]
  scu:
    ae-title: ""
    max-associations: 1001
    destinations: [{}]
workflows: [{clara-ae-title: AI, destination-name: PACS}]
storage: {temporary: 7, payloads: [], output: {}}
clara: {}
"""

#: What is wrong there, by path, each time beside the sentence that it contradicts.
COMPLAINTS = (
    ("scp.port.default", "dicom.scp.port"),
    ("ae-title", "dicom.scp.ae-titles[0].ae-title"),
    ("timeout.default", "dicom.scp.ae-titles[0].timeout"),
    ("timeout-group.default", "dicom.scp.ae-titles[0].timeout-group"),
    ("overwrite-same-instance.default", "dicom.scp.ae-titles[0].overwrite-same-instance"),
    ("ignored-sop-classes", "dicom.scp.ae-titles[0].ignored-sop-classes[0]"),
    ("processors.default", "dicom.scp.ae-titles[0].processors"),
    ("max-associations.range", "dicom.scp.max-associations"),
    ("verification.enabled.default", "dicom.scp.verification.enabled"),
    ("verification.transfer-syntaxes", "dicom.scp.verification.transfer-syntaxes[0]"),
    ("reject-unknown-sources.default", "dicom.scp.reject-unknown-sources"),
    ("log-dimse-datasets.default", "dicom.scp.log-dimse-datasets"),
    ("sources.host-ip", "dicom.scp.sources[0].host-ip"),
    ("sources.ae-title", "dicom.scp.sources[1].ae-title"),
    ("scu.ae-title", "dicom.scu.ae-title"),
    ("scu.max-associations.range", "dicom.scu.max-associations"),
    ("destinations.name", "dicom.scu.destinations[0].name"),
    ("destinations.host-ip", "dicom.scu.destinations[0].host-ip"),
    ("destinations.port", "dicom.scu.destinations[0].port"),
    ("destinations.ae-title", "dicom.scu.destinations[0].ae-title"),
    ("workflows.name", "workflows[0].name"),
    ("workflows.clara-ae-title", "workflows[0].clara-ae-title"),
    ("workflows.destination-name", "workflows[0].destination-name"),
    ("storage.temporary", "storage.temporary"),
    ("storage.payloads", "storage.payloads"),
    ("storage.output", "storage.output"),
    ("app-yaml", "clara"),
)

#: Of a file that says nothing.
DEFAULTS = (
    ("scp.port.default", "dicom.scp.port", 104),
    ("ae-titles.default", "dicom.scp.ae-titles.0.ae-title", "ClaraSCP"),
    ("timeout.default", "dicom.scp.ae-titles.0.timeout", 0),
    ("timeout-group.default", "dicom.scp.ae-titles.0.timeout-group", "Association"),
    ("overwrite-same-instance.default", "dicom.scp.ae-titles.0.overwrite-same-instance", False),
    ("ignored-sop-classes.default", "dicom.scp.ae-titles.0.ignored-sop-classes", []),
    ("processors.default", "dicom.scp.ae-titles.0.processors", [JOB_PROCESSOR]),
    ("max-associations.default", "dicom.scp.max-associations", 2),
    ("verification.enabled.default", "dicom.scp.verification.enabled", True),
    ("verification", "dicom.scp.verification.transfer-syntaxes", []),
    ("reject-unknown-sources.default", "dicom.scp.reject-unknown-sources", True),
    ("log-dimse-datasets.default", "dicom.scp.log-dimse-datasets", False),
    ("scu.ae-title", "dicom.scu.ae-title", "ClaraSCU"),
    ("scu.max-associations.default", "dicom.scu.max-associations", 2),
    ("destinations.optional", "dicom.scu.destinations", []),
    ("storage.temporary.default", "storage.temporary", "{folder}/storage"),
    ("storage.payloads.default", "storage.payloads", "/app/payloads"),
    ("storage.output.default", "storage.output", "/app/output"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configuration")


def checked(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "app.yaml"
    path.write_text(text)
    return check(path)


@pytest.fixture(scope="module")
def defaults(folder: Path) -> Any:
    """The settings of a file that says nothing."""
    return checked(folder, "{}")["settings"]


@pytest.fixture(scope="module")
def complaints(folder: Path) -> dict[str, Any]:
    """What is said of a file in which everything is wrong, by path."""
    found = checked(folder, WRONG)
    assert not found["valid"]
    return {problem["path"]: problem for problem in found["problems"]}


@pytest.mark.parametrize(("_sentence", "path", "value"), DEFAULTS)
@sentence(*(id_ for id_, *_ in DEFAULTS))
def test_a_key_that_is_left_out_has_its_default(
    defaults: Any, folder: Path, _sentence: str, path: str, value: object
) -> None:
    found = defaults
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    assert found == (value.format(folder=folder) if isinstance(value, str) else value)


@pytest.mark.parametrize(("_sentence", "path"), COMPLAINTS)
@sentence(*(id_ for id_, _ in COMPLAINTS))
def test_a_wrong_or_missing_value_is_told_with_its_place(
    complaints: dict[str, Any], folder: Path, _sentence: str, path: str
) -> None:
    file, line, column = complaints[path]["where"].rsplit(":", 2)
    assert (file, line.isdigit(), column.isdigit()) == (str(folder / "app.yaml"), True, True)


@sentence("app-yaml")
def test_each_mistake_is_told_once(complaints: dict[str, Any]) -> None:
    assert set(complaints) == {path for _, path in COMPLAINTS}


@sentence("app-yaml", "workflows.destination", "sources", "destinations.name")
def test_the_reference_of_keys_loads_unchanged(folder: Path, defaults: Any) -> None:
    found = checked(folder, REFERENCE)
    assert (found["problems"], found["faults"]) == ([], [])
    settings = found["settings"]
    assert settings["dicom"]["scp"]["ae-titles"] == defaults["dicom"]["scp"]["ae-titles"]
    assert settings["dicom"]["scp"]["verification"] == defaults["dicom"]["scp"]["verification"]
    assert settings["storage"] == defaults["storage"]
    assert [workflow["destination-name"] for workflow in settings["workflows"]] == ["PACS"]


@sentence("max-associations.range", "scu.max-associations.range")
def test_one_to_five_associations_are_fine_and_more_are_remarked_on(folder: Path) -> None:
    paths = ["dicom.scp.max-associations", "dicom.scu.max-associations"]
    path = folder / "app.yaml"
    for scp, scu, remarked in ((1, 5, []), (6, 1000, paths)):
        path.write_text(f"dicom: {{scp: {{max-associations: {scp}}}, scu: {{max-associations: {scu}}}}}")
        done = hilum("check", "--config", path)
        assert done.returncode == 0
        assert [one for one in paths if f"warning: {one}: " in done.stderr] == remarked


@sentence("scp.port")
def test_the_scp_listens_on_the_configured_port(make_site: MakeSite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with make_site({"dicom": {"scp": {"port": port}}}), modality(port, called="HILUM") as association:
        assert association.send_c_echo().Status == 0


@sentence("storage.temporary", "storage.payloads", "storage.output")
def test_the_configured_folders_are_made_and_used(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "ct")
    folders = {name: tmp_path / "some" / "where" / name for name in ("temporary", "payloads", "output")}
    keys = {
        "storage": {name: str(folder) for name, folder in folders.items()},
        "dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM"}, {"ae-title": "SHELF"}]}},
        "workflows": [{"name": "ct", "clara-ae-title": "HILUM", "workflow": "wf-1"}],
    }
    with make_site(keys) as site:
        send(site.port, path, called="SHELF")
        assert list(map(data_set_digest, folders["temporary"].rglob("*.dcm"))) == [data_set_digest(path)]
        send(site.port, path)
        [job] = wait_for_jobs(site, 1)
        assert (job.path.parent, job.instances) == (folders["payloads"], uids(path))
        adopted = JobFolder.by_hand(folders["output"], "wf-1", path)
        site.wait_for_jobs(1)
        assert (adopted.path / "receipt.json").exists()
