"""Real files of twelve transfer syntaxes on the whole way, from three senders to three archives: no byte changes.

Each data set goes from the sender through the gateway and a workflow that hands it back to the archive. DCMTK and
Orthanc encode anew what they send and Orthanc what it receives, so where they take part the files are brought into the
form first that they do not change; between pynetdicom and ``storescp`` they travel as pydicom has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.site import Site
from harness.waiting import eventually
from interop import dcmtk, pynetdicom_peers
from interop.copying import copy_to, wait_for_deliveries
from interop.dcmtk import Storescp
from interop.orthanc import CANNOT_TAKE, Orthanc, RefusedError
from interop.pynetdicom_peers import Archive
from interop.real_files import RealFile, real_files

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def original() -> list[RealFile]:
    return real_files()


@pytest.fixture(scope="module")
def in_dcmtk_form(original: Sequence[RealFile], tmp_path_factory: pytest.TempPathFactory) -> list[RealFile]:
    return dcmtk.in_dcmtk_form(original, tmp_path_factory.mktemp("files") / "dcmtk")


@pytest.fixture(scope="module")
def orthanc_that_sends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc") / "sender", title="MODALITY") as started:
        yield started


@pytest.fixture(scope="module")
def orthanc_that_keeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc") / "archive") as started:
        yield started


@pytest.fixture(params=["storescu", "pynetdicom", "orthanc"])
def sender(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["storescp", "pynetdicom", "orthanc"])
def archive(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def files(sender: str, archive: str, request: pytest.FixtureRequest) -> list[RealFile]:
    kept_by_all = sender == "pynetdicom" and archive != "orthanc"
    found: list[RealFile] = request.getfixturevalue("original" if kept_by_all else "in_dcmtk_form")
    return found


@pytest.fixture
def send(sender: str, request: pytest.FixtureRequest) -> Callable[[int, Sequence[RealFile]], list[RealFile]]:
    """Sends all that the sender can; returns what that was."""

    def from_orthanc(port: int, files: Sequence[RealFile]) -> list[RealFile]:
        orthanc: Orthanc = request.getfixturevalue("orthanc_that_sends")
        orthanc.clear()
        takes = [file for file in files if file.name not in CANNOT_TAKE]
        orthanc.send(port, [orthanc.upload(file.path) for file in takes])
        for file in files:
            if file.name in CANNOT_TAKE:
                with pytest.raises(RefusedError):
                    orthanc.upload(file.path)
        return takes

    def from_others(port: int, files: Sequence[RealFile]) -> list[RealFile]:
        (dcmtk.send if sender == "storescu" else pynetdicom_peers.send)(port, files)
        return list(files)

    return from_orthanc if sender == "orthanc" else from_others


@pytest.fixture
def pacs(archive: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storescp | Archive | Orthanc]:
    with ExitStack() as running:
        if archive == "storescp":
            yield running.enter_context(Storescp(tmp_path / "storescp"))
        elif archive == "pynetdicom":
            takes = [(file.sop_class, file.transfer_syntax) for file in request.getfixturevalue("original")]
            yield running.enter_context(Archive(takes))
        else:
            orthanc: Orthanc = request.getfixturevalue("orthanc_that_keeps")
            orthanc.clear()
            yield orthanc


def test_every_data_set_arrives_as_it_was_sent(
    make_site: Callable[..., Site],
    send: Callable[[int, Sequence[RealFile]], list[RealFile]],
    pacs: Storescp | Archive | Orthanc,
    files: Sequence[RealFile],
) -> None:
    with make_site(copy_to(pacs.destination)) as site:
        sent = send(site.port, files)
        if isinstance(pacs, Orthanc):
            taken = [file for file in sent if file.name not in CANNOT_TAKE]
            wait_for_deliveries(site, len(taken))
            assert pacs.digests() == sorted(file.digest for file in taken)
            left = eventually(lambda: site.rows("deliveries", state="due", status=0xA700) or taken == sent)
            assert left is True or len(left) == len(sent) - len(taken), "each file has an answer of its own"
        else:
            wait_for_deliveries(site, len(sent))
            assert pacs.digests() == sorted(file.digest for file in sent)
