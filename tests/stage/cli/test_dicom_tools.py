from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.data import make_instance, make_series, read, real_file
from harness.pacs import Pacs
from harness.ports import free_port
from harness.site import data_set_digest
from harness.waiting import eventually
from hilum.model import Answer
from stage.cli.running import Hilum, Receiving

Receive = Callable[..., Receiving]

SYNTAXES = (
    "CT_small.dcm",  # explicit VR little endian
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
)


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's storage SCP on some port, writing bit for bit what it gets; and its folder."""
    folder = tmp_path / "dcmtk"
    folder.mkdir()
    log = (tmp_path / "storescp.log").open("w+")
    # DCMTK cannot be asked for any free port and its answer, so a free one is looked for; others may take it meanwhile.
    for _ in range(5):
        port = free_port()
        process = subprocess.Popen(
            ["storescp", "-v", "-aet", "DCMTK", "+xa", "+B", "+uf", "-od", folder, str(port)], stderr=log
        )
        if _listens(port, process):
            break
    else:
        raise AssertionError("storescp does not start")
    yield port, folder
    process.terminate()
    process.wait()
    log.close()


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    def look() -> str:
        if process.poll() is not None:
            return "ended"
        wanted = f":{port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        return "yes" if any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in lines[1:]) else ""

    return eventually(look, what="storescp to listen") == "yes"


def test_an_echo_is_answered_and_told(hilum_process: Hilum, receive: Receive) -> None:
    pacs = receive()
    for words in ((f"PACS@127.0.0.1:{pacs.port}",), ("localhost", pacs.port, "-aec", "PACS", "-aet", "ME")):
        ran = hilum_process("echo", *words)
        assert ran.code == 0, ran.err
        assert "answered 0000H, success" in ran.out
    assert hilum_process("echo", "127.0.0.1", pacs.port, "--json").json["answered"] is True
    assert [event["called"] for event in pacs.events("association")] == ["PACS", "PACS", "ANY-SCP"]


def test_an_echo_that_fails_tells_what_to_do(hilum: Hilum, receive: Receive) -> None:
    pacs = receive("-aet", "PACS")
    misnamed = hilum("echo", f"OTHER@127.0.0.1:{pacs.port}")
    assert (misnamed.code, misnamed.out) == (1, "")
    assert "called AE title not recognized (1/1/7)" in misnamed.err
    assert "upper and lower case matter" in misnamed.err
    dead = hilum("echo", "PACS@127.0.0.1:1")
    assert (dead.code, dead.out) == (3, "")
    assert "is it running, is the port right?" in dead.err
    as_json = hilum("echo", "PACS@127.0.0.1:1", "--json")
    assert as_json.code == 3
    assert as_json.json["answered"] is False


@pytest.mark.interop
def test_dcmtk_answers_our_echo_and_we_answer_dcmtks(
    hilum: Hilum, receive: Receive, storescp: tuple[int, Path]
) -> None:
    port, _ = storescp
    assert hilum("echo", f"DCMTK@127.0.0.1:{port}").code == 0
    assert subprocess.run(["echoscu", "127.0.0.1", str(receive().port)], check=False).returncode == 0


@pytest.mark.interop
def test_what_we_send_arrives_at_dcmtk_byte_for_byte(
    hilum_process: Hilum, storescp: tuple[int, Path], tmp_path: Path
) -> None:
    port, folder = storescp
    sources = [real_file(name) for name in SYNTAXES]
    ran = hilum_process("send", f"DCMTK@127.0.0.1:{port}", *sources)
    assert ran.code == 0, ran.err
    assert f"accepted {len(SYNTAXES)} of {len(SYNTAXES)} instances" in ran.out
    assert sorted(map(data_set_digest, folder.iterdir())) == sorted(map(data_set_digest, sources))


@pytest.mark.interop
def test_what_dcmtk_sends_is_received(receive: Receive) -> None:
    pacs = receive("-v")
    for name, proposal in (
        ("CT_small.dcm", "-xe"),
        ("MR_small_implicit.dcm", "-xi"),
        ("JPEG2000.dcm", "-xw"),
        ("MR_small_RLE.dcm", "-xr"),
        ("MR_small_jpeg_ls_lossless.dcm", "-xt"),
        ("image_dfl.dcm", "-xd"),
    ):
        done = subprocess.run(["storescu", proposal, "127.0.0.1", str(pacs.port), real_file(name)], check=False)
        assert done.returncode == 0, name
        (event,) = pacs.events("instance")[-1:]
        # Not compared by bytes: storescu writes a data set anew, without padding and group lengths.
        received, sent = read(Path(event["file"])), read(real_file(name))
        assert received.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID, name
        assert received.PixelData == sent.PixelData, name
        assert Path(event["file"]).name == f"{event['sop-instance']}.dcm"


