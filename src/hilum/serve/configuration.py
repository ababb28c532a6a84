"""The configuration that is in force, and what happens when its file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from hilum import config
from hilum.assembly import Assembly
from hilum.clock import Clock
from hilum.errors import ConfigError, HilumError, PermanentError, Problem
from hilum.ledger.database import Database
from hilum.ledger.transition import note

_log = structlog.get_logger(__name__)


class Configuration:
    """What each part asks for the newest settings, at any time, from any thread.

    Args:
        path: The file that ``settings`` came from; ``None`` = it came from nowhere, and cannot be loaded again.
        changed: Called with the settings that are in force after each load that came off.

    Attributes:
        assembly: What is in force now, in the words of each step.
    """

    def __init__(
        self,
        settings: config.Settings,
        path: Path | None,
        *,
        database: Database,
        clock: Clock,
        changed: Callable[[config.Settings], None],
    ) -> None:
        self.assembly = Assembly.of(settings)
        self.path = path
        self._database = database
        self._clock = clock
        self._changed = changed
        self._reloading = threading.Lock()
        self._refused = False

    @property
    def settings(self) -> config.Settings:
        """What is in force now."""
        return self.assembly.settings

    def reload(self) -> config.Reload:
        """Read the file again; running associations and jobs go on as they began.

        What is wrong with it, or what has changed, also stands in the log and in the history.
        """
        with self._reloading:  # the file's watcher and SIGHUP can come at the same moment
            return self._reload()

    def _reload(self) -> config.Reload:
        if self.path is None:
            raise PermanentError("this gateway's configuration came from no file: there is nothing to load again")
        old = self.settings
        try:
            new = config.load(self.path)
            waits = config.needs_restart(old, new)
            assembly = Assembly.of(keep_fixed(old, new) if waits else new)
        except (ConfigError, PermanentError) as error:
            _log.error("config.refused", problems=str(error).splitlines())
            self._refused = True
            self._note("refused", str(error), "mend the file; until then the last good one is in force")
            told = error.problems if isinstance(error, ConfigError) else [self._problem(str(error))]
            return config.Reload(problems=tuple(told))
        except Exception as error:  # noqa: BLE001  a file that nobody foresaw must not end a gateway that works
            _log.error("config.refused", exc_info=error)
            self._refused = True
            why = f"{type(error).__name__}: see the log"
            self._note("refused", why, "take back the last change")
            return config.Reload(problems=(self._problem(why),))
        changed = config.diff(old, new)
        self.assembly = assembly
        self._changed(assembly.settings)
        # That a file is in order again is news, even if it says what it said before.
        if changed or self._refused:
            _log.info("config.reloaded", changed=changed, waits_for_restart=waits)
            remedy = f"restart for: {', '.join(waits)}" if waits else ""
            self._note("reloaded", ", ".join(changed) or "as it was before", remedy)
        self._refused = False
        return config.Reload(changed=tuple(changed), waits=tuple(waits))

    def _problem(self, message: str) -> Problem:
        return Problem(where=str(self.path), path="", message=message)

    def _note(self, event: str, why: str, remedy: str) -> None:
        try:
            with self._database.note() as connection:
                note(connection, "config", str(self.path), event, now=self._clock(), why=why, remedy=remedy)
        except HilumError as error:
            _log.error("history.not_written", subject=str(self.path), error=str(error))


def keep_fixed(old: config.Settings, new: config.Settings) -> config.Settings:
    """The new configuration with those values of the old one that only a restart can change."""
    scp = new.dicom.scp.model_copy(update={"host": old.dicom.scp.host, "port": old.dicom.scp.port})
    folders = {name: getattr(old.storage, name) for name in ("temporary", "payloads", "output")}
    return new.model_copy(
        update={
            "dicom": new.dicom.model_copy(update={"scp": scp}),
            "storage": new.storage.model_copy(update=folders),
            "ledger": old.ledger,
            "web": old.web,
        }
    )
