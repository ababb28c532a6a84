"""The composition root: the only place that knows every step. ``run`` is ``hilum serve``."""

from __future__ import annotations

from hilum.serve.gateway import Gateway
from hilum.serve.process import run

__all__ = ["Gateway", "run"]
