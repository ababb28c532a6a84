"""Black-box cases of sending: what a job wrote reaches each destination, once and whole, whatever stands in the way."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt

from acceptance.files import as_sent, in_every_transfer_syntax
from acceptance.outbox import closed_port, finished, results, sends_to, wait_for_deliveries
from harness.clock import Hands, Still
from harness.data import CT_IMAGE_STORAGE, make_instance, make_series
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.raw_peer import MR, RawPeer, ScriptedPeer
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import TemporaryError
from hilum.model import Answer, StoreRequest

MakeSite = Callable[..., Site]

SUCCESS = Answer(status=0x0000)
OUT_OF_RESOURCES = Answer(status=0xA700, comment="archive full")


def digest(path: Path) -> str:
    return hashlib.sha256(as_sent(path)).hexdigest()


def digests(*paths: Path) -> list[str]:
    return sorted(map(digest, paths))


def came(pacs: Pacs) -> list[str]:
    """What a PACS took, each as often as it took it."""
    return sorted(one.digest for one in pacs.accepted)


def test_c1_results_reach_the_peer_byte_for_byte_in_their_transfer_syntax(make_site: MakeSite, pacs: Pacs) -> None:
    files = in_every_transfer_syntax()
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, *files)
        site.wait_for_jobs(1)
    assert came(pacs) == digests(*files)
    sent = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in files}
    for one in pacs.accepted:
        original = sent[one.request.sop_instance]
        assert one.request.transfer_syntax == original.file_meta.TransferSyntaxUID
        assert one.request.sop_class == original.SOPClassUID


# C2: a destination that does not take it


@dataclass
class Script:
    """Answers in turn; the last one for ever. An exception aborts the association."""

    answers: list[Answer | Exception]
    asked: int = 0

    def __call__(self, _request: StoreRequest) -> Answer:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class CongestedPacs(Pacs):
    """Rejects associations for the moment while ``full`` says why."""

    full: str | None = "no room"

    def congested(self) -> str | None:
        return self.full


def test_c2_a_peer_that_rejects_for_the_moment_gets_it_when_it_accepts(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 2)
    with CongestedPacs() as pacs, make_site(sends_to(pacs.destination)) as site:
        finished(site, *files)
        [down] = eventually(
            lambda: [row for row in site.rows("destinations") if row.failures >= 2], what="a second attempt"
        )
        assert (down.id, down.state) == ("PACS", "down")
        assert "2/3/1" in down.why
        assert {(row.state, row.attempts) for row in site.rows("deliveries")} == {("due", 0)}
        pacs.full = None
        site.wait_for_jobs(1)
        assert came(pacs) == digests(*files)
        assert {row.state for row in site.rows("deliveries")} == {"delivered"}


def test_c2_a_peer_that_rejects_for_good_gets_it_when_the_configuration_is_mended(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 2)
    wrong = pacs.destination | {"ae-title": "WRONG"}
    with make_site(sends_to(wrong)) as site:
        finished(site, *files)
        [down] = eventually(lambda: site.rows("destinations", state="down"), what="an attempt")
        assert "1/1/7" in down.why
        assert {(row.state, row.status) for row in site.rows("deliveries")} == {("due", None)}
        site.configure(sends_to(pacs.destination))
        site.wait_for_jobs(1)
    assert came(pacs) == digests(*files)


def test_c2_after_an_abort_only_what_was_not_answered_is_sent_again(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 3)
    pacs.answer = Script([SUCCESS, TemporaryError("out of order"), SUCCESS])
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, *files)
        site.wait_for_jobs(1)
        assert came(pacs) == digests(*files)
        assert sorted(row.attempts for row in site.rows("deliveries")) == [1, 1, 2]
        again = site.history(machine="delivery", event="failed for now")
        assert len(again) == 1, "the one that was on its way"
        assert all("abort" in line.why for line in again)


def test_c2_a_file_refused_for_lack_of_room_is_sent_again_and_no_other(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 3)
    pacs.answer = Script([SUCCESS, OUT_OF_RESOURCES, SUCCESS, OUT_OF_RESOURCES, SUCCESS])
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, *files)
        site.wait_for_jobs(1)
        assert came(pacs) == digests(*files)
        rows = site.rows("deliveries")
        assert sorted((row.attempts, row.status, row.state) for row in rows) == [
            (1, 0, "delivered"),
            (1, 0, "delivered"),
            (3, 0, "delivered"),
        ]
        lines = site.history(machine="delivery", event="failed for now")
        assert [line.why for line in lines] == ["the destination answered status A700H “archive full”"] * 2


def test_c2_a_warning_is_success_with_a_note(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    pacs.answer = Script([Answer(status=0xB000, comment="coerced")])
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, path)
        [job] = site.wait_for_jobs(1)
        assert came(pacs) == digests(path)
        [row] = site.rows("deliveries")
        assert (row.state, row.status, row.attempts) == ("delivered", 0xB000, 1)
        assert "coerced" in row.why
        receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
        assert receipt["files"][0]["deliveries"][0]["status"] == "B000H"


def test_c2_an_unreachable_peer_gets_it_when_it_is_there(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 2)
    with ExitStack() as stack:
        with closed_port() as port:
            pacs = Pacs(port=port)
            site = stack.enter_context(make_site(sends_to(pacs.destination)))
            finished(site, *files)
            [down] = eventually(
                lambda: [row for row in site.rows("destinations") if row.failures >= 2], what="attempts"
            )
            assert "refused" in down.why
            assert {(row.state, row.status) for row in site.rows("deliveries")} == {("due", None)}
            stack.enter_context(pacs)
        site.wait_for_jobs(1)
        assert came(pacs) == digests(*files)


@dataclass
class HangingPacs(Pacs):
    """Leaves its first C-STORE without an answer."""

    over: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def __post_init__(self) -> None:
        self.answer = self._answer

    def _answer(self, _request: StoreRequest) -> Answer:
        self.asked += 1
        if self.asked == 1:
            self.over.wait(30)
            raise TemporaryError("the peer has gone")
        return SUCCESS

    def __exit__(self, *how: object) -> None:
        self.over.set()
        super().__exit__(*how)


def test_c2_a_peer_that_never_answers_an_instance_is_waited_for_no_longer_than_told(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 2)
    with HangingPacs() as pacs, make_site(sends_to(pacs.destination, timeouts={"dimse": 0.3})) as site:
        finished(site, *files)
        site.wait_for_jobs(1)
        assert came(pacs) == digests(*files)
        lines = site.history(machine="delivery", event="failed for now")
        assert len(lines) == 1, "the one that was on its way"
        assert all("the response" in line.why for line in lines)


def test_c2_a_peer_that_never_answers_a_request_for_association_is_waited_for_no_longer_than_told(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "a")

    def say_nothing(peer: RawPeer) -> None:
        assert peer.read(1)
        while peer.read(4096):
            pass

    with ScriptedPeer(say_nothing) as silent:
        timeouts = {"association": 0.3}
        dead = pacs.destination | {"port": silent.port}
        with make_site(sends_to(dead, timeouts=timeouts, retry={"waits": [1]})) as site:
            finished(site, path)
            [row] = eventually(lambda: site.rows("destinations", state="down"), what="an attempt")
            assert "A-ASSOCIATE-RQ" in row.why
            site.configure(sends_to(pacs.destination, timeouts=timeouts))
            site.wait_for_jobs(1)
    assert came(pacs) == digests(path)


def test_c2_attempts_are_further_and_further_apart_and_come_to_an_end(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    clock = Hands()
    path = make_instance(tmp_path / "a")
    pacs.answer = Script([OUT_OF_RESOURCES])
    retry = {"waits": [100, 600], "give-up-after": 1700}
    with make_site(sends_to(pacs.destination, retry=retry), clock=clock) as site:
        finished(site, path)
        for number, wait in enumerate([100, 600, 600], 1):
            [row] = wait_for_deliveries(site, attempts=number)
            assert (row.state, row.status) == ("due", 0xA700)
            failed = site.history(machine="delivery", event="failed for now")
            waits = (row.not_before - failed[-1].at) / timedelta(seconds=wait)
            assert 0.8 <= waits <= 1.2  # spread, so that what failed together is not tried again together
            clock.move(1.2 * wait)
        [row] = wait_for_deliveries(site, attempts=4)
        assert (row.state, row.status) == ("given up", 0xA700)
        assert "give-up-after" in row.why
        [line] = site.history(machine="delivery", event="failed for good")
        assert "hilum retry" in line.remedy
        [job] = site.wait_for_jobs(1)
        receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
        [delivery] = receipt["files"][0]["deliveries"]
        assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("given up", "A700H", 4)
    assert len(pacs.arrived) == 4


# C3, C4: what lies in output/


def test_c3_dicom_files_are_found_in_any_sub_folder_and_the_rest_is_told(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 4)
    with make_site(sends_to(pacs.destination)) as site:
        output = results(site, files[0])
        deep = output / "seg" / "lung left"
        deep.mkdir(parents=True)
        (deep / "mask.dcm").write_bytes(files[1].read_bytes())
        (output / "without-suffix").write_bytes(files[2].read_bytes())
        odd = {
            "notes.txt": b"a remark",
            "seg/metrics.json": b"{}",
            "empty.dcm": b"",
            "cut.dcm": files[3].read_bytes()[:-100],
        }
        for name, data in odd.items():
            (output / name).write_bytes(data)
        (output / "elsewhere.dcm").symlink_to(files[3])
        (output / "loop").symlink_to(output)
        os.mkfifo(output / "pipe.dcm")
        (output / "job.done").touch()
        [job] = site.wait_for_jobs(1)
        assert came(pacs) == digests(*files[:3])
        lines = site.history(machine="result", event="not sent")
        assert {line.subject.removeprefix(f"{job.id}:") for line in lines} == {
            *odd,
            "elsewhere.dcm",
            "loop",
            "pipe.dcm",
        }
        assert all(line.why and line.remedy for line in lines)


@pytest.mark.parametrize("way", ["appended", "renamed"])
def test_c4_a_result_that_is_not_complete_when_job_done_appears_is_sent_whole(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path, way: str
) -> None:
    clock = Still()
    early, late = make_series(tmp_path / "a", 2)
    data = late.read_bytes()
    with make_site(sends_to(pacs.destination) | {"storage": {"scan-seconds": 5}}, clock=clock) as site:
        output = results(site, early)
        unfinished = output / ("late.dcm" if way == "appended" else ".late.tmp")
        unfinished.write_bytes(data[:700])
        (output / "job.done").touch()

        def look() -> None:
            """Let the gateway look once: it then waits until five seconds have gone by."""
            clock.move(5)
            soon = clock.now + timedelta(seconds=5)
            eventually(lambda: [row.not_before for row in site.rows("jobs")] == [soon], what="a look at the results")

        look()
        for part in (data[:1500], data):
            unfinished.write_bytes(part)
            look()
            assert site.rows("results") == []
        if way == "renamed":
            unfinished.rename(output / "late.dcm")
            look()
        clock.move(5)
        site.wait_for_jobs(1)
        assert site.history(machine="result", event="not sent") == []
    assert came(pacs) == digests(early, late)


# C5, C6


def test_c5_what_was_finished_before_or_while_the_gateway_was_down_is_sent_once(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 3)
    site = make_site(sends_to(pacs.destination))
    with GatewayProcess(site) as gateway:
        send(gateway.port, *files)
        [folder] = eventually(lambda: list(site.payloads.glob("hilum-*/job.meta")), what="the job's folder")
        gateway.kill()
    for path in files:
        (folder.parent / "output" / path.name).write_bytes(path.read_bytes())
    (folder.parent / "output" / "job.done").touch()
    by_hand = make_series(tmp_path / "b", 2)
    site.payloads.mkdir(exist_ok=True)
    finished(site, *by_hand)
    with site:
        site.wait_for_jobs(2)
    with site:
        site.wait_for_jobs(2)
        # Nothing that a later start could look at is left.
        assert {row.state for row in site.rows("deliveries")} == {"delivered"}
        assert all(row.attempts == 1 for row in site.rows("deliveries"))
    assert came(pacs) == digests(*files, *by_hand)
    assert len(pacs.associations) == 2


def test_c5_a_kill_while_sending_repeats_no_more_than_what_was_not_answered(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 3)
    site = make_site(sends_to())
    reached = threading.Event()
    released = threading.Event()

    def answer(_request: StoreRequest) -> Answer:
        if len(pacs.arrived) == 1 and not reached.is_set():
            reached.set()
            assert released.wait(30)
        return SUCCESS

    with Pacs(answer=answer) as pacs:
        site.configure(sends_to(pacs.destination))
        with GatewayProcess(site) as gateway:
            finished(site, *files)
            assert reached.wait(30)
            gateway.kill()
        released.set()
        with site:
            site.wait_for_jobs(1)
            assert {row.state for row in site.rows("deliveries")} == {"delivered"}
        # The one whose answer nobody heard may come twice, the others not.
        times = sorted(came(pacs).count(one) for one in digests(*files))
        assert times in ([1, 1, 1], [1, 1, 2])


def test_c6_the_results_of_a_job_share_one_association(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    files = [make_instance(tmp_path / "a", sop_class=sop_class) for sop_class in (CT_IMAGE_STORAGE, MR) * 5]
    more = make_series(tmp_path / "b", 5)
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, *files, name="one")
        finished(site, *more, name="two")
        site.wait_for_jobs(2)
    assert came(pacs) == digests(*files, *more)
    carried = [
        sorted(one.digest for one in pacs.accepted if one.association.id == association.id)
        for association in pacs.associations
    ]
    assert sorted(carried) == sorted([digests(*files), digests(*more)])


# C7, C8, C9


def test_c7_results_are_sent_while_the_disk_is_full_and_after(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 3)
    keys = sends_to(pacs.destination)
    full = keys | {"storage": {"reserve-gb": 1_000_000}}
    with make_site(keys) as site:
        send(site.port, files[0])
        [job] = site.wait_for_jobs(1, "running")
        site.configure(full)
        eventually(lambda: site.history(machine="config", event="reloaded"), what="the reload")
        with pytest.raises(TemporaryError):
            send(site.port, files[2])
        output = Path(job.folder) / "output"
        (output / "result.dcm").write_bytes(files[0].read_bytes())
        (output / "job.done").touch()
        finished(site, files[1], name="while-full")
        site.wait_for_jobs(2)
        assert came(pacs) == digests(*files[:2])
        site.configure(keys)
        eventually(lambda: site.history(machine="config", event="reloaded")[1:], what="the reload")
        finished(site, files[2], name="freed")
        site.wait_for_jobs(3)
    assert came(pacs) == digests(*files)


def test_c7_after_the_disk_took_nothing_at_all_everything_goes_on(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 3)
    site = make_site(sends_to(pacs.destination))
    with GatewayProcess(site) as gateway:
        # To the writer files that may not grow are like a disk without room: spool, ledger and log.
        limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        finished(site, *files)
        assert [answer.status for answer in send(gateway.port, files[0])] == [0xA700]
        assert came(pacs) == []
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, limits)
        eventually(lambda: came(pacs) == digests(*files), what="the results at the PACS")
        assert [answer.status for answer in send(gateway.port, files[0])] == [0]
        receipt = site.payloads / "by-hand" / "receipt.json"
        eventually(receipt.exists, what="the receipt")
        assert gateway.stop() == 0


def test_c8_each_of_two_destinations_gets_all_files(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 4)
    with Pacs("OTHER") as other, make_site(sends_to(pacs.destination, other.destination)) as site:
        finished(site, *files)
        site.wait_for_jobs(1)
        assert came(pacs) == came(other) == digests(*files)
        assert (len(pacs.associations), len(other.associations)) == (1, 1)


def test_c8_one_of_two_destinations_that_is_down_keeps_nothing_from_the_other(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 2)
    with closed_port() as port:
        down = {"name": "DOWN", "host-ip": "127.0.0.1", "port": port, "ae-title": "DOWN"}
        with make_site(sends_to(down, pacs.destination)) as site:
            for number, path in enumerate(files):
                finished(site, path, name=f"job{number}")
            eventually(lambda: came(pacs) == digests(*files), what="both at the healthy one")
            assert {row.state for row in site.rows("deliveries", destination="DOWN")} == {"due"}
            assert site.rows("jobs", state="complete") == []


def test_c9_what_a_peer_has_no_context_for_fails_alone(make_site: MakeSite, tmp_path: Path) -> None:
    ct, mr = make_series(tmp_path / "a", 2), make_series(tmp_path / "b", 2, sop_class=MR)
    stored = []

    def store(event: evt.Event) -> int:
        stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    archive = AE(ae_title="CTONLY")
    archive.add_supported_context(CT_IMAGE_STORAGE)
    server = archive.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        port = server.server_address[1]
        only = {"name": "CTONLY", "host-ip": "127.0.0.1", "port": port, "ae-title": "CTONLY"}
        with make_site(sends_to(only)) as site:
            finished(site, *chain(*zip(ct, mr, strict=True)))
            [job] = site.wait_for_jobs(1)
            assert sorted(stored) == sorted(path.stem for path in ct)
            receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
            found = {one["sop-instance"]: one["deliveries"][0] for one in receipt["files"]}
            assert {found[path.stem]["state"] for path in ct} == {"delivered"}
            assert {(found[path.stem]["state"], found[path.stem]["status"]) for path in mr} == {("given up", None)}
            assert all(MR in found[path.stem]["why"] for path in mr)
    finally:
        server.shutdown()
