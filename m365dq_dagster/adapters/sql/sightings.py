"""Builds the counting of one field that is looked up. The statements that need no building stand in `sightings.sql`."""

from __future__ import annotations

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal


def count_values(table: str, field: str, how: str, *, apart: str = "") -> str:
    """Count every value of one column by file into `read_values`; spellings are compared as `how` says.

    Rows where the column `apart` is true are left out: they are read elsewhere.
    """
    column, name = quote_identifier(field), quote_literal(field)
    where = f"AND NOT {quote_identifier(apart)}" if apart else ""
    return f"""
        INSERT INTO read_values
        SELECT
            {quote_literal(table)}, {name}, {name}, {quote_literal(how)}, file_id, CAST({column} AS VARCHAR), count(*),
            min(event_time), max(event_time), NULL, FALSE
        FROM {quote_identifier(table)}
        WHERE {column} IS NOT NULL {where}
        GROUP BY file_id, {column}
    """
