"""Copies the evidence of a database that was handed over (a published generation, or tables that a notebook made) into
a database in memory, where it can be judged. The file is opened for reading only and is never changed.

What is judged of it is decided by the stages.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from m365dq_dagster.adapters import measure, sql
from m365dq_dagster.adapters.case_store import IN_MEMORY, create_schema
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.sql import borrowed as builder
from m365dq_dagster.adapters.sql import normalized
from m365dq_dagster.adapters.sql.borrowed import SOURCE, Columns
from m365dq_dagster.adapters.sql.landing import TargetColumn
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import LogType

JUDGED = (str(LogType.SIGN_IN), str(LogType.LEGACY), str(LogType.UAL))
"""The tables that a verdict looks at, in the order of their files where the database has no ledger."""

LEDGER = ("files", "file_formats", "quarantine", "duplicates", "completeness", "field_provenance")
"""What a generation remembers of its evidence beside the events."""


@dataclass(frozen=True)
class Borrowed:
    """A copy of what was handed over: the connection it stands in, and what is there.

    `columns` are the columns that each table of the file has, by name in lower case with their SQL type; `document`
    is the case document of a published generation, empty for other databases; `failures` are its failed checks.
    """

    con: duckdb.DuckDBPyConnection
    path: Path
    columns: Mapping[str, Columns]
    document: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Mapping[str, Any], ...] = ()


def database_of(path: Path) -> Path:
    """The DuckDB file that a path means: itself, or of a case's folder its published generation.

    Raises `BadInput` where there is none.
    """
    found = path.expanduser().absolute()
    if found.is_dir():
        pointer = found / "current"
        name = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        found = found / Path(name).name if name else found
    if not found.is_file():
        raise BadInput(f"{path} is no database and no folder of a published case; give the path of a DuckDB file.")
    return found


@contextmanager
def borrowed(path: Path, pack: RulePack) -> Iterator[Borrowed]:
    """The evidence of a database, copied into memory; the copy can reach no file, and the database is let go of.

    A connection of this process that holds the file open is no hindrance: then a copy of the file is read. Raises
    `BadInput` where the file is no database, another program is writing it, or a table of it cannot be read.
    """
    file = database_of(path)
    with duckdb.connect(":memory:", config=IN_MEMORY) as con:
        with _readable(file, "judged"):
            _attach(con, file)
            found = _copied(con, file, pack)
        yield found


def counted(path: Path, table: str, name: str) -> tuple[int, int, int, str | None, int]:
    """Rows, blanks, distinct values (blank is one), the commonest value and its rows, of any column of any table.

    Raises `BadInput` where the file has no such column.
    """
    file = database_of(path)
    with duckdb.connect(":memory:", config=IN_MEMORY) as con, _readable(file, "counted"):
        _attach(con, file)
        _asked_for(_columns(con), file, table, name)
        row = con.execute(builder.count_field(table, name)).fetchall()[0]
    return int(row[0]), int(row[1]), int(row[2]), row[3], int(row[4])


def write_normalized(path: Path, out: Path) -> int:
    """Write the normalized statuses of a published generation into a new database, as table
    `normalized_status_materialized` with an index on status and time; returns its rows.

    Raises `BadInput` where the file has no such view, and where `out` exists or cannot be made.
    """
    file, target = database_of(path), out.expanduser().absolute()
    if target.exists() or not target.parent.is_dir():
        raise BadInput(f"{out} cannot be made; give a file that does not exist yet, in a folder that does.")
    with duckdb.connect(":memory:", config=IN_MEMORY) as con, _readable(file, "written"):
        con.execute(sql.attach_new(str(target)))
        _attach(con, file)
        try:
            _asked_for(_columns(con), file, normalized.VIEW, "normalized_status")
            measure.run_named(con, "write_normalized", file="borrowed")
            rows = con.execute(f"SELECT count(*) FROM kept.main.{normalized.TABLE}").fetchall()[0][0]
        except BaseException:
            con.close()
            target.unlink(missing_ok=True)
            raise
    return int(rows)


@contextmanager
def _readable(file: Path, done: str) -> Iterator[None]:
    """What the engine cannot read of the file becomes one sentence."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:300].rstrip(".")
        raise BadInput(f"{file} cannot be read ({reason}); nothing was {done}.") from None


