"""What the circumstances of a row do to the score of its field, and what a rule must look like."""

from dataclasses import replace
from typing import Any

import pytest

from m365dq_dagster.core.adjudication import Access, Word
from m365dq_dagster.core.context_rules import (
    ContextRule,
    Effect,
    Matches,
    RowFacts,
    address_kind,
    apply_rules,
    packed,
    parse_rules,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import FieldState
from m365dq_dagster.core.reliability import FieldJudgement
from tests.support.judgement import CA, CODE, TEXT, judged, pack, row
from tests.support.rule_examples import assert_examples_hold

BENCH = judged([row("0", Word.SUCCESS, Access.SUCCESS, 60), row("53003", Word.FAILURE, Access.FAILURE, 40)])
GOOD: dict[str, Any] = {
    "id": "halve-it",
    "fields": [f"sign_in_logs.{CODE}"],
    "when": {"clients": ["LEGACY"]},
    "effect": "multiply",
    "factor": 0.5,
    "because": "A reason.",
    "runbook": "docs/runbooks/context-rules.md",
    "source": "a page",
    "examples": [{"name": "one", "given": {"client": "LEGACY"}, "expect": "multiply"}],
}


def rule(**keys: Any) -> ContextRule:
    made = {**GOOD, **keys}
    if made["effect"] != "multiply":
        made.pop("factor")
        made["examples"] = [{"name": "one", "given": {"client": "LEGACY"}, "expect": made["effect"]}]
    (found,) = parse_rules([made])
    return found


def after(one: FieldJudgement, rules: list[ContextRule], matches: Matches) -> FieldJudgement:
    return apply_rules([one], rules, matches)[0]


KEY = ("halve-it", "sign_in_logs", CODE)


def test_a_rule_lowers_the_score_in_proportion_to_the_rows_that_match() -> None:
    found = after(BENCH[CODE], [rule()], {KEY: (40, 100)})
    assert found.score == pytest.approx(0.8 * (BENCH[CODE].score or 0))
    assert found.base_score == BENCH[CODE].base_score
    assert [(one.id, one.effect, one.rows, one.factor) for one in found.rules] == [
        ("halve-it", "multiply", 40, pytest.approx(0.8))
    ]
    assert found.may_testify


def test_a_rule_that_matches_no_row_or_speaks_of_another_field_changes_nothing() -> None:
    assert after(BENCH[CODE], [rule()], {KEY: (0, 100)}) == BENCH[CODE]
    assert after(BENCH[CODE], [rule()], {}) == BENCH[CODE]
    assert after(BENCH[TEXT], [rule()], {KEY: (40, 100)}) == BENCH[TEXT]


def test_two_rules_multiply() -> None:
    second = rule(id="again", factor=0.2)
    found = after(BENCH[CODE], [rule(), second], {KEY: (100, 100), ("again", *KEY[1:]): (100, 100)})
    assert found.score == pytest.approx(0.1 * (BENCH[CODE].score or 0))
    assert len(found.rules) == 2


@pytest.mark.parametrize(("rows", "heard"), [(49, True), (50, False)])
def test_a_veto_silences_a_field_where_half_of_its_rows_match(rows: int, heard: bool) -> None:
    found = after(BENCH[CODE], [rule(effect="veto")], {KEY: (rows, 100)})
    assert found.may_testify is heard
    if not heard:
        assert (found.score, found.firm) == (0.0, False)
        assert found.reasons[0] == "status_error_code is not heard: a reason."


def test_a_veto_leaves_what_is_not_heard_anyway_as_it_is() -> None:
    silent = replace(BENCH[CODE], may_testify=False, score=0.0, firm=False)
    assert after(silent, [rule(effect="veto")], {KEY: (100, 100)}).reasons == BENCH[CODE].reasons


def test_a_field_that_cannot_stand_on_any_row_is_not_applicable_and_has_no_score() -> None:
    found = after(BENCH[CODE], [rule(effect="not_applicable")], {KEY: (100, 100)})
    assert (found.state, found.score, found.base_score, found.may_testify) == (
        FieldState.NOT_APPLICABLE,
        None,
        None,
        False,
    )
    assert found.reasons == ("status_error_code is empty in every row: a reason.",)
    some = after(BENCH[CODE], [rule(effect="not_applicable")], {KEY: (60, 100)})
    assert (some.state, some.score, len(some.rules)) == (BENCH[CODE].state, BENCH[CODE].score, 1)


@pytest.mark.parametrize("effect", ["multiply", "veto"])
def test_a_field_that_is_not_there_hears_nothing_of_scores(effect: str) -> None:
    absent = replace(BENCH[CODE], state=FieldState.NOT_APPLICABLE, score=None)
    assert after(absent, [rule(effect=effect)], {KEY: (100, 100)}) == absent


def test_a_rule_of_less_than_a_hundredth_is_left_out() -> None:
    assert after(BENCH[CODE], [rule()], {KEY: (1, 100)}).rules == ()
    assert len(after(BENCH[CODE], [rule()], {KEY: (2, 100)}).rules) == 1


def test_a_reason_that_begins_with_a_name_keeps_its_capital() -> None:
    found = after(BENCH[CODE], [rule(effect="veto", because="IPv6 tells nothing.")], {KEY: (100, 100)})
    assert found.reasons[0] == "status_error_code is not heard: IPv6 tells nothing."


@pytest.mark.parametrize("one", pack().context_rules, ids=lambda one: one.id)
def test_the_examples_of_a_shipped_rule_hold(one: ContextRule) -> None:
    assert_examples_hold(one)


def test_no_row_that_tells_nothing_matches_a_rule_that_asks_for_something() -> None:
    for one in pack().context_rules:
        if one.when.filled is not False:
            assert not one.matches(RowFacts())


def test_every_kind_of_condition_is_asked() -> None:
    when = {
        "clients": ["LEGACY"],
        "sign_in_types": ["interactiveuser"],
        "record_types": ["15"],
        "token_types": ["refreshtoken"],
        "formats": ["ps_signin_csv"],
        "licences": ["unknown"],
        "values": ["na"],
        "address_kinds": ["ipv6"],
        "systems": ["ios"],
        "filled": True,
        "aggregated": False,
        "hours_before_end": 24,
    }
    one = rule(when=when)
    row = RowFacts(
        "LEGACY",
        "interactiveuser",
        "15",
        "Refresh Token",
        "ps_signin_csv",
        None,
        " NA ",
        "2001:db8::1",
        "iOS 18",
        False,
        3,
    )
    assert one.matches(row)
    wrong: dict[str, Any] = {
        "client": "OTHER",
        "sign_in_type": None,
        "record_type": "8",
        "token_type": None,
        "format": None,
        "licence": "P2",
        "value": None,
        "address": "203.0.113.1",
        "system": None,
        "aggregated": None,
        "hours_before_end": 25,
    }
    for name, value in wrong.items():
        assert not one.matches(replace(row, **{name: value})), name
    assert not one.holds_for("P2")
    assert one.holds_for(None)
    assert (packed(None), address_kind(None)) == (None, None)


def broken(**keys: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in {**GOOD, **keys}.items() if value != "gone"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "must be a list of rules"),
        ([], "must be a list of rules"),
        (["x"], "rule 1 must be a table"),
        (broken(id="Halve It"), "rule 1: id must be lower-case words"),
        (broken(because="gone"), "rule 'halve-it': key 'because' is missing"),
        (broken(colour="red"), "rule 'halve-it': key 'colour' is not known"),
        (broken(effect="divide"), "rule 'halve-it': effect must be one of multiply, veto, not_applicable"),
        (broken(runbook=" "), "rule 'halve-it': runbook must be a text"),
        (broken(source=3), "rule 'halve-it': source must be a text"),
        (broken(factor=1.5), "factor must be a number from 0 to 1"),
        (broken(factor=True), "factor must be a number from 0 to 1"),
        (broken(factor="gone"), "factor must be a number from 0 to 1"),
        (broken(effect="veto"), "factor belongs to the effect multiply alone"),
        (broken(fields=[]), "fields must be a list of texts"),
        (broken(fields=["country"]), "fields: 'country' must be written as `log type.field`"),
        (broken(when={}), "when must name at least one condition"),
        (broken(when={"moon": ["full"]}), "when: 'moon' is no condition; they are clients"),
        (broken(when={"clients": ["PHONE"]}), "when: clients: 'PHONE' is not known; the words are"),
        (broken(when={"clients": "LEGACY"}), "when: clients must be a list of texts"),
        (broken(when={"filled": "yes"}), "when: filled must be true or false"),
        (broken(when={"hours_before_end": 0}), "when: hours_before_end must be a number of hours"),
        (broken(examples=[]), "examples must be a list, at least one"),
        (broken(examples=["x"]), "example 1 needs name, given and expect"),
        (broken(examples=[{"name": "a", "given": {"moon": 1}, "expect": "multiply"}]), "example 1: given may hold"),
        (broken(examples=[{"name": "a", "given": {}, "expect": "veto"}]), "expect must be multiply or nothing"),
        ([GOOD, GOOD], "rule 'halve-it' stands there twice"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_file_and_key(data: object, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_rules(data)
    assert words in str(caught.value)
    assert str(caught.value).startswith("context_rules.yaml")


def test_conditional_access_of_a_shipped_rule_counts_half_on_phones() -> None:
    (found,) = [one for one in pack().context_rules if one.id == "conditional-access-on-legacy-clients"]
    assert found.effect is Effect.MULTIPLY
    judged_access = after(BENCH[CA], [found], {(found.id, "sign_in_logs", CA): (100, 100)})
    assert judged_access.score == pytest.approx((BENCH[CA].score or 0) / 2)
