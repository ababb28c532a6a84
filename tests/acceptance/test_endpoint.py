"""Black-box cases of a DICOM endpoint: who may come in, what is negotiated, what is stored, and whom it can harm."""

from __future__ import annotations

import re
import resource
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pydicom

from acceptance.files import REAL_FILES, as_sent, content, in_every_transfer_syntax, tree
from harness.data import CT_IMAGE_STORAGE, make_instance, make_series
from harness.process import GatewayProcess
from harness.raw_peer import (
    ABORT,
    AC,
    COMMAND,
    CT,
    CT_CONTEXT,
    DATA,
    ECHO_CONTEXT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    LAST,
    MR,
    MR_CONTEXT,
    RJ,
    RQ,
    USER_ABORT,
    VERIFICATION,
    RawPeer,
    associate_rq,
    context_results,
    data_set,
    echo_rq,
    elements,
    number,
    p_data,
    pdu,
    store_rq,
)
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import TemporaryError
from hilum.ledger.rows import AnyRow

MakeSite = Callable[..., Site]

#: PS3.8 Table 9-21: result, source and reason of an A-ASSOCIATE-RJ.
CALLING_NOT_RECOGNIZED = (1, 1, 3)
CALLED_NOT_RECOGNIZED = (1, 1, 7)
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)
TEMPORARY_CONGESTION = (2, 3, 1)

ACCEPTED, ABSTRACT_SYNTAX_NOT_SUPPORTED = 0, 3
SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
#: Success, and the warnings after which a sender forgets the instance. Source: PS3.4 Table B.2-1.
STORED = {SUCCESS, 0xB000, 0xB006, 0xB007}

PRIVATE_SOP_CLASS = "1.3.46.670589.11.0.0.12.1"
PRIVATE_TRANSFER_SYNTAX = "1.2.840.113619.5.2"


def endpoint(**scp: Any) -> dict[str, Any]:
    """A configuration that knows one source, SCANNER on 127.0.0.1; more keys of ``dicom.scp`` with underscores."""
    known = {"reject-unknown-sources": True, "sources": [{"host-ip": "127.0.0.1", "ae-title": "SCANNER"}]}
    return {"dicom": {"scp": known | {key.replace("_", "-"): value for key, value in scp.items()}}}


def with_jobs(keys: dict[str, Any], engine: str = "copy") -> dict[str, Any]:
    return keys | {"workflows": [{"name": "one", "clara-ae-title": "HILUM", "engine": engine}]}


def written(site: Site, **where: object) -> AnyRow:
    """The one line of history of its kind; the peer has its answer before it is written."""
    [line] = eventually(lambda: site.history(**where), what=f"a line of history with {where}")
    return line


def is_served(site: Site, **how: Any) -> None:
    """An echo goes through."""
    with RawPeer.connect(site.port) as peer:
        peer.associate(ECHO_CONTEXT, **how)
        peer.send(echo_rq())
        assert peer.status() == SUCCESS
        peer.release()


# who may come in


