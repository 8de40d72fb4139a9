"""Counts what stands in the watched fields of a case and reads back what was looked up. What is watched, and which of
it is known, is `core.sightings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import duckdb

from m365dq_dagster.adapters.engine import Rows
from m365dq_dagster.adapters.measure import counts_any, has_table, holds, insert_rows, run_named
from m365dq_dagster.adapters.sql.sightings import count_values
from m365dq_dagster.core.sightings import (
    CUT,
    MOST,
    NOTHING_OPEN,
    REST,
    WATCHED,
    OpenValue,
    OpenValues,
    Reference,
    Sighted,
    Watched,
)

FILE = "sightings"
TABLE = "value_sightings"
ACCOUNT_MOST = 10
"""Unknown values that are kept one by one of an account."""


def look_up(con: duckdb.DuckDBPyConnection, reference: Reference, most: int = MOST) -> None:
    """Count every value of every watched field and keep it with whether it is known. Asks the logons to be built."""
    run_named(con, "tables", file=FILE)
    rows = [[*key, word, value] for key, words in reference.known.items() for word, value in words.items()]
    insert_rows(con, "known_values", rows)
    run_named(con, "witness_values", file=FILE)
    columns = {table: names for table, names in _columns(con).items() if holds(con, table)}
    asked = [one for one in WATCHED if not one.of_logons and one.source in columns.get(one.log_type, ())]
    if asked:
        con.execute(count_values([(one.log_type, one.source, one.fold, _apart(one)) for one in asked]))
    run_named(con, "value_sightings", {"most": most, "rest": REST, "cut": CUT}, file=FILE)
    run_named(con, "forget", file=FILE)


def _apart(one: Watched) -> str:
    """Logons of the audit log are counted with what their witnesses say."""
    return "is_logon" if one.key == ("unified_audit_log", "operation") else ""


def _columns(con: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns of every table that holds a watched field, where it is there."""
    tables = sorted({one.log_type for one in WATCHED})
    found: dict[str, set[str]] = {}
    for table, name in run_named(con, "columns", {"tables": tables}, file=FILE):
        found.setdefault(table, set()).add(name)
    return found


def sighted(con: duckdb.DuckDBPyConnection, reference: Reference, *, known: bool = False) -> tuple[Sighted, ...]:
    """The unknown values of a generation, the commonest first; the known ones too where asked for."""
    if not has_table(con, TABLE):
        return ()
    return tuple(_sighted(*row, reference=reference) for row in run_named(con, "sighted", {"all": known}, file=FILE))


def _sighted(
    log_type: str,
    field: str,
    value: str,
    rows: int,
    known: bool,
    values: int,
    first: datetime | None,
    last: datetime | None,
    well_formed: bool,
    origins: Iterable[str],
    *,
    reference: Reference,
) -> Sighted:
    proposed = not known and reference.is_proposed(log_type, field, value)
    columns = tuple(one.removeprefix("source:") for one in origins if one.startswith("source:"))
    return Sighted(log_type, field, value, int(rows), known, int(values), first, last, well_formed, proposed, columns)


def open_values(con: duckdb.DuckDBPyConnection, reference: Reference) -> tuple[OpenValues, Mapping[str, OpenValues]]:
    """The unknown values that left sign-ins open: of the whole case, and by account. Asks for the events."""
    if not counts_any(con, "left_open", file=FILE):
        return NOTHING_OPEN, {}
    whole = _open(con, reference, MOST, whole=True)
    found: dict[str, list[OpenValue]] = {}
    for account, one in _open(con, reference, ACCOUNT_MOST, whole=False) if whole else ():
        found.setdefault(account, []).append(one)
    return OpenValues(tuple(one for _, one in whole)), {name: OpenValues(tuple(rows)) for name, rows in found.items()}


def _open(
    con: duckdb.DuckDBPyConnection, reference: Reference, most: int, *, whole: bool
) -> list[tuple[str, OpenValue]]:
    values = {"most": most, "rest": REST, "cut": CUT, "whole": whole}
    rows: Rows = run_named(con, "open_values", values, file=FILE)
    return [
        (account, OpenValue(log_type, field, value, int(count), reference.is_proposed(log_type, field, value)))
        for account, log_type, field, value, count in rows
    ]
