"""An engine in memory for a handful of rows, which are read sooner than a better plan for them is found.

Statements are planned as they are written and by one thread; what they say does not hang on it. With its whole planner
the engine works wherever a test runs a folder of evidence.
"""

from __future__ import annotations

from functools import cache

import duckdb

from m365dq_dagster.adapters.case_store import IN_MEMORY, create_schema


@cache
def _steps() -> str:
    """The names of all that the planner does to improve a plan."""
    with duckdb.connect() as con:
        return ",".join(name for (name,) in con.execute("SELECT name FROM duckdb_optimizers()").fetchall())


def tiny_engine() -> duckdb.DuckDBPyConnection:
    """A generation in memory with its tables made; the caller closes it, or forgets it."""
    con = duckdb.connect(":memory:", config={**IN_MEMORY, "threads": 1})
    create_schema(con)
    con.execute(f"SET disabled_optimizers = '{_steps()}'")
    return con
