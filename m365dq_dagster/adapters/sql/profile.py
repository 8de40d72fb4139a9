"""Builds the counting of one profiled column. The statements that need no building stand in the `.sql` files beside
this one.
"""

from __future__ import annotations

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal

TYPE_NAME = (
    "value IS NULL AND (starts_with(raw, 'Microsoft.') OR starts_with(raw, 'System.') OR starts_with(raw, '@{') "
    "OR raw = '[object Object]')"
)
"""A text as read that names a type where a nested object should stand."""


APPLICABLE = {"logons": "is_logon", "mail access": "operation = 'MailItemsAccessed'"}
"""The rows on which some fields alone can exist, by a word for them."""


def count_column(table: str, field: str, *, raw: bool, only: str | None, two_letters: bool) -> str:
    """Count one column exactly into `column_counts`; blank is a value of its own, blanks around a value are none.

    Of equally common values the first in order is the top one, so the order of rows never shows. `raw` says that the
    text as read is kept beside the value; `only` narrows it to rows of a kind (see `APPLICABLE`); `two_letters` asks
    for country codes.
    """
    value = f"CAST({quote_identifier(field)} AS VARCHAR)"
    as_read = quote_identifier(field + "_raw") if raw else value
    where = f"WHERE {APPLICABLE[only]}" if only else ""
    valid = "length(value) = 2" if two_letters else "value IS NOT NULL"
    grouped = (
        f"SELECT {value} AS value, {as_read} AS raw, count(*) AS k FROM {quote_identifier(table)} {where} GROUP BY 1, 2"
    )
    if raw:
        grouped = f"SELECT value, trim(raw) AS raw, sum(k) AS k FROM ({grouped}) AS as_read GROUP BY 1, 2"
    return f"""
        INSERT INTO column_counts
        SELECT
            {quote_literal(table)}, {quote_literal(field)}, coalesce(sum(k), 0),
            coalesce(sum(k) FILTER (WHERE value IS NOT NULL), 0),
            coalesce(sum(k) FILTER (WHERE {TYPE_NAME}), 0),
            count(DISTINCT coalesce(raw, '')),
            first(value ORDER BY k DESC, raw), first(raw ORDER BY k DESC, raw), coalesce(max(k), 0),
            coalesce(sum(k * ln(k)), 0), coalesce(sum(k) FILTER (WHERE {valid}), 0)
        FROM ({grouped}) AS grouped
    """
