"""The keys under ``engines``: what runs the workflows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema

from hilum.config.kinds import (
    Argument,
    File,
    Folder,
    Kind,
    Mark,
    Seconds,
    Section,
    SomeSeconds,
    Text,
    Variable,
    VariableValue,
)
from hilum.config.notifications import Url

#: The engine that is always there, and that a workflow without ``engine`` uses.
FOLDER = "folder"

_COMMAND = (
    "Program and arguments, without a shell. {input}, {output}, {job} and {workflow} are replaced by the job's two "
    "folders, its id and its workflow."
)
_AUTHORITIES = "PEM file with the certificates to verify the server by, if those of the system do not suffice."
_ATTEMPTS = "How often a job is started before it counts as failed."
_ENVIRONMENT = "Environment variables for the command, beside those that Hilum sets."


class FolderEngine(Section):
    """Prepares the job's folder and waits until somebody writes ``output/job.done``: the spec's manual way."""

    type: Annotated[Literal["folder"], Mark.OURS] = Field(description="Waits until somebody writes output/job.done.")


class ProcessEngine(Section):
    """Runs a command for each job."""

    type: Annotated[Literal["process"], Mark.OURS] = Field(description="Runs a command for each job.")
    command: Annotated[tuple[Argument, ...], Field(min_length=1), Mark.OURS] = Field(description=_COMMAND)
    timeout: Annotated[float, Mark.OURS] = Field(
        default=3600, ge=1, le=31_536_000, description="Seconds after which the command is ended."
    )
    max_jobs: Annotated[int, Mark.OURS] = Field(
        default=1, ge=1, le=1000, description="Jobs of this engine that run at a time."
    )
    attempts: Annotated[int, Mark.OURS] = Field(default=2, ge=1, le=100, description=_ATTEMPTS)
    environment: Annotated[Mapping[Variable, VariableValue], Mark.OURS] = Field(
        default_factory=dict, description=_ENVIRONMENT
    )
    grace: Annotated[Seconds, Mark.OURS] = Field(
        default=10, description="Seconds between asking a command to end (SIGTERM) and ending it (SIGKILL)."
    )


def _runtime(value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    if "env_vars" in value:
        raise ValueError("write environment variables under environment, beside runtime-env, not under its env_vars")
    return value


def _elsewhere(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"expected a folder that begins with /, as the nodes of the cluster see it, found {value}")
    return value


_Runtime = Annotated[
    Mapping[str, JsonValue],
    AfterValidator(_runtime),
    Kind("keys and values"),
    WithJsonSchema({"type": "object", "properties": {"env_vars": False}}),
]
_Amount = Annotated[float, Field(ge=0, le=1_000_000)]


class RayEngine(Section):
    """Runs a command for each job on a Ray cluster, by the Ray Jobs API; see [Ray](ray.md)."""

    type: Annotated[Literal["ray"], Mark.OURS] = Field(description="Runs a command for each job on a Ray cluster.")
    url: Annotated[Url, Mark.OURS] = Field(
        description="Address of the dashboard of the cluster's head, usually port 8265."
    )
    command: Annotated[tuple[Argument, ...], Field(min_length=1), Mark.OURS] = Field(description=_COMMAND)
    token: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="The cluster's token (RAY_AUTH_TOKEN), if it asks for one."
    )
    ca_file: Annotated[File | None, Mark.OURS] = Field(default=None, description=_AUTHORITIES)
    payloads_on_nodes: Annotated[Annotated[Folder, AfterValidator(_elsewhere)] | None, Mark.OURS] = Field(
        default=None,
        description="Where the nodes of the cluster see storage.payloads. Left out, in the same place as the gateway.",
    )
    environment: Annotated[Mapping[Variable, VariableValue], Mark.OURS] = Field(
        default_factory=dict, description=_ENVIRONMENT
    )
    runtime_env: Annotated[_Runtime, Mark.OURS] = Field(
        default_factory=dict,
        description="Ray's runtime environment (working_dir, pip, container, …), handed on as it is.",
    )
    cpus: Annotated[_Amount, Mark.OURS] = Field(default=1, description="CPUs that a job asks for.")
    gpus: Annotated[_Amount, Mark.OURS] = Field(default=0, description="GPUs that a job asks for.")
    memory_gb: Annotated[_Amount, Mark.OURS] = Field(
        default=0, description="Memory that a job asks for, in GB of 1,000,000,000 bytes. 0: it does not."
    )
    resources: Annotated[Mapping[Text, _Amount], Mark.OURS] = Field(
        default_factory=dict, description="Amounts of the cluster's custom resources that a job asks for, by name."
    )
    labels: Annotated[Mapping[Text, Text], Mark.OURS] = Field(
        default_factory=dict, description="Labels that a node must have to run a job: Ray's label selector."
    )
    pending_timeout: Annotated[float, Mark.OURS] = Field(
        default=600,
        ge=1,
        le=31_536_000,
        description="Seconds after which an attempt has failed that the cluster has not started. Ray's own limit, "
        "RAY_JOB_START_TIMEOUT_SECONDS of its head, is 900.",
    )
    timeout: Annotated[float, Mark.OURS] = Field(
        default=3600, ge=1, le=31_536_000, description="Seconds that a command may run; then it is stopped."
    )
    max_jobs: Annotated[int, Mark.OURS] = Field(
        default=4, ge=1, le=1000, description="Jobs of this engine that the cluster has at a time."
    )
    attempts: Annotated[int, Mark.OURS] = Field(default=2, ge=1, le=100, description=_ATTEMPTS)
    poll_seconds: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=2, description="Seconds between two questions to the cluster how its jobs are."
    )


class Files(StrEnum):
    """How files come to a platform, and results from it."""

    SHARED = "shared"
    HTTP = "http"


class HttpEngine(Section):
    """Has each job run by a platform, by the [platform API](platform-api.md)."""

    type: Annotated[Literal["http"], Mark.OURS] = Field(description="Has jobs run by a platform over HTTP.")
    url: Annotated[Url, Mark.OURS] = Field(
        description="Address of the platform API. The certificate of https is verified."
    )
    token: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Sent as Authorization: Bearer, if the platform asks for a token."
    )
    secret: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Key that each request is signed with. Left out, it is not signed."
    )
    ca_file: Annotated[File | None, Mark.OURS] = Field(default=None, description=_AUTHORITIES)
    timeout: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=30, description="Seconds for a whole request; for a file a second more for each 1,000,000 bytes."
    )
    files: Annotated[Files, Mark.OURS] = Field(
        default=Files.SHARED,
        description="How inputs and results go: shared = the platform sees the job's folder; http = by the API.",
    )
    payloads_on_platform: Annotated[Annotated[Folder, AfterValidator(_elsewhere)] | None, Mark.OURS] = Field(
        default=None,
        description="Where the platform sees storage.payloads. Left out, in the same place as the gateway.",
    )
    max_jobs: Annotated[int, Mark.OURS] = Field(
        default=4, ge=1, le=1000, description="Jobs of this engine that the platform has at a time."
    )
    attempts: Annotated[int, Mark.OURS] = Field(default=2, ge=1, le=100, description=_ATTEMPTS)
    poll_seconds: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=2, description="Seconds between two questions to the platform how its jobs are."
    )


Engine = Annotated[FolderEngine | ProcessEngine | RayEngine | HttpEngine, Field(discriminator="type")]


def with_folder(engines: Mapping[str, Engine]) -> Mapping[str, Engine]:
    """All engines: those that are written, and the one that is always there."""
    return {FOLDER: FolderEngine(type="folder"), **engines}


def beneath(engines: Mapping[str, Engine], folder: Path) -> Mapping[str, Engine]:
    """The same with relative files made absolute, from ``folder``."""
    return {name: _beneath(one, folder) for name, one in engines.items()}


def _beneath(engine: Engine, folder: Path) -> Engine:
    if not isinstance(engine, RayEngine | HttpEngine) or engine.ca_file is None:
        return engine
    return engine.model_copy(update={"ca_file": folder / engine.ca_file})
