"""The root of app.yaml and its keys outside ``dicom``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, PrivateAttr

from hilum.config.dicom import Dicom
from hilum.config.engines import FOLDER, Engine, beneath, with_folder
from hilum.config.kinds import (
    Folder,
    Host,
    LedgerUrl,
    ListenPort,
    Mark,
    Names,
    Section,
    SomeSeconds,
    Text,
    Title,
    without_password,
)
from hilum.config.notifications import Notifications, Url
from hilum.config.places import NOWHERE, Places


class Workflow(Section):
    """Which workflow runs on what one AE title receives, and where its results go."""

    name: Text = Field(description="Name of this entry; part of the names of its job folders.")
    clara_ae_title: Title = Field(description="The AE title, one of dicom.scp.ae-titles, that triggers the workflow.")
    destinations: Names = Field(
        default=(),
        alias="destination-name",
        description="Name of an entry of dicom.scu.destinations, or a list of names: where the results go. Left out, "
        "they stay in the job's folder.",
    )
    workflow: Text = Field(
        default_factory=lambda entry: str(entry.get("name", "")),
        description="The workflow to run, usually a UUID; what job.meta holds. Left out, it is the name.",
    )
    engine: Annotated[Text, Mark.OURS] = Field(
        default=FOLDER, description="Name of the entry of engines that runs the workflow."
    )


class RetentionDays(Section):
    """How long job folders stay."""

    delivered: Annotated[float, Mark.OURS] = Field(
        default=7, ge=0, le=36_500, description="Days that a job's folder stays after all its results were delivered."
    )
    failed: Annotated[float, Mark.OURS] = Field(
        default=30,
        ge=0,
        le=36_500,
        description="Days that the folder of a failed or cancelled job stays, and what lies in quarantine.",
    )


class Storage(Section):
    """The folders on disk and how full they may get."""

    temporary: Annotated[Folder, Mark.RESTART] = Field(
        default=Path("./storage"),
        description="Folder for received instances until their job exists. Best on the same disk as payloads.",
    )
    payloads: Annotated[Folder, Mark.RESTART] = Field(
        default=Path("/app/payloads"), description="Folder in which each job gets a folder of its own."
    )
    output: Annotated[Folder, Mark.RESTART] = Field(
        default=Path("/app/output"), description="Folder that is also watched for job folders with results."
    )
    watermark_percent: Annotated[int, Mark.OURS] = Field(
        default=85,
        ge=1,
        le=100,
        description="Percentage of the disk in use above which no new associations and instances are taken.",
    )
    reserve_gb: Annotated[float, Mark.OURS] = Field(
        default=5,
        ge=0,
        le=1_000_000,
        description="Free space in GB of 1,000,000,000 bytes below which no new associations and instances are taken.",
    )
    retention_days: Annotated[RetentionDays, Mark.OURS] = Field(
        default=RetentionDays(), description="How long job folders stay."
    )
    scan_seconds: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=0.5, description="Seconds between two looks at the job folders for job.done."
    )

    def beneath(self, folder: Path) -> Self:
        """The same with relative folders made absolute, from ``folder``."""
        names = ("temporary", "payloads", "output")
        return self.model_copy(update={name: folder / getattr(self, name) for name in names})


#: How the URL of a ledger in a file begins.
_FILE: Final = "sqlite:///"


class Ledger(Section):
    """The database of everything that was received and is still to be done."""

    url: Annotated[LedgerUrl, Mark.OURS, Mark.RESTART, Mark.SECRET] = Field(
        default="sqlite:///hilum.db",
        description="Where the ledger is: an SQLite file on a local disk, for one gateway, or a database on a "
        "PostgreSQL server, for one or several. A password in it is never shown; better than to write it here are the "
        "environment variable HILUM__LEDGER__URL, or ?passfile=<file> in the URL.",
    )
    lease_seconds: Annotated[float, Mark.OURS, Mark.RESTART] = Field(
        default=30,
        ge=1,
        le=3600,
        description="Seconds after which other gateways on the same ledger take over from one that is not heard of.",
    )
    connections: Annotated[int, Field(ge=3, le=1000), Mark.OURS, Mark.RESTART] = Field(
        default=24,
        description="Connections that this gateway has to a PostgreSQL server at most, the one by which it is present "
        "there not counted. Without meaning for SQLite.",
    )

    @property
    def file(self) -> Path | None:
        """Where it is on this machine; ``None``: it is on a server."""
        name = self.url.removeprefix(_FILE)
        return None if name == self.url else Path(name)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return without_password(self.url)

    def beneath(self, folder: Path) -> Self:
        """The same with a relative file made absolute, from ``folder``."""
        return self if self.file is None else self.model_copy(update={"url": f"{_FILE}{folder / self.file}"})


class Web(Section):
    """The API and the dashboard."""

    enabled: Annotated[bool, Mark.OURS] = Field(default=True, description="Serve them.")
    host: Annotated[Host, Mark.OURS] = Field(
        default="127.0.0.1", description="Address to listen on. Any other than loopback needs a token."
    )
    port: Annotated[ListenPort, Mark.OURS] = Field(default=8080, description="TCP port to listen on.")
    token: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Secret that clients must send."
    )
    public_url: Annotated[Url | None, Mark.OURS] = Field(
        default=None, description="Address at which people reach the dashboard; notices link there."
    )


class Settings(Section):
    """Everything that app.yaml says, checked, with every default filled in.

    Made by ``hilum.config.load``; its folders and the file of its ledger are then absolute. Two are equal when they
    say the same, wherever and in whatever form it was written.
    """

    dicom: Dicom = Field(default=Dicom(), description="Everything that speaks DICOM.")
    workflows: tuple[Workflow, ...] = Field(default=(), description="Which workflow runs on what an AE title receives.")
    storage: Storage = Field(default=Storage(), description="The folders on disk and how full they may get.")
    ledger: Annotated[Ledger, Mark.OURS, Mark.RESTART] = Field(
        default=Ledger(), description="The database of what was received and what is still to be done."
    )
    engines: Annotated[Mapping[Text, Engine], AfterValidator(with_folder), Mark.OURS] = Field(
        default_factory=lambda: with_folder({}),
        description="What runs the workflows, by name. One named folder, of the type folder, is always there.",
    )
    web: Annotated[Web, Mark.OURS, Mark.RESTART] = Field(default=Web(), description="The API and the dashboard.")
    notifications: Annotated[Notifications, Mark.OURS] = Field(
        default=Notifications(), description="Who is told of what goes wrong."
    )

    _places: Places = PrivateAttr(default=NOWHERE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # some values are mappings

    @property
    def places(self) -> Places:
        """Where each value was written."""
        return self._places

    def located(self, folder: Path, places: Places) -> Self:
        """The same with relative files and folders made absolute, from ``folder``, and its places known."""
        sections = {name: getattr(self, name).beneath(folder) for name in ("storage", "ledger", "notifications")}
        found = self.model_copy(update={**sections, "engines": beneath(self.engines, folder)})
        found._places = places
        return found
