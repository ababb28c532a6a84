from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config import AbortedAssociations, Durability, FolderEngine, Ledger, ProcessEngine, Settings, load
from hilum.model import AETitle, GroupKind, Uid

Read = Callable[..., Settings]

SPEC = Path(__file__).parent / "spec"
JOB_PROCESSOR = "Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer"


def test_the_sample_of_the_spec_loads_unchanged() -> None:
    settings = load(SPEC / "app.yaml", {})
    scp, scu = settings.dicom.scp, settings.dicom.scu
    assert [ae.title for ae in scp.ae_titles] == ["NVIDIADGX100", "NVIDIADGX101"]
    assert {ae.processors for ae in scp.ae_titles} == {(JOB_PROCESSOR,)}
    assert (scp.port, scp.max_associations, scu.ae_title, scu.max_associations) == (104, 2, "ClaraSCU", 2)
    assert [(source.host_ip, source.ae_title) for source in scp.sources] == [("10.20.30.1", "DCM4CHEE")]
    assert [(one.name, one.host_ip, one.port, one.ae_title) for one in scu.destinations] == [
        ("MyOrthanc", "10.20.30.2", 104, "ORTHANC"),
        ("PACS", "10.20.30.1", 104, "DCM4CHEE"),
    ]
    assert [(one.name, one.clara_ae_title, one.destinations, one.workflow) for one in settings.workflows] == [
        ("ct_ai_workflow", "NVIDIADGX100", ("MyOrthanc",), "0fcdcdea-89c6-456f-b20a-bc7379c54ef2"),
        ("mammo_ai_workflow", "NVIDIADGX101", ("PACS",), "3c9d3b93-86d4-4bc2-b89b-7a12de9f7bda"),
    ]


@pytest.mark.parametrize(
    ("file", "kind"),
    [("app-association-timeout.yaml", GroupKind.ASSOCIATION), ("app-patient-timeout.yaml", GroupKind.PATIENT)],
)
def test_the_samples_of_grouping_load_unchanged(file: str, kind: GroupKind) -> None:
    (ae,) = load(SPEC / file, {}).dicom.scp.ae_titles
    assert (ae.timeout, ae.timeout_group) == (300, kind)


def test_the_reference_of_the_spec_loads_with_its_defaults(read: Read) -> None:
    # Values as they stand in the comments of the spec's configuration reference, with its "- []".
    settings = read(
        f"""\
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
      - host-ip: pacs.example.org
        ae-title: PACS
  scu:
    ae-title: ClaraSCU
    max-associations: 2
    destinations:
      - {{name: PACS, host-ip: pacs, port: 104, ae-title: PACS}}
workflows:
  - name: one
    clara-ae-title: ClaraSCP
    destination-name: PACS
    workflow: 0fcdcdea-89c6-456f-b20a-bc7379c54ef2
    destination: PACS
storage:
  temporary: ./storage
  payloads: /app/payloads
  output: /app/output
"""
    )
    bare = read("dicom: {}")
    assert settings.dicom.scp.ae_titles == bare.dicom.scp.ae_titles
    assert settings.dicom.scp.verification == bare.dicom.scp.verification
    assert settings.storage == bare.storage


def test_a_file_that_says_nothing_gives_the_defaults_of_the_spec(read: Read) -> None:
    settings = read("{}")
    (ae,) = settings.dicom.scp.ae_titles
    assert (ae.title, ae.timeout, ae.timeout_group) == ("ClaraSCP", 0, GroupKind.ASSOCIATION)
    assert (ae.overwrite_same_instance, ae.ignored_sop_classes) == (False, frozenset())
    assert ae.aborted_associations is AbortedAssociations.HOLD
    scp = settings.dicom.scp
    assert (scp.port, scp.host, scp.max_associations, scp.max_pdu_length) == (104, "0.0.0.0", 2, 131072)
    assert (scp.reject_unknown_sources, scp.log_dimse_datasets, scp.sources) == (True, False, ())
    assert (scp.verification.enabled, scp.verification.transfer_syntaxes) == (True, ())
    assert (scp.durability, scp.aborted_retention) == (Durability.INSTANCE, 86400)
    assert (scp.timeouts.artim, scp.timeouts.pdu, scp.timeouts.idle) == (30, 60, 300)
    limits = scp.limits
    assert (limits.pre_association, limits.pre_association_per_host, limits.object_gb) == (256, 16, 16)
    scu = settings.dicom.scu
    assert (scu.ae_title, scu.max_associations, scu.destinations) == ("ClaraSCU", 2, ())
    assert (scu.retry.waits, scu.retry.give_up_after) == ((30, 120, 600, 3600), 604800)
    assert (scu.timeouts.connect, scu.timeouts.association, scu.timeouts.dimse) == (10, 30, 60)
    storage = settings.storage
    assert (storage.watermark_percent, storage.reserve_gb, storage.scan_seconds) == (85, 5, 0.5)
    assert (storage.retention_days.delivered, storage.retention_days.failed) == (7, 30)
    assert (settings.web.host, settings.web.port, settings.web.token) == ("127.0.0.1", 8080, None)
    assert settings.workflows == ()
    assert dict(settings.engines) == {"folder": FolderEngine(type="folder")}


def test_relative_folders_begin_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "app.yaml").write_text(
        "storage: {payloads: jobs, output: /out}\nledger: {url: 'sqlite:///db/hilum.db'}"
    )
    settings = load(tmp_path / "app.yaml", {})
    assert settings.storage.temporary == tmp_path / "storage"
    assert settings.storage.payloads == tmp_path / "jobs"
    assert settings.storage.output == Path("/out")
    assert settings.ledger.url == f"sqlite:///{tmp_path}/db/hilum.db"


