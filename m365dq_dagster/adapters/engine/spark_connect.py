"""The engine of a cluster: a Spark Connect server, at an address like `sc://host:port`. What a statement says there is
`translation`; here it is sent, and its tables are kept.

A table that a statement makes is written as Parquet into a working folder that the server must reach, and is gone when
the engine is closed. The address may hold a token, so that only host and port are ever told.
"""

from __future__ import annotations

import re
import shutil
import socket
import uuid
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from sqlglot import exp

from m365dq_dagster.adapters import sql
from m365dq_dagster.adapters.engine import Rows
from m365dq_dagster.adapters.engine.translation import Append, Declare, Drop, Make, Query, Step, View, steps
from m365dq_dagster.adapters.loading import no_spark_asked_for
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.printable import printable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEME, PORT = "sc", 15002
PATIENCE = 5.0
"""Seconds after which a server that does not answer is none."""

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",  # a text of the evidence names no variable of the server
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}

ARROW = {
    "STRING": pa.string(),
    "BIGINT": pa.int64(),
    "INT": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
}
"""The types of the columns of tables that are filled from here."""

SHOWN_PARAMETERS = frozenset({"use_ssl", "user_agent", "user_id", "session_id"})
"""What an address may say behind its host that is no secret. Every other parameter is sent to the server as it stands,
so that it may be a key whatever its name.
"""
HIDDEN = "***"

MISSING = (
    "M365DQ_ENGINE_URL names a Spark Connect server, and the package that speaks to one is not installed; install "
    "m365dq-dagster[cluster], or unset the variable to work on this machine."
)


