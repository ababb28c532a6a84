"""What only a ledger on a server has: it restarts, it is far away, several gateways are present on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from harness.postgres import Server
from harness.waiting import eventually
from hilum.errors import LocalError
from hilum.ledger import reception, tables
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerBusyError, LedgerConflictError, LedgerUnusableError, Mode
from hilum.ledger.transition import note
from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import NOTHING, Reception, grouping
from stage.ledger.test_database import said, say

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server() -> Iterator[Server]:
    """One that a test may stop."""
    made = Server()
    yield made
    made.discard()


def setting(database: Database, mode: str, name: str) -> str:
    with getattr(database, mode)() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


def test_a_write_waits_for_the_disk_a_note_does_not_and_a_reader_changes_nothing(database: Database) -> None:
    assert setting(database, "write", "synchronous_commit") == "on"
    assert setting(database, "note", "synchronous_commit") == "off"
    assert setting(database, "read", "transaction_read_only") == "on"
    assert setting(database, "read", "transaction_isolation") == "repeatable read"


def test_where_the_server_does_not_wait_for_its_disk_by_itself_a_write_does() -> None:
    careless = Server(settings=("fsync=off", "synchronous_commit=off"))
    try:
        database = Database(careless.new())
        assert setting(database, "write", "synchronous_commit") == "on"
        database.close()
    finally:
        careless.discard()


def test_nothing_hangs_for_ever(database: Database) -> None:
    for mode in ("write", "note", "read"):
        assert setting(database, mode, "lock_timeout") == "10s"
        assert setting(database, mode, "statement_timeout") == "1min"
    for mode in ("write", "note"):
        assert setting(database, mode, "idle_in_transaction_session_timeout") == "30s"


def test_options_of_the_url_are_the_operators_own(ledger_url: str) -> None:
    database = Database(f"{ledger_url}&options=-c%20lock_timeout%3D50ms&application_name=mine")
    assert setting(database, "write", "lock_timeout") == "50ms"
    assert setting(database, "write", "synchronous_commit") == "on"
    assert setting(database, "write", "application_name") == "mine"
    database.close()


def test_text_is_ordered_by_its_bytes_whatever_the_servers_locale(database: Database) -> None:
    with database.read() as connection:
        found = connection.execute(
            text(
                "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = 'public' "
                "AND data_type = 'text'"
            )
        ).scalars()
        assert list(found) == ["C"]


def test_sums_are_whole_numbers(database: Database, clock: MovableClock) -> None:
    desk = Reception(database, clock, None)
    desk.send("1.1", "1.2")
    with database.read() as connection:
        found = connection.execute(text("SELECT sum(bytes), sum(size) FROM groups, instances")).one()
    assert [type(value) for value in found] == [int, int]


def test_what_another_transaction_has_is_waited_for_and_not_for_ever(ledger_url: str, clock: MovableClock) -> None:
    database = Database(f"{ledger_url}&options=-c%20lock_timeout%3D50ms")
    with database.write() as connection:
        connection.exec_driver_sql("LOCK TABLE history IN EXCLUSIVE MODE")
        with pytest.raises(LedgerBusyError, match="cannot be used just now: canceling statement due to lock timeout"):
            say(database, clock, "never")
        assert said(database) == []
    say(database, clock, "at last")
    assert said(database) == ["at last"]
    database.close()


def test_of_two_that_wait_for_each_other_one_comes_off_and_the_other_is_repeated(
    database: Database, clock: MovableClock
) -> None:
    desk = Reception(database, clock, None)
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1", patient="P1")
    desk.send("1.2", patient="P2")
    both, one_is_done = threading.Barrier(2, timeout=20), threading.Event()
    tries: list[int] = []

    def take(first: int, second: int) -> None:
        met = False

        def work(connection: object) -> None:
            nonlocal met
            tries.append(first)
            if met:  # undone; once more in the way of the other one it could be undone again
                one_is_done.wait(20)
            change = "UPDATE groups SET bytes = bytes + 1 WHERE id = %s"
            connection.exec_driver_sql(change, (first,))  # type: ignore[attr-defined]
            if not met:
                met = True
                both.wait()
            connection.exec_driver_sql(change, (second,))  # type: ignore[attr-defined]

        database.repeat(Mode.NOTE, work)
        one_is_done.set()

    ids = [row.id for row in desk.rows("groups")]
    before = [row.bytes for row in desk.rows("groups")]
    threads = [threading.Thread(target=take, args=pair) for pair in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    assert [row.bytes for row in desk.rows("groups")] == [size + 2 for size in before]


def test_errors_quote_nothing_of_what_was_written(database: Database, clock: MovableClock) -> None:
    desk = Reception(database, clock, None)
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1", patient="Doe^Jane")
    row = dict(desk.row("groups")._mapping) | {"id": 77}
    with (
        pytest.raises(LedgerConflictError, match='unique constraint "uq_groups_open"') as conflict,
        database.write() as connection,
    ):
        connection.execute(tables.groups.insert(), row)
    with pytest.raises(LocalError, match="23502") as bug, database.write() as connection:
        connection.execute(tables.groups.insert(), row | {"id": 78, "key": "Doe^John", "ae": None})
    for raised in (conflict, bug):
        assert "Doe" not in str(raised.value)
        assert raised.value.__suppress_context__


def test_no_message_has_the_password() -> None:
    database = Database("postgresql+psycopg://hilum:s3cret@127.0.0.1:1/ledger?connect_timeout=1&password=s3cret")
    assert database.name == "postgresql://hilum@127.0.0.1:1/ledger"
    for attempt in (database.migrate, database.exists, database.attend().__enter__, database.exclusively().__enter__):
        with pytest.raises(LedgerBusyError) as raised:
            attempt()
        assert "s3cret" not in str(raised.value)
    database.close()


def test_a_ledger_without_tables_is_none_yet(ledgers: Server) -> None:
    database = Database(ledgers.url())
    assert not database.exists()
    with pytest.raises(LedgerUnusableError, match="does not fit this version of Hilum"):
        said(database)
    database.migrate()
    assert database.exists()
    database.close()


def test_gateways_that_start_at_once_migrate_once(ledgers: Server) -> None:
    url = ledgers.url()
    faults: list[BaseException] = []

    def start() -> None:
        database = Database(url)
        try:
            database.migrate()
        except BaseException as error:  # noqa: BLE001  told by the test
            faults.append(error)
        database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    database = Database(url)
    assert said(database) == []
    database.close()


# --- restarts


@pytest.mark.parametrize("at_once", [False, True], ids=["orderly", "crash"])
def test_after_a_restart_of_the_server_all_goes_on(server: Server, clock: MovableClock, *, at_once: bool) -> None:
    database = Database(server.new())
    for name in ("one", "two"):
        say(database, clock, name)
        with database.note() as connection:
            note(connection, "gateway", "test", f"noted {name}", now=clock())
        assert said(database)[-1] == f"noted {name}"
        server.stop(at_once=at_once)
        with pytest.raises(LedgerBusyError):
            said(database)
        server.start()
    assert said(database)[0] == "one"  # the first transaction after a restart comes off
    assert "two" in said(database)
    database.close()


def test_a_transaction_that_a_restart_breaks_off_has_changed_nothing(server: Server, clock: MovableClock) -> None:
    database = Database(server.new())

    def broken_off() -> None:
        with database.write() as connection:
            note(connection, "gateway", "test", "lost", now=clock())
            server.stop(at_once=True)
            note(connection, "gateway", "test", "lost, too", now=clock())

    with pytest.raises(LedgerBusyError):
        broken_off()
    server.start()
    assert said(database) == []
    database.close()


def test_who_is_present_is_so_again_after_a_restart_and_hears_that_he_may_have_missed_something(
    server: Server,
) -> None:
    url = server.new()
    heard: list[str] = []
    here, there = Database(url), Database(url)
    with here.attend(heard.append), there.attend():
        there.tell(["job"])
        eventually(lambda: "job" in heard, what="the word of the other gateway")
        assert there.is_attended()
        server.stop()
        server.start()
        eventually(lambda: "" in heard, what="the connection to be made anew")
        eventually(there.is_attended, what="the other gateway to be seen")
        heard.clear()
        eventually(lambda: there.tell(["submit"]) or "submit" in heard, what="a word after the restart")
    assert not here.is_attended()
    here.close()
    there.close()


def test_a_commit_that_is_still_going_on_is_waited_for_before_an_association_is_held(
    database: Database, ledger_url: str, clock: MovableClock
) -> None:
    """The answer to its release was lost, and the server has not come to the end of it."""
    desk = Reception(database, clock, None)
    association = desk.associate().receive("1.1")
    going = Database(ledger_url)
    states_seen: list[str] = []

    def look() -> None:
        with database.note() as connection:
            row = reception.standing(connection, association.id)
        assert row is not None
        states_seen.append(row.state)

    with going.write() as connection:
        reception.released(connection, association.info, association.received, grouping(), NOTHING, now=clock())
        thread = threading.Thread(target=look)
        thread.start()
        eventually(lambda: _waiting(ledger_url), what="the look to wait")
        assert states_seen == []
    thread.join()
    assert states_seen == ["released"]
    going.close()


def _waiting(url: str) -> bool:
    database = Database(url)
    try:
        with database.read() as connection:
            return bool(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar())
    finally:
        database.close()


# --- presence


def test_gateways_share_a_ledger_and_who_wants_it_alone_waits_until_they_are_gone(ledger_url: str) -> None:
    one, two, three = (Database(ledger_url) for _ in range(3))
    with one.attend(), two.attend():
        assert three.is_attended()
        with pytest.raises(LedgerUnusableError, match=r"a gateway is running .*stop all of them"), three.exclusively():
            pass
    assert not three.is_attended()
    refused = pytest.raises(LedgerUnusableError, match=r"somebody works on the ledger .* alone")
    with three.exclusively(), refused, one.attend():
        pass
    with one.attend():
        pass
    for database in (one, two, three):
        database.close()


def test_a_gateway_does_not_hear_itself(ledger_url: str) -> None:
    heard: list[str] = []
    one, two = Database(ledger_url), Database(ledger_url)
    with one.attend(heard.append), two.attend():
        one.tell(["mine"])
        two.tell(["yours", "yours"])
        eventually(lambda: heard, what="the other's word")
        one.tell(["mine, too"])
        two.tell(["last"])
        eventually(lambda: "last" in heard, what="the other's last word")
    assert heard == ["yours", "last"]
    one.close()
    two.close()


def test_a_driver_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "hilum.ledger.postgres", None)
    with pytest.raises(LedgerUnusableError, match=r"pip install 'hilum\[postgres\]'"):
        Database("postgresql+psycopg://hilum@/ledger")


def test_a_server_of_tests_leaves_nothing(server: Server) -> None:
    pid, folder = server.pid, server.folder
    server.discard()
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.conninfo("postgres"))


def test_a_nul_in_what_a_peer_sends_is_taken(database: Database, clock: MovableClock) -> None:
    desk = Reception(database, clock, None)
    desk.rule("SCP", GroupKind.PATIENT, 60)
    for uid in ("1.1", "1.2"):
        desk.send(uid, patient="Doe\0Jane")
    assert desk.groups() == [{"ae": "SCP", "key": r"Doe\x00Jane", "state": "open", "uids": ["1.1", "1.2"]}]
