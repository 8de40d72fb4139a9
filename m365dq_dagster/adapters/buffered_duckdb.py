"""A SQLAlchemy dialect over a DuckDB connection that is already open, with cursors that keep their rows.

Great Expectations fetches rows after it has given back the connection they came from; a plain DuckDB cursor has lost
them by then. Here are the few things it asks of a dialect and no more; what is asked of the evidence stands in the
suites. Imported only where a suite runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import types
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import URL, default
from sqlalchemy.pool import Pool, StaticPool

from m365dq_dagster.adapters import sql

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import IsolationLevel, ReflectedColumn

ADDRESS = "duckdb+m365dq://"
TYPES: dict[str, types.TypeEngine[Any]] = {
    "BIGINT": types.BigInteger(),
    "BOOLEAN": types.Boolean(),
    "DATE": types.Date(),
    "DOUBLE": types.Double(),
    "INTEGER": types.Integer(),
    "TIMESTAMP": types.DateTime(),
}


class BufferedCursor:
    """A DB-API cursor that fetches all rows at execute. For counts and small results only."""

    arraysize = 1
    rowcount = -1

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._rows: deque[tuple[Any, ...]] = deque()
        self.description: list[tuple[Any, ...]] | None = None

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> None:
        """Run a statement and take all its rows."""
        result = self._con.execute(statement, parameters) if parameters else self._con.execute(statement)
        columns = result.description or []
        self.description = [(name, str(kind), *rest) for name, kind, *rest in columns] or None
        self._rows = deque(result.fetchall() if columns else [])

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next `size` rows."""
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return self.fetchmany(len(self._rows))

    def close(self) -> None:
        """Forget the rows."""
        self._rows.clear()


class BufferedConnection:
    """The DB-API face of one DuckDB connection. Nothing is written through it: each statement stands alone."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def cursor(self) -> BufferedCursor:
        """A cursor that buffers."""
        return BufferedCursor(self._con)

    def commit(self) -> None:
        """Nothing to keep."""

    def rollback(self) -> None:
        """Nothing to undo."""

    def close(self) -> None:
        """Close this connection; the one it was made from stays open."""
        self._con.close()


class BufferedDuckDBDialect(PGDialect):
    """As much of DuckDB's dialect (PostgreSQL's, with its own catalog) as Great Expectations asks for."""

    name = "duckdb"
    driver = "m365dq"
    default_paramstyle = "numeric_dollar"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """The names SQLAlchemy looks for in a driver."""
        return SimpleNamespace(paramstyle=cls.default_paramstyle, Error=Exception)

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """One connection, shared: a suite runs on one thread."""
        return StaticPool

    def initialize(self, connection: Connection) -> None:
        """Ask nothing of the server: there is none."""
        default.DefaultDialect.initialize(self, connection)

    def get_default_isolation_level(self, dbapi_conn: Any) -> IsolationLevel:
        """Each statement stands alone."""
        return "AUTOCOMMIT"

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:
        return (15, 0)

    def _get_default_schema_name(self, connection: Connection) -> str:
        return "main"

    def get_columns(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedColumn]:
        """Names and types of a table's columns; what is no number, truth or time is text."""
        rows = connection.exec_driver_sql(sql.statement("table_columns"), (table_name,)).fetchall()
        return [
            {"name": name, "type": TYPES.get(kind, types.Text()), "nullable": not required, "default": None}
            for name, kind, required in rows
        ]


registry.register("duckdb.m365dq", __name__, BufferedDuckDBDialect.__name__)
