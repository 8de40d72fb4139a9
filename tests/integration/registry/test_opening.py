import os
import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock

from m365dq_dagster.adapters.registry import Registry, migrate
from m365dq_dagster.adapters.registry.engine import create_engine, parse_url, switch_to_wal
from m365dq_dagster.adapters.registry.tables import APPEND_ONLY, metadata
from m365dq_dagster.core.errors import BadInput, InternalFault
from tests.support.registry_work import open_and_register

SECRET = "hunter2-secret"


def test_the_migrations_make_exactly_the_tables_that_the_program_works_with(address: str) -> None:
    with Registry.open(address) as registry, registry.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        assert differences == []
        inspector = sa.inspect(connection)
        assert set(inspector.get_table_names()) == {*metadata.tables, "alembic_version"}


def test_the_append_only_tables_are_the_same_in_code_and_migration() -> None:
    steps = [one.module for one in ScriptDirectory.from_config(migrate._config()).walk_revisions()]
    assert sorted(table for step in steps for table in step.APPEND_ONLY) == sorted(APPEND_ONLY)
    assert sorted(table for step in steps for table in step.TABLES) == sorted(metadata.tables)


def test_the_programs_revision_is_the_newest_step() -> None:
    assert ScriptDirectory.from_config(migrate._config()).get_current_head() == migrate.HEAD


def test_the_migrations_can_be_taken_back(address: str) -> None:
    with Registry.open(address) as registry:
        with registry.engine.begin() as connection:
            config = migrate._config()
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
        assert sa.inspect(registry.engine).get_table_names() == ["alembic_version"]
    with Registry.open(address) as registry:
        assert registry.cases() == []


def test_what_was_kept_is_there_when_the_registry_is_opened_again(address: str, now: datetime) -> None:
    with Registry.open(address) as registry:
        registry.register_case("c", "/x", {}, now)
    with Registry.open(address) as registry:
        assert [record.case_id for record in registry.cases()] == ["c"]


def test_processes_that_open_a_new_registry_at_once_all_succeed(address: str) -> None:
    jobs = [(address, f"case-{number}") for number in range(3)]
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        places = list(pool.map(open_and_register, jobs))
    assert len(set(places)) == 1
    with Registry.open(address) as registry:
        assert [record.case_id for record in registry.cases()] == sorted(case_id for _, case_id in jobs)


def test_a_registry_of_a_newer_program_is_refused_in_one_sentence(address: str) -> None:
    with Registry.open(address) as registry, registry.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match=r"written by a newer m365dq \(revision 9999\).*upgrade m365dq") as caught:
        Registry.open(address)
    assert "\n" not in str(caught.value)


def test_a_registry_of_an_older_program_is_migrated(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Registry.open(address).close()
    monkeypatch.setattr(migrate, "HEAD", "9999")
    Registry.open(address).close()


def test_a_migration_that_is_interrupted_leaves_nothing_behind(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = migrate._run

    def interrupted(connection: sa.Connection) -> None:
        whole(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Registry.open(address)
    engine = create_engine(parse_url(address))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    with Registry.open(address) as registry:
        assert registry.cases() == []


def test_a_registry_file_is_the_owners_alone(tmp_path: Path, now: datetime) -> None:
    file = tmp_path / "deep" / "registry.sqlite3"
    with Registry.open(f"sqlite:///{file}") as registry:
        registry.register_case("c", "/x", {}, now)
        assert {path.name for path in file.parent.iterdir()} >= {file.name, f"{file.name}-wal"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_sqlite_registry_lets_readers_and_a_writer_work_side_by_side(tmp_path: Path) -> None:
    with Registry.open(f"sqlite:///{tmp_path / 'r'}") as registry, registry.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_addresses_use_psycopg_3(name: str) -> None:
    assert parse_url(f"{name}://u:p@host/db").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "cannot be read"),
        (f"mysql://u:{SECRET}@host/db", "names 'mysql', which cannot hold it"),
        ("sqlite://", "names 'sqlite'"),
        ("sqlite:///:memory:", "names 'sqlite'"),
    ],
)
def test_an_address_that_cannot_hold_a_registry_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        Registry.open(url)
    assert SECRET not in str(caught.value)


def test_a_server_that_does_not_answer_is_told_without_the_secrets_of_its_address() -> None:
    url = f"postgresql://someone:{SECRET}@127.0.0.1:1/db?sslpassword={SECRET}"
    with pytest.raises(InternalFault, match=r"Postgres database db on 127\.0\.0\.1:1\) refused the work") as caught:
        Registry.open(url)
    assert SECRET not in str(caught.value)
    assert "someone" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "registry.sqlite3"
    file.write_bytes(b"no database at all, just some text" * 100)
    with pytest.raises(InternalFault, match="file is not a database"):
        Registry.open(f"sqlite:///{file}")


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be opened"):
        Registry.open(f"sqlite:///{tmp_path / 'file' / 'registry.sqlite3'}")


def test_a_migration_that_another_process_holds_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_WAIT_SECONDS", 0)
    with (
        FileLock(tmp_path / "r.migrate.lock"),
        pytest.raises(InternalFault, match="Another process has been migrating the registry"),
    ):
        Registry.open(f"sqlite:///{tmp_path / 'r'}")


def test_a_percent_sign_in_the_path_of_the_program_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100%free"
    os.symlink(migrate.MIGRATIONS, folder)
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
    Registry.open(f"sqlite:///{tmp_path / 'r'}").close()


def test_an_engine_alone_makes_no_tables(tmp_path: Path) -> None:
    engine = create_engine(parse_url(f"sqlite:///{tmp_path / 'r'}"))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_registry_on_a_disk_without_room_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not empty by waiting; only another process that holds the file is waited for."""
    tried = []

    def full(*_: object) -> None:
        tried.append(1)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(migrate, "_run", lambda _: None)
    monkeypatch.setattr(sa.engine.Engine, "raw_connection", full)
    with pytest.raises(InternalFault, match=r"the disk is full\. The last published state is untouched"):
        Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    assert tried == [1]


class HeldOnce:
    """An engine whose file another process holds at the first try."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.tries = 0

    def raw_connection(self) -> sa.PoolProxiedConnection:
        self.tries += 1
        if self.tries == 1:
            raise sqlite3.OperationalError("database is locked")
        return self.engine.raw_connection()


def test_a_registry_that_another_process_holds_for_a_moment_is_tried_again(tmp_path: Path) -> None:
    engine = create_engine(parse_url(f"sqlite:///{tmp_path / 'registry.sqlite3'}"))
    held: Any = HeldOnce(engine)

    switch_to_wal(held)

    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert held.tries == 2
    engine.dispose()
