import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.definitions import build_definitions, run_case
from m365dq_dagster.defs.launch import RunOutcome, open_instance
from m365dq_dagster.defs.launch import run_case as run_job
from m365dq_dagster.stages import case, verification
from m365dq_dagster.stages.published import read_document
from tests.defs.conftest import Register
from tests.support.judged_case import JudgedCase
from tests.support.sign_in_folder import TYPE_NAME

ORDER = ("raw_logs", "quality_report", "reliability_scores", "verified_findings", "case_report")
LAST = datetime.now(UTC).date() + timedelta(days=30)
OVERRIDE = {
    "skip_quality_check": True,
    "reason": "no second export exists",
    "actor": "jo",
    "expires": str(LAST),
}


def form(**given: Any) -> dict[str, Any]:
    return {"ops": {"raw_logs": {"config": given}}}


def made(instance: dg.DagsterInstance, case_id: str) -> list[str]:
    """The assets of the case that stand as made."""
    return [asset for asset in ORDER if case_id in instance.get_materialized_partitions(dg.AssetKey(asset))]


def checks_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]  # type: ignore[union-attr]
    return {one.check_name: one for one in found}


def unreadable_outcomes(row: int) -> str:
    return TYPE_NAME


def checks_in(case: JudgedCase) -> dict[str, Any]:
    with open_instance(case.settings) as opened:
        return checks_of(opened, case.outcome.run_id)


def made_in(case: JudgedCase) -> list[str]:
    with open_instance(case.settings) as opened:
        return made(opened, case.case_id)


def overriding(settings: Settings) -> RunOutcome:
    with open_instance(settings) as opened:
        return run_job(opened, build_definitions(settings).resolve_job_def("case_job"), "tiny", form(**OVERRIDE))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, empty_dagster_home: Path) -> JudgedCase:
    """A case that was judged."""
    return JudgedCase(tmp_path_factory.mktemp("healthy"), empty_dagster_home)


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory, empty_dagster_home: Path) -> JudgedCase:
    """A case that its gate stopped."""
    home = tmp_path_factory.mktemp("blocked")
    return JudgedCase(home, empty_dagster_home, code=unreadable_outcomes, access="")


@pytest.fixture(scope="module")
def overridden(tmp_path_factory: pytest.TempPathFactory, empty_dagster_home: Path) -> JudgedCase:
    """The same case, its gate overridden."""
    home = tmp_path_factory.mktemp("overridden")
    return JudgedCase(home, empty_dagster_home, launch=overriding, code=unreadable_outcomes, access="")


def test_a_run_keeps_to_the_limit_of_memory_from_its_first_step(settings: Settings, register: Register) -> None:
    seen: list[str] = []

    def asked(run: Any) -> None:
        seen.append(run.con.execute("SELECT current_setting('memory_limit')").fetchone()[0])
        raise BadInput("enough is seen")

    limited = settings.model_copy(update={"memory_limit": "512MiB"})
    assert not run_case(limited, register(), intake=SimpleNamespace(run=asked)).success
    assert seen == ["512.0 MiB"]


def test_a_case_is_made_from_evidence_to_report_and_published(healthy: JudgedCase) -> None:
    assert healthy.outcome.success
    assert made_in(healthy) == list(ORDER)
    assert healthy.store.current("tiny") == healthy.store.case_dir("tiny") / f"{healthy.outcome.run_id}.duckdb"
    assert healthy.document()["status"] == "NO_BREACH_INDICATED"
    assert healthy.report.is_file()


def test_every_check_of_a_case_is_answered_for_its_partition_and_names_it(healthy: JudgedCase) -> None:
    found = checks_in(healthy)
    definitions = build_definitions(healthy.settings)
    keys = definitions.resolve_asset_graph().asset_check_keys
    assert set(found) == {key.name for key in keys if key.asset_key.path[-1] in ORDER}
    assert all(one.partition == "tiny" for one in found.values())
    assert all("tiny" in one.description for one in found.values())
    assert found["verdict"].description.startswith("Case tiny: no breach indicated")
    assert found["sign_in_logs_as_expected"].passed


