"""``hilum fsck``: compares ledger and files both ways, explains what differs, mends what is safe, and removes nothing.

``policy`` decides, by ``facts`` that ``inspection`` reads from ledger and ``disk``; ``mending`` does what a finding
names as its repair.
"""

from __future__ import annotations

from hilum.fsck.finding import Finding, Kind
from hilum.fsck.inspection import Inspection

__all__ = ["Finding", "Inspection", "Kind"]
