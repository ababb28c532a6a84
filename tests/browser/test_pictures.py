"""The viewer in a real browser: a series and its segmentation, by wheel, keys and mouse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from harness.data import real_file
from harness.ports import free_port
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from stage.pictures.volumes import box, segmentation, series

SLICES = 40
#: For the first picture a process has to start, on a machine that may have much else to do.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Its first job got 40 slices and wrote a segmentation of two of them."""
    place = tmp_path_factory.mktemp("pictures")
    for name in ("series", "site"):
        (place / name).mkdir()
    slices = series(place / "series", SLICES)
    mask = box((SLICES, *box().shape[1:]))
    segmentation(slices, mask, place / "seg.dcm")
    command = ["sh", "-c", f'cp {place}/seg.dcm "$HILUM_OUTPUT"/']
    keys = {
        "web": {"enabled": True, "port": free_port()},
        "workflows": [{"name": "segment", "clara-ae-title": "HILUM", "workflow": "w", "engine": "segment"}],
        "engines": {"segment": {"type": "process", "command": command}},
    }
    with Site(place / "site", keys) as made:
        send(made.port, *sorted((place / "series").iterdir()))
        made.wait_for_jobs(1)
        yield made


@pytest.fixture(params=[(1200, 900), (400, 800)], ids=["wide", "narrow"])
def page(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"http://127.0.0.1:{site.settings.web.port}/jobs/{site.rows('jobs')[0].id}/pictures")
    yield page
    page.close()
    assert [one for one in wrong if not one.startswith("Failed to load resource")] == []


