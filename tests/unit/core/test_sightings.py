from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.sightings import (
    MOST,
    REST,
    WATCHED,
    Fold,
    OpenValue,
    OpenValues,
    Reference,
    Sighted,
    approve,
    fold,
    held_as,
    is_quiet,
    look_up,
    proposals,
    propose,
    unjudged_operations,
)
from tests.support.judgement import pack

CODE, AUDIT = "status_error_code", "unified_audit_log"
ADD = "codes add --category C --severity S --meaning TEXT"


@pytest.fixture
def reference() -> Reference:
    return pack().watched_values


def code(value: str = "512345", rows: int = 2, *, proposed: bool = False) -> OpenValue:
    return OpenValue("sign_in_logs", CODE, value, rows, proposed)


# --- What is known


@pytest.mark.parametrize("field", [("sign_in_logs", CODE), ("legacy_auth_logs", CODE), (AUDIT, "error_number")])
def test_a_code_is_known_wherever_codes_stand(reference: Reference, field: tuple[str, str]) -> None:
    assert reference.knows(*field, "50126")
    assert not reference.knows(*field, "512345")


def test_a_code_that_waits_for_approval_is_unknown_and_known_as_a_proposal(reference: Reference) -> None:
    assert not reference.knows("sign_in_logs", CODE, "530031")
    assert reference.is_proposed("sign_in_logs", CODE, "530031")
    assert not reference.is_proposed("sign_in_logs", CODE, "50126")
    assert not reference.is_proposed("sign_in_logs", "status", "530031")
    assert not reference.is_proposed("other", "field", "530031")


@pytest.mark.parametrize(
    ("log_type", "field", "value"),
    [
        ("sign_in_logs", "status", " success "),
        ("legacy_auth_logs", "status", "Interrupted"),
        ("sign_in_logs", "conditional_access_status", "NOTAPPLIED"),
        ("legacy_auth_logs", "client_app_used", "imap4"),
        ("sign_in_logs", "authentication_requirement", "Single-factor authentication"),
        ("sign_in_logs", "sign_in_event_type", '["interactiveUser"]'),
        ("sign_in_logs", "risk_state", "At risk"),
        ("risky_users", "risk_level", "High"),
        ("risk_detections", "risk_event_type", "UnlikelyTravel"),
        (AUDIT, "operation", "new-inboxrule"),
        (AUDIT, "operation_login", "userloggedin"),
        (AUDIT, "record_type", "15"),
        (AUDIT, "record_type", "AzureActiveDirectoryStsLogon"),
        (AUDIT, "user_type", "Regular"),
        (AUDIT, "mail_access_type", "Sync"),
        ("entra_audit_logs", "activity", "Consent to application."),
        ("mailbox_audit", "logon_type", "Owner"),
        ("message_trace", "status", "FilteredAsSpam"),
    ],
)
def test_documented_values_are_known_in_every_spelling_that_logs_use(
    reference: Reference, log_type: str, field: str, value: str
) -> None:
    assert reference.knows(log_type, field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "Sucess"),
        ("conditional_access_status", "unknownFutureValue"),
        ("client_app_used", "Exchange-ActiveSync"),
    ],
)
def test_what_the_judge_does_not_read_is_unknown_here_too(reference: Reference, field: str, value: str) -> None:
    assert not reference.knows("sign_in_logs", field, value)


def test_nothing_is_known_of_a_field_that_is_not_looked_up(reference: Reference) -> None:
    assert not reference.knows("sign_in_logs", "user_agent", "BAV2ROPC")


def test_the_judge_knows_a_word_where_the_reference_does() -> None:
    vocabulary, reference = pack().vocabulary, pack().watched_values
    assert set(reference.known["sign_in_logs", CODE]) == set(vocabulary.codes)
    assert set(reference.known["sign_in_logs", "status"]) == set(vocabulary.words)
    assert set(reference.known["sign_in_logs", "conditional_access_status"]) == set(vocabulary.access)
    assert set(reference.known[AUDIT, "operation_login"]) == set(vocabulary.operations)
    assert set(vocabulary.clients) <= set(reference.known["sign_in_logs", "client_app_used"])


