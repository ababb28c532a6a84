from __future__ import annotations

from harness.pacs import Pacs
from stage.deliver.sending import Sending


def test_a_destination_that_a_processor_names_twice_gets_everything_once(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", destinations=("PACS", "PACS"))
    to_pacs.run()
    assert to_pacs.states() == ["delivered"]
    assert len(pacs.arrived) == 1
