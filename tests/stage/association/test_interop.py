"""Both roles against DCMTK and pynetdicom, which share no code with Hilum."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pynetdicom
import pytest
from pydicom.data import get_testdata_file

from harness.ports import free_port
from hilum.association.observer import AssociationEnded, AssociationRejected
from hilum.association.requestor import Peer, PermanentRejectError, Requestor, RequestorTimeouts
from hilum.association.sink import Ending
from hilum.errors import TemporaryError
from hilum.model import AETitle, Answer, Uid
from stage.association.recording_sink import Released, Stored
from stage.association.running_gateway import Gateway

pytestmark = pytest.mark.interop

FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "rtplan.dcm",
    "JPEG2000.dcm",
    "image_dfl.dcm",
]


def path_of(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


class File:
    """A DICOM file, taken apart by pydicom."""

    def __init__(self, path: Path) -> None:
        self.path = path
        meta = pydicom.filereader.read_file_meta_info(path)
        self.sop_class = Uid(meta.MediaStorageSOPClassUID)
        self.sop_instance = Uid(meta.MediaStorageSOPInstanceUID)
        self.transfer_syntax = Uid(meta.TransferSyntaxUID)
        # 128 bytes preamble, DICM, the group length element of 12 bytes, and what it counts.
        self.offset = 144 + meta.FileMetaInformationGroupLength
        self.data_set = path.read_bytes()[self.offset :]
        #: What is sent of it: the deflated sample lacks the byte that would make its length even.
        self.padded = self.data_set + (b"\0" if "deflate" in meta.TransferSyntaxUID.name.lower() else b"")


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> File:
    return File(path_of(request.param))


def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command)
    if program is None:
        pytest.fail(f"{command} is not installed: apt-get install dcmtk, or make test as root")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


# Hilum as acceptor


def test_echoscu_is_answered(gateway: Gateway) -> None:
    done = run("echoscu", "-v", "-aet", "SCANNER", "-aec", "HILUM", "--repeat", 3, "127.0.0.1", gateway.port)
    assert done.returncode == 0, done.stderr
    assert gateway.seen.wait(AssociationEnded).tally.echoes == 3


def test_echoscu_is_told_why_it_is_rejected(gateway: Gateway) -> None:
    done = run("echoscu", "-v", "-aet", "STRANGER", "-aec", "HILUM", "127.0.0.1", gateway.port)
    assert done.returncode != 0
    assert "Calling AE Title Not Recognized" in done.stdout + done.stderr
    gateway.seen.wait(AssociationRejected)


@pytest.mark.parametrize("max_pdu", [4096, 131072])
def test_storescu_stores_what_it_reads(gateway: Gateway, max_pdu: int) -> None:
    paths = [path_of(name) for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")]
    done = run("storescu", "-v", "-aet", "SCANNER", "-aec", "HILUM", "-pdu", max_pdu, "127.0.0.1", gateway.port, *paths)
    assert done.returncode == 0, done.stderr
    gateway.seen.wait(Released)
    for path, stored in zip(paths, gateway.seen.all(Stored), strict=True):
        original = pydicom.dcmread(path)
        assert stored.request.sop_instance == original.SOPInstanceUID
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.UID(stored.request.transfer_syntax)
        buffer = pydicom.filebase.DicomBytesIO(stored.content)
        received = pydicom.filereader.read_dataset(
            buffer, meta.TransferSyntaxUID.is_implicit_VR, meta.TransferSyntaxUID.is_little_endian
        )
        # DCMTK leaves trailing padding and group lengths out.
        assert received.PixelData == original.PixelData if "PixelData" in original else received.RTPlanLabel
        assert received.PatientID == original.PatientID


def test_storescu_aborts_between_instances(gateway: Gateway) -> None:
    done = run(
        "storescu", "--abort", "-aet", "SCANNER", "-aec", "HILUM", "127.0.0.1", gateway.port, path_of("CT_small.dcm")
    )
    assert done.returncode == 0, done.stderr
    assert gateway.seen.wait(AssociationEnded).how is Ending.ABORTED
    assert len(gateway.seen.all(Stored)) == 1


@pytest.fixture
def unchanged_by_pynetdicom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)


@pytest.mark.usefixtures("unchanged_by_pynetdicom")
def test_pynetdicom_stores_any_transfer_syntax_byte_by_byte(gateway: Gateway, file: File) -> None:
    ae = pynetdicom.AE(ae_title="SCANNER")
    ae.add_requested_context(file.sop_class, file.transfer_syntax)
    association = ae.associate("127.0.0.1", gateway.port, ae_title="HILUM")
    assert association.is_established
    assert association.send_c_store(file.path).Status == 0
    association.release()
    assert association.is_released
    (stored,) = gateway.seen.all(Stored)
    assert stored.content == file.data_set
    assert stored.request.transfer_syntax == file.transfer_syntax


def test_pynetdicom_gets_a_transient_reject_within_a_second(gateway: Gateway) -> None:
    gateway.configure(max_associations=1)
    ae = pynetdicom.AE(ae_title="SCANNER")
    ae.add_requested_context(pynetdicom.sop_class.Verification)
    first = ae.associate("127.0.0.1", gateway.port, ae_title="HILUM")
    assert first.is_established
    began = time.monotonic()
    second = ae.associate("127.0.0.1", gateway.port, ae_title="HILUM")
    assert time.monotonic() - began < 1
    assert second.is_rejected
    assert (second.acceptor.primitive.result, second.acceptor.primitive.diagnostic) == (2, 2)
    first.release()


# Hilum as requestor


@pytest.fixture
def pynetdicom_server() -> Iterator[tuple[int, list[bytes], dict[str, Any]]]:
    """A port, what was stored there, and how it answers."""
    stored: list[bytes] = []
    behaviour: dict[str, Any] = {"status": 0x0000}

    def on_store(event: pynetdicom.events.Event) -> int:
        stored.append(event.request.DataSet.getvalue())
        return int(behaviour["status"])

    ae = pynetdicom.AE(ae_title="PACS")
    for context in (*pynetdicom.StoragePresentationContexts, *pynetdicom.VerificationPresentationContexts):
        ae.add_supported_context(context.abstract_syntax, pynetdicom.ALL_TRANSFER_SYNTAXES)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, on_store)])
    yield server.server_address[1], stored, behaviour
    server.shutdown()


def open_to(port: int, *contexts: tuple[str, str]) -> Requestor:
    return Requestor.open(
        Peer(host="127.0.0.1", port=port, called=AETitle("PACS")),
        AETitle("HILUM"),
        [(Uid(sop_class), Uid(syntax)) for sop_class, syntax in contexts],
        timeouts=RequestorTimeouts(connect=timedelta(seconds=5), dimse=timedelta(seconds=20)),
    )


ECHO = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")


def send(association: Requestor, file: File) -> Answer:
    with file.path.open("rb") as opened:
        return association.store(
            opened,
            file.offset,
            len(file.data_set),
            sop_class=file.sop_class,
            sop_instance=file.sop_instance,
            transfer_syntax=file.transfer_syntax,
        )


def test_pynetdicom_takes_any_transfer_syntax_byte_by_byte(
    pynetdicom_server: tuple[int, list[bytes], dict[str, Any]], file: File
) -> None:
    port, stored, behaviour = pynetdicom_server
    with open_to(port, ECHO, (file.sop_class, file.transfer_syntax)) as association:
        assert association.echo() == 0
        assert send(association, file) == Answer(status=0)
        behaviour["status"] = 0xB007
        assert send(association, file) == Answer(status=0xB007)
        behaviour["status"] = 0xA700
        assert send(association, file) == Answer(status=0xA700)
    assert stored == [file.padded] * 3


@contextlib.contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """DCMTK's server; it cannot choose a port itself."""
    program = shutil.which("storescp")
    if program is None:
        pytest.fail("storescp is not installed: apt-get install dcmtk, or make test as root")
    port = free_port()
    process = subprocess.Popen(
        [program, *options, "--output-directory", folder, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                assert process.poll() is None, "storescp has ended"
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("max_pdu", ["4096", "131072"])
def test_storescp_takes_any_transfer_syntax_byte_by_byte(tmp_path: Path, max_pdu: str) -> None:
    files = [File(path_of(name)) for name in FILES]
    with storescp(tmp_path, "--bit-preserving", "+xa", "--max-pdu", max_pdu) as port:
        contexts = [(file.sop_class, file.transfer_syntax) for file in files]
        with open_to(port, ECHO, *contexts) as association:
            assert association.echo() == 0
            taken = [file for file in files if association.accepted(file.sop_class, file.transfer_syntax)]
            assert len(taken) >= 5
            assert [send(association, file) for file in taken] == [Answer(status=0)] * len(taken)
    written = [File(path).data_set for path in tmp_path.iterdir()]
    # Three of the samples have one SOP Instance UID, and the last one stays.
    assert len(written) == len({file.sop_instance for file in taken})
    assert all(content in [file.padded for file in taken] for content in written)


def test_storescp_that_aborts_has_not_taken_the_instance(tmp_path: Path) -> None:
    file = File(path_of("CT_small.dcm"))
    with (
        storescp(tmp_path, "--abort-during") as port,
        open_to(port, (file.sop_class, file.transfer_syntax)) as association,
        pytest.raises(TemporaryError, match="abort"),
    ):
        send(association, file)


def test_storescp_that_refuses_is_a_permanent_reject(tmp_path: Path) -> None:
    with storescp(tmp_path, "--refuse") as port, pytest.raises(PermanentRejectError, match="1/1/1"):
        open_to(port, ECHO)


def test_several_requestors_at_once_do_not_disturb_each_other(gateway: Gateway) -> None:
    gateway.configure(max_associations=4)
    file = File(path_of("CT_small.dcm"))
    gateway.configure(reject_unknown_sources=False)
    answers: list[Answer] = []

    def work() -> None:
        peer = Peer(host="127.0.0.1", port=gateway.port, called=AETitle("HILUM"))
        with Requestor.open(peer, AETitle("ME"), [(file.sop_class, file.transfer_syntax)]) as association:
            answers.extend(send(association, file) for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Answer(status=0)] * 100
    assert all(stored.content == file.data_set for stored in gateway.seen.all(Stored))
