"""Scores and recommendations, as they are kept and shown."""

from pathlib import Path

import pytest

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.stages import quality, reliability
from tests.support.case_runs import CASE, NOW, Bench, judged
from tests.support.evidence import BOB, at, at_home, logon, operation, rejected, sign_in

GOOD = [*at_home(status="Success", access="success"), *rejected(BOB, 6, status="Failure", access="notApplied")]


def test_a_healthy_code_column_is_recommended_before_text_and_access() -> None:
    found = Bench().judge(GOOD)
    best = found["recommended"]["sign_in_logs"]
    assert (best["field"], best["instead_of"]) == ("status_error_code", [])
    scores = {one["field"]: one["score"] for one in found["fields"] if one["role"] == "outcome"}
    assert scores["status_error_code"] >= scores["status"] > scores["conditional_access_status"]


def test_on_logons_the_error_number_outranks_the_result_status() -> None:
    rows = [logon(when=at(0, n)) for n in range(8)] + [logon(BOB, at(1, n), "50126") for n in range(4)]
    found = Bench().judge(rows)
    assert found["recommended"]["unified_audit_log"]["field"] == "error_number"
    status = next(one for one in found["fields"] if one["field"] == "result_status")
    assert (status["may_testify"], status["score"]) == (False, 0.0)


def test_a_log_in_which_nothing_may_testify_has_no_recommendation() -> None:
    rows = [sign_in(code=None) for _ in range(3)]
    with Bench().run(rows) as run:
        quality.run(run)
        assert reliability.run(run).recommended == ()
        assert measure.read_json(run.con, "recommendations") == []


def test_a_profile_carries_counts_shares_state_and_origin() -> None:
    with Bench().run(GOOD) as run:
        origins = ["source:Status", "derived:rule(a)"]
        for number, origin in enumerate(origins, 1):
            values = [number, "sign_in_logs", "status", origin]
            run.con.execute("INSERT INTO field_provenance VALUES (?, ?, ?, ?)", values)
        found = judged(run)
    rows = {one["field"]: one for one in found["fields"]}
    assert rows["status"]["provenance"] == "derived:rule(a); source:Status"
    assert rows["status_error_code"]["provenance"] == "absent"
    code = rows["status_error_code"]
    assert (code["applicable_rows"], code["population"], code["top_value"], code["top_raw"]) == (26, 1.0, "0", "0")
    assert code["top_share"] == pytest.approx(20 / 26, abs=1e-6)
    assert code["uniqueness_ratio"] == pytest.approx(2 / 26, abs=1e-6)
    absent = rows["failure_reason"]
    assert (absent["state"], absent["score"], absent["discriminatory_power"]) == ("NOT_APPLICABLE", None, None)


def test_scores_are_kept_in_the_registry_and_the_case_moves_on(registry: Registry, tmp_path: Path) -> None:
    with Bench(registry, tmp_path).run(GOOD) as run:
        quality.run(run)
        reliability.run(run)
    assert registry.current_stage(CASE) is CaseStage.SCORED


def test_the_context_rules_that_applied_are_shown_and_kept_with_the_score(registry: Registry, tmp_path: Path) -> None:
    phones = [
        sign_in(when=at(0, n), code=code, access=access, client_app_used="Exchange ActiveSync")
        for n, (code, access) in enumerate([("0", "success"), ("53003", "failure")] * 6)
    ]
    with Bench(registry, tmp_path).run([*GOOD, *phones]) as run:
        found = judged(run)
        judged(run)
    (access,) = [one for one in found["fields"] if one["field"] == "conditional_access_status"]
    (rule,) = access["rules"]
    assert (rule["id"], rule["effect"], rule["rows"]) == ("conditional-access-on-legacy-clients", "multiply", 12)
    assert rule["factor"] == pytest.approx(1 - 12 / 38 / 2, abs=1e-6)
    assert rule["because"].startswith("Exchange ActiveSync")
    assert rule["runbook"].startswith("docs/runbooks/context-rules.md#")
    kept = [one for one in registry.scores_between(NOW, NOW) if one.row.field == "conditional_access_status"]
    assert [one.row.rules for one in kept] == [("conditional-access-on-legacy-clients",)] * 2
    assert kept[0].row.adjusted < kept[0].row.base


def test_the_result_status_of_a_log_without_logons_is_empty_by_design() -> None:
    files = [operation("FileAccessed", when=at(0, n), record_type="6") for n in range(5)]
    (status,) = [one for one in Bench().judge(files)["fields"] if one["field"] == "result_status"]
    assert (status["state"], status["score"]) == ("NOT_APPLICABLE", None)
    assert "by design" in status["reasons"][0]
