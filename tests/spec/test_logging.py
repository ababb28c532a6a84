"""``log-dimse-datasets``: what the log holds of the instances that passed by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest

from harness.data import make_instance, read
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.site import Site
from harness.waiting import eventually
from spec.peers import CT_IMAGE_STORAGE, ECHO, EXPLICIT_LE, modality
from spec.sentences import sentence

MakeSite = Callable[..., Site]

NAME, PATIENT_ID = "Secretova^Karolina", "KEEP-QUIET-7"


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """An instance that knows its patient."""
    path = make_instance(tmp_path / "ct", patient=PATIENT_ID)
    data = read(path)
    data.PatientName, data.PatientBirthDate = NAME, "19610412"
    data.save_as(path)
    return path


def keys(pacs: Pacs, **scp: Any) -> Mapping[str, Any]:
    workflow = {"name": "back", "clara-ae-title": "AI", "destination-name": "PACS", "workflow": "wf", "engine": "copy"}
    return {
        "dicom": {"scp": {"ae-titles": [{"ae-title": "AI", "timeout-group": "Patient"}]} | scp}
        | {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow],
    }


def log_of_a_day(site: Site, portrait: Path, pacs: Pacs) -> str:
    """The log of ``hilum serve`` after an instance was stored, refused, stored in vain, processed and delivered."""
    impostor = pydicom.dcmread(portrait)
    with GatewayProcess(site) as gateway:
        with modality(gateway.port, ECHO, (CT_IMAGE_STORAGE, [EXPLICIT_LE])) as association:
            assert association.send_c_echo().Status == 0
            assert association.send_c_store(portrait).Status == 0
            assert association.send_c_store(portrait).Status == 0
            impostor.SOPInstanceUID = ""
            impostor.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            assert association.send_c_store(impostor).Status != 0
        with modality(gateway.port, (CT_IMAGE_STORAGE, [EXPLICIT_LE])) as association:
            assert association.send_c_store(portrait).Status == 0
            association.abort()
        eventually(lambda: pacs.arrived, what="the result")
    return gateway.log.read_text()


@sentence("log-dimse-datasets.default", "log-dimse-datasets")
def test_by_default_no_data_set_and_nothing_of_a_patient_is_in_the_log(
    make_site: MakeSite, pacs: Pacs, portrait: Path
) -> None:
    log = log_of_a_day(make_site(keys(pacs)), portrait, pacs)
    assert "association.released" in log
    for secret in ("Secretova", "Karolina", PATIENT_ID, "19610412"):
        assert secret not in log
    assert "dimse." not in log


@sentence("log-dimse-datasets")
def test_if_configured_command_sets_and_data_sets_are_in_the_log(
    make_site: MakeSite, pacs: Pacs, portrait: Path
) -> None:
    log = log_of_a_day(make_site(keys(pacs, **{"log-dimse-datasets": True})), portrait, pacs)
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    commands = [one for one in events if one["event"] == "dimse.command"]
    data_sets = [one for one in events if one["event"] == "dimse.data_set"]
    assert (CT_IMAGE_STORAGE, portrait.stem) in {(one["sop_class"], one.get("sop_instance")) for one in commands}
    responses = [one for one in events if one["event"] == "dimse.response"]
    assert (portrait.stem, 0) in {(one.get("sop_instance"), one["status"]) for one in responses}
    assert len(responses) == len(commands)
    text = "\n".join(data_sets[0]["data_set"])
    for expected in (NAME, PATIENT_ID, "19610412", portrait.stem):
        assert expected in text
