"""Measures what accounts did and keeps what was judged of it, in SQL. Nothing is judged here; outcomes of sign-ins and
accounts are `measure`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from m365dq_dagster.adapters.engine import Rows
from m365dq_dagster.adapters.measure import counts_any, holds, insert_rows, run_named, table_names
from m365dq_dagster.adapters.sql import quote_identifier
from m365dq_dagster.adapters.sql.indicators import READ, read_view

FILE = "indicators"


@dataclass(frozen=True)
class KnownName:
    """An operation as a log spells it, with what the rule pack says of it; `is_act` where it is read row by row,
    `targeted` and `reads` where what it was done to and its parameters matter.
    """

    log_type: str
    operation: str
    name: str
    indicator: str
    severity: str
    mitre: str
    is_act: bool
    targeted: bool
    reads: bool


@dataclass(frozen=True)
class ActKind:
    """One distinct way in which an operation was done, by number."""

    kind: int
    log_type: str
    name: str
    actor: str
    result: str | None
    parameters: str | None
    more: str | None
    target: str | None
    account: str | None


@dataclass(frozen=True)
class KindReading:
    """What a kind of act comes to."""

    kind: int
    detail: str
    severity: str
    after_foreign: str
    indicator: str
    mitre: str


@dataclass(frozen=True)
class Reach:
    """Who did it, between when, from where, and lines that show it."""

    begins: datetime | None
    ends: datetime | None
    accounts: tuple[str, ...]
    addresses: tuple[str, ...]
    examples: tuple[dict[str, Any], ...] = ()


NOWHERE = Reach(None, None, (), ())


def filled(con: duckdb.DuckDBPyConnection, logs: Iterable[str]) -> frozenset[str]:
    """Those of the logs whose table holds a row; it is there only once evidence of the log came in."""
    there = table_names(con).intersection(logs)
    return frozenset(log for log in there if holds(con, log))


def start(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that acts are gathered in."""
    run_named(con, "tables", file=FILE)


def open_log(con: duckdb.DuckDBPyConnection, log_type: str) -> None:
    """Make a log that only format files describe readable, whichever columns its formats gave it."""
    if log_type in READ:
        names = con.execute(f"DESCRIBE {quote_identifier(log_type)}").fetchall()
        con.execute(read_view(log_type, {str(row[0]) for row in names}))


def operation_names(con: duckdb.DuckDBPyConnection, log_type: str) -> list[str]:
    """The operations of a log as it spells them."""
    return [str(name) for (name,) in run_named(con, f"{log_type}_names", file=FILE)]


def own_domains(con: duckdb.DuckDBPyConnection, share: float) -> frozenset[str]:
    """The mail domains of at least this share of the people seen."""
    return frozenset(str(row[0]) for row in run_named(con, "own_domains", {"share": share}, file=FILE))


def gather_acts(con: duckdb.DuckDBPyConnection, log_type: str, names: Sequence[KnownName]) -> None:
    """Gather the rows of a log's operations that are read one by one."""
    insert_rows(con, "act_operations", [[*vars(one).values()] for one in names])
    if any(one.is_act for one in names):
        run_named(con, f"{log_type}_acts", file=FILE)


def gather(con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object] | None = None) -> None:
    """Gather the acts that a named statement finds."""
    run_named(con, name, values, file=FILE)


def act_kinds(con: duckdb.DuckDBPyConnection) -> list[ActKind]:
    """Number what was gathered: every distinct way once."""
    return [ActKind(*row) for row in run_named(con, "act_kinds", file=FILE)]


def keep_readings(con: duckdb.DuckDBPyConnection, readings: Iterable[KindReading], habit_days: float) -> None:
    """Give every gathered row what its kind comes to, and take the habits of an account out of what is grave."""
    insert_rows(con, "act_readings", [[*vars(one).values()] for one in readings])
    run_named(con, "indicator_rows", file=FILE)
    run_named(con, "take_habits", {"habit_days": habit_days}, file=FILE)


def act_details(con: duckdb.DuckDBPyConnection) -> Rows:
    """Log, name, detail, severity, type, technique, actor, followed, rows: the acts by what they come to."""
    return run_named(con, "act_details", file=FILE)


def act_reach(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[str, Reach]]:
    """The operation as a log spells it, and its reach, by log and folded name."""
    return {
        (row[0], row[1]): (row[2], Reach(row[3], row[4], tuple(row[5] or ()), tuple(row[6] or ()), tuple(row[7])))
        for row in run_named(con, "act_reach", file=FILE)
    }


@dataclass(frozen=True)
class Counted:
    """An operation that is counted and not read: its rows, those by persons, by nobody that is named, and by others
    than the owner of the mailbox.
    """

    operation: str
    indicator: str
    severity: str
    mitre: str
    rows: int
    by_persons: int
    not_named: int
    reach: Reach
    by_others: int


def counted_operations(con: duckdb.DuckDBPyConnection, statement: str) -> list[Counted]:
    """What a named statement counts: operations of the audit log, or of mailboxes."""
    found = []
    for operation, kind, severity, mitre, *numbers in run_named(con, statement, file=FILE):
        rows, by_persons, not_named, begins, ends, accounts, addresses, by_others = numbers
        reach = Reach(begins, ends, tuple(accounts or ()), tuple(addresses or ()))
        found.append(Counted(operation, kind, severity, mitre, rows, by_persons, not_named, reach, by_others))
    return found


def mail_access(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of MailItemsAccessed by kind, those that were throttled among them, and the items of the single reads."""
    rows = run_named(con, "mail_access", file=FILE)
    found = {str(kind): int(count) for kind, count, _, _ in rows}
    throttled, items = sum(int(row[2]) for row in rows), sum(int(row[3]) for row in rows)
    return {**found, **({"throttled": throttled} if throttled else {}), **({"items": items} if items else {})}


def mail_access_after_foreign(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Rows of mail read from where a foreign success came, and how many of them are whole folders."""
    rows, folders = run_named(con, "mail_access_after_foreign", file=FILE)[0]
    return int(rows), int(folders)


@dataclass(frozen=True)
class Spray:
    """Rejected passwords from addresses that tried several accounts, and what came of the right ones."""

    rejected: int
    stopped: int
    succeeded: int
    reach: Reach


def password_sprays(con: duckdb.DuckDBPyConnection, log_type: str, accounts: float) -> Spray:
    """Addresses that were rejected on at least so many accounts which never succeeded from there."""
    if not counts_any(con, "tried_passwords", {"accounts": accounts}, file=FILE):
        return Spray(0, 0, 0, NOWHERE)
    values = {"log_type": log_type, "accounts": accounts}
    rejected, begins, ends, names, addresses, stopped, succeeded = run_named(con, "password_sprays", values, file=FILE)[
        0
    ]
    return Spray(
        int(rejected), int(stopped), int(succeeded), Reach(begins, ends, tuple(names or ()), tuple(addresses or ()))
    )


def legacy_sign_ins(con: duckdb.DuckDBPyConnection, log_type: str) -> list[tuple[str, int, Reach]]:
    """Sign-ins over protocols without a second factor: outcome, rows, reach."""
    return [
        (row[0], int(row[1]), Reach(row[2], row[3], tuple(row[4] or ()), tuple(row[5] or ())))
        for row in run_named(con, "legacy_sign_ins", {"log_type": log_type}, file=FILE)
    ]
