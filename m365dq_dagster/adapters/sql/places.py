"""Builders of statements on addresses over tables whose names are known only when a case is read. What has a fixed name
stands in `places.sql`.
"""

from __future__ import annotations

from collections.abc import Sequence

from m365dq_dagster.adapters.sql import quote_identifier


def distinct_addresses(tables: Sequence[str]) -> str:
    """Every address of these tables of events once."""
    return " UNION ".join(f"SELECT address FROM {quote_identifier(name)} WHERE address IS NOT NULL" for name in tables)
