import copy
import tomllib
from typing import Any

import pytest

from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.known_checks import KNOWN_CHECKS
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.policy import CheckPolicy, Policy
from tests.support.judgement import pack


@pytest.fixture
def data() -> dict[str, Any]:
    return tomllib.loads((pack().root / "policy.toml").read_text(encoding="utf-8"))


def test_the_shipped_policy_holds_the_numbers_of_the_rules(data: dict[str, Any]) -> None:
    policy = Policy.from_mapping(data)
    assert (policy.breach.foreign_rate, policy.breach.min_attempts) == (0.80, 5)
    assert (policy.breach.min_successes_by_conditional_access, policy.breach.prior_failures) == (10, 5)
    assert (policy.breach.spray_accounts, policy.breach.overlap_successes, policy.breach.overlap_hours) == (3, 2, 2)
    assert (policy.case.blocked_coverage, policy.case.min_coverage, policy.case.min_foreign_coverage) == (
        0.95,
        0.80,
        0.95,
    )
    assert (policy.case.unknown_country_share, policy.case.basis_share) == (0.05, 0.5)
    assert (policy.field_states.low_contrast_share, policy.field_states.contradicted_rows) == (0.95, 5)
    assert (policy.field_states.unreliable_consistency, policy.field_states.unreliable_checkable) == (0.80, 30)
    assert (policy.flows.minutes, policy.quality.quarantine_share) == (10, 0.10)


@pytest.mark.parametrize(
    ("table", "key", "value", "sentence"),
    [
        ("breach", "foreign_rate", None, "table [breach]: key 'foreign_rate' is missing"),
        ("breach", "foreign_rte", 0.8, "table [breach]: key 'foreign_rte' is not known"),
        ("case", "min_coverage", "high", "table [case]: min_coverage must be a number"),
        ("case", "min_coverage", True, "table [case]: min_coverage must be a number"),
        ("case", "min_coverage", -0.1, "table [case]: min_coverage must be a number, zero or more"),
        ("case", "min_coverage", float("nan"), "table [case]: min_coverage must be a number"),
        ("case", "min_coverage", float("inf"), "table [case]: min_coverage must be a number"),
    ],
)
def test_a_wrong_number_is_named_with_its_table_and_key(
    data: dict[str, Any], table: str, key: str, value: object, sentence: str
) -> None:
    changed = copy.deepcopy(data)
    if value is None:
        del changed[table][key]
    else:
        changed[table][key] = value
    with pytest.raises(BadInput) as caught:
        Policy.from_mapping(changed)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("correct the file or restore the shipped one.")


def test_a_missing_a_strange_and_a_flat_table_are_named(data: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"table \[flows\]: key 'minutes' is missing"):
        Policy.from_mapping({key: value for key, value in data.items() if key != "flows"})
    with pytest.raises(BadInput, match=r"table \[flow\] is not known"):
        Policy.from_mapping({**data, "flow": {"minutes": 10}})
    with pytest.raises(BadInput, match=r"\[flows\] must be a table of numbers"):
        Policy.from_mapping({**data, "flows": 10})


def test_the_shipped_policy_names_every_check_and_has_all_of_them_on(data: dict[str, Any]) -> None:
    assert data["checks"] == dict.fromkeys(KNOWN_CHECKS, True)
    assert Policy.from_mapping(data).checks == CheckPolicy()


def test_a_check_is_off_only_where_the_policy_says_so(data: dict[str, Any]) -> None:
    switches = {"quarantine_share": False, "completeness_leads": False, "ledger_balances": True}
    checks = Policy.from_mapping({**data, "checks": switches}).checks
    assert checks.off == ("completeness_leads", "quarantine_share")
    assert checks.blocking_off == ("quarantine_share",)
    assert [checks.is_on(name) for name in ("quarantine_share", "ledger_balances", "codes_and_values_known")] == [
        False,
        True,
        True,
    ]
    del data["checks"]
    assert Policy.from_mapping(data).checks.off == ()


@pytest.mark.parametrize(
    ("checks", "sentence"),
    [
        ({"ledger_balance": False}, "table [checks]: there is no check 'ledger_balance'"),
        ({"verdict": False}, "table [checks]: there is no check 'verdict'"),
        ({"ledger_balances": 0}, "table [checks]: ledger_balances must be true or false"),
        ("off", "[checks] must be a table of switches"),
    ],
)
def test_an_unknown_check_or_switch_is_refused(data: dict[str, Any], checks: object, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        Policy.from_mapping({**data, "checks": checks})
    assert sentence in str(caught.value)


def test_the_checks_of_a_case_are_marked_where_they_are_off() -> None:
    both = [CheckResult(name, "s", True, True, Severity.INFO, "Fine.", "x.md") for name in ("one", "two")]
    first, second = CheckPolicy(("two",)).applied("c1", both)
    assert first == both[0]
    assert (second.switched_off, second.passed) == (True, False)


def test_checks_that_were_kept_under_other_switches_are_heard_under_these() -> None:
    failed = CheckResult("one", "s", False, True, Severity.CRITICAL, "Case c1: Lost.", "x.md", reason="LOST")
    held = CheckResult("two", "s", True, True, Severity.INFO, "Case c1: Fine.", "x.md")
    off = CheckPolicy(("one", "two")).applied("c1", [failed, held])
    assert CheckPolicy().reheard("c1", off) == (failed,)
    assert CheckPolicy(("one", "two")).reheard("c1", off) == off
    (again,) = CheckPolicy(("one",)).reheard("c1", [failed])
    assert (again.switched_off, again.unheard) == (True, "LOST")
    assert CheckPolicy().reheard("c1", [failed]) == (failed,)
