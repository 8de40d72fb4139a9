"""Builders of statements over tables whose names are known only when a case is read: the logs it holds beside those
that are judged. What has a fixed name stands in `document.sql`.
"""

from __future__ import annotations

from collections.abc import Sequence

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal


def reach_of(tables: Sequence[str]) -> str:
    """Name, rows, first and last event of tables of events, one row each; tables without rows are left out."""
    return " UNION ALL ".join(f"SELECT * FROM ({_reach(table)}) AS counted WHERE row_count > 0" for table in tables)


def _reach(table: str) -> str:
    return (
        f"SELECT {quote_literal(table)} AS log_type, count(*) AS row_count, min(event_time) AS first_event, "
        f"max(event_time) AS last_event FROM {quote_identifier(table)}"
    )
