"""What a group is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.data import make_series
from harness.sending import send
from harness.site import Site
from hilum.ledger import contents


def test_studies_and_series_in_the_order_in_which_they_came(make_site: Callable[..., Site], tmp_path: Path) -> None:
    with make_site() as site:
        first = make_series(tmp_path / "one", 3, study="1.2.3", series="1.2.3.9", patient="P1")
        second = make_series(tmp_path / "two", 1, study="1.2.3", series="1.2.3.1", patient="P1")
        send(site.port, *first, *second)
        [group] = site.rows("groups")
        with site.database.read() as connection:
            found = contents.series(connection, group.id, limit=10)
            assert len(contents.series(connection, group.id, limit=1)) == 1
    assert [(one.study, one.series, one.instances, one.patient_id) for one in found] == [
        ("1.2.3", "1.2.3.9", 3, "P1"),
        ("1.2.3", "1.2.3.1", 1, "P1"),
    ]
    assert sum(one.bytes for one in found) == group.bytes
    assert all(one.first_at <= one.last_at for one in found)
