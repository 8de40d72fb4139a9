"""What corrections teach about fields: proposed as entries of the context rules, with their examples and evidence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.context_rules import Effect, RowFacts, parse_rules
from m365dq_dagster.core.corrections import Correction, MisledField
from m365dq_dagster.core.learned_rules import CLOSED, Proposal, propose
from tests.support.rule_examples import assert_examples_hold

DAY = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CA = ("sign_in_logs", "conditional_access_status")
NAME = "learned-sign-in-logs-conditional-access-status"
HEARD = {CA: [f"c{number}" for number in range(10)]}
PHONES = {"clients": {"ACTIVESYNC": [20, 3], "OTHER": [1, 300]}}
PORTAL = {"formats": {"portal_signin_csv": [20, 0]}}


def said(number: int, case: str = "", words: dict[str, Any] | None = None, **more: Any) -> Correction:
    """A correction of a case of its own, whose field misled on 20 rows where 300 others are in the log."""
    circumstances = {"rows": 20, "other_rows": 300, "words": words or {}}
    keys: dict[str, Any] = {"fields": (MisledField(*CA, circumstances),), "verdict": "B", "concluded": "A", **more}
    at = DAY + timedelta(days=number)
    return Correction(case or f"c{number}", "F-001", reason="why", actor="kim", corrected_at=at, id=number, **keys)


def only(*corrections: Correction, heard: Any = HEARD) -> Proposal:
    (found,) = propose(corrections, heard)
    return found


def test_one_case_teaches_nothing_however_often_it_was_corrected() -> None:
    assert propose([said(1)], HEARD) == ()
    assert propose([said(1, "c"), said(2, "c", subject="a@x.example")], HEARD) == ()


def test_a_field_that_misled_in_two_cases_is_proposed_with_its_evidence() -> None:
    found = only(said(1), said(2))
    assert found.rule.id == NAME
    assert found.rule.targets == (CA,)
    assert (found.rule.when.filled, found.rule.effect, found.rule.factor) == (True, Effect.MULTIPLY, 0.8)
    assert (found.misled, found.corrections, found.heard) == (("c1", "c2"), (1, 2), 10)
    assert found.rule.because == (
        "Conclusions that leaned on conditional_access_status were corrected in 2 of the 10 cases that heard it."
    )
    assert found.rule.source == "corrections 1, 2 of the cases c1, c2"
    assert found.as_mapping()["entry"] == found.entry
    assert (found.as_mapping()["effect"], found.as_mapping()["field"]) == ("multiply by 0.8", ".".join(CA))


@pytest.mark.parametrize(
    ("heard", "effect", "factor"),
    [(2, "veto", 1.0), (4, "veto", 1.0), (5, "multiply", 0.6), (40, "multiply", 0.95), (9000, "multiply", 0.95)],
)
def test_the_more_often_a_field_was_right_the_less_is_taken_away(heard: int, effect: str, factor: float) -> None:
    found = only(said(1), said(2), heard={CA: [f"c{number}" for number in range(1, heard + 1)]})
    assert (found.rule.effect, found.rule.factor) == (effect, factor)


def test_cases_that_are_not_known_to_have_heard_the_field_count_where_it_misled() -> None:
    assert only(said(1), said(2), heard={}).heard == 2


@pytest.mark.parametrize("more", [{"verdict": "A"}, {"fields": ()}])
def test_what_was_taken_back_or_misled_by_no_field_teaches_nothing(more: dict[str, Any]) -> None:
    assert propose([said(1), said(2), said(3, "c2", **more)], HEARD) == ()


def test_the_circumstance_that_sets_the_misleading_rows_apart_is_the_condition() -> None:
    found = only(said(1, words=PHONES), said(2, words=PHONES))
    assert found.rule.id == f"{NAME}-clients-activesync"
    assert found.rule.matches(RowFacts(client="ACTIVESYNC"))
    assert not found.rule.matches(RowFacts(client="OTHER", value="failure"))
    assert "on rows with clients ACTIVESYNC" in found.rule.because


@pytest.mark.parametrize(
    ("name", "counted", "applies"),
    [
        ("clients", {"ACTIVESYNC": [17, 3]}, False),
        ("clients", {"ACTIVESYNC": [18, 150]}, True),
        ("clients", {"ACTIVESYNC": [20, 151]}, False),
        ("clients", {"ACTIVESYNC": [10, 1], "LEGACY": [10, 1]}, True),
        ("clients", {"ACTIVESYNC": [8, 1], "LEGACY": [6, 1], "OTHER": [6, 1]}, False),
        ("clients", {"'; DROP": [20, 0]}, False),
        ("address_kinds", {"ipv6": [20, 10]}, True),
        ("aggregated", {"true": [20, 10]}, True),
        ("aggregated", {"false": [20, 10]}, True),
        ("sign_in_types", {"noninteractiveuser": [20, 10]}, True),
        ("record_types", {"15": [20, 10]}, True),
        ("record_types", {f"{number}": [2, 0] for number in range(10)}, False),
        ("token_types", {"refreshtoken": [20, 10]}, True),
        ("token_types", {"=cmd|' /C calc'!A0": [20, 10]}, False),
        ("formats", {"portal_signin_csv": [20, 300]}, True),
        ("moons", {"full": [20, 0]}, False),
        ("clients", {"ACTIVESYNC": "20"}, False),
        ("clients", ["ACTIVESYNC"], False),
    ],
)
def test_a_circumstance_holds_on_nearly_all_misleading_rows_and_on_few_others(
    name: str, counted: Any, applies: bool
) -> None:
    found = only(said(1, words={name: counted}), said(2, words={name: counted}))
    assert (found.rule.when.filled is None) is applies
    assert_examples_hold(found.rule)


def test_rows_without_others_beside_them_are_told_apart_by_format_alone() -> None:
    def alone(number: int) -> Correction:
        circumstances = {"rows": 20, "other_rows": 0, "words": {"clients": {"ACTIVESYNC": [20, 0]}, **PORTAL}}
        return said(number, fields=(MisledField(*CA, circumstances),))

    when = only(alone(1), alone(2)).rule.when
    assert (when.clients, when.formats) == (None, ("portal_signin_csv",))


def test_circumstances_that_all_cases_share_are_asked_for_together() -> None:
    found = only(said(1, words={**PHONES, **PORTAL}), said(2, words={**PORTAL, **PHONES}))
    assert (found.rule.when.clients, found.rule.when.formats) == (("ACTIVESYNC",), ("portal_signin_csv",))
    assert len(found.rule.examples) == 3


def test_each_circumstance_of_several_cases_gets_its_own_rule_and_the_rest_one_of_its_own() -> None:
    corrections = [said(1, words=PHONES), said(2, words=PHONES), said(3), said(4), said(5, words=PORTAL)]
    found = propose(corrections, HEARD)
    assert [(one.rule.id, one.misled) for one in found] == [
        (NAME, ("c3", "c4", "c5")),
        (f"{NAME}-clients-activesync", ("c1", "c2")),
    ]


def test_a_rule_that_is_in_the_pack_is_proposed_again_only_where_corrections_speak_for_more() -> None:
    corrections = [said(1), said(2)]
    (found,) = propose(corrections, HEARD)
    assert propose(corrections, HEARD, [found.rule]) == ()
    (stricter,) = propose([*corrections, said(3)], HEARD, [found.rule])
    assert stricter.rule.factor == 0.7
    (veto,) = propose(corrections, {}, [found.rule])
    assert propose(corrections, HEARD, [veto.rule]) == ()
    assert veto.effect == "veto"


def test_many_cases_are_named_in_part() -> None:
    found = only(*(said(number) for number in range(1, 21)))
    assert found.rule.source.endswith("c19, c2 and 8 more")
    assert len(found.misled) == 20


WORDS = {**{name: st.sampled_from(list(words)) for name, words in CLOSED.items()}}
WORDS["formats"] = st.sampled_from(["portal_signin_csv", "ps_signin_csv", "another"])
WORDS["record_types"] = st.sampled_from(["15", "another"])
WORDS["token_types"] = st.text(max_size=5)
COUNTS = st.tuples(st.integers(-1, 30), st.integers(0, 300)).map(list)
CIRCUMSTANCES = st.fixed_dictionaries(
    {"rows": st.integers(0, 30), "other_rows": st.integers(0, 300)},
    optional={
        "words": st.fixed_dictionaries(
            {}, optional={name: st.dictionaries(words, COUNTS, max_size=3) for name, words in WORDS.items()}
        )
    },
)
FIELDS = st.builds(MisledField, st.just(CA[0]), st.sampled_from([CA[1], "status"]), CIRCUMSTANCES)
SAID = st.lists(
    st.tuples(
        st.sampled_from(["c1", "c2", "c3", "c4"]),
        st.sampled_from(["A", "B", "C"]),
        st.lists(FIELDS, max_size=2, unique_by=lambda one: one.field).map(tuple),
    ),
    max_size=12,
)


@given(SAID, st.sets(st.sampled_from(["c1", "c2", "c5", "c6", "c7", "c8"])))
def test_whatever_is_proposed_parses_and_its_own_examples_hold(
    history: list[tuple[str, str, tuple[MisledField, ...]]], heard: set[str]
) -> None:
    corrections = [
        said(number, case, verdict=verdict, fields=fields) for number, (case, verdict, fields) in enumerate(history, 1)
    ]
    found = propose(corrections, {CA: sorted(heard)})
    assert found == propose(list(reversed(corrections)), {CA: sorted(heard)})
    for one in found:
        assert parse_rules([one.entry]) == (one.rule,)
        assert_examples_hold(one.rule)
        assert 2 <= len(one.misled) <= one.heard
        assert one.rule.effect is Effect.VETO or 0.5 < one.rule.factor <= 0.95
        taught = {(c.case_id, f.log_type, f.field) for c in corrections for f in c.fields}
        assert {(case, *one.field) for case in one.misled} <= taught
    if found:
        assert len(parse_rules([one.entry for one in found])) == len(found)