def _asked_for(columns: Mapping[str, Columns], file: Path, table: str, name: str) -> None:
    if table not in columns:
        raise BadInput(f"{file}: there is no table {table[:60]!r}; it holds {_listed(columns)}.")
    if name.lower() not in columns[table]:
        raise BadInput(f"{file}: table {table} has no column {name[:60]!r}; it has {_listed(columns[table])}.")


def _listed(names: Mapping[str, object], most: int = 60) -> str:
    return ", ".join(sorted(names)[:most]) or "none"


def _attach(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    try:
        con.execute(sql.attach_published(str(file)))
    except duckdb.Error as error:
        if "already attached" not in str(error):
            raise
        _attach_copy(con, file)
    # A view of a database from elsewhere must not reach other files.
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _attach_copy(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """The engine opens a file once in a process, so a notebook that holds it open is read from a copy; on the disk, an
    open file lives on without its name."""
    with tempfile.TemporaryDirectory(prefix="m365dq-") as folder:
        for part in (file, file.with_name(f"{file.name}.wal")):
            if part.is_file():
                shutil.copyfile(part, Path(folder) / part.name)
        con.execute(sql.attach_published(str(Path(folder) / file.name)))


def _columns(con: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    return {table: dict(columns) for table, columns in measure.run_named(con, "columns", file="borrowed")}


def _copied(con: duckdb.DuckDBPyConnection, file: Path, pack: RulePack) -> Borrowed:
    create_schema(con)
    measure.load_pack_tables(con, pack)
    con.execute(sql.named_statements("intake")["macros"])
    columns = _columns(con)
    for table in (*JUDGED, *LEDGER):
        if table in columns:
            _copy(con, file, table, columns[table])
    for table in sorted(set(columns) - {*JUDGED}):
        if "event_time_raw" in columns[table] and "row_no" in columns[table]:
            con.execute(builder.copy_whole(table))
    document, failures = _kept(con, columns)
    con.execute(f"DETACH {SOURCE}")
    return Borrowed(con, file, columns, document, failures)


def _copy(con: duckdb.DuckDBPyConnection, file: Path, table: str, given: Columns) -> None:
    target = _target(con, table)
    if "file_id" in given and (table not in JUDGED or "row_no" in given):
        con.execute(builder.copy_as_it_is(table, target, given))
    elif table in JUDGED:
        file_id = JUDGED.index(table) + 1
        con.execute(builder.copy_cleaned(table, target, given, file_id))
        rows = con.execute(f"SELECT count(*) FROM {sql.quote_identifier(table)}").fetchall()[0][0]
        about = {"path": f"{file.name}:{table}", "bytes": file.stat().st_size, "log_type": table, "rows": rows}
        measure.run_named(con, "add_file", {"file_id": file_id, **about}, file="borrowed")


def _target(con: duckdb.DuckDBPyConnection, table: str) -> list[TargetColumn]:
    rows = con.execute(f"DESCRIBE {sql.quote_identifier(table)}").fetchall()
    return [TargetColumn(str(row[0]), str(row[1])) for row in rows]


def _kept(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, Columns]
) -> tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    """The document of a generation and the checks that failed in it, where it has them."""
    if "case_document" not in columns:
        return {}, ()
    texts = measure.run_named(con, "kept_document", file="borrowed")
    failed = measure.run_named(con, "kept_failures", file="borrowed") if "failed_checks" in columns else []
    return (json.loads(texts[0][0]) if texts else {}), tuple(json.loads(body) for (body,) in failed)


def by_access(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of the sign-in log by Conditional Access as read, the commonest first; '' where it is blank."""
    return {str(value): int(k) for value, k in measure.run_named(con, "by_access", file="borrowed")}


def by_operation(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Rows of the audit log by operation and result status as read, the commonest first; '' where one is blank."""
    rows = measure.run_named(con, "by_operation", file="borrowed")
    return {(str(operation), str(result)): int(k) for operation, result, k in rows}
