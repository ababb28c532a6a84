"""What a start does about associations whose end is not recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.data import make_instance
from hilum.errors import TemporaryError
from hilum.ledger import holding, reception
from hilum.ledger.tables import associations
from hilum.model import AETitle, AssociationId, AssociationInfo, GroupKey, GroupKind
from hilum.store.mark import MARK
from hilum.store.receive import StoreRule, StoreSettings
from hilum.store.recovery import Recovery
from hilum.store.spool import AssociationFolder, Durability
from hilum.store.worker import HeldStep
from stage.job.planning import Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

DAY = timedelta(days=1)


def info(number: int = 1, called: str = "SCP") -> AssociationInfo:
    return AssociationInfo(
        id=AssociationId(f"20261122T070000{number:06}-0000000{number}"),
        calling=AETitle("SCANNER"),
        called=AETitle(called),
        host="10.0.0.5",
        port=50000,
        opened_at=datetime(2026, 11, 22, 7, 0, 0, number, tzinfo=UTC),
    )


class Crashed:
    """A spool and a ledger as a gateway left them when it died."""

    def __init__(self, desk: Reception) -> None:
        assert desk.spool is not None
        self.desk = desk
        self.spool = desk.spool
        self.accept_broken = False

    def folder(
        self,
        *uids: str,
        number: int = 1,
        parts: Sequence[int] = (),
        open_in_ledger: bool = True,
        called: str = "SCP",
        **header: str,
    ) -> Path:
        """The folder of an association with complete instances and unfinished ones."""
        about = info(number, called)
        folder = AssociationFolder(self.spool, about, Durability.INSTANCE).path
        for at, uid in enumerate(uids, 1):
            make_instance(self.spool / "made", sop_instance=uid, **header).rename(folder / f"{at}.dcm")
        shutil.rmtree(self.spool / "made", ignore_errors=True)
        for at in parts:
            (folder / f"{at}.part").write_bytes(b"half of an instance")
        if open_in_ledger:
            with self.desk.database.note() as connection:
                reception.opened(connection, about, owner="dead", folder=about.id)
        return folder

    def start(self) -> int:
        """The next gateway recovers; how many associations."""
        return (
            Recovery(
                database=self.desk.database,
                owner="gateway",
                clock=self.desk.clock,
                settings=StoreSettings(
                    spool=self.spool,
                    rules=self.rule,
                    durability=Durability.INSTANCE,
                    aborted_retention=DAY,
                    log_data_sets=False,
                ),
            )
            .run()
            .count
        )

    def rule(self, called: str) -> StoreRule:
        return StoreRule(grouping=self.desk.grouping(called), ignored=frozenset(), accept_broken=self.accept_broken)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.spool)) for path in self.spool.rglob("*") if path.is_file())

    def seen(self) -> object:
        """Everything that a repetition must leave as it is."""
        return (
            self.files(),
            [tuple(row) for name in ("associations", "groups", "instances") for row in self.desk.rows(name)],
            [tuple(line) for line in self.desk.history()],
        )


@pytest.fixture
def crashed(desk: Reception) -> Crashed:
    return Crashed(desk)


def test_an_association_that_was_open_is_held_with_all_that_was_whole(crashed: Crashed, desk: Reception) -> None:
    folder = crashed.folder("1.1", "1.2", parts=[3])
    sizes = [(folder / f"{number}.dcm").stat().st_size for number in (1, 2)]
    assert crashed.start() == 1
    held = f"held/{folder.name}"
    assert crashed.files() == [f"{held}/1.dcm", f"{held}/2.dcm", f"{held}/association.json"]
    row = desk.row("associations")
    assert (row.id, row.state, row.folder, row.instances, row.bytes) == (folder.name, "held", held, 2, sum(sizes))
    assert row.remove_at == desk.clock() + DAY
    assert "the gateway ended while the association was open" in row.why
    assert [(one.number, one.sop_instance, one.fate, one.size) for one in desk.rows("instances")] == [
        (1, "1.1", "held", sizes[0]),
        (2, "1.2", "held", sizes[1]),
    ]
    one = desk.rows("instances")[0]
    assert (one.modality, one.patient_id, one.transfer_syntax) == ("CT", "P1", "1.2.840.10008.1.2.1")
    assert desk.rows("groups") == []
    assert desk.history(event="broken")[0].remedy


def test_an_association_that_a_power_cut_made_the_ledger_forget_is_held_too(crashed: Crashed, desk: Reception) -> None:
    folder = crashed.folder("1.1", open_in_ledger=False)
    assert crashed.start() == 1
    row = desk.row("associations")
    assert (row.id, row.state, row.calling, row.called, row.host) == (folder.name, "held", "SCANNER", "SCP", "10.0.0.5")
    assert row.opened_at == info().opened_at


def test_what_was_recovered_can_be_accepted_and_becomes_a_job(
    crashed: Crashed, desk: Reception, planning: Planning
) -> None:
    content = (crashed.folder("1.1") / "1.dcm").read_bytes()
    crashed.start()
    with desk.database.write() as connection:
        holding.ask_accept(connection, info().id, now=desk.clock())
    step = HeldStep(
        database=desk.database,
        owner="gateway",
        spool=lambda: crashed.spool,
        grouping=desk.grouping,
        keep=lambda: timedelta(days=1),
    )
    (held,) = step.claim(desk.clock(), desk.clock() + DAY, 5)
    step.record(held, step.act(held), desk.clock())  # type: ignore[func-returns-value]
    planning.run()
    (folder,) = planning.folders()
    assert (folder / "input" / "1.1.dcm").read_bytes() == content


def test_an_association_that_had_stored_nothing_whole_leaves_nothing(crashed: Crashed, desk: Reception) -> None:
    crashed.folder(parts=[1])
    crashed.start()
    assert crashed.files() == []
    assert desk.rows("associations") == []
    crashed.folder(number=2, parts=[1], open_in_ledger=False)
    crashed.start()
    assert crashed.files() == []
    assert desk.rows("associations") == []


def test_where_aborted_associations_are_accepted_they_are_grouped(crashed: Crashed, desk: Reception) -> None:
    crashed.accept_broken = True
    desk.rule("SCP", GroupKind.PATIENT)
    folder = crashed.folder("1.1", "1.2")
    assert crashed.start() == 1
    assert desk.row("associations").state == "released"
    assert desk.groups() == [{"ae": "SCP", "key": "P1", "state": "closed", "uids": ["1.1", "1.2"]}]
    place = f"held/{folder.name}"  # moved before it was read, so that nothing that wakes up late finds it
    assert desk.row("associations").folder == place
    assert crashed.files() == [f"{place}/1.dcm", f"{place}/2.dcm", f"{place}/association.json"]


def test_a_crash_between_moving_and_recording_is_repaired(crashed: Crashed, desk: Reception) -> None:
    folder = crashed.folder("1.1")
    (crashed.spool / "held").mkdir()
    folder.rename(crashed.spool / "held" / folder.name)
    assert crashed.start() == 1
    row = desk.row("associations")
    assert (row.state, row.folder) == ("held", f"held/{folder.name}")
    assert (crashed.spool / row.folder / "1.dcm").is_file()


def test_a_crash_between_moving_and_recording_is_repaired_also_if_it_is_accepted_by_now(
    crashed: Crashed, desk: Reception, planning: Planning
) -> None:
    folder = crashed.folder("1.1")
    (crashed.spool / "held").mkdir()
    folder.rename(crashed.spool / "held" / folder.name)
    crashed.accept_broken = True
    crashed.start()
    assert (crashed.spool / desk.row("associations").folder / "1.dcm").is_file()
    assert planning.run() == []
    assert len(planning.folders()) == 1


def test_what_was_released_or_held_before_is_left_as_it_is(crashed: Crashed, desk: Reception) -> None:
    released = desk.send("1.1")
    held = desk.associate().receive("1.2").abort()
    before = crashed.seen()
    assert crashed.start() == 0
    assert crashed.seen() == before
    assert (crashed.spool / released.id / "1.dcm").is_file()
    assert (crashed.spool / "held" / held.id / "1.dcm").is_file()


def test_of_what_was_released_unfinished_files_go(crashed: Crashed, desk: Reception) -> None:
    released = desk.send("1.1")
    (crashed.spool / released.id / "2.part").write_bytes(b"half")
    assert crashed.start() == 0
    assert crashed.files() == [f"{released.id}/1.dcm"]


@pytest.mark.parametrize("state", ["released", "removed"])
def test_a_folder_that_the_ledger_says_is_gone_goes(crashed: Crashed, desk: Reception, state: str) -> None:
    """A power cut can take back a removal, but not what was on disk before."""
    desk.send("1.1")
    with desk.database.write() as connection:
        connection.execute(associations.update().values(state=state, spooled=False))
    assert crashed.start() == 0
    assert crashed.files() == []


def test_an_association_whose_folder_is_gone_is_written_off_and_said_so(crashed: Crashed, desk: Reception) -> None:
    shutil.rmtree(crashed.folder("1.1"))
    assert crashed.start() == 0
    row = desk.row("associations")
    assert (row.state, row.instances, row.remove_at) == ("held", 0, desk.clock())
    assert "its spool folder is not there" in row.why


def test_recovery_is_idempotent(crashed: Crashed) -> None:
    crashed.folder("1.1", "1.2", parts=[3])
    crashed.folder("1.3", number=2, open_in_ledger=False)
    damaged = crashed.folder("1.4", "1.5", number=3)
    (damaged / "2.dcm").write_bytes(b"not DICOM any more")
    shutil.rmtree(crashed.folder("1.6", number=4))
    assert crashed.start() == 3
    first = crashed.seen()
    assert crashed.start() == 0
    assert crashed.seen() == first


@pytest.mark.parametrize("damage", ["cut", "zeros", "text", "empty"])
def test_a_file_that_was_damaged_on_disk_is_put_aside_and_the_others_are_held(
    crashed: Crashed, desk: Reception, damage: str
) -> None:
    folder = crashed.folder("1.1", "1.2", "1.3")
    content = (folder / "2.dcm").read_bytes()
    harmed = {
        "cut": content[: len(content) // 2],
        "zeros": bytes(len(content)),
        "text": b"x" * 5000,
        "empty": b"",
    }[damage]
    (folder / "2.dcm").write_bytes(harmed)
    assert crashed.start() == 1
    assert [row.sop_instance for row in desk.rows("instances")] == ["1.1", "1.3"]
    kept = crashed.spool / "quarantine" / f"{folder.name}-2.dcm"
    assert kept.read_bytes() == harmed
    reason = kept.with_name(kept.name + ".txt").read_text().strip()
    (line,) = desk.history(event="quarantined")
    assert (line.machine, line.subject, line.why) == ("instance", f"{folder.name}/2.dcm", f"damaged on disk: {reason}")
    assert str(kept) in line.remedy


@pytest.mark.parametrize("element", [b"\x02\x00\x02\x00UI", b"\x02\x00\x03\x00UI"])
def test_a_file_whose_own_label_was_damaged_is_put_aside_and_stops_no_start(
    crashed: Crashed, desk: Reception, element: bytes
) -> None:
    folder = crashed.folder("1.22222", "1.33333")
    content = bytearray((folder / "1.dcm").read_bytes())
    at = content.index(element) + 8
    content[at : at + 3] = b"\xff\xff\xff"
    (folder / "1.dcm").write_bytes(content)
    assert crashed.start() == 1
    assert [row.sop_instance for row in desk.rows("instances")] == ["1.33333"]
    assert (crashed.spool / "quarantine" / f"{folder.name}-1.dcm").is_file()
    assert len(desk.history(event="quarantined")) == 1


@pytest.mark.parametrize("record", [None, "", "{", '{"id": "other"}'])
def test_an_association_whose_record_was_damaged_is_known_from_the_ledger(
    crashed: Crashed, desk: Reception, record: str | None
) -> None:
    folder = crashed.folder("1.1")
    if record is None:
        (folder / "association.json").unlink()
    else:
        (folder / "association.json").write_text(record)
    assert crashed.start() == 1
    row = desk.row("associations")
    assert (row.state, row.instances) == ("held", 1)
    assert (crashed.spool / row.folder / "1.dcm").is_file()


def test_an_association_that_nobody_knows_is_left_alone(crashed: Crashed, desk: Reception) -> None:
    folder = crashed.folder("1.1", open_in_ledger=False)
    (folder / "association.json").write_text("{")
    assert crashed.start() == 0
    assert (folder / "1.dcm").is_file()
    assert desk.rows("associations") == []


def test_a_record_of_another_association_is_not_believed(crashed: Crashed, desk: Reception) -> None:
    folder = crashed.folder("1.1", open_in_ledger=False)
    record = json.loads((folder / "association.json").read_text())
    (folder / "association.json").write_text(json.dumps(record | {"id": info(2).id}))
    assert crashed.start() == 0
    assert desk.rows("associations") == []


def test_whatever_else_lies_in_the_spool_is_left_alone(crashed: Crashed, desk: Reception, tmp_path: Path) -> None:
    for name in ("photos", "2026-11-22", "lost+found", info().id + "-copy"):
        (crashed.spool / name).mkdir()
        (crashed.spool / name / "precious.txt").write_text("precious")
        (crashed.spool / name / "1.part").write_text("precious")
    (crashed.spool / "note.txt").write_text("precious")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "1.part").write_text("precious")
    (crashed.spool / info().id).symlink_to(elsewhere)
    before = crashed.seen()
    assert crashed.start() == 0
    assert crashed.seen() == before
    assert (elsewhere / "1.part").is_file()


def test_a_spool_that_is_new_has_nothing_to_recover(crashed: Crashed) -> None:
    assert crashed.start() == 0
    crashed.spool.rmdir()
    assert crashed.start() == 0


def test_a_mark_that_cannot_be_removed_is_told_and_removed_by_a_later_start(crashed: Crashed, desk: Reception) -> None:
    """It would be a file that nobody knows."""
    folder = crashed.folder("1.1")
    (folder / MARK / "immovable").mkdir(parents=True)
    with pytest.raises(TemporaryError, match="mark of a recovery"):
        crashed.start()
    assert desk.row("associations").state == "held"
    mark = crashed.spool / "held" / folder.name / MARK
    shutil.rmtree(mark)
    mark.write_text("{}")
    assert crashed.start() == 0
    assert crashed.files() == [f"held/{folder.name}/1.dcm", f"held/{folder.name}/association.json"]


def test_windows_that_waited_for_the_dead_gateway_wait_no_more(
    crashed: Crashed, desk: Reception, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    folder = crashed.folder("1.2")
    key = GroupKey(kind=GroupKind.PATIENT, value="P1", scope="")
    with desk.database.note() as connection:
        reception.contribute(connection, info().id, "SCP", key, clock())
    assert folder.is_dir()
    crashed.start()
    with desk.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM contributions").scalar() == 0


def test_associations_are_recovered_oldest_first(crashed: Crashed, desk: Reception) -> None:
    crashed.accept_broken = True
    desk.rule("SCP", GroupKind.PATIENT, 60)
    for number in (3, 1, 2):
        crashed.folder("1.1", number=number)
    crashed.start()
    fates = {row.association_id: row.fate for row in desk.rows("instances")}
    assert fates == {info(1).id: "grouped", info(2).id: "duplicate", info(3).id: "duplicate"}


def test_a_folder_that_was_only_just_made_goes(crashed: Crashed) -> None:
    (crashed.spool / info().id).mkdir()  # the crash came before its record was written
    assert crashed.start() == 0
    assert list(crashed.spool.iterdir()) == []
