"""The bench lives outside of the tests, and beside them: its pure parts are tested here, its figures nowhere."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
