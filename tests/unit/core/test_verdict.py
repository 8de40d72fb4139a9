"""Verdicts on accounts and cases: every ground, every explanation, every boundary, and what may never be said."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, Outcome
from m365dq_dagster.core.sightings import NOTHING_OPEN, OpenValue, OpenValues
from m365dq_dagster.core.verdict import (
    LEAD_SENTENCES,
    AccountEvidence,
    AccountJudgement,
    CaseEvidence,
    CaseHome,
    CaseJudgement,
    HomeSource,
    LeadKind,
    foreign_rate_indicator,
    hedged,
    judge_account,
    judge_case,
    wilson_lower,
    without_all_clear,
)
from tests.support.judgement import policy

LIST = CaseHome(("AU",), True)
TENANT = CaseHome(("AU",), False)
NOWHERE = CaseHome((), False)
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
BREACH, OPEN = AccountVerdict.COMPROMISE_INDICATED, AccountVerdict.CANNOT_CONCLUDE


UNKNOWN = OpenValues((OpenValue("sign_in_logs", "status_error_code", "512345", 2),))
WAITING = OpenValue("sign_in_logs", "status_error_code", "530031", 1, proposed=True)


def abroad(successes: int = 20, failures: int = 0, **more: Any) -> AccountEvidence:
    """An account with a home life and as many foreign attempts from unknown devices."""
    facts: dict[str, Any] = {
        "row_count": successes + failures + 40,
        "success": successes + 40,
        "foreign_success": successes,
        "attempts": successes + failures + 40,
        "any_device": True,
        "foreign_attempts": successes + failures,
        "foreign_success_flows": successes,
        "success_flows": successes + 40,
        "flow_count": successes + failures + 40,
        "eligible": successes,
        "naming_device": successes,
        "high": successes,
        "timed": successes,
        "countries": 1 if successes else 0,
        "days": 1,
        "own_homes": ("AU",),
    }
    return AccountEvidence("ada@contoso.example", **{**facts, **more})


def judge(evidence: AccountEvidence, home: CaseHome = LIST) -> AccountJudgement:
    return judge_account(evidence, home, policy())


def told(judgement: AccountJudgement) -> str:
    return " ".join(judgement.reasons)


@pytest.mark.parametrize(
    ("successes", "attempts", "indicated"),
    [
        (4, 5, False),
        (5, 5, True),
        (4, 4, False),
        (80, 100, False),
        (81, 100, True),
        (8001, 10_000, True),
        (8000, 10_000, False),
        (0, 0, False),
        (0, 9, False),
    ],
)
def test_the_foreign_rate_is_strictly_above_80_percent_of_at_least_5_attempts(
    successes: int, attempts: int, indicated: bool
) -> None:
    assert foreign_rate_indicator(successes, attempts, policy()) is indicated


@given(st.integers(1, 2_000_000))
def test_exactly_80_percent_is_never_above_80_percent(fifths: int) -> None:
    assert not foreign_rate_indicator(4 * fifths, 5 * fifths, policy())


@pytest.mark.parametrize(
    ("successes", "attempts", "lower"),
    [(0, 0, 0.0), (0, 10, 0.0), (5, 5, 0.5655), (20, 20, 0.8389), (188, 200, 0.8981), (1, 1, 0.2065)],
)
def test_wilsons_lower_bound_is_that_of_the_textbook(successes: int, attempts: int, lower: float) -> None:
    assert wilson_lower(successes, attempts) == pytest.approx(lower, abs=1e-3)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilsons_lower_bound_never_exceeds_the_share(successes: int, failures: int) -> None:
    attempts = successes + failures
    lower = wilson_lower(successes, attempts)
    assert 0.0 <= lower <= (successes / attempts if attempts else 0.0) + 1e-12


def test_v1_is_the_unexplained_rate_with_its_numbers() -> None:
    found = judge(abroad(24, 1, foreign_open=2))
    assert (found.verdict, found.confidence, found.indicators) == (BREACH, HIGH, ("V1",))
    assert found.reasons[0] == (
        "V1: 24 of 25 foreign attempts succeeded (96 %, or 88.9 % if the 2 undecided ones failed), and neither the "
        "owner's devices, a standing egress nor travel explains them."
    )
    assert judge(abroad(24)).confidence is HIGH


def test_v1_counts_only_successes_from_no_known_device_and_no_standing_egress() -> None:
    found = judge(abroad(10, eligible=6, own=2, own_or_plausible=2, egress=2))
    assert found.indicators == ("V1",)
    assert "10 of 10 foreign attempts succeeded (100 %); 6 of them came from no known device" in found.reasons[0]
    assert judge(abroad(10, eligible=4, own=4, own_or_plausible=4, egress=2)).verdict is OPEN


@pytest.mark.parametrize(
    ("evidence", "home"),
    [
        (abroad(20, own_homes=()), TENANT),
        (abroad(20, own_homes=()), NOWHERE),
        (abroad(20, own=16, own_or_plausible=16, eligible=4, failures=0), LIST),
        (abroad(40, own_or_plausible=32, eligible=8), LIST),
        (abroad(40, egress=32, eligible=8), LIST),
        (abroad(20, days=2), TENANT),
        (abroad(20, days=2, naming_device=0), LIST),
    ],
    ids=[
        "no list, no baseline",
        "no home",
        "own",
        "plausible",
        "egress",
        "travel without a list",
        "travel, no devices",
    ],
)
def test_an_explained_rate_is_no_compromise_and_no_all_clear(evidence: AccountEvidence, home: CaseHome) -> None:
    found = judge(evidence, home)
    assert found.indicators == ()
    assert found.verdict is OPEN or evidence.own >= 0.8 * evidence.foreign_success_flows


@pytest.mark.parametrize(
    ("evidence", "home"),
    [
        (abroad(20), TENANT),
        (abroad(20, days=2), LIST),
        (abroad(20, days=2, countries=2, country_changes=2), TENANT),
        (abroad(20, days=2, home_days=1), TENANT),
        (abroad(40, own_or_plausible=31, eligible=9), LIST),
        (abroad(40, egress=31, eligible=9), LIST),
        (abroad(20, own_homes=()), LIST),
    ],
    ids=[
        "learned home",
        "list and devices",
        "two countries",
        "at home that day",
        "79 % own",
        "79 % egress",
        "list only",
    ],
)
def test_what_explains_almost_does_not_explain(evidence: AccountEvidence, home: CaseHome) -> None:
    assert judge(evidence, home).indicators == ("V1",)


def test_a_new_hire_missing_from_the_list_stays_v1_and_the_report_says_so() -> None:
    found = judge(abroad(20, success=20, own_homes=()))
    assert found.verdict is BREACH
    assert "missing from the list of home countries looks the same" in told(found)
    assert "missing from the list" not in told(judge(abroad(20)))


@pytest.mark.parametrize(
    ("successes", "more", "grounds"),
    [
        (9, {}, ()),
        (10, {}, ("V1",)),
        (9, {"spray_victims": 3}, ("V1", "V3")),
        (12, {"eligible": 9, "own_or_plausible": 3}, ()),
    ],
)
def test_where_conditional_access_decides_the_rate_needs_ten_or_a_second_ground(
    successes: int, more: dict[str, Any], grounds: tuple[str, ...]
) -> None:
    assert judge(abroad(successes, by_access=successes, high=0, **more)).indicators == grounds
    assert judge(abroad(9, by_access=4)).indicators == ("V1",)


@pytest.mark.parametrize("more", [{"timed": 0}, {"success_untimed": True}])
def test_successes_without_a_usable_time_are_unclear_and_never_v1(more: dict[str, Any]) -> None:
    assert judge(abroad(20, **more)).verdict is OPEN


@pytest.mark.parametrize(
    ("ground", "met", "missed", "sentence"),
    [
        (
            "V2",
            {"prior_failures": 5},
            {"prior_failures": 4},
            "5 failures from the country of a foreign success came in the 7 days before it.",
        ),
        (
            "V3",
            {"spray_victims": 3},
            {"spray_victims": 2},
            "the address of a foreign success failed on 3 other accounts that never succeeded from it.",
        ),
        (
            "V4",
            {"overlapping": 2},
            {"overlapping": 1},
            "2 foreign successes from an unknown device came within 2 hours of a success at home.",
        ),
        (
            "V5",
            {"critical_operation": "New-InboxRule"},
            {},
            "a foreign success was followed within 24 hours, from the same address or session, by New-InboxRule.",
        ),
    ],
)
def test_each_further_ground_is_enough_alone_and_gives_high_confidence(
    ground: str, met: dict[str, Any], missed: dict[str, Any], sentence: str
) -> None:
    found = judge(abroad(2, **met))
    assert (found.verdict, found.confidence, found.indicators) == (BREACH, HIGH, (ground,))
    assert found.reasons[0] == f"{ground}: {sentence}"
    assert judge(abroad(2, **missed)).verdict is OPEN


def test_v2_without_device_columns_is_a_lead() -> None:
    found = judge(abroad(2, prior_failures=5, any_device=False))
    assert (found.verdict, found.indicators) == (AccountVerdict.SUSPICIOUS, ())
    assert "names no devices" in told(found)


@pytest.mark.parametrize(
    ("evidence", "home", "confidence"),
    [
        (abroad(20), LIST, HIGH),
        (abroad(16), LIST, HIGH),
        (abroad(15), LIST, MEDIUM),
        (abroad(20), TENANT, MEDIUM),
        (abroad(5), LIST, MEDIUM),
        (abroad(5, 1), LIST, LOW),
        (abroad(20, by_access=20, high=0), LIST, MEDIUM),
        (abroad(20, by_access=20, high=1), LIST, HIGH),
        (abroad(20, by_access=20, high=0, spray_victims=3), LIST, MEDIUM),
        (abroad(20, eligible=5, own_or_plausible=15), LIST, MEDIUM),
    ],
    ids=[
        "list",
        "16 of 16",
        "15 of 15",
        "no list",
        "five",
        "five of six",
        "by access",
        "corroborated",
        "V3 by access",
        "few count",
    ],
)
def test_confidence_follows_grounds_list_and_wilson(
    evidence: AccountEvidence, home: CaseHome, confidence: Confidence
) -> None:
    found = judge(evidence, home)
    assert (found.verdict, found.confidence) == (BREACH, confidence)


@pytest.mark.parametrize("kind", list(LeadKind))
def test_every_lead_makes_an_account_suspicious_with_a_sentence(kind: LeadKind) -> None:
    found = judge(abroad(0, leads=(kind,)))
    assert found.verdict is AccountVerdict.SUSPICIOUS
    assert found.reasons == (f"Lead: {LEAD_SENTENCES[kind]}.",)


def test_leads_are_told_beside_a_compromise_too() -> None:
    found = judge(abroad(20, leads=(LeadKind.SESSION_IN_TWO_COUNTRIES,)))
    assert found.verdict is BREACH
    assert found.reasons[-1] == "Lead: one session was seen in two countries."


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (abroad(20, leads=(LeadKind.LEGACY_FOREIGN_SUCCESS,)), BREACH),
        (abroad(2, leads=(LeadKind.LEGACY_FOREIGN_SUCCESS,)), AccountVerdict.SUSPICIOUS),
        (abroad(2, foreign_accepted=3), OPEN),
        (abroad(0, open_values=UNKNOWN, foreign_accepted=3), OPEN),
        (abroad(0, foreign_accepted=3, success=0), AccountVerdict.CREDENTIAL_EXPOSED),
        (abroad(0, 7, success=0, attempts=7), AccountVerdict.TARGETED),
        (abroad(0, 7), AccountVerdict.NO_INDICATION),
        (AccountEvidence("a"), AccountVerdict.NO_INDICATION),
    ],
)
def test_the_worst_that_applies_is_the_verdict(evidence: AccountEvidence, verdict: AccountVerdict) -> None:
    assert judge(evidence).verdict is verdict


@pytest.mark.parametrize(("own", "verdict"), [(4, AccountVerdict.NO_INDICATION), (3, OPEN)])
def test_foreign_successes_are_clear_only_where_four_fifths_are_from_the_owners_own_device(
    own: int, verdict: AccountVerdict
) -> None:
    assert judge(abroad(5, own=own, own_or_plausible=5, eligible=0)).verdict is verdict


def test_a_plausible_device_does_not_clear() -> None:
    assert judge(abroad(5, own_or_plausible=5, eligible=0)).verdict is OPEN


def test_a_foreign_success_inside_a_flow_that_began_at_home_is_not_cleared() -> None:
    found = judge(abroad(0, foreign_success=1, foreign_success_flows=0))
    assert found.verdict is OPEN
    assert found.reasons[0].startswith("1 successful sign-in from outside AU is neither explained nor proven hostile")


def test_sentences_are_grammatical_for_one_and_for_many() -> None:
    assert "2 successful sign-ins from outside AU are neither explained" in told(judge(abroad(2)))
    exposed = abroad(0, success=0, foreign_accepted=1)
    assert "1 foreign sign-in got past the first factor and no further" in told(judge(exposed))
    assert "unless the owner knows of those sign-ins" in told(judge(replace(exposed, foreign_accepted=2)))
    assert told(judge(abroad(0, 1, success=0, attempts=1))) == "1 attempt, none succeeded."
    assert "1 of its 40 sign-ins has no known outcome." in told(judge(abroad(0, unknown=1)))
    assert "if the 1 undecided one failed" in told(judge(abroad(20, foreign_open=1)))


@pytest.mark.parametrize(
    ("home", "own", "source", "homes"),
    [
        (LIST, ("NZ",), HomeSource.CONTEXT, ("AU", "NZ")),
        (TENANT, ("NZ",), HomeSource.LEARNED, ("AU", "NZ")),
        (TENANT, (), HomeSource.TENANT, ("AU",)),
        (NOWHERE, (), HomeSource.UNKNOWN, ()),
    ],
)
def test_home_is_the_list_or_the_tenants_and_always_the_accounts_own(
    home: CaseHome, own: tuple[str, ...], source: HomeSource, homes: tuple[str, ...]
) -> None:
    found = judge(abroad(0, own_homes=own), home)
    assert (found.home_source, found.homes) == (source, homes)
    assert ("No home country is known" in told(found)) == (not homes)


def test_rates_have_no_value_without_attempts() -> None:
    assert (abroad(0).foreign_attempt_success_rate, abroad(0).rate_with_open_as_failure) == (None, None)
    assert abroad(3, 1).foreign_attempt_success_rate == 0.75
    assert abroad(3, 1, foreign_open=2).rate_with_open_as_failure == 0.5


@given(st.integers(0, 40), st.integers(0, 20), st.sampled_from([LIST, TENANT, NOWHERE]), st.booleans(), st.booleans())
def test_adding_a_foreign_success_never_lowers_the_verdict_below_open_without_explanation(
    successes: int, failures: int, home: CaseHome, accepted: bool, codes: bool
) -> None:
    more: dict[str, Any] = {"foreign_accepted": int(accepted), "open_values": UNKNOWN if codes else NOTHING_OPEN}
    assert judge(abroad(successes + 1, failures, **more), home).verdict in (BREACH, AccountVerdict.SUSPICIOUS, OPEN)


# The case


def case(success: int = 0, failed: int = 0, **more: Any) -> CaseEvidence:
    facts: dict[str, Any] = {
        "by_outcome": {Outcome.SUCCESS: success, Outcome.REJECTED: failed},
        "firm_rows": success + failed,
        "sure_foreign_success": success,
    }
    return CaseEvidence(**{**facts, **more})


def with_open(success: int, failed: int, unknown: int, **more: Any) -> CaseEvidence:
    outcomes = {Outcome.SUCCESS: success, Outcome.REJECTED: failed, Outcome.UNKNOWN: unknown}
    return case(success, failed, by_outcome=outcomes, **more)


def conclude(evidence: CaseEvidence, *accounts: AccountJudgement, home: CaseHome = LIST) -> CaseJudgement:
    return judge_case("oculus", evidence, accounts, home, policy())


def test_a_compromise_with_a_basis_is_a_breach_whatever_else_is_open() -> None:
    evidence = with_open(60, 4, 500, foreign_success_rows=20, foreign_success_flows=20, foreign_attempts=20)
    found = conclude(evidence, judge(abroad(20)), judge(abroad(5, 1)))
    assert (found.verdict, found.confidence) == (CaseVerdict.BREACH_INDICATED, HIGH)
    assert found.headline == (
        "Case oculus: breach indicated. Somebody else seems to use 2 accounts: ada@contoso.example, "
        "ada@contoso.example. The evidence holds 20 successful foreign sign-ins; 100 % of the foreign attempts "
        "succeeded (decision coverage 11.3 %)."
    )
    assert found.cannot_conclude
    assert "foreign attempts" not in conclude(case(60), judge(abroad(20))).headline


@pytest.mark.parametrize(("firm", "verdict"), [(32, CaseVerdict.BREACH_INDICATED), (31, CaseVerdict.CANNOT_CONCLUDE)])
def test_a_verdict_rests_on_at_least_half_of_the_decided_rows(firm: int, verdict: CaseVerdict) -> None:
    found = conclude(with_open(60, 4, 20, firm_rows=firm), judge(abroad(20)))
    assert found.verdict is verdict
    if firm == 31:
        assert "1 account would be indicated if they were trusted" in found.headline


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (case(by_outcome={}), "holds no sign-ins"),
        (case(by_outcome={Outcome.INTERRUPTED: 9}, firm_rows=9), "holds no completed attempt"),
        (case(by_outcome={Outcome.UNKNOWN: 9}, firm_rows=0), "holds no completed attempt"),
        (case(0, 40, firm_rows=19), "cannot be told apart from a stuck column"),
    ],
)
def test_without_a_basis_nothing_is_concluded(evidence: CaseEvidence, words: str) -> None:
    found = conclude(evidence)
    assert (found.verdict, found.confidence) == (CaseVerdict.CANNOT_CONCLUDE, LOW)
    assert words in found.headline
    assert words in found.cannot_conclude[0]


@pytest.mark.parametrize(
    ("evidence", "confidence"),
    [
        (case(0, 30, failure_codes=2), HIGH),
        (case(0, 29, failure_codes=2), MEDIUM),
        (case(0, 30, failure_codes=1), MEDIUM),
        (case(0, 30, failure_codes=2, weak_basis=True), LOW),
        (case(0, 1), MEDIUM),
        (case(0, 30, failure_codes=2, open_values=UNKNOWN), MEDIUM),
    ],
)
def test_all_blocked_is_as_sure_as_its_rows_and_codes(evidence: CaseEvidence, confidence: Confidence) -> None:
    found = conclude(evidence)
    assert (found.verdict, found.confidence) == (CaseVerdict.ALL_BLOCKED, confidence)


def test_a_breach_whose_successes_only_a_uniform_field_tells_is_hardly_sure() -> None:
    compromised = judge(abroad(9, overlapping=2))
    assert conclude(case(45), compromised).confidence is HIGH
    found = conclude(case(45, sure_foreign_success=0), compromised)
    assert (found.verdict, found.confidence) == (CaseVerdict.BREACH_INDICATED, LOW)


def test_successes_abroad_that_name_no_account_leave_the_case_open() -> None:
    found = conclude(case(45, nameless_success=2))
    assert found.verdict is CaseVerdict.CANNOT_CONCLUDE
    assert "2 successful sign-ins from outside the home countries name no account" in found.headline


@pytest.mark.parametrize(
    ("more", "told_of"),
    [
        ({"unread_files": ("a.bin",)}, "What 1 file of the folder holds: no known log was found in it (a.bin)."),
        ({"quarantined": 2}, "What 2 rows would tell that could not be read"),
        ({"audit_logons_unmatched": 1}, "1 successful logon that only the audit log holds"),
    ],
)
def test_what_was_not_read_or_not_matched_is_not_tested(more: dict[str, Any], told_of: str) -> None:
    assert told_of in " ".join(conclude(case(45, **more)).not_tested)


def test_a_home_that_only_the_account_itself_has_is_named_as_not_tested() -> None:
    settled = judge(AccountEvidence("eve@contoso.example", success=20, own_homes=("AU", "NG")))
    told_of = [one for one in conclude(case(45), settled).not_tested if "eve@contoso.example" in one]
    assert len(told_of) == 1
    assert "eve@contoso.example (NG)" in told_of[0]
    nobody = conclude(case(45), settled, home=CaseHome((), False))
    assert not any("eve@contoso.example" in one for one in nobody.not_tested)


def test_all_blocked_counts_the_attempts_and_tells_where_the_credential_was_right() -> None:
    assert conclude(case(0, 4)).headline == (
        "Case oculus: all blocked, 4 of 4 attempts failed and none succeeded (decision coverage 100 %)."
    )
    assert "1 of 1 attempt failed" in conclude(case(0, 1)).headline
    assert "2 sign-ins came after a right password or token: reset those credentials." in (
        conclude(case(0, 4, accepted_rows=2)).headline
    )
    assert "1 sign-in came after a right password or token: reset that credential." in (
        conclude(case(0, 4, accepted_rows=1)).headline
    )


def test_a_few_logons_that_only_the_audit_log_holds_are_named_as_not_tested() -> None:
    found = conclude(case(95, 0, audit_logons_unmatched=5, audit_unmatched_accounts=1))
    assert any("5 successful logons that only the audit log holds" in sentence for sentence in found.not_tested)


def test_an_account_whose_sign_ins_all_lack_an_outcome_is_not_cleared() -> None:
    found = judge_account(AccountEvidence("ann@contoso.example", row_count=4, unknown=4), LIST, policy())
    assert found.verdict is AccountVerdict.CANNOT_CONCLUDE
    assert "None of its 4 sign-ins has a known outcome" in found.reasons[0]


def test_a_success_from_a_known_bad_address_is_a_lead_whatever_the_country() -> None:
    evidence = AccountEvidence(
        "ann@contoso.example", row_count=4, success=4, attempts=4, leads=(LeadKind.KNOWN_BAD_ADDRESS,)
    )
    found = judge_account(evidence, LIST, policy())
    assert found.verdict is AccountVerdict.SUSPICIOUS
    assert "known bad" in found.reasons[0]


def test_without_list_and_usable_times_a_journey_cannot_be_ruled_out() -> None:
    evidence = AccountEvidence(
        "ann@contoso.example",
        row_count=30,
        success=30,
        attempts=30,
        foreign_success=10,
        foreign_attempts=10,
        foreign_success_flows=10,
        eligible=10,
        timed=10,
        countries=1,
        own_homes=("AU",),
    )
    assert judge_account(evidence, TENANT, policy()).verdict is AccountVerdict.CANNOT_CONCLUDE
    assert judge_account(evidence, LIST, policy()).verdict is AccountVerdict.COMPROMISE_INDICATED


def test_an_account_with_an_unknown_value_is_not_cleared_until_it_is_known() -> None:
    found = judge(abroad(0, open_values=UNKNOWN))
    assert found.verdict is OPEN
    assert found.reasons == (
        "2 sign-ins carry a value that is in no table: code 512345 (2 rows). The account is not cleared until it is "
        "known.",
    )
    assert "until they are known." in told(judge(abroad(0, open_values=OpenValues((*UNKNOWN.values, WAITING)))))


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (abroad(20, open_values=UNKNOWN), BREACH),
        (abroad(2, leads=(LeadKind.LEGACY_FOREIGN_SUCCESS,), open_values=UNKNOWN), AccountVerdict.SUSPICIOUS),
    ],
)
def test_what_stands_whatever_an_unknown_value_means_says_it_all_the_same(
    evidence: AccountEvidence, verdict: AccountVerdict
) -> None:
    found = judge(evidence)
    assert found.verdict is verdict
    assert found.reasons[-1] == (
        "Beside that, 2 sign-ins carry a value that is in no table: code 512345 (2 rows). They count neither as "
        "success nor as failure."
    )
    assert found.reasons[:-1] == judge(replace(evidence, open_values=NOTHING_OPEN)).reasons


@pytest.mark.parametrize("evidence", [abroad(20), abroad(0)])
def test_a_code_that_waits_for_approval_is_said_to(evidence: AccountEvidence) -> None:
    found = judge(replace(evidence, open_values=OpenValues((WAITING,))))
    assert found.reasons[-1] == (
        "530031 is known as a proposal and waits for approval: m365dq codes approve sign_in_logs status_error_code "
        "530031."
    )


def test_a_case_names_the_unknown_values_and_what_to_do() -> None:
    found = conclude(case(40, 4, open_values=OpenValues((*UNKNOWN.values, WAITING)), open_accounts=2))
    assert found.verdict is CaseVerdict.CANNOT_CONCLUDE
    assert found.cannot_conclude == (
        "3 sign-ins carry values that are in no table: code 512345 (2 rows) and code 530031 (1 row), on sign-ins of 2 "
        "accounts. They count neither as success nor as failure: look each up (m365dq codes lookup), propose what it "
        "means (m365dq codes add), and run the case again once that is approved.",
        "530031 is known as a proposal and waits for approval: m365dq codes approve sign_in_logs status_error_code "
        "530031.",
    )
    nameless = conclude(case(40, 4, open_values=UNKNOWN))
    assert "code 512345 (2 rows). They count" in nameless.cannot_conclude[0]


def test_all_blocked_and_a_breach_stay_what_they_are_and_name_the_unknown_values() -> None:
    blocked = conclude(case(0, 40, open_values=UNKNOWN))
    assert blocked.verdict is CaseVerdict.ALL_BLOCKED
    assert "Not settled by that: 2 sign-ins carry a value that is in no table: code 512345" in blocked.headline
    breach = conclude(case(40, 4, open_values=UNKNOWN), judge(abroad(20)))
    assert breach.verdict is CaseVerdict.BREACH_INDICATED
    assert "code 512345 (2 rows)" in breach.cannot_conclude[0]


def test_all_blocked_hides_no_doubt() -> None:
    found = conclude(case(0, 40, critical_operations=(("New-InboxRule", 2),)))
    assert found.verdict is CaseVerdict.ALL_BLOCKED
    assert "Not settled by that: Critical operations by persons" in found.headline
    assert "New-InboxRule (2)" in found.cannot_conclude[0]


@pytest.mark.parametrize(("unknown", "verdict"), [(5, CaseVerdict.ALL_BLOCKED), (6, CaseVerdict.NO_BREACH_INDICATED)])
def test_all_blocked_needs_a_coverage_of_95_percent(unknown: int, verdict: CaseVerdict) -> None:
    assert conclude(with_open(0, 100 - unknown, unknown)).verdict is verdict


@pytest.mark.parametrize(
    "evidence", [case(1, 40), case(0, 40, audit_success=1), case(0, 40, audit_success=2, audit_logons_unmatched=2)]
)
def test_one_success_anywhere_and_all_blocked_is_not_said(evidence: CaseEvidence) -> None:
    assert conclude(evidence).verdict is not CaseVerdict.ALL_BLOCKED


def test_a_success_that_only_another_log_holds_leaves_the_case_open() -> None:
    found = conclude(case(0, 40, audit_success=1))
    assert found.verdict is CaseVerdict.CANNOT_CONCLUDE
    assert "another log of this case holds 1 successful logon" in found.headline


@pytest.mark.parametrize(
    ("evidence", "open_case"),
    [
        (with_open(60, 20, 20), False),
        (with_open(599, 200, 201), True),
        (case(50, 50, foreign_rows=100, foreign_open_rows=5), False),
        (case(50, 50, foreign_rows=100, foreign_open_rows=6), True),
        (case(100, 0, success_without_country=5), False),
        (case(100, 0, success_without_country=6), True),
        (case(100, 0, without_country=100, success_without_country=100), True),
        (with_open(0, 90, 10, without_country=100), True),
        (case(100, 0, critical_operations=(("Add-MailboxPermission", 1),)), True),
        (case(95, 0, audit_logons_unmatched=5, audit_unmatched_accounts=1), False),
        (case(94, 0, audit_logons_unmatched=6, audit_unmatched_accounts=1), True),
        (case(100, 0, absent_accounts=("ann@contoso.example",)), True),
        (case(100, 0, window_gap="The sign-ins do not reach over the incident window."), True),
        (case(100, 0), False),
    ],
)
def test_each_doubt_at_its_boundary_leaves_the_case_open(evidence: CaseEvidence, open_case: bool) -> None:
    found = conclude(evidence)
    assert found.verdict is (CaseVerdict.CANNOT_CONCLUDE if open_case else CaseVerdict.NO_BREACH_INDICATED)
    assert bool(found.cannot_conclude) is open_case


@pytest.mark.parametrize("one", [judge(abroad(2)), judge(abroad(0, leads=(LeadKind.LEGACY_FOREIGN_SUCCESS,)))])
def test_a_suspicious_or_unclear_account_leaves_the_case_open(one: AccountJudgement) -> None:
    found = conclude(case(100), one)
    assert found.verdict is CaseVerdict.CANNOT_CONCLUDE
    assert "1 account " in found.headline
    assert "ada@contoso.example" in found.headline


def test_doubts_are_grammatical_for_one_and_for_many() -> None:
    suspicious = judge(abroad(0, leads=(LeadKind.LEGACY_FOREIGN_SUCCESS,)))
    assert "1 account shows a lead to be followed: " in conclude(case(9), suspicious).headline
    assert "2 accounts show leads to be followed: " in conclude(case(9), suspicious, suspicious).headline
    assert "1 account has sign-ins neither explained" in conclude(case(9), judge(abroad(2))).headline
    many = conclude(case(9), *[judge(abroad(2))] * 7)
    assert "7 accounts have sign-ins neither explained nor proven hostile" in many.headline
    assert "and 2 more." in many.headline
    one = conclude(case(9, 0, foreign_rows=1, foreign_open_rows=1))
    assert one.cannot_conclude == ("1 of 1 foreign sign-in has no known outcome.",)
    assert "1 of 9 successful sign-ins has no known country" in conclude(case(9, success_without_country=1)).headline
    unmatched = conclude(case(9, audit_logons_unmatched=3, audit_unmatched_accounts=1)).headline
    assert "3 successful logons of 1 account in the audit log are not in the sign-in log" in unmatched


def test_an_account_without_a_home_leaves_the_case_open_and_says_what_to_give() -> None:
    found = conclude(case(100), judge(abroad(0, own_homes=()), NOWHERE), home=NOWHERE)
    assert found.verdict is CaseVerdict.CANNOT_CONCLUDE
    assert "No home country is known for 1 account; give it with --home-country" in found.headline
    assert conclude(case(0, 9), judge(abroad(0, 9, success=0, own_homes=()), NOWHERE)).cannot_conclude == ()


def test_coverage_is_never_rounded_up_to_all() -> None:
    assert "decision coverage 99.9 %" in conclude(with_open(9000, 999, 1)).headline
    assert (
        "Only 79.9 % of the sign-ins have a known outcome (799 of 1,000)" in conclude(with_open(599, 200, 201)).headline
    )


TYPES = ("interactiveuser", "managedidentity", "noninteractiveuser", "serviceprincipal")


@pytest.mark.parametrize(
    ("evidence", "home", "confidence"),
    [
        (case(45, sign_in_types=TYPES), LIST, HIGH),
        (case(45, sign_in_types=TYPES), TENANT, MEDIUM),
        (case(45, sign_in_types=TYPES[1:]), LIST, MEDIUM),
        (case(45, sign_in_types=TYPES, weak_basis=True), LIST, LOW),
    ],
)
def test_no_breach_is_sure_only_with_every_sign_in_type_and_a_list(
    evidence: CaseEvidence, home: CaseHome, confidence: Confidence
) -> None:
    found = conclude(evidence, home=home)
    assert (found.verdict, found.confidence) == (CaseVerdict.NO_BREACH_INDICATED, confidence)
    assert "This is not an all-clear" in found.headline


def test_no_breach_tells_of_exposed_credentials() -> None:
    exposed = judge(abroad(0, foreign_accepted=3))
    assert "On 1 account a valid credential or token was used from abroad" in conclude(case(45), exposed).headline
    assert "reset them." in conclude(case(45), exposed, exposed).headline


def test_what_was_not_tested_is_always_named() -> None:
    bare, full = conclude(case(45)).not_tested, conclude(case(45, sign_in_types=TYPES, has_audit_log=True)).not_tested
    for words in ("proxy in the owner's country", "adversary-in-the-middle", "the owner's own device"):
        assert words in " ".join(bare)
        assert words in " ".join(full)
    for words in ("Token replay", "service principals", "the unified audit log is not in the evidence"):
        assert words in " ".join(bare)
        assert words not in " ".join(full)
    assert "Mailbox reads are only logged with the licence" in " ".join(full)
    assert "order of day and month" in " ".join(conclude(case(45, dates_ambiguous=True)).not_tested)


def test_the_three_ratios_have_no_value_without_their_whole() -> None:
    nothing = case()
    assert (nothing.foreign_attempt_success_rate, nothing.foreign_share_of_success, nothing.foreign_share_of_all) == (
        None,
        None,
        None,
    )
    assert (nothing.decision_coverage, nothing.foreign_coverage) == (0.0, 1.0)
    some = case(9, 9, foreign_attempts=4, foreign_success_flows=3, success_flows=6, flow_count=12)
    assert (some.foreign_attempt_success_rate, some.foreign_share_of_success, some.foreign_share_of_all) == (
        0.75,
        0.5,
        0.25,
    )


CASES = st.builds(
    lambda outcomes, firm, audit, unmatched, foreign: CaseEvidence(
        by_outcome=outcomes,
        firm_rows=round(firm * sum(outcomes.values())),
        audit_success=audit,
        audit_logons_unmatched=min(audit, unmatched),
        foreign_rows=foreign,
        foreign_open_rows=foreign // 2,
    ),
    st.dictionaries(st.sampled_from(list(Outcome)), st.integers(0, 200)),
    st.floats(0, 1),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 20),
)


@given(CASES)
def test_all_blocked_is_never_said_with_thin_coverage_or_any_success_anywhere(evidence: CaseEvidence) -> None:
    found = conclude(evidence)
    if found.verdict is CaseVerdict.ALL_BLOCKED:
        assert evidence.success == evidence.audit_success == 0
        assert evidence.attempts > 0
        assert evidence.decision_coverage >= 0.95
        assert evidence.firm_rows >= evidence.decided / 2


@given(CASES, st.lists(st.sampled_from([judge(abroad(20)), judge(abroad(2)), judge(abroad(0))]), max_size=3))
def test_no_breach_is_never_said_over_a_doubt_or_a_compromise(
    evidence: CaseEvidence, accounts: list[AccountJudgement]
) -> None:
    found = conclude(evidence, *accounts)
    if found.verdict is CaseVerdict.NO_BREACH_INDICATED:
        assert not found.cannot_conclude
        assert {one.verdict for one in accounts} <= {AccountVerdict.NO_INDICATION}
        assert evidence.decision_coverage >= 0.80
    if found.verdict is CaseVerdict.CANNOT_CONCLUDE:
        assert found.cannot_conclude[0] in found.headline
    assert found.not_tested


BROKEN_GATE = ("quality gate overridden by jo until 2026-03-09 (why)",)


@pytest.mark.parametrize("verdict", list(CaseVerdict))
def test_no_all_clear_is_said_while_the_gate_does_not_stand_and_a_breach_is(verdict: CaseVerdict) -> None:
    said = CaseJudgement(verdict, HIGH, f"Case c: {verdict}.", ("A doubt.",), ("A limit.",))
    assert without_all_clear("c", said, ()) == said
    found = without_all_clear("c", said, BROKEN_GATE)
    if verdict in (CaseVerdict.BREACH_INDICATED, CaseVerdict.CANNOT_CONCLUDE):
        assert found == said
        return
    assert (found.verdict, found.confidence) == (CaseVerdict.CANNOT_CONCLUDE, LOW)
    assert found.headline.startswith("Case c: cannot conclude. That nothing succeeded or that no breach is indicated")
    assert BROKEN_GATE[0] in found.cannot_conclude[0]
    assert (found.cannot_conclude[1:], found.not_tested) == (("A doubt.",), ("A limit.",))


@pytest.mark.parametrize("verdict", list(AccountVerdict))
def test_an_account_that_nothing_speaks_against_is_cleared_by_nobody_while_the_gate_does_not_stand(
    verdict: AccountVerdict,
) -> None:
    said = replace(judge(abroad(0)), verdict=verdict, confidence=MEDIUM)
    assert hedged(said, ()) == said
    found = hedged(said, BROKEN_GATE)
    if verdict not in (AccountVerdict.TARGETED, AccountVerdict.NO_INDICATION):
        assert found == said
        return
    assert (found.verdict, found.confidence) == (verdict, LOW)
    assert found.reasons[-1] == f"This clears nobody; it is not verified: {BROKEN_GATE[0]}."
