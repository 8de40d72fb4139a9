"""What a verdict is worth, and the numbers that follow from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict
from m365dq_dagster.core.scoreboard import (
    TARGETS,
    Fixed,
    Judge,
    Mark,
    ScoredCase,
    Share,
    Target,
    case_mapping,
    not_accused,
    noticed,
    scores,
)
from tests.support.scored import BLOCKED, BREACH, NO_BREACH, OPEN, board, concluded, scored, truth

RIGHT, WRONG, UNDECIDED = Mark.RIGHT, Mark.WRONG, Mark.UNDECIDED
REQUIRED = {
    "cases",
    "forensic_error_rate",
    "false_all_clear",
    "false_breach_rate",
    "undecided_on_healthy",
    "recommendation_accuracy",
}


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("breach", {BREACH: RIGHT, OPEN: UNDECIDED, BLOCKED: WRONG, NO_BREACH: WRONG, None: WRONG}),
        ("clean", {BREACH: WRONG, OPEN: UNDECIDED, BLOCKED: WRONG, NO_BREACH: RIGHT, None: WRONG}),
        ("blocked", {BREACH: WRONG, OPEN: UNDECIDED, BLOCKED: RIGHT, NO_BREACH: RIGHT, None: WRONG}),
        ("empty", {BREACH: WRONG, OPEN: RIGHT, BLOCKED: WRONG, NO_BREACH: WRONG, None: WRONG}),
    ],
)
def test_the_truth_decides_what_a_verdict_is_worth(kind: str, marks: dict[CaseVerdict | None, Mark]) -> None:
    assert {verdict: truth(kind).mark(verdict) for verdict in marks} == marks


def test_every_rate_counts_what_its_name_says() -> None:
    found = scores(
        [
            scored(truth("breach"), BREACH),
            scored(truth("breach"), NO_BREACH),
            scored(truth("breach"), BLOCKED),
            scored(truth("clean"), BREACH),
            scored(truth("clean"), BLOCKED),
            scored(truth("clean", decidable=False, plain=False), OPEN),
            scored(truth("clean", healthy_export=False), OPEN),
            scored(truth("blocked"), BLOCKED),
            scored(truth("empty"), OPEN),
        ],
        Judge.OURS,
    )
    assert (found.cases, found.right, found.undecided, found.wrong) == (9, 3, 2, Share(4, 9))
    assert found.false_all_clear == Share(2, 3)
    assert found.false_all_blocked == Share(2, 7)
    assert found.false_breach == Share(1, 6)
    assert found.undecided_on_healthy == Share(0, 6)
    assert found.undecided_on_intact == Share(1, 7)
    assert found.undecided_on_decidable == Share(0, 6)


def test_a_verdict_counts_whatever_its_confidence_and_a_broken_judge_is_wrong() -> None:
    found = scores([scored(truth("clean"), None)], Judge.OURS)
    assert (found.wrong.value, found.false_breach.part, found.undecided) == (1.0, 0, 0)


def test_alerts_are_counted_by_clean_cases_and_by_alerts() -> None:
    breach, quality = ("breach_indicator",), ("quality_check_failure",)
    found = scores(
        [
            scored(truth("breach"), concluded(BREACH, alerts=breach)),
            scored(truth("clean"), concluded(BREACH, alerts=breach)),
            scored(truth("clean"), concluded(OPEN, alerts=quality)),
            scored(truth("clean", healthy_export=False), concluded(OPEN, alerts=quality)),
        ],
        Judge.OURS,
    )
    assert found.false_alerts == Share(1, 3)
    assert found.alerts_false == Share(1, 2)
    assert found.quality_alerts == Share(1, 3)


def test_a_recommendation_is_asked_for_only_where_the_truth_names_a_field() -> None:
    known = truth("clean", outcome_fields=("error_number", "operation"))
    found = scores(
        [
            scored(known, concluded(NO_BREACH, recommended="operation")),
            scored(known, concluded(NO_BREACH, recommended=None)),
            scored(truth("clean"), concluded(NO_BREACH, recommended=None)),
        ],
        Judge.OURS,
    )
    assert found.recommendation == Share(1, 2)


def test_accounts_are_counted_as_noticed_and_as_not_accused() -> None:
    known = truth("breach", compromised=frozenset({"ann@x", "bob@x", "eve@x", "gone@x"}))
    accounts = {
        "ANN@x": AccountVerdict.COMPROMISE_INDICATED,
        "bob@x": AccountVerdict.SUSPICIOUS,
        "eve@x": AccountVerdict.TARGETED,
        "joe@x": AccountVerdict.COMPROMISE_INDICATED,
        "kim@x": AccountVerdict.CREDENTIAL_EXPOSED,
    }
    said = concluded(BREACH, accounts=accounts)
    assert noticed(known, said) == Share(2, 4)
    assert not_accused(known, said) == Share(1, 2)
    listed = case_mapping(scored(known, said))
    assert (listed["missed_accounts"], listed["accused_accounts"]) == (["eve@x", "gone@x"], ["joe@x"])


def test_an_account_without_a_verdict_shares_the_open_verdict_of_its_case() -> None:
    known = truth("breach", compromised=frozenset({"ann@x"}))
    assert noticed(known, concluded(OPEN)) == Share(1, 1)
    assert noticed(known, concluded(BLOCKED)) == Share(0, 1)


@pytest.mark.parametrize(
    ("target", "met", "missed"),
    [
        (Target("x", "", 0.02), 0.02, 0.0200001),
        (Target("x", "", 0.98, at_least=True), 0.98, 0.9799),
        (TARGETS[1], 0, 1),
    ],
)
def test_a_target_is_met_at_its_limit_and_missed_beyond_it(target: Target, met: float, missed: float) -> None:
    assert target.met(met)
    assert not target.met(missed)
    assert target.met(None)


def test_the_document_has_the_same_numbers_for_all_three_judges() -> None:
    found = json.loads(json.dumps(board(scored(truth("breach"), BREACH, BLOCKED, NO_BREACH)).as_mapping()))
    assert set(found) >= REQUIRED
    assert set(found["naive"]) >= REQUIRED
    assert set(found["literal"]) >= REQUIRED
    assert [found["false_all_clear"], found["naive"]["false_all_clear"], found["literal"]["false_all_clear"]] == [
        0,
        1,
        1,
    ]
    assert found["literal"]["false_all_blocked"] == 0
    assert found["recommendation_accuracy"] is None
    assert found["by_family"]["travel"]["naive"]["wrong"] == 1
    assert found["passed"]
    assert {one["key"] for one in found["targets"]} <= set(found)
    assert found["misreadings"] is None


def test_every_wrong_case_is_listed_with_what_makes_it_again() -> None:
    wanted = truth("clean", outcome_fields=("status_error_code",))
    found = board(
        scored(truth("blocked"), BREACH, name="a"),
        scored(truth("breach"), OPEN, name="b"),
        scored(wanted, concluded(NO_BREACH, recommended="status"), name="c"),
        scored(truth("clean"), None, name="d"),
    ).as_mapping()
    assert found["wrong_cases"][0] == {
        "name": "a",
        "family": "travel",
        "variant": "intact",
        "shape": "portal-csv",
        "expected": ["ALL_BLOCKED", "NO_BREACH_INDICATED"],
        "said": "BREACH_INDICATED",
        "decidable": True,
        "headline": "Because.",
        "missed_accounts": [],
        "accused_accounts": [],
        "command": "m365dq generate travel",
    }
    assert [one["name"] for one in found["wrong_cases"]] == ["a", "d"]
    assert found["wrong_cases"][1]["said"] is None
    assert [one["name"] for one in found["undecided_cases"]] == ["b"]
    assert found["wrong_recommendations"][0]["said"] == "status"
    assert not found["passed"]
    assert [one["key"] for one in found["targets"] if not one["met"]] == [
        "forensic_error_rate",
        "false_breach_rate",
        "recommendation_accuracy",
        "undecided_on_healthy",
    ]


def test_a_misreading_or_real_case_that_is_wrong_fails_the_scoreboard() -> None:
    right = Fixed("a", "ALL_BLOCKED", "ALL_BLOCKED", "", True)
    wrong = Fixed("b", "ALL_BLOCKED", "CANNOT_CONCLUDE", "No.", False)
    assert board(misreadings=(right,), real_cases=()).passed
    found = board(misreadings=(right, wrong)).as_mapping()
    assert not found["passed"]
    assert found["misreadings"] == {
        "cases": 2,
        "right": 1,
        "wrong": [{"name": "b", "expected": "ALL_BLOCKED", "said": "CANNOT_CONCLUDE", "headline": "No."}],
    }


KINDS = st.sampled_from(["breach", "clean", "blocked", "empty"])
CASES = st.lists(
    st.builds(lambda kind, verdict: scored(truth(kind), verdict), KINDS, st.sampled_from([*CaseVerdict, None]))
)


@given(CASES)
def test_right_wrong_and_undecided_are_all_cases_and_every_share_is_one(cases: list[ScoredCase]) -> None:
    found = scores(cases, Judge.OURS)
    assert found.right + found.undecided + found.wrong.part == found.cases == len(cases)
    shares = [value for value in vars(found).values() if isinstance(value, Share)]
    assert all(0 <= share.part <= share.whole for share in shares)
    assert all(share.value is None or 0 <= share.value <= 1 for share in shares)


@given(CASES, st.sampled_from(["breach", "clean", "blocked", "empty"]))
def test_saying_the_right_thing_once_more_never_raises_the_error_rate(cases: list[ScoredCase], kind: str) -> None:
    known = truth(kind)
    before = scores(cases, Judge.OURS).wrong.value or 0.0
    after = scores([*cases, scored(known, min(known.right))], Judge.OURS).wrong.value
    assert after is not None
    assert after <= before


@given(CASES)
def test_a_judge_who_says_nothing_is_never_wrong_and_concludes_nothing(cases: list[ScoredCase]) -> None:
    found = scores(cases, Judge.NAIVE)
    assert (found.wrong.part, found.false_all_clear.part, found.false_breach.part) == (0, 0, 0)
    assert found.undecided_on_healthy.part == found.undecided_on_healthy.whole
