from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hilum.errors import TemporaryError
from hilum.model import AETitle, AssociationId, AssociationInfo
from hilum.store import spool
from hilum.store.leftovers import read_association
from hilum.store.spool import AssociationFolder, Durability

INFO = AssociationInfo(
    id=AssociationId("20261122T081500123456-9f3c21ab"),
    calling=AETitle("CT99"),
    called=AETitle("HILUM"),
    host="10.0.0.5",
    port=50123,
    opened_at=datetime(2026, 11, 22, 8, 15, 0, 123456, tzinfo=UTC),
)
META = b"meta"

both = pytest.mark.parametrize("durability", list(Durability))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def store(folder: AssociationFolder, content: bytes = b"data") -> spool.InstanceFile:
    file = folder.new_instance(META)
    file.write([content])
    file.commit()
    return file


# The folder


@both
def test_the_association_is_recorded_before_its_first_instance(tmp_path: Path, durability: Durability) -> None:
    folder = AssociationFolder(tmp_path, INFO, durability)
    assert folder.path == tmp_path / INFO.id
    assert names(folder.path) == {"association.json"}
    assert read_association(folder.path) == INFO


def test_what_an_attempt_before_could_not_remove_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / INFO.id).mkdir()
    (tmp_path / INFO.id / "association.json").write_text('{"id": "2026')
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    assert read_association(folder.path) == INFO


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / INFO.id).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TemporaryError, match="a link stands in its place"):
        AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_nobody_else_can_enter_the_spool_and_the_umask_decides_about_the_files(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
        file = store(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.path.stat().st_mode) == mode


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match=r"could not be made.*No such file"):
        AssociationFolder(tmp_path / "not mounted", INFO, Durability.INSTANCE)
    (tmp_path / INFO.id).write_text("in the way")
    with pytest.raises(TemporaryError, match="File exists"):
        AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    assert names(tmp_path) == {INFO.id}


# An instance


@both
def test_an_instance_gets_its_name_when_it_is_whole(tmp_path: Path, durability: Durability) -> None:
    folder = AssociationFolder(tmp_path, INFO, durability)
    file = folder.new_instance(META)
    assert names(folder.path) == {"association.json", "1.part"}
    file.write([memoryview(b"one "), memoryview(b""), memoryview(b"two ")])
    file.write([memoryview(b"three")])
    assert not file.path.exists()
    file.commit()
    assert names(folder.path) == {"association.json", "1.dcm"}
    assert file.path == folder.path / "1.dcm"
    assert file.path.read_bytes() == b"metaone two three"
    assert file.size == len(b"metaone two three")
    folder.sync()
    assert file.path.read_bytes() == b"metaone two three"


def test_instances_are_numbered_from_one(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.ASSOCIATION)
    assert [store(folder).number for _ in range(3)] == [1, 2, 3]
    folder.new_instance(META).discard()
    assert store(folder).path.name == "5.dcm"


