"""docs/metrics.md, made from the metrics themselves: ``python -m hilum.web.metrics_reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from hilum.observe.metrics import Described, Metrics
from hilum.web.gauges import GAUGES

_HEAD: Final = """\
# Metrics

`GET /metrics` on the web's address answers in Prometheus' text format, or as OpenMetrics if that is accepted. It needs
`web.token` like everything else, if there is one: `Authorization: Bearer …`. An answer is at most a second old.
`deploy/` has a scrape configuration, a Grafana dashboard, and alert rules with what to do about each.

Counters and histograms tell what this process did since it was started, gauges what is so when Prometheus asks. What
the ledger records is counted once it is committed, so that no counter tells of what was taken back; what comes over an
association is counted when that ends.

No label holds what a peer chose or what belongs to a patient: `called`, `calling`, `workflow`, `engine`, `destination`
and `channel` are names of the configuration, and whatever is not in it is `other`. `calling` knows the AE titles in
`dicom.scp.sources`. `event`, `outcome`, `state` and `how` are the words that the command line and the API use; `step`
is a part of the gateway, as in its log.
"""

_TAIL: Final = """\
Beside these there are `process_*` and `python_gc_*` of the Prometheus client library: memory, processor time, open file
descriptors and their limit, the start time; and `hilum_build_info` with the version.
"""


def described() -> Sequence[Described]:
    """Every metric of our own: what is counted, then what is looked at."""
    gauges = [
        Described(name=name, kind="gauge", labels=labels, documentation=documentation)
        for name, (documentation, labels) in GAUGES.items()
    ]
    return [*Metrics().described, *gauges]


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_table(), "", _TAIL])


def _table() -> Iterator[str]:
    yield "| metric | kind | labels | |"
    yield "|---|---|---|---|"
    for one in described():
        labels = ", ".join(one.labels)
        yield f"| `{one.name}` | {one.kind} | {labels} | {one.documentation} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
