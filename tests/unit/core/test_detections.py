"""What a risk engine, other products and counted mail come to."""

import json

import pytest

from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.detections import Numbers, judge_alert, judge_forwarding, judge_risk, word_of
from m365dq_dagster.core.outcome import Severity

I, W, C = Severity.INFO, Severity.WARNING, Severity.CRITICAL  # noqa: E741
LIMITS = load_rule_pack().policy.indicators


@pytest.mark.parametrize(
    ("level", "state", "label", "severity"),
    [
        ("high", "atRisk", "open, level high", C),
        ("High", "At risk", "open, level high", C),
        ("medium", "atRisk", "open, level medium", W),
        ("low", "atRisk", "open, level low", I),
        ("hidden", "atRisk", "open, level withheld", W),
        (None, None, "open, level withheld", W),
        ("none", "atRisk", "open, level none", I),
        ("high", "dismissed", "closed", I),
        ("high", "Confirmed safe", "closed", I),
        ("high", "remediated", "closed", I),
        ("hidden", "confirmedCompromised", "confirmed compromised", C),
        (None, "Confirmed compromised", "confirmed compromised", C),
    ],
)
def test_a_risk_is_weighed_by_its_state_before_its_level(
    level: str | None, state: str | None, label: str, severity: Severity
) -> None:
    found = judge_risk("anomalousToken", level, state, latest=True, family="TOKEN")
    assert (found.label, found.severity, found.indicator, found.mitre) == (label, severity, "credential", "T1550.001")
    assert judge_risk("anomalousToken", level, state, latest=False).severity is I


def test_a_detection_that_an_administrator_confirmed_is_grave_whatever_its_level() -> None:
    found = judge_risk("adminConfirmedUserCompromised", "hidden", "atRisk", latest=True, family="ADMIN")
    assert (found.severity, found.mitre) == (C, "T1078.004")


def test_a_kind_without_a_family_is_one_of_access() -> None:
    assert judge_risk("brandNew", "low", "atRisk", latest=True).indicator == "access"


@pytest.mark.parametrize(
    ("severity", "status", "weight", "label"),
    [
        ("High", "new", W, "level high"),
        ("medium", None, W, "level medium"),
        ("low", "new", I, "level low"),
        (None, None, I, "level not told"),
        ("high", "resolved", I, "settled"),
        ("high", "falsePositive", I, "settled"),
    ],
)
def test_an_alert_is_never_graver_than_to_be_looked_at(
    severity: str | None, status: str | None, weight: Severity, label: str
) -> None:
    found = judge_alert(severity, status, "DefenseEvasion", '["Impair (T1562.008)"]')
    assert (found.label, found.severity, found.indicator, found.mitre) == (label, weight, "evasion", "T1562.008")


def test_an_alert_without_category_or_technique() -> None:
    found = judge_alert("high", "new", None, None)
    assert (found.indicator, found.mitre) == ("alert", "")


@pytest.mark.parametrize(
    ("mails", "share", "standing", "severity"),
    [(4, 1.0, False, I), (5, 0.5, False, C), (5, 0.49, False, W), (500, 1.0, True, W)],
)
def test_mail_passed_on_is_weighed_by_number_share_and_beginning(
    mails: int, share: float, standing: bool, severity: Severity
) -> None:
    numbers = Numbers.of(json.dumps({"mails": mails, "share": share, "standing": standing}))
    assert judge_forwarding(numbers, LIMITS).severity is severity


def test_numbers_that_were_not_counted_are_none() -> None:
    assert Numbers.of(None)["mails"] == 0.0


def test_words_of_the_page_and_of_the_interface_are_one() -> None:
    assert {word_of("atRisk"), word_of("At risk"), word_of("at_risk")} == {"atrisk"}
    assert word_of("hidden") == word_of(None) == ""
