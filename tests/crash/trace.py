"""System calls of a gateway as strace saw them, in order."""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.process import GatewayProcess
from harness.raw_peer import COMMAND, DATA, RELEASE_RP, elements, number
from harness.site import Site
from hilum.engine.attempt import process_stat

#: What puts something on a disk, gives it a name, or says so to a peer.
CALLS = "write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg"

_STARTS = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<text>.*)$")
_RESUMES = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<text>.*)$")
_FIRST_DESCRIPTOR = re.compile(r"^\d+<(?P<path>[^>]*)>")
_NAMES = re.compile(r'"(?P<name>(?:[^"\\]|\\.)*)"')
_BYTE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call that succeeded.

    Attributes:
        path: The file of its first descriptor, or the old name of a rename.
        target: The new name of a rename.
        data: What was sent, of a call that sends; cut short by strace.
        begun: The line of the trace where it began; lines are in the order of time.
        ended: The line where it was over.
    """

    name: str
    path: str
    target: str
    data: bytes
    begun: int
    ended: int

    @property
    def syncs(self) -> bool:
        return self.name in {"fsync", "fdatasync"}

    @property
    def writes(self) -> bool:
        return "write" in self.name


@contextmanager
def traced(site: Site, *more: str) -> Iterator[GatewayProcess]:
    """A gateway whose calls are written to ``trace`` in the site's folder; ends with the block.

    Args:
        more: Further options for strace.
    """
    strace = ["strace", "-f", "-y", "-xx", "-s", "256", "-e", f"trace={CALLS}", *more, "-o", str(site.folder / "trace")]
    with GatewayProcess(site, under=strace) as gateway:
        try:
            yield gateway
        finally:
            # strace passes no signal on, and ends when the gateway has ended.
            os.kill(child_of(gateway.process.pid), signal.SIGTERM)
            gateway.process.wait(timeout=30)


def child_of(parent: int) -> int:
    """Its only child, from the table of processes: the list of children in /proc may leave out some."""
    (child,) = (
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and (seen := process_stat(int(name))) is not None and seen[0] == parent
    )
    return child


def calls(trace: Path) -> list[Call]:
    """The calls of a trace that succeeded, in the order of their ends."""
    pending: dict[str, tuple[int, str, str]] = {}
    found: list[Call] = []
    for line, text in enumerate(trace.read_text(encoding="utf-8", errors="replace").splitlines()):
        if match := _STARTS.match(text):
            begun, name, arguments = line, match["name"], match["text"]
            if arguments.endswith("<unfinished ...>"):
                pending[match["pid"]] = (begun, name, arguments)
                continue
        elif match := _RESUMES.match(text):
            begun, name, before = pending.pop(match["pid"])
            arguments = before.removesuffix("<unfinished ...>") + match["text"]
        else:
            continue
        if " = -1 " not in arguments:
            found.append(_call(name, arguments, begun, line))
    return found


def _call(name: str, arguments: str, begun: int, ended: int) -> Call:
    descriptor = _FIRST_DESCRIPTOR.match(arguments)
    quoted = [_bytes(match["name"]) for match in _NAMES.finditer(arguments)]
    renames = name.startswith("rename")
    return Call(
        name=name,
        path=quoted[0].decode() if renames else _bytes(descriptor["path"]).decode() if descriptor else "",
        target=quoted[1].decode() if renames else "",
        data=b"".join(quoted) if name.startswith("send") else b"",
        begun=begun,
        ended=ended,
    )


def _bytes(text: str) -> bytes:
    return bytes(int(code, 16) for code in _BYTE.findall(text)) if text.startswith("\\x") else text.encode()


def stored(call: Call) -> str | None:
    """The SOP Instance UID that a C-STORE response with success names; ``None`` for anything else that was sent."""
    if call.data[:1] != bytes((DATA,)) or len(call.data) < 12 or call.data[11] & COMMAND == 0:
        return None
    (length,) = struct.unpack_from(">I", call.data, 6)
    command = elements(call.data[12 : 12 + length - 2])
    if number(command[0x0100]) != 0x8001 or number(command[0x0900]) != 0:
        return None
    return command[0x1000].decode().rstrip("\0")


def releases(call: Call) -> bool:
    """Whether an A-RELEASE-RP was sent."""
    return call.data[:1] == bytes((RELEASE_RP,))
