"""The status-code reference: from the rule pack into the registry, and looking up what was seen. Judging by codes is
`core.adjudication`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from m365dq_dagster.adapters.registry import CodeSighting, Registry, StatusCode
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.adjudication import CodeRow
from m365dq_dagster.core.code_changes import CODE_FIELDS
from m365dq_dagster.core.outcome import Severity


def load_codes(registry: Registry, pack: RulePack, now: datetime) -> int:
    """Bring the registry's reference to the rule pack's; returns how many rows are new or changed."""
    return registry.load_status_codes(reference_rows(pack.codes), now)


def reference_rows(codes: Iterable[CodeRow]) -> list[StatusCode]:
    """Every code of the pack once for each field that may hold it."""
    return [_status_code(code, log_type, field) for code in codes for log_type, field in CODE_FIELDS]


def _status_code(code: CodeRow, log_type: str, field: str) -> StatusCode:
    return StatusCode(
        log_type=log_type,
        field=field,
        value=code.code,
        meaning=code.meaning,
        severity=Severity(code.severity),
        category=code.category,
        outcome=code.outcome,
        first_factor=code.first_factor,
        portal_status=code.portal_status,
        provenance=code.provenance,
        method=code.method,
        state=code.state.upper(),
    )


def look_up(
    registry: Registry, value: str, log_type: str | None = None, field: str | None = None
) -> tuple[StatusCode, ...]:
    """What the reference knows of a code value; empty where it is unknown."""
    return tuple(
        code
        for code in registry.status_codes(value.strip())
        if log_type in (None, code.log_type) and field in (None, code.field)
    )


def look_up_seen(registry: Registry, case_id: str) -> tuple[tuple[CodeSighting, StatusCode | None], ...]:
    """Every distinct code that a case holds beside its meaning, or None where the reference does not know it."""
    known = {(code.log_type, code.field, code.value): code for code in registry.status_codes()}
    seen = (sighting for sighting in registry.sightings() if sighting.case_id == case_id)
    return tuple((s, known.get((s.log_type, s.field, s.value))) for s in seen)


def code_mapping(code: StatusCode) -> dict[str, Any]:
    """For JSON: the specification's columns and what this product adds."""
    return {
        "log_type": code.log_type,
        "field_name": code.field,
        "code_value": code.value,
        "meaning": code.meaning,
        "severity": code.severity.value,
        "first_seen": code.first_seen.isoformat() if code.first_seen else None,
        "last_validated": code.last_validated.isoformat() if code.last_validated else None,
        "deprecated": code.deprecated,
        "category": code.category,
        "outcome": code.outcome,
        "first_factor": code.first_factor,
        "portal_status": code.portal_status,
        "provenance": code.provenance,
        "method": code.method,
        "state": code.state,
    }


def unknown_codes(registry: Registry, since: datetime) -> dict[tuple[str, str, str], Mapping[str, int]]:
    """Codes sighted at or after `since` that the reference lacks: (log type, field, value) -> rows of each case."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for sighting in registry.sightings(since, unknown=True):
        cases = found.setdefault((sighting.log_type, sighting.field, sighting.value), {})
        cases[sighting.case_id] = sighting.rows
    return {key: dict(cases) for key, cases in found.items()}
