"""The canonical tables of a published generation as Parquet, for an engine that reads files: where they stand beside
the generations, and how they are written. What stands in the tables is the business of intake.

    cases/<case>/canonical/<made from>/<table>.parquet
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import measure, sql
from m365dq_dagster.adapters.storage_faults import told

if TYPE_CHECKING:
    import duckdb

FOLDER = "canonical"
LEDGER = ("files", "file_formats", "field_provenance")
"""What is told of the files that the rows come from."""

JUDGED = tuple(sorted(str(one) for one in measure.JUDGED_LOGS))
ROW_GROUP = 200_000
"""Rows that one task of a cluster reads at a time."""


def parquet_of(con: duckdb.DuckDBPyConnection, case_dir: Path) -> dict[str, Path]:
    """The Parquet files of a published generation by table, written where they are missing; those of evidence that was
    taken in otherwise go. Raises `StorageFault` where they cannot be written.
    """
    folder = case_dir / FOLDER / made_from(con)
    if not folder.is_dir():
        with told(f"Case {case_dir.name}"):
            _write(con, folder)
    return {path.stem: path for path in sorted(folder.glob("*.parquet"))}


def made_from(con: duckdb.DuckDBPyConnection) -> str:
    """What a generation's evidence was taken in from (files, context, rule pack), as a name."""
    found = [stamp for stamp in measure.stamps(con) if stamp[0] == LEDGER[0]]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def _write(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """All tables into a folder that gets its name once it is whole."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    try:
        partial.mkdir(mode=0o700, parents=True)
        filled = {str(name) for name, rows, *_ in measure.other_logs(con, JUDGED) if rows}
        for table in (*JUDGED, *LEDGER, *sorted(filled)):
            _write_table(con, table, partial / f"{table}.parquet")
        with suppress(FileExistsError):  # another process was quicker, with the same rows
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and other.suffix != ".new":  # one that was left unfinished, the next run sweeps away
            shutil.rmtree(other, ignore_errors=True)


def _write_table(con: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    import pyarrow.parquet as pq

    reader: Any = con.sql(f"SELECT * FROM {sql.quote_identifier(table)}").to_arrow_reader(ROW_GROUP)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch, row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())
