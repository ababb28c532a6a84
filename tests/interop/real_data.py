"""Every DICOM file of the installed packages on the whole way: by C-STORE to a gateway, through a workflow that hands
its input back, by C-STORE to a PACS. Renders docs/real-data.md.

The files are read by pydicom and sent byte by byte, so that nothing of ours judges itself.

``scripts/generate-docs`` writes the page anew.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID

from harness.pacs import Pacs
from harness.raw_peer import RawPeer, context_results, data_set, number, store_rq
from harness.site import Site
from hilum.observe.log import configure
from interop.copying import copy_to, wait_for_deliveries

#: Distributions that bring DICOM files, and the packages that they lie in.
PACKAGES: Mapping[str, str] = {
    "pydicom": "pydicom",
    "pydicom-data": "data_store",
    "pynetdicom": "pynetdicom",
    "nibabel": "nibabel",
}

_SOP_CLASS = 0x00080016
_SOP_INSTANCE = 0x00080018
#: Data sets that are one deflated stream, which a sender must make even. Source: PS3.5 A.5.
_DEFLATED = "1.2.840.10008.1.2.1.99"
#: The transfer syntax of a file that does not name it, from what pydicom found: implicit VR, little endian.
_GUESSED: Mapping[object, str] = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}
_FRAGMENT = 65536
_MOST_CONTEXTS = 128


class Outcome(StrEnum):
    """What became of a file."""

    DELIVERED = "delivered"  # stored and delivered byte for byte
    REFUSED = "refused"  # answered with a failure, nothing stored
    NOT_ACCEPTED = "context not accepted"
    NOT_SENT = "not sent"  # it cannot be
    CHANGED = "lost or changed"  # must never be


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFile:
    """One file, as pydicom reads it.

    Attributes:
        package: The distribution that brings it.
        name: Its path below the package.
        sop_class: Of the data set; of the file meta information if that has none; empty if neither has.
        sop_instance: Likewise.
        own_uids: The data set has both.
        transfer_syntax: What the file says, or else what its first element shows.
        offset: Where the data set begins.
    """

    package: str
    name: str
    path: Path
    sop_class: str
    sop_instance: str
    own_uids: bool
    transfer_syntax: str
    offset: int

    @classmethod
    def read(cls, package: str, root: Path, path: Path) -> RealFile:
        content = _content(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom has much to say about these files
            meta, offset = _split(content)
            found = pydicom.dcmread(BytesIO(content), force=True, stop_before_pixels=True)
        sop_class, sop_instance = _text(found, _SOP_CLASS), _text(found, _SOP_INSTANCE)
        return cls(
            package=package,
            name=path.relative_to(root).as_posix(),
            path=path,
            sop_class=sop_class or str(meta.get("MediaStorageSOPClassUID", "")),
            sop_instance=sop_instance or str(meta.get("MediaStorageSOPInstanceUID", "")),
            own_uids=bool(sop_class and sop_instance),
            transfer_syntax=str(meta.get("TransferSyntaxUID", "")) or _GUESSED[found.original_encoding],
            offset=offset,
        )

    @property
    def data_set(self) -> bytes:
        """What is sent: all that follows the file meta information."""
        data = _content(self.path)[self.offset :]
        return data + bytes(len(data) % 2) if self.transfer_syntax == _DEFLATED else data

    @property
    def pair(self) -> tuple[str, str]:
        """The presentation context that it needs."""
        return self.sop_class, self.transfer_syntax

    def trace(self, content: bytes) -> Trace:
        """How it is known again on the other side."""
        return self.sop_instance, hashlib.sha256(content).hexdigest()


#: SOP Instance UID, and SHA-256 of the data set.
Trace = tuple[str, str]


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _split(content: bytes) -> tuple[pydicom.Dataset, int]:
    """The file meta information, perhaps empty, and where the data set begins."""
    stream = BytesIO(content)
    read_preamble(stream, True)
    return _read_file_meta_info(stream), stream.tell()


def _text(found: pydicom.Dataset, tag: int) -> str:
    """The value as it stands in the file, unchecked, without its padding."""
    value = found.get_item(tag).value if tag in found else b""
    assert isinstance(value, bytes | None)
    return (value or b"").decode("ascii").strip(" \0")


def every_file() -> list[RealFile]:
    """All DICOM files of the packages: those named so, and those that say so at byte 128."""
    found = []
    for package, module in PACKAGES.items():
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        found += [RealFile.read(package, root, path) for path in sorted(root.rglob("*")) if _is_dicom(path)]
    return found


def _is_dicom(path: Path) -> bool:
    if not path.is_file() or path.suffix in {".py", ".pyc"}:
        return False
    if ".dcm" in path.suffixes:
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one file, and why; ``status`` is what a C-STORE was answered with."""

    file: RealFile
    outcome: Outcome
    why: str = ""
    status: int | None = None


def by_associations(files: Iterable[RealFile]) -> list[list[RealFile]]:
    """Spread files over few associations, so that no SOP Instance UID comes twice in one."""
    associations: list[list[RealFile]] = []
    for file in files:
        for members in associations:
            contexts = {one.pair for one in members} | {file.pair}
            if len(contexts) <= _MOST_CONTEXTS and file.sop_instance not in {one.sop_instance for one in members}:
                members.append(file)
                break
        else:
            associations.append([file])
    return associations


