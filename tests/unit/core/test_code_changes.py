from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.code_changes import (
    CODE_FIELDS,
    RULE_PACK,
    Asked,
    ChangeAction,
    ChangeState,
    CodeKey,
    Kind,
    KnownWords,
    ReferenceRow,
    canonical,
    differences,
    drafted,
    heard_in,
    is_critical,
    may_decide,
    places_of,
    proposed,
    provenance_of,
    reason_for,
    withdrawn,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.sightings import REST

WORDS = KnownWords(
    categories=frozenset({"success", "bad_credentials", "password_correct_blocked", "app_config", "interrupt"}),
    outcomes=frozenset({"success", "failure", "interrupted"}),
    first_factors=frozenset({"accepted", "likely_accepted", "rejected", "unknown"}),
    indicators=frozenset({"persistence", "exfiltration"}),
    values={("sign_in_logs", "status"): frozenset({"SUCCESS", "FAILURE"})},
    open_places=frozenset({("unified_audit_log", "record_type")}),
)
CODE = CodeKey("sign_in_logs", "status_error_code", "999999")
WORD = CodeKey("sign_in_logs", "status", "Sucess")
OPERATION = CodeKey("unified_audit_log", "operation", "New-Thing")
AGENT = ("sign_in_logs", "user_agent")
ALICE, BOB = Person("alice"), Person("bob")
IN_FORCE = ReferenceRow(
    *("sign_in_logs", "status_error_code", "999999", "wrong password", "WARNING"),
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
    provenance="documented",
    method="listed",
)


def asked(key: CodeKey = CODE, category: str = "bad_credentials", **more: Any) -> Asked:
    return Asked(key, **{"category": category, "severity": "warning", "meaning": "A thing", **more})


@pytest.mark.parametrize("place", CODE_FIELDS)
def test_entra_codes_are_one_vocabulary_wherever_they_stand(place: tuple[str, str]) -> None:
    key = canonical(*place, " 50126 ", WORDS)
    assert key == CodeKey("sign_in_logs", "status_error_code", "50126")
    assert places_of(key) == CODE_FIELDS
    assert key.kind is Kind.CODE


def test_a_key_is_written_as_a_shell_takes_it_and_compared_without_regard_to_case() -> None:
    assert CodeKey("l", "f", "Add user.").command("approve") == "m365dq codes approve l f 'Add user.'"
    assert CodeKey("l", "f", "-x").command("approve", "--reason TEXT") == "m365dq codes approve --reason TEXT l f -- -x"
    assert CODE.command("approve", "--reason TEXT") == (
        "m365dq codes approve sign_in_logs status_error_code 999999 --reason TEXT"
    )
    assert WORD.folded == CodeKey("sign_in_logs", "status", "sucess")
    assert CodeKey("unified_audit_log", "operation", "Add user. ").folded == replace(OPERATION, value="add user").folded


def test_words_of_the_legacy_log_are_those_of_the_sign_in_log() -> None:
    assert canonical("legacy_auth_logs", "status", "Sucess", WORDS) == WORD
    assert places_of(WORD) == (("sign_in_logs", "status"),)
    assert heard_in(WORD) == (("sign_in_logs", "status"), ("legacy_auth_logs", "status"))
    assert heard_in(CODE) == CODE_FIELDS
    assert (
        canonical("legacy_auth_logs", "user_agent", "x", replace(WORDS, open_places=frozenset({AGENT}))).place == AGENT
    )
    assert canonical("entra_audit_logs", "activity", "New-Thing", WORDS) == OPERATION
    assert WORD.kind is Kind.VALUE
    assert OPERATION.kind is Kind.OPERATION
    assert str(WORD) == "sign_in_logs.status 'Sucess'"


@pytest.mark.parametrize("code", ["0", "12345", "1234567890"])
def test_a_code_is_zero_or_five_to_ten_digits(code: str) -> None:
    assert canonical("sign_in_logs", "status_error_code", code, WORDS).value == code


@pytest.mark.parametrize("code", ["", "1", "1234", "12345678901", "AADSTS50126", "50126\n50127", "٥٠١٢٦"])
def test_any_other_code_is_refused(code: str) -> None:
    with pytest.raises(BadInput, match=r"5 to 10 digits|one line"):
        canonical("sign_in_logs", "status_error_code", code, WORDS)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            ("sign_in_logs", "user_agent"),
            "sign_in_logs has no field 'user_agent' with known values; its fields are auth",
        ),
        (("nowhere", "status"), "no log type 'nowhere' with known values; the log types are entra_audit_logs, leg"),
    ],
)
def test_a_place_without_known_values_is_refused_with_those_there_are(place: tuple[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        canonical(*place, "x", WORDS)


@pytest.mark.parametrize("value", ["", " ", REST, "x" * 201, "a\x1bb", "a\u202eb", "a\nb"])
def test_a_value_is_one_visible_line(value: str) -> None:
    with pytest.raises(BadInput, match="one line of 1 to 200 visible characters"):
        canonical("sign_in_logs", "status", value, WORDS)


@pytest.mark.parametrize(
    ("category", "outcome", "factor"),
    [
        ("success", "success", "accepted"),
        ("bad_credentials", "failure", "rejected"),
        ("password_correct_blocked", "failure", "likely_accepted"),
        ("interrupt", "interrupted", "unknown"),
        ("app_config", "failure", "unknown"),
    ],
)
def test_outcome_and_first_factor_follow_from_the_class_unless_they_are_given(
    category: str, outcome: str, factor: str
) -> None:
    row = drafted(asked(category=category.upper()), None, WORDS)
    assert (row.category, row.outcome, row.first_factor, row.severity) == (category, outcome, factor, "WARNING")
    assert (row.provenance, row.method, row.state, row.deprecated) == ("unverified", "hand", "ACTIVE", False)
    given_ones = drafted(
        asked(category="app_config", outcome="interrupted", first_factor="likely_accepted"), None, WORDS
    )
    assert (given_ones.outcome, given_ones.first_factor) == ("interrupted", "likely_accepted")


def test_what_is_not_said_of_a_code_in_force_stays_where_its_class_does() -> None:
    before = replace(IN_FORCE, first_factor="unknown", portal_status="Failure", symbolic_name="X", sources="a list")
    same = drafted(asked(meaning="better words"), before, WORDS)
    assert same == replace(before, meaning="better words")
    other = drafted(asked(category="app_config"), before, WORDS)
    assert (other.outcome, other.first_factor, other.provenance) == ("failure", "unknown", "unverified")
    assert (other.portal_status, other.sources, other.symbolic_name) == ("Failure", "a list", "X")
    sourced = drafted(asked(source="a blog", portal_status="Interrupted"), before, WORDS)
    assert (sourced.provenance, sourced.method, sourced.sources) == ("community", "hand", "a blog")
    assert sourced.portal_status == "Interrupted"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"category": "nonsense"},
            "'nonsense' is no category for sign_in_logs.status_error_code; it is one of app_conf",
        ),
        ({"severity": "FATAL"}, "'FATAL' is no severity; it is one of CRITICAL, INFO, WARNING"),
        ({"meaning": "  "}, "The meaning is empty"),
        ({"meaning": "x" * 1001}, "The meaning is longer than 1000 characters"),
        ({"outcome": "maybe"}, "'maybe' is no outcome"),
        ({"first_factor": "maybe"}, "'maybe' is no first factor"),
        ({"provenance": "hearsay"}, "'hearsay' is no provenance"),
        ({"category": "success", "outcome": "failure"}, "contradict each other"),
        ({"outcome": "success"}, "contradict each other"),
        ({"first_factor": "accepted"}, "contradict each other"),
        ({"category": "success", "first_factor": "rejected"}, "contradict each other"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(said: dict[str, str], why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        drafted(asked(**said), None, WORDS)
    assert "\n" not in str(caught.value)


def test_the_class_of_a_value_is_a_word_of_its_field_and_that_of_an_operation_an_indicator() -> None:
    row = drafted(asked(WORD, "success", source="exporter"), None, WORDS)
    assert (row.category, row.outcome, row.first_factor, row.provenance) == ("SUCCESS", None, None, None)
    assert row.sources == "exporter"
    with pytest.raises(BadInput, match=r"no category for sign_in_logs.status; it is one of FAILURE, SUCCESS"):
        drafted(asked(WORD, "CA_BLOCKED"), None, WORDS)
    assert drafted(asked(OPERATION, "Persistence"), None, WORDS).category == "persistence"
    with pytest.raises(BadInput, match="exfiltration, persistence"):
        drafted(asked(OPERATION, "success"), None, WORDS)
    with pytest.raises(BadInput, match="--outcome and --first-factor belong to codes"):
        drafted(asked(WORD, "SUCCESS", outcome="success"), None, WORDS)


def test_a_field_whose_words_nobody_has_named_takes_one_upper_case_word() -> None:
    key = CodeKey("unified_audit_log", "record_type", "15")
    assert drafted(asked(key, "logon"), None, WORDS).category == "LOGON"
    with pytest.raises(BadInput, match="it is one of none"):
        drafted(asked(key, "a logon!"), None, WORDS)


@pytest.mark.parametrize(
    ("source", "provenance"),
    [
        (None, "unverified"),
        ("https://learn.microsoft.com/entra/codes", "documented"),
        ("seen at LEARN.MICROSOFT.COM", "documented"),
        ("https://learn.microsoft.com.evil.example/", "community"),
        ("https://evil-learn.microsoft.com/", "community"),
        ("a colleague", "community"),
    ],
)
def test_a_code_is_documented_where_the_vendors_pages_are_its_source(source: str | None, provenance: str) -> None:
    assert provenance_of(source) == provenance
    assert drafted(asked(source=source), None, WORDS).provenance == provenance
    assert drafted(asked(source=source, provenance="Documented"), None, WORDS).provenance == "documented"


@pytest.mark.parametrize(
    ("before", "after", "critical"),
    [
        (None, IN_FORCE, False),
        (None, replace(IN_FORCE, severity="CRITICAL"), True),
        (replace(IN_FORCE, severity="CRITICAL"), IN_FORCE, True),
        (IN_FORCE, replace(IN_FORCE, meaning="x", severity="INFO"), False),
        (IN_FORCE, replace(IN_FORCE, deprecated=True), False),
        (IN_FORCE, replace(IN_FORCE, category="app_config"), True),
        (IN_FORCE, replace(IN_FORCE, first_factor="likely_accepted"), True),
        (IN_FORCE, replace(IN_FORCE, first_factor="unknown"), False),
        (replace(IN_FORCE, category="app_config"), replace(IN_FORCE, category="federation"), False),
    ],
)
def test_a_change_is_critical_by_its_severity_or_where_a_code_in_force_comes_to_mean_another_outcome(
    before: ReferenceRow | None, after: ReferenceRow, *, critical: bool
) -> None:
    assert is_critical(before, after) is critical


def test_another_word_for_a_value_in_force_is_critical_and_another_indicator_of_an_operation_is_not() -> None:
    word = ReferenceRow("sign_in_logs", "status", "Sucess", "m", "INFO", category="SUCCESS")
    assert is_critical(word, replace(word, category="FAILURE"))
    operation = ReferenceRow("unified_audit_log", "operation", "New-Thing", "m", "INFO", category="persistence")
    assert not is_critical(operation, replace(operation, category="exfiltration"))


def test_a_proposal_is_an_addition_a_change_or_nothing() -> None:
    added = proposed(IN_FORCE, None, ALICE, " why ", "a page")
    assert added is not None
    assert (added.action, added.reason, added.source, added.is_critical) == (ChangeAction.ADD, "why", "a page", False)
    assert proposed(IN_FORCE, IN_FORCE, ALICE, None, None) is None
    shipped = replace(IN_FORCE, state="PENDING")
    put_in_force = proposed(replace(IN_FORCE, category="app_config"), shipped, ALICE, None, None)
    assert put_in_force is not None
    assert (put_in_force.action, put_in_force.before, put_in_force.is_critical) == (ChangeAction.ADD, shipped, False)
    changed = proposed(replace(IN_FORCE, category="app_config"), IN_FORCE, ALICE, None, None)
    assert changed is not None
    assert (changed.action, changed.before, changed.is_critical) == (ChangeAction.CHANGE, IN_FORCE, True)


def test_a_deprecated_row_keeps_its_meaning_and_needs_a_reason() -> None:
    gone = withdrawn(IN_FORCE, ALICE, "withdrawn by the vendor")
    assert (gone.action, gone.after) == (ChangeAction.DEPRECATE, replace(IN_FORCE, deprecated=True))
    assert differences(gone.before, gone.after) == [("deprecated", False, True)]
    with pytest.raises(BadInput, match="The reason is empty"):
        withdrawn(IN_FORCE, ALICE, None)


@given(
    proposer=st.builds(Person, st.sampled_from(["alice", "bob"]), st.none() | st.text(max_size=5)),
    decider=st.builds(Person, st.sampled_from(["alice", "bob"]), st.none() | st.text(max_size=5)),
    state=st.sampled_from([ChangeState.APPROVED, ChangeState.REJECTED]),
    critical=st.booleans(),
)
def test_nobody_approves_their_own_critical_change_whatever_name_they_give(
    proposer: Person, decider: Person, state: ChangeState, *, critical: bool
) -> None:
    own = critical and state is ChangeState.APPROVED and proposer.user == decider.user
    with pytest.raises(BadInput, match="--actor makes nobody another person") if own else nullcontext():
        may_decide(CODE, proposer, decider, state, critical=critical)


def test_what_the_rule_pack_proposes_one_person_may_decide() -> None:
    may_decide(CODE, RULE_PACK, ALICE, ChangeState.APPROVED, critical=True)


def test_rejections_and_critical_approvals_need_a_reason() -> None:
    assert reason_for(ChangeState.APPROVED, None, critical=False) is None
    assert reason_for(ChangeState.APPROVED, "looked up", critical=True) == "looked up"
    with pytest.raises(BadInput, match="reject a change needs a reason"):
        reason_for(ChangeState.REJECTED, " ", critical=False)
    with pytest.raises(BadInput, match="approve a critical change needs a reason"):
        reason_for(ChangeState.APPROVED, None, critical=True)


@given(st.builds(ReferenceRow, *([st.text(max_size=8)] * 5), deprecated=st.booleans(), category=st.none() | st.text()))
def test_a_row_is_read_back_as_it_was_kept_but_what_is_left_open_is_none(row: ReferenceRow) -> None:
    kept = ReferenceRow.from_mapping({**row.as_mapping(), "of_another_version": 1})
    assert ReferenceRow.from_mapping(kept.as_mapping()) == kept
    assert kept == replace(row, category=row.category or None)
