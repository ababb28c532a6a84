"""Who may open an association with the SCP, and how many at a time; the peer is pynetdicom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.data import make_instance
from harness.sending import send
from harness.site import Site
from spec.job_folder import uids, wait_for_jobs
from spec.peers import REJECTED_CALLED, REJECTED_CALLING, REJECTED_FOR_NOW, modality, rejection
from spec.sentences import sentence

MakeGateway = Callable[..., Site]


def app_yaml(scp: str) -> str:
    """One AE title AI."""
    return f"dicom: {{scp: {{ae-titles: [{{ae-title: AI}}], {scp}}}}}"


def source(host_ip: str = "127.0.0.1", ae_title: str = "CT1") -> str:
    return f"{{host-ip: '{host_ip}', ae-title: {ae_title}}}"


@sentence("reject-unknown-sources", "reject-unknown-sources.default", "scp.checks-calling", "scp.limited-list")
def test_a_calling_ae_title_that_is_not_among_the_sources_is_rejected(gateway: MakeGateway) -> None:
    with gateway(app_yaml(f"sources: [{source()}]")) as site:
        with modality(site.port, calling="CT1") as known:
            assert known.send_c_echo().Status == 0
        for stranger in ("CT2", "ct1", "CT"):
            assert rejection(site.port, calling=stranger) == REJECTED_CALLING


@sentence("reject-unknown-sources", "sources.optional")
def test_any_calling_ae_title_is_accepted_without_sources_if_unknown_ones_are_not_rejected(
    gateway: MakeGateway,
) -> None:
    with gateway(app_yaml("reject-unknown-sources: false")) as site:
        for calling in ("CT1", "ANYBODY"):
            with modality(site.port, calling=calling) as association:
                assert association.send_c_echo().Status == 0


@sentence("reject-unknown-sources.default", "sources.optional")
def test_without_sources_everybody_is_rejected_by_default(gateway: MakeGateway) -> None:
    with gateway(app_yaml("")) as site:
        assert rejection(site.port) == REJECTED_CALLING


@sentence("sources", "sources.ae-title")
def test_several_sources_may_send_under_their_own_ae_titles(gateway: MakeGateway) -> None:
    with gateway(app_yaml(f"sources: [{source()}, {source(ae_title='CT2')}]")) as site:
        for calling in ("CT1", "CT2"):
            assert rejection(site.port, calling=calling) is None


@pytest.mark.parametrize(
    ("host_ip", "known"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("127.0.0.0/8", True),
        ("10.20.30.1", False),
        ("10.0.0.0/8", False),
        ("no-such-host.invalid", False),
    ],
)
@sentence("sources.host-ip")
def test_a_source_is_known_by_its_ip_address_or_host_name(gateway: MakeGateway, host_ip: str, *, known: bool) -> None:
    with gateway(app_yaml(f"sources: [{source(host_ip)}]")) as site:
        assert rejection(site.port, calling="CT1") == (None if known else REJECTED_CALLING)


@sentence("ae-titles", "scp.checks-called", "scp.several-titles", "one-workflow-each", "workflows.clara-ae-title")
def test_each_ae_title_leads_to_its_workflows_and_others_are_rejected(gateway: MakeGateway, tmp_path: Path) -> None:
    one, two = make_instance(tmp_path / "one"), make_instance(tmp_path / "two")
    keys = """
        dicom:
          scp:
            ae-titles: [{ae-title: LUNG}, {ae-title: BREAST}]
            reject-unknown-sources: false
        workflows:
          - {name: lung, clara-ae-title: LUNG, workflow: wf-1}
          - {name: breast, clara-ae-title: BREAST, workflow: wf-2}
          - {name: breast too, clara-ae-title: BREAST, workflow: wf-3}
        """
    with gateway(keys) as site:
        send(site.port, one, called="LUNG")
        send(site.port, two, called="BREAST")
        jobs = {job.meta: job.instances for job in wait_for_jobs(site, 3)}
        assert jobs == {"wf-1": uids(one), "wf-2": uids(two), "wf-3": uids(two)}
        for title in ("LIVER", "lung"):
            assert rejection(site.port, called=title) == REJECTED_CALLED


@sentence("ae-titles.default", "ae-title")
def test_without_ae_titles_there_is_clarascp(gateway: MakeGateway) -> None:
    for keys in ("reject-unknown-sources: false", "reject-unknown-sources: false, ae-titles: [{timeout: 5}]"):
        with gateway(f"dicom: {{scp: {{{keys}}}}}") as site:
            with modality(site.port, called="ClaraSCP") as association:
                assert association.send_c_echo().Status == 0
            assert rejection(site.port, called="AI") == REJECTED_CALLED


@pytest.mark.parametrize(("key", "limit"), [("", 2), ("max-associations: 1,", 1), ("max-associations: 4,", 4)])
@sentence("max-associations", "max-associations.default", "scp.two")
def test_one_association_more_than_configured_is_rejected_for_the_moment(
    gateway: MakeGateway, key: str, limit: int
) -> None:
    with gateway(app_yaml(f"{key} reject-unknown-sources: false")) as site, ExitStack() as stack:
        going = [stack.enter_context(modality(site.port)) for _ in range(limit)]
        assert all(one.is_established for one in going)
        assert rejection(site.port) == REJECTED_FOR_NOW
        going[0].release()
        with modality(site.port) as next_one:
            assert next_one.send_c_echo().Status == 0
        assert all(one.send_c_echo().Status == 0 for one in going[1:])