def test_a1_an_echo_of_a_known_source_to_a_known_title_succeeds(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        peer.associate(ECHO_CONTEXT)
        peer.send(echo_rq(message_id=7))
        answer = peer.command()
        assert number(answer[0x0900]) == SUCCESS
        assert number(answer[0x0120]) == 7
        peer.release()


def test_a2_an_unknown_calling_title_is_rejected_for_good(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        assert peer.rejected(calling="STRANGER") == CALLING_NOT_RECOGNIZED
        line = written(site, machine="association", event="rejected")
        assert "STRANGER" in line.why
        assert "dicom.scp.sources" in line.remedy


def test_a3_a_known_calling_title_from_another_address_is_rejected(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site:
        with RawPeer.connect(site.port, source="127.0.0.2") as peer:
            assert peer.rejected() == CALLING_NOT_RECOGNIZED
        is_served(site)


def test_a4_an_unknown_called_title_is_rejected_for_good(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        assert peer.rejected(called="NOBODY") == CALLED_NOT_RECOGNIZED
        line = written(site, machine="association", event="rejected")
        assert "'HILUM'" in line.remedy


def test_a5_a_stranger_is_not_told_which_called_titles_there_are(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        assert peer.rejected(calling="STRANGER", called="NOBODY") == CALLING_NOT_RECOGNIZED


# what is negotiated


def test_a6_without_verification_only_its_own_context_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    with make_site(endpoint(verification={"enabled": False})) as site, RawPeer.connect(site.port) as peer:
        results = context_results(peer.associate(ECHO_CONTEXT, CT_CONTEXT))
        assert results[1][0] == ABSTRACT_SYNTAX_NOT_SUPPORTED
        assert results[3] == (ACCEPTED, EXPLICIT)
        peer.send(store_rq(path.stem), data_set(content(path)))
        assert peer.status() == SUCCESS
        peer.release()


def test_a7_of_each_storage_context_the_first_transfer_syntax_is_taken(make_site: MakeSite) -> None:
    syntaxes = [*REAL_FILES, PRIVATE_TRANSFER_SYNTAX]
    turned = [[*syntaxes[first:], *syntaxes[:first]] for first in range(len(syntaxes))]
    contexts = [(2 * at + 1, CT, some) for at, some in enumerate(turned)]
    contexts += [(101, PRIVATE_SOP_CLASS, [JPEG, EXPLICIT]), (103, MR, [IMPLICIT])]
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        results = context_results(peer.associate(*contexts))
        assert results == {id_: (ACCEPTED, some[0]) for id_, _, some in contexts}
        peer.release()


def test_a7_an_instance_is_kept_byte_for_byte_in_any_transfer_syntax(make_site: MakeSite) -> None:
    files = in_every_transfer_syntax()
    with make_site(with_jobs({})) as site:
        assert {answer.status for answer in send(site.port, *files)} == {SUCCESS}
        [job] = site.wait_for_jobs(1)
        kept = {pydicom.dcmread(path).SOPInstanceUID: path for path in site.inputs(job)}
        assert len(kept) == len(files)
        for path in files:
            sent = pydicom.dcmread(path)
            mine = kept[sent.SOPInstanceUID]
            assert content(mine) == as_sent(path), path.name
            assert pydicom.dcmread(mine).file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID


def test_a7_an_instance_of_a_private_sop_class_gets_its_job(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a", sop_class=PRIVATE_SOP_CLASS)
    with make_site(with_jobs({})) as site:
        assert [answer.status for answer in send(site.port, path)] == [SUCCESS]
        [job] = site.wait_for_jobs(1)
        assert [content(one) for one in site.inputs(job)] == [content(path)]


def test_a8_another_service_is_refused_by_its_abstract_syntax(make_site: MakeSite) -> None:
    others = {
        "1.2.840.10008.5.1.4.1.2.1.1": "Patient Root FIND",
        "1.2.840.10008.5.1.4.1.2.2.2": "Study Root MOVE",
        "1.2.840.10008.1.20.1": "Storage Commitment",
        "1.2.840.10008.5.1.4.31": "Modality Worklist",
    }
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        contexts = [(11 + 2 * at, abstract_syntax, [EXPLICIT, IMPLICIT]) for at, abstract_syntax in enumerate(others)]
        results = context_results(peer.associate(*contexts, CT_CONTEXT))
        assert results.pop(3) == (ACCEPTED, EXPLICIT)
        assert [result for result, _ in results.values()] == [ABSTRACT_SYNTAX_NOT_SUPPORTED] * len(others)
        peer.release()


def test_a9_one_association_too_many_is_told_so_at_once(make_site: MakeSite) -> None:
    with make_site(endpoint(max_associations=2)) as site, ExitStack() as stack:
        first, second = (stack.enter_context(RawPeer.connect(site.port)) for _ in range(2))
        first.associate()
        second.associate()
        for _ in range(5):
            began = time.monotonic()
            with RawPeer.connect(site.port) as third:
                assert third.rejected() == LOCAL_LIMIT_EXCEEDED
            assert time.monotonic() - began < 1
        first.release()
        is_served(site)
        second.send(echo_rq())
        assert second.status() == SUCCESS


# whom a broken peer can harm


def _abort_in_a_store(peer: RawPeer) -> None:
    peer.associate()
    peer.send(store_rq(), p_data(3, 0, bytes(4000)), USER_ABORT)


def _vanish_in_a_store(peer: RawPeer) -> None:
    peer.associate()
    peer.send(store_rq(), p_data(3, 0, bytes(4000)))


def _reset_in_a_store(peer: RawPeer) -> None:
    _vanish_in_a_store(peer)
    peer.reset()


def _release_in_a_store(peer: RawPeer) -> None:
    peer.associate()
    peer.send(store_rq())
    peer.release()


def _speak_another_language(peer: RawPeer) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: hilum\r\n\r\n")


def _send_an_unknown_pdu(peer: RawPeer) -> None:
    peer.associate()
    peer.send(pdu(0x7F, b"?" * 100))
    assert peer.pdu()[0] == ABORT


def _announce_four_gigabytes(peer: RawPeer) -> None:
    peer.associate()
    peer.send(bytes((DATA, 0)) + b"\xff" * 4, bytes(1000))
    assert peer.pdu()[0] == ABORT


def _announce_a_request_of_four_gigabytes(peer: RawPeer) -> None:
    peer.send(bytes((RQ, 0)) + b"\xff" * 4, bytes(1000))


def _send_garbage_as_a_command(peer: RawPeer) -> None:
    peer.associate()
    peer.send(p_data(1, COMMAND | LAST, b"\xff" * 64))
    assert peer.pdu()[0] == ABORT


def _ask_in_half(peer: RawPeer) -> None:
    peer.send(associate_rq()[:50])


def _say_nothing(peer: RawPeer) -> None:
    pass


MISDEEDS = [
    _abort_in_a_store,
    _vanish_in_a_store,
    _reset_in_a_store,
    _release_in_a_store,
    _speak_another_language,
    _send_an_unknown_pdu,
    _announce_four_gigabytes,
    _announce_a_request_of_four_gigabytes,
    _send_garbage_as_a_command,
    _ask_in_half,
    _say_nothing,
]


def _can_associate(site: Site) -> bool:
    with RawPeer.connect(site.port) as peer:
        peer.send(associate_rq())
        kind, _ = peer.pdu()
        if kind == AC:
            peer.release()
        return kind == AC


def test_a10_after_any_misdeed_there_is_exactly_as_much_room_as_before(make_site: MakeSite) -> None:
    with make_site(endpoint(max_associations=1)) as site, ExitStack() as stack:
        for misdeed in MISDEEDS:
            with RawPeer.connect(site.port) as peer:
                misdeed(peer)
            eventually(lambda: _can_associate(site), what=f"room after {misdeed.__name__}")
        # A count that went wrong would let in nobody or too many.
        only = stack.enter_context(RawPeer.connect(site.port))
        only.associate()
        with RawPeer.connect(site.port) as another:
            assert another.rejected() == LOCAL_LIMIT_EXCEEDED
        only.release()
        eventually(lambda: not tree(site.spool), what="an empty spool")
        assert site.rows("groups") == []


def test_a10_silent_connections_keep_nobody_out(make_site: MakeSite) -> None:
    with make_site(endpoint(max_associations=1)) as site, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(RawPeer.connect(site.port))
            stack.enter_context(RawPeer.connect(site.port)).send(associate_rq()[:70])
        is_served(site)


# what is stored


def test_a11_an_ignored_sop_class_is_answered_with_success_and_leaves_only_a_line(
    make_site: MakeSite, tmp_path: Path
) -> None:
    ignored, wanted = make_instance(tmp_path / "ct"), make_instance(tmp_path / "mr", sop_class=MR)
    keys = {"dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM", "ignored-sop-classes": ["CTImageStorage"]}]}}}
    with make_site(with_jobs(keys)) as site:
        with association(site.port, [ignored, wanted]) as open_one:
            assert store(open_one, ignored).status == SUCCESS
            assert [name for name in tree(site.spool) if name.endswith((".dcm", ".part"))] == []
            assert store(open_one, wanted).status == SUCCESS
        [job] = site.wait_for_jobs(1)
        assert [path.stem for path in site.inputs(job)] == [wanted.stem]
        assert [answer.status for answer in send(site.port, ignored)] == [SUCCESS]
        lines = eventually(lambda: site.history(event="ignored")[1:], what="a line for each association")
        assert CT_IMAGE_STORAGE in lines[0].why
        assert len(site.rows("jobs")) == 1
    assert not any(ignored.stem in name for name in tree(site.folder))


def test_a12_an_instance_without_a_patient_id_is_accepted(make_site: MakeSite, tmp_path: Path) -> None:
    kinds = ["Association", "Patient"]
    keys = {"dicom": {"scp": {"ae-titles": [{"ae-title": kind.upper(), "timeout-group": kind} for kind in kinds]}}}
    keys["workflows"] = [{"name": kind, "clara-ae-title": kind.upper(), "engine": "copy"} for kind in kinds]
    files = [make_instance(tmp_path / "a", patient=patient) for patient in ("", None)]
    with make_site(keys) as site:
        for kind in kinds:
            for path in files:
                assert [answer.status for answer in send(site.port, path, called=kind.upper())] == [SUCCESS]
        jobs = site.wait_for_jobs(4)
        found = sorted(content(path) for job in jobs for path in site.inputs(job))
        assert found == sorted(content(path) for path in files * 2)


#: Where Hilum may write, relative to the folder of app.yaml.
_OURS = re.compile(
    r"app\.yaml|hilum\.db(-wal|-shm|\.lock)?"
    r"|spool/\d{8}T\d{12}-[0-9a-f]{8}/(association\.json|\d+\.dcm)"
    r"|payloads/hilum-one-\d{14}-[0-9a-f]{8}/"
    r"(job\.meta|job\.json|input/[0-9.]+\.dcm)"
)


def test_a13_no_identifier_leads_out_of_the_gateways_folders(make_site: MakeSite, tmp_path: Path) -> None:
    hostile = [
        "../../x",
        "/etc/hilum-was-here",
        f"{tmp_path}/outside",
        "..",
        "P" * 64,
        "P" * 300,
        "a\\b",
        "..\\..\\x",
        "Müller/Ω\x1b[2J",
        "nul\0byte",
        "%2e%2e%2f",
        "$(touch x)",
    ]
    files = [make_instance(tmp_path / "sent", patient=text) for text in hostile]
    files += [make_instance(tmp_path / "sent", study=text, series=text) for text in hostile]
    keys = {"dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM", "timeout-group": "Patient"}]}}}
    before = tree(tmp_path)
    with make_site(with_jobs(keys, engine="folder")) as site:
        assert {answer.status for answer in send(site.port, *files, calling="../../../x")} == {SUCCESS}
        for calling in ("/etc/x", "a*?|<>$(x)"):
            assert [answer.status for answer in send(site.port, files[0], calling=calling)] == [SUCCESS]
        jobs = site.wait_for_jobs(len(hostile) + 1 + 2, "running")
        assert sum(job.instances for job in jobs) == len(files) + 2
        made = {str(Path(name).relative_to("site0")) for name in tree(tmp_path) - before}
        assert [name for name in made if not _OURS.fullmatch(name)] == []
    assert not Path("/etc/hilum-was-here").exists()


