"""The case document: what others script against, built from the tables of a generation and kept in it. Key names are
a contract: they are added to, never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.core import narrative
from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.known_checks import blocks, compensation
from m365dq_dagster.core.ledger import REMEDIES
from m365dq_dagster.core.outcome import CaseVerdict, Confidence, LogType
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.stages import places, schema, sightings
from m365dq_dagster.stages.case_run import CaseRun
from m365dq_dagster.stages.indicators import VERIFIERS
from m365dq_dagster.stages.published import opened
from m365dq_dagster.stages.stamps import stale_tables, taken_in_by

JUDGED = (LogType.SIGN_IN, LogType.LEGACY, LogType.UAL)
"""The logs that hold logons, whose outcomes a verdict rests on."""

VERIFIED = frozenset(one.log_type for one in VERIFIERS)
"""The logs that a verifier reads; every other one is taken in and counted, and nothing is concluded from it."""

EMPTY_SIGN_INS: Mapping[str, Any] = {
    "events": 0,
    "flows": 0,
    "by_outcome": {},
    "normalized": {"SUCCESS": 0, "FAILURE": 0, "UNKNOWN": 0},
    "decision_coverage": 0.0,
    "foreign_attempt_success_rate": None,
    "foreign_share_of_success": None,
    "foreign_share_of_all": None,
    "foreign_successes": 0,
    "foreign_attempts": 0,
    "foreign_success_flows": 0,
    "success_flows": 0,
    "home_countries": [],
}


def build(run: CaseRun, *, stage: str) -> dict[str, Any]:
    """The whole document, alerts still empty. With blocking checks that failed and no override, nothing is
    concluded: `findings` is empty.
    """
    failed = run.pack.policy.checks.reheard(run.case_id, measure.failed_checks(run.con))
    blocking = failed_blocking(failed)
    blocked = bool(blocking) and run.override is None
    body = {
        "case": run.case_id,
        **_verdict(run, blocking, blocked=blocked),
        "rule_pack": run.pack.content_hash,
        "started_at": run.started_at.isoformat(),
        "seconds": round(run.seconds, 3),
        "stage": stage,
        "quality": _quality(run, failed, blocked=blocked),
        **_ledger(run.con),
        "by_log_type": by_log_type(run.con, blocked=blocked),
        "fields": _fields(run),
        "country_database": places.kept(run).get("database"),
        "recommended": _recommended(run.con),
        **sightings.told(sightings.unknown(run)),
        "schema_changes": measure.read_json(run.con, schema.CHANGES),
        "schema_versions": measure.read_json(run.con, schema.VERSIONS),
        **_judged(run.con, blocked=blocked),
        "alerts": [],
        "context": run.context.as_mapping(),
        "generation": run.run_id,
        "stale": stale_tables(run),
        "rejudged": _rejudged(run),
        "rule_pack_conflicts": [one.sentence for one in run.pack.overlay.conflicts],
    }
    return {**body, "not_tested": [*body["not_tested"], *narrative.unjudged(body)]}


def _rejudged(run: CaseRun) -> dict[str, Any] | None:
    """How evidence came to be judged again without being read again; None for an ordinary run."""
    one = run.rejudged
    if one is None:
        return None
    return {"pack": one.pack, "of": one.of, "in_force": one.in_force, "taken_in_by": taken_in_by(run)}


def _verdict(run: CaseRun, blocking: Sequence[CheckResult], *, blocked: bool) -> dict[str, Any]:
    kept = measure.read_json(run.con, "case_verdict")
    if blocked or not kept:
        reasons = [check.headline for check in blocking] or ["The run did not reach a verdict."]
        return {
            "status": str(CaseVerdict.CANNOT_CONCLUDE),
            "confidence": str(Confidence.LOW),
            "headline": f"Case {run.case_id}: cannot conclude. {reasons[0].removeprefix(f'Case {run.case_id}: ')}",
            "cannot_conclude": reasons,
            "not_tested": [],
            "leaned_on_unknown": [],
            "sign_ins": dict(EMPTY_SIGN_INS),
        }
    return dict(kept[0])


def _quality(run: CaseRun, failed: Sequence[CheckResult], *, blocked: bool) -> dict[str, Any]:
    """The gate: `failed_checks` are those that block, `notes` those that failed and are only shown."""
    heard = [check for check in failed if not check.switched_off]
    stopping = failed_blocking(heard)
    return {
        "status": "FAIL" if blocked else "OVERRIDDEN" if run.taints else "PASS",
        "failed_checks": [_check_row(check) for check in stopping],
        "notes": [_check_row(check) for check in heard if not check.blocking],
        "override": _override(run.override, stopping) if run.override else None,
        "switched_off": [_switched_row(name, failed) for name in run.pack.policy.checks.off],
    }


def _override(one: Override, passed_over: Sequence[CheckResult]) -> dict[str, Any]:
    """An override with what it disabled and what stands in for that; `ends` is the first moment it does not hold."""
    disabled = [
        {"check": check.name, "reason": check.headline, "compensated_by": compensation(check.name)}
        for check in passed_over
    ]
    return {
        "reason": one.reason,
        "actor": one.actor,
        "expires": one.expires,
        "recorded_by": one.recorded_by,
        "ends": one.ends.isoformat(),
        "disabled": disabled,
        "compensated_by": list(dict.fromkeys(row["compensated_by"] for row in disabled)),
        "in_force": True,
        "ended_at": None,
        "ended_by": None,
    }


def _switched_row(name: str, failed: Sequence[CheckResult]) -> dict[str, Any]:
    """A check that the policy has switched off; `reason` is what it says of this case, where it was asked at all."""
    told = next((check.headline for check in failed if check.name == name), None)
    return {"check": name, "blocking": blocks(name), "compensated_by": compensation(name), "reason": told}


def _check_row(check: CheckResult) -> dict[str, Any]:
    return {
        "check": check.name,
        "reason": check.headline,
        "code": check.reason,
        "runbook": check.runbook,
        "blocking": check.blocking,
    }


def _ledger(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    found = {name: measure.mappings(con, name) for name in ("files", "quarantine", "completeness")}
    return {**found, "quarantine": [{**row, **remedy(str(row["reason"]))} for row in found["quarantine"]]}


def remedy(reason: str) -> dict[str, str]:
    """What it means that a row was set aside for a reason, and what to do about it, one sentence each."""
    known = {str(word): text for word, text in REMEDIES.items()}
    means, _, what_to_do = known.get(reason, "").partition("; ")
    return {"means": _sentence(means), "what_to_do": _sentence(what_to_do)}


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "." if words else ""


def by_log_type(con: duckdb.DuckDBPyConnection, *, blocked: bool = False) -> dict[str, Any]:
    """Events of every table of events; outcomes of the logons of those that hold any, `judged` for others."""
    return {**_judged_logs(con, blocked=blocked), **_other_logs(con, blocked=blocked)}


def _other_logs(con: duckdb.DuckDBPyConnection, *, blocked: bool) -> dict[str, Any]:
    return {
        log_type: {
            "events": rows,
            "by_outcome": {},
            "first_event": _iso(first),
            "last_event": _iso(last),
            "judged": log_type in VERIFIED and not blocked,
        }
        for log_type, rows, first, last in measure.other_logs(con, JUDGED)
    }


def _iso(moment: datetime | None) -> str | None:
    return f"{moment.isoformat()}Z" if moment else None


def _judged_logs(con: duckdb.DuckDBPyConnection, *, blocked: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for log_type, rows in measure.filled_log_types(con).items():
        found[str(log_type)] = {"events": rows, "by_outcome": {}}
    if blocked or not measure.has_table(con, "events"):
        return found
    counted = measure.run_named(con, "outcomes_by_log_type", file="document")
    for log_type, outcome, count in counted:
        found[log_type]["by_outcome"][outcome] = count
    for entry in found.values():
        logons = sum(entry["by_outcome"].values())
        open_rows = sum(entry["by_outcome"].get(word, 0) for word in ("UNKNOWN", "CONFLICT"))
        entry["logons"] = logons
        entry["decision_coverage"] = round((logons - open_rows) / logons, 6) if logons else None
    return found


def _fields(run: CaseRun) -> list[dict[str, Any]]:
    """The profiles, with what was found out about locations told of the field `country`."""
    rows = measure.read_json(run.con, "field_profiles")
    remarks = places.kept(run).get("remarks", {})
    origins = measure.provenance(run.con) if remarks else {}
    for row in rows:
        if row["field"] == "country" and row["log_type"] in remarks:
            row["remarks"] = remarks[row["log_type"]]
            row["provenance"] = "; ".join(origins.get((row["log_type"], "country"), ())) or "absent"
    return rows


def _recommended(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return {row.pop("log_type"): row for row in measure.read_json(con, "recommendations")}


def _judged(con: duckdb.DuckDBPyConnection, *, blocked: bool) -> dict[str, Any]:
    names = ("conflicts", "accounts", "indicators", "findings", "leads")
    tables = {"accounts": "account_verdicts"}
    return {name: [] if blocked else measure.read_json(con, tables.get(name, name)) for name in names}


def keep(con: duckdb.DuckDBPyConnection, document: Mapping[str, Any]) -> None:
    """Keep the document in the generation."""
    measure.keep_document(con, json.dumps(document, default=str))


def read_quarantine(
    store: CaseStore, case_id: str, rows: int | None = None, characters: int | None = None
) -> list[dict[str, Any]]:
    """The rows of a case that were set aside, each with the raw text as it was read, by reason, file and row.

    At most `rows` of them, with at most `characters` of each text; every reason and file has its first ones then, and
    `characters` of a row says how long its text is. Raises `BadInput` where the case has no published state.
    """
    with opened(store, case_id) as con:
        return measure.mappings(con, "quarantined_rows", {"most": rows, "characters": characters})


def read_provenance(store: CaseStore, case_id: str) -> list[dict[str, Any]]:
    """Every file that was taken in, with `source:<column>`, `derived:<rule>` or `absent` for each canonical field.

    Raises `BadInput` where the case has no published state.
    """
    with opened(store, case_id) as con:
        return measure.mappings(con, "file_origins")