def pane(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def at(place: Locator, number: int) -> None:
    """The slice is shown: asked for, loaded, drawn."""
    expect(place.locator(".stage")).to_have_attribute("data-shown", str(number))
    expect(place.locator(".where")).to_have_text(f"Slice {number} of {SLICES}")
    assert place.locator("img.picture").evaluate("image => image.complete && image.naturalWidth") == 48


def layer(place: Locator) -> int:
    """Pixels that the overlay covers."""
    script = """async image => {
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((one, at) => at % 4 === 3 && one).length;
    }"""
    return int(place.locator("img.layer").evaluate(script))


def test_begins_with_what_was_found_and_both_sides_beside_each_other(page: Page) -> None:
    got, wrote = pane(page, "What it got"), pane(page, "What it wrote")
    for one in (got, wrote):
        at(one, 4)  # the middle of the two slices that are segmented
    assert layer(wrote) == 10 * 14
    expect(got.locator("img.layer")).not_to_have_attribute("src", re.compile("."))
    expect(wrote.locator(".segments")).to_have_text("Finding 1")
    expect(wrote.locator("img.picture")).to_have_attribute("alt", re.compile(f"CT.*Slice 4 of {SLICES}, with overlay"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    got, wrote = pane(page, "What it got"), pane(page, "What it wrote")
    at(got, 4)
    got.locator(".stage").focus()
    for key, number in (
        ("ArrowDown", 5), ("ArrowRight", 6), ("ArrowUp", 5), ("ArrowLeft", 4), ("PageDown", 14), ("PageUp", 4),
        ("End", SLICES), ("ArrowDown", SLICES), ("Home", 1), ("PageUp", 1),
    ):  # fmt: skip
        page.keyboard.press(key)
        at(got, number)
        at(wrote, number)  # they scroll together
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    at(got, 11)
    expect(got.locator(".slider")).to_have_js_property("value", "11")


def test_the_page_of_the_job_has_them_too(page: Page, site: Site) -> None:
    page.goto(f"http://127.0.0.1:{site.settings.web.port}/jobs/{site.rows('jobs')[0].id}")
    page.get_by_role("heading", name="Pictures").scroll_into_view_if_needed()
    at(pane(page, "What it wrote"), 4)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_wheel_scrolls(page: Page) -> None:
    wrote = pane(page, "What it wrote")
    at(wrote, 4)
    wrote.locator(".stage").hover()
    page.mouse.wheel(0, 120)
    at(wrote, 7)
    page.mouse.wheel(0, -80)
    at(wrote, 5)


def test_sides_scroll_by_themselves_if_they_shall(page: Page) -> None:
    got, wrote = pane(page, "What it got"), pane(page, "What it wrote")
    at(got, 4)
    page.get_by_label("Scroll together").uncheck()
    got.locator(".stage").press("End")
    at(got, SLICES)
    at(wrote, 4)


def test_the_overlay_goes_and_comes(page: Page) -> None:
    wrote = pane(page, "What it wrote")
    at(wrote, 4)
    switch = wrote.get_by_label("Show the segmentation")
    switch.uncheck()
    expect(wrote.locator("img.layer")).not_to_have_attribute("src", re.compile("."))
    wrote.locator(".stage").press("o")
    expect(switch).to_be_checked()
    expect(wrote.locator("img.layer")).to_have_attribute("src", re.compile("^data:image/png"))
    wrote.get_by_label("Opacity").fill("20")
    expect(wrote.locator("img.layer")).to_have_css("opacity", "0.2")
    wrote.locator(".stage").press("Home")
    at(wrote, 1)
    assert layer(wrote) == 0
    expect(wrote.locator(".why")).to_have_text("no frame of the segmentation lies on this one")


def test_windows_by_list_keys_numbers_and_mouse(page: Page) -> None:
    got = pane(page, "What it got")
    at(got, 4)
    center, width = got.get_by_label("Centre"), got.get_by_label("Width")
    expect(center).to_have_value("40")
    expect(width).to_have_value("400")
    before = got.locator("img.picture").get_attribute("src")
    got.get_by_label("Window").select_option(label="3: Lung")
    expect(center).to_have_value("-600")
    expect(got.locator("img.picture")).not_to_have_attribute("src", before or "")
    got.locator(".stage").press("5")
    expect(center).to_have_value("400")
    got.locator(".stage").press("0")
    expect(got.locator("img.picture")).to_have_attribute("src", before or "")
    width.fill("100")
    width.blur()
    expect(got.get_by_label("Window")).to_have_value("hand")
    expect(got.locator("img.picture")).not_to_have_attribute("src", before or "")
    got.locator(".stage").hover()
    page.mouse.down()
    page.mouse.move(0, 0, steps=3)
    page.mouse.up()
    expect(center).not_to_have_value("40")


def test_neighbours_are_there_before_they_are_asked_for(page: Page) -> None:
    got = pane(page, "What it got")
    at(got, 4)
    fetched = "performance.getEntriesByType('resource').filter(one => one.name.includes('/pictures/input/')).length"
    eventually(lambda: page.evaluate(fetched) >= 7, what="its neighbours")


def test_what_has_no_picture_says_so(page: Page, site: Site) -> None:
    before = site.rows("jobs")
    send(site.port, real_file("reportsi.dcm"))
    jobs = site.wait_for_jobs(len(before) + 1)
    page.goto(f"http://127.0.0.1:{site.settings.web.port}/jobs/{jobs[-1].id}/pictures")
    got = pane(page, "What it got")
    why = "Basic Text SR Storage: it has no pixels to show"
    expect(got.locator(".why")).to_have_text(why)
    expect(got.locator("img.picture")).to_have_attribute("alt", f"No picture: {why}")


@pytest.fixture
def cut_off(site: Site) -> Iterator[Callable[[], int]]:
    """Damages the segmentation, until the end of the test."""
    output = site.payloads / site.rows("jobs")[0].name / "output" / "seg.dcm"
    whole = output.read_bytes()
    yield lambda: output.write_bytes(whole[:-700])
    output.write_bytes(whole)


def test_an_overlay_that_cannot_be_shown_hides_nothing(page: Page, cut_off: Callable[[], int]) -> None:
    wrote = pane(page, "What it wrote")
    at(wrote, 4)
    cut_off()
    page.reload()
    expect(wrote.locator(".why")).to_contain_text("cannot be decoded")
    at(wrote, 4)
    expect(wrote.locator("img.layer")).not_to_have_attribute("src", re.compile("."))


def test_what_came_meanwhile_is_found_by_looking_again(page: Page, site: Site) -> None:
    wrote = pane(page, "What it wrote")
    at(wrote, 4)
    wrote.locator(".stage").press("End")
    at(wrote, SLICES)
    page.get_by_role("button", name="Look again").click()
    at(wrote, 4)
    assert page.locator(".pane").count() == 2


def test_a_gateway_that_is_gone_is_told(page: Page, site: Site) -> None:
    got = pane(page, "What it got")
    at(got, 4)
    page.route(
        "**/*.png?*", lambda route: route.fulfill(status=500, json={"detail": "a fault of the gateway: see its log"})
    )
    got.locator(".stage").press("End")
    expect(got.locator(".trouble")).to_have_text("This picture did not come: a fault of the gateway: see its log")
    page.unroute("**/*.png?*")
    got.locator(".stage").press("Home")
    at(got, 1)
    expect(got.locator(".trouble")).to_be_hidden()
