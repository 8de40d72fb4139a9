"""What every part of the registry stands on: its engine and one way to insert or update. No table is named here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine

from m365dq_dagster.adapters.registry.engine import reading, writing

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

AnyRow = sa.Row[*tuple[Any, ...]]


class RegistryPart:
    """One noun's share of the registry."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _reading(self) -> AbstractContextManager[Connection]:
        return reading(self._engine)

    def _writing(self) -> AbstractContextManager[Connection]:
        return writing(self._engine)


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Iterable[Mapping[str, Any]],
    keys: Sequence[str],
    update: Sequence[str] = (),
) -> None:
    """Insert rows; where the key is taken, the columns of `update` take the new values, or the row is left as it is.

    Two writers of the same key never fail.
    """
    pending = [dict(row) for row in rows]
    if not pending:
        return
    statement = _insert(connection, table)
    if update:
        values = {name: statement.excluded[name] for name in update}
        connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values), pending)
    else:
        connection.execute(statement.on_conflict_do_nothing(index_elements=list(keys)), pending)


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Insert a row unless its key is taken; True where it was inserted."""
    statement = _insert(connection, table).values(dict(row)).on_conflict_do_nothing(index_elements=list(keys))
    return connection.execute(statement.returning(table.c[keys[0]])).one_or_none() is not None


def insert_any(connection: Connection, table: sa.Table, row: Mapping[str, Any], back: sa.Column[int]) -> int | None:
    """Insert a row unless any of the table's unique keys is taken; the new row's `back`, or None."""
    statement = _insert(connection, table).values(dict(row)).on_conflict_do_nothing()
    return connection.execute(statement.returning(back)).scalar_one_or_none()


def _insert(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