@dataclass(frozen=True)
class Address:
    """Where a server is: `url` may hold a token and is never told, `place` is host and port."""

    url: str = field(repr=False)
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an address. Raises `BadInput` where it is none of a Spark Connect server."""
        try:
            parts = urlsplit(url.partition(";")[0])
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            parts, host, port = urlsplit(""), None, PORT
        if parts.scheme != SCHEME or not host:
            raise BadInput(
                "M365DQ_ENGINE_URL is no address of a Spark Connect server; give one like sc://host:15002, or unset it "
                "to work on this machine."
            )
        return cls(url, host, port)

    @property
    def place(self) -> str:
        """Host and port."""
        return printable(f"{self.host}:{self.port}")

    def without_secrets(self, text: str) -> str:
        """A text of client or server in which neither the address stands nor any secret part of it by itself, as it
        is written there, decoded or encoded.
        """
        forms = {form for word in _secrets(self.url) for form in (word, unquote(word), quote(unquote(word), safe=""))}
        words = sorted({self.url, *forms}, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, words)), lambda hit: self._instead(hit[0]), text)

    def _instead(self, hit: str) -> str:
        return f"{self.host}:{self.port}" if hit == self.url else HIDDEN

    def reach(self) -> None:
        """Raises `InternalFault` where nothing listens there; the client itself would try for minutes."""
        try:
            socket.create_connection((self.host, self.port), PATIENCE).close()
        except OSError as error:
            raise InternalFault(
                f"The engine at {self.place} cannot be reached ({error.strerror or 'no answer'}); start it, correct "
                "M365DQ_ENGINE_URL, or unset it to work on this machine."
            ) from None


def _secrets(url: str) -> set[str]:
    """What stands before the host, and behind it all but what may be shown: a token that lacks its name, or stands
    where none belongs, is one too.
    """
    before, _, after = url.partition("://")[2].partition("/")
    user = before.rpartition("@")[0]
    parts = [user, *user.split(":", 1)]
    for piece in (*before.rpartition("@")[2].split(";")[1:], *re.split("[;&?#]", after)):
        name, _, value = piece.partition("=")
        if name.strip().lower() not in SHOWN_PARAMETERS:
            parts += [value, value.rstrip("=")] if value else [piece]
    return {part for part in parts if part}


@dataclass
class _Table:
    """A table whose columns a statement named: the queries whose rows it has, and those that nobody asked for yet."""

    columns: tuple[tuple[str, str], ...]
    parts: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def rows(self, queries: Sequence[str]) -> str:
        """These queries as one, each column of its declared type."""
        names = [f"c{number}" for number in range(len(self.columns))]
        cast = ", ".join(
            f"CAST(`{short}` AS {kind}) AS `{name}`" for short, (name, kind) in zip(names, self.columns, strict=True)
        )
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in self.columns)
        told = [f"SELECT {cast} FROM ({query}) AS part({', '.join(names)})" for query in queries]
        return " UNION ALL ".join(told) or f"SELECT {nothing} WHERE FALSE"


class SparkConnect:
    """A session on a server. `work` is where its folder for working tables is made, as server and this
    machine call it.
    """

    def __init__(self, url: str, work: Path) -> None:
        self.address = Address.of(url)
        self.address.reach()
        self.work = work / f"engine-{uuid.uuid4().hex[:12]}"
        self.work.mkdir(mode=0o700, parents=True)
        self._session = _session(self.address)
        self._tables: dict[str, _Table] = {}
        self._names: set[str] = set()
        self._views: dict[str, exp.Expression] = {}
        self._kept: dict[str, list[str]] = {}
        self._written = 0
        for name, value in SETTINGS.items():
            with self._told():
                self._session.conf.set(name, value)

    def run(self, text: str, values: Mapping[str, object] | None = None) -> Rows:
        """Run the translated statements in order. Rows that are added wait for the next statement of another kind, so
        that many small additions are one job of the server.
        """
        rows: Rows = []
        for step in steps(text, values or {}, self._in_order, self._views):
            with self._told():
                rows = self._do(step)
        return rows

    def fill(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Rows travel as data, never as text of a statement."""
        if not rows:
            return
        known = self._tables[table]
        columns = zip(*rows, strict=True)
        arrays = [pa.array(column, ARROW[kind]) for column, (_, kind) in zip(columns, known.columns, strict=True)]
        with self._told():
            self._written += 1
            name = f"{table}_rows{self._written}"
            given = pa.table(arrays, names=[name for name, _ in known.columns])
            self._session.createDataFrame(given).createOrReplaceTempView(name)
            known.parts.append(f"SELECT * FROM `{name}`")
            self._show(table)

    def keep(self, table: str, bodies: Sequence[str]) -> None:
        """Few texts stay here; the server has no use for them."""
        self._kept[table] = list(bodies)

    def kept(self, table: str) -> list[str]:
        """What stayed here."""
        return self._kept.get(table, [])

    def register(self, tables: Mapping[str, Path], *, changed: Collection[str] = ()) -> None:
        """The server reads the files itself, at the same paths; a changed table is written anew beside them."""
        for name, path in tables.items():
            with self._told():
                self._name(name, self._session.read.parquet(str(path)))

    def tables(self) -> Mapping[str, frozenset[str]]:
        """What was registered, made or declared in this session."""
        return {name: self.columns(name) for name in sorted(self._names)}

    def has(self, table: str) -> bool:
        """Whether it was registered, made or declared in this session."""
        return table in self._names

    def holds(self, table: str) -> bool:
        """Any question costs a cluster more than a table without rows."""
        return True

    def columns(self, table: str) -> frozenset[str]:
        """Asks the server for this one table."""
        return frozenset(self._in_order(table)) if table in self._names else frozenset()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is added waits anyway, and a session's tables are nobody else's."""
        yield

    def close(self) -> None:
        """End the session and remove the working tables."""
        with suppress(Exception):  # a server that is gone has ended the session already
            self._session.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def _do(self, step: Step) -> Rows:
        if isinstance(step, Append):
            self._tables[step.table].waiting.append(step.text)
            return []
        self._settle()
        if isinstance(step, Query):
            return _rows(self._session.sql(step.text).toArrow())
        if isinstance(step, Make):
            self._tables.pop(step.table, None)
            self._name(step.table, self._written_down(step.table, step.text))
        elif isinstance(step, View):
            self._views.pop(step.table, None)  # one that is made again stands behind those that it reads
            self._views[step.table] = step.query
            self._names.add(step.table)
        elif isinstance(step, Declare):
            self._tables[step.table] = _Table(step.columns)
            self._show(step.table)
        elif isinstance(step, Drop):
            self._forget(step.table)
        else:
            self._tables[step.table] = _Table(self._tables[step.table].columns)
            self._show(step.table)
        return []

    def _forget(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        self._names.discard(name)
        self._tables.pop(name, None)

    def _settle(self) -> None:
        """Write down the rows that wait, those of one table together."""
        for name, table in self._tables.items():
            if table.waiting:
                waiting, table.waiting = table.waiting, []
                part = f"{name}_part{self._written}"
                self._written_down(name, table.rows(waiting)).createOrReplaceTempView(part)
                table.parts.append(f"SELECT * FROM `{part}`")
                self._show(name)

    def _written_down(self, name: str, text: str) -> DataFrame:
        self._written += 1
        made = self._session.sql(text)
        path = str(self.work / f"{self._written:04d}-{name}")
        made.write.parquet(path)
        return self._session.read.schema(made.schema).parquet(path)

    def _show(self, name: str) -> None:
        table = self._tables[name]
        self._name(name, self._session.sql(table.rows(table.parts)))

    def _name(self, name: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(name)
        self._names.add(name)

    def _in_order(self, table: str) -> list[str]:
        (step,) = steps(f"SELECT * FROM {sql.quote_identifier(table)}", {}, self._in_order, self._views)
        return list(self._session.sql(step.text).columns) if isinstance(step, Query) else []

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever the client or the server raises, as one sentence without the address's secrets. What was raised
        does not hang on it, or a log that tells causes would show them.
        """
        try:
            yield
        except Exception as error:
            raise _fault(self.address, error) from None


def _fault(address: Address, error: Exception) -> InternalFault:
    if isinstance(error, InternalFault):
        return error
    said = (address.without_secrets(str(error)).splitlines() or [""])[0]
    return InternalFault(
        f"The engine at {address.place} did not carry out a statement ({type(error).__name__}: "
        f"{printable(said, limit=300)}); look at its log, or unset M365DQ_ENGINE_URL to work on this machine."
    )


def _session(address: Address) -> SparkSession:
    with warnings.catch_warnings(), no_spark_asked_for():
        # The client speaks of pandas, which nothing here asks it for.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"pyspark\.")
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise BadInput(MISSING) from None
        try:
            return SparkSession.builder.remote(address.url).create()
        except Exception as error:
            raise _fault(address, error) from None


def _rows(table: pa.Table) -> Rows:
    columns = [[_plain(value) for value in column.to_pylist()] for column in table.columns]
    return list(zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    """A value as DuckDB hands it over: a group of values as tuple."""
    if isinstance(value, dict):
        return tuple(_plain(part) for part in value.values())
    return [_plain(part) for part in value] if isinstance(value, list) else value
