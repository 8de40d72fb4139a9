"""Where the named statements run: one small interface, behind it this machine or a Spark Connect server.

The statements themselves are `adapters.sql`; what is asked of which table, and in which order, is said by the adapters
that hand the statements over. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import duckdb

Rows = list[tuple[Any, ...]]


class Engine(Protocol):
    """Runs statements that are written in DuckDB's SQL over tables of one case, and hands back plain Python values."""

    def run(self, text: str, values: Mapping[str, object] | None = None) -> Rows:
        """Run the statements of a text in order, `$name` bound to its value; returns the rows of the last one."""
        ...

    def fill(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Add a few thousand rows to a table that a statement made with its columns named."""
        ...

    def keep(self, table: str, bodies: Sequence[str]) -> None:
        """Keep a few texts in their order under a name, in place of earlier ones."""
        ...

    def kept(self, table: str) -> list[str]:
        """The texts that were kept under a name; none where none were."""
        ...

    def register(self, tables: Mapping[str, Path], *, changed: Collection[str] = ()) -> None:
        """Let these Parquet files be read as tables of these names. Rows of those that are `changed` are few, and a
        statement may change them; the files never change.
        """
        ...

    def tables(self) -> Mapping[str, frozenset[str]]:
        """The tables that stand here, each with its columns."""
        ...

    def has(self, table: str) -> bool:
        """Whether a table or view of that name stands here."""
        ...

    def holds(self, table: str) -> bool:
        """Whether a table that stands here holds a row. Yes where asking costs more than what is spared by knowing."""
        ...

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table; empty where there is none of that name."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Write many small statements at once: all of them count, or none where one fails."""
        ...

    def close(self) -> None:
        """Give back what the engine held; working tables are gone afterwards."""
        ...


Evidence = duckdb.DuckDBPyConnection | Engine
"""The tables of a case: a connection to its generation on this machine, or the engine that reads them elsewhere."""


def engine_of(evidence: Evidence) -> Engine:
    """The engine to ask; a connection is its own machine's."""
    from m365dq_dagster.adapters.engine.in_process import InProcess

    return InProcess(evidence) if isinstance(evidence, duckdb.DuckDBPyConnection) else evidence
