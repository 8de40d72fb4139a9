"""What a competent analyst would write in an afternoon: one export read with the csv and json modules into SQLite, its
columns profiled, every sign-in decided by its code, and the successes from abroad counted for each account.

The benchmark runs it by its path beside the product, as one process of one interpreter. It is honest work and not a
straw man: rows go in by the thousand in one transaction, nothing is read twice from the file, and AuditData is parsed
once a row. It knows none of the traps: one field decides, and a missing or lying code is believed.

    python plain_way.py EXPORT DATABASE    prints its counts and seconds as JSON
"""

from __future__ import annotations

import csv
import json
import math
import sqlite3
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

CODES = Path(__file__).resolve().parents[2] / "reference_data" / "status_codes.csv"
OUTCOMES = {
    "success": "SUCCESS",
    "interrupt": "INTERRUPTED",
    "password_correct_blocked": "BLOCKED_AFTER_FIRST_FACTOR",
    "bad_credentials": "REJECTED",
    "throttling_lockout": "NOT_EVALUATED",
    "unknown": "UNKNOWN",
}
COLUMNS = (
    "id",
    "happened_at",
    "account",
    "user_id",
    "display_name",
    "address",
    "country",
    "city",
    "application",
    "resource",
    "client",
    "user_agent",
    "device",
    "browser",
    "operating_system",
    "correlation",
    "session",
    "requirement",
    "access",
    "status",
    "code",
    "operation",
    "record_type",
    "workload",
    "object",
)
DATES = ("%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y, %I:%M:%S %p", "%Y-%m-%d %H:%M:%S")
BATCH = 5_000
Event = dict[str, Any]


def main(export: Path, database: Path) -> dict[str, Any]:
    """From the file to its counts; seconds are those of the work, without the start of the interpreter."""
    if database.exists():
        raise SystemExit(f"{database} is there already; name a file that is not.")
    begun = time.perf_counter()
    with sqlite3.connect(database) as con:
        rows = load(con, read(export))
        profiles = profile(con)
        decide(con, known_codes())
        foreign = foreign_successes(con, home_countries(export.parent))
    con.close()
    found = {"rows": rows, "columns": len(profiles), **counts(database), "foreign_by_account": dict(foreign)}
    seconds = time.perf_counter() - begun
    return {**found, "foreign_successes": sum(foreign.values()), "seconds": seconds}


def read(export: Path) -> Iterator[Event]:
    """The events of an export, whichever of the three it is."""
    if export.suffix == ".jsonl":
        return read_graph(export)
    with export.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file))
    return read_audit(export) if "AuditData" in header else read_portal(export)


def read_portal(export: Path) -> Iterator[Event]:
    """Sign-ins as the portal exports them."""
    with export.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            place = [part.strip() for part in row["Location"].split(",")]
            yield {
                "id": row["Request ID"],
                "happened_at": row["Date (UTC)"],
                "account": row["Username"],
                "user_id": row["User ID"],
                "display_name": row["User"],
                "address": row["IP address"],
                "country": place[-1] if place else "",
                "city": place[0] if place else "",
                "application": row["Application"],
                "resource": row["Resource"],
                "client": row["Client app"],
                "user_agent": row["User agent"],
                "device": row["Device ID"],
                "browser": row["Browser"],
                "operating_system": row["Operating System"],
                "correlation": row["Correlation ID"],
                "session": row["Session ID"],
                "requirement": row["Authentication requirement"],
                "access": row["Conditional Access"],
                "status": row["Status"],
                "code": row["Sign-in error code"],
            }


def read_graph(export: Path) -> Iterator[Event]:
    """Sign-ins as Microsoft Graph hands them out, one object a line."""
    with export.open(encoding="utf-8-sig") as file:
        for line in file:
            row = json.loads(line)
            status, device, place = (row.get(name) or {} for name in ("status", "deviceDetail", "location"))
            yield {
                "id": row.get("id"),
                "happened_at": row.get("createdDateTime"),
                "account": row.get("userPrincipalName"),
                "user_id": row.get("userId"),
                "display_name": row.get("userDisplayName"),
                "address": row.get("ipAddress"),
                "country": place.get("countryOrRegion"),
                "city": place.get("city"),
                "application": row.get("appDisplayName"),
                "resource": row.get("resourceDisplayName"),
                "client": row.get("clientAppUsed"),
                "user_agent": row.get("userAgent"),
                "device": device.get("deviceId"),
                "browser": device.get("browser"),
                "operating_system": device.get("operatingSystem"),
                "correlation": row.get("correlationId"),
                "session": row.get("sessionId"),
                "requirement": row.get("authenticationRequirement"),
                "access": row.get("conditionalAccessStatus"),
                "status": status.get("failureReason"),
                "code": status.get("errorCode"),
            }


