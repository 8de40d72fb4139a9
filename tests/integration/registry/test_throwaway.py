import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, StatusCode, migrate, throwaway
from m365dq_dagster.adapters.registry.engine import create_engine, parse_url
from m365dq_dagster.adapters.registry.throwaway import copy_sqlite, throwaway_copy
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.outcome import Severity
from tests.support.traces import files_of, tables_of

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CODE = StatusCode("sign_in_logs", "status_error_code", "50126", "meaning", Severity.INFO)
WRITES_AND_DIES = """
import os, sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("INSERT INTO approvals (subject, decision, actor, decided_at)"
             " VALUES ('s', 'APPROVED', 'left in the log', '2026-03-02 09:30:00')")
print("done", flush=True)
sys.stdin.read() if len(sys.argv) > 2 else os.kill(os.getpid(), 9)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A registry that nobody has open."""
    write_something(f"sqlite:///{tmp_path / 'r' / 'registry.sqlite3'}")
    return tmp_path / "r" / "registry.sqlite3"


def write_something(url: str) -> None:
    with Registry.open(url) as registry:
        registry.load_status_codes([CODE], NOW)
        registry.audit("ada", "did", {"what": ["a", 1, None]}, NOW)
        registry.record_sightings("c", [("sign_in_logs", "status_error_code", "1", 2, NOW, None)], NOW)


def approvals(copy: Path) -> list[str]:
    with closing(sqlite3.connect(copy)) as connection:
        return [row[0] for row in connection.execute("SELECT actor FROM approvals")]


def test_a_copy_holds_every_row_and_its_source_is_as_it_was(address: str) -> None:
    write_something(address)
    before = tables_of(address)
    with throwaway_copy(address) as copy:
        assert tables_of(str(copy.engine.url)) == before
        copy.audit("bob", "tried", {}, NOW)
        assert len(copy.audit_entries()) == 2
        folder = Path(str(copy.engine.url.database)).parent
    assert tables_of(address) == before
    assert not folder.exists()


def test_a_registry_of_an_earlier_revision_is_brought_up_to_date_in_the_copy_alone(address: str) -> None:
    engine = create_engine(parse_url(address))
    migrate.upgrade_to(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO corrections (case_id, finding, verdict, reason, actor, corrected_at)"
                " VALUES ('c', 'F-001', 'v', 'r', 'ada', '2026-03-02 09:30:00')"
            )
        )
    engine.dispose()
    before = tables_of(address)
    with throwaway_copy(address) as copy:
        (kept,) = copy.corrections_until(NOW)
        assert (kept.actor, copy.cycles()) == ("ada", [])
    assert tables_of(address) == before


def test_a_database_without_tables_gives_an_empty_registry_and_stays_without(address: str) -> None:
    with throwaway_copy(address) as copy:
        assert copy.status_codes() == []
    if address.startswith("sqlite"):
        assert not Path(address.removeprefix("sqlite:///")).exists()
    else:
        assert tables_of(address) == {}


def test_a_registry_of_a_newer_program_is_refused_by_its_own_name(address: str) -> None:
    write_something(address)
    engine = create_engine(parse_url(address))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(BadInput, match=r"revision 9999") as told, throwaway_copy(address):
        pass
    assert "m365dq-dry-" not in str(told.value)


def test_a_file_that_nobody_has_open_is_copied_and_nothing_appears_beside_it(file: Path, tmp_path: Path) -> None:
    before = files_of(file.parent)
    copy_sqlite(file, tmp_path / "copy")
    assert files_of(file.parent) == before
    assert tables_of(f"sqlite:///{tmp_path / 'copy'}") == tables_of(f"sqlite:///{file}")


@pytest.mark.parametrize("shared_memory", [True, False])
def test_what_a_killed_process_left_in_the_log_is_copied_and_stays_there(
    file: Path, tmp_path: Path, shared_memory: bool
) -> None:
    done = subprocess.run([sys.executable, "-c", WRITES_AND_DIES, file], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    log, memory = (file.with_name(file.name + ending) for ending in ("-wal", "-shm"))
    assert log.stat().st_size
    assert memory.exists()
    if not shared_memory:
        memory.unlink()
    before = files_of(file.parent)
    copy_sqlite(file, tmp_path / "copy")
    assert files_of(file.parent) == before
    assert approvals(tmp_path / "copy") == ["left in the log"]


def test_what_another_process_has_written_and_still_holds_open_is_copied(file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITES_AND_DIES, str(file), "stay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"done\n"
        before = files_of(file.parent)
        copy_sqlite(file, tmp_path / "copy")
        assert files_of(file.parent) == before
        other.communicate()
    assert approvals(tmp_path / "copy") == ["left in the log"]


def test_a_connection_of_this_process_keeps_its_shared_memory_as_it_is(file: Path, tmp_path: Path) -> None:
    with Registry.open(f"sqlite:///{file}") as opened:
        opened.audit("bob", "did", {}, NOW)
        before = files_of(file.parent)
        copy_sqlite(file, tmp_path / "copy")
        assert files_of(file.parent) == before


def test_a_writer_in_this_process_keeps_its_locks(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        copy_sqlite(file, tmp_path / "copy")
        second = sqlite3.connect(file, isolation_level=None, timeout=0)
        with closing(second), pytest.raises(sqlite3.OperationalError, match="locked"):
            second.execute("BEGIN IMMEDIATE")


def test_a_file_that_changes_while_it_is_copied_is_copied_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []
    real = shutil.copyfile

    def disturbed(source: Path, target: Path) -> None:
        if source == file:
            copied.append(source)
            if len(copied) < 3:
                os.utime(file, ns=(0, len(copied)))
        real(source, target)

    monkeypatch.setattr(shutil, "copyfile", disturbed)
    copy_sqlite(file, tmp_path / "copy")
    assert len(copied) == 3


def test_a_file_that_never_rests_is_given_up_on(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway, "_bytes", lambda source, target: False)
    with pytest.raises(InternalFault, match="changed all the time"):
        copy_sqlite(file, tmp_path / "copy")


def test_whoever_leaves_during_the_visit_leaves_a_file_to_be_copied(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([True, False, False, False])
    monkeypatch.setattr(throwaway, "_in_use", lambda source: next(answers))
    copy_sqlite(file, tmp_path / "copy")
    assert tables_of(f"sqlite:///{tmp_path / 'copy'}") == tables_of(f"sqlite:///{file}")


def test_a_file_in_use_that_is_no_database_is_told(tmp_path: Path) -> None:
    for ending in ("", "-shm"):
        (tmp_path / f"registry.sqlite3{ending}").write_bytes(b"x" * 4096)
    with pytest.raises(InternalFault, match="not a database"), throwaway_copy(f"sqlite:///{tmp_path}/registry.sqlite3"):
        pass


def test_an_engine_that_refuses_a_file_in_use_is_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway, "_in_use", lambda source: True)
    with pytest.raises(InternalFault, match="refused the work"), throwaway_copy(f"sqlite:///{file}"):
        pass
