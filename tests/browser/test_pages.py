"""Each page in both themes and at two widths: it says what it should, fits, and can be used by everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from browser.desk import NARROW, WIDE, Visitor
from harness.site import Site

#: What each page must say of the busy gateway.
PAGES = {
    "/": ["1 job failed", "waits for ARCHIVE", "given up", "rejected", "1 association held", "The last hour", "Disk"],
    "/associations": ["Nobody is sending", "Accept", "'MR9'", "dicom.scp.sources", "released"],
    "/groups": ["stored only", "closes in", "Close now", "Give to workflows"],
    "/jobs": ["lung-nodules", "failed", "Run again", "complete", "3/3 delivered"],
    "/deliveries": ["ARCHIVE", "down", "connection was refused", "C-ECHO", "A900H"],
    "/history": ["not in dicom.scp.sources", "Add {host-ip: 127.0.0.1, ae-title: MR9}", "failed for good"],
    "/explain": ["What would happen to a file?", "Study, Series or SOP Instance UID"],
    "/doctor": ["ARCHIVE, connect", "refuses the connection", "PACS, echo", "MODALITY (127.0.0.1) to HILUM"],
    "/notices": ["Nobody is told of anything", "No such notices"],
    "/configuration": ["in force", "ARCHIVE@127.0.0.1:1", "watermark-percent"],
}


def paths(site: Site) -> list[str]:
    [bad] = site.rows("jobs", state="failed")
    good = site.rows("jobs", state="complete")[-1]
    group = site.rows("groups", state="open")[0]
    study = site.rows("instances", group_id=bad.group_id)[0].study
    return [
        *PAGES,
        f"/explain?what={study}",
        "/explain?what=1.2.3",
        f"/jobs/{bad.id}",
        f"/jobs/{good.id}",
        f"/groups/{group.id}",
        "/jobs/none",
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_each_page_is_accessible_and_fits(visit: Callable[..., Visitor], site: Site, colours: str, width: int) -> None:
    visitor = visit(width=width, colours=colours)
    for path in paths(site):
        page = visitor.see(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than {width}"
        assert visitor.violations() == [], (path, colours, width)


def test_each_page_says_what_it_should(visitor: Visitor) -> None:
    for path, wanted in PAGES.items():
        text = visitor.see(path).locator("body").inner_text()
        missing = [word for word in wanted if word not in text]
        assert not missing, (path, text)


def test_pictures_of_the_documentation(visit: Callable[..., Visitor], site: Site) -> None:
    light, dark, narrow = visit(), visit(colours="dark"), visit(width=NARROW)
    [bad] = site.rows("jobs", state="failed")
    good = next(job for job in site.rows("jobs", state="complete") if job.instances == 3)
    for visitor, path, name in (
        (light, "/", "overview"),
        (dark, "/", "overview-dark"),
        (narrow, "/", "overview-narrow"),
        (light, f"/jobs/{bad.id}", "failed-job"),
        (light, f"/jobs/{good.id}", "job"),
        (light, "/deliveries", "deliveries"),
        (light, "/associations", "associations"),
        (light, "/groups", "groups"),
        (light, "/history", "history"),
        (light, "/configuration", "configuration"),
    ):
        page = visitor.see(path)
        if path == "/":
            page.locator("#rates canvas").wait_for()
        visitor.picture(name)


def test_personal_data_is_shown_on_demand_and_for_one_page_view(visitor: Visitor, site: Site) -> None:
    group = next(one for one in site.rows("groups", state="open") if one.key == "PAT-4711")
    for path in ("/groups", f"/groups/{group.id}"):
        page = visitor.see(path)
        assert "PAT-4711" not in page.content(), path
        page.get_by_role("button", name="Show").click()
        page.get_by_text("PAT-4711").first.wait_for()
        page.get_by_role("link", name="Jobs").click()
        page.get_by_role("link", name="Groups").click()
        page.get_by_role("heading", name="Groups").wait_for()
        assert "PAT-4711" not in page.content(), path


def test_the_switch_of_colours_is_kept(visitor: Visitor) -> None:
    page = visitor.see("/jobs")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    assert visitor.see("/history").evaluate(ground) == dark
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == light


def test_times_are_relative_and_have_the_absolute_one(visitor: Visitor) -> None:
    page = visitor.see("/jobs")
    time = page.locator("#live time").first
    assert "ago" in time.inner_text()
    assert "T" in (time.get_attribute("datetime") or "")
    assert ":" in (time.get_attribute("title") or "")


def test_filters_narrow_lists(visitor: Visitor) -> None:
    page = visitor.see("/jobs")
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("cell", name="lung-nodules").wait_for()
    assert page.get_by_text("pass-through").count() == page.locator("option", has_text="pass-through").count()

    page = visitor.see("/history")
    page.get_by_label("Contains").fill("MR9")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**text=MR9*")
    rows = page.locator("#live tbody tr")
    assert rows.count() == 1
    assert "MR9" in rows.first.inner_text()

    page = visitor.see("/deliveries")
    page.get_by_label("Destination").select_option("ARCHIVE")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**destination=ARCHIVE*")
    assert page.get_by_role("heading", name="PACS").count() == 0