def read_audit(export: Path) -> Iterator[Event]:
    """The unified audit log: what matters stands in AuditData."""
    csv.field_size_limit(sys.maxsize)
    with export.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            data = json.loads(row["AuditData"])
            more = {one["Name"]: one["Value"] for one in data.get("ExtendedProperties") or []}
            yield {
                "id": data.get("Id"),
                "happened_at": data.get("CreationTime"),
                "account": data.get("UserId"),
                "user_id": data.get("UserKey"),
                "address": data.get("ClientIP") or data.get("ActorIpAddress"),
                "user_agent": more.get("UserAgent"),
                "session": data.get("SessionId"),
                "status": data.get("ResultStatus"),
                "code": data.get("ErrorNumber"),
                "operation": data.get("Operation"),
                "record_type": data.get("RecordType"),
                "workload": data.get("Workload"),
                "object": data.get("ObjectId"),
            }


def load(con: sqlite3.Connection, events: Iterator[Event]) -> int:
    """Normalise and insert; of events with one id the first is kept. Returns how many rows the export held."""
    con.execute(f"CREATE TABLE events ({', '.join(COLUMNS)}, outcome, UNIQUE (id))")
    places = ", ".join("?" * len(COLUMNS))
    insert = f"INSERT OR IGNORE INTO events ({', '.join(COLUMNS)}) VALUES ({places})"
    rows = 0
    while batch := [normalised(event) for event in islice(events, BATCH)]:
        con.executemany(insert, batch)
        rows += len(batch)
    return rows


def normalised(event: Event) -> tuple[Any, ...]:
    """Text trimmed, nothing for blank, accounts in small letters, addresses without port, times as ISO."""
    clean = {name: trimmed(value) for name, value in event.items()}
    clean["account"] = clean["account"].lower() if clean["account"] else None
    clean["address"] = bare_address(clean["address"])
    clean["happened_at"] = moment(clean["happened_at"])
    return tuple(clean.get(name) for name in COLUMNS)


def trimmed(value: object) -> str | None:
    """Text without blanks at its ends; None where nothing is left."""
    return None if value is None else str(value).strip() or None


def bare_address(value: str | None) -> str | None:
    """An address without brackets and port."""
    if not value:
        return None
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0] if value.count(":") == 1 else value


def moment(value: str | None) -> str | None:
    """A time in one form, whichever of the usual ones it came in."""
    if not value:
        return None
    text = value.rstrip("Z").split(".")[0]
    for form in DATES:
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    return None


def profile(con: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """What each column holds: filled, distinct, its most frequent value and its entropy."""
    found = {}
    for name in COLUMNS:
        values = con.execute(f"SELECT {name}, COUNT(*) FROM events GROUP BY {name}").fetchall()
        filled = sum(count for value, count in values if value is not None)
        top, most = None, 0
        entropy = 0.0
        for value, count in values:
            if value is None:
                continue
            if count > most:
                top, most = value, count
            entropy -= count / filled * math.log2(count / filled)
        found[name] = {"filled": filled, "distinct": len(values), "top": top, "top_rows": most, "entropy": entropy}
    return found


def known_codes() -> dict[str, str]:
    """The outcome of every code that is known."""
    with CODES.open(encoding="utf-8", newline="") as file:
        return {row["code"]: OUTCOMES.get(row["category"], "NOT_GRANTED") for row in csv.DictReader(file)}


def decide(con: sqlite3.Connection, codes: dict[str, str]) -> None:
    """Give every sign-in the outcome of its code; of the audit log only logons are sign-ins."""
    decided = []
    for row, code, record_type, operation in con.execute("SELECT rowid, code, record_type, operation FROM events"):
        if record_type is not None and (record_type != "15" or operation not in ("UserLoggedIn", "UserLoginFailed")):
            continue
        decided.append((codes.get(code, "UNKNOWN") if code is not None else "UNKNOWN", row))
    con.executemany("UPDATE events SET outcome = ? WHERE rowid = ?", decided)


def home_countries(folder: Path) -> frozenset[str]:
    """The countries that the case names as home; none where it names none."""
    context = folder / "case.toml"
    if not context.is_file():
        return frozenset()
    return frozenset(tomllib.loads(context.read_text(encoding="utf-8")).get("home_countries", []))


def foreign_successes(con: sqlite3.Connection, home: frozenset[str]) -> dict[str, int]:
    """Successes from elsewhere, by account; where the case names no home, an account's most frequent country is it."""
    seen: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for account, country in con.execute("SELECT account, country FROM events WHERE outcome = 'SUCCESS'"):
        if account and country:
            seen[account][country] += 1
    found = {}
    for account, countries in seen.items():
        own = home or {max(countries, key=lambda one: countries[one])}
        abroad = sum(count for country, count in countries.items() if country not in own)
        if abroad:
            found[account] = abroad
    return found


def counts(database: Path) -> dict[str, Any]:
    """How many events of each outcome there are."""
    with sqlite3.connect(database) as con:
        rows = con.execute("SELECT outcome, COUNT(*) FROM events WHERE outcome IS NOT NULL GROUP BY outcome").fetchall()
    con.close()
    by_outcome = dict(rows)
    return {"by_outcome": by_outcome, "successes": by_outcome.get("SUCCESS", 0)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
