"""The parts of ``make prove-cluster``, cut into units that can be run in any order and by themselves."""

from __future__ import annotations

import os
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Final

from cluster import page
from cluster.controls import CONTROLS
from cluster.faults import FAULTS, PER_CLUSTER, trials
from crash.proofs import Part, Proof, Trials

#: Of each control.
_CONTROL_TRIALS: Final = 4


def parts() -> dict[str, Part]:
    """As many faults as ``PROVE_FAULTS`` says."""
    made = (
        Part(name="controls", units={name: partial(one, _CONTROL_TRIALS) for name, one in CONTROLS.items()}),
        Part(name="faults", units=_units(int(os.environ.get("PROVE_FAULTS") or 400))),
    )
    return {part.name: part for part in made}


def _units(number: int) -> dict[str, Trials]:
    """Every fault as often as every other one, each time after others."""
    order = random.Random(number)
    names: list[str] = []
    while len(names) < number:
        names += order.sample(list(FAULTS), len(FAULTS))
    units = {}
    for start in range(0, number, PER_CLUSTER):
        some = names[start : min(start + PER_CLUSTER, number)]
        units[f"{start // PER_CLUSTER:04}, {len(some)} faults"] = partial(trials, some)
    return units


def cannot_run() -> str:
    """Why not on this machine; empty if it can."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    if shutil.which("haproxy", path=path) is None:
        return "needs haproxy"
    return "" if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "needs PostgreSQL's server"


PROOF: Final = Proof(parts=parts, cannot_run=cannot_run, page=page.page, failures=page.failures)
