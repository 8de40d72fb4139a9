"""Where a case stands: the three questions of progress, answered from the registry. The rules of moving are in
`core.progress`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m365dq_dagster.adapters.registry import CaseRecord, Registry
from m365dq_dagster.core.progress import STAGES, CaseProgress


def case_progress(registry: Registry, case_id: str) -> CaseProgress:
    """Current stage, open tasks of every stage and the overall share, as of one moment.

    Raises `BadInput` for a case that is not registered.
    """
    return registry.progress(case_id)


def progress_mapping(progress: CaseProgress) -> dict[str, Any]:
    """For JSON: the same answers with the sentence for the next shift."""
    return {
        "case": progress.case_id,
        "stage": progress.stage,
        "next_stage": progress.next_stage,
        "blocked_by": progress.blocked_by,
        "tasks_done": progress.done,
        "tasks_total": progress.total,
        "share": progress.share,
        "incomplete_tasks": {stage.value: list(progress.incomplete[stage]) for stage in STAGES},
        "sentence": progress.sentence,
    }


def case_mapping(
    record: CaseRecord,
    corrected: Mapping[str, str] | None = None,
    override: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """For JSON: one row of the list of cases; `corrected` are the verdicts that a person gave, by subject, and
    `override` the one in force or the one whose end has left the verdict behind.
    """
    return {
        "case": record.case_id,
        "folder": record.folder,
        "stage": record.stage,
        "verdict": record.verdict,
        "blocked_by": record.blocked_by,
        "updated_at": record.updated_at.isoformat(),
        "corrected": dict(corrected or {}),
        "quality": record.judged_under.get("quality"),
        "override": dict(override) if override else None,
        "last_run": record.last_run.isoformat() if record.last_run else None,
    }
