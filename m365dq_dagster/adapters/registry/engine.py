"""Reaching the registry's database: addresses, engines, transactions. What is kept there is in the modules beside this
one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from m365dq_dagster.adapters.storage_faults import reason_of
from m365dq_dagster.core.errors import BadInput, InternalFault

BUSY_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_SECONDS = 10
POSTGRES_NAMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
SQLITE_NAMES = frozenset({"sqlite", "sqlite+pysqlite"})


def parse_url(text: str) -> URL:
    """The address with its driver: SQLite, or Postgres through psycopg 3. Raises `BadInput` for any other."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise BadInput(
            "The registry's address cannot be read; set M365DQ_REGISTRY_URL to sqlite:////path/file or "
            "postgresql://user:password@host/database."
        ) from None
    if url.drivername in POSTGRES_NAMES:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in SQLITE_NAMES and url.database and url.database != ":memory:":
        return url
    raise BadInput(
        f"The registry's address names {url.drivername.partition('+')[0]!r}, which cannot hold it; "
        "set M365DQ_REGISTRY_URL to a SQLite file (sqlite:////path/file) or a Postgres database (postgresql://...)."
    )


def describe(url: URL) -> str:
    """Where the registry is, without user, password or options: fit for messages."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"Postgres database {url.database or ''} on {url.host or 'the local socket'}{port}"


def create_engine(url: URL) -> Engine:
    """An engine for the address; a SQLite file is made with mode 0600, its folder 0700."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )


def _sqlite_engine(url: URL) -> Engine:
    _make_private(Path(str(url.database)))
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(file: Path) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise BadInput(
            f"The registry file {file} cannot be opened ({error.strerror}); "
            "set M365DQ_HOME or M365DQ_REGISTRY_URL to a place you may write."
        ) from None


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Every connection: our own BEGIN, foreign keys, patience with other writers."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS:d}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that will write takes its lock at once: a read lock cannot be raised while another writes."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_busy(error: BaseException) -> bool:
    """Another process holds the file; a disk that is full or read-only will not change by waiting."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


@retry(
    retry=retry_if_exception(_is_busy),
    stop=stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    wait=wait_random_exponential(multiplier=0.02, max=0.5),
    reraise=True,
)
def switch_to_wal(engine: Engine) -> None:
    """Put a SQLite file into WAL mode, so that readers and a writer do not wait for each other.

    The switch needs the file alone and does not heed the busy timeout, hence the retries.
    """
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, with faults told in one sentence."""
    with told_plainly(engine.url), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all of it is kept, or none."""
    with told_plainly(engine.url), engine.execution_options(writes=True).begin() as connection:
        yield connection


@contextmanager
def told_plainly(url: URL) -> Iterator[None]:
    """Turn the database's faults into one sentence without addresses' secrets or bound values."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise InternalFault(
            f"The registry ({describe(url)}) refused the work: {_cause(error)}. The last published state is untouched; "
            "check that the registry is reachable, writable and not full, then run again."
        ) from None


def _cause(error: Exception) -> str:
    """What SQLite says, and where it is the machine's fault what that means; of other drivers only the kind of fault,
    as they may quote addresses and values.
    """
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return reason_of(original) or str(original)[:200]
    return type(original).__name__
