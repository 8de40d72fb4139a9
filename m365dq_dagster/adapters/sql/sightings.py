"""Builds the counting of fields that are looked up. The statements that need no building stand in `sightings.sql`."""

from __future__ import annotations

from collections.abc import Sequence

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal


def count_values(columns: Sequence[tuple[str, str, str, str]]) -> str:
    """Count every value of some columns by file into `read_values`, by one statement.

    A column is told by its table, its name, how its spellings are compared, and a column where rows that are true are
    left out because they are read elsewhere (or '').
    """
    return f"INSERT INTO read_values {' UNION ALL '.join(_counted(*column) for column in columns)}"


def _counted(table: str, field: str, how: str, apart: str) -> str:
    column, name = quote_identifier(field), quote_literal(field)
    where = f"AND NOT {quote_identifier(apart)}" if apart else ""
    return f"""
        SELECT
            {quote_literal(table)}, {name}, {name}, {quote_literal(how)}, file_id, CAST({column} AS VARCHAR), count(*),
            min(event_time), max(event_time), NULL, FALSE
        FROM {quote_identifier(table)}
        WHERE {column} IS NOT NULL {where}
        GROUP BY file_id, {column}
    """