def test_an_absolute_ledger_stays_where_it_is(read: Read) -> None:
    assert read("ledger: {url: 'sqlite:////var/lib/hilum.db'}").ledger.url == "sqlite:////var/lib/hilum.db"


def test_sections_may_stand_under_dicom(read: Read) -> None:
    settings = read(
        "dicom:\n  workflows: [{name: a, clara-ae-title: ClaraSCP}]\n  storage: {payloads: /jobs}\n",
    )
    assert settings.workflows[0].name == "a"
    assert settings.storage.payloads == Path("/jobs")


def test_a_workflow_may_name_no_destination_one_or_several(read: Read) -> None:
    settings = read(
        """\
dicom:
  scu:
    destinations:
      - {name: A, host-ip: a, port: 1, ae-title: A}
      - {name: B, host-ip: "::1", port: 2, ae-title: B}
workflows:
  - {name: none, clara-ae-title: ClaraSCP}
  - {name: one, clara-ae-title: " ClaraSCP ", destination: A, workflow: uuid}
  - {name: two, clara-ae-title: ClaraSCP, destination-name: [B, A]}
"""
    )
    assert [one.destinations for one in settings.workflows] == [(), ("A",), ("B", "A")]
    assert [one.workflow for one in settings.workflows] == ["none", "uuid", "two"]
    assert {one.engine for one in settings.workflows} == {"folder"}


def test_a_section_or_list_without_a_value_counts_as_left_out(read: Read) -> None:
    settings = read(
        "dicom:\n  scp:\n    sources:\n    #  - host-ip: a\n    verification:\n  scu:\nworkflows:\nengines:\n"
    )
    assert settings == read("{}")


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "10.0.0.0/8", "0.0.0.0/0", "::1", "2001:db8::/32", "fe80::1%eth0", "pacs", "a_b.example.org."]
)
def test_a_source_may_be_an_address_a_network_or_a_name(read: Read, host: str) -> None:
    settings = read(f"dicom: {{scp: {{sources: [{{host-ip: '{host}', ae-title: A}}]}}}}")
    assert settings.dicom.scp.sources[0].host_ip == host


def test_sop_classes_may_be_uids_or_keywords(read: Read) -> None:
    settings = read(
        "dicom: {scp: {ae-titles: [{ignored-sop-classes: [CTImageStorage, 1.2.840.10008.5.1.4.1.1.4, 2.25.7.1]}]}}"
    )
    found = settings.dicom.scp.ae_titles[0].ignored_sop_classes
    assert found == {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "2.25.7.1"}
    assert {type(uid) for uid in found} == {Uid}


def test_transfer_syntaxes_keep_their_order(read: Read) -> None:
    settings = read("dicom: {scp: {verification: {transfer-syntaxes: [ImplicitVRLittleEndian, 1.2.840.10008.1.2.1]}}}")
    assert settings.dicom.scp.verification.transfer_syntaxes == ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


def test_a_process_engine_has_its_defaults(read: Read) -> None:
    engine = read("engines: {local: {type: process, command: [python, '{input}', '{\"json\": 1}']}}").engines["local"]
    assert isinstance(engine, ProcessEngine)
    assert engine.command == ("python", "{input}", '{"json": 1}')
    assert (engine.timeout, engine.max_jobs, engine.attempts, engine.grace) == (3600, 1, 2, 10)
    assert dict(engine.environment) == {}


def test_whole_numbers_are_welcome_where_fractions_are(read: Read) -> None:
    assert read("dicom: {scp: {timeouts: {artim: 5, pdu: 0.25}}}").dicom.scp.timeouts.artim == 5


def test_the_time_to_wait_for_destinations_may_be_set(read: Read) -> None:
    timeouts = read("dicom: {scu: {timeouts: {connect: 2, dimse: 0.5}}}").dicom.scu.timeouts
    assert (timeouts.connect, timeouts.association, timeouts.dimse) == (2, 30, 0.5)


def test_values_have_their_own_types(read: Read) -> None:
    settings = read("dicom: {scp: {ae-titles: [{ae-title: A, timeout-group: Series}]}}")
    ae = settings.dicom.scp.ae_titles[0]
    assert type(ae.title) is AETitle
    assert ae.timeout_group is GroupKind.SERIES


def test_settings_cannot_be_changed(read: Read) -> None:
    settings = read("{}")
    with pytest.raises(ValueError, match="frozen"):
        settings.dicom.scp.port = 5  # type: ignore[misc]


def test_settings_are_equal_when_they_say_the_same_in_another_form(read: Read) -> None:
    first = read("dicom:\n  scp:\n    port: 5\n")
    assert first == read("# moved\n\ndicom: {scp: {port: 5}}")
    assert first != read("dicom: {scp: {port: 6}}")
    assert first != "dicom"


def test_settings_can_be_made_without_a_file() -> None:
    assert Settings().dicom.scp.port == 104
    assert (
        Settings.model_validate({"dicom": {"scp": {"ae-titles": [{"ae-title": "A"}]}}}).dicom.scp.ae_titles[0].title
        == "A"
    )


def test_a_ledger_on_a_server_is_no_file_and_is_shown_without_its_password() -> None:
    url = "postgresql+psycopg://hilum:p4ss:word@a.example.org,b.example.org/hilum?sslmode=require&password=more"
    ledger = Ledger(url=url)
    assert ledger.file is None
    assert ledger.beneath(Path("/etc/hilum")).url == url
    assert ledger.shown == (
        "postgresql+psycopg://hilum:********@a.example.org,b.example.org/hilum?sslmode=require&password=********"
    )
    assert Ledger().beneath(Path("/etc/hilum")).file == Path("/etc/hilum/hilum.db")
