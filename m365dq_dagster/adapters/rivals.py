"""Shows the rivals of the scoreboard the rows of a case that was taken in. What they make of them is `core.rivals`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from m365dq_dagster.adapters import measure
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.rivals import ACCESS, STATUS_FIELDS, Column, Export, Reading

SIGN_IN_FIELDS = (*STATUS_FIELDS, ACCESS)
TEXTS = (*SIGN_IN_FIELDS, "result_status", "error_number", "operation")
"""The outcome fields in the order in which `readings` gives their texts."""
SOURCE = "source:"


def readings(con: duckdb.DuckDBPyConnection) -> list[Reading]:
    """The rows that tell of sign-ins, those that say the same together."""
    found = []
    for file_id, log_type, *texts, account, country, rows in measure.run_named(con, "readings", file="rivals"):
        said = dict(zip(TEXTS, texts, strict=True))
        found.append(Reading(int(file_id), LogType(log_type), said, account, country, int(rows)))
    return found


def exports(con: duckdb.DuckDBPyConnection) -> list[Export]:
    """The files with their columns in order, and the column each outcome field was read from."""
    return [
        Export(int(file_id), LogType(log_type), _header(header), _sources(sources))
        for file_id, log_type, header, sources in measure.run_named(con, "exports", file="rivals")
    ]


def _header(text: str | None) -> Sequence[str]:
    return [str(name) for name in json.loads(text)] if text else ()


def _sources(found: Mapping[str, str]) -> dict[str, str]:
    """The first column of each field that was copied from one."""
    copied = {field: origin.removeprefix(SOURCE) for field, origin in found.items() if origin.startswith(SOURCE)}
    return {field: column.split(", ")[0] for field, column in copied.items()}


def columns(con: duckdb.DuckDBPyConnection, profiles: Iterable[Mapping[str, Any]]) -> list[Column]:
    """The outcome fields of the sign-in log as they were counted, with the consistency of the fields' `profiles`."""
    if not measure.has_table(con, "column_counts"):
        return []
    consistent = {str(row["field"]): row["consistency"] for row in profiles if row["log_type"] == LogType.SIGN_IN}
    counts = measure.column_counts(con)
    asked = [(name, counts[key]) for name in SIGN_IN_FIELDS if (key := (str(LogType.SIGN_IN), name)) in counts]
    return [
        Column(name, one.applicable, one.present + one.type_names, one.distinct, one.top_rows, _whole(consistent[name]))
        for name, one in asked
    ]


def _whole(consistency: float | None) -> float:
    """A field of which nothing could be checked is not found inconsistent."""
    return 1.0 if consistency is None else consistency
