"""Pages follow what happens, by themselves, without taking anything away from whoever reads them."""

from __future__ import annotations

from pathlib import Path

from browser.desk import Visitor
from harness.data import make_instance
from harness.sending import send
from harness.site import Site


def test_a_list_shows_what_comes_and_keeps_focus_and_place(visitor: Visitor, site: Site, tmp_path: Path) -> None:
    page = visitor.see("/jobs")
    page.set_viewport_size({"width": 1280, "height": 300})
    last = page.locator("#live tbody tr[id^=job-]").last
    link = last.get_by_role("link")
    link.focus()
    name = last.get_attribute("id")
    before = page.locator("#live tbody tr[id^=job-]").count()
    send(site.port, make_instance(tmp_path / "new"))
    page.wait_for_function(
        "before => document.querySelectorAll('#live tbody tr[id^=job-]').length > before", arg=before
    )
    assert page.evaluate("document.activeElement.closest('tr')?.id") == name
    place = page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert 0 <= place <= 300, "what had the focus is still to be seen"


def test_an_open_detail_stays_open(visitor: Visitor, site: Site, tmp_path: Path) -> None:
    page = visitor.see("/")
    page.locator("#rates-table summary").click()
    first = page.locator("#rates canvas")
    first.wait_for()
    text = page.locator("#live section p").filter(has_text="received (").inner_text()
    send(site.port, make_instance(tmp_path / "new"))
    page.wait_for_function(
        "text => ![...document.querySelectorAll('#live section p')].some(one => one.innerText === text)", arg=text
    )
    assert page.locator("#rates-table").evaluate("one => one.open")
    assert page.locator("#rates canvas").count() == 1


def test_what_was_written_into_a_filter_stays(visitor: Visitor, site: Site, tmp_path: Path) -> None:
    page = visitor.see("/history")
    page.get_by_label("Contains").fill("not sent yet")
    before = page.locator("#live tbody tr").count()
    send(site.port, make_instance(tmp_path / "alone"), called="ALONE")
    page.wait_for_function("before => document.querySelectorAll('#live tbody tr').length > before", arg=before)
    assert page.get_by_label("Contains").input_value() == "not sent yet"


def test_a_gateway_that_does_not_answer_is_told(visitor: Visitor, site: Site) -> None:
    page = visitor.see("/jobs")
    visitor.context.set_offline(True)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('hilum:change'))")
    page.get_by_text("The gateway does not answer").wait_for()
    visitor.context.set_offline(False)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('hilum:change'))")
    page.get_by_text("The gateway does not answer").wait_for(state="hidden")
