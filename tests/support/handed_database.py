"""DuckDB files as a notebook or a test makes them: tables of our names, with the columns their maker thought of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from m365dq_dagster.adapters.case_store import create_schema
from m365dq_dagster.adapters.sql import quote_identifier
from tests.support.evidence import Row, load

KINDS = {int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


def write_tables(path: Path, **tables: Sequence[Mapping[str, Any]]) -> str:
    """A database of these tables; the first row of each names its columns."""
    with duckdb.connect(str(path)) as con:
        for name, rows in tables.items():
            _write(con, name, rows)
    return str(path)


def _write(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(rows[0])
    kinds = {column: _kind([row.get(column) for row in rows]) for column in columns}
    listed = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in kinds.items())
    con.execute(f"CREATE TABLE {quote_identifier(table)} ({listed})")
    picks = ", ".join(f"unnest(CAST(${n} AS {kind}[]))" for n, kind in enumerate(kinds.values(), 1))
    con.execute(
        f"INSERT INTO {quote_identifier(table)} SELECT {picks}",
        [[row.get(column) for row in rows] for column in columns],
    )


def _kind(values: Sequence[Any]) -> str:
    known = next((value for value in values if value is not None), "")
    if hasattr(known, "tzinfo"):
        return "TIMESTAMP" if known.tzinfo is None else "TIMESTAMPTZ"
    return KINDS.get(type(known), "VARCHAR")


def write_rows(path: Path, rows: Sequence[Row]) -> str:
    """A database with all canonical tables, filled with these rows; not judged."""
    with duckdb.connect(str(path)) as con:
        create_schema(con)
        load(con, rows)
    return str(path)
