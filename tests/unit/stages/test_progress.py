import json
from datetime import datetime

import pytest

from m365dq_dagster.adapters.registry import CaseStage, Registry
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages.progress import case_mapping, case_progress, progress_mapping


def test_progress_answers_the_three_questions_as_json(registry: Registry, now: datetime) -> None:
    registry.register_case("c", "/x", {}, now)
    registry.set_stage("c", CaseStage.IMPORTED, now)
    registry.set_stage("c", CaseStage.CHECKED, now, blocked_by="ledger")
    assert json.loads(json.dumps(progress_mapping(case_progress(registry, "c")))) == {
        "case": "c",
        "stage": "CHECKED",
        "next_stage": "SCORED",
        "blocked_by": "ledger",
        "tasks_done": 4,
        "tasks_total": 11,
        "share": 4 / 11,
        "incomplete_tasks": {
            "IMPORTED": [],
            "CHECKED": [],
            "SCORED": ["score_fields", "recommend_fields"],
            "VERIFIED": ["verify_sign_in_logs", "verify_unified_audit_log", "verify_legacy_auth_logs"],
            "REPORTED": ["write_report", "publish"],
        },
        "sentence": "Case c stands at CHECKED, 4 of 11 tasks done; blocked by ledger.",
    }


def test_a_case_is_listed_with_stage_verdict_and_last_run(registry: Registry, now: datetime) -> None:
    registry.register_case("c", "/x", {}, now)
    (fresh,) = map(case_mapping, registry.cases())
    assert (fresh["stage"], fresh["verdict"], fresh["last_run"]) == (None, None, None)
    registry.set_verdict("c", "ALL_BLOCKED", "digest", now)
    assert [case_mapping(record) for record in registry.cases()] == [
        {
            "case": "c",
            "folder": "/x",
            "stage": None,
            "verdict": "ALL_BLOCKED",
            "blocked_by": None,
            "updated_at": now.isoformat(),
            "corrected": {},
            "quality": None,
            "override": None,
            "last_run": now.isoformat(),
        }
    ]


def test_an_unknown_case_is_named(registry: Registry) -> None:
    with pytest.raises(BadInput, match="Case ghost is not in the registry"):
        case_progress(registry, "ghost")
