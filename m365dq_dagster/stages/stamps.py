"""Which evidence, context and rule pack each table of a generation was made from, so that what is stale can be told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from m365dq_dagster.adapters import measure
from m365dq_dagster.stages.case_run import CaseRun

INTAKE = "intake"
INTAKE_RULES = "intake_rules"
"""The note on the rules that the evidence was taken in by."""

TABLES: Mapping[str, tuple[str, ...]] = {
    "intake": ("files", "quarantine", "completeness", "sign_in_logs", "legacy_auth_logs", "unified_audit_log"),
    "quality": ("witness_days", "column_counts", "rule_matches", "field_profiles"),
    "reliability": ("recommendations",),
    "verification": ("events", "flows", "account_verdicts", "findings", "indicator_rows"),
}
"""The tables that each stage writes."""


def stamp(run: CaseRun, stage: str) -> None:
    """Mark the tables of a stage as made from what this run is made from."""
    evidence, context, pack = _made_from(run)
    if stage == INTAKE:
        measure.note(run.con, INTAKE_RULES, run.pack.intake_hash)
    others = measure.event_tables(run.con) if stage == INTAKE else ()
    tables = list(dict.fromkeys((*TABLES[stage], *others)))
    measure.stamp(run.con, tables, evidence, context, pack, run.clock.now())


def stale_tables(run: CaseRun) -> list[str]:
    """Tables that were made from other evidence, context or rules than this run has; a run of all assets has none.

    What was taken in by another pack is not stale where that pack says the same of how evidence is read.
    """
    evidence, context, pack = _made_from(run)
    later = {table for stage, tables in TABLES.items() if stage != INTAKE for table in tables}
    read_alike = measure.noted(run.con, INTAKE_RULES) == run.pack.intake_hash
    found = []
    for table, of_evidence, of_context, of_pack in measure.stamps(run.con):
        same_pack = of_pack == pack or (read_alike and table not in later)
        if (of_evidence, of_context) != (evidence, context) or not same_pack:
            found.append(table)
    return found


def taken_in_by(run: CaseRun) -> str | None:
    """The hash of the rule pack that the evidence was taken in by, or None where that was not kept."""
    return next((pack for table, _, _, pack in measure.stamps(run.con) if table == "files"), None)


def _made_from(run: CaseRun) -> tuple[str, str, str]:
    files = sorted(measure.run_named(run.con, "read_files", file="document"))
    evidence = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return evidence, _known(run), run.pack.content_hash


def _known(run: CaseRun) -> str:
    """What was known of the case beforehand: its context, and the database of countries where there is one."""
    if run.country_database is None:
        return run.context.digest()
    return hashlib.sha256(f"{run.context.digest()} {run.country_database.edition.sha256}".encode()).hexdigest()
