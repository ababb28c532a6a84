"""What is not what the workflow wrote any more is not sent, is moved aside with the reason, and can be put back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import make_instance
from harness.pacs import Pacs
from hilum.ledger import dispatch
from stage.deliver.sending import Sending, data_set_digest


def flipped(content: bytes) -> bytes:
    return content[:-7] + bytes([content[-7] ^ 1]) + content[-6:]


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "one bit": flipped,
    "longer": lambda content: content + b"more",
    "cut": lambda content: content[:-100],
    "empty": lambda _content: b"",
}


def retry_all(sending: Sending) -> None:
    with sending.desk.database.write() as connection:
        for row in sending.deliveries():
            dispatch.ask_retry(connection, row.id, now=sending.clock())


@pytest.mark.parametrize("harm", HARMS)
def test_damage_is_given_up_at_once_and_moved_aside(to_pacs: Sending, pacs: Pacs, harm: str) -> None:
    output = to_pacs.job("1.1", "1.2")
    original = (output / "1.1.dcm").read_bytes()
    (output / "1.1.dcm").write_bytes(HARMS[harm](original))
    to_pacs.run()
    assert to_pacs.states() == ["given up", "delivered"]
    assert [one.request.sop_instance for one in pacs.arrived] == ["1.2"]
    aside = output.parent / "quarantine" / "1.1.dcm"
    assert aside.read_bytes() == HARMS[harm](original)
    assert not (output / "1.1.dcm").exists()
    reason = aside.with_name("1.1.dcm.txt").read_text()
    assert str(output / "1.1.dcm") in reason
    assert "hilum retry" in reason
    (line,) = to_pacs.desk.history(event="failed for good")
    assert "when it was collected; it was moved to quarantine/1.1.dcm" in line.why
    assert "hilum retry" in line.remedy
    assert to_pacs.deliveries()[0].why == line.why
    assert to_pacs.desk.rows("destinations") == []
    # Mended:
    (output / "1.1.dcm").write_bytes(original)
    with to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, to_pacs.deliveries()[0].id, now=to_pacs.clock())
    to_pacs.run()
    assert to_pacs.states() == ["delivered", "delivered"]
    result = to_pacs.desk.rows("results")[0]
    assert pacs.accepted[-1].digest == data_set_digest(output / "1.1.dcm", result.offset)


def test_every_destination_hears_of_it(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.to("OTHER", pacs.port, called="PACS")
    output = to_pacs.job("1.1", destinations=("PACS", "OTHER"))
    (output / "1.1.dcm").write_bytes(b"something else")
    to_pacs.run()
    assert to_pacs.states() == ["given up", "given up"]
    assert all("quarantine/1.1.dcm" in row.why for row in to_pacs.deliveries())
    assert pacs.arrived == []


def test_in_sub_folders_and_a_second_time_nothing_is_overwritten(to_pacs: Sending) -> None:
    output = to_pacs.job("1.1", make=lambda folder, **kind: make_instance(folder / "seg" / "x.dcm", **kind))
    path = next(one for one in output.rglob("*.dcm") if one.is_file())
    inner = path.relative_to(output)
    for content in (b"first", b"second"):
        path.write_bytes(content)
        to_pacs.run()
        assert to_pacs.states() == ["given up"]
        retry_all(to_pacs)
    aside = output.parent / "quarantine" / inner
    assert aside.read_bytes() == b"first"
    assert aside.with_name(f"{inner.name}.2").read_bytes() == b"second"
    assert aside.with_name(f"{inner.name}.2.txt").exists()


def test_a_crash_between_moving_and_recording_tells_the_same(to_pacs: Sending) -> None:
    output = to_pacs.job("1.1")
    (output / "1.1.dcm").write_bytes(b"something else")
    (parcel,) = to_pacs.claim()
    to_pacs.send.act(parcel)  # and then the gateway dies
    to_pacs.clock.forward(60)
    to_pacs.run()
    assert to_pacs.states() == ["given up"]
    assert "quarantine/1.1.dcm" in to_pacs.deliveries()[0].why


def test_what_cannot_be_moved_aside_is_not_sent_either(to_pacs: Sending, pacs: Pacs) -> None:
    output = to_pacs.job("1.1")
    (output.parent / "quarantine").write_text("in the way")
    (output / "1.1.dcm").write_bytes(b"something else")
    to_pacs.run()
    assert (to_pacs.states(), pacs.arrived) == (["given up"], [])
    assert "could not be moved aside" in to_pacs.deliveries()[0].why
    assert (output / "1.1.dcm").exists()


def test_a_file_that_is_gone_has_three_tries_and_can_be_put_back(to_pacs: Sending, pacs: Pacs, tmp_path: Path) -> None:
    output = to_pacs.job("1.1")
    away = (output / "1.1.dcm").rename(tmp_path / "away.dcm")
    for wait in (30, 120, 120):
        assert to_pacs.states() == ["due"]
        to_pacs.run()
        to_pacs.clock.forward(wait)
    assert to_pacs.states() == ["given up"]
    assert "No such file" in to_pacs.deliveries()[0].why
    away.rename(output / "1.1.dcm")
    retry_all(to_pacs)
    to_pacs.run()
    assert (to_pacs.states(), len(pacs.accepted)) == (["delivered"], 1)
