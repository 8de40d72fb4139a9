"""The decision table, line by line, and what may never happen to it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.adjudication import (
    Access,
    Client,
    CodeRow,
    Combo,
    Decision,
    Mark,
    Side,
    Vocabulary,
    Word,
    adjudicate,
    outcome_of_code,
    side,
    side_of,
)
from m365dq_dagster.core.adjudication import Testimony as Hearing
from m365dq_dagster.core.outcome import Confidence, LogType, Outcome
from tests.support.judgement import CA, CODE, ERROR, OPERATION, TEXT, logon, pack, row, vocabulary

ALL = frozenset({CODE, TEXT, CA})
UAL = frozenset({ERROR, OPERATION})
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
ACTIVE = sorted(vocabulary().codes)
SIGN_INS = st.builds(
    row,
    st.sampled_from([*Mark, *ACTIVE]),
    st.sampled_from([*Word, Mark.BLANK, Mark.OUT_OF_DOMAIN]),
    st.sampled_from([*Access, Mark.BLANK, Mark.OUT_OF_DOMAIN]),
    st.just(1),
    client=st.sampled_from(list(Client)),
    differ=st.booleans(),
)
HEARD = st.sets(st.sampled_from(sorted(ALL))).map(frozenset)


def code(**changes: str) -> CodeRow:
    fields = dict.fromkeys(CodeRow.__dataclass_fields__, "")
    fields |= {"code": "50000", "provenance": "documented", "method": "listed", "state": "active"}
    return CodeRow(**{**fields, **changes})


def decide(combo: Combo, heard: frozenset[str] = ALL, uniform: frozenset[str] = frozenset()) -> Decision:
    return adjudicate(combo, Hearing(heard, uniform), vocabulary())


@pytest.mark.parametrize(
    ("one", "outcome", "confidence"),
    [
        # 1 to 5: a known code
        (row("0"), Outcome.SUCCESS, HIGH),
        (row("50140"), Outcome.INTERRUPTED, HIGH),
        (row("50061"), Outcome.INTERRUPTED, HIGH),
        (row("50068"), Outcome.INTERRUPTED, HIGH),
        (row("50070"), Outcome.INTERRUPTED, HIGH),
        (row("50071"), Outcome.INTERRUPTED, HIGH),
        (row("53003"), Outcome.BLOCKED_AFTER_FIRST_FACTOR, HIGH),
        (row("50126"), Outcome.REJECTED, HIGH),
        (row("50053"), Outcome.NOT_EVALUATED, HIGH),
        (row("20001"), Outcome.NOT_GRANTED, MEDIUM),
        (row("26000"), Outcome.UNKNOWN, LOW),
        # 6: a well-formed code in no table, whatever else the row says
        (row(Mark.UNKNOWN_CODE), Outcome.UNKNOWN, LOW),
        (row(Mark.UNKNOWN_CODE, Word.SUCCESS, Access.SUCCESS), Outcome.UNKNOWN, LOW),
        (row("530031"), Outcome.UNKNOWN, LOW),
        # 7: no usable code, text present
        (row(word=Word.SUCCESS), Outcome.SUCCESS, MEDIUM),
        (row(word=Word.SUCCESS, access=Access.FAILURE), Outcome.SUCCESS, MEDIUM),
        (row(word=Word.INTERRUPTED), Outcome.INTERRUPTED, MEDIUM),
        (row(word=Word.FAILURE, access=Access.SUCCESS), Outcome.BLOCKED_AFTER_FIRST_FACTOR, MEDIUM),
        (row(word=Word.FAILURE, access=Access.FAILURE), Outcome.BLOCKED_AFTER_FIRST_FACTOR, MEDIUM),
        (row(word=Word.FAILURE, access=Access.NOT_APPLIED), Outcome.NOT_GRANTED, MEDIUM),
        (row(word=Word.FAILURE), Outcome.NOT_GRANTED, MEDIUM),
        (row(Mark.OUT_OF_DOMAIN, Word.SUCCESS), Outcome.SUCCESS, MEDIUM),
        # 8 to 10: Conditional Access alone
        (row(access=Access.FAILURE), Outcome.BLOCKED_AFTER_FIRST_FACTOR, MEDIUM),
        (row(word=Word.NO_OUTCOME, access=Access.FAILURE), Outcome.BLOCKED_AFTER_FIRST_FACTOR, MEDIUM),
        (row(access=Access.SUCCESS), Outcome.SUCCESS, MEDIUM),
        (row(Mark.OUT_OF_DOMAIN, Mark.OUT_OF_DOMAIN, Access.SUCCESS), Outcome.SUCCESS, MEDIUM),
        (row(access=Access.NOT_APPLIED), Outcome.UNKNOWN, LOW),
        (row(access=Access.NOT_ENFORCED), Outcome.UNKNOWN, LOW),
        (row(access=Mark.OUT_OF_DOMAIN), Outcome.UNKNOWN, LOW),
        (row(), Outcome.UNKNOWN, LOW),
    ],
)
def test_the_first_line_of_the_table_that_applies_decides(one: Combo, outcome: Outcome, confidence: Confidence) -> None:
    decision = decide(one)
    assert (decision.outcome, decision.confidence) == (outcome, confidence)


@pytest.mark.parametrize(
    ("one", "outcome", "confidence"),
    [
        (logon("0", Word.SUCCESS), Outcome.SUCCESS, HIGH),
        (logon("50140", Word.SUCCESS), Outcome.INTERRUPTED, HIGH),
        (logon("50126", Word.FAILURE), Outcome.REJECTED, HIGH),
        (logon(word=Word.SUCCESS), Outcome.SUCCESS, MEDIUM),
        (logon(word=Word.FAILURE), Outcome.NOT_GRANTED, MEDIUM),
        (logon("0", Word.FAILURE), Outcome.CONFLICT, LOW),
        (logon("50126", Word.SUCCESS), Outcome.CONFLICT, LOW),
        (logon(), Outcome.UNKNOWN, LOW),
    ],
)
def test_on_logons_the_error_number_and_the_operation_decide(
    one: Combo, outcome: Outcome, confidence: Confidence
) -> None:
    decision = decide(one, UAL)
    assert (decision.outcome, decision.confidence) == (outcome, confidence)


def test_every_code_of_the_rule_pack_has_the_outcome_of_its_class() -> None:
    expected = {
        "success": Outcome.SUCCESS,
        "interrupt": Outcome.INTERRUPTED,
        "password_correct_blocked": Outcome.BLOCKED_AFTER_FIRST_FACTOR,
        "bad_credentials": Outcome.REJECTED,
        "throttling_lockout": Outcome.NOT_EVALUATED,
        "unknown": Outcome.UNKNOWN,
    }
    for one in pack().codes:
        assert outcome_of_code(one)[0] is expected.get(one.category, Outcome.NOT_GRANTED), one.code


@pytest.mark.parametrize(
    ("first_factor", "confidence"), [("accepted", HIGH), ("likely_accepted", MEDIUM), ("unknown", MEDIUM)]
)
def test_a_block_is_as_sure_as_its_first_factor(first_factor: str, confidence: Confidence) -> None:
    assert outcome_of_code(code(category="password_correct_blocked", first_factor=first_factor)) == (
        Outcome.BLOCKED_AFTER_FIRST_FACTOR,
        confidence,
    )


@pytest.mark.parametrize("weak", [{"provenance": "community"}, {"provenance": "unverified"}, {"method": "topic_rule"}])
@pytest.mark.parametrize("category", ["success", "interrupt", "bad_credentials", "federation"])
def test_a_code_without_a_documented_source_gives_at_most_low(weak: dict[str, str], category: str) -> None:
    assert outcome_of_code(code(category=category, **weak))[1] is LOW


def test_only_a_code_in_no_table_is_reported_as_unknown_and_its_account_is_not_cleared() -> None:
    assert decide(row(Mark.UNKNOWN_CODE)).unknown_code
    assert decide(row("99999999")).unknown_code
    assert not decide(row("26000")).unknown_code
    assert not decide(row(Mark.OUT_OF_DOMAIN)).unknown_code
    assert not decide(row(Mark.UNKNOWN_CODE), frozenset({TEXT})).unknown_code


@pytest.mark.parametrize("access", [*Access, Mark.BLANK])
def test_code_zero_against_the_text_failure_is_a_conflict_whatever_access_says(access: Access | Mark) -> None:
    decision = decide(row("0", Word.FAILURE, access))
    assert (decision.outcome, decision.contradiction) == (Outcome.CONFLICT, "CODE_AGAINST_TEXT")
    assert decision.witnesses == (CODE, TEXT)


def test_text_that_renders_the_code_as_the_portal_does_is_no_conflict() -> None:
    words = {"Failure": Word.FAILURE, "Interrupted": Word.INTERRUPTED, "Success": Word.SUCCESS}
    for one in pack().codes:
        if one.portal_status and one.state == "active":
            assert decide(row(one.code, words[one.portal_status])).outcome is outcome_of_code(one)[0], one.code


def test_a_failure_code_whose_portal_text_is_not_known_conflicts_with_success() -> None:
    unknown_text = next(c for c in ACTIVE if vocabulary().codes[c].category == "federation" and not portal(c))
    assert decide(row(unknown_text, Word.SUCCESS)).outcome is Outcome.CONFLICT
    assert decide(row(unknown_text, Word.FAILURE)).outcome is Outcome.NOT_GRANTED


def portal(one: str) -> str:
    return vocabulary().codes[one].portal_status


def test_an_interrupt_conflicts_with_no_text() -> None:
    for word in (Word.SUCCESS, Word.FAILURE, Word.INTERRUPTED):
        assert decide(row("50140", word)).outcome is Outcome.INTERRUPTED


def test_copies_of_the_code_that_differ_are_a_conflict_and_an_unknown_copy_stays_unknown() -> None:
    decision = decide(row("0", Word.SUCCESS, Access.SUCCESS, differ=True))
    assert (decision.outcome, decision.contradiction) == (Outcome.CONFLICT, "CODE_COPIES_DIFFER")
    assert not decision.unknown_code
    assert decide(row(Mark.UNKNOWN_CODE, differ=True)).unknown_code


@pytest.mark.parametrize(
    ("combo", "heard", "name"),
    [
        (row(Mark.UNKNOWN_CODE, Word.SUCCESS), {CODE, TEXT, CA}, CODE),
        (row(Mark.UNKNOWN_CODE, differ=True), {CODE, TEXT, CA}, CODE),
        (row(Mark.OUT_OF_DOMAIN), {CODE, TEXT, CA}, CODE),
        (row(Mark.BLANK, Mark.OUT_OF_DOMAIN, Access.NOT_APPLIED), {CODE, TEXT, CA}, TEXT),
        (row(Mark.BLANK, Mark.BLANK, Mark.OUT_OF_DOMAIN), {CODE, TEXT, CA}, CA),
        (row(Mark.BLANK, Mark.OUT_OF_DOMAIN, Mark.OUT_OF_DOMAIN), {CA}, CA),
        (row(Mark.BLANK, Mark.OUT_OF_DOMAIN), {CODE, CA}, None),
        (row(Mark.BLANK, Mark.OUT_OF_DOMAIN, Access.FAILURE), {CODE, TEXT, CA}, None),
        (row("50126", Mark.OUT_OF_DOMAIN), {CODE, TEXT, CA}, None),
        (row(Mark.BLANK), {CODE, TEXT, CA}, None),
    ],
)
def test_a_row_is_left_open_by_the_unknown_value_that_would_have_been_heard(
    combo: Combo, heard: set[str], name: str | None
) -> None:
    assert decide(combo, frozenset(heard)).open_by == name
    assert decide(row("0", Word.SUCCESS, differ=True), frozenset({TEXT})).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("heard", [ALL, frozenset({CODE})])
@pytest.mark.parametrize("client", list(Client))
def test_code_zero_with_access_failure_stays_a_success_and_is_reported_even_where_access_is_not_heard(
    heard: frozenset[str], client: Client
) -> None:
    decision = decide(row("0", access=Access.FAILURE, client=client), heard)
    assert (decision.outcome, decision.confidence) == (Outcome.SUCCESS, HIGH)
    assert decision.contradiction == "CODE_ZERO_BUT_CA_FAILURE"


@pytest.mark.parametrize("access", [Access.SUCCESS, Access.NOT_APPLIED, Access.NOT_ENFORCED, Mark.BLANK])
def test_code_zero_contradicts_no_other_word_of_access(access: Access | Mark) -> None:
    assert decide(row("0", access=access)).contradiction is None


def test_a_failure_code_with_access_success_is_no_contradiction() -> None:
    decision = decide(row("50126", access=Access.SUCCESS))
    assert (decision.outcome, decision.contradiction) == (Outcome.REJECTED, None)


@pytest.mark.parametrize(
    ("one", "accepted"),
    [
        (row("0"), True),
        (row("53003"), True),
        (row("50126"), False),
        (row("50053"), False),
        (row(word=Word.SUCCESS), True),
        (row(word=Word.INTERRUPTED), False),
        (row(word=Word.INTERRUPTED, access=Access.SUCCESS), True),
        (row(word=Word.FAILURE, access=Access.FAILURE), True),
        (row(word=Word.FAILURE, access=Access.NOT_APPLIED), False),
        (row(access=Access.SUCCESS), True),
        (row(access=Access.FAILURE), True),
        (row(access=Access.NOT_APPLIED), False),
    ],
)
def test_the_credential_was_right_where_the_first_factor_or_access_says_so(one: Combo, accepted: bool) -> None:
    assert decide(one).credential_accepted is accepted


def test_credential_exposure_follows_the_first_factor_and_not_the_class() -> None:
    outside = [
        c
        for c, one in vocabulary().codes.items()
        if one.first_factor in ("accepted", "likely_accepted")
        and one.category not in ("success", "password_correct_blocked")
    ]
    assert outside
    assert all(decide(row(one)).credential_accepted for one in outside)
    assert set(outside) <= vocabulary().accepted_codes
    assert not vocabulary().accepted_codes & vocabulary().accepted_codes_ropc


def test_witnesses_that_agree_are_named() -> None:
    assert decide(row("0", Word.SUCCESS)).witnesses == (CODE, TEXT)
    assert decide(row("50140", Word.FAILURE)).witnesses == (CODE,)
    assert decide(row(word=Word.FAILURE, access=Access.FAILURE)).witnesses == (TEXT, CA)
    assert decide(row(access=Access.SUCCESS)).witnesses == (CA,)


@pytest.mark.parametrize(
    ("one", "field"), [(row("0"), CODE), (row(word=Word.SUCCESS), TEXT), (row(access=Access.SUCCESS), CA)]
)
def test_a_uniform_field_gives_at_most_low_confidence(one: Combo, field: str) -> None:
    assert decide(one, uniform=frozenset({field})) == replace(decide(one), confidence=LOW)


def test_a_field_that_may_not_testify_is_not_heard() -> None:
    one = row("0", Word.FAILURE, Access.FAILURE)
    assert decide(one, frozenset({TEXT, CA})).outcome is Outcome.BLOCKED_AFTER_FIRST_FACTOR
    assert decide(one, frozenset({TEXT})).outcome is Outcome.NOT_GRANTED
    assert decide(one, frozenset({CA})).decided_by == CA
    assert decide(one, frozenset()).outcome is Outcome.UNKNOWN


def test_the_vocabulary_folds_words_leaves_pending_codes_out_and_knows_legacy_clients() -> None:
    values = [
        ("sign_in_logs", "status", " Success ", "SUCCESS"),
        ("sign_in_logs", "status", "Odd", "SOMETHING"),
        ("sign_in_logs", "conditional_access_status", "notApplied", "CA_NOT_EVALUATED"),
        ("sign_in_logs", "conditional_access_status", "unknownFutureValue", "UNKNOWN"),
        ("sign_in_logs", "client_app_used", "Exchange ActiveSync", "LEGACY"),
        ("sign_in_logs", "client_app_used", "IMAP4", "LEGACY"),
        ("sign_in_logs", "client_app_used", "Browser", "MODERN"),
        ("unified_audit_log", "operation_login", "UserLoggedIn", "LOGIN"),
        ("message_trace", "status", "Delivered", "SUCCESS"),
    ]
    known = Vocabulary.of([code(code="50126"), code(code="530031", state="pending")], values)
    assert set(known.codes) == {"50126"}
    assert known.words == {"success": Word.SUCCESS, "odd": Word.NO_OUTCOME}
    assert known.access == {"notapplied": Access.NOT_APPLIED}
    assert known.operations == {"userloggedin": Word.SUCCESS}
    assert known.clients == {"exchange activesync": Client.ACTIVESYNC, "imap4": Client.LEGACY}


def test_sides_are_the_coarse_classes_of_what_a_witness_says() -> None:
    assert [side_of(one) for one in (Outcome.SUCCESS, Outcome.INTERRUPTED, Outcome.REJECTED, Outcome.CONFLICT)] == [
        Side.SUCCESS,
        Side.INTERRUPTED,
        Side.FAILURE,
        Side.LEFT_OPEN,
    ]
    one = row("26000", Mark.OUT_OF_DOMAIN, Access.NOT_APPLIED)
    assert [side(one, name, vocabulary()) for name in (CODE, TEXT, CA)] == [Side.LEFT_OPEN, Side.NONE, Side.NONE]
    assert side(row(Mark.UNKNOWN_CODE, Word.INTERRUPTED, Mark.BLANK), CODE, vocabulary()) is Side.NONE
    assert side(row(word=Word.INTERRUPTED), TEXT, vocabulary()).gives_outcome
    assert side(logon("0", Word.SUCCESS), OPERATION, vocabulary()) is Side.SUCCESS
    assert not Side.LEFT_OPEN.gives_outcome


def test_the_legacy_log_is_read_like_the_sign_in_log() -> None:
    legacy = replace(row("50126"), log_type=LogType.LEGACY)
    assert decide(legacy).outcome is Outcome.REJECTED


@given(SIGN_INS, HEARD, st.sampled_from(sorted(ALL)))
def test_removing_a_witness_never_turns_unknown_into_certainty(one: Combo, heard: frozenset[str], removed: str) -> None:
    if decide(one, heard).outcome is Outcome.UNKNOWN:
        assert decide(one, heard - {removed}).confidence is not HIGH


@given(SIGN_INS, HEARD)
def test_success_against_failure_between_primary_witnesses_is_always_reported(
    one: Combo, heard: frozenset[str]
) -> None:
    decision = decide(one, heard)
    opposed = {side(one, CODE, vocabulary()), side(one, TEXT, vocabulary())} == {Side.SUCCESS, Side.FAILURE}
    if {CODE, TEXT} <= heard and opposed:
        assert decision.outcome is Outcome.CONFLICT
        assert decision.contradiction is not None


@given(SIGN_INS, HEARD)
def test_success_is_only_said_where_a_heard_witness_says_success(one: Combo, heard: frozenset[str]) -> None:
    decision = decide(one, heard)
    if decision.outcome is Outcome.SUCCESS:
        assert decision.decided_by in heard
        assert side(one, str(decision.decided_by), vocabulary()) is Side.SUCCESS
    if decision.outcome.is_failure:
        assert Side.SUCCESS not in {side(one, name, vocabulary()) for name in heard & {CODE, TEXT}}


@given(SIGN_INS, HEARD)
def test_what_is_unknown_is_never_counted_as_blocked(one: Combo, heard: frozenset[str]) -> None:
    if all(side(one, name, vocabulary()) is Side.NONE for name in heard):
        assert not decide(one, heard).outcome.is_failure