def test_a_breach_is_an_error_to_look_at_and_not_a_failed_run(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register
) -> None:
    case_id = register(access="notApplied")
    breach = SimpleNamespace(run=lambda run: _as_breach(verification.run(run)))
    outcome = run_case(settings, case_id, verification=breach)
    assert outcome.success
    verdict = checks_of(instance, outcome.run_id)["verdict"]
    assert (verdict.passed, verdict.severity, verdict.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert verdict.description == "Case tiny: breach indicated on one account."


def _as_breach(report: verification.VerificationReport) -> Any:
    (check,) = report.checks
    told = replace(
        check, passed=False, severity=Severity.CRITICAL, headline="Case tiny: breach indicated on one account."
    )
    return replace(report, checks=(told,))


def test_a_case_whose_outcomes_cannot_be_told_stops_behind_a_green_quality_report(blocked: JudgedCase) -> None:
    outcome = blocked.outcome
    assert (outcome.success, outcome.blocked, outcome.error) == (False, ("outcome_can_be_told",), None)
    assert made_in(blocked) == ["raw_logs", "quality_report"]
    gate = checks_in(blocked)["outcome_can_be_told"]
    assert (gate.passed, gate.severity, gate.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert gate.description.startswith("Case tiny: sign_in_logs: no outcome field may testify.")
    assert gate.metadata["runbook"].value == "docs/runbooks/quality-check-failure.md"


def test_what_a_gate_stopped_is_published_with_ledger_and_one_page(blocked: JudgedCase) -> None:
    document = blocked.document()
    assert (document["status"], document["findings"]) == ("CANNOT_CONCLUDE", [])
    assert document["quality"]["status"] == "FAIL"
    assert document["quality"]["failed_checks"][0]["runbook"]
    assert document["files"][0]["rows_read"] == 40
    assert blocked.report.is_file()


def test_a_case_without_any_known_log_stops_behind_its_raw_logs(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register, tmp_path: Path
) -> None:
    case_id = register()
    (tmp_path / "evidence" / case_id / "SigninLogs.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    outcome = run_case(settings, case_id)
    assert outcome.blocked == ("evidence_is_all_there",)
    assert made(instance, case_id) == ["raw_logs"]
    assert checks_of(instance, outcome.run_id)["evidence_is_all_there"].description.startswith(
        "Case tiny: No file of the folder"
    )
    assert read_document(store, case_id)["quality"]["status"] == "FAIL"


def test_an_override_turns_the_gate_into_a_warning_that_says_who_and_until_when(overridden: JudgedCase) -> None:
    assert overridden.outcome.success
    gate = checks_in(overridden)["outcome_can_be_told"]
    assert (gate.passed, gate.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"Overridden by jo until {LAST}: no second export exists" in gate.description
    document = overridden.document()
    assert document["quality"]["status"] == "OVERRIDDEN"
    assert not any(finding["verified"] for finding in document["findings"])


def test_an_override_stands_for_later_runs_until_it_expires(overridden: JudgedCase, settings: Settings) -> None:
    assert run_case(settings, overridden.taken_over(settings)).success


def test_an_override_ends_by_itself_after_its_last_day(
    overridden: JudgedCase, settings: Settings, store: CaseStore
) -> None:
    case_id = overridden.taken_over(settings)
    assert read_document(store, case_id)["quality"]["override"]["recorded_by"]
    day_after = datetime(LAST.year, LAST.month, LAST.day, 12, tzinfo=UTC) + timedelta(days=1)
    outcome = run_case(settings, case_id, clock=FixedClock(day_after))
    assert outcome.blocked == ("outcome_can_be_told",)
    document = read_document(store, case_id)
    assert (document["quality"]["status"], document["quality"]["override"]) == ("FAIL", None)
    assert document["findings"] == []


def test_a_gate_that_the_policy_of_the_home_switches_off_warns_and_says_so(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register
) -> None:
    case_id = register(code=unreadable_outcomes, access="")
    local = settings.home / "rule_pack"
    local.mkdir()
    switches = "[checks]\nsign_in_logs_outcome_may_be_judged = false\nsign_in_logs_as_expected = false\n"
    (local / "policy.toml").write_text(switches, encoding="utf-8")
    outcome = run_case(settings, case_id)
    assert outcome.success
    found = checks_of(instance, outcome.run_id)
    gate, suite = found["outcome_can_be_told"], found["sign_in_logs_as_expected"]
    assert (gate.passed, gate.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Switched off by policy: sign_in_logs_outcome_may_be_judged." in gate.description
    assert (suite.passed, suite.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "switched off by policy" in suite.description
    document = read_document(store, case_id)
    assert (document["status"], document["quality"]["status"]) == ("CANNOT_CONCLUDE", "OVERRIDDEN")
    assert [row["check"] for row in document["quality"]["switched_off"]] == [
        "sign_in_logs_as_expected",
        "sign_in_logs_outcome_may_be_judged",
    ]
    assert not any(finding["verified"] for finding in document["findings"])


def test_the_launch_form_adds_to_what_is_known_of_the_case(
    settings: Settings, instance: dg.DagsterInstance, registry: Registry, store: CaseStore, register: Register
) -> None:
    case_id = register()
    job = build_definitions(settings).resolve_job_def("case_job")
    assert run_job(instance, job, case_id, form(home_countries=["NZ"], date_order="dmy")).success
    assert read_document(store, case_id)["context"]["home_countries"] == ["NZ"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"date_order": "YMD"}, "date_order 'YMD' is not known"),
        ({**OVERRIDE, "actor": " "}, "skip_quality_check needs actor too"),
        ({**OVERRIDE, "skip_quality_check": False}, "reason belongs to skip_quality_check"),
        ({**OVERRIDE, "expires": str(LAST + timedelta(days=9))}, "the last day allowed is"),
    ],
)
def test_a_launch_form_that_cannot_be_used_changes_nothing(
    given: dict[str, Any],
    sentence: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    store: CaseStore,
    register: Register,
) -> None:
    case_id = register()
    job = build_definitions(settings).resolve_job_def("case_job")
    outcome = run_job(instance, job, case_id, form(**given))
    assert isinstance(outcome.error, BadInput)
    assert sentence in str(outcome.error)
    assert store.current(case_id) is None


def test_a_case_that_nobody_registered_is_told_apart_from_a_failure(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore
) -> None:
    outcome = run_case(settings, "nobody")
    assert isinstance(outcome.error, BadInput)
    assert "no case 'nobody'" in str(outcome.error)


def test_a_stage_that_raises_leaves_the_published_state_and_frees_the_case(
    healthy: JudgedCase, settings: Settings, store: CaseStore
) -> None:
    case_id, first = healthy.taken_over(settings), healthy.outcome

    def broken(run: Any) -> None:
        run.con.execute("DROP TABLE files")
        raise RuntimeError("secret of the engine")

    outcome = run_case(settings, case_id, reliability=SimpleNamespace(run=broken))
    assert isinstance(outcome.error, InternalFault)
    assert "secret" not in str(outcome.error)
    assert store.current(case_id) == store.case_dir(case_id) / f"{first.run_id}.duckdb"
    assert not list(store.case_dir(case_id).glob(f"{outcome.run_id}*"))
    with store.lock(case_id, 0):
        assert read_document(store, case_id)["generation"] == first.run_id


def test_a_state_that_cannot_be_published_fails_the_asset_that_was_to_publish_it(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register
) -> None:
    case_id = register()

    def no_space(run: Any) -> None:
        raise InternalFault("Case tiny: the disk is full; free some space and run again.")

    outcome = run_case(settings, case_id, case=SimpleNamespace(**{**vars(case), "finish_run": no_space}))
    assert str(outcome.error) == "Case tiny: the disk is full; free some space and run again."
    assert made(instance, case_id) == list(ORDER[:-1])
    assert store.current(case_id) is None


def materialise(
    settings: Settings, instance: dg.DagsterInstance, case_id: str, *assets: str, **stages: Any
) -> dg.ExecuteInProcessResult:
    job = build_definitions(settings, **stages).resolve_job_def("case_job")
    return job.execute_in_process(
        instance=instance,
        partition_key=case_id,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        raise_on_error=False,
    )


def test_a_part_of_a_case_is_made_again_from_a_copy_of_what_is_published(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register, tmp_path: Path
) -> None:
    case_id = register()
    run_case(settings, case_id)  # a case of its own, whose evidence is taken away
    shutil.rmtree(tmp_path / "evidence" / case_id)
    (tmp_path / "evidence" / case_id).mkdir()
    result = materialise(settings, instance, case_id, "verified_findings", "case_report")
    assert result.success
    assert store.current(case_id) == store.case_dir(case_id) / f"{result.run_id}.duckdb"
    assert read_document(store, case_id)["files"][0]["rows_read"] == 40


def test_a_part_without_the_report_is_published_too_and_its_checks_are_answered_from_it(
    healthy: JudgedCase, settings: Settings, store: CaseStore
) -> None:
    case_id = healthy.taken_over(settings)
    with open_instance(settings) as instance:
        result = materialise(settings, instance, case_id, "reliability_scores")
    assert result.success
    assert [one.check_name for one in result.get_asset_check_evaluations()] == ["reliability_tables_sound"]
    assert store.current(case_id) == store.case_dir(case_id) / f"{result.run_id}.duckdb"


def test_the_rest_of_a_blocked_case_cannot_be_made_around_the_gate(
    blocked: JudgedCase, settings: Settings, store: CaseStore
) -> None:
    case_id = blocked.taken_over(settings)
    with open_instance(settings) as instance:
        result = materialise(settings, instance, case_id, "reliability_scores", "verified_findings", "case_report")
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "Case tiny is blocked" in failure.step_failure_data.error.to_string()  # type: ignore[union-attr]
    assert store.current(case_id) == store.case_dir(case_id) / f"{blocked.outcome.run_id}.duckdb"


def test_a_part_of_a_case_that_was_never_published_is_refused_in_a_sentence(
    settings: Settings, instance: dg.DagsterInstance, register: Register
) -> None:
    case_id = register()
    instance.add_dynamic_partitions("case", [case_id])
    result = materialise(settings, instance, case_id, "verified_findings")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "no published state yet" in failure.step_failure_data.error.to_string()  # type: ignore[union-attr]


def test_a_run_that_another_process_keeps_out_says_so(
    settings: Settings, instance: dg.DagsterInstance, store: CaseStore, register: Register
) -> None:
    case_id = register()
    with store.lock(case_id, 0):
        outcome = run_case(settings, case_id)
    assert isinstance(outcome.error, CaseBusy)
    assert "another run is working on it" in str(outcome.error)
    assert run_case(settings, case_id).success
