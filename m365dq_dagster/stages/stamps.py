"""Which evidence, context and rule pack each table of a generation was made from, so that what is stale can be told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from m365dq_dagster.adapters import measure
from m365dq_dagster.stages.case_run import CaseRun

TABLES: Mapping[str, tuple[str, ...]] = {
    "intake": ("files", "quarantine", "completeness", "sign_in_logs", "legacy_auth_logs", "unified_audit_log"),
    "quality": ("logons", "witness_days", "column_counts", "rule_matches", "field_profiles"),
    "reliability": ("recommendations",),
    "verification": ("events", "flows", "account_verdicts", "findings", "indicator_rows"),
}
"""The tables that each stage writes."""


def stamp(run: CaseRun, stage: str) -> None:
    """Mark the tables of a stage as made from what this run is made from."""
    evidence, context, pack = _made_from(run)
    with measure.together(run.con):
        others = measure.event_tables(run.con) if stage == "intake" else ()
        for table in dict.fromkeys((*TABLES[stage], *others)):
            measure.stamp(run.con, table, evidence, context, pack, run.clock.now())


def stale_tables(run: CaseRun) -> list[str]:
    """Tables that were made from other evidence, context or rules than this run has; a run of all assets has none."""
    now = _made_from(run)
    return [table for table, *made_from in measure.stamps(run.con) if tuple(made_from) != now]


def _made_from(run: CaseRun) -> tuple[str, str, str]:
    files = sorted(measure.run_named(run.con, "read_files", file="document"))
    evidence = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return evidence, _known(run), run.pack.content_hash


def _known(run: CaseRun) -> str:
    """What was known of the case beforehand: its context, and the database of countries where there is one."""
    if run.country_database is None:
        return run.context.digest()
    return hashlib.sha256(f"{run.context.digest()} {run.country_database.edition.sha256}".encode()).hexdigest()
