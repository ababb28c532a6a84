"""What a start leaves in the folder of an association while it reads it, so that the next one knows how far it came.

An instance can be such that reading it ends the process: a fault of a library, or of memory. Without a mark that is on
disk before the reading begins, every start would end there.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hilum.ledger.lease import MAX_BEGUN
from hilum.store.durable import sync_folder, write_whole
from hilum.store.folders import unwell

#: The file, in the association's folder.
MARK: Final = "recovery.json"


@dataclass(slots=True)
class Mark:
    """Of one association's folder.

    Attributes:
        begun: How often reading it was begun, this time included, since it last went well.
        at: The instance that was being read when it ended; 0: none was, or it is not known.
    """

    folder: Path
    begun: int = 0
    at: int = 0

    @classmethod
    def begin(cls, folder: Path) -> Mark:
        """Count this time; on disk on return, unless the disk is full or fails: a start goes on all the same."""
        mark = cls(folder)
        try:
            found = json.loads((folder / MARK).read_bytes())
            mark.begun, mark.at = int(found["begun"]), int(found["at"])
        except FileNotFoundError:
            pass
        except (OSError, KeyError, TypeError, ValueError):
            mark.begun = 1  # unreadable: somebody has been here
        mark.begun += 1
        mark._write()
        return mark

    @property
    def poison(self) -> int:
        """The instance that is to be set aside because reading it never ended; 0: none."""
        return self.at if self.begun > MAX_BEGUN else 0

    @property
    def hopeless(self) -> bool:
        """Recovering the association never ends, and no instance is to blame."""
        return self.begun > MAX_BEGUN and not self.at

    def reading(self, number: int) -> None:
        """Say which instance comes next. The first time that costs nothing: to be suspicious is for the second."""
        if self.begun > 1:
            self.at = number
            self._write()

    def read(self) -> None:
        """All are read, or one is set aside: none is to blame any more."""
        if self.at:
            self.at = 0
            self._write()

    def absolve(self) -> None:
        """The one to blame was set aside: whoever is left gets all attempts again."""
        self.begun, self.at = 2, 0
        self._write()

    def take_back(self) -> None:
        """It failed, and the process lives: that the ledger was away is no fault of an instance, and counts as no time.

        Unless somebody else has ended it meanwhile.
        """
        if (self.folder / MARK).exists():
            self.begun, self.at = self.begun - 1, 0
            self._write()

    def end(self) -> None:
        """It went well.

        Raises:
            TemporaryError: The mark could not be removed: a later start does.
        """
        try:
            (self.folder / MARK).unlink()
            sync_folder(self.folder)
        except FileNotFoundError:  # most often there is none
            pass
        except OSError as error:
            raise unwell("the mark of a recovery could not be removed", error) from error

    def _write(self) -> None:
        with suppress(OSError):
            write_whole(self.folder / MARK, json.dumps({"begun": self.begun, "at": self.at}) + "\n")