def test_a13_an_instance_uid_that_is_none_is_refused_and_leaves_no_file(make_site: MakeSite, tmp_path: Path) -> None:
    hostile = ["../../x", "/tmp/x", "1.2/../../3", "1" * 65, "", "1.2.3\\4", "*"]
    with make_site(endpoint()) as site:
        before = tree(tmp_path)
        with RawPeer.connect(site.port) as peer:
            peer.associate()
            for uid in hostile:
                peer.send(store_rq(uid), data_set(bytes(500)))
                assert peer.status() not in STORED, uid
            peer.release()
        assert {name for name in tree(tmp_path) - before if "hilum.db" not in name} == set()
        refused = eventually(lambda: site.history(event="refused")[len(hostile) - 1 :], what="a line for each")
        assert len(refused) == 1


def test_a14_titles_are_compared_with_case_and_without_outer_spaces(make_site: MakeSite) -> None:
    titles = ["HILUM", "SIXTEEN-LETTERS-", "HI LUM"]
    with make_site(endpoint(ae_titles=[{"ae-title": title} for title in titles])) as site:
        for called in (*titles, "HILUM           ", " HILUM", "HI LUM  "):
            is_served(site, called=called)
            is_served(site, called=called, calling="SCANNER ")
        for called in ("hilum", "Hilum", "HILUM2", "SIXTEEN-LETTERS", "HI  LUM"):
            with RawPeer.connect(site.port) as peer:
                assert peer.rejected(called=called) == CALLED_NOT_RECOGNIZED, called
        for calling in ("scanner", "SCANNER1"):
            with RawPeer.connect(site.port) as peer:
                assert peer.rejected(calling=calling) == CALLING_NOT_RECOGNIZED, calling


