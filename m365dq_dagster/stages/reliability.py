"""Reliability: score every field, keep the scores with their history, and recommend the outcome field of each log
type.
"""

from __future__ import annotations

from dataclasses import dataclass

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.registry import ScoreRow
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.core.reliability import Recommendation, recommend
from m365dq_dagster.stages.case_run import CaseRun
from m365dq_dagster.stages.quality import Judged, judged_fields, rounded
from m365dq_dagster.stages.stamps import stamp

STAGE = "reliability"


@dataclass(frozen=True)
class ReliabilityReport:
    """The scored fields and the recommended outcome field of each log type that has one."""

    fields: Judged
    recommended: tuple[Recommendation, ...]


def run(run: CaseRun) -> ReliabilityReport:
    """Score, keep, recommend."""
    run.progress.step(STAGE, "scoring fields")
    fields = judged_fields(run)
    recommended = recommendations(fields)
    measure.keep_json(run.con, "recommendations", (recommendation_row(one) for one in recommended))
    stamp(run, STAGE)
    now = run.clock.now()
    rows = [
        ScoreRow(one.spec.log_type, one.spec.field, one.base_score, one.score, tuple(rule.id for rule in one.rules))
        for judged in fields.values()
        for one in judged
    ]
    run.registry.record_scores(run.case_id, rows, now)
    run.registry.set_stage(run.case_id, CaseStage.SCORED, now)
    return ReliabilityReport(fields, recommended)


def recommendations(fields: Judged) -> tuple[Recommendation, ...]:
    """The recommended outcome field of every log type that has one."""
    found = (recommend(log_type, judged) for log_type, judged in fields.items())
    return tuple(one for one in found if one is not None)


def recommendation_row(one: Recommendation) -> dict[str, object]:
    """A recommendation as the document shows it."""
    return {
        "log_type": str(one.log_type),
        "field": one.field,
        "score": rounded(one.score),
        "confidence": str(one.confidence),
        "instead_of": list(one.instead_of),
        "reasons": list(one.reasons),
    }