def send_all(files: Sequence[RealFile], folder: Path) -> list[Fate]:
    """Send every file that can be sent, wait for what comes out, and tell what became of each, in their order."""
    fates = [_without_uids(file) for file in files if not (file.sop_class and file.sop_instance)]
    sendable = [file for file in files if file.sop_class and file.sop_instance]
    stored: dict[str, Trace] = {}  # by path
    with Pacs() as pacs, Site(folder, copy_to(pacs.destination)) as site:
        for members in by_associations(sendable):
            fates += _associate(site.port, members, stored)
        wait_for_deliveries(site, len(stored))
        kept = Counter(_stored_trace(path) for job in site.rows("jobs") for path in site.inputs(job))
        delivered = Counter((one.request.sop_instance, one.digest) for one in pacs.accepted)
    accepted = Counter(stored.values())
    order = {file.path: index for index, file in enumerate(files)}
    for path, trace in stored.items():
        whole = kept[trace] == delivered[trace] == accepted[trace]
        outcome = Outcome.DELIVERED if whole else Outcome.CHANGED
        fates.append(Fate(file=files[order[Path(path)]], outcome=outcome, status=0))
    assert kept.total() == delivered.total() == accepted.total(), "something came out that did not go in"
    return sorted(fates, key=lambda fate: order[fate.file.path])


def _without_uids(file: RealFile) -> Fate:
    return Fate(file=file, outcome=Outcome.NOT_SENT, why="no SOP Class and Instance UID can be read from it")


def _associate(port: int, files: Sequence[RealFile], stored: dict[str, Trace]) -> Iterator[Fate]:
    """Send files over one association; notes those that were accepted, tells the fate of the others."""
    pairs = list(dict.fromkeys(file.pair for file in files))
    ids = {pair: 2 * index + 1 for index, pair in enumerate(pairs)}
    with RawPeer.connect(port) as peer:
        proposed = [(ids[pair], pair[0], [pair[1]]) for pair in pairs]
        results = context_results(peer.associate(*proposed, calling="REAL-DATA"))
        for message_id, file in enumerate(files, start=1):
            context_id = ids[file.pair]
            result, transfer_syntax = results[context_id]
            if result != 0:
                yield Fate(file=file, outcome=Outcome.NOT_ACCEPTED, why=f"result {result}")
                continue
            assert transfer_syntax == file.transfer_syntax
            content = file.data_set
            request = store_rq(
                file.sop_instance, message_id=message_id, sop_class=file.sop_class, context_id=context_id
            )
            peer.send(request, data_set(content, context_id=context_id, fragment=_FRAGMENT))
            response = peer.command()
            assert number(response[0x0120]) == message_id
            status = number(response[0x0900])
            if status == 0:
                stored[str(file.path)] = file.trace(content)
            else:
                comment = response.get(0x0902, b"").decode().strip()
                yield Fate(file=file, outcome=Outcome.REFUSED, why=f"{status:04X}H, {comment}", status=status)
        peer.release()


def _stored_trace(path: Path) -> Trace:
    """Of an input of a job, whose name is its SOP Instance UID."""
    content = path.read_bytes()
    _, offset = _split(content)
    return path.stem, hashlib.sha256(content[offset:]).hexdigest()


_INTRODUCTION = """\
# Real data

Every DICOM file that comes with pydicom, pydicom-data, pynetdicom and nibabel is sent as it is to a gateway by C-STORE:
the bytes behind its file meta information, in its own transfer syntax, under its own SOP Class and Instance UID. A
workflow hands back what it gets, and the gateway sends that to a PACS. `tests/interop/test_real_data.py` does it anew
and asserts what this page shows.

<!-- Generated from tests/interop/real_data.py by scripts/generate-docs -->

| outcome | files | meaning |
|---|---|---|
"""

_MEANINGS = {
    Outcome.DELIVERED: "stored by the gateway and accepted by the PACS, the data set byte for byte as it was sent",
    Outcome.REFUSED: "the C-STORE was answered with the status given, and nothing was stored",
    Outcome.NOT_ACCEPTED: "the SOP class is none of Storage, so the presentation context got the result given",
    Outcome.NOT_SENT: "C-STORE needs UIDs that the file does not have",
    Outcome.CHANGED: "a fault",
}

_NOTES = """
Where the data set has no SOP UIDs, those of the file meta information are used. A file without transfer syntax is sent
in the one that its first element shows. Deflated data sets of odd length get the NUL that PS3.5 A.5 asks for. Files
with one SOP Instance UID go over different associations.
"""


def page(fates: Sequence[Fate]) -> str:
    """The whole page, as Markdown."""
    lines = [_INTRODUCTION.removesuffix("\n")]
    counts = Counter(fate.outcome for fate in fates)
    lines += [f"| {outcome} | {counts[outcome]} | {_MEANINGS[outcome]} |" for outcome in Outcome if counts[outcome]]
    lines.append(_NOTES)
    for package in PACKAGES:
        lines += [
            f"## {package} {version(package)}",
            "",
            "| file | transfer syntax | SOP class | outcome | reason |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(fate) for fate in fates if fate.file.package == package]
        lines.append("")
    return "\n".join(lines)


def _row(fate: Fate) -> str:
    file = fate.file
    cells = (f"`{file.name}`", UID(file.transfer_syntax).keyword, UID(file.sop_class).keyword, fate.outcome, fate.why)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the page."""
    os.environ.setdefault("HILUM_LOG_LEVEL", "error")
    configure()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(page(send_all(every_file(), Path(folder))))


if __name__ == "__main__":
    main()
