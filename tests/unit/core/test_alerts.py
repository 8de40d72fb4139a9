from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.rule_pack import load_operations_policy
from m365dq_dagster.core.alerts import (
    ALERT_RULES,
    Alert,
    OperationsPolicy,
    alerts_for,
    alerts_for_pages,
    mail_body,
    mail_subject,
    render,
    retry_after,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.sightings import REST

POLICY = OperationsPolicy()


def document(**changes: Any) -> dict[str, Any]:
    return {
        "case": "oculus",
        "status": "NO_BREACH_INDICATED",
        "quality": {"status": "PASS", "failed_checks": []},
        "sign_ins": {"foreign_attempt_success_rate": 0.1},
        "accounts": [],
        "unknown_codes": [],
        **changes,
    }


def code(value: str, rows: int = 1, log_type: str = "sign_in_logs") -> dict[str, Any]:
    return {"log_type": log_type, "field": "status_error_code", "value": value, "rows": rows}


def told(found: dict[str, Any], policy: OperationsPolicy = POLICY) -> list[str]:
    return [alert.message for alert in alerts_for(found, policy)]


def change(**parts: Any) -> dict[str, Any]:
    told = {"log_type": "sign_in_logs", "kind": "FIELD_GONE", "severity": "CRITICAL", "before": "Status", "after": ""}
    return {**told, "detail": "'Status' is gone", "state": "OPEN", "first": True, **parts}


def test_a_change_in_what_is_read_is_told_by_the_case_that_showed_it() -> None:
    (alert,) = alerts_for(document(schema_changes=[change()]), POLICY)
    assert alert.message == "Schema change in sign_in_logs: 'Status' is gone"
    assert (alert.rule, alert.severity.value, alert.recipients) == ("schema_change", "WARNING", ("sre@maia.local",))
    assert alert.subject == "sign_in_logs:FIELD_GONE:Status>"


@pytest.mark.parametrize(
    "parts",
    [
        {"first": False},
        {"severity": "INFO"},
        {"state": "CLOSED"},
        {"kind": "TEXT_ONLY"},
        {"kind": "ENUM_VALUE_NEW"},
        {"kind": "CODE_NEW"},
    ],
    ids=str,
)
def test_no_mail_tells_of_a_change_twice_or_of_one_that_touches_nothing(parts: dict[str, Any]) -> None:
    assert told(document(schema_changes=[change(**parts)])) == []


def test_the_three_rules_are_those_of_the_specification_to_the_letter() -> None:
    sre, ir_team = "sre@maia.local", "ir-team@maia.local"
    specified = {name: rule for name, rule in ALERT_RULES.items() if name != "schema_change"}
    assert {
        name: (rule.severity.value, rule.threshold, rule.recipients, rule.message) for name, rule in specified.items()
    } == {
        "unknown_status_code": (
            "WARNING",
            1,
            (sre,),
            "Unknown status code detected in {log_type}: {code_value}",
        ),
        "quality_check_failure": (
            "CRITICAL",
            1,
            (sre, ir_team),
            "Data quality check failed for {case_id}: {failure_reason}",
        ),
        "breach_indicator": (
            "CRITICAL",
            1,
            (ir_team,),
            "Breach indicator detected: {indicator_type} in {case_id}",
        ),
    }


def test_a_case_without_anything_to_tell_raises_nothing() -> None:
    assert told(document()) == []
    assert told({"case": "c"}) == []


def test_a_breach_is_told_once_by_its_indicator() -> None:
    compromised = [{"account": name, "verdict": "COMPROMISE_INDICATED"} for name in "abcdefgh"]
    breach = document(status="BREACH_INDICATED", accounts=compromised, sign_ins={"foreign_attempt_success_rate": 0.94})
    (alert,) = alerts_for(breach, POLICY)
    assert alert.message == "Breach indicator detected: foreign_success_rate in oculus"
    assert (alert.severity, alert.recipients) == (Severity.CRITICAL, ("ir-team@maia.local",))
    assert alert.key == ("breach_indicator", "oculus", "foreign_success_rate")


@pytest.mark.parametrize("rate", [0.8, None])
def test_a_foreign_rate_of_eighty_percent_or_unknown_is_not_named_as_the_indicator(rate: float | None) -> None:
    breach = document(status="BREACH_INDICATED", sign_ins={"foreign_attempt_success_rate": rate})
    assert told(breach) == ["Breach indicator detected: account_compromise in oculus"]


def test_a_breach_with_fewer_accounts_than_the_threshold_is_not_told() -> None:
    policy = OperationsPolicy.from_mapping({"alerts": {"rules": {"breach_indicator": {"threshold": 2}}}})
    one = [{"account": "a", "verdict": "COMPROMISE_INDICATED"}, {"account": "b", "verdict": "TARGETED"}]
    assert told(document(status="BREACH_INDICATED", accounts=one), policy) == []
    assert told(document(status="BREACH_INDICATED", accounts=one[:1] * 2), policy) != []


@pytest.mark.parametrize("status", ["FAIL", "OVERRIDDEN"])
def test_every_failed_blocking_check_is_told_also_where_it_was_overridden(status: str) -> None:
    checks = [{"check": name, "reason": f"{name} is broken", "runbook": "r"} for name in ("ledger", "outcome")]
    assert told(document(quality={"status": status, "failed_checks": checks})) == [
        "Data quality check failed for oculus: ledger is broken",
        "Data quality check failed for oculus: outcome is broken",
    ]


def test_a_failed_check_that_does_not_block_is_not_told() -> None:
    check = {"check": "a", "reason": "r", "runbook": "x"}
    assert told(document(quality={"status": "PASS", "failed_checks": [check]})) == []
    mixed = [check | {"blocking": False}, check | {"check": "b", "blocking": True}]
    assert told(document(quality={"status": "FAIL", "failed_checks": mixed})) == [
        "Data quality check failed for oculus: r"
    ]


def test_fewer_failed_checks_than_the_threshold_are_not_told() -> None:
    policy = OperationsPolicy.from_mapping({"alerts": {"rules": {"quality_check_failure": {"threshold": 2}}}})
    check = {"check": "a", "reason": "r", "runbook": "x"}
    assert told(document(quality={"status": "FAIL", "failed_checks": [check]}), policy) == []


def test_every_unknown_code_is_told_the_commonest_first() -> None:
    codes = [code("512345", 2), code("999999", 7), code("512345", 1, "unified_audit_log")]
    assert told(document(unknown_codes=codes)) == [
        "Unknown status code detected in sign_in_logs: 999999",
        "Unknown status code detected in sign_in_logs: 512345",
        "Unknown status code detected in unified_audit_log: 512345",
    ]


def test_the_rows_of_a_code_count_against_the_threshold() -> None:
    policy = OperationsPolicy.from_mapping({"alerts": {"rules": {"unknown_status_code": {"threshold": 3}}}})
    codes = [code("1", 2), code("2", 3), code("3", 1), code("3", 2)]
    assert [message[-1] for message in told(document(unknown_codes=codes), policy)] == ["2", "3"]


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=1, max_value=25))
def test_a_flood_of_unknown_codes_is_bounded_and_its_rest_is_counted(number: int, bound: int) -> None:
    policy = OperationsPolicy(max_code_alerts=bound)
    messages = told(document(unknown_codes=[code(str(10_000 + each)) for each in range(number)]), policy)
    assert len(messages) == min(number, bound) + (number > bound)
    if number > bound:
        assert messages[-1] == f"Unknown status code detected in sign_in_logs: {number - bound} more codes"