def test_folders_are_sent_and_what_is_no_dicom_is_named_and_passed_over(
    hilum_process: Hilum, receive: Receive, tmp_path: Path
) -> None:
    pacs = receive()
    sources = make_series(tmp_path / "study" / "series", 5)
    (tmp_path / "study" / "readme.txt").write_text("hello")
    ran = hilum_process("send", f"PACS@127.0.0.1:{pacs.port}", "study", "-v")
    assert ran.code == 0, ran.err
    assert "1 file passed over" in ran.err
    assert "study/readme.txt (not DICOM" in ran.err
    assert ran.err.count(": 0000H success") == 5
    assert sorted(map(data_set_digest, pacs.folder.iterdir())) == sorted(map(data_set_digest, sources))
    document = hilum_process("send", f"PACS@127.0.0.1:{pacs.port}", "study", "--json").json
    assert (document["instances"], document["accepted"], len(document["passed-over"])) == (5, 5, 1)
    assert {entry["status"] for entry in document["files"]} == {"0000H"}
    assert [event["replaced"] for event in pacs.events("instance")] == [False] * 5 + [True] * 5


def test_nothing_to_send_is_a_failure(hilum: Hilum, receive: Receive, tmp_path: Path) -> None:
    pacs = receive()
    (tmp_path / "readme.txt").write_text("hello")
    ran = hilum("send", f"PACS@127.0.0.1:{pacs.port}", "readme.txt")
    assert ran.code == 1
    assert "no DICOM file to send" in ran.err
    assert hilum("send", f"PACS@127.0.0.1:{pacs.port}", "none.dcm").code == 2
    assert hilum("send", f"PACS@127.0.0.1:{pacs.port}").code == 2
    assert pacs.events("association") == []


def test_a_damaged_file_is_a_failure_and_the_others_are_sent(hilum: Hilum, receive: Receive, tmp_path: Path) -> None:
    pacs = receive()
    whole, other = make_series(tmp_path / "study", 2)
    other.write_bytes(other.read_bytes()[:-50])
    ran = hilum("send", f"PACS@127.0.0.1:{pacs.port}", "study")
    assert ran.code == 1
    assert "50 bytes are missing" in ran.err
    assert [path.name for path in pacs.folder.iterdir()] == [whole.name]


def test_several_associations_share_the_files(hilum: Hilum, receive: Receive, tmp_path: Path) -> None:
    pacs = receive()
    make_series(tmp_path / "study", 40)
    ran = hilum("send", f"PACS@127.0.0.1:{pacs.port}", "study", "--associations", "3", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["accepted"], ran.json["associations"]) == (40, 3)
    assert len(list(pacs.folder.iterdir())) == 40


def test_an_instance_that_is_refused_is_told_and_the_others_are_sent(hilum: Hilum, tmp_path: Path) -> None:
    _, refused, warned = make_series(tmp_path / "study", 3)
    answers = {
        refused.stem: Answer(status=0xA700, comment="the disk\x1b[2J is full"),
        warned.stem: Answer(status=0xB000),
    }
    with Pacs(answer=lambda request: answers.get(request.sop_instance, Answer(status=0))) as pacs:
        ran = hilum("send", f"PACS@127.0.0.1:{pacs.port}", "study")
        assert len(pacs.accepted) == 2
    assert ran.code == 1
    assert "accepted 2 of 3 instances" in ran.out
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["STATUS", "0000H", "A700H", "B000H"]
    assert f"1 file not accepted: A700H refused: out of resources: the disk?[2J is full\n  {refused.name}" in (
        ran.err.replace("study/", "")
    )


def test_an_unreachable_peer_is_a_failure_for_now_and_nothing_is_said_of_each_file(
    hilum_process: Hilum, tmp_path: Path
) -> None:
    make_series(tmp_path / "study", 3)
    ran = hilum_process("send", "PACS@127.0.0.1:1", "study")
    assert ran.code == 3
    assert "is it running" in ran.err
    assert "3 files not sent" in ran.err
    assert "study/" not in ran.err
    document = hilum_process("send", "PACS@127.0.0.1:1", "study", "--json").json
    assert document["accepted"] == 0
    assert "refused" in document["error"]


def test_a_receiver_ends_in_good_order_and_leaves_no_partial_file(
    receive: Receive, hilum: Hilum, tmp_path: Path
) -> None:
    pacs = receive()
    make_series(tmp_path / "study", 2)
    hilum("send", f"PACS@127.0.0.1:{pacs.port}", "study")
    pacs.process.send_signal(signal.SIGINT)
    assert pacs.process.wait(timeout=30) == 0
    (event,) = pacs.events("stopped")
    assert (event["instances"], event["associations"]) == (2, 1)
    assert not [path for path in pacs.folder.iterdir() if path.suffix != ".dcm"]


def test_a_receiver_refuses_what_is_not_whole(receive: Receive, tmp_path: Path) -> None:
    pacs = receive()
    broken = tmp_path / "broken.dcm"
    shutil.copy(make_instance(tmp_path / "whole"), broken)
    broken.write_bytes(broken.read_bytes()[:-100])
    # DCMTK sends what it has read of the file, with an element that says it is longer.
    subprocess.run(["storescu", "+B", "127.0.0.1", str(pacs.port), broken], check=False, capture_output=True)
    assert pacs.events("instance") == []
    assert list(pacs.folder.iterdir()) == []
