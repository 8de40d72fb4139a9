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
    where = f"WHERE {APPLICABLE[only]}" if only else ""
    valid = "length(value) = 2" if two_letters else "value IS NOT NULL"
    count = _count_with_raw if raw else _count_alone
    return count(table, field, where, valid)


def _count_alone(table: str, field: str, where: str, valid: str) -> str:
    """Groups are the values themselves, so that an identifier with a value a row costs one grouping and no sorting."""
    return f"""
        INSERT INTO column_counts
        WITH grouped AS (
            SELECT CAST(native AS VARCHAR) AS value, k
            FROM (
                SELECT {quote_identifier(field)} AS native, count(*) AS k
                FROM {quote_identifier(table)} {where} GROUP BY {quote_identifier(field)}
            ) AS counted
        )
        SELECT
            {quote_literal(table)}, {quote_literal(field)}, coalesce(sum(g.k), 0),
            coalesce(sum(CASE WHEN value IS NOT NULL THEN g.k END), 0), 0,
            count(value) + coalesce(
                max(CASE WHEN value IS NULL THEN 1 ELSE 0 END) * (1 - max(CASE WHEN value = '' THEN 1 ELSE 0 END)), 0
            ),
            min(CASE WHEN g.k = most.k THEN value END), min(CASE WHEN g.k = most.k THEN value END),
            coalesce(max(g.k), 0), coalesce(sum(CASE WHEN g.k > 1 THEN g.k * ln(g.k) ELSE 0 END), 0),
            coalesce(sum(CASE WHEN {valid} THEN g.k END), 0)
        FROM grouped AS g
        CROSS JOIN (SELECT max(k) AS k FROM grouped) AS most
    """


def _count_with_raw(table: str, field: str, where: str, valid: str) -> str:
    """Groups are values with the texts they were read from."""
    value, as_read = f"CAST({quote_identifier(field)} AS VARCHAR)", quote_identifier(field + "_raw")
    return f"""
        INSERT INTO column_counts
        SELECT
            {quote_literal(table)}, {quote_literal(field)}, coalesce(sum(k), 0),
            coalesce(sum(k) FILTER (WHERE value IS NOT NULL), 0),
            coalesce(sum(k) FILTER (WHERE {TYPE_NAME}), 0),
            count(DISTINCT coalesce(raw, '')),
            first(value ORDER BY k DESC, raw, value), first(raw ORDER BY k DESC, raw), coalesce(max(k), 0),
            coalesce(sum(k * ln(k)), 0), coalesce(sum(k) FILTER (WHERE {valid}), 0)
        FROM (
            SELECT value, trim(raw) AS raw, sum(k) AS k
            FROM (
                SELECT {value} AS value, {as_read} AS raw, count(*) AS k
                FROM {quote_identifier(table)} {where} GROUP BY 1, 2
            ) AS as_read
            GROUP BY 1, 2
        ) AS grouped
    """
