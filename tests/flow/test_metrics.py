"""A whole study comes, is worked on and leaves: counters agree with what the ledger says."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from flow.workflows import one_workflow
from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site, merged
from harness.waiting import eventually
from hilum.association.peer import AssociationRejectedError
from hilum.ledger.account import sums
from hilum.model import Answer
from hilum.web.metrics_reference import described

MakeSite = Callable[..., Site]

WEB = {"web": {"enabled": True, "port": 0}}
SOURCES = [{"host-ip": "127.0.0.1", "ae-title": "CT1"}]


class Scraped:
    """One answer of ``/metrics``."""

    def __init__(self, site: Site, *, accept: str = "", token: str = "") -> None:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"{site.web}/metrics", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            self.text = answer.read().decode()
            self.content_type = answer.headers["Content-Type"]
        parse = parse_openmetrics if "openmetrics" in self.content_type else parse_text
        self.families = list(parse(self.text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Of all series with these labels."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == f"hilum_{name}" and labels.items() <= sample.labels.items()
        ]
        assert found, f"no series of {name} with {labels}"
        return sum(found)


def keys(pacs: Pacs) -> Mapping[str, Any]:
    ours = {"sources": SOURCES, "ae-titles": [{"ae-title": "HILUM", "ignored-sop-classes": ["MRImageStorage"]}]}
    return merged(merged(one_workflow(to=[pacs]), WEB), {"dicom": {"scp": ours}})


def a_day(site: Site, pacs: Pacs, folder: Path) -> None:
    """Of everything something: two studies, an ignored instance, a refused one, a broken association, a stranger."""
    pacs.answer = lambda request: Answer(status=0xC000 if request.sop_instance == "1.2.3" else 0)
    send(site.port, *make_series(folder / "a", 3), calling="CT1")
    send(site.port, make_instance(folder / "b", sop_instance="1.2.3"), calling="STRANGER")
    send(site.port, make_instance(folder / "c", sop_class="1.2.840.10008.5.1.4.1.1.4"), calling="CT1")
    (one,) = make_series(folder / "d", 1)
    with association(site.port, [one], calling="CT1") as requestor:
        store(requestor, one)
        requestor.abort()
    with pytest.raises(AssociationRejectedError):
        send(site.port, one, called="NOBODY")
    site.wait_for_jobs(2)
    eventually(lambda: site.rows("associations", state="held"), what="the held association")


@pytest.fixture
def site(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> Iterator[Site]:
    with make_site(keys(pacs)) as site:
        a_day(site, pacs, tmp_path)
        yield site


def test_counters_agree_with_the_ledger(site: Site) -> None:
    def settled() -> Scraped | None:
        """One that nothing was added to while it was made, which holds for a second."""
        before = len(site.history())
        found = Scraped(site)
        return found if len(site.history()) == before == found.sum("history_lines_total") else None

    found = eventually(settled, what="a moment in which nothing happens")
    written = Counter((row.machine, row.event) for row in site.history())
    for (machine, event), number in written.items():
        assert found.sum("history_lines_total", machine=machine, event=event) == number

    with site.database.read() as connection:
        account = sums(connection)
    stored = sum(row.instances for row in site.rows("associations"))
    assert found.sum("instances_total", outcome="stored") == stored == 5
    assert found.sum("instances_total", outcome="ignored") == 1
    assert account.received == 5  # of associations that have stored something
    assert found.sum("instance_receive_seconds_count", called="HILUM") == 5
    assert found.sum("sync_seconds_count", what="instance") == 5
    received = found.sum("received_bytes_total")
    assert received > sum(row.bytes for row in site.rows("associations")) - 5 * 1000

    assert found.sum("associations_accepted_total", calling="CT1") == 3
    assert found.sum("associations_accepted_total", calling="other") == 1
    assert found.sum("associations_ended_total", how="released") == 3
    assert found.sum("associations_ended_total", how="aborted") == 1
    assert found.sum("associations_rejected_total", reason="called AE title not recognized") == 1

    for event in ("made", "started", "succeeded", "collected", "settled"):
        assert found.sum("job_events_total", workflow="one", event=event) == written["job", event] == 2
    assert found.sum("job_run_seconds_count", workflow="one", engine="copy", outcome="succeeded") == 2
    ended = Counter(row.state for row in site.rows("deliveries"))
    assert found.sum("delivery_events_total", destination="PACS", event="accepted") == ended["delivered"] == 3
    assert found.sum("delivery_events_total", destination="PACS", event="failed for good") == ended["given up"] == 1
    assert found.sum("delivery_events_total", destination="PACS", event="failed for now") == 2


def test_gauges_say_what_is_so(site: Site) -> None:
    found = Scraped(site)
    assert found.sum("receiving") == found.sum("ledger_up") == found.sum("destination_up", destination="PACS") == 1
    assert found.sum("associations_open") == 0
    assert (found.sum("associations_held"), found.sum("instances_held")) == (1, 1)
    assert found.sum("deliveries_due", destination="PACS") == 0
    assert found.sum("disk_free_bytes", folder="temporary") > 0
    assert found.sum("ledger_bytes", file="database") > 0
    assert 80_000 < found.sum("next_seconds", timer="held association expires") <= 86_400
    names = {sample.name for sample in found.samples}
    assert {"process_open_fds", "process_resident_memory_bytes", "hilum_build_info"} <= names


def test_every_metric_that_is_exposed_is_described(site: Site) -> None:
    known = {one.name.removesuffix("_total") for one in described()} | {"hilum_build"}
    exposed = {
        family.name.removesuffix("_info") for family in Scraped(site).families if family.name.startswith("hilum_")
    }
    assert exposed <= known
    assert not [sample for sample in Scraped(site).samples if sample.name.endswith("_created")]


def test_both_formats_say_the_same(site: Site) -> None:
    text = Scraped(site)
    openmetrics = Scraped(site, accept="application/openmetrics-text; version=1.0.0; charset=utf-8, text/plain;q=0.5")
    assert text.content_type.startswith("text/plain; version=0.0.4")
    assert openmetrics.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")
    assert {sample.name for sample in openmetrics.samples} == {sample.name for sample in text.samples}


def test_whatever_peers_call_themselves_there_are_not_more_series(site: Site, tmp_path: Path) -> None:
    (file,) = make_series(tmp_path / "more", 1)
    send(site.port, file, calling="NEWCOMER")
    before = Scraped(site)
    for number in range(20):
        send(site.port, file, calling=f"X{number}")
        with pytest.raises(AssociationRejectedError):
            send(site.port, file, calling=f"X{number}", called=f"Y{number}")
    after = eventually(
        lambda: (found := Scraped(site)).sum("associations_ended_total", calling="other") >= 22 and found,
        what="a scrape that counts all of them",
    )
    assert not [sample for sample in after.samples for text in sample.labels.values() if text.startswith(("X", "Y"))]
    receiving = ("hilum_associations", "hilum_instance", "hilum_received", "hilum_echoes", "hilum_group")
    ours = [
        {(sample.name, *sample.labels.items()) for sample in one.samples if sample.name.startswith(receiving)}
        for one in (before, after)
    ]
    assert ours[0] == ours[1]


def test_names_of_a_new_configuration_are_labels_at_once(site: Site, pacs: Pacs, tmp_path: Path) -> None:
    more = [*SOURCES, {"host-ip": "127.0.0.1", "ae-title": "CT2"}]
    site.configure(merged(keys(pacs), {"dicom": {"scp": {"sources": more}}}))
    eventually(lambda: site.history(machine="config", event="reloaded"), what="the new configuration")
    send(site.port, *make_series(tmp_path / "new", 1), calling="CT2")
    eventually(lambda: 'calling="CT2"' in Scraped(site).text, what="the new source")


def test_it_needs_the_token(make_site: MakeSite) -> None:
    with make_site({"web": {"enabled": True, "port": 0, "token": "correct-horse-battery"}}) as site:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            Scraped(site)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            Scraped(site, token="wrong")
        assert Scraped(site, token="correct-horse-battery").sum("receiving") == 1
