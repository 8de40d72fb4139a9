"""Evidence in a few readable lines: rows of the canonical tables with every column filled by a sensible default.

What is not given is what an ordinary owner at home would leave behind. Nothing is judged here.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from zlib import crc32

import duckdb

from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.tables import described_tables
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.sql.landing import create_table

START = datetime(2026, 1, 5, 9)
"""The moment that `at(0)` means: nine o'clock on the first day."""

ANN = "ann@contoso.example"
BOB = "bob@contoso.example"
EVE = "198.51.100.66"
"""An address that nobody used before."""

FILES = {
    "sign_in_logs": 1,
    "unified_audit_log": 2,
    "legacy_auth_logs": 3,
    "entra_audit_logs": 4,
    "message_trace": 5,
    "risk_detections": 6,
    "risky_users": 7,
    "security_alerts": 8,
    "mailbox_audit": 9,
    "inbox_rules": 10,
    "transport_rules": 11,
    "oauth_consents": 12,
    "mailbox_delegations": 13,
    "mfa_changes": 14,
}
NAMES = {1: "SignInLogs.csv", 2: "AuditLog.csv", 3: "LegacyAuth.csv"}
RAW = ("status_error_code", "status", "conditional_access_status", "error_number", "result_status")


@dataclass(frozen=True)
class Row:
    """One row of a canonical table; columns that are not named are NULL."""

    table: str
    columns: Mapping[str, object]


def at(day: float, minutes: float = 0) -> datetime:
    """A moment so many days and minutes after the start."""
    return START + timedelta(days=day, minutes=minutes)


def address_of(account: str, country: str | None) -> str:
    """The one address that an account uses in a country."""
    return f"10.{crc32(account.encode()) % 250}.{crc32(str(country).encode()) % 250}.1"


def sign_in(
    account: str | None = ANN,
    when: datetime | None = START,
    country: str | None = "AU",
    code: str | None = "0",
    *,
    status: str | None = None,
    access: str | None = None,
    table: str = "sign_in_logs",
    **columns: object,
) -> Row:
    """A sign-in; interactive, in a browser that names no device, from the account's own address in that country."""
    return Row(
        table,
        {
            "event_time": when,
            "account": account,
            "user_principal_name": account,
            "is_person": True,
            "country": country,
            "address": address_of(str(account), country),
            "status_error_code": code,
            "status": status,
            "conditional_access_status": access,
            "client_app_used": "Browser",
            "is_interactive": True,
            **columns,
        },
    )


def legacy(
    account: str = ANN, when: datetime | None = START, country: str | None = "AU", code: str = "0", **columns: object
) -> Row:
    """A sign-in of a legacy-authentication export."""
    return sign_in(account, when, country, code, **{"table": "legacy_auth_logs", "client_app_used": "IMAP4", **columns})


def operation(name: str, account: str | None = ANN, when: datetime | None = START, **columns: object) -> Row:
    """What a person did, from the audit log."""
    filled = {
        "operation": name,
        "event_time": when,
        "account": account,
        "user_id": account,
        "is_person": True,
        "is_logon": False,
    }
    return Row("unified_audit_log", {**filled, "address": address_of(str(account), "AU"), **columns})


def logon(account: str | None = ANN, when: datetime | None = START, number: str | None = "0", **columns: object) -> Row:
    """A logon of the audit log, whose operation says what its error number says."""
    name = "UserLoggedIn" if number == "0" else "UserLoginFailed"
    filled = {
        "is_logon": True,
        "error_number": number,
        "record_type": "15",
        "result_status": "Success",
        "country": "AU",
    }
    return operation(name, account, when, **{**filled, **columns})


def directory(activity: str, account: str | None = ANN, when: datetime | None = START, **columns: object) -> Row:
    """What a person did in the directory, from its audit log."""
    filled = {"activity": activity, "event_time": when, "account": account, "is_person": True, "result": "success"}
    return Row("entra_audit_logs", {**filled, "address": address_of(str(account), "AU"), **columns})


def mail(sender: str, recipient: str, when: datetime | None = START, message: str = "m1", **columns: object) -> Row:
    """A message that was delivered, from the message trace."""
    filled = {"sender_address": sender, "recipient_address": recipient, "event_time": when, "message_id": message}
    return Row("message_trace", {**filled, "status": "Delivered", "subject": "Hello", **columns})


def at_home(account: str = ANN, days: Iterable[int] = range(0, 40, 2), **columns: object) -> list[Row]:
    """The owner's ordinary successes, one on each of the days."""
    return [sign_in(account, at(day), **columns) for day in days]


def abroad(
    account: str = ANN, times: int = 6, first: datetime | None = None, country: str = "RU", **columns: object
) -> list[Row]:
    """Successes from a foreign country, a minute apart, late in the window."""
    begin = first or at(30, 15)
    return [sign_in(account, begin + timedelta(minutes=n), country, **columns) for n in range(times)]


def rejected(
    account: str = ANN, times: int = 6, first: datetime | None = None, country: str = "RU", **columns: object
) -> list[Row]:
    """Wrong passwords from a foreign country, a minute apart, an hour before `abroad` begins."""
    begin = first or at(30, -60)
    return [sign_in(account, begin + timedelta(minutes=n), country, "50126", **columns) for n in range(times)]


def load(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], shuffled: int | None = None) -> None:
    """Put rows into an empty generation. Each keeps its row number in its file, in whatever order it is inserted."""
    numbers = dict.fromkeys(FILES, 0)
    numbered = []
    for row in rows:
        numbers[row.table] += 1
        raw = {f"{name}_raw": row.columns[name] for name in RAW if name in row.columns and _has_raw(row.table, name)}
        place = {"file_id": FILES[row.table], "row_no": numbers[row.table]}
        numbered.append(Row(row.table, {**place, **raw, **row.columns}))
    if shuffled is not None:
        random.Random(shuffled).shuffle(numbered)
    for table, file_id in FILES.items():
        if numbers[table]:
            _open(con, table)
            _insert(con, table, [row.columns for row in numbered if row.table == table])
            _file(con, table, file_id, numbers[table])


def _open(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make a table that only format files describe."""
    if FILES[table] not in NAMES:
        con.execute(create_table(table, described()[table]))


@cache
def described() -> dict[str, dict[str, str]]:
    """The tables that the shipped formats describe, with their columns."""
    return described_tables(parse_formats(load_rule_pack().formats))


def _has_raw(table: str, name: str) -> bool:
    return FILES[table] in NAMES and (table == "unified_audit_log") == (name in ("error_number", "result_status"))


def _file(con: duckdb.DuckDBPyConnection, table: str, file_id: int, rows: int) -> None:
    con.execute(
        "INSERT INTO files (file_id, path, sha256, bytes, log_type, status, rows_read, rows_imported) "
        "VALUES (?, ?, ?, 1, ?, 'IMPORTED', ?, ?)",
        [file_id, NAMES.get(file_id, f"{table}.csv"), f"{file_id:064x}", table, rows, rows],
    )


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    names = sorted({name for row in rows for name in row})
    if names:
        picks = ", ".join(f'unnest(${number}) AS "{name}"' for number, name in enumerate(names, 1))
        con.execute(f"INSERT INTO {table} BY NAME SELECT {picks}", [[row.get(name) for row in rows] for name in names])
