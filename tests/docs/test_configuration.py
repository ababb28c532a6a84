from __future__ import annotations

from pathlib import Path

from hilum.config.keys import all_keys
from hilum.config.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_says_what_the_settings_are() -> None:
    """Write it anew with: python -m hilum.config.reference > docs/configuration.md."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_key_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for key in all_keys():
        assert key.field.description, key.path
        assert key.field.description.endswith("."), key.path
        if not key.holds_keys:
            assert key.field.description.replace("|", "\\|") in page, key.path


def test_the_keys_of_the_spec_are_told_from_ours() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    whose = {line.split("|")[1].split("`")[1]: line.rstrip(" |").rsplit("| ", 1)[1] for line in rows}
    assert whose["timeout-group"] == "spec"
    assert whose["durability"] == "Hilum"
    assert whose["command"] == "Hilum"
    assert whose["payloads"] == "spec"