def word(value: str, rows: int = 1, **more: object) -> dict[str, object]:
    return {**code(value, rows), "field": "status", "alerts": True, **more}


def test_an_unknown_word_of_a_witness_is_told_after_the_codes_and_other_values_are_not() -> None:
    values = [word("Sucess", 9), word("PageViewed", 40, alerts=False), word("old row", 5, alerts=None)]
    assert told(document(unknown_codes=[code("512345")], unknown_values=values)) == [
        "Unknown status code detected in sign_in_logs: 512345",
        "Unknown status code detected in sign_in_logs: Sucess",
    ]


def test_a_word_that_two_fields_hold_is_told_once() -> None:
    values = [word("odd", 2), word("odd", 3, field="conditional_access_status")]
    assert len(told(document(unknown_values=values))) == 1


def test_words_beyond_those_kept_one_by_one_are_counted() -> None:
    values = [word("odd"), word(REST, 30, values=12), word(REST, 5, values=3, field="conditional_access_status")]
    assert told(document(unknown_values=values)) == [
        "Unknown status code detected in sign_in_logs: odd",
        "Unknown status code detected in sign_in_logs: 15 more codes",
    ]


def test_a_code_from_hostile_evidence_stays_one_short_line() -> None:
    hostile = "1\r\nBcc: x@evil.example\x1b[2J" + "9" * 1000
    (alert,) = alerts_for(document(unknown_codes=[code(hostile)]), POLICY)
    assert "\n" not in alert.message
    assert "\r" not in alert.message
    assert "\x1b" not in alert.message
    assert len(alert.message) < 300
    assert len(alert.subject) <= 200


def test_every_rule_names_a_runbook_that_exists(checkout: Path) -> None:
    assert [rule.runbook for rule in ALERT_RULES.values() if not (checkout / rule.runbook).is_file()] == []


def test_a_blank_in_evidence_is_not_filled_a_second_time() -> None:
    rule = ALERT_RULES["unknown_status_code"]
    assert render(rule, log_type="t", code_value="{log_type}") == "Unknown status code detected in t: {log_type}"


def test_the_shipped_operations_policy_is_the_default_one() -> None:
    shipped = load_operations_policy()
    assert dict(shipped.rules) == dict(ALERT_RULES)
    assert shipped == OperationsPolicy(rules=shipped.rules, documents=shipped.documents)
    assert shipped.documents.pages


