"""What a folder and a database hold, told so exactly that any trace of a visit shows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa


def files_of(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Every file and folder below it: SHA-256, time of change in nanoseconds, size, mode."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        stat = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (digest, stat.st_mtime_ns, stat.st_size, stat.st_mode)
    return found


def tables_of(address: str) -> dict[str, str]:
    """Every table of a database by the digest of its rows, in any order, and the number of them."""
    from m365dq_dagster.adapters.registry.engine import parse_url

    engine = sa.create_engine(parse_url(address))
    tables = sa.MetaData()
    try:
        with engine.connect() as connection:
            tables.reflect(connection)
            return {name: _digest(connection, table) for name, table in sorted(tables.tables.items())}
    finally:
        engine.dispose()


def _digest(connection: sa.Connection, table: sa.Table) -> str:
    rows: list[Any] = [repr(tuple(row)) for row in connection.execute(sa.select(table))]
    return f"{len(rows)} rows {hashlib.sha256(chr(10).join(sorted(rows)).encode()).hexdigest()}"
