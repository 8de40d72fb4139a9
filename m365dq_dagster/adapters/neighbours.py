"""Reads from published generations what the witnesses beside an unknown value say. What it means is judged in
`core.maintenance`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb

from m365dq_dagster.adapters.case_store import open_reader
from m365dq_dagster.adapters.measure import run_named
from m365dq_dagster.adapters.sql import neighbours
from m365dq_dagster.core.maintenance import Beside

Wanted = Mapping[tuple[str, str], Collection[str]]
"""Values by log type and field."""

Found = dict[tuple[str, str, str], list[Beside]]
"""By log type, field and value, the commonest first."""


def beside(generation: Path, wanted: Wanted) -> Found:
    """What stands beside each value in one published generation; nothing where it cannot be read or lacks the table."""
    try:
        with open_reader(generation) as con:
            found: Found = {}
            for (log_type, field), values in sorted(wanted.items()):
                found |= _in_one_log(con, log_type, field, sorted(values))
            return found
    except (duckdb.Error, OSError):
        return {}


def _in_one_log(con: duckdb.DuckDBPyConnection, log_type: str, field: str, values: Sequence[str]) -> Found:
    columns = {name for (name,) in run_named(con, "columns_of", {"name": log_type})}
    if field not in columns:
        return {}
    found: Found = {}
    query = con.execute(neighbours.beside(log_type, field, columns), {"wanted": list(values)})
    for value, status, access, operation, rows in query.fetchall():
        found.setdefault((log_type, field, value), []).append(Beside(status, access, operation, rows))
    return found
