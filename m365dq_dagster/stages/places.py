"""Where the logons come from, before anybody is judged by it: countries that only a database knows, and locations that
contradict each other.

What a foreign country means for an account is the business of `verification`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from m365dq_dagster.adapters import measure, places
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.places import Agreement
from m365dq_dagster.stages.case_run import CaseRun

STAGE = "verification"
RUNBOOK = "docs/guides/locations.md"
TABLE = "places"


@dataclass
class Places:
    """What was found out about locations: contradictions, remarks on the field `country` by log type, checks."""

    database: dict[str, Any] | None = None
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)


def find(run: CaseRun) -> Places:
    """Settle the country of every address and keep what is to be told of it."""
    found = Places()
    places.settle_addresses(run.con, run.pack.policy)
    if run.country_database is not None:
        _by_database(run, run.country_database, found)
    told = {"database": found.database, "conflicts": found.conflicts, "remarks": found.remarks}
    measure.keep_json(run.con, TABLE, [told])
    measure.keep_failed(run.con, STAGE, found.checks)
    return found


def _by_database(run: CaseRun, database: CountryDatabase, found: Places) -> None:
    con, policy, edition = run.con, run.pack.policy.places, database.edition
    run.progress.step(STAGE, "looking up countries of addresses")
    asked, placed = places.look_up(con, database)
    compared = places.agreement(con)
    if not compared.trusted(policy):
        places.forget_places(con)
    rows = places.keep_origin(con, edition)
    found.database = {
        "file": edition.file,
        "type": edition.type,
        "built": f"{edition.built.isoformat()}Z",
        "sha256": edition.sha256,
        "trusted": compared.trusted(policy),
        "addresses_asked": asked,
        "addresses_placed": placed,
        "addresses_compared": compared.compared,
        "addresses_differing": compared.differing,
        "rows_placed": rows,
    }
    for log_type, count in rows.items():
        found.remarks.setdefault(log_type, []).append(
            f"{plural(count, 'row')} without a country {'has' if count == 1 else 'have'} it from {edition.file}, "
            f"type {edition.type}, built on {edition.built:%Y-%m-%d}."
        )
    if told := compared.told(edition, policy):
        found.conflicts.append(_conflict("ADDRESS_PLACED_DIFFERENTLY", compared.row_count, told))
    found.checks.append(_usable(run, database, compared, placed))


def _conflict(kind: str, rows: int, detail: str, examples: Sequence[str] = ()) -> dict[str, Any]:
    return {"kind": kind, "rows": rows, "detail": detail, "example_event_ids": list(examples)}


def _usable(run: CaseRun, database: CountryDatabase, compared: Agreement, placed: int) -> CheckResult:
    """Whether the database can be relied on: it knows countries, is of the evidence's time, agrees with the exports."""
    wrong = list(_doubts(run, database, compared, placed))
    told = " ".join(wrong) or f"{database.edition.file} places addresses and fits the evidence."
    return CheckResult(
        name="country_database_fits",
        stage=STAGE,
        passed=not wrong,
        blocking=False,
        severity=Severity.WARNING if wrong else Severity.INFO,
        headline=f"Case {run.case_id}: {told}",
        runbook=RUNBOOK,
        reason="COUNTRY_DATABASE_DOUBTFUL" if wrong else "",
    )


def _doubts(run: CaseRun, database: CountryDatabase, compared: Agreement, placed: int) -> Iterator[str]:
    edition, policy = database.edition, run.pack.policy.places
    if not placed:
        yield f"{edition.file} (type {edition.type}) names no country for any address of the case."
    if far := edition.far_from(*places.reach(run.con), policy):
        yield far
    if not compared.trusted(policy):
        yield compared.told(edition, policy) or ""


def kept(run: CaseRun) -> dict[str, Any]:
    """What `find` kept of this generation; empty where no logons were placed."""
    rows = measure.read_json(run.con, TABLE)
    return dict(rows[0]) if rows else {}
