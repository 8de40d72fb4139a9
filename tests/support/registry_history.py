"""Registries of earlier revisions, filled as the programs of their time left them; and what is in a registry."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from m365dq_dagster.adapters.registry import migrate
from m365dq_dagster.adapters.registry.engine import create_engine, parse_url, writing

FIRST = "0001"
FROZEN = Path(__file__).parent / "registry_0001.sql"
LITERAL = re.compile(r"'([^']*)'")
MOMENT = datetime(2026, 3, 3, 10, 0)

Rows = dict[str, list[dict[str, Any]]]


def revisions() -> list[str]:
    """Every revision, oldest first."""
    steps = ScriptDirectory.from_config(migrate._config()).walk_revisions()
    return [step.revision for step in steps][::-1]


def move(engine: sa.Engine, revision: str) -> None:
    """Bring a registry to a revision, up or down."""
    with writing(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        known = revisions()
        found = migrate.revision_of(connection)
        down = found is not None and known.index(found) > known.index(revision)
        (command.downgrade if down else command.upgrade)(config, revision)


def at_revision(address: str, revision: str) -> sa.Engine:
    """A registry as a program of that revision would have left it after years of use: filled when it was of the first
    revision, migrated since, and with rows in what each revision added.
    """
    engine = create_engine(parse_url(address))
    for step in revisions()[: revisions().index(revision) + 1]:
        move(engine, step)
        if step == FIRST:
            _fill_frozen(engine)
        fill_what_is_empty(engine)
    return engine


def _fill_frozen(engine: sa.Engine) -> None:
    text = re.sub(r"^--.*$", "", FROZEN.read_text(encoding="utf-8"), flags=re.MULTILINE)
    with writing(engine) as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)


def fill_what_is_empty(engine: sa.Engine) -> None:
    """Put one row into every table that has none, made from its columns; and a value where an old row has none."""
    tables = _tables(engine)
    checks = {name: sa.inspect(engine).get_check_constraints(name) for name in tables.tables}
    with writing(engine) as connection:
        for table in tables.sorted_tables:
            if not connection.scalar(sa.select(sa.func.count()).select_from(table)):
                words = [str(check["sqltext"]) for check in checks[table.name]]
                connection.execute(table.insert().values({c.name: _value(c, words) for c in table.columns}))


def _value(column: sa.Column[Any], checks: list[str]) -> Any:
    """A value that the column takes: the first word of its check, the row with number 1, else one of its type."""
    for text in checks:
        if re.search(rf"\b{column.name}\b", text):
            return LITERAL.findall(text)[0]
    if isinstance(column.type, sa.JSON):
        return {"name": "é", "numbers": [1, 2.5, None], "yes": True}
    kinds = {sa.Boolean: True, sa.Integer: 1, sa.Float: 0.5, sa.DateTime: MOMENT, sa.Date: MOMENT.date()}
    for kind, value in kinds.items():
        if isinstance(column.type, kind):
            return value
    (key,) = column.foreign_keys or (None,)
    return f"{column.name} 'é'" if key is None else "oculus"


def _tables(engine: sa.Engine) -> sa.MetaData:
    """The tables as they are in the database; SQLite keeps JSON as text, and names it."""
    found = sa.MetaData()
    found.reflect(engine)
    found.remove(found.tables["alembic_version"])
    return found


def rows_of(engine: sa.Engine) -> Rows:
    """Every row of every table, in an order of its own, the same on both engines."""
    tables = _tables(engine)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in tables.sorted_tables
        }
    return {name: sorted(map(_plain, rows), key=repr) for name, rows in found.items()}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def cut(now: Rows, then: Rows) -> Rows:
    """The rows as far as `then` knew their tables and columns."""
    known = {name: list(rows[0]) for name, rows in then.items() if rows}
    return {
        name: sorted(({key: row[key] for key in keys} for row in now[name]), key=repr) for name, keys in known.items()
    }


def revision_of(engine: sa.Engine) -> str | None:
    """The revision that the tables are of."""
    with engine.connect() as connection:
        return migrate.revision_of(connection)
