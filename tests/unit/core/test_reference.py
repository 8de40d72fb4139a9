"""Layers of the reference: what ships, what was approved, what is said locally; the upper one wins, and is told of."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.adjudication import CODE_OUTCOMES
from m365dq_dagster.core.code_changes import CODE_FIELDS, CodeKey, ReferenceRow
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.reference import (
    CATEGORIES,
    Layer,
    Origin,
    Seen,
    layered,
    moved_under,
    reference_key,
    spread,
)

SIGN_IN = ("sign_in_logs", "status_error_code")
CODE = ReferenceRow(
    *SIGN_IN, "50126", "wrong password", "WARNING", category="bad_credentials", outcome="failure",
    first_factor="rejected", provenance="documented",
)  # fmt: skip
WORD = ReferenceRow("sign_in_logs", "status", "Success", "it worked", "INFO", category="SUCCESS")
SHIPPED = (CODE, WORD)
UNKNOWN = CodeKey(*SIGN_IN, "512345")


def approved(row: ReferenceRow, before: ReferenceRow | None = None, number: int = 1) -> Layer:
    old = before.as_mapping() if before else None
    return Layer(row.key, row.as_mapping(), f"change {number}", before=old, number=number)


def local(key: CodeKey, **given: Any) -> Layer:
    return Layer(key, given, "rule_pack/status_codes.csv", Origin.LOCAL)


def test_entras_codes_are_one_vocabulary_in_three_fields() -> None:
    assert {reference_key(*place, " 50126 ") for place in CODE_FIELDS} == {CODE.key}
    assert [(one.log_type, one.field_name) for one in spread(CODE)] == list(CODE_FIELDS)
    assert spread(WORD) == (WORD,)
    assert reference_key("unified_audit_log", "operation", "Send").value == "Send"


def test_the_classes_of_codes_are_those_that_the_judge_knows() -> None:
    assert set(CODE_OUTCOMES) <= CATEGORIES


def test_without_layers_the_shipped_rows_stand() -> None:
    found = layered(SHIPPED, [])
    assert tuple(found.rows.values()) == SHIPPED
    assert (found.changed, found.conflicts) == ({}, ())


def test_an_approved_row_replaces_the_shipped_one_and_no_other() -> None:
    layer = approved(replace(CODE, category="throttling_lockout"), CODE)
    found = layered(SHIPPED, [layer])
    assert found.rows[CODE.key] == replace(CODE, category="throttling_lockout", outcome="failure")
    assert found.rows[WORD.key] == WORD
    assert found.changed == {CODE.key: layer}
    assert found.conflicts == ()


def test_the_last_approval_of_a_value_holds() -> None:
    first = approved(replace(CODE, category="throttling_lockout"), CODE)
    second = approved(replace(CODE, category="unknown"), replace(CODE, category="throttling_lockout"), 2)
    found = layered(SHIPPED, [first, second])
    assert found.rows[CODE.key].category == "unknown"
    assert found.conflicts == ()


def test_a_change_that_was_taken_back_changes_nothing() -> None:
    there = replace(CODE, category="throttling_lockout")
    found = layered(SHIPPED, [approved(there, CODE), approved(CODE, there, 2)])
    assert found.rows[CODE.key] == CODE
    assert found.changed == {}


def test_a_new_code_is_complete_in_what_its_change_leaves_open() -> None:
    layer = Layer(UNKNOWN, {"meaning": "m", "severity": "warning", "category": "bad_credentials"}, "change 1")
    row = layered(SHIPPED, [layer]).rows[UNKNOWN]
    assert (row.severity, row.outcome, row.first_factor) == ("WARNING", "failure", "unknown")
    assert (row.provenance, row.method, row.state, row.deprecated) == ("unverified", "hand", "ACTIVE", False)


@pytest.mark.parametrize("word", [True, "true", "Yes", "1"])
def test_a_deprecated_code_stays_in_force_and_is_marked(word: object) -> None:
    row = layered(SHIPPED, [Layer(CODE.key, {"deprecated": word}, "change 1")]).rows[CODE.key]
    assert (row.deprecated, row.state, row.category) == (True, "ACTIVE", "bad_credentials")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "severity is ''; it must be one of CRITICAL, INFO, WARNING"),
        ({"severity": "FATAL"}, "severity is 'FATAL'"),
        ({"severity": "INFO"}, "category is '-'"),
        ({"severity": "INFO", "category": "odd"}, "category is 'odd'; it must be one of account_state, "),
        ({"severity": "INFO", "category": "unknown"}, "512345 has no meaning; give one"),
        ({"severity": "INFO", "category": "unknown", "meaning": "m", "first_factor": "x"}, "first_factor is 'x'"),
        ({"severity": "INFO", "category": "unknown", "meaning": "m", "outcome": "x"}, "outcome is 'x'"),
        ({"severity": "INFO", "category": "unknown", "meaning": "m", "state": "x"}, "state is 'X'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_source(given: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=r"rule_pack/status_codes\.csv: 512345") as caught:
        layered(SHIPPED, [], [local(UNKNOWN, **given)])
    assert said in str(caught.value)


def test_the_classes_of_words_are_their_own() -> None:
    key = CodeKey("sign_in_logs", "status", "Sucess")
    row = layered(SHIPPED, [Layer(key, {"meaning": "m", "severity": "INFO", "category": "SUCCESS"}, "c")]).rows[key]
    assert (row.category, row.outcome) == ("SUCCESS", None)


def test_a_local_cell_wins_over_what_was_approved_and_that_is_told() -> None:
    layer = approved(replace(CODE, category="throttling_lockout", meaning="locked"), CODE)
    found = layered(SHIPPED, [layer], [local(CODE.key, category="unknown")])
    row = found.rows[CODE.key]
    assert (row.category, row.meaning) == ("unknown", "locked")
    assert found.changed[CODE.key].origin is Origin.LOCAL
    (conflict,) = found.conflicts
    assert conflict.sentence == (
        "status_codes.csv: 50126: change 1 says something else; the local entry is kept. Look at both and change or "
        "remove yours."
    )


def test_a_local_row_that_agrees_with_an_approved_one_is_no_conflict() -> None:
    layer = approved(replace(CODE, category="unknown"), CODE)
    assert layered(SHIPPED, [layer], [local(CODE.key, category="unknown")]).conflicts == ()


def test_what_ships_changed_under_an_approved_row_is_told_and_the_approved_row_is_kept() -> None:
    layer = approved(replace(CODE, category="throttling_lockout"), CODE)
    found = layered([replace(CODE, category="account_state")], [layer])
    assert found.rows[CODE.key].category == "throttling_lockout"
    (conflict,) = found.conflicts
    assert conflict.kept is Origin.CHANGE
    assert "category from 'bad_credentials' to 'account_state'); the approved change is kept" in conflict.sentence


def test_a_pack_that_caught_up_with_an_approved_change_is_no_conflict() -> None:
    after = replace(CODE, category="throttling_lockout")
    found = layered([after], [approved(after, CODE)])
    assert (found.conflicts, found.changed) == ((), {})


def test_a_code_that_ships_by_now_and_says_otherwise_than_what_was_approved_is_told() -> None:
    mine = replace(CODE, code_value="512345", category="unknown")
    found = layered([*SHIPPED, replace(mine, category="account_state")], [approved(mine)])
    assert found.rows[UNKNOWN].category == "unknown"
    assert "the rule pack that ships holds it by now, and says otherwise" in found.conflicts[0].sentence


def test_a_code_that_left_the_pack_under_an_approved_change_is_told() -> None:
    found = layered([WORD], [approved(replace(CODE, category="unknown"), CODE)])
    assert "no longer holds it" in found.conflicts[0].sentence
    assert found.rows[CODE.key].category == "unknown"


@given(st.lists(st.sampled_from(sorted(CATEGORIES)), max_size=6))
def test_any_chain_of_approvals_ends_in_its_last_word_and_never_conflicts_with_an_unchanged_pack(
    chain: list[str],
) -> None:
    states = [CODE, *(replace(CODE, category=word) for word in chain)]
    layers = [approved(after, before, n) for n, (before, after) in enumerate(pairwise(states))]
    found = layered(SHIPPED, layers)
    assert found.rows[CODE.key].category == states[-1].category
    assert found.conflicts == ()
    assert bool(found.changed) == (states[-1] != CODE)


AT = ("policy.toml", "breach.min_attempts")


def test_a_local_entry_is_told_once_what_ships_below_it_changes_until_it_is_looked_at() -> None:
    conflicts, memory = moved_under({AT: Seen("mine", "a")}, {})
    assert conflicts == ()
    conflicts, memory = moved_under({AT: Seen("mine", "b")}, memory)
    assert [(one.file, one.key, one.kept) for one in conflicts] == [(*AT, Origin.LOCAL)]
    assert moved_under({AT: Seen("mine", "b")}, memory)[0] == conflicts
    looked_at, memory = moved_under({AT: Seen("mine too", "b")}, memory)
    assert looked_at == ()
    assert moved_under({AT: Seen("mine too", "b")}, memory) == ((), memory)


def test_an_entry_that_was_removed_is_forgotten() -> None:
    assert moved_under({}, {AT: Seen("mine", "a")}) == ((), {})
