"""A witness that tells in one part of a log and not in another: heard where it may be, and said where it may not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.adjudication import Access, Combo, Mark, Word, adjudicate
from m365dq_dagster.core.outcome import Confidence, FieldCause, FieldState, LogType, Outcome
from m365dq_dagster.core.parts import Rows, Sighting, judge_log, part_names, parts_told
from m365dq_dagster.core.reliability import FieldJudgement, heard_in, recommend
from m365dq_dagster.core.stretches import ChangeKind, Spot
from tests.support.judgement import CA, CODE, TEXT, bench, counts, policy, row, specs, vocabulary

OK, BLOCKED, SKIPPED = Access.SUCCESS, Access.FAILURE, Access.NOT_APPLIED
GOOD = [row("0", access=OK, rows=70), row("0", access=SKIPPED, rows=20), row("50126", access=SKIPPED, rows=10)]
LOST = [replace(one, code=Mark.TYPE_NAME) for one in GOOD]
INVENTED = [replace(one, code=Mark.OUT_OF_DOMAIN) for one in GOOD]
START = date(2025, 11, 3)
INTERACTIVE, BACKGROUND = "interactiveuser", "noninteractiveuser"

Given = tuple[Spot, Iterable[Combo]]


def sightings(*given: Given) -> list[Sighting]:
    return [Sighting(spot, replace(one, rows=1), one.rows) for spot, combos in given for one in combos]


def judged(seen: Sequence[Sighting], absent: Iterable[tuple[int, str]] = ()) -> dict[str, FieldJudgement]:
    """Every witness, judged on these rows; files are named by their number."""
    combos = [replace(one.combo, rows=one.rows) for one in seen]
    lost = {
        CODE: sum(one.rows for one in combos if one.code == Mark.TYPE_NAME),
        TEXT: sum(one.rows for one in combos if one.word is Mark.TYPE_NAME),
    }
    measured = {}
    for spec in specs():
        shown = [_as_read(one) for one in combos]
        measured[spec.field] = counts(shown, spec.field, lost.get(spec.field, 0))
    paths = {one.spot.file_id: f"{one.spot.file_id}.csv" for one in seen}
    rows = Rows(LogType.SIGN_IN, seen, specs(), vocabulary(), policy(), set(absent), paths)
    return {one.spec.field: one for one in judge_log(rows, measured)}


def _as_read(one: Combo) -> Combo:
    code = Mark.BLANK if one.code == Mark.TYPE_NAME else one.code
    return replace(one, code=code, word=Mark.BLANK if one.word is Mark.TYPE_NAME else one.word)


def outcomes(found: dict[str, FieldJudgement], spot: Spot, combos: Iterable[Combo]) -> dict[Outcome, int]:
    """How the rows of a spot end, by what is heard there."""
    heard = heard_in(found.values(), part_names(found.values()).get(spot, ""))
    ends: dict[Outcome, int] = {}
    for one in combos:
        decision = adjudicate(one, heard, vocabulary())
        ends[decision.outcome] = ends.get(decision.outcome, 0) + one.rows
    return ends


def daily(days: Iterable[int], combos: Sequence[Combo], kind: str | None = INTERACTIVE, file: int = 1) -> list[Given]:
    return [(Spot(file, kind, START + timedelta(days=number)), combos) for number in days]


@pytest.mark.parametrize(
    ("bad", "cause"),
    [(LOST, FieldCause.SERIALISATION_LOST), (INVENTED, FieldCause.IMPORTER_DEFAULT)],
    ids=["type names", "an invented code"],
)
@pytest.mark.parametrize("times", [1, 3], ids=["as many", "three times as many"])
def test_the_codes_of_a_good_file_testify_beside_a_bad_file(bad: list[Combo], cause: FieldCause, times: int) -> None:
    spoilt = [replace(one, rows=one.rows * times) for one in bad]
    found = judged(sightings((Spot(1), GOOD), (Spot(2), spoilt)))
    assert found[CODE].may_testify
    assert found[CODE].state is FieldState.RELIABLE
    (fault,) = found[CODE].faults
    assert (fault.file_id, fault.state, fault.cause, fault.silent) == (2, FieldState.CORRUPTED, cause, True)
    assert fault.sentence in found[CODE].reasons
    assert "2.csv" in fault.sentence
    assert outcomes(found, Spot(1), GOOD) == {Outcome.SUCCESS: 90, Outcome.REJECTED: 10}
    assert outcomes(found, Spot(2), bad) == {Outcome.SUCCESS: 70, Outcome.UNKNOWN: 30}
    assert found[CODE].counts.population == pytest.approx(1 / (1 + times))


def test_a_stuck_file_is_not_heard_and_does_not_spoil_the_good_one() -> None:
    told = [row("0", Word.SUCCESS, rows=80), row("50126", Word.FAILURE, rows=40)]
    stuck = [replace(one, code="0") for one in told]
    found = judged(sightings((Spot(1), told), (Spot(2), stuck)))
    assert found[CODE].may_testify
    assert found[TEXT].may_testify
    assert outcomes(found, Spot(2), stuck) == {Outcome.SUCCESS: 80, Outcome.NOT_GRANTED: 40}
    assert outcomes(found, Spot(1), told) == {Outcome.SUCCESS: 80, Outcome.REJECTED: 40}


def test_a_file_stuck_at_a_failure_that_conditional_access_rules_out_is_not_heard() -> None:
    stuck = [replace(one, code="50126") for one in GOOD]
    found = judged(sightings((Spot(1), GOOD), (Spot(2), stuck)))
    assert outcomes(found, Spot(2), stuck) == {Outcome.SUCCESS: 70, Outcome.UNKNOWN: 30}
    assert [one.state for one in found[CODE].faults] == [FieldState.CONTRADICTED]


def test_a_file_of_one_failure_is_not_heard_even_where_fewer_rows_rule_it_out() -> None:
    stuck = [row("50126", access=OK, rows=20), row("50126", access=SKIPPED, rows=80)]
    found = judged(sightings((Spot(1), GOOD), (Spot(2), stuck)))
    assert outcomes(found, Spot(2), stuck) == {Outcome.SUCCESS: 20, Outcome.UNKNOWN: 80}
    honest = [row("50126", access=SKIPPED, rows=100)]
    assert judged(sightings((Spot(1), GOOD), (Spot(2), honest)))[CODE].faults == ()


def test_a_field_healthy_on_interactive_and_lost_on_other_sign_ins_is_judged_by_type() -> None:
    found = judged(sightings((Spot(1, INTERACTIVE), GOOD), (Spot(1, BACKGROUND), LOST)))
    assert found[CODE].may_testify
    assert [(one.sign_in_type, one.state, one.may_testify) for one in found[CODE].by_sign_in_type] == [
        (INTERACTIVE, FieldState.RELIABLE, True),
        (BACKGROUND, FieldState.CORRUPTED, False),
    ]
    assert "non-interactive rows of 1.csv" in found[CODE].faults[0].sentence


def test_a_field_that_is_bad_everywhere_is_rejected_as_one() -> None:
    found = judged(sightings((Spot(1), LOST), (Spot(2), LOST)))
    assert found[CODE].state is FieldState.CORRUPTED
    assert found[CODE].faults == ()
    assert recommend(LogType.SIGN_IN, list(found.values())).field == CA  # type: ignore[union-attr]


def test_a_few_good_rows_beside_a_bad_export_do_not_save_the_field() -> None:
    found = judged(sightings((Spot(1), [row("0", access=OK, rows=5)]), (Spot(2), LOST)))
    assert found[CODE].state is FieldState.CORRUPTED


def test_a_field_that_is_stuck_another_way_in_every_file_is_rejected() -> None:
    failing = [row("0", access=OK, rows=60), row("0", access=BLOCKED, rows=40)]
    stuck = [replace(one, code="50126") for one in GOOD]
    found = judged(sightings((Spot(1), failing), (Spot(2), stuck)))
    assert found[CODE].state is FieldState.CONTRADICTED
    assert not found[CODE].may_testify


def test_one_value_everywhere_is_stuck_everywhere_though_one_part_alone_shows_it() -> None:
    interactive = [row("0", access=OK, rows=60), row("0", access=BLOCKED, rows=20)]
    background = [row("0", access=OK, rows=80)]
    found = judged(sightings((Spot(1, INTERACTIVE), interactive), (Spot(1, BACKGROUND), background)))
    assert found[CODE].state is FieldState.CONTRADICTED
    assert found[CODE].faults == ()
    assert recommend(LogType.SIGN_IN, list(found.values())).field == CA  # type: ignore[union-attr]


def test_what_conditional_access_says_against_the_code_is_no_fault_of_a_part() -> None:
    told = [row("0", Word.SUCCESS, OK, 70), row("65001", Word.FAILURE, OK, 30)]
    found = judged(sightings((Spot(1), told), (Spot(2), [row("53003", Word.FAILURE, BLOCKED, 40), *told])))
    assert found[CA].faults == ()


def test_conditional_access_that_cannot_be_read_in_one_file_is_struck_there() -> None:
    unread = [replace(one, code=Mark.BLANK, access=Mark.OUT_OF_DOMAIN) for one in GOOD]
    found = judged(sightings((Spot(1), GOOD), (Spot(2), unread)))
    assert [(one.file_id, one.state) for one in found[CA].faults] == [(2, FieldState.CORRUPTED)]
    assert found[CA].may_testify


def test_conditional_access_that_stops_to_vary_is_told_and_not_called_stuck() -> None:
    applied = [replace(one, access=OK) for one in CALM]
    found = judged(sightings(*daily(range(10), CALM), *daily(range(10, 20), applied)))
    assert [one.kind for one in found[CA].change_points] == [ChangeKind.BECAME_CONSTANT]
    assert [(one.state, one.silent) for one in found[CA].faults] == [(FieldState.UNIFORM, False)]


def test_small_files_are_judged_together() -> None:
    good = [(Spot(number), [row("0", rows=4), row("50126", rows=2)]) for number in range(1, 11)]
    bad = [(Spot(number, BACKGROUND), [row(Mark.OUT_OF_DOMAIN, rows=6)]) for number in range(11, 31)]
    found = judged(sightings(*good, *bad))
    assert found[CODE].may_testify
    assert [(one.file_id, one.rows) for one in found[CODE].faults] == [(None, 120)]


CALM = [row("0", access=OK, rows=16), row("50126", access=SKIPPED, rows=4)]
STUCK_ZERO = [row("0", access=OK, rows=14), row("0", access=SKIPPED, rows=4), row("0", access=BLOCKED, rows=2)]


def test_a_code_stuck_at_zero_from_a_day_on_is_not_heard_after_it() -> None:
    found = judged(sightings(*daily(range(10), CALM), *daily(range(10, 20), STUCK_ZERO)))
    code = found[CODE]
    (change,) = code.change_points
    assert (change.kind, change.day, change.after) == (ChangeKind.BECAME_CONSTANT, START + timedelta(days=10), 1.0)
    assert change.sentence.startswith("From 2025-11-13 on status_error_code holds '0' in all 200 interactive rows")
    (fault,) = code.faults
    assert (fault.state, fault.cause, fault.rows) == (FieldState.CONTRADICTED, FieldCause.IMPORTER_DEFAULT, 200)
    assert code.may_testify
    assert code.confidence is Confidence.LOW
    after = Spot(1, INTERACTIVE, START + timedelta(days=12))
    assert outcomes(found, after, STUCK_ZERO) == {
        Outcome.SUCCESS: 14,
        Outcome.UNKNOWN: 4,
        Outcome.BLOCKED_AFTER_FIRST_FACTOR: 2,
    }
    assert outcomes(found, Spot(1, INTERACTIVE, START), CALM) == {Outcome.SUCCESS: 16, Outcome.REJECTED: 4}


def test_a_stuck_stretch_in_the_middle_is_told_with_its_end() -> None:
    found = judged(sightings(*daily(range(8), CALM), *daily(range(8, 14), STUCK_ZERO), *daily(range(14, 20), CALM)))
    kinds = [(one.kind, (one.day - START).days) for one in found[CODE].change_points]
    assert kinds == [(ChangeKind.BECAME_CONSTANT, 8), (ChangeKind.VARIES_AGAIN, 14)]


def test_a_stretch_that_is_stuck_from_the_beginning_is_found_too() -> None:
    found = judged(sightings(*daily(range(10), STUCK_ZERO), *daily(range(10, 20), CALM)))
    assert [one.kind for one in found[CODE].change_points] == [ChangeKind.VARIES_AGAIN]
    assert len(found[CODE].silent_spots) == 10


STUCK_FAILURE = [replace(one, code="50126") for one in CALM]


def test_a_code_stuck_at_a_failure_that_conditional_access_rules_out_clears_nobody() -> None:
    found = judged(sightings(*daily(range(10), CALM), *daily(range(10, 20), STUCK_FAILURE)))
    after = Spot(1, INTERACTIVE, START + timedelta(days=12))
    assert outcomes(found, after, STUCK_FAILURE) == {Outcome.SUCCESS: 16, Outcome.UNKNOWN: 4}


@pytest.mark.parametrize("code", ["50126", Mark.TYPE_NAME, Mark.OUT_OF_DOMAIN])
def test_a_text_that_is_stuck_with_its_code_is_not_heard_either(code: str) -> None:
    told = [replace(one, word=Word.SUCCESS if one.code == "0" else Word.FAILURE) for one in CALM]
    stuck = [replace(one, code=code, word=Word.FAILURE) for one in CALM]
    found = judged(sightings(*daily(range(10), told), *daily(range(10, 20), stuck)))
    after = Spot(1, INTERACTIVE, START + timedelta(days=12))
    assert outcomes(found, after, stuck) == {Outcome.SUCCESS: 16, Outcome.UNKNOWN: 4}
    by_file = judged(sightings((Spot(1), [replace(one, rows=50) for one in told]), (Spot(2), STUCK_TOGETHER[code])))
    assert outcomes(by_file, Spot(2), stuck) == {Outcome.SUCCESS: 16, Outcome.UNKNOWN: 4}


STUCK_TOGETHER = {
    code: [replace(one, code=code, word=Word.FAILURE, rows=one.rows * 10) for one in CALM]
    for code in ("50126", Mark.TYPE_NAME, Mark.OUT_OF_DOMAIN)
}


def test_failures_throughout_after_a_field_varied_daily_are_believed_only_if_confirmed() -> None:
    alone = [replace(one, access=Mark.BLANK) for one in CALM]
    blocked = [row("50057", rows=20)]
    after = Spot(1, INTERACTIVE, START + timedelta(days=12))
    found = judged(sightings(*daily(range(10), alone), *daily(range(10, 20), blocked)))
    assert outcomes(found, after, blocked) == {Outcome.UNKNOWN: 20}
    assert "it is not heard there" in found[CODE].faults[0].sentence
    told = [replace(one, word=Word.SUCCESS if one.code == "0" else Word.FAILURE) for one in alone]
    confirmed = [row("50057", Word.FAILURE, rows=20)]
    found = judged(sightings(*daily(range(10), told), *daily(range(10, 20), confirmed)))
    assert outcomes(found, after, confirmed) == {Outcome.NOT_GRANTED: 20}
    assert heard_in(found.values(), part_names(found.values())[after]).uniform == {CODE, TEXT}
    assert "at most LOW" in found[CODE].faults[0].sentence


def test_successes_throughout_after_a_field_varied_daily_carry_at_most_low() -> None:
    alone = [replace(one, access=Mark.BLANK) for one in CALM]
    quiet = [row("0", rows=20)]
    found = judged(sightings(*daily(range(10), alone), *daily(range(10, 20), quiet)))
    after = Spot(1, INTERACTIVE, START + timedelta(days=12))
    decision = adjudicate(quiet[0], heard_in(found.values(), part_names(found.values())[after]), vocabulary())
    assert (decision.outcome, decision.confidence) == (Outcome.SUCCESS, Confidence.LOW)
    assert found[CODE].weak_spots
    assert not found[CODE].silent_spots


def test_an_attack_that_ends_leaves_the_quiet_days_as_they_are() -> None:
    attack = [row("0", access=OK, rows=16), row("50126", access=SKIPPED, rows=200)]
    quiet = [row("0", access=OK, rows=16), row("0", access=SKIPPED, rows=4)]
    found = judged(sightings(*daily(range(4), quiet), *daily(range(4, 7), attack), *daily(range(7, 25), quiet)))
    assert found[CODE].faults == ()
    assert found[CODE].change_points == ()


def test_a_field_that_goes_dark_is_told_with_its_day_and_decides_nothing_there() -> None:
    dark = [replace(one, code=Mark.BLANK) for one in CALM]
    found = judged(sightings(*daily(range(10), CALM), *daily(range(10, 15), dark), *daily(range(15, 20), CALM)))
    went, came = found[CODE].change_points
    assert (went.kind, came.kind) == (ChangeKind.WENT_DARK, ChangeKind.CAME_BACK)
    assert went.sentence == (
        "From 2025-11-13 on status_error_code holds a usable value on 0 % of the interactive rows, after 100 % before."
    )
    assert (went.before, went.after) == (1.0, 0.0)
    assert found[CODE].faults == ()
    assert outcomes(found, Spot(1, INTERACTIVE, START + timedelta(days=12)), dark) == {
        Outcome.SUCCESS: 16,
        Outcome.UNKNOWN: 4,
    }


@pytest.mark.parametrize(
    ("mark", "cause", "words"),
    [
        (Mark.TYPE_NAME, FieldCause.SERIALISATION_LOST, "holds a type name instead of a value"),
        (Mark.OUT_OF_DOMAIN, FieldCause.IMPORTER_DEFAULT, "holds a value of no table instead of a value"),
    ],
)
def test_days_on_which_the_value_was_lost_do_not_spoil_the_days_before(
    mark: Mark, cause: FieldCause, words: str
) -> None:
    lost = [replace(one, code=mark) for one in CALM]
    found = judged(sightings(*daily(range(4), CALM), *daily(range(4, 20), lost)))
    assert found[CODE].may_testify
    (fault,) = found[CODE].faults
    assert (fault.cause, fault.begins) == (cause, START + timedelta(days=4))
    assert words in fault.sentence


def test_a_file_without_the_column_is_no_change() -> None:
    dark = [replace(one, code=Mark.BLANK) for one in CALM]
    seen = sightings(*daily(range(10), CALM), *daily(range(10, 20), dark, file=2))
    assert judged(seen, [(2, CODE)])[CODE].change_points == ()
    assert [one.kind for one in judged(seen)[CODE].change_points] == [ChangeKind.WENT_DARK]


def test_rows_without_a_day_enter_no_change() -> None:
    dark = [replace(one, code=Mark.BLANK, rows=100) for one in CALM]
    found = judged(sightings(*daily(range(10), CALM), (Spot(1, INTERACTIVE, None), dark)))
    assert found[CODE].change_points == ()
    assert len(found[CODE].by_day) == 10


def test_a_witness_is_profiled_by_day_and_by_type() -> None:
    found = judged(sightings(*daily(range(2), CALM), *daily(range(3), CALM, BACKGROUND)))
    assert [(one.day, one.rows, one.in_domain) for one in found[CODE].by_day] == [
        (START, 40, 40),
        (START + timedelta(days=1), 40, 40),
        (START + timedelta(days=2), 20, 20),
    ]
    types = found[CODE].by_sign_in_type
    assert [(one.sign_in_type, one.rows, one.top_value, one.top_share) for one in types] == [
        (INTERACTIVE, 40, "0", 0.8),
        (BACKGROUND, 60, "0", 0.8),
    ]


def test_a_type_of_few_rows_is_not_judged_by_itself() -> None:
    found = judged(sightings((Spot(1, INTERACTIVE), GOOD), (Spot(1, BACKGROUND), [row("0", rows=3)])))
    assert [one.state for one in found[CODE].by_sign_in_type] == [FieldState.RELIABLE, None]
    assert found[TEXT].by_sign_in_type == ()


def test_sentences_of_all_parts_are_told_once() -> None:
    found = judged(sightings(*daily(range(10), CALM), *daily(range(10, 20), STUCK_ZERO)))
    assert len(parts_told(found.values())) == 2
    assert parts_told(judged(sightings((Spot(1), GOOD))).values()) == []


@given(
    st.lists(st.sampled_from([1, 2, 3]), min_size=3, max_size=3), st.lists(st.integers(0, 2), min_size=3, max_size=3)
)
def test_however_healthy_rows_are_split_into_files_and_types_nothing_is_struck(
    files: list[int], types: list[int]
) -> None:
    kinds = [INTERACTIVE, BACKGROUND, None]
    told = [replace(one, word=Word.SUCCESS if one.code == "0" else Word.FAILURE, rows=one.rows * 9) for one in GOOD]
    given = [(Spot(file, kinds[kind]), told) for file, kind in zip(files, types, strict=True)]
    found = judged(sightings(*given))
    assert all(one.faults == () and one.may_testify for one in found.values())


@given(st.permutations(sightings(*daily(range(10), CALM), *daily(range(10, 20), STUCK_ZERO))))
def test_the_order_of_rows_never_matters(seen: list[Sighting]) -> None:
    first = judged(sightings(*daily(range(10), CALM), *daily(range(10, 20), STUCK_ZERO)))
    again = judged(seen)
    assert part_names(again.values()) == part_names(first.values())
    assert {name: one.state for name, one in again.items()} == {name: one.state for name, one in first.items()}


def test_theils_u_is_one_where_the_field_explains_the_consensus_and_zero_where_it_says_nothing() -> None:
    explains = bench([row("0", Word.SUCCESS, rows=60), row("50126", Word.FAILURE, rows=40)])
    assert explains.theils_u(CODE) == pytest.approx(1.0)
    silent = bench([row(Mark.BLANK, Word.SUCCESS, rows=60), row(Mark.BLANK, Word.FAILURE, rows=40)])
    assert silent.theils_u(CODE) == pytest.approx(0.0)


def entropy(share: float) -> float:
    return -share * math.log(share) - (1 - share) * math.log(1 - share)


def test_theils_u_of_a_half_told_outcome_is_between() -> None:
    half = bench(
        [
            row("0", Word.SUCCESS, rows=50),
            row("50126", Word.FAILURE, rows=25),
            row(Mark.BLANK, Word.FAILURE, rows=25),
        ]
    )
    blank_or_code_tells = half.theils_u(CODE)
    mixed = bench(
        [row("0", Word.SUCCESS, rows=40), row("0", Word.FAILURE, rows=10), row("50126", Word.FAILURE, rows=50)]
    )
    assert blank_or_code_tells == pytest.approx(1.0)
    assert mixed.theils_u(CODE) == pytest.approx(1 - 0.5 * entropy(0.8) / entropy(0.4))


def test_theils_u_needs_a_consensus_of_two_classes() -> None:
    assert bench([row("0", rows=60), row("50126", rows=40)]).theils_u(CODE) is None
    assert bench([row("0", Word.SUCCESS, rows=60)]).theils_u(CODE) is None