# a full disk


def test_a15_below_the_watermark_everybody_is_asked_to_try_again(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 3)
    keys = with_jobs({})
    full = keys | {"storage": {"reserve-gb": 1_000_000}}
    with make_site(keys) as site:
        with association(site.port, files) as running:
            assert store(running, files[0]).status == SUCCESS
            site.configure(full)
            eventually(lambda: site.history(machine="config", event="reloaded"), what="the reload")
            refused = store(running, files[1])
            assert refused.status == OUT_OF_RESOURCES
            assert str(tmp_path)[:20] not in refused.comment
            with RawPeer.connect(site.port) as another:
                assert another.rejected() == TEMPORARY_CONGESTION
            site.configure(keys)
            eventually(lambda: site.history(machine="config", event="reloaded")[1:], what="the reload")
            assert store(running, files[1]).status == SUCCESS
        assert [answer.status for answer in send(site.port, files[2])] == [SUCCESS]
        jobs = site.wait_for_jobs(2)
        assert sorted(path.stem for job in jobs for path in site.inputs(job)) == sorted(path.stem for path in files)
        assert "reserve" in written(site, machine="association", event="rejected").why
        assert "watermark" in written(site, machine="instance", event="refused").remedy


def test_a15_what_the_disk_does_not_take_is_refused_for_the_moment_and_only_that(
    make_site: MakeSite, tmp_path: Path
) -> None:
    small, large = make_instance(tmp_path / "a"), make_instance(tmp_path / "a", size=4_000_000)
    site = make_site(with_jobs({}))
    with GatewayProcess(site) as gateway, association(gateway.port, [small, large]) as open_one:
        assert store(open_one, small).status == SUCCESS
        # To the writer a file that may not grow is like a disk without room.
        limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (3_000_000, limits[1]))
        assert store(open_one, large).status == OUT_OF_RESOURCES
        assert [path.name for path in site.spool.rglob("*.part")] == []
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, limits)
        assert store(open_one, large).status == SUCCESS
    with site:
        [job] = site.wait_for_jobs(1)
        assert [content(path) for path in site.inputs(job)] == [content(path) for path in sorted([small, large])]


