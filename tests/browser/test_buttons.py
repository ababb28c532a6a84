"""Each button does what it says, asks first where that cannot be undone, and tells what came of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from browser.desk import Visitor, break_off
from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import HilumError


def agree(page: Page) -> None:
    page.locator("#ask").get_by_role("button", name="No, leave it").wait_for()
    page.locator("#ask [value=yes]").click()


def row(page: Page, anchor: str) -> Locator:
    return page.locator(f"[id='{anchor}']")


def test_a_failed_job_is_run_again_from_the_list_and_from_its_page(
    visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    [job] = site.rows("jobs", state="failed")
    page = visitor.see("/jobs")
    row(page, f"job-{job.id}").get_by_role("button", name="Run again").click()
    assert visitor.said() == f"Job {job.name} is queued again."
    eventually(lambda: site.rows("jobs", id=job.id)[0].attempt == 2, what="a second attempt")
    eventually(lambda: site.rows("jobs", id=job.id)[0].state == "failed", what="its failure")
    page = visitor.see(f"/jobs/{job.id}")
    page.get_by_role("button", name="Run again").click()
    eventually(lambda: site.rows("jobs", id=job.id)[0].attempt == 3, what="a third attempt")
    eventually(lambda: site.rows("jobs", id=job.id)[0].state == "failed", what="its failure")


def test_a_job_is_cancelled_after_a_question(visitor: Visitor, site: Site, tmp_path: Path) -> None:
    send(site.port, make_instance(tmp_path / "in"), called="FAR")
    job = eventually(lambda: [one for one in site.rows("jobs", ae="FAR") if one.state == "collected"], what="a job")[-1]
    page = visitor.see("/jobs")
    button = row(page, f"job-{job.id}").get_by_role("button", name="Cancel")
    button.click()
    page.locator("#ask").get_by_role("button", name="No, leave it").click()
    assert site.rows("jobs", id=job.id)[0].state == "collected"
    button.click()
    agree(page)
    assert "Cancelled 1 delivery" in visitor.said()
    eventually(lambda: site.rows("jobs", id=job.id)[0].state == "complete", what="its end")


def test_what_was_given_up_is_tried_again(visitor: Visitor, site: Site) -> None:
    [given_up] = [one for one in site.rows("deliveries", state="given up") if one.destination == "PACS"]
    page = visitor.see("/deliveries")
    page.get_by_role("button", name="Try all given up again to PACS").click()
    assert "1 delivery" in visitor.said()
    eventually(lambda: site.rows("deliveries", id=given_up.id)[0].state == "delivered", what="the delivery")


def test_a_delivery_is_tried_now(visitor: Visitor, site: Site) -> None:
    waiting = site.rows("deliveries", state="due", destination="ARCHIVE")[0]
    page = visitor.see("/deliveries?destination=ARCHIVE&state=due")
    row(page, f"delivery-{waiting.id}").get_by_role("button", name="Try now").click()
    assert visitor.said() == f"Delivery {waiting.id} will be tried now."


def test_what_waits_for_a_destination_is_tried_now(visitor: Visitor, site: Site) -> None:
    eventually(lambda: site.rows("destinations", state="down"), what="ARCHIVE to be down")
    page = visitor.see("/deliveries")
    page.locator("#to-ARCHIVE").get_by_role("button", name="Try now what waits for ARCHIVE").click()
    assert "will be tried now" in visitor.said()


def test_a_destination_is_paused_and_resumed(visitor: Visitor, site: Site) -> None:
    page = visitor.see("/deliveries")
    card = page.locator("#to-PACS")
    card.get_by_role("button", name="Pause").click()
    agree(page)
    card.get_by_role("button", name="Resume").wait_for()
    assert site.rows("destinations", id="PACS")[0].state == "paused"
    page = visitor.see("/")
    page.get_by_text("PACS is paused").wait_for()
    page.get_by_role("button", name="Resume deliveries to PACS").click()
    eventually(lambda: site.rows("destinations", id="PACS")[0].state == "up", what="PACS to be up")


def test_destinations_are_tested(visitor: Visitor, module_pacs: Pacs) -> None:
    page = visitor.see("/configuration")
    page.get_by_role("button", name="Test with C-ECHO PACS").click()
    page.locator("#said").get_by_text("PACS").wait_for()
    assert page.locator("#said .is-bad").count() == 0
    page.get_by_role("button", name="Test with C-ECHO ARCHIVE").click()
    page.locator("#said .is-bad").wait_for()
    assert "refused" in visitor.said()
    page.locator("#said").get_by_role("button", name="Close").click()
    assert page.locator("#said > div").count() == 0


def test_a_group_is_closed_now(visitor: Visitor, site: Site) -> None:
    [group] = site.rows("groups", state="open", key="PAT-4711")
    page = visitor.see("/groups")
    row(page, f"group-{group.id}").get_by_role("button", name="Close now").click()
    agree(page)
    visitor.said()
    eventually(lambda: site.rows("groups", id=group.id)[0].state == "planned", what="its jobs")
    page.get_by_role("link", name=str(group.id), exact=True).click()
    page.get_by_role("heading", name=f"Group {group.id}").wait_for()


def test_a_group_that_nobody_wanted_is_given_to_the_workflows_again(visitor: Visitor, site: Site) -> None:
    [group] = site.rows("groups", state="stored only")
    page = visitor.see(f"/groups/{group.id}")
    page.get_by_role("button", name="Give to workflows").click()
    assert visitor.said() == f"Group {group.id} is given to the workflows again."


def test_a_held_association_is_accepted(visitor: Visitor, site: Site) -> None:
    [held] = site.rows("associations", state="held")
    page = visitor.see("/associations")
    row(page, f"held-{held.id}").get_by_role("button", name="Accept").click()
    agree(page)
    eventually(lambda: site.rows("associations", id=held.id)[0].state == "released", what="it to be taken")
    page.get_by_text("None is held").wait_for()


def test_an_open_association_is_aborted(visitor: Visitor, site: Site, tmp_path: Path) -> None:
    files = make_series(tmp_path / "in", 2)
    assert site.gateway is not None
    with suppress(HilumError), association(site.port, files, calling="CT2") as requestor:
        store(requestor, files[0])
        page = visitor.see("/associations")
        page.get_by_role("button", name="Abort association of CT2").click()
        agree(page)
        page.get_by_text("Nobody is sending").wait_for()
        with pytest.raises(HilumError):
            store(requestor, files[1])
    eventually(lambda: site.rows("associations", calling="CT2", state="held"), what="it to be held")


def test_a_changed_file_shows_what_a_reload_changes_and_what_is_wrong(
    visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    text = site.path.read_text()
    page = visitor.see("/configuration")
    page.get_by_text("What the file says is what counts").wait_for()
    site.path.write_text(text.replace("max-associations: 5", "max-associations: 0"))
    page.get_by_role("button", name="Reload now").click()
    page.locator("#said .is-bad").wait_for()
    assert "max-associations" in visitor.said()
    page.locator("#live").get_by_text("has errors").wait_for()
    page = visitor.see("/")
    page.get_by_text("The configuration file has errors").wait_for()
    page.get_by_role("link", name="Show the problems").click()
    page.get_by_text("has errors").wait_for()

    site.path.write_text(text.replace("max-associations: 5", "max-associations: 4"))
    page.get_by_role("button", name="Reload now").click()
    page.locator("#live").get_by_text("in force").first.wait_for()
    assert site.gateway is not None
    configuration = site.gateway.parts.configuration
    eventually(lambda: configuration.settings.dicom.scp.max_associations == 4, what="4")
    site.path.write_text(text)


def test_the_overview_offers_the_right_thing_for_each_point(
    visitor: Visitor, site: Site, module_pacs: Pacs, tmp_path: Path
) -> None:
    page = visitor.see("/")
    echo = page.get_by_role("button", name="Test with C-ECHO ARCHIVE")
    echo.click()
    assert "refused" in visitor.said()
    page.get_by_role("link", name="Show job and log").click()
    page.get_by_text("CUDA out of memory").first.wait_for()
    break_off(site.port, tmp_path / "again")
    page = visitor.see("/")
    page.get_by_text("held, the newest").wait_for()
    page.get_by_role("link", name="Show what is held").click()
    page.get_by_role("button", name="Accept").first.wait_for()


def test_what_cannot_be_done_is_told(visitor: Visitor, site: Site) -> None:
    [job] = site.rows("jobs", state="failed")
    page = visitor.see("/jobs")
    done = next(one for one in site.rows("jobs", state="complete"))
    script = "([one, other]) => document.getElementById(one).querySelector('button').setAttribute('hx-post', other)"
    page.evaluate(script, [f"job-{job.id}", f"/api/v1/jobs/{done.id}/retry"])
    page.evaluate("id => htmx.process(document.getElementById(id), true)", f"job-{job.id}")
    row(page, f"job-{job.id}").get_by_role("button", name="Run again").click()
    page.locator("#said .is-bad").wait_for()
    assert "no delivery of it waits or was given up" in visitor.said()
