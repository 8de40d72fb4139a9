"""Who may testify, why not, and what is recommended in its stead."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m365dq_dagster.core import reliability
from m365dq_dagster.core.adjudication import Access, Client, Combo, Mark, Side, Word
from m365dq_dagster.core.outcome import Confidence, FieldCause, FieldState, LogType, Role
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.reliability import FieldJudgement, LogBench, judge_fields, recommend, witness_sentence
from tests.support.judgement import (
    CA,
    CODE,
    ERROR,
    OPERATION,
    TEXT,
    bench,
    counts,
    judged,
    logon,
    policy,
    row,
    specs,
    vocabulary,
)

OK = Access.SUCCESS
HEALTHY = [
    row("0", Word.SUCCESS, OK, 800),
    row("0", Word.SUCCESS, Access.NOT_APPLIED, 150),
    row("50126", Word.FAILURE, Access.NOT_APPLIED, 60),
    row("53003", Word.FAILURE, Access.FAILURE, 40),
    row("50140", Word.INTERRUPTED, OK, 20),
]
CODES = st.sampled_from(
    [Mark.BLANK, Mark.OUT_OF_DOMAIN, Mark.UNKNOWN_CODE, "0", "50126", "53003", "50053", "50140", "26000"]
)
WORDS = st.sampled_from([Word.SUCCESS, Word.FAILURE, Word.INTERRUPTED, Word.NO_OUTCOME, Mark.BLANK, Mark.OUT_OF_DOMAIN])
ACCESSES = st.sampled_from([*Access, Mark.BLANK, Mark.OUT_OF_DOMAIN])
BENCHES = st.lists(
    st.builds(row, CODES, WORDS, ACCESSES, st.integers(1, 60), client=st.sampled_from(list(Client))),
    min_size=1,
    max_size=8,
)


def states(found: dict[str, FieldJudgement]) -> dict[str, str]:
    return {name: str(one.state) for name, one in found.items()}


def best(found: dict[str, FieldJudgement], log_type: LogType = LogType.SIGN_IN) -> str | None:
    one = recommend(log_type, list(found.values()))
    return one.field if one else None


def stuck(combos: list[Combo], code: str) -> list[Combo]:
    """The same rows with the code overwritten by one value."""
    return [replace(one, code=code) for one in combos]


def without_text(combos: list[Combo]) -> list[Combo]:
    return [replace(one, word=Mark.BLANK) for one in combos]


def test_a_healthy_code_outranks_text_and_conditional_access() -> None:
    found = judged(HEALTHY)
    assert all(found[name].may_testify for name in (CODE, TEXT, CA))
    assert best(found) == CODE
    assert found[CODE].discriminatory_power == 1.0
    assert found[CODE].confidence is Confidence.HIGH
    assert found[CA].score is not None
    assert found[CA].base_score is not None
    assert found[CA].score == pytest.approx(found[CA].base_score / 2)
    assert any("halved" in reason for reason in found[CA].reasons)


def test_a_type_name_in_the_status_object_corrupts_code_and_text_and_moves_the_recommendation() -> None:
    combos = [row(access=OK, rows=900), row(access=Access.FAILURE, rows=60), row(access=Access.NOT_APPLIED, rows=300)]
    found = judged(combos, {CODE: 1260, TEXT: 1260})
    assert states(found) == {CODE: "CORRUPTED", TEXT: "CORRUPTED", CA: "RELIABLE"}
    assert {found[name].cause for name in (CODE, TEXT)} == {FieldCause.SERIALISATION_LOST}
    assert "holds a type name in 1,260 of 1,260 rows" in found[CODE].reasons[0]
    assert "Export again with the object expanded." in found[CODE].reasons[0]
    one = recommend(LogType.SIGN_IN, list(found.values()))
    assert one is not None
    assert (one.field, one.instead_of, one.confidence) == (CA, (CODE, TEXT), Confidence.LOW)
    assert found[CA].firm
    assert found[CA].score == found[CA].base_score


def test_type_names_wherever_a_column_is_filled_corrupt_it_however_few() -> None:
    found = judged([row(access=OK, rows=60), row(access=Access.FAILURE, rows=40)], {CODE: 30})
    assert (found[CODE].state, found[CODE].cause) == (FieldState.CORRUPTED, FieldCause.SERIALISATION_LOST)


@pytest.mark.parametrize(("lost", "state"), [(50, "CORRUPTED"), (49, "RELIABLE")])
def test_half_of_the_rows_being_type_names_corrupt_a_column(lost: int, state: str) -> None:
    found = judged(
        [row("0", rows=60 - lost // 2), row("50126", rows=40 - (lost - lost // 2)), row(rows=lost)], {CODE: lost}
    )
    assert str(found[CODE].state) == state


@pytest.mark.parametrize(("known", "state"), [(49, "CORRUPTED"), (50, "RELIABLE")])
def test_fewer_than_half_of_the_filled_values_in_domain_corrupt_a_column(known: int, state: str) -> None:
    combos = [row("0", rows=known - 10), row("50126", rows=10), row(Mark.OUT_OF_DOMAIN, rows=100 - known)]
    found = judged(combos)
    assert str(found[CODE].state) == state


def test_an_invented_code_is_named_an_importers_default() -> None:
    found = judged(
        [row(Mark.OUT_OF_DOMAIN, access=OK, rows=900), row(Mark.OUT_OF_DOMAIN, access=Access.FAILURE, rows=60)]
    )
    assert (found[CODE].state, found[CODE].cause) == (FieldState.CORRUPTED, FieldCause.IMPORTER_DEFAULT)
    assert "in all 960 rows, which is no value of this field" in found[CODE].reasons[0]
    assert best(found) == CA


def test_a_word_that_no_table_knows_is_not_called_invented() -> None:
    found = judged([row(word=Mark.OUT_OF_DOMAIN, rows=84)])
    assert (found[TEXT].state, found[TEXT].cause) == (FieldState.CORRUPTED, FieldCause.UNKNOWN_VALUES)
    assert "holds a known value in none of 84 filled rows" in found[TEXT].reasons[0]
    assert best(found) is None


def test_values_that_are_mostly_unknown_are_counted_and_not_guessed() -> None:
    found = judged([row(word=Mark.OUT_OF_DOMAIN, rows=84), row(word=Word.SUCCESS, rows=2)])
    assert (
        "holds a known value in 2 of 86 filled rows; the rest is unknown and is not guessed" in found[TEXT].reasons[0]
    )


@pytest.mark.parametrize("code", ["0", "50126", "50053"])
def test_a_stuck_code_beside_text_that_varies_is_contradicted_with_its_cause(code: str) -> None:
    found = judged(stuck(HEALTHY, code))
    assert (found[CODE].state, found[CODE].cause) == (FieldState.CONTRADICTED, FieldCause.IMPORTER_DEFAULT)
    assert not found[CODE].may_testify
    assert best(found) == TEXT
    assert "stuck at one value" in found[CODE].reasons[0]


def test_code_zero_in_every_row_is_contradicted_by_conditional_access_failure() -> None:
    combos = stuck(without_text(HEALTHY), "0")
    found = judged(combos)
    assert states(found) == {CODE: "CONTRADICTED", TEXT: "NOT_APPLICABLE", CA: "RELIABLE"}
    assert best(found) == CA


@pytest.mark.parametrize("client", [Client.LEGACY, Client.ACTIVESYNC])
def test_conditional_access_failure_of_legacy_and_activesync_clients_does_not_contradict_code_zero(
    client: Client,
) -> None:
    found = judged([row("0", access=OK, rows=100), row("0", access=Access.FAILURE, rows=50, client=client)])
    assert found[CODE].state is FieldState.UNIFORM


def test_conditional_access_success_never_contradicts_a_failure() -> None:
    found = judged([row("50057", access=OK, rows=100)])
    assert found[CODE].state is FieldState.UNIFORM


@pytest.mark.parametrize(
    ("opposing", "rows", "state"),
    [(4, 100, "UNIFORM"), (5, 100, "CONTRADICTED"), (9, 2000, "UNIFORM"), (10, 2000, "CONTRADICTED")],
)
def test_a_uniform_field_is_contradicted_from_five_rows_or_half_a_percent(opposing: int, rows: int, state: str) -> None:
    found = judged([row("0", access=OK, rows=rows - opposing), row("0", access=Access.FAILURE, rows=opposing)])
    assert str(found[CODE].state) == state


@pytest.mark.parametrize(("wrong", "state"), [(4, "LOW_CONTRAST"), (5, "CONTRADICTED")])
def test_text_against_the_code_on_a_class_of_five_rows_is_contradicted(wrong: int, state: str) -> None:
    rest = [row("0", Word.SUCCESS, rows=200)]
    found = judged([*rest, row("50126", Word.SUCCESS, rows=wrong)])
    assert str(found[TEXT].state) == ("UNIFORM" if wrong == 4 else state)


@pytest.mark.parametrize(("right", "state"), [(5, "RELIABLE"), (4, "CONTRADICTED")])
def test_a_field_must_be_right_on_half_of_a_class(right: int, state: str) -> None:
    combos = [
        row("0", Word.SUCCESS, rows=50),
        row("50126", Word.FAILURE, rows=right),
        row("50126", Word.SUCCESS, rows=10 - right),
    ]
    found = judged(combos)
    assert (found[TEXT].state is FieldState.CONTRADICTED) == (state == "CONTRADICTED")


def test_a_contradicted_field_that_varies_has_no_cause_but_a_sentence() -> None:
    combos = [row("0", Word.FAILURE, rows=50), row("50126", Word.SUCCESS, rows=50)]
    found = judged(combos)
    assert states(found)[CODE] == states(found)[TEXT] == "CONTRADICTED"
    assert found[TEXT].cause is None
    assert "says the opposite of the other witnesses" in found[TEXT].reasons[0]


def test_ten_activesync_rows_do_not_let_conditional_access_judge_the_code() -> None:
    found = judged(
        [
            row("0", access=Access.FAILURE, rows=10),
            row("0", access=Access.NOT_APPLIED, rows=500),
            row("50126", access=Access.NOT_APPLIED, rows=40),
        ]
    )
    assert found[CODE].may_testify
    assert found[CA].state is FieldState.CONTRADICTED


def test_text_that_breaks_what_code_zero_implies_is_unreliable_only_from_thirty_rows() -> None:
    def bent(times: int) -> list[Combo]:
        return [
            row("0", Word.SUCCESS, rows=21 * times),
            row("0", Word.INTERRUPTED, rows=9 * times),
            row("50126", Word.FAILURE, rows=9 * times),
        ]

    assert judged(bent(1))[TEXT].state is FieldState.UNRELIABLE
    assert "breaks too often what the code of the same row implies" in judged(bent(1))[TEXT].reasons[0]
    fewer = [row("0", Word.SUCCESS, rows=20), row("0", Word.INTERRUPTED, rows=9), row("50126", Word.FAILURE, rows=9)]
    assert judged(fewer)[TEXT].state is FieldState.RELIABLE


@pytest.mark.parametrize(("bent", "state"), [(6, FieldState.RELIABLE), (7, FieldState.UNRELIABLE)])
def test_consistency_of_four_fifths_is_enough(bent: int, state: FieldState) -> None:
    found = judged(
        [
            row("0", Word.SUCCESS, rows=30 - bent),
            row("0", Word.INTERRUPTED, rows=bent),
            row("50126", Word.FAILURE, rows=9),
        ]
    )
    assert found[TEXT].state is state


def test_on_logons_operation_and_error_number_hold_each_other_to_account() -> None:
    healthy = [logon("0", Word.SUCCESS, 300), logon("50140", Word.SUCCESS, 20), logon("50126", Word.FAILURE, 90)]
    found = judged(healthy)
    assert (found[OPERATION].consistency, found[OPERATION].checkable) == (1.0, 410)
    assert best(found, LogType.UAL) == ERROR
    bent = judged([*healthy, logon(Mark.UNKNOWN_CODE, Word.SUCCESS, 100), logon(Mark.UNKNOWN_CODE, Word.FAILURE, 90)])
    assert bent[OPERATION].consistency == pytest.approx(1 - 100 / 600)


def test_what_the_code_implies_for_conditional_access_is_charged_to_conditional_access() -> None:
    found = judged(
        [
            row("0", access=OK, rows=50),
            row("53003", access=Access.FAILURE, rows=10),
            row("53003", access=OK, rows=10),
            row("50126", access=Access.NOT_APPLIED, rows=10),
            row("50126", access=OK, rows=10),
        ]
    )
    assert (found[CA].consistency, found[CA].checkable) == (0.5, 40)
    assert found[CODE].checkable == 0
    assert found[CA].state is not FieldState.UNRELIABLE


def test_a_premise_is_not_taken_from_a_column_that_is_struck_out() -> None:
    found = judged(stuck(HEALTHY, "0"))
    assert found[TEXT].checkable == 0
    assert found[TEXT].may_testify


@pytest.mark.parametrize(
    ("zeros", "state"), [(94, "RELIABLE"), (95, "LOW_CONTRAST"), (99, "LOW_CONTRAST"), (100, "UNIFORM")]
)
def test_low_contrast_is_a_flag_and_the_field_testifies(zeros: int, state: str) -> None:
    found = judged([one for one in (row("0", rows=zeros), row("50126", rows=100 - zeros)) if one.rows])
    assert str(found[CODE].state) == state
    assert found[CODE].may_testify


def test_a_healthy_tenant_of_97_percent_zero_is_judged_by_its_code() -> None:
    found = judged([row("0", Word.SUCCESS, OK, 970), row("50126", Word.FAILURE, Access.NOT_APPLIED, 30)])
    assert (best(found), found[CODE].state, found[CODE].firm) == (CODE, FieldState.LOW_CONTRAST, True)
    assert "holds '0' in 97 % of the rows" in found[CODE].reasons[0]


def test_blank_rows_are_a_value_of_their_own() -> None:
    assert judged([row("0", rows=99), row(rows=1)])[CODE].state is FieldState.LOW_CONTRAST


def test_spellings_of_one_word_are_one_value() -> None:
    texts = {TEXT: Counter({"Failure": 60, "Failed": 40})}
    found = judged([row(word=Word.FAILURE, rows=100)], texts=texts)
    assert (found[TEXT].state, found[TEXT].firm) == (FieldState.UNIFORM, False)
    assert "holds 'Failure' or another spelling of it in all 100 rows" in found[TEXT].reasons[0]
    assert found[TEXT].confidence is Confidence.LOW


def test_conditional_access_that_never_applied_is_uniform_by_licence_and_says_nothing() -> None:
    found = judged([row("0", access=Access.NOT_APPLIED, rows=44), row("50126", access=Access.NOT_APPLIED)])
    assert (found[CA].state, found[CA].cause, found[CA].score) == (FieldState.UNIFORM, FieldCause.LICENCE, 0.0)
    assert "no policy was enforced or the licence is missing" in found[CA].reasons[0]


def test_an_honest_one_way_case_is_said_to_look_like_a_stuck_field() -> None:
    found = judged([row("50057")])
    assert (found[CODE].state, found[CODE].cause) == (FieldState.UNIFORM, FieldCause.ALL_ONE_WAY)
    assert found[CODE].reasons[0].startswith("status_error_code holds '50057' in the only row; an honest one-way case")


def test_an_empty_column_is_not_applicable_and_has_no_score() -> None:
    found = judged([row("0", rows=3)])
    assert (found[TEXT].state, found[TEXT].score, found[TEXT].may_testify) == (FieldState.NOT_APPLICABLE, None, False)
    assert found[TEXT].reasons == (
        "status holds no value in any of the 3 rows it could stand in, so it is not judged.",
    )


def test_a_log_without_logons_judges_nothing() -> None:
    nothing = ColumnCounts(0, 0, 0, 0, None, None, 0, 0.0, 0)
    found = judge_fields(bench([]), specs(), {spec.field: nothing for spec in specs()})
    assert {one.state for one in found} == {FieldState.NOT_APPLICABLE}
    assert found[0].reasons == ("status_error_code holds no value, so it is not judged.",)
    assert not bench([]).uniform(CODE, nothing)
    spec = FieldSpec(LogType.UAL, ERROR, Role.OUTCOME, Witness.PRIMARY, 1)
    assert judge_one(spec, nothing).reasons == ("error_number is judged on logons, and this log holds none.",)


@pytest.mark.parametrize(
    ("combos", "firm"),
    [
        ([row("0", rows=10), row("50126", rows=10)], True),
        ([row("50057", rows=4)], True),
        ([row("50126", access=Access.NOT_APPLIED, rows=40)], True),
        ([row("0", rows=100)], False),
        ([row(Mark.UNKNOWN_CODE, rows=100)], False),
        ([row("0", Word.SUCCESS, rows=100)], True),
        ([row("0", access=OK, rows=50), row("0", access=Access.NOT_APPLIED, rows=50)], True),
        ([row("0", access=OK, rows=49), row("0", access=Access.NOT_APPLIED, rows=51)], False),
        ([row("0", access=OK, rows=95), row("0", access=Access.FAILURE, rows=4)], True),
        ([row("0", access=OK, rows=70), row("0", access=Access.FAILURE, rows=4)], False),
    ],
)
def test_a_field_is_firm_when_it_varies_or_is_one_failure_code_or_is_confirmed(combos: list[Combo], firm: bool) -> None:
    assert judged(combos)[CODE].firm is firm


def test_a_uniform_rejection_is_not_firm_where_conditional_access_shows_what_it_rules_out() -> None:
    found = judged([row("50126", Word.FAILURE, OK, rows=300), row("50126", Word.FAILURE, Access.NOT_APPLIED, rows=700)])
    assert [(found[name].state, found[name].firm) for name in (CODE, TEXT)] == [(FieldState.UNIFORM, False)] * 2
    assert judged([row("50126", access=OK, rows=4), row("50126", access=Access.NOT_APPLIED, rows=700)])[CODE].firm
    assert judged([row("65001", access=OK, rows=300)])[CODE].firm


def test_a_uniform_failure_is_not_firm_where_policies_were_met_on_many_rows_and_failed_on_many() -> None:
    met, failed = row("90072", access=OK, rows=300), row("90072", access=Access.FAILURE, rows=60)
    assert not judged([met, failed])[CODE].firm
    assert judged([met, replace(failed, rows=4)])[CODE].firm
    assert not judged([row("50074", access=OK, rows=300), row("50074", rows=100)])[CODE].firm


def test_no_verdict_rests_on_three_rows_of_which_conditional_access_rules_out_two() -> None:
    rows = [row("50126", Word.FAILURE, access) for access in (OK, OK, Access.NOT_APPLIED)]
    found = judged(rows)
    assert not found[CODE].firm
    assert not found[TEXT].firm


def test_a_field_that_may_not_testify_is_never_firm() -> None:
    found = judged(stuck(HEALTHY, "0"))
    assert not found[CODE].firm


def test_text_beside_a_blank_code_is_firm_only_when_it_varies() -> None:
    assert not judged([row(word=Word.FAILURE, access=OK, rows=50)])[TEXT].firm
    assert judged([row(word=Word.FAILURE, rows=50), row(word=Word.SUCCESS, rows=50)])[TEXT].firm


@pytest.mark.parametrize(
    ("combos", "power"),
    [
        ([row("0", rows=1000), row("50126", rows=30)], 1.0),
        ([row("0", rows=1000), row("50126", rows=24)], 0.8),
        ([row("0", rows=1000), row("50126", rows=3)], 0.5),
        ([row("0", rows=1000), row("50140", rows=24)], 0.8),
        ([row("0", rows=1000), row("50126", rows=30), row("50140", rows=1)], 1.0),
        ([row("0", rows=1000)], 0.25),
        ([row(Mark.UNKNOWN_CODE, rows=1000)], 0.0),
    ],
)
def test_a_lone_witness_is_worth_the_rows_of_its_rarer_class(combos: list[Combo], power: float) -> None:
    found = judged(combos)[CODE]
    assert found.discriminatory_power == pytest.approx(power)
    assert found.confidence is Confidence.LOW
    assert any("estimate" in reason for reason in found.reasons)


def test_power_counts_a_silent_row_as_wrong_and_leaves_interrupts_out() -> None:
    combos = [
        row("0", Word.SUCCESS, rows=100),
        row("50126", Word.FAILURE, rows=60),
        row(Mark.BLANK, Word.FAILURE, rows=40),
        row("50140", Word.FAILURE, rows=500),
        row("26000", Word.FAILURE, rows=500),
    ]
    assert bench(combos).power(CODE).value == pytest.approx((1.0 + 0.6) / 2 * 2 - 1)


def test_a_consensus_needs_a_strict_majority_of_the_other_primary_voters() -> None:
    combos = [row("0", Word.SUCCESS, OK, 10), row("50126", Word.FAILURE, OK, 10), row("0", Mark.BLANK, OK, 1)]
    one = bench(combos)
    assert one.consensus(CODE) == [Side.SUCCESS, Side.FAILURE, Side.NONE]
    assert one.consensus(CA) == [Side.SUCCESS, Side.FAILURE, Side.SUCCESS]
    tied = bench([row("0", Word.FAILURE, OK, 5), row("50126", Word.SUCCESS, OK, 5)])
    assert tied.consensus(CA) == [Side.NONE, Side.NONE]


def test_a_voter_has_half_its_rows_in_domain_and_two_classes() -> None:
    thin = bench(
        [row("0", Word.SUCCESS, rows=20), row("50126", Word.FAILURE, rows=29), row(Mark.BLANK, Word.FAILURE, rows=51)]
    )
    assert set(thin.consensus(TEXT)) == {Side.NONE}
    one_class = bench([row("0", Word.SUCCESS, rows=20), row("0", Word.FAILURE, rows=20)])
    assert set(one_class.consensus(TEXT)) == {Side.NONE}


def test_nothing_is_recommended_where_no_field_says_anything() -> None:
    assert best(judged([row(access=Access.NOT_APPLIED, rows=50)])) is None
    assert best(judged([row(Mark.UNKNOWN_CODE, rows=50)])) is None
    assert (
        "gives an outcome on none of the rows"
        in judged([row(Mark.UNKNOWN_CODE, rows=50), row(rows=50)])[CODE].reasons[0]
    )


def test_a_tie_goes_to_the_code() -> None:
    found = judged([row("0", Word.SUCCESS, rows=100), row("50126", Word.FAILURE, rows=40)])
    assert found[CODE].score == found[TEXT].score
    one = recommend(LogType.SIGN_IN, list(reversed(list(found.values()))))
    assert one is not None
    assert one.field == CODE


def test_a_code_that_varies_is_recommended_before_its_own_words_where_nothing_confirms_either() -> None:
    rows = [
        row("50055", Word.INTERRUPTED, rows=5),
        row("50126", Word.FAILURE, rows=3),
        row("50053", Word.FAILURE, rows=3),
    ]
    assert best(judged(rows)) == CODE
    assert best(judged([*rows, row(word=Word.FAILURE, rows=30)])) == TEXT


def test_a_text_of_one_value_gives_way_to_a_field_that_may_carry_a_verdict() -> None:
    rows = [row(word=Word.FAILURE, access=OK, rows=85), row(word=Word.FAILURE, access=Access.NOT_APPLIED, rows=15)]
    found = judged(rows)
    assert found[TEXT].score == 0.25
    assert best(found) == CA
    assert best(judged([row(word=Word.FAILURE, access=Access.NOT_APPLIED, rows=15)])) == TEXT


def test_a_code_that_decides_most_rows_is_recommended_before_conditional_access() -> None:
    blank = [row(access=OK, rows=25), row(access=Access.FAILURE, rows=5)]
    rows = [row("0", access=OK, rows=62), row("50140", access=OK, rows=8), *blank]
    found = judged(rows)
    assert (found[CA].score or 0.0) > (found[CODE].score or 0.0)
    assert best(found) == CODE
    assert best(judged([*rows, row(access=OK, rows=80)])) == CA


def test_a_stuck_code_charges_conditional_access_with_nothing() -> None:
    found = judged([row("50126", Word.FAILURE, OK, rows=2), row("50126", Word.FAILURE, Access.NOT_APPLIED)])
    assert found[CA].consistency == 1.0
    assert best(found) == CA


def test_testimony_tells_who_is_heard_and_who_is_uniform() -> None:
    heard = reliability.testimony(
        judged([row("0", Word.SUCCESS, OK, 90), row("0", Word.SUCCESS, Access.NOT_APPLIED, 9)]).values()
    )
    assert heard.heard == {CODE, TEXT, CA}
    assert heard.uniform == {CODE, TEXT}


def other(name: str, role: Role, witness: Witness = Witness.NONE, log_type: LogType = LogType.SIGN_IN) -> FieldSpec:
    return FieldSpec(log_type, name, role, witness, 9)


def judge_one(spec: FieldSpec, counted: ColumnCounts, combos: list[Combo] | None = None) -> FieldJudgement:
    one = LogBench(spec.log, combos or [], [spec], vocabulary(), policy())
    return judge_fields(one, [spec], {spec.field: counted})[0]


def test_a_uniform_identity_is_normal_and_never_testifies() -> None:
    found = judge_one(other("user_principal_name", Role.ACTOR), ColumnCounts(45, 45, 0, 1, "a", "a", 45, 0.0, 45))
    assert (found.state, found.cause, found.may_testify, found.score) == (FieldState.UNIFORM, None, False, 1.0)
    assert found.reasons == (
        "user_principal_name is filled and valid on 100 % of the rows; it says who acted, not what came of a sign-in.",
    )


def test_an_event_field_is_scored_by_its_effective_number_of_values() -> None:
    even = counts([row("0", rows=50), row("50126", rows=50)], CODE)
    assert judge_one(other("client_app_used", Role.EVENT), even).score == pytest.approx(1.0)
    assert judge_one(other("client_app_used", Role.CONTEXT), replace(even, in_domain=50)).score == pytest.approx(0.5)


def test_a_legacy_client_with_two_factors_lowers_the_consistency_of_the_requirement() -> None:
    combos = [
        row("0", rows=30, client=Client.LEGACY, single_factor=True),
        row("0", rows=10, client=Client.ACTIVESYNC, single_factor=False),
        row("0", rows=50, client=Client.OTHER, single_factor=False),
        row("0", rows=50, client=Client.LEGACY),
    ]
    found = judge_one(other("authentication_requirement", Role.EVENT), counts(combos, CODE), combos)
    assert (found.consistency, found.checkable) == (0.75, 40)


@pytest.mark.parametrize(
    ("witness", "words", "cause"),
    [
        (Witness.NOT_A_WITNESS, "speaks of the HTTP exchange", FieldCause.CONSTANT_BY_DESIGN),
        (Witness.RENDERING, "is a rendering of the code and never votes for its own source", None),
    ],
)
def test_a_field_that_is_no_witness_is_told_why_it_is_not_heard(
    witness: Witness, words: str, cause: FieldCause | None
) -> None:
    spec = other("result_status", Role.OUTCOME, witness, LogType.UAL)
    found = judge_one(spec, ColumnCounts(9, 9, 0, 1, "Success", "Success", 9, 0.0, 9))
    assert (found.score, found.may_testify, found.cause) == (0.0, False, cause)
    assert words in found.reasons[0]


def test_other_fields_lose_their_value_to_type_names_and_emptiness_too() -> None:
    lost = judge_one(other("city", Role.PLACE), ColumnCounts(9, 4, 5, 2, "x", "System.Object[]", 5, 0.0, 4))
    assert (lost.state, lost.cause, lost.score) == (FieldState.CORRUPTED, FieldCause.SERIALISATION_LOST, 0.0)
    empty = judge_one(other("city", Role.PLACE), ColumnCounts(9, 0, 0, 1, None, None, 9, 0.0, 0))
    assert (empty.state, empty.score) == (FieldState.NOT_APPLICABLE, None)


def test_a_value_from_evidence_is_shown_on_one_bounded_line() -> None:
    value = "x\x1b[31m\n" + "y" * 500
    sentence = witness_sentence(
        specs()[1], ColumnCounts(9, 9, 0, 1, value, value, 9, 0.0, 9), FieldState.UNIFORM, None, Counter()
    )
    assert "\x1b" not in sentence
    assert "\n" not in sentence
    assert len(sentence) < 250


def test_a_note_tells_how_many_rows_a_field_decides() -> None:
    found = judged([row("0", rows=50), row("50126", rows=20), row(rows=30)])
    assert "It decides 70 % of the rows." in found[CODE].reasons


@given(st.permutations(HEALTHY))
def test_the_order_of_rows_never_matters(combos: list[Combo]) -> None:
    again, first = judged(combos), judged(HEALTHY)
    for name, one in first.items():
        other_one = again[name]
        assert (other_one.state, other_one.score, other_one.reasons) == (
            one.state,
            pytest.approx(one.score),
            one.reasons,
        )


@given(BENCHES, st.randoms())
def test_the_order_of_any_bench_never_matters(combos: list[Combo], chance: st.randoms) -> None:  # type: ignore[valid-type]
    mixed = list(combos)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert states(judged(mixed)) == states(judged(combos))
    assert best(judged(mixed)) == best(judged(combos))


@given(BENCHES, st.integers(2, 40))
def test_states_that_depend_on_shares_do_not_depend_on_the_number_of_rows(combos: list[Combo], times: int) -> None:
    few, many = judged(combos), judged([replace(one, rows=one.rows * times) for one in combos])
    counted = (FieldState.CONTRADICTED, FieldState.UNRELIABLE)
    for name, one in few.items():
        if many[name].state not in counted:
            assert one.state is many[name].state
        if one.state in counted:
            assert not many[name].may_testify or one.state is FieldState.UNRELIABLE


@given(st.sampled_from(["0", "50126", "50053", Mark.OUT_OF_DOMAIN]), st.integers(1, 30))
def test_overwriting_the_code_of_a_healthy_bench_rejects_it_and_moves_the_recommendation(code: str, times: int) -> None:
    combos = [replace(one, rows=one.rows * times) for one in HEALTHY]
    assert best(judged(combos)) == CODE
    found = judged(stuck(combos, code))
    assert not found[CODE].may_testify
    assert best(found) == TEXT


@pytest.mark.parametrize("code", ["50126", "50053", "53003", "50074"])
@pytest.mark.parametrize("word", [Mark.BLANK, Word.FAILURE])
def test_a_failure_code_that_cannot_be_true_of_half_of_the_rows_is_stuck_and_so_is_its_text(
    code: str, word: Word | Mark
) -> None:
    found = judged([replace(one, word=word) for one in stuck(without_text(HEALTHY), code)])
    assert (found[CODE].state, found[CODE].cause) == (FieldState.CONTRADICTED, FieldCause.IMPORTER_DEFAULT)
    if word is Word.FAILURE:
        assert (found[TEXT].state, found[TEXT].cause) == (FieldState.CORRUPTED, FieldCause.IMPORTER_DEFAULT)
        assert "made of the same default" in found[TEXT].reasons[0]
    assert best(found) == CA


def test_a_text_that_never_varies_is_no_witness_beside_an_invented_code() -> None:
    rows = [row(Mark.OUT_OF_DOMAIN, Word.FAILURE, access, rows=9) for access in (OK, Access.NOT_APPLIED)]
    found = judged(rows)
    assert states(found) == {CODE: "CORRUPTED", TEXT: "CORRUPTED", CA: "RELIABLE"}
    varied = judged([*rows, row(Mark.OUT_OF_DOMAIN, Word.SUCCESS, OK, rows=9)])
    assert varied[TEXT].may_testify


def test_a_failure_code_beside_conditional_access_that_never_varies_leaves_both_in_doubt() -> None:
    found = judged([row("50126", access=OK, rows=90)])
    assert found[CODE].state is FieldState.UNIFORM
    assert not found[CODE].firm
    assert not found[CA].firm


@given(BENCHES)
def test_every_number_stays_in_range_and_every_field_has_a_sentence(combos: list[Combo]) -> None:
    for one in judged(combos).values():
        for number in (one.discriminatory_power, one.decisiveness, one.base_score, one.score, one.consistency):
            assert number is None or 0.0 <= number <= 1.0
        assert one.reasons
        assert one.reasons[0].startswith(one.spec.field)
        assert one.reasons[0].endswith(".")
        assert one.may_testify == one.state.may_testify
        assert one.may_testify or not one.firm
        assert one.may_testify or not one.score


@given(BENCHES)
def test_what_is_recommended_may_testify_and_nothing_rejected_is(combos: list[Combo]) -> None:
    found = judged(combos)
    one = recommend(LogType.SIGN_IN, list(found.values()))
    assume(one is not None)
    assert one is not None
    assert found[one.field].may_testify
    assert one.field not in one.instead_of
    assert all(not found[name].may_testify for name in one.instead_of)
