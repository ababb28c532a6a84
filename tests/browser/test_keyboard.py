"""Whoever has no mouse gets everywhere and can do everything."""

from __future__ import annotations

from playwright.sync_api import Page

from browser.desk import Visitor
from harness.site import Site

_FOCUSED = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  return {
    text: one.innerText || one.getAttribute('aria-label') || one.name || one.tagName,
    seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    nothing: one === document.body,
  };
}"""


def walk(page: Page) -> list[str]:
    """Press Tab until it comes round; what had the focus, each seen to have it."""
    names: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUSED)
        if (found["text"] == "Skip to the content" and names) or page.evaluate(
            "document.activeElement === document.body"
        ):
            break
        assert found["seen"], f"the focus cannot be seen on {found['text']!r}"
        names.append(" ".join(found["text"].split()))
    return names


def test_every_action_is_reached_with_tab(visitor: Visitor) -> None:
    wanted = {
        "/": ["Show job and log", "Test with C-ECHO ARCHIVE", "Try all again to PACS", "Dark colours"],
        "/jobs": ["Filter", "Run again job"],
        "/groups": ["Close now group", "Give to workflows group", "Show what instances share"],
        "/deliveries": ["Pause deliveries to PACS", "Test with C-ECHO PACS", "Try now"],
        "/associations": ["Accept association of MODALITY", "To the configuration"],
        "/configuration": ["Reload now", "Test with C-ECHO ARCHIVE", "Show"],
        "/history": ["Filter"],
    }
    for path, names in wanted.items():
        walked = walk(visitor.see(path))
        for name in names:
            assert any(name in one for one in walked), (path, name, walked)


def test_the_skip_link_leads_past_the_navigation(visitor: Visitor) -> None:
    page = visitor.see("/jobs")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_question_is_answered_with_keys_and_gives_the_focus_back(visitor: Visitor, site: Site) -> None:
    page = visitor.see("/groups")
    button = page.get_by_role("button", name="Close now").first
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#ask").wait_for()
    assert page.evaluate("document.activeElement.value") == "no"
    page.keyboard.press("Escape")
    page.locator("#ask").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.innerText").startswith("Close now")
    assert site.rows("groups", state="open")
