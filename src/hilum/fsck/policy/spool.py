"""Associations and their folders in the spool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hilum import states
from hilum.fsck.facts import Association, File, Moment, SpoolFolder
from hilum.fsck.finding import Finding, Kind, Place, PutAside, Spooled
from hilum.fsck.policy.wording import AGAIN, difference, put_aside, root_empty

#: Without an instance in the ledger these are what became of an association whose folder an earlier start missed.
_WRITTEN_OFF: Final = frozenset({states.Association.HELD, states.Association.REMOVED})


def spool_folders(
    rows: Mapping[str, Association], found: Sequence[SpoolFolder], *, spool: str, quarantine: str, moment: Moment
) -> Iterator[Finding]:
    """Compare associations with their folders.

    Args:
        rows: Those that say they are spooled, and those of every folder that was found, by id.
    """
    places = {folder.place for folder in found}
    by_id = {folder.id: folder.place for folder in found}
    needed = [row for row in rows.values() if row.needed and row.spooled]
    if needed and not found:
        yield root_empty(spool, f"the folders of {len(needed)} associations", "storage.temporary")
        return
    for row in rows.values():
        if row.state is states.Association.OPEN or row.letting_go or not row.spooled:
            continue
        if row.folder not in places:
            yield _folder_absent(row, by_id.get(row.id), spool)
    for folder in found:
        finding = _folder_present(
            rows.get(folder.id), folder, places, spool=spool, quarantine=quarantine, moment=moment
        )
        if finding is not None:
            yield finding


def _folder_absent(row: Association, elsewhere: str | None, spool: str) -> Finding:
    expected = f"its folder {spool}/{row.folder}"
    if elsewhere is not None:
        return Finding(
            kind=Kind.SPOOL_FOLDER_MISPLACED,
            machine="association",
            subject=row.id,
            found=f"its folder is {spool}/{elsewhere}",
            expected=expected,
            means="its files are not found where they are looked for",
            remedy="the ledger is told where it is",
            repair=Place(association=row.id, folder=elsewhere),
        )
    if row.needed:
        return Finding(
            kind=Kind.SPOOL_FOLDER_MISSING,
            machine="association",
            subject=row.id,
            found="no such folder",
            expected=f"{expected} with {row.instances} instances",
            means="they were accepted and are in no job yet; none can be made of them",
            remedy=AGAIN,
        )
    return Finding(
        kind=Kind.SPOOL_FOLDER_GONE,
        machine="association",
        subject=row.id,
        found="no such folder",
        expected=f"{expected}, which is to be removed",
        means="nothing: all that was in it is in jobs, or was not wanted",
        remedy="the ledger is told that it is gone",
        repair=Spooled(association=row.id, there=False),
    )


def _folder_present(
    row: Association | None,
    folder: SpoolFolder,
    places: set[str],
    *,
    spool: str,
    quarantine: str,
    moment: Moment,
) -> Finding | None:
    path = f"{spool}/{folder.place}"
    aside = PutAside(path=path, quarantine=quarantine, name=folder.id)
    if row is None:
        if folder.gateway in moment.standing:
            return None  # its first instance is just being written
        if not moment.started and (folder.told or not folder.complete):
            return None  # the next start holds it, or removes what was never answered
        return Finding(
            kind=Kind.SPOOL_FOLDER_UNKNOWN,
            machine="folder",
            subject=path,
            found=f"{folder.complete} instances in it"
            + ("" if folder.told else ", and association.json is missing or damaged"),
            expected="an association in the ledger, or none of this name",
            means="nobody will make jobs of these instances",
            remedy="restart the gateway: it holds them" if folder.told else put_aside(quarantine),
            repair=None if folder.told else aside,
        )
    if row.state is states.Association.OPEN:
        return None
    if folder.place != row.folder and row.spooled:
        if row.folder not in places:
            return None  # misplaced; told of the row
        return Finding(
            kind=Kind.SPOOL_FOLDER_UNKNOWN,
            machine="folder",
            subject=path,
            found=f"a second folder of association {row.id}",
            expected=f"only {spool}/{row.folder}",
            means="nobody uses it, and nobody removes it",
            remedy=put_aside(quarantine),
            repair=aside,
        )
    if row.spooled:
        return None
    return _forgotten(row, folder, path, moment)


def _forgotten(row: Association, folder: SpoolFolder, path: str, moment: Moment) -> Finding | None:
    returned = row.state in _WRITTEN_OFF and not row.instances and folder.complete > 0
    if returned and not moment.started:
        return None  # the next start takes it up: its disk was not there at an earlier one
    return Finding(
        kind=Kind.SPOOL_FOLDER_FORGOTTEN,
        machine="association",
        subject=row.id,
        found=f"its folder {path}",
        expected="no folder: the ledger has it as removed",
        means="its instances were written off as lost, and are here"
        if returned
        else "it takes room, and nobody uses it",
        remedy="restart the gateway: it holds them"
        if returned
        else "the ledger is told of it, and the gateway removes it",
        repair=None if returned else Spooled(association=row.id, there=True),
    )


def spool_files(
    row: Association,
    wanted: Mapping[str, File],
    others: frozenset[str],
    found: Mapping[str, File],
    *,
    spool: str,
    quarantine: str,
) -> Iterator[Finding]:
    """Compare the instances of an association that has ended with the files in its folder.

    Args:
        wanted: Files that no job has yet.
        others: Names of files that may be there and need not.
    """
    folder = f"{spool}/{row.folder}"
    for name, expected in wanted.items():
        there = found.get(name)
        differs = difference(expected, there)
        if differs is not None:
            yield _instance(row, name, differs, is_there=there is not None)
    for name in sorted(found.keys() - wanted.keys() - others):
        yield Finding(
            kind=Kind.SPOOL_FILE_UNKNOWN,
            machine="folder",
            subject=f"{folder}/{name}",
            found="a file that was never answered with success"
            if name.endswith((".part", ".dcm"))
            else "a file that Hilum did not make",
            expected="only instances that the ledger knows, and association.json",
            means="nobody uses it; it would go with its folder",
            remedy=put_aside(quarantine),
            repair=PutAside(path=f"{folder}/{name}", quarantine=quarantine, name=f"{row.id}-{name}"),
        )


def _instance(row: Association, name: str, differs: tuple[str, str], *, is_there: bool) -> Finding:
    found, expected = differs
    return Finding(
        kind=Kind.INSTANCE_CHANGED if is_there else Kind.INSTANCE_MISSING,
        machine="instance",
        subject=f"{row.id}/{name}",
        found=found,
        expected=f"{expected}, in {row.folder}",
        means="it was accepted and is in no job yet: the job of its group cannot be made of what was received",
        remedy=AGAIN,
    )