def test_a_reused_buffer_does_not_change_what_was_written(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    buffer = bytearray(b"first")
    file = folder.new_instance(META)
    file.write([memoryview(buffer)])
    buffer[:] = b"later"
    file.write([memoryview(buffer)])
    file.commit()
    assert file.path.read_bytes() == b"metafirstlater"


def test_more_fragments_than_one_system_call_takes_are_written(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    data = os.urandom(5000)
    file = folder.new_instance(META)
    file.write([memoryview(data)[place : place + 1] for place in range(len(data))])
    file.commit()
    assert file.path.read_bytes() == META + data
    assert file.size == len(META) + len(data)


def test_an_instance_without_data_set_keeps_its_meta_information(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    file = folder.new_instance(META)
    file.commit()
    assert file.path.read_bytes() == META


@both
def test_a_discarded_instance_leaves_nothing(tmp_path: Path, durability: Durability) -> None:
    folder = AssociationFolder(tmp_path, INFO, durability)
    before = open_descriptors()
    unwritten, written = folder.new_instance(META), folder.new_instance(META)
    written.write([b"data"])
    committed = store(folder)
    for file in (unwritten, written, committed):
        file.discard()
        file.discard()
    folder.sync()
    assert names(folder.path) == {"association.json"}
    assert open_descriptors() == before


@both
def test_no_descriptor_stays_open(tmp_path: Path, durability: Durability) -> None:
    before = open_descriptors()
    folder = AssociationFolder(tmp_path, INFO, durability)
    for _ in range(40):
        store(folder)
    assert open_descriptors() <= before + 24  # so many may wait for being synced
    folder.sync()
    folder.sync()
    assert open_descriptors() == before


def test_a_link_at_a_name_that_could_be_foreseen_is_not_followed(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    victim = tmp_path / "victim"
    (folder.path / "1.part").symlink_to(victim)
    with pytest.raises(TemporaryError, match=r"could not be made.*File exists"):
        folder.new_instance(META)
    assert not victim.exists()
    assert store(folder).path.name == "2.dcm"


# What fails

_FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
from hilum.errors import TemporaryError
from hilum.store.spool import AssociationFolder, Durability
from {module} import INFO

folder = AssociationFolder(Path(sys.argv[1]), INFO, Durability(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
block = bytes(30_000)
file = folder.new_instance(b"meta")
for _ in range(10):
    file.write([block, block])
assert not list(folder.path.glob("1.*")), "the room is given back at once"
try:
    file.commit()
except TemporaryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = folder.new_instance(b"meta")
again.write([block] * 10)
again.commit()
folder.sync()
assert again.path.stat().st_size == again.size == 300_004
print(sorted(path.name for path in folder.path.iterdir()))
"""


@both
def test_a_disk_that_is_full_for_a_while_costs_one_instance(tmp_path: Path, durability: Durability) -> None:
    program = _FULL_DISK.format(path=[str(Path(__file__).parent)], module=Path(__file__).stem)
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), durability], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "the instance could not be written to disk: [Errno 27] File too large",
        "['2.dcm', 'association.json']",
    ]


def test_a_write_that_is_cut_short_goes_on() -> None:
    # A signal cuts short a write into a full pipe.
    reader, writer = os.pipe()
    received = bytearray()
    data = os.urandom(300_000)
    main = threading.get_ident()

    def read() -> None:
        while select.select([], [writer], [], 0)[1]:
            pass
        signal.pthread_kill(main, signal.SIGUSR1)
        while piece := os.read(reader, 1 << 16):
            received.extend(piece)

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    thread = threading.Thread(target=read)
    thread.start()
    try:
        views = [memoryview(data)[start : start + 70_000] for start in range(0, len(data), 70_000)]
        written = spool._write_all(writer, views)
    finally:
        os.close(writer)
        thread.join()
        os.close(reader)
        signal.signal(signal.SIGUSR1, before)
    assert written == len(data)
    assert bytes(received) == data


def pipe_end() -> int:
    """A descriptor that cannot be synced."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_an_instance_that_cannot_be_synced_is_not_kept(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    descriptor = pipe_end()
    with pytest.raises(OSError, match="Invalid argument"):
        folder.keep(folder.prefix + "1.part", folder.prefix + "1.dcm", descriptor, 4)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    store(folder)
    folder.sync()


def test_what_the_disk_would_not_let_go_is_removed_when_it_is_well_again(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    refused = folder.path / "1.dcm"
    refused.mkdir()  # which unlink does not remove
    folder.drop(str(refused))
    folder.sync()
    assert refused.exists()
    refused.rmdir()
    refused.touch()
    folder.sync()
    assert names(folder.path) == {"association.json"}


def test_a_sync_that_failed_once_is_never_asked_again(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.ASSOCIATION)
    (folder.path / "1.part").touch()
    folder.keep(folder.prefix + "1.part", folder.prefix + "1.dcm", pipe_end(), 4)
    for _ in range(2):
        with pytest.raises(TemporaryError, match="could not be synced to disk"):
            folder.sync()
    with pytest.raises(TemporaryError, match="could not be synced to disk"):
        folder.new_instance(META)


def test_a_sync_that_failed_is_told_with_the_next_instances(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.ASSOCIATION)
    (folder.path / "1.part").touch()
    folder.keep(folder.prefix + "1.part", folder.prefix + "1.dcm", pipe_end(), 4)
    with pytest.raises(TemporaryError):  # noqa: PT012
        for _ in range(100):
            store(folder)


@both
def test_a_folder_that_somebody_removed_is_told(tmp_path: Path, durability: Durability) -> None:
    folder = AssociationFolder(tmp_path, INFO, durability)
    file = folder.new_instance(META)
    folder.path.rename(tmp_path / "elsewhere")
    with pytest.raises(TemporaryError, match=r"could not be written to disk.*No such file"):
        file.commit()
    with pytest.raises(TemporaryError, match="could not be made"):
        folder.new_instance(META)


# Moving and removing


@both
def test_a_folder_is_moved_with_all_that_is_in_it(tmp_path: Path, durability: Durability) -> None:
    folder = AssociationFolder(tmp_path, INFO, durability)
    store(folder)
    folder.sync()
    held = tmp_path / "held"
    for _ in range(2):
        assert folder.move_to(held) == held / INFO.id
    assert names(held / INFO.id) == {"association.json", "1.dcm"}
    assert names(tmp_path) == {"held"}
    assert stat.S_IMODE(held.stat().st_mode) == 0o700
    folder.remove()
    assert names(held) == set()
