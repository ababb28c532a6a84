"""Host names of sources."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

from hilum.association.names import HostNames

LONG = timedelta(seconds=30)


def test_a_watched_name_stands_for_its_addresses() -> None:
    names = HostNames()
    assert names.networks("localhost") == ()
    names.watch(["localhost"])
    assert names.wait_until_tried(LONG)
    assert ip_network("127.0.0.1/32") in names.networks("localhost")
    names.close()


def test_a_text_that_can_be_no_host_name_has_no_addresses_and_harms_no_other() -> None:
    names = HostNames()
    names.watch(["x" * 70, "localhost"])
    assert names.wait_until_tried(LONG)
    assert names.networks("x" * 70) == ()
    assert names.networks("localhost")
    names.close()


def test_a_name_that_is_not_watched_any_more_is_forgotten() -> None:
    names = HostNames()
    names.watch(["localhost"])
    assert names.wait_until_tried(LONG)
    names.watch([])
    assert names.networks("localhost") == ()
    assert names.wait_until_tried(timedelta(0))
    names.close()
