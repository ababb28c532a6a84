"""What makes a sender slow is seen by the gateway that it sends to, and told by the doctor with the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pynetdicom
import pytest
from pydicom import dcmread

from harness.data import CT_IMAGE_STORAGE, make_instance, make_series
from harness.raw_peer import CT_CONTEXT, EXPLICIT, RawPeer, data_set, store_rq
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.doctor.check import Check
from hilum.doctor.examination import Examination
from hilum.doctor.manners import sender
from hilum.ledger import senders
from hilum.ledger.senders import Behaviour, SenderKey

MakeSite = Callable[..., Site]
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def behaviour(site: Site, calling: str) -> Behaviour:
    """What is known of a sender, once something is."""
    key = SenderKey(calling=calling, called="HILUM", host="127.0.0.1")

    def look() -> Behaviour | None:
        with site.database.read() as connection:
            return senders.behaviours(connection, since=datetime(2000, 1, 1, tzinfo=UTC)).get(key)

    return eventually(look, what=f"the behaviour of {calling}")


def checks(site: Site, calling: str) -> list[Check]:
    examination = Examination(settings=site.settings, database=site.database, running=True)
    found = examination.whole(site.clock()).checks
    return [one for one in found if one.subject.startswith(f"{calling} (")]


def test_our_own_sender_is_well(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 20)
    with make_site() as site:
        send(site.port, *files, calling="CT1")
        seen = behaviour(site, "CT1")
        assert (seen.associations, seen.broken, seen.instances) == (1, 0, 20)
        assert seen.pauses.count == 20
        assert seen.implementation.startswith("HILUM")
        [check] = checks(site, "CT1")
        assert (check.grade, check.remedy) == ("OK", "")


def test_who_only_asks_for_an_echo_is_no_sender(make_site: MakeSite) -> None:
    with make_site() as site:
        with RawPeer.connect(site.port) as peer:
            peer.associate(calling="MONITOR")
            peer.release()
        send(site.port, make_instance(site.folder / "ct"), calling="CT1")
        behaviour(site, "CT1")
        with site.database.read() as connection:
            known = senders.behaviours(connection, since=datetime(2000, 1, 1, tzinfo=UTC))
    assert [key.calling for key in known] == ["CT1"]


def test_the_stall_of_a_delayed_acknowledgement_is_recognised(make_site: MakeSite) -> None:
    """The peer holds the data set back after each command as Nagle's algorithm does while it waits for an ACK.

    On a busy machine some of these waits are not seen, or are longer: so it goes on until they are a pattern.
    """

    def told() -> Check | None:
        with RawPeer.connect(site.port) as peer:
            peer.associate(CT_CONTEXT, calling="SLOW")
            for number in range(6):
                peer.send(store_rq(f"1.2.{number}"))
                threading.Event().wait(0.04)
                peer.send(data_set(b"not a data set"))
                assert peer.status() != 0
            peer.release()
        key = SenderKey(calling="SLOW", called="HILUM", host="127.0.0.1")
        found = sender(key, behaviour(site, "SLOW"), our_pdu=131072)
        return next((one for one in found if "for about 40 ms in the middle of its requests" in one.found), None)

    with make_site() as site:
        check = eventually(told, seconds=60, what="the pattern")
        assert any("it stalled" in one.found for one in checks(site, "SLOW"))
    assert "TCP_NODELAY" in check.remedy


def test_contexts_that_were_refused_are_named(make_site: MakeSite, tmp_path: Path) -> None:
    file = make_instance(tmp_path / "ct")
    with make_site() as site:
        entity = pynetdicom.AE("WORKSTATION")
        entity.add_requested_context(CT_IMAGE_STORAGE, EXPLICIT)
        entity.add_requested_context(FIND)
        association = entity.associate("127.0.0.1", site.port, ae_title="HILUM")
        assert association.is_established
        assert association.send_c_store(dcmread(file)).Status == 0
        association.release()
        seen = behaviour(site, "WORKSTATION")
        assert seen.implementation.startswith("PYNETDICOM")
        assert dict(seen.refused) == {FIND: 1}
        [check] = [one for one in checks(site, "WORKSTATION") if "refused" in one.found]
    assert "Query/Retrieve" in check.remedy


@pytest.mark.interop
def test_dcmtk_with_short_pdus_and_without_nodelay(make_site: MakeSite, tmp_path: Path) -> None:
    """Nagle's algorithm waits for acknowledgements: ours are not delayed, so no stall is seen, and none is told."""
    storescu = shutil.which("storescu")
    assert storescu, "DCMTK is needed"
    files = [make_instance(tmp_path / "ct", size=200_000) for _ in range(10)]
    with make_site() as site:
        command = [storescu, "--max-send-pdu", "4096", "-aet", "DCMTK", "-aec", "HILUM", "127.0.0.1", str(site.port)]
        subprocess.run([*command, *map(str, files)], check=True, timeout=60, env=os.environ | {"TCP_NODELAY": "0"})
        seen = behaviour(site, "DCMTK")
        assert (seen.instances, seen.broken) == (10, 0)
        assert seen.implementation.startswith("OFFIS")
        told = [one.found for one in checks(site, "DCMTK")]
    assert any("its PDUs have 4.1 kB on average" in one or "its PDUs have 4.0 kB" in one for one in told)
    assert not any("stalled" in one for one in told)


def test_each_instance_over_an_association_of_its_own(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 6)
    with make_site() as site:
        for file in files:
            send(site.port, file, calling="ONEBYONE")
        eventually(lambda: behaviour(site, "ONEBYONE").associations == 6, what="all six")
        assert any("6 instances came over 6 associations" in one.found for one in checks(site, "ONEBYONE"))
