"""A copy of the registry that may be written to and is thrown away, made without leaving a trace in the registry: no
file is touched, made or migrated, no row written. What is tried out on the copy is the business of the stages.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from m365dq_dagster.adapters.registry import migrate
from m365dq_dagster.adapters.registry.engine import create_engine, describe, parse_url, told_plainly
from m365dq_dagster.adapters.registry.store import Registry
from m365dq_dagster.core.errors import BadInput, InternalFault, M365dqError

ATTEMPTS = 20
BESIDE = ("-wal", "-journal")
"""What may hold a SQLite file's newest pages."""
ROWS_A_BATCH = 5000
BACKUP = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], uri=True, timeout=10)
copy = sqlite3.connect(sys.argv[2])
try:
    held.backup(copy)
except sqlite3.Error as error:
    sys.exit(str(error))
copy.close()
held.close()
"""
"""Copies a SQLite database in one read transaction."""


@contextmanager
def throwaway_copy(url: str) -> Iterator[Registry]:
    """The registry at an address as it stands now, in a file of a temporary folder, brought up to date there; an empty
    one where there is none yet. Errors are those of `Registry.open`.
    """
    source = parse_url(url)
    with TemporaryDirectory(prefix="m365dq-dry-") as folder:
        target = Path(folder) / "registry.sqlite3"
        with told_plainly(source):
            _copy(source, target)
        with _opened(source, target) as registry:
            yield registry


def _copy(source: URL, target: Path) -> None:
    if source.get_backend_name() == "sqlite":
        copy_sqlite(Path(str(source.database)), target)
    else:
        _copy_rows(source, target)


@contextmanager
def _opened(source: URL, target: Path) -> Iterator[Registry]:
    address = URL.create("sqlite", database=str(target))
    try:
        registry = Registry.open(str(address))
    except M365dqError as error:
        raise type(error)(str(error).replace(describe(address), describe(source))) from None
    with registry:
        yield registry


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file with all that was committed, while others may write to it. Nothing is done where it is
    missing.

    Where somebody has it open, its shared memory lies beside it and is read through the engine, which is held from
    writing to it. That is done by a process of its own: connections of one process share what they map, and reading
    the bare file would let go of the locks that this process may hold. Where nobody has it open, its bytes and those of
    its log are copied, again if it changed meanwhile.
    """
    for _ in range(ATTEMPTS):
        if not source.exists():
            return
        if _in_use(source):
            if _through_the_engine(source, target):
                return
        elif _bytes(source, target):
            return
    raise InternalFault(f"The registry (SQLite file {source}) changed all the time while it was read; try again.")


def _in_use(source: Path) -> bool:
    return source.with_name(f"{source.name}-shm").exists()


def _through_the_engine(source: Path, target: Path) -> bool:
    """False where the last of those who had it open has just left, and took the shared memory along."""
    address = f"file:{quote(str(source.absolute()))}?mode=ro&readonly_shm=1"
    done = subprocess.run([sys.executable, "-I", "-c", BACKUP, address, str(target)], capture_output=True, text=True)
    if done.returncode == 0:
        return True
    if _in_use(source):
        raise sqlite3.OperationalError(done.stderr.strip().rpartition("\n")[2] or "it cannot be read")
    return False


def _bytes(source: Path, target: Path) -> bool:
    """False where the file or its log changed, or somebody opened it, while it was copied."""
    before = _state(source)
    for ending in ("", *BESIDE):
        copy = target.with_name(target.name + ending)
        try:
            shutil.copyfile(source.with_name(source.name + ending), copy)
        except FileNotFoundError:
            copy.unlink(missing_ok=True)
    return _state(source) == before and not _in_use(source)


def _state(source: Path) -> list[tuple[int, int, int] | None]:
    return [_stat(source.with_name(source.name + ending)) for ending in ("", *BESIDE)]


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _copy_rows(source: URL, target: Path) -> None:
    """Every row of a Postgres registry, as of one moment, at the source's own revision."""
    there = create_engine(source)
    here = create_engine(URL.create("sqlite", database=str(target)))
    try:
        with there.connect() as plain:
            connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            revision = migrate.revision_of(connection)
            if revision is not None:
                _fill(connection, here, _known(revision, there))
    finally:
        here.dispose()
        there.dispose()


def _known(revision: str, there: Engine) -> str:
    if revision not in migrate.known_revisions():
        raise BadInput(migrate.newer(there.url, revision))
    return revision


def _fill(source: Connection, here: Engine, revision: str) -> None:
    migrate.upgrade_to(here, revision)
    tables, copies = sa.MetaData(), sa.MetaData()
    tables.reflect(source)
    copies.reflect(here)
    for kind in (column.type for copy in copies.tables.values() for column in copy.columns):
        if isinstance(kind, sa.JSON):
            kind.none_as_null = True
    with here.begin() as target:
        for copy in copies.sorted_tables:
            if copy.name == "alembic_version":
                continue
            found = source.execution_options(stream_results=True).execute(sa.select(tables.tables[copy.name]))
            for rows in found.mappings().partitions(ROWS_A_BATCH):
                target.execute(sa.insert(copy), [dict(row) for row in rows])