def test_every_watched_field_has_known_values(reference: Reference) -> None:
    assert [one.key for one in WATCHED if not reference.known[one.key]] == []


def test_only_codes_and_words_of_witnesses_alert() -> None:
    loud = {one.key[1] for one in WATCHED if not is_quiet(*one.known_as)}
    assert loud == {CODE, "error_number", "status", "conditional_access_status", "operation_login"}
    assert not is_quiet("any", "thing")


def test_values_are_held_under_one_spelling() -> None:
    assert held_as("sign_in_logs", "risk_state", "At risk") == held_as("sign_in_logs", "risk_state", "atRisk")
    assert held_as("any", "thing", "At risk") == ("any", "thing", "At risk")


@given(st.text("Ab0 -–_.'\"[]", max_size=12), st.sampled_from(Fold))
def test_a_folded_spelling_folds_to_itself(text: str, how: Fold) -> None:
    assert fold(fold(text, how), how) == fold(text, how)


# --- Sentences


def test_what_left_sign_ins_open_is_named_with_its_rows() -> None:
    word = OpenValue("sign_in_logs", "status", "Sucess", 1)
    rest = OpenValue(AUDIT, "operation_login", REST, 4)
    assert OpenValues((code(rows=1),)).sentence == (
        "1 sign-in carries a value that is in no table: code 512345 (1 row)"
    )
    assert OpenValues((code(), word, rest)).sentence == (
        "7 sign-ins carry values that are in no table: code 512345 (2 rows), status 'Sucess' (1 row) and further "
        "values (4 rows)"
    )


def test_many_values_are_named_in_part() -> None:
    found = OpenValues(tuple(code(str(10_000 + number)) for number in range(9)))
    assert found.sentence.endswith("code 10004 (2 rows) and 4 more")


def test_a_proposal_says_which_command_approves_it() -> None:
    (told,) = proposals([code("530031", proposed=True), OpenValue(AUDIT, "error_number", "530031", 1, True), code()])
    assert told == (
        "530031 is known as a proposal and waits for approval: m365dq codes approve unified_audit_log error_number "
        "530031."
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (propose("legacy_auth_logs", "client_app_used", "a b"), f"{ADD} sign_in_logs client_app_used 'a b'"),
        (propose("entra_audit_logs", "activity", "x;rm"), f"{ADD} unified_audit_log operation 'x;rm'"),
        (propose("other", "field", "$(id)"), f"{ADD} other field '$(id)'"),
        (approve("l", "f", "1"), "codes approve l f 1"),
        (look_up("--help\n"), "codes lookup -- --help"),
        (look_up("it's"), "codes lookup 'it'\"'\"'s'"),
    ],
)
def test_commands_carry_values_from_evidence_as_one_argument(command: str, words: str) -> None:
    assert command == f"m365dq {words}"


def test_operations_in_no_table_are_said_not_to_be_judged_once_a_log() -> None:
    def seen(value: str, rows: int, log_type: str = AUDIT, **more: object) -> Sighted:
        field = "operation" if log_type == AUDIT else "activity"
        return Sighted(log_type, field, value, rows, **{"known": False, **more})  # type: ignore[arg-type]

    found = [seen("PageViewed", 9), seen(REST, 70, values=40), seen("Send", 3, known=True), seen("Odd", 30)]
    strange = Sighted(AUDIT, "record_type", "999", 5, known=False, first=datetime(2026, 1, 1))
    one, two = unjudged_operations([*found, seen("Do x", 1, "entra_audit_logs"), strange])
    assert one == (
        "What 42 operations of the unified audit log in no table mean: 109 rows, the commonest Odd (30) and PageViewed "
        "(9), were counted and not judged."
    )
    assert two == (
        "What 1 operation of the directory's audit log in no table means: 1 row, Do x (1), was counted and not judged."
    )
    assert unjudged_operations([]) == ()


def test_unknown_values_of_a_field_are_kept_one_by_one_up_to_a_bound() -> None:
    assert 20 <= MOST <= 200
