"""Builds the counting of profiled columns. The statements that need no building stand in the `.sql` files beside
this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from m365dq_dagster.adapters.sql import quote_identifier, quote_literal

TYPE_NAME = (
    "value IS NULL AND (starts_with(raw, 'Microsoft.') OR starts_with(raw, 'System.') OR starts_with(raw, '@{') "
    "OR raw = '[object Object]')"
)
"""A text as read that names a type where a nested object should stand."""


APPLICABLE = {"logons": "is_logon", "mail access": "operation = 'MailItemsAccessed'"}
"""The rows on which some fields alone can exist, by a word for them."""


@dataclass(frozen=True)
class Counted:
    """A column that is counted: `raw` says that the text as read is kept beside the value; `only` narrows it to rows of
    a kind (see `APPLICABLE`); `two_letters` asks for country codes.
    """

    field: str
    raw: bool = False
    only: str | None = None
    two_letters: bool = False

    @property
    def where(self) -> str:
        """The rows that are counted."""
        return f"WHERE {APPLICABLE[self.only]}" if self.only else ""


def count_columns(table: str, columns: Sequence[Counted]) -> Iterator[str]:
    """Count columns exactly into `column_counts`: those without a text as read by one statement, since many small ones
    cost more than the counting; the others by one each.

    Blank is a value of its own, blanks around a value are none. Of equally common values the first in order is the top
    one, so the order of rows never shows.
    """
    alone = [column for column in columns if not column.raw]
    if alone:
        yield _count_alone(table, alone)
    for column in columns:
        if column.raw:
            yield _count_with_raw(table, column)


def _count_alone(table: str, columns: Sequence[Counted]) -> str:
    """Groups are the values themselves, so that an identifier with a value a row costs one grouping and no sorting."""
    named = ", ".join(
        f"({place}, {quote_literal(one.field)}, {str(one.two_letters).upper()})" for place, one in enumerate(columns)
    )
    return f"""
        INSERT INTO column_counts
        WITH grouped AS ({" UNION ALL ".join(_grouped(table, place, one) for place, one in enumerate(columns))}),
        most AS (SELECT place, max(k) AS k FROM grouped GROUP BY place)
        SELECT
            {quote_literal(table)}, n.field, coalesce(sum(g.k), 0),
            coalesce(sum(CASE WHEN g.value IS NOT NULL THEN g.k END), 0), 0,
            count(g.value) + coalesce(
                max(CASE WHEN g.k IS NOT NULL AND g.value IS NULL THEN 1 ELSE 0 END)
                * (1 - max(CASE WHEN g.value = '' THEN 1 ELSE 0 END)), 0
            ),
            min(CASE WHEN g.k = m.k THEN g.value END), min(CASE WHEN g.k = m.k THEN g.value END),
            coalesce(max(g.k), 0), coalesce(sum(CASE WHEN g.k > 1 THEN g.k * ln(g.k) ELSE 0 END), 0),
            coalesce(sum(CASE WHEN g.value IS NOT NULL AND (NOT n.two_letters OR length(g.value) = 2) THEN g.k END), 0)
        FROM (VALUES {named}) AS n (place, field, two_letters)
        LEFT JOIN grouped AS g ON g.place = n.place
        LEFT JOIN most AS m ON m.place = n.place
        GROUP BY n.place, n.field
    """


def _grouped(table: str, place: int, column: Counted) -> str:
    name = quote_identifier(column.field)
    return (
        f"SELECT {place} AS place, CAST(native AS VARCHAR) AS value, k FROM ("
        f"SELECT {name} AS native, count(*) AS k FROM {quote_identifier(table)} {column.where} GROUP BY {name}"
        f") AS c{place}"
    )


def _count_with_raw(table: str, column: Counted) -> str:
    """Groups are values with the texts they were read from."""
    field, where = column.field, column.where
    value, as_read = f"CAST({quote_identifier(field)} AS VARCHAR)", quote_identifier(field + "_raw")
    valid = "length(value) = 2" if column.two_letters else "value IS NOT NULL"
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
