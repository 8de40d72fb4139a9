"""The check on the field lists of an import: is what the exports write what is known of them? Finding the changes is
`schema_diff`'s business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m365dq_dagster.core.checks import CheckResult, remark
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.schema_changes import matters

STAGE = "intake"
RUNBOOK = "docs/runbooks/schema-change.md"
CHANGED = "SCHEMA_CHANGED"
SHOWN = ("kind", "severity", "before", "after", "detail")


def schema_as_known(changes: Sequence[Mapping[str, Any]], versions: Sequence[Mapping[str, Any]]) -> CheckResult:
    """Never blocks. Fails where an open change touches what is read; what nobody reads is only counted."""
    grave = [one for one in changes if matters(one)]
    table = [{name: one.get(name) for name in SHOWN} for one in (grave or changes)[:20]]
    return remark("schema_as_known", STAGE, _headline(changes, grave, versions), RUNBOOK, CHANGED * bool(grave), table)


def _headline(
    changes: Sequence[Mapping[str, Any]], grave: Sequence[Mapping[str, Any]], versions: Sequence[Mapping[str, Any]]
) -> str:
    if grave:
        more = f"; {plural(len(grave) - 1, 'more change')} beside it" if len(grave) > 1 else ""
        return f"The vendor or the exporter changed {grave[0]['log_type']}: {grave[0]['detail']}{more}."
    new = sum(1 for one in versions if one.get("is_new"))
    lists = f"{plural(len(versions), 'field list')}, {new} new"
    if changes:
        return f"{lists}; {plural(len(changes), 'difference')} from earlier imports, none in what is read."
    return f"{lists}; no difference from earlier imports."
