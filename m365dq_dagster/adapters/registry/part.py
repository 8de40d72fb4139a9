"""What every part of the registry stands on: its engine and one way to insert or update. No table is named here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from m365dq_dagster.adapters.registry.engine import reading, writing

CHUNK = 500

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
    update: Mapping[str, Any] | Sequence[str] = (),
) -> int:
    """Insert rows; where the key is taken, set the columns of `update` (names take the new row's value), or leave it.

    Returns how many rows were inserted or updated. Two writers of the same key never fail.
    """
    changed = 0
    pending = list(rows)
    for start in range(0, len(pending), CHUNK):
        statement = _insert(connection, table).values([dict(row) for row in pending[start : start + CHUNK]])
        values = update if isinstance(update, Mapping) else {name: statement.excluded[name] for name in update}
        if values:
            statement = statement.on_conflict_do_update(index_elements=list(keys), set_=dict(values))
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(keys))
        changed += connection.execute(statement).rowcount
    return changed


def _insert(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
