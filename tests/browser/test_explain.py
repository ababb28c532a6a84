"""Asked for in the head of any page, something is explained with the button that does the right thing next."""

from __future__ import annotations

from pathlib import Path

from browser.desk import Visitor
from harness.data import make_instance
from harness.site import Site
from harness.waiting import eventually


def test_the_field_in_the_head_leads_from_a_patient_to_what_failed_and_its_button(visitor: Visitor, site: Site) -> None:
    [bad] = site.rows("jobs", state="failed")
    before = len(site.history(machine="job", subject=bad.id, event="retry asked"))
    study = site.rows("instances", group_id=bad.group_id)[0].study
    page = visitor.see("/deliveries")
    page.get_by_label("Explain something").fill(study)
    page.get_by_label("Explain something").press("Enter")
    page.get_by_role("heading", name=f"Job {bad.id[:8]} (lung-nodules) failed", exact=False).first.wait_for()
    assert visitor.violations() == []
    page.get_by_role("button", name="Run again").click()
    assert visitor.said() == f"Job {bad.name} is queued again."
    eventually(
        lambda: len(site.history(machine="job", subject=bad.id, event="retry asked")) > before, what="another attempt"
    )
    site.wait_for_jobs(1, "failed")


def test_what_is_not_there_may_have_been_rejected(visitor: Visitor) -> None:
    page = visitor.see("/explain?what=1.2.3.4.5.6")
    page.get_by_text("Add {host-ip: 127.0.0.1, ae-title: MR9} to dicom.scp.sources").wait_for()
    assert visitor.violations() == []


def test_what_would_happen_to_a_file(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.see("/explain")
    page.get_by_label("Sender").fill("CT2>LUNG@127.0.0.1")
    page.get_by_label("DICOM file").set_input_files(make_instance(tmp_path, size=200_000))
    page.get_by_role("button", name="Ask the rules").click()
    page.get_by_text("1 of 1 instance would be taken from CT2 at 127.0.0.1; then 1 job would start").wait_for()
    page.get_by_text("workflow lung-nodules would get 1 instance of group 1").wait_for()
    assert visitor.violations() == []
    page.get_by_label("Sender").fill("nonsense")
    page.get_by_role("button", name="Ask the rules").click()
    page.get_by_role("alert").get_by_text("expected CALLED@HOST").wait_for()
