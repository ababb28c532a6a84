"""What needs attention: the most pressing first, each with the reason and what to do, and nothing that is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import make_instance
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum import overview
from hilum.association.peer import AssociationRejectedError
from hilum.overview import Attention, Matter

MakeSite = Callable[..., Site]


def points(site: Site) -> list[Attention]:
    found = overview.look(site.database, site.settings, site.path, site.clock(), running=True)
    return list(found.attention)


def test_peers_that_were_turned_away_are_told_once_for_each_remedy(make_site: MakeSite, tmp_path: Path) -> None:
    with make_site({"dicom": {"scp": {"reject-unknown-sources": True}}}) as site:
        for number, calling in enumerate(("MR9", "MR9", "CT3"), 1):
            with pytest.raises(AssociationRejectedError):
                send(site.port, make_instance(tmp_path / "in"), calling=calling)
            # Each is written down after its answer: the order of the next two would be left to chance.
            eventually(lambda lines=number: len(site.history(event="rejected")) == lines, what="its line")  # type: ignore[misc]
        found = points(site)
    assert [(one.matter, one.count, one.remedy) for one in found] == [
        (Matter.REJECTED, 1, "add {host-ip: 127.0.0.1, ae-title: CT3} to dicom.scp.sources"),
        (Matter.REJECTED, 2, "add {host-ip: 127.0.0.1, ae-title: MR9} to dicom.scp.sources"),
    ]
    assert "'CT3' from 127.0.0.1 is not in dicom.scp.sources" in found[0].why


def test_a_configuration_with_errors_is_told_until_it_is_in_order_again(make_site: MakeSite) -> None:
    with make_site() as site:
        text = site.path.read_text()
        assert site.gateway is not None
        assert points(site) == []
        site.path.write_text(text + "nonsense: 1\n")
        site.gateway.reload()
        [point] = points(site)
        assert point.matter is Matter.CONFIGURATION
        assert "nonsense" in point.why
        site.path.write_text(text)
        site.gateway.reload()
        assert points(site) == []

        site.path.write_text(text + "nonsense: 1\n")
        site.gateway.reload()
        assert len(points(site)) == 1
        site.path.write_text(text)
        site.stop()
        site.start()
        assert points(site) == [], "a gateway that started has a file that it can use"
