"""Both engines over the same Parquet: this machine and a Spark Connect server, asked the same and compared row by row.

Which server is a matter of its address alone: Sail in this process, or an Apache Spark with workers of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from m365dq_dagster.adapters import canonical, sql
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, create_schema
from m365dq_dagster.adapters.engine import Engine, Rows
from m365dq_dagster.adapters.engine.in_process import InProcess
from m365dq_dagster.adapters.engine.spark_connect import SparkConnect
from tests.support.evidence import Row, load

T = TypeVar("T")
NAMES = {
    text: (file, name) for file in ("judge", "places", "accounts") for name, text in sql.named_statements(file).items()
}
"""The named statements by their text."""


@contextmanager
def sail() -> Iterator[str]:
    """The address of a Sail server on loopback, in this process."""
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    yield f"sc://{host}:{port}"
    server.stop()


def parquet_of_rows(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    """The canonical tables with these rows, written as any case's are."""
    con = duckdb.connect(":memory:", config=CONNECT_CONFIG)
    try:
        create_schema(con)
        load(con, rows)
        con.execute("UPDATE files SET format = concat('format_', file_id)")
        con.execute("INSERT INTO file_formats SELECT file_id, log_type, 'ps_signin_csv' FROM files")
        con.execute("INSERT INTO field_provenance SELECT file_id, log_type, 'country', 'absent' FROM files")
        return canonical.parquet_of(con, folder)
    finally:
        con.close()


@dataclass
class Both:
    """The same case on both engines. `ran` tells which named statements were run."""

    here: InProcess
    there: SparkConnect
    ran: set[tuple[str, str]] = field(default_factory=set)

    def same(self, ask: Callable[[Engine], T]) -> T:
        """What both answer to a question, which is the same."""
        one, other = ask(_Heard(self.here, self.ran)), ask(_Heard(self.there, self.ran))
        assert alike(one, other), difference(one, other)
        return one

    def same_rows(self, table: str) -> Rows:
        """The rows of a table, the same on both in any order."""
        columns = sorted(name for name, *_ in self.here.run(f"DESCRIBE {sql.quote_identifier(table)}"))
        assert columns == sorted(self.there.columns(table)), table
        text = f"SELECT {', '.join(sql.quote_identifier(name) for name in columns)} FROM {sql.quote_identifier(table)}"
        one, other = (sorted(engine.run(text), key=repr) for engine in (self.here, self.there))
        assert alike(one, other), f"{table}: {difference(one, other)}"
        return one


class _Heard:
    """An engine that remembers which named statements it ran as they stand."""

    def __init__(self, engine: Engine, ran: set[tuple[str, str]]) -> None:
        self._engine, self._ran = engine, ran

    def run(self, text: str, values: Any = None) -> Rows:
        if text in NAMES:
            self._ran.add(NAMES[text])
        return self._engine.run(text, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@contextmanager
def both(url: str, files: dict[str, Path], work: Path) -> Iterator[Both]:
    """Both engines with these files as their tables."""
    here = InProcess(duckdb.connect(":memory:", config={**CONNECT_CONFIG, "threads": 1}))
    try:
        there = SparkConnect(url, work)
        try:
            for engine in (here, there):
                engine.register(files, changed=canonical.LEDGER)
            yield Both(here, there)
        finally:
            there.close()
    finally:
        here.close()


def alike(one: Any, other: Any) -> bool:
    """Exactly the same, but for the last digits of a floating number."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-15)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        return all(alike(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)
    return bool(one == other and type(one) is type(other))


def difference(one: Any, other: Any) -> str:
    """The first thing in which two answers differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = ((f"{key}: ", one.get(key), other.get(key)) for key in {**one, **other})
        return next((f"{name}{difference(a, b)}" for name, a, b in pairs if not alike(a, b)), "their order")
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        return next((difference(a, b) for a, b in zip(one, other, strict=True) if not alike(a, b)), "nothing")
    return f"{one!r}\n  there: {other!r}"
