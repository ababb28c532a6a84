"""Loads what ``processors`` names: the code that turns a closed group into jobs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Final, Protocol, cast

from hilum.errors import PermanentError
from hilum.job import policy

#: The specification's name of the processor that triggers one job per workflow of the AE.
JOB_PROCESSOR: Final = "Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer"
#: Where packages announce processors under a name of their own.
ENTRY_POINTS: Final = "hilum.processors"


class Processor(Protocol):
    """Turns a closed group into jobs. Made once, without arguments, at the start; called by several threads."""

    def plan(self, group: policy.Group, workflows: Sequence[policy.Workflow]) -> Sequence[policy.JobPlan]:
        """The jobs of this group; empty = this processor wants none.

        Must give the same answer when it is asked again about the same group. May raise ``TemporaryError`` to be asked
        again later; any other exception is tried three times and then shown to the operator, with the group kept.

        Args:
            workflows: All entries of ``workflows``, also those of other AE titles.
        """


class JobProcessor:
    """The built-in one."""

    def plan(self, group: policy.Group, workflows: Sequence[policy.Workflow]) -> Sequence[policy.JobPlan]:
        """One job per workflow of the AE."""
        return policy.plan(group, workflows)


class ProcessorError(PermanentError):
    """A name in ``processors`` does not lead to a processor."""


def load(name: str) -> Processor:
    """The processor of that name.

    Args:
        name: The specification's string, ``package.module:Class``, or an entry point of the group ``hilum.processors``.

    Raises:
        ProcessorError: There is none, it cannot be imported or made, or it lacks a fitting ``plan`` method.
    """
    if name.replace(" ", "") == JOB_PROCESSOR:
        return JobProcessor()
    announced = entry_points(group=ENTRY_POINTS).names
    if ":" not in name and name not in announced:
        raise ProcessorError(
            f"processor {name!r} is not known: expected {JOB_PROCESSOR!r}, 'package.module:Class', "
            f"or an entry point of the group {ENTRY_POINTS} ({', '.join(sorted(announced)) or 'none is installed'})"
        )
    try:
        found = _find(name)
        processor = found() if isinstance(found, type) else found
    except Exception as error:
        # Somebody else's module runs here: whatever it raises is told to the operator as what it is.
        raise ProcessorError(f"processor {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if not _plans(getattr(processor, "plan", None)):
        raise ProcessorError(f"processor {name!r} has no method plan(group, workflows)")
    return cast("Processor", processor)


def _plans(method: Callable[..., object] | None) -> bool:
    try:
        inspect.signature(method or object).bind(object(), ())
    except (TypeError, ValueError):
        return False
    return True


def _find(name: str) -> object:
    module, colon, attribute = name.partition(":")
    if colon:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    return entry_points(group=ENTRY_POINTS)[name].load()
