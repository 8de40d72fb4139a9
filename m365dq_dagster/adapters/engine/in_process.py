"""The engine of this machine: a DuckDB connection. It runs every statement as it is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from m365dq_dagster.adapters import sql
from m365dq_dagster.adapters.engine import Rows

MANY = 500
HANDED_OVER = "handed_over"


@dataclass(frozen=True)
class InProcess:
    """A connection as engine. Closing it closes the connection."""

    con: duckdb.DuckDBPyConnection

    def run(self, text: str, values: Mapping[str, object] | None = None) -> Rows:
        """Run a text; values are bound by the connection itself."""
        if values is None:
            return self.con.execute(text).fetchall()
        return self.con.execute(text, dict(values)).fetchall()

    def fill(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert a few thousand rows in one statement; lists are bound, so values are never pasted. Many are handed
        over as a table, which takes half the time.
        """
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]
        if len(rows) < MANY:
            self.con.execute(sql.insert_lists(table, len(columns)), columns)
            return
        import pyarrow as pa  # a run that finds nothing changed has no need of it

        self.con.register(HANDED_OVER, pa.table(columns, names=[str(place) for place in range(len(columns))]))
        try:
            self.con.execute(sql.insert_all(table, HANDED_OVER))
        finally:
            self.con.unregister(HANDED_OVER)

    def keep(self, table: str, bodies: Sequence[str]) -> None:
        """A table of one text a row."""
        self.con.execute(sql.keep_bodies(table), [list(range(len(bodies))), list(bodies)])

    def kept(self, table: str) -> list[str]:
        """Asks for the table at once; that is cheaper than to ask before whether it is there."""
        try:
            return [body for (body,) in self.con.execute(sql.kept_bodies(table)).fetchall()]
        except duckdb.CatalogException:
            return []

    def register(self, tables: Mapping[str, Path], *, changed: Collection[str] = ()) -> None:
        """Read Parquet files where they are; copied are those alone whose rows change."""
        for name, path in tables.items():
            self.con.execute(sql.parquet_table(name, str(path), copied=name in changed))

    def tables(self) -> Mapping[str, frozenset[str]]:
        """The tables and views of the connection's own database."""
        found: dict[str, set[str]] = {}
        for table, column in self.run(sql.named_statements("judge")["columns_of_tables"]):
            found.setdefault(table, set()).add(column)
        return {table: frozenset(columns) for table, columns in found.items()}

    def has(self, table: str) -> bool:
        """Whether the connection sees it."""
        return bool(self.run(sql.named_statements("judge")["has_table"], {"name": table})[0][0])

    def holds(self, table: str) -> bool:
        """Asks for one row."""
        return bool(self.run(sql.any_row(table)))

    def columns(self, table: str) -> frozenset[str]:
        """Asks the catalog for this one table."""
        rows = self.run(sql.named_statements("judge")["columns_of"], {"name": table})
        return frozenset(column for (column,) in rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction: each statement by itself would wait for the disk."""
        self.con.begin()
        try:
            yield
        except BaseException:
            self.con.rollback()
            raise
        self.con.commit()

    def close(self) -> None:
        """Close the connection."""
        self.con.close()
