"""Associations of unusual shape, in and out: presentation contexts, private classes, several destinations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pynetdicom
import pytest
from pydicom.uid import generate_uid

from harness.data import make_instance
from harness.sending import send
from harness.site import Site
from hilum.store.part10 import file_meta
from interop import dcmtk, pynetdicom_peers
from interop.copying import copy_to, wait_for_deliveries
from interop.dcmtk import Storescp
from interop.orthanc import Orthanc
from interop.pynetdicom_peers import Archive
from interop.real_files import RealFile, real_files

pytestmark = pytest.mark.interop

MakeSite = Callable[..., Site]
EXPLICIT_LE = "1.2.840.10008.1.2.1"
#: Somebody's own SOP classes; nobody has them registered.
PRIVATE = "1.2.826.0.1.3680043.8.498.1.2.3"


@pytest.fixture
def takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom accepts SOP classes that it does not know."""
    monkeypatch.setattr(pynetdicom._config, "UNRESTRICTED_STORAGE_SERVICE", True)


def instances_of_classes(folder: Path, sop_classes: list[str]) -> list[RealFile]:
    """An instance of each SOP class."""
    return [RealFile.of(make_instance(folder, sop_class=one, fill=n % 256)) for n, one in enumerate(sop_classes)]


def in_transfer_syntax(folder: Path, transfer_syntax: str, like: RealFile) -> RealFile:
    """A copy of an instance that claims another transfer syntax."""
    meta = file_meta(
        sop_class=like.sop_class,
        sop_instance=like.sop_instance,
        transfer_syntax=transfer_syntax,
        calling="TEST",
        implementation_class_uid="1.2.3",
        implementation_version_name="TEST",
    )
    path = folder / f"{transfer_syntax}.dcm"
    path.write_bytes(meta + like.data_set)
    return RealFile.of(path)


def test_echoscu_is_answered_whatever_it_proposes(make_site: MakeSite) -> None:
    with make_site() as site:
        done = dcmtk.run("echoscu", "-aec", "HILUM", "-ppc", 128, "-pts", 38, "--repeat", 3, "127.0.0.1", site.port)
        assert done.returncode == 0, done.stderr


def test_echoscu_is_refused_where_verification_is_off(make_site: MakeSite) -> None:
    with make_site({"dicom": {"scp": {"verification": {"enabled": False}}}}) as site:
        done = dcmtk.run("echoscu", "-aec", "HILUM", "127.0.0.1", site.port)
        assert done.returncode != 0
        assert "No Acceptable Presentation Contexts" in done.stderr


@pytest.mark.usefixtures("takes_everything")
def test_classes_and_transfer_syntaxes_that_nobody_knows_go_through(make_site: MakeSite, tmp_path: Path) -> None:
    [private_class, plain] = instances_of_classes(tmp_path / "files", [PRIVATE, "1.2.840.10008.5.1.4.1.1.7"])
    encapsulated = next(file for file in real_files() if file.name == "GDCMJ2K_TextGBR.dcm")
    high_throughput = in_transfer_syntax(tmp_path / "files", "1.2.840.10008.1.2.4.201", encapsulated)
    private_syntax = in_transfer_syntax(tmp_path / "files", generate_uid(), plain)
    files = [private_class, high_throughput, private_syntax]
    with Archive([]) as archive, make_site(copy_to(archive.destination)) as site:
        # Not by pynetdicom: it sends no transfer syntax that pydicom does not know.
        assert {answer.status for answer in send(site.port, *(file.path for file in files))} == {0}
        wait_for_deliveries(site, len(files))
        assert archive.digests() == sorted(file.digest for file in files)


def test_storescp_takes_an_instance_of_a_private_class(make_site: MakeSite, tmp_path: Path) -> None:
    [file] = instances_of_classes(tmp_path / "files", [PRIVATE])
    with Storescp(tmp_path / "storescp") as storescp, make_site(copy_to(storescp.destination)) as site:
        pynetdicom_peers.send(site.port, [file])
        wait_for_deliveries(site, 1)
        assert storescp.digests() == [file.digest]


@pytest.mark.usefixtures("takes_everything")
def test_128_presentation_contexts_come_and_go_in_one_association(make_site: MakeSite, tmp_path: Path) -> None:
    files = instances_of_classes(tmp_path / "files", [f"{PRIVATE}.{number}" for number in range(128)])
    with Archive([]) as archive, make_site(copy_to(archive.destination)) as site:
        pynetdicom_peers.send(site.port, files)
        wait_for_deliveries(site, len(files))
        assert archive.digests() == sorted(file.digest for file in files)
        assert archive.associations == [128]


@pytest.mark.usefixtures("takes_everything")
def test_results_that_need_more_than_128_contexts_go_in_several_associations(
    make_site: MakeSite, tmp_path: Path
) -> None:
    results = instances_of_classes(tmp_path / "results", [f"{PRIVATE}.{number}" for number in range(300)])
    trigger = make_instance(tmp_path / "ct")
    with Archive([]) as archive:
        keys = copy_to(archive.destination, engine="many")
        command = ["sh", "-c", f'cp {tmp_path}/results/* "$HILUM_OUTPUT"/']
        keys["engines"] = {"many": {"type": "process", "command": command}}
        with make_site(keys) as site:
            pynetdicom_peers.send(site.port, [RealFile.of(trigger)])
            wait_for_deliveries(site, len(results))
            assert archive.digests() == sorted(file.digest for file in results)
            assert archive.associations == [128, 128, 44]


def test_what_a_pacs_does_not_accept_is_given_up_and_the_rest_is_sent_once(make_site: MakeSite) -> None:
    files = real_files()
    taken, refused = files[::3], [file for file in files if file not in files[::3]]
    takes = [(file.sop_class, file.transfer_syntax) for file in taken]
    with Archive(takes) as archive, make_site(copy_to(archive.destination)) as site:
        pynetdicom_peers.send(site.port, files)
        [job] = site.wait_for_jobs(1)
        assert archive.digests() == sorted(file.digest for file in taken)
        receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
        deliveries = {file["sop-instance"]: file["deliveries"][0] for file in receipt["files"]}
        for file in taken:
            assert deliveries[file.sop_instance]["status"] == "0000H"
            assert deliveries[file.sop_instance]["attempts"] == 1
        for file in refused:
            assert deliveries[file.sop_instance]["state"] == "given up"
            assert f"does not accept SOP class {file.sop_class}" in deliveries[file.sop_instance]["why"]
            assert file.transfer_syntax in deliveries[file.sop_instance]["why"]


def test_one_job_goes_to_several_destinations_of_different_makers(make_site: MakeSite, tmp_path: Path) -> None:
    files = dcmtk.in_dcmtk_form(real_files()[:3], tmp_path / "files")
    with (
        Storescp(tmp_path / "storescp") as storescp,
        Orthanc(tmp_path / "orthanc") as orthanc,
        Archive([(file.sop_class, file.transfer_syntax) for file in files]) as archive,
        make_site(copy_to(storescp.destination, orthanc.destination, archive.destination)) as site,
    ):
        pynetdicom_peers.send(site.port, files)
        [job] = site.wait_for_jobs(1)
        for one in (storescp, orthanc, archive):
            assert one.digests() == sorted(file.digest for file in files)
        receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
        for file in receipt["files"]:
            assert {one["destination"] for one in file["deliveries"]} == {"STORESCP", "ORTHANC", "ARCHIVE"}
            assert {one["status"] for one in file["deliveries"]} == {"0000H"}
