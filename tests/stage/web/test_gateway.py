"""The web of a gateway that runs: what only it can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import association, store
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import TemporaryError

MakeSite = Callable[..., Site]
WEB = {"web": {"enabled": True, "port": 0}}


def api(site: Site) -> httpx.Client:
    assert site.gateway is not None
    return httpx.Client(base_url=f"http://127.0.0.1:{site.gateway.web_port}/api/v1", timeout=30)


def test_an_open_association_is_shown_as_it_goes_on_and_aborted_with_an_honest_reason(
    make_site: MakeSite, tmp_path: Path
) -> None:
    first, second = make_series(tmp_path / "ct", 2)
    with make_site(WEB) as site, api(site) as ask:
        with association(site.port, [first], calling="CT2") as open_one:
            assert store(open_one, first).status == 0
            (shown,) = ask.get("/associations", params={"state": "open"}).json()["items"]
            assert (shown["calling"], shown["instances"], shown["bytes"] > 0) == ("CT2", 1, True)
            done = ask.post(f"/associations/{shown['id']}/abort")
            assert (done.status_code, done.json()["done"]) == (202, f"Association {shown['id']} is being aborted")
            with pytest.raises(TemporaryError):
                eventually(lambda: store(open_one, second).status and None, what="the abort")

        def held() -> list[dict[str, str]]:
            items: list[dict[str, str]] = ask.get("/associations", params={"state": "held"}).json()["items"]
            return items

        (one,) = eventually(held, what="the association to be held")
        assert one["why"] == "aborted by an operator: asked for in the dashboard or by the API"
        assert ask.post(f"/associations/{one['id']}/abort").status_code == 409
        assert ask.post(f"/associations/{one['id']}/accept").status_code == 202
        eventually(lambda: not held(), what="what is held to be taken")
        assert ask.get("/groups").json()["items"][0]["instances"] == 1


def test_one_that_has_stored_nothing_is_aborted_and_leaves_a_line(make_site: MakeSite, tmp_path: Path) -> None:
    (file,) = make_series(tmp_path / "ct", 1)
    with make_site(WEB) as site, api(site) as ask:
        with association(site.port, [file]) as open_one:
            (shown,) = ask.get("/associations").json()["items"]
            assert shown["instances"] == 0
            ask.post(f"/associations/{shown['id']}/abort")
            with pytest.raises(TemporaryError):
                eventually(lambda: store(open_one, file).status and None, what="the abort")
        (line,) = eventually(lambda: site.history(machine="association", event="broken"), what="the line")
        assert line.subject == shown["id"]
        assert "aborted by an operator" in line.why
        assert "send it again" in line.remedy
        assert ask.get(f"/associations/{shown['id']}").status_code == 404


def test_what_is_asked_for_is_done_at_once(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    """A step wakes for an order: it does not wait for its next poll."""
    keys = {
        **WEB,
        "dicom": {
            "scp": {"ae-titles": [{"ae-title": "HILUM", "timeout": 3600}]},
            "scu": {"destinations": [pacs.destination]},
        },
        "workflows": [{"name": "back", "clara-ae-title": "HILUM", "engine": "copy", "destination-name": "PACS"}],
    }
    from harness.sending import send

    with make_site(keys) as site, api(site) as ask:
        ask.post("/destinations/PACS/pause")
        send(site.port, *make_series(tmp_path / "ct", 2))
        (group,) = ask.get("/groups", params={"state": "open"}).json()["items"]
        ask.post(f"/groups/{group['id']}/close")
        site.wait_for_jobs(1, "collected")
        assert pacs.arrived == []
        ask.post("/destinations/PACS/resume")
        site.wait_for_jobs(1)
        assert len(pacs.arrived) == 2
        (instance, _) = ask.get("/instances").json()["items"]
        assert instance["place"] == "in jobs"
        assert ask.get("/status").json()["attention"] == []


def test_a_reload_applies_and_a_wrong_file_does_not(make_site: MakeSite) -> None:
    with make_site(WEB) as site, api(site) as ask:
        text = site.path.read_text()
        site.path.write_text(text + "\nwebb: 1\n")
        refused = ask.post("/config/reload")
        assert (refused.status_code, len(refused.json()["problems"])) == (422, 1)
        assert "webb" in refused.json()["problems"][0]
        site.path.write_text(text.replace("max-associations: 5", "max-associations: 4", 1))
        ask.post("/config/reload")
        assert ask.get("/config").json()["settings"]["dicom"]["scp"]["max-associations"] == 4


def test_a_gateway_that_stops_lets_go_of_those_who_listen(make_site: MakeSite) -> None:
    site = make_site(WEB).start()
    with api(site) as ask, ask.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines).startswith("id: ")
        site.stop()
        assert "event: change" not in list(lines)  # to the end, which comes
