"""The gate: which fields may testify, what blocks, and what is only shown."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.outcome import CaseStage, LogType, Severity
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.stages import quality, reliability, verification
from tests.support.case_runs import CASE, Bench, judged, lean_pack, pack_without
from tests.support.evidence import ANN, BOB, Row, at, at_home, legacy, logon, operation, rejected, sign_in

TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
GOOD = [*at_home(), *rejected(BOB, 2)]
SKIP = Override("the export is being repeated", "sam@contoso.example", "2026-04-01")


def lost(access: str | None) -> Row:
    """A sign-in whose status object was not expanded."""
    wiped = {"status_error_code_raw": TYPE_NAME, "status_raw": TYPE_NAME}
    return sign_in(code=None, status=None, access=access, **wiped)


BLIND = [lost(None) for _ in range(8)]
"""A log that names no outcome in any field that may testify."""
SEEING = [lost("success") for _ in range(6)] + [lost("failure") for _ in range(4)]


def checks_of(rows: list[Row], override: Override | None = None) -> dict[str, CheckResult]:
    with Bench().run(rows, override=override) as run:
        return {check.name: check for check in quality.run(run).checks}


def test_a_log_with_an_outcome_field_that_may_testify_passes_the_gate() -> None:
    found = checks_of(GOOD)
    gate = found["sign_in_logs_outcome_may_be_judged"]
    assert (gate.passed, gate.blocking, gate.severity, gate.reason) == (True, True, Severity.INFO, "")
    assert "status_error_code may testify" in gate.headline
    assert list(found) == [
        "sign_in_logs_outcome_may_be_judged",
        "outcome_fields_may_testify",
        "outcome_fields_hold_throughout",
        "codes_and_values_known",
    ]
    assert all(check.passed for check in found.values())


def test_a_log_without_an_outcome_field_that_may_testify_blocks_and_names_the_cause() -> None:
    gate = checks_of(BLIND)["sign_in_logs_outcome_may_be_judged"]
    assert (gate.passed, gate.blocking, gate.severity) == (False, True, Severity.CRITICAL)
    assert gate.reason == "NO_OUTCOME_FIELD_MAY_TESTIFY"
    assert f"Case {CASE}: sign_in_logs: no outcome field may testify." in gate.headline
    assert gate.headline.count("Export again with the object expanded") == 1
    assert "status_error_code (and status) holds a type name" in gate.headline
    assert {"field": "status", "state": "CORRUPTED", "cause": "SERIALISATION_LOST"} in gate.table


def test_a_rejected_field_with_a_substitute_is_shown_and_does_not_block() -> None:
    found = checks_of(SEEING)
    assert found["sign_in_logs_outcome_may_be_judged"].passed
    shown = found["outcome_fields_may_testify"]
    assert (shown.passed, shown.blocking, shown.severity) == (False, False, Severity.WARNING)
    assert shown.headline.endswith("Judge by conditional_access_status instead.")
    assert {row["field"] for row in shown.table} == {"status_error_code", "status"}


def test_a_failed_check_that_does_not_block_is_a_note_in_the_document() -> None:
    found = Bench().judge(SEEING)["quality"]
    assert (found["status"], found["failed_checks"]) == ("PASS", [])
    note = found["notes"][0]
    assert (note["check"], note["code"], note["blocking"]) == ("outcome_fields_may_testify", "FIELD_REJECTED", False)


def test_each_log_with_logons_has_a_gate_and_one_without_has_none() -> None:
    with_logons = checks_of([*GOOD, legacy(), legacy(code="50126"), logon(), logon(number="50126")])
    assert [name for name in with_logons if name.endswith("_judged")] == [
        "sign_in_logs_outcome_may_be_judged",
        "legacy_auth_logs_outcome_may_be_judged",
        "unified_audit_log_outcome_may_be_judged",
    ]
    assert "unified_audit_log_outcome_may_be_judged" not in checks_of([*GOOD, operation("FileAccessed")])


def test_unknown_codes_and_words_are_shown_and_do_not_block() -> None:
    odd = [sign_in(code="512345"), sign_in(status="Sucess"), sign_in(access="perhaps"), sign_in(code="7")]
    known = checks_of([*GOOD, *odd])["codes_and_values_known"]
    assert (known.passed, known.blocking, known.reason) == (False, False, "UNKNOWN_VALUE")
    assert "1 code and 3 words of the witnesses are in no table" in known.headline
    assert {row["value"] for row in known.table} == {"512345", "Sucess", "perhaps", "7"}


def test_the_registry_remembers_checks_sightings_and_stage(registry: Registry, tmp_path: Path) -> None:
    bench = Bench(registry, tmp_path)
    with bench.run([*GOOD, sign_in(code="512345", when=None)]) as run:
        quality.run(run)
    assert {one.value for one in registry.sightings() if one.flagged} == {"512345"}
    seen = {one.value: one for one in registry.sightings() if one.field == "status_error_code"}
    assert set(seen) == {"0", "50126", "512345"}
    assert seen["512345"].first_event is None
    assert seen["0"].first_event == datetime(2026, 1, 5, 9, tzinfo=UTC)
    record = registry.case(CASE)
    assert record is not None
    assert (record.stage, record.blocked_by) == (CaseStage.CHECKED, None)


@pytest.mark.parametrize(("override", "blocked_by"), [(None, "sign_in_logs_outcome_may_be_judged"), (SKIP, None)])
def test_a_blocked_case_says_what_blocks_it_unless_somebody_overrode_it(
    registry: Registry, tmp_path: Path, override: Override | None, blocked_by: str | None
) -> None:
    with Bench(registry, tmp_path).run(BLIND, override=override) as run:
        quality.run(run)
    record = registry.case(CASE)
    assert record is not None
    assert record.blocked_by == blocked_by


def test_a_gate_that_failed_withholds_the_verdict_and_every_finding() -> None:
    with Bench().run(BLIND) as run:
        found = judged(run)
    assert (found["status"], found["quality"]["status"]) == ("CANNOT_CONCLUDE", "FAIL")
    assert found["findings"] == found["accounts"] == found["leads"] == found["conflicts"] == found["indicators"] == []
    assert found["sign_ins"]["events"] == 0
    failed = found["quality"]["failed_checks"][0]
    assert (failed["code"], failed["blocking"]) == ("NO_OUTCOME_FIELD_MAY_TESTIFY", True)
    assert "Export again" in found["cannot_conclude"][0]
    assert found["by_log_type"] == {"sign_in_logs": {"events": 8, "by_outcome": {}}}


def test_an_override_judges_on_and_taints_every_finding() -> None:
    with Bench().run([*BLIND, operation("New-InboxRule", ANN, at(1))], override=SKIP) as run:
        found = judged(run)
    assert found["quality"]["status"] == "OVERRIDDEN"
    override = found["quality"]["override"]
    assert (override["reason"], override["actor"], override["expires"]) == (SKIP.reason, SKIP.actor, SKIP.expires)
    assert override["ends"] == "2026-04-02T00:00:00+00:00"
    assert [row["check"] for row in override["disabled"]] == ["sign_in_logs_outcome_may_be_judged"]
    assert "no outcome field may testify" in override["disabled"][0]["reason"]
    assert override["compensated_by"] == [override["disabled"][0]["compensated_by"]]
    assert "audit log" in override["compensated_by"][0]
    assert found["findings"]
    for finding in found["findings"]:
        assert finding["verified"] is False
        assert finding["not_verified"] == (
            "not verified: quality gate overridden by sam@contoso.example until 2026-04-01 "
            "(the export is being repeated)"
        )


def test_an_override_where_nothing_failed_is_named_and_still_taints() -> None:
    with Bench().run([*GOOD], override=SKIP) as run:
        found = judged(run)
    assert (found["quality"]["status"], found["quality"]["failed_checks"]) == ("OVERRIDDEN", [])
    assert found["quality"]["override"]["actor"] == SKIP.actor
    assert found["quality"]["override"]["disabled"] == found["quality"]["override"]["compensated_by"] == []
    assert not any(finding["verified"] for finding in found["findings"])


def test_progress_is_told_and_fields_are_judged_alike_by_every_stage() -> None:
    told: list[tuple[str, str]] = []

    class Ear:
        def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
            told.append((stage, detail))

    with Bench().run(GOOD) as run:
        heard = type(run)(**{**vars(run), "progress": Ear()})
        first = quality.run(heard)
        assert quality.judged_fields(heard) is first.fields
        assert quality.judged_fields(replace(heard, memory={})) == dict(first.fields)
        assert reliability.run(heard).fields == dict(first.fields)
        verification.run(heard)
    assert {stage for stage, _ in told} == {"quality", "reliability", "verification"}
    assert set(first.fields) == {LogType.SIGN_IN}


def test_a_value_that_a_rule_reads_from_a_column_is_not_called_constant_by_design() -> None:
    with Bench().run(at_home()) as run:
        run.con.execute(
            "INSERT INTO field_provenance VALUES (1, 'sign_in_logs', 'country', 'derived:location_part of it'), "
            "(1, 'sign_in_logs', 'city', 'derived:file_name from the path')"
        )
        run.con.execute("UPDATE sign_in_logs SET city = 'Sydney'")
        quality.run(run)
        found = {one.spec.field: one for one in quality.judged_fields(run)[LogType.SIGN_IN]}
    assert [found[name].cause for name in ("country", "city")] == [None, "CONSTANT_BY_DESIGN"]


GATE = "sign_in_logs_outcome_may_be_judged"


def test_no_all_clear_is_given_under_an_override_although_the_gate_would_have_passed() -> None:
    with Bench().run([*at_home(), *rejected(BOB, 2)], home=["AU"], override=SKIP) as run:
        found = judged(run)
        (verdict,) = verification.run(run).checks
    assert found["status"] == "CANNOT_CONCLUDE"
    assert "quality gate overridden by sam@contoso.example until 2026-04-01" in found["cannot_conclude"][0]
    assert "end the override" in found["headline"]
    assert "Not verified: quality gate overridden by sam@contoso.example" in verdict.headline
    assert found["by_account"][BOB]["confidence"] == "LOW"
    assert "clears nobody" in found["by_account"][BOB]["reasons"][-1]


def test_a_blocking_check_that_is_switched_off_taints_as_an_override_does_and_clears_nobody() -> None:
    with Bench().run(BLIND, pack=pack_without(GATE)) as run:
        found = judged(run)
    assert (found["status"], found["quality"]["status"]) == ("CANNOT_CONCLUDE", "OVERRIDDEN")
    assert found["quality"]["override"] is None
    assert found["quality"]["failed_checks"] == []
    (off,) = found["quality"]["switched_off"]
    assert (off["check"], off["blocking"]) == (GATE, True)
    assert "It would have failed: sign_in_logs: no outcome field may testify" in off["reason"]
    assert "audit log" in off["compensated_by"]
    for finding in found["findings"]:
        assert (finding["verified"], finding["switched_off"]) == (False, [GATE])
        assert finding["not_verified"] == f"not verified: the check {GATE} is switched off"


def test_a_healthy_case_is_not_cleared_while_a_blocking_check_is_switched_off() -> None:
    with Bench().run(GOOD, home=["AU"], pack=pack_without("ledger_balances")) as run:
        found = judged(run)
    assert found["status"] == "CANNOT_CONCLUDE"
    assert "the check ledger_balances is switched off" in found["cannot_conclude"][0]


def test_a_check_that_never_blocks_taints_nothing_where_it_is_switched_off_and_is_named() -> None:
    rows = [*GOOD, sign_in(code="512345")]
    with Bench().run(rows, pack=pack_without("codes_and_values_known")) as run:
        found = judged(run)
    assert found["quality"]["status"] == "PASS"
    assert "codes_and_values_known" not in [note["check"] for note in found["quality"]["notes"]]
    (off,) = found["quality"]["switched_off"]
    assert (off["check"], off["blocking"]) == ("codes_and_values_known", False)
    assert "1 code and 0 words of the witnesses are in no table" in off["reason"]
    assert all(finding["verified"] for finding in found["findings"])
    assert {tuple(finding["switched_off"]) for finding in found["findings"]} == {("codes_and_values_known",)}


def test_other_gates_still_stop_the_case_while_one_check_is_switched_off() -> None:
    with Bench().run(BLIND, pack=pack_without("ledger_balances")) as run:
        found = judged(run)
    assert found["quality"]["status"] == "FAIL"
    assert found["findings"] == []


def test_a_gate_of_intake_that_was_off_stops_the_case_where_it_is_judged_again_with_the_gate_on() -> None:
    lost = CheckResult("quarantine_share", "intake", False, True, Severity.CRITICAL, "Lost.", "x.md", reason="LOST")
    with Bench().run(GOOD, home=["AU"], pack=pack_without("quarantine_share")) as run:
        measure.keep_failed(run.con, "intake", run.pack.policy.checks.applied(CASE, [lost]))
        assert judged(run)["quality"]["status"] == "OVERRIDDEN"
        again = judged(type(run)(**{**vars(run), "pack": lean_pack()}))
    assert (again["status"], again["quality"]["status"]) == ("CANNOT_CONCLUDE", "FAIL")
    assert again["quality"]["failed_checks"][0]["code"] == "LOST"
    assert again["findings"] == []
