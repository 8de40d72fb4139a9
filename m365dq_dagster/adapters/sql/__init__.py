"""Every SQL statement of the product, in `.sql` files beside this one or in builders. Values are bound, never
pasted; names that come from evidence pass through `quote_identifier`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


def quote_identifier(name: str) -> str:
    """A column or table name as SQL, whatever characters it holds. NUL cannot be part of a name and becomes U+FFFD."""
    return '"' + name.replace("\x00", "\ufffd").replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as SQL literal, for the few places where the engine takes no bound value (paths in table functions,
    DDL).
    """
    return "'" + text.replace("\x00", "\ufffd").replace("'", "''") + "'"


def attach_published(path: str) -> str:
    """Attach the published generation of a case, to read from."""
    return f"ATTACH {quote_literal(path)} AS published (READ_ONLY)"


def attach_new(path: str) -> str:
    """Attach a database that is to be made, to write to."""
    return f"ATTACH {quote_literal(path)} AS kept"


def insert_lists(table: str, columns: int) -> str:
    """Add rows to a table from lists of equal length, one a column."""
    picks = ", ".join(f"unnest(${place})" for place in range(1, columns + 1))
    return f"INSERT INTO {quote_identifier(table)} SELECT {picks}"


def insert_all(table: str, rows: str) -> str:
    """Add all rows of one table to another with as many columns."""
    return f"INSERT INTO {quote_identifier(table)} SELECT * FROM {quote_identifier(rows)}"


def any_row(table: str) -> str:
    """One row where a table holds any."""
    return f"SELECT 1 FROM {quote_identifier(table)} LIMIT 1"


def without_joins(text: str, empty: Iterable[str]) -> str:
    """A statement without its LEFT JOINs with tables that are empty, whose columns are NULL in every row: planning them
    costs as much as planning those that find something.
    """
    for table in empty:
        for join, alias in re.findall(rf"^(LEFT JOIN {table} AS (\w+)\b.*(?:\n +.*)*\n?)", text, re.MULTILINE):
            text = re.sub(rf"\b{alias}\.\w+", "NULL", text.replace(join, ""))
    return text


def parquet_table(table: str, path: str, *, copied: bool) -> str:
    """A Parquet file under a table's name: read in place, or its rows copied."""
    kind = "TABLE" if copied else "VIEW"
    return f"CREATE OR REPLACE {kind} {quote_identifier(table)} AS SELECT * FROM read_parquet({quote_literal(path)})"


def keep_rows(table: str) -> str:
    """Copy the rows of a file from the published generation: `$old_id` there, `$new_id` here."""
    name = quote_identifier(table)
    return (
        f"INSERT INTO {name} BY NAME SELECT * REPLACE ($new_id AS file_id) FROM published.{name}"
        " WHERE file_id = $old_id"
    )


def create_like_published(table: str) -> str:
    """Make a table of the published generation here too, empty, where there is none."""
    name = quote_identifier(table)
    return f"CREATE TABLE IF NOT EXISTS {name} AS FROM published.{name} WITH NO DATA"


def add_column(table: str, name: str, kind: str) -> str:
    """Give a table a column of this SQL type, where it has none of that name."""
    return f"ALTER TABLE {quote_identifier(table)} ADD COLUMN IF NOT EXISTS {quote_identifier(name)} {kind}"


def keep_bodies(table: str) -> str:
    """Make `<table>(position, body)` of two lists of equal length, in place of an earlier one."""
    return (
        f"CREATE OR REPLACE TABLE {quote_identifier(table)} AS"
        " SELECT CAST(unnest($1) AS INTEGER) AS position, CAST(unnest($2) AS VARCHAR) AS body"
    )


def kept_bodies(table: str) -> str:
    """The bodies of `keep_bodies` in their order."""
    return f"SELECT body FROM {quote_identifier(table)} ORDER BY position"


@cache
def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")


@cache
def named_statements(name: str) -> dict[str, str]:
    """The statements of `<name>.sql`, each opened by a line `-- name: <word>`."""
    found: dict[str, str] = {}
    for block in statement(name).split("-- name:")[1:]:
        title, _, body = block.partition("\n")
        found[title.strip()] = body.strip().rstrip(";")
    return found
