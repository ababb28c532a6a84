"""``hilum check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hilum.association.probe import Probe
    from hilum.config import Settings
    from hilum.errors import Problem


def command(
    config: Config = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors, and check nothing.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also ask each destination for a C-ECHO, clusters and platforms whether they take jobs, and the "
            "server of the ledger.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the configuration, and print the settings that count.

    Problems are printed as file:line:column, all at once. Processors are loaded, and engines of this machine looked at.
    """
    from hilum import config as configuration
    from hilum.cli import output
    from hilum.cli.exit import ExitCode, FailedError
    from hilum.cli.probe import code
    from hilum.errors import ConfigError

    if schema:
        output.emit(configuration.json_schema())
        return
    path = config_path(config)
    try:
        settings = configuration.load(path)
    except ConfigError as error:
        if not as_json:
            raise
        output.emit({"file": path, "valid": False, "problems": error.problems})
        raise FailedError(ExitCode.USAGE) from error
    warnings = configuration.warnings(settings)
    faults = [
        *_ledger_faults(settings, remote=probe),
        *_processor_faults(settings),
        *_engine_faults(settings, remote=probe),
    ]
    probes = _probe_all(settings) if probe else {}
    if as_json:
        output.emit(_document(path, settings, warnings, faults, probes))
    else:
        print(configuration.dump(settings), end="", flush=True)
        _remark(settings, warnings, faults, probes)
        _verdict(path, settings, warnings, faults)
    if faults:
        raise FailedError(ExitCode.USAGE)
    if worst := max((code(one) for one in probes.values()), default=ExitCode.OK):
        raise FailedError(worst)


def _ledger_faults(settings: Settings, *, remote: bool) -> list[str]:
    """A driver that is not there; if its server is to be asked, that it does not answer."""
    from hilum.errors import HilumError
    from hilum.ledger.database import Database

    if settings.ledger.file is not None:
        return []
    try:
        database = Database(settings.ledger.url)
        if remote:
            database.exists()
        database.close()
    except HilumError as error:
        return [str(error)]
    return []


def _processor_faults(settings: Settings) -> list[str]:
    from hilum.errors import PermanentError
    from hilum.job import processors

    found = []
    for ae in settings.dicom.scp.ae_titles:
        for name in ae.processors:
            try:
                processors.load(name)
            except PermanentError as error:
                found.append(f"{ae.title}: {error}")
    return found


def _engine_faults(settings: Settings, *, remote: bool) -> list[str]:
    from hilum.assembly import engine_of
    from hilum.config import HttpEngine, RayEngine
    from hilum.engine.port import Unhealthy

    asked = [name for name, one in settings.engines.items() if remote or not isinstance(one, HttpEngine | RayEngine)]
    health = (engine_of(settings, name).probe() for name in asked)
    return [one.why for one in health if isinstance(one, Unhealthy)]


def _probe_all(settings: Settings) -> dict[str, Probe]:
    """All destinations at once: one that does not answer costs its ten seconds only once."""
    from concurrent.futures import ThreadPoolExecutor

    from hilum.association.peer import Peer
    from hilum.association.probe import probe
    from hilum.cli.span import requestor_timeouts

    scu = settings.dicom.scu
    timeouts = requestor_timeouts(scu.timeouts.connect, scu.timeouts.association, scu.timeouts.dimse)
    with ThreadPoolExecutor(16) as pool:
        going = {
            one.name: pool.submit(
                probe, Peer(host=one.host_ip, port=one.port, called=one.ae_title), scu.ae_title, timeouts
            )
            for one in scu.destinations
        }
        return {name: future.result() for name, future in going.items()}


def _document(
    path: Path, settings: Settings, warnings: Sequence[Problem], faults: Sequence[str], probes: dict[str, Probe]
) -> dict[str, Any]:
    from ruamel.yaml import YAML

    from hilum import config as configuration
    from hilum.cli.probe import document

    return {
        "file": path,
        "valid": not faults,
        "problems": [],
        "warnings": warnings,
        "faults": faults,
        "destinations": {name: document(one) for name, one in probes.items()},
        # By way of the text, so that secrets are masked here exactly as they are there.
        "settings": YAML(typ="safe", pure=True).load(configuration.dump(settings)),
    }


def _remark(settings: Settings, warnings: Sequence[Problem], faults: Sequence[str], probes: dict[str, Probe]) -> None:
    from hilum import words
    from hilum.cli import output

    places = {one.name: f"{one.ae_title}@{one.host_ip}:{one.port}" for one in settings.dicom.scu.destinations}
    output.remark("")
    for warning in warnings:
        output.remark(f"{warning.where}: warning: {warning.path}: {warning.message}")
    for fault in faults:
        output.remark(f"error: {fault}")
    for name, one in probes.items():
        took = f", in {words.duration(one.echo)}" if one.echo is not None else ""
        output.remark(f"destination {name} ({places[name]}): {one.found}{took}")
        if one.remedy:
            output.remark(f"  {one.remedy}")


def _verdict(path: Path, settings: Settings, warnings: Sequence[Problem], faults: Sequence[str]) -> None:
    from hilum import words
    from hilum.cli import output

    if faults:
        output.remark(f"{path}: {words.count(len(faults), 'error')}; a gateway would not work with it")
        return
    scp, scu = settings.dicom.scp, settings.dicom.scu
    parts = [
        words.count(len(scp.ae_titles), "AE title"),
        "any source" if not scp.reject_unknown_sources else words.count(len(scp.sources), "source"),
        words.count(len(settings.workflows), "workflow"),
        words.count(len(scu.destinations), "destination"),
    ]
    warned = f"; {words.count(len(warnings), 'warning')}" if warnings else ""
    output.remark(f"{path} is good: {words.listed(parts)}{warned}")
