"""Keeps the rows of files that have gone from the evidence folder, from the published generation of the case.

Whether they are to be kept is the responder's decision and is taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import duckdb

from m365dq_dagster.adapters import sql

GONE = "This file has gone from the folder; its rows stay in the case until it is run with --forget-missing."


REMEMBER_HASHES = sql.named_statements("carry_over")["remember_row_hashes"]
"""Keeps the row hashes of files without event ids, so that a later generation can tell their copies."""


def attach(con: duckdb.DuckDBPyConnection, published: Path) -> None:
    """Make the published generation readable beside the working one; before the connection is locked."""
    con.execute(sql.attach_published(str(published)))


def detach(con: duckdb.DuckDBPyConnection) -> None:
    """Let go of the published generation."""
    con.execute(_named("detach"))


def make_room(con: duckdb.DuckDBPyConnection) -> None:
    """Have every canonical table and column that the published generation has: its rows may be all there is of a log,
    and an earlier version may have known other columns."""
    for table, columns in con.execute(_named("published_columns")).fetchall():
        con.execute(sql.create_like_published(table))
        for name, kind in columns:
            con.execute(sql.add_column(table, name, kind))


def keep_gone(
    con: duckdb.DuckDBPyConnection, paths: Collection[str], hashes: Collection[str], tables: Iterable[str]
) -> list[str]:
    """Copy the rows of files that are neither at their path nor, by content, anywhere in the folder; returns their
    paths.
    """
    values = {"paths": [*paths, ""], "hashes": [*hashes, ""]}
    gone = con.execute(_named("gone_files"), values).fetchall()
    first = con.execute(_named("last_file")).fetchone() or (0,)
    numbered = [(old_id, int(first[0]) + at, path) for at, (old_id, path) in enumerate(gone, 1)]
    for old_id, new_id, _ in numbered:
        _keep_file(con, old_id, new_id, tables)
    for old_id, new_id, _ in numbered:
        con.execute(_named("keep_duplicates"), {"old_id": old_id, "new_id": new_id})
    return [path for _, _, path in numbered]


def _keep_file(con: duckdb.DuckDBPyConnection, old_id: int, new_id: int, tables: Iterable[str]) -> None:
    ids = {"old_id": old_id, "new_id": new_id}
    con.execute(_named("keep_file"), {**ids, "reason": GONE})
    for name in ("keep_quarantine", "keep_provenance", "keep_hashes"):
        con.execute(_named(name), ids)
    has_formats = con.execute(_named("published_formats")).fetchone()
    con.execute(_named("keep_formats" if has_formats else "keep_format"), ids)
    for table in tables:
        con.execute(sql.keep_rows(table), ids)


def has_kept(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a generation holds rows of files that had gone."""
    row = con.execute(_named("kept_files"), {"reason": GONE}).fetchone()
    return bool(row and row[0])


def _named(name: str) -> str:
    return sql.named_statements("carry_over")[name]