def test_a15_a_spool_that_is_gone_is_no_success(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    with make_site(with_jobs({})) as site:
        shutil.rmtree(site.spool)
        # A look at the disk is up to a second old: until the next one the instance is refused, not the association.
        with suppress(TemporaryError):
            assert [answer.status for answer in send(site.port, path)] == [OUT_OF_RESOURCES]
        eventually(lambda: not _can_associate(site), what="the look at the disk that misses it")
        site.spool.mkdir()
        eventually(lambda: _can_associate(site), what="the look at the disk that finds it again")
        assert [answer.status for answer in send(site.port, path)] == [SUCCESS]
        site.wait_for_jobs(1)


# after a rejection


def test_a16_after_a_rejection_nothing_more_is_accepted(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    with make_site(endpoint()) as site:
        for how in ({"calling": "STRANGER"}, {"called": "NOBODY"}):
            with RawPeer.connect(site.port) as peer:
                assert peer.rejected(**how) in {CALLING_NOT_RECOGNIZED, CALLED_NOT_RECOGNIZED}
                peer.send(store_rq(path.stem), data_set(content(path)), associate_rq(), store_rq(path.stem))
                heard = []
                while (answer := peer.pdu())[0]:
                    heard.append(answer)
                assert [kind for kind, _ in heard if kind != ABORT] == []
        assert tree(site.spool) == set()
        assert site.rows("groups") == []
        is_served(site)


def test_a16_a_rejection_is_one_pdu_whatever_came_with_the_request(make_site: MakeSite) -> None:
    with make_site(endpoint()) as site, RawPeer.connect(site.port) as peer:
        peer.send(associate_rq(calling="STRANGER", called="NOBODY"), store_rq(), data_set(bytes(100)))
        kinds = []
        while kind := peer.pdu()[0]:
            kinds.append(kind)
        # What follows the request before its answer is a violation; either way it is over with one word.
        assert kinds in ([RJ], [ABORT], [RJ, ABORT])
        assert tree(site.spool) == set()
        is_served(site)


def test_a16_a_context_that_was_refused_cannot_be_used(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    with make_site(endpoint(verification={"enabled": False})) as site, RawPeer.connect(site.port) as peer:
        peer.associate(ECHO_CONTEXT, MR_CONTEXT)
        peer.send(store_rq(path.stem, context_id=1, sop_class=VERIFICATION), data_set(content(path), context_id=1))
        kind, body = peer.pdu()
        assert kind == ABORT or number(elements(body[6:])[0x0900]) != SUCCESS
        assert [name for name in tree(site.spool) if name.endswith(".dcm")] == []
