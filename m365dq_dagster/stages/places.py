"""Where the logons come from, before anybody is judged by it: countries that only a database knows, and locations that
contradict each other.

What a foreign country means for an account is the business of `verification`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from m365dq_dagster.adapters import measure, places
from m365dq_dagster.adapters.places import CountryDatabase
from m365dq_dagster.core.checks import CheckResult, remark
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.places import Agreement, Contradiction, misplaced_days, told_faults
from m365dq_dagster.stages.case_run import CaseRun, Judging

STAGE = "verification"
RUNBOOK = "docs/guides/locations.md"
TABLE = "places"
MOST = 100
"""Contradictions of one kind that are told."""


@dataclass
class Places:
    """What was found out about locations: contradictions, remarks on the field `country` by log type, what therefore
    cannot be told, checks.
    """

    database: dict[str, Any] | None = None
    conflicts: list[Contradiction] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)


def find(run: Judging) -> Places:
    """Settle the country of every address and keep what is to be told of it."""
    found = Places()
    places.settle_addresses(run.con, run.pack.policy)
    if run.country_database is not None:
        _by_database(run, run.country_database, found)
    _sanity(run, found)
    if rows := places.unsettled(run.con):
        found.limits.append(
            f"{plural(rows, 'row')} from addresses that were placed in several countries and have none by their "
            "history: whether somebody else was among them cannot be told from where they are said to come from."
        )
    measure.keep_json(run.con, TABLE, [{"database": found.database, "remarks": found.remarks}])
    measure.keep_failed(run.con, STAGE, found.checks)
    return found


def _by_database(run: Judging, database: CountryDatabase, found: Places) -> None:
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
        found.conflicts.append(Contradiction("ADDRESS_PLACED_DIFFERENTLY", compared.row_count, told))
    found.checks += run.pack.policy.checks.applied(run.case_id, (_usable(run, database, compared, placed),))


def _sanity(run: Judging, found: Places) -> None:
    """Locations that moved while nobody did: their rows are no longer believed where they are said to be."""
    con, policy = run.con, run.pack.policy
    run.progress.step(STAGE, "looking for locations that cannot be true")
    known = misplaced_days(run.pack.vendor_changes)
    if not places.find_sightings(con, policy, known):
        return
    faults = places.distrust_faults(con, policy, known)
    flickers = places.distrust_flickers(con, policy)
    found.conflicts += [*told_faults(faults, known), *(one.told for one in flickers[:MOST])]
    for log_type, reason, rows, unknown in places.unbelieved(con):
        found.remarks.setdefault(log_type, []).append(
            f"{plural(rows, 'row')} not believed ({reason}); the country of {unknown:,} is unknown."
        )
        if unknown:
            found.limits.append(
                f"{plural(unknown, 'row')} of {log_type} whose location is not believed ({reason}): whether somebody "
                "else was among them cannot be told from where they are said to come from."
            )


def _usable(run: Judging, database: CountryDatabase, compared: Agreement, placed: int) -> CheckResult:
    """Whether the database can be relied on: it knows countries, is of the evidence's time, agrees with the exports."""
    wrong = list(_doubts(run, database, compared, placed))
    told = " ".join(wrong) or f"{database.edition.file} places addresses and fits the evidence."
    reason = "COUNTRY_DATABASE_DOUBTFUL" if wrong else ""
    return remark("country_database_fits", STAGE, f"Case {run.case_id}: {told}", RUNBOOK, reason)


def _doubts(run: Judging, database: CountryDatabase, compared: Agreement, placed: int) -> Iterator[str]:
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


def conflicts(run: CaseRun, found: Places) -> list[dict[str, Any]]:
    """The contradictions of locations, with the moves that are too fast for a person. Asks for the events."""
    travel = places.fast_travel(run.con, run.pack.policy)
    return [*(one.as_mapping() for one in found.conflicts), *(one.told.as_mapping() for one in travel)]
