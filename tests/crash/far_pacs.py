"""A PACS as a program: far_pacs.py ADDRESS FOLDER NUMBER.

Writes its port to FOLDER/port, and of every instance that it takes the digest as a line of FOLDER/taken. The answer to
the instance of that NUMBER is held back from when FOLDER/holding appears until FOLDER/go does.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.pacs import SUCCESS, Pacs
from hilum.model import Answer, StoreRequest


def main(address: str, folder: Path, number: int) -> None:
    lock = threading.Lock()

    def answer(_request: StoreRequest) -> Answer:
        if len(pacs.arrived) + 1 == number and not (folder / "holding").exists():
            (folder / "holding").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
        return SUCCESS

    class Arrivals(list):  # type: ignore[type-arg]
        def append(self, one: object) -> None:
            super().append(one)
            with lock, (folder / "taken").open("a") as taken:
                taken.write(f"{one.digest}\n")  # type: ignore[attr-defined]

    pacs = Pacs("FAR", answer=answer, host=address, arrived=Arrivals())
    with pacs:
        (folder / "port.part").write_text(str(pacs.port))
        (folder / "port.part").rename(folder / "port")
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
