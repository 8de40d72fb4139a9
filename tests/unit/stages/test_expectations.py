from pathlib import Path

import pytest

from m365dq_dagster.adapters.gx import Judged, SuiteResult
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.stages import expectations
from m365dq_dagster.stages.case_run import CaseRun
from tests.support.case_runs import Bench, pack_without
from tests.support.evidence import sign_in


def judged(*, passed: bool, broken: bool = False, severity: Severity = Severity.WARNING, rows: int = 0) -> Judged:
    return Judged("expect_x", "country", severity, "It matters.", "docs/runbooks/x.md", passed, broken, rows, rows / 2)


def result(*items: Judged, rows: int = 200) -> SuiteResult:
    return SuiteResult(LogType.SIGN_IN, rows, items)


def test_evidence_that_looks_as_expected_passes() -> None:
    check = expectations.as_check("c1", result(judged(passed=True)))
    assert (check.passed, check.blocking, check.severity) == (True, False, Severity.INFO)
    assert check.headline == "Case c1: sign_in_logs looks as expected: 1 expectations hold over 200 rows."


def test_a_log_type_without_rows_passes_and_says_that_nothing_was_asked() -> None:
    check = expectations.as_check("c1", result(rows=0))
    assert check.passed
    assert "holds no rows" in check.headline


def test_the_worst_unmet_expectation_is_the_headline_and_counts_are_the_proof() -> None:
    met = judged(passed=True)
    mild = judged(passed=False, rows=90)
    grave = judged(passed=False, severity=Severity.CRITICAL, rows=10)
    check = expectations.as_check("c1", result(met, mild, grave))
    assert (check.passed, check.severity, check.reason) == (False, Severity.CRITICAL, "EXPECTATION_UNMET")
    assert "2 of 3 expectations" in check.headline
    assert "concerns 10 of 200 rows. It matters." in check.headline
    assert [row["rows"] for row in check.table] == [90, 10]


def test_a_broken_question_is_told_apart_from_bad_evidence() -> None:
    check = expectations.as_check("c1", result(judged(passed=False, broken=True), judged(passed=True)))
    assert (check.passed, check.severity, check.reason) == (False, Severity.WARNING, "EXPECTATION_BROKEN")
    assert "the evidence is not to blame" in check.headline
    assert check.table[0]["rows"] == "not asked"


@pytest.fixture
def bench(registry: Registry, tmp_path: Path) -> Bench:
    return Bench(registry, tmp_path)


def asked(run: CaseRun) -> dict[str, bool]:
    return {check.name: check.passed for check in expectations.run(run).checks}


def test_every_log_type_with_a_suite_is_one_check(bench: Bench) -> None:
    with bench.run([sign_in(event_id="e1")]) as run:
        names = set(asked(run))
    assert names == {f"{t}_as_expected" for t in ("sign_in_logs", "unified_audit_log", "legacy_auth_logs")}


def test_a_suite_that_cannot_be_read_fails_its_own_check_alone(bench: Bench, tmp_path: Path) -> None:
    from dataclasses import replace

    (tmp_path / "sign_in_logs.json").write_text("no json", encoding="utf-8")
    (tmp_path / "legacy_auth_logs.json").write_text('{"expectations": []}', encoding="utf-8")
    with bench.run([sign_in()]) as run:
        broken = replace(run, pack=replace(run.pack, expectations_dir=tmp_path))
        checks = {check.name: check for check in expectations.run(broken).checks}
    assert checks["legacy_auth_logs_as_expected"].passed
    failed = checks["sign_in_logs_as_expected"]
    assert (failed.passed, failed.reason) == (False, "EXPECTATION_BROKEN")
    assert "sign_in_logs.json: not a suite" in failed.headline


def test_a_suite_that_is_switched_off_is_not_asked_and_says_so(bench: Bench) -> None:
    with bench.run([sign_in()], pack=pack_without("sign_in_logs_as_expected")) as run:
        (check,) = expectations.run(run, [LogType.SIGN_IN]).checks
    assert (check.passed, check.switched_off, check.reason) == (False, True, "SWITCHED_OFF")