def test_recipients_thresholds_windows_and_owner_can_be_configured() -> None:
    policy = OperationsPolicy.from_mapping(
        {
            "owner": "duty@corp.example",
            "dashboard": {"days": 7},
            "alerts": {
                "dedup_window_hours": 24,
                "max_code_alerts": 3,
                "rules": {"breach_indicator": {"recipients": ["a@corp.example", "a@corp.example"], "threshold": 2}},
            },
            "maintenance": {"sighting_days": 30, "revalidate_days": 90},
        }
    )
    rule = policy.rules["breach_indicator"]
    assert (rule.recipients, rule.threshold, rule.severity) == (("a@corp.example",), 2, Severity.CRITICAL)
    assert policy.rules["unknown_status_code"] == ALERT_RULES["unknown_status_code"]
    assert (policy.owner, policy.dashboard_days, policy.dedup_window) == ("duty@corp.example", 7, timedelta(hours=24))
    assert (policy.max_code_alerts, policy.sighting_days, policy.revalidate_days) == (3, 30, 90)
    assert OperationsPolicy.from_mapping({}).dedup_window is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"colour": 1}, "colour is not known; the keys here are alerts, dashboard"),
        ({"alerts": {"colour": 1}}, "alerts.colour is not known"),
        ({"alerts": 3}, "alerts must be a table"),
        ({"alerts": {"rules": 3}}, "alerts.rules must be a table of rules"),
        ({"alerts": {"rules": {"nope": {}}}}, "alerts.rules.nope is not known"),
        ({"alerts": {"rules": {"breach_indicator": 3}}}, "must be a table with recipients and threshold"),
        ({"alerts": {"rules": {"breach_indicator": {"recipients": []}}}}, "at least one mail address"),
        ({"alerts": {"rules": {"breach_indicator": {"recipients": "a@x.example"}}}}, "at least one mail address"),
        ({"alerts": {"rules": {"breach_indicator": {"recipients": 3}}}}, "at least one mail address"),
        ({"alerts": {"rules": {"breach_indicator": {"recipients": ["a\nBcc: b@x"]}}}}, "which is no mail address"),
        ({"alerts": {"rules": {"breach_indicator": {"threshold": 0}}}}, "a whole number from 1"),
        ({"alerts": {"dedup_window_hours": -1}}, "a whole number from 0"),
        ({"dashboard": {"days": True}}, "days must be a whole number"),
        ({"dashboard": {"days": "30"}}, "days must be a whole number"),
        ({"owner": 3}, "owner holds '3', which is no mail address"),
    ],
)
def test_a_mistake_in_the_operations_policy_is_named(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        OperationsPolicy.from_mapping(data)


@given(st.integers(min_value=1, max_value=10_000))
def test_the_pause_between_deliveries_grows_and_is_bounded(attempts: int) -> None:
    assert timedelta(minutes=1) <= retry_after(attempts) <= timedelta(minutes=60)
    assert retry_after(attempts) <= retry_after(attempts + 1)


def test_a_mail_says_what_where_and_what_to_do() -> None:
    alert = Alert("breach_indicator", "oculus", "s", Severity.CRITICAL, "Breach.", ("a@x.example",))
    assert mail_subject(alert.severity, alert.message) == "[m365dq] CRITICAL: Breach."
    body = mail_body(alert, POLICY, "2026-03-02 09:30:00 UTC")
    for line in ("Breach.", "Case: oculus", "See it: m365dq show oculus", "Owner: sre@maia.local"):
        assert line in body.splitlines()
    assert "Runbook: docs/runbooks/breach-indicator.md" in body
    assert "Runbook" not in mail_body(Alert("other", "c", "s", Severity.INFO, "m", ()), POLICY, "now")


def page_change(name: str, kind: ChangeKind, severity: Severity, log_type: str = "sign_in_logs") -> SchemaChange:
    return SchemaChange(kind, severity, log_type, "a page", name, "", None, f"{name} is retired", "page.html")


def test_the_vendors_pages_alert_of_what_is_read_and_of_nothing_else() -> None:
    touched = page_change("status", ChangeKind.RETIREMENT, Severity.WARNING)
    silent = page_change("colour", ChangeKind.FIELD_GONE, Severity.INFO)
    reworded = page_change("50126", ChangeKind.TEXT_ONLY, Severity.WARNING)
    (alert,) = alerts_for_pages([silent, touched, reworded], POLICY)
    assert (alert.rule, alert.case_id, alert.message) == (
        "schema_change",
        "",
        "Schema change in sign_in_logs: status is retired",
    )
    body = mail_body(alert, POLICY, "now").splitlines()
    assert "See it: m365dq schema changes" in body
    assert not any(line.startswith("Case:") for line in body)


def test_many_changes_of_pages_are_bounded_and_the_rest_is_counted() -> None:
    most = POLICY.max_code_alerts
    many = [page_change(f"field{n}", ChangeKind.FIELD_GONE, Severity.WARNING, "") for n in range(most + 3)]
    found = alerts_for_pages(many, POLICY)
    assert len(found) == most + 1
    assert found[0].message == "Schema change in a page: field0 is retired"
    assert found[-1].message == "Schema change in the vendor's pages: 3 more changes that the vendor's pages tell of"
    assert alerts_for_pages([], POLICY) == ()
