"""Two judgements of a case side by side: everything that differs is told, nothing else is, and why stands beside it."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.code_changes import ReferenceRow
from m365dq_dagster.core.differences import (
    PackSide,
    RuleChange,
    Tally,
    account_word,
    compare,
    moved,
    reasons,
    rule_changes,
    said,
    sentence,
)

PLACE = ("sign_in_logs", "status_error_code")
CODE = ReferenceRow(*PLACE, "50126", "wrong", "WARNING", category="bad_credentials", first_factor="rejected")
NEW = replace(CODE, code_value="512345", category="password_correct_blocked", first_factor="likely_accepted")
WORD = ReferenceRow("sign_in_logs", "status", "Sucess", "misspelt", "INFO", category="SUCCESS")


def document(**parts: Any) -> dict[str, Any]:
    body = {
        "case": "tiny", "generation": "g1", "started_at": "2026-03-02T09:30:00+00:00", "rule_pack": "sha256:a",
        "status": "CANNOT_CONCLUDE", "confidence": "LOW", "headline": "h", "context": {"home_countries": ["AU"]},
        "accounts": [{"account": "a@x", "verdict": "CANNOT_CONCLUDE", "confidence": "LOW", "success": 1, "unknown": 1},
                     {"account": "b@x", "verdict": "NO_INDICATION", "confidence": "LOW", "success": 3, "unknown": 0}],
        "unknown_codes": [{"log_type": PLACE[0], "field": PLACE[1], "value": "512345", "rows": 1}],
        "findings": [{"id": "F-001", "claim": "c", "severity": "WARNING"}],
        "fields": [{"log_type": PLACE[0], "field": PLACE[1], "state": "RELIABLE", "score": 0.5, "may_testify": True}],
        "recommended": {PLACE[0]: {"field": PLACE[1], "score": 0.5, "confidence": "LOW", "reasons": ["r"]}},
        "by_log_type": {PLACE[0]: {"by_outcome": {"SUCCESS": 4, "UNKNOWN": 1}}},
        "files": [{"path": "a.csv", "sha256": "1", "status": "IMPORTED"}], "quality": {"override": None},
    }  # fmt: skip
    return {**body, **parts}


AFTER = document(
    generation="g2", rule_pack="sha256:b", status="NO_BREACH_INDICATED", confidence="MEDIUM", unknown_codes=[],
    accounts=[{"account": "a@x", "verdict": "CREDENTIAL_EXPOSED", "confidence": "LOW", "success": 1, "unknown": 0},
              {"account": "b@x", "verdict": "NO_INDICATION", "confidence": "LOW", "success": 3, "unknown": 0}],
    by_log_type={PLACE[0]: {"by_outcome": {"SUCCESS": 4, "BLOCKED_AFTER_FIRST_FACTOR": 1}}},
)  # fmt: skip
BEFORE_ROWS: Tally = {(PLACE[0], "0", "SUCCESS"): 4, (PLACE[0], "512345", "UNKNOWN"): 1}
AFTER_ROWS: Tally = {(PLACE[0], "0", "SUCCESS"): 4, (PLACE[0], "512345", "BLOCKED_AFTER_FIRST_FACTOR"): 1}
PACKS = (PackSide((CODE, WORD)), PackSide((CODE, WORD, NEW)))


def test_a_judgement_compared_with_itself_has_not_changed_and_that_is_said() -> None:
    found = compare(document(), document(generation="g2"), (BEFORE_ROWS, BEFORE_ROWS), (PackSide(), PackSide()))
    assert found.is_empty
    assert found.same_pack
    assert sentence(found) == "Nothing changed: case tiny is judged as before, CANNOT CONCLUDE (LOW)."
    assert reasons(found) == []
    assert found.as_mapping()["changed"] is False


def test_an_approved_code_changes_what_leaned_on_it_and_nothing_else() -> None:
    found = compare(document(), AFTER, (BEFORE_ROWS, AFTER_ROWS), PACKS)
    assert sentence(found) == (
        "Case tiny was judged CANNOT CONCLUDE (LOW), and is now judged NO BREACH INDICATED (MEDIUM)."
    )
    (account,) = found.accounts
    assert (account.what, account.before, account.after) == (
        "a@x",
        {"verdict": "CANNOT_CONCLUDE", "unknown": 1},
        {"verdict": "CREDENTIAL_EXPOSED", "unknown": 0},
    )
    assert found.outcomes
    assert [(one.code, dict(one.before), dict(one.after)) for one in found.outcomes] == [
        ("512345", {"UNKNOWN": 1}, {"BLOCKED_AFTER_FIRST_FACTOR": 1})
    ]
    assert [(one.what, one.after) for one in found.unknown] == [("sign_in_logs.status_error_code.512345", None)]
    assert (found.findings, found.fields, found.recommended, found.inputs) == ((), (), (), ())
    assert reasons(found) == [
        "code 512345: not there -> password_correct_blocked (BLOCKED_AFTER_FIRST_FACTOR), first factor "
        "likely_accepted; 1 row of this case"
    ]


def test_the_same_verdict_on_other_grounds_is_told_as_such() -> None:
    found = compare(document(), document(unknown_codes=[]))
    assert sentence(found) == ("Case tiny is judged as before, CANNOT CONCLUDE (LOW); what it rests on has changed.")


def test_findings_are_matched_by_what_they_are_about() -> None:
    first, second = {"claim": "c1", "account": "a@x"}, {"claim": "c2", "account": "b@x"}
    found = compare(document(findings=[first]), document(findings=[{**first, "severity": "CRITICAL"}, second]))
    assert [(one.what, one.before is None) for one in found.findings] == [("a@x", False), ("b@x", True)]
    assert found.findings[0].after == {"severity": "CRITICAL"}


def test_without_the_rows_of_a_side_outcomes_are_compared_by_log() -> None:
    found = compare(document(), AFTER)
    assert found.outcomes is None
    (totals,) = found.totals
    assert totals.before == {"UNKNOWN": 1, "BLOCKED_AFTER_FIRST_FACTOR": None}
    assert reasons(found) == ["The rule pack of one side was not kept, so its rows cannot be compared."]


def test_what_was_judged_is_told_among_the_reasons() -> None:
    files = [
        {"path": "a.csv", "sha256": "2", "status": "IMPORTED"},
        {"path": "b.csv", "sha256": "3", "status": "EMPTY"},
    ]
    after = document(files=files, context={"home_countries": ["NZ"]}, quality={"override": {"reason": "r"}})
    found = compare(document(), after, None, (PackSide(), PackSide()))
    assert reasons(found) == [
        "context: home_countries ['AU'] -> ['NZ']",
        "file a.csv: sha256 1 -> 2",
        "file b.csv: new",
        "override: new",
    ]
    assert reasons(compare(after, document(), None, (PackSide(), PackSide())))[2:] == [
        "file b.csv: gone",
        "override: gone",
    ]


def test_documents_of_another_version_lack_parts_and_are_compared_all_the_same() -> None:
    found = compare({}, {"case": "tiny", "status": "ODD"})
    assert sentence(found) == "Case tiny was judged None (None), and is now judged ODD (None)."


def test_a_rule_says_what_follows_from_it() -> None:
    assert said(None) == ""
    assert said(CODE) == "bad_credentials (REJECTED), first factor rejected"
    assert said(replace(CODE, deprecated=True)).endswith(", deprecated")
    assert said(replace(CODE, category="app_config")).startswith("app_config (NOT_GRANTED)")
    assert said(replace(CODE, state="PENDING")) == "bad_credentials, pending: unknown to the judge"
    assert said(WORD) == "SUCCESS, INFO"


def test_rules_that_this_case_holds_come_first_then_numbers_then_files() -> None:
    before = PackSide((CODE, WORD), {"breach.min_attempts": 5, "gone": 1}, {"a.yaml": "1", "b.yaml": "1"})
    changed = (replace(CODE, meaning="other"), replace(WORD, category="FAILURE"), NEW)
    after = PackSide(changed, {"breach.min_attempts": 6, "new": True}, {"a.yaml": "2", "c.yaml": "1"})
    found = rule_changes(before, after, AFTER_ROWS)
    assert [(one.file, one.key, one.before, one.after, one.rows) for one in found] == [
        ("code", "512345", "", said(NEW), 1),
        ("value", "sign_in_logs.status 'Sucess'", "SUCCESS, INFO", "FAILURE, INFO", None),
        ("policy", "breach.min_attempts", "5", "6", None),
        ("policy", "gone", "1", "", None),
        ("policy", "new", "", "True", None),
        ("file", "a.yaml", "one version", "another version", None),
        ("file", "b.yaml", "there", "", None),
        ("file", "c.yaml", "", "there", None),
        ("code", "50126", "meaning wrong", "meaning other", 0),
    ]
    assert [one.key for one in found if one.wording] == ["50126"]
    assert rule_changes(before, before, {}) == ()
    loud = rule_changes(PackSide((CODE,)), PackSide((replace(CODE, severity="CRITICAL", meaning="other"),)), {})
    assert [(one.before, one.wording) for one in loud] == [("meaning wrong, severity WARNING", False)]
    assert RuleChange("code", "512345", "", said(NEW), None) in rule_changes(before, after, {})


def test_the_verdict_on_an_account_is_told_in_words() -> None:
    assert account_word("TARGETED") == "targeted"
    assert account_word("ODD") == "ODD"


tallies = st.dictionaries(
    st.tuples(st.just(PLACE[0]), st.sampled_from(["", "0", "50126"]), st.sampled_from(["SUCCESS", "UNKNOWN"])),
    st.integers(1, 9),
)


@given(tallies, tallies)
def test_rows_moved_exactly_where_the_two_sides_count_otherwise(before: Tally, after: Tally) -> None:
    found = {(one.log_type, one.code): one for one in moved(before, after)}
    for log_type, code, outcome in {*before, *after}:
        pair = (before.get((log_type, code, outcome)), after.get((log_type, code, outcome)))
        if pair[0] != pair[1]:
            one = found[(log_type, code)]
            assert (one.before.get(outcome), one.after.get(outcome)) == pair
    assert moved(before, before) == ()


def test_rows_that_only_say_the_same_in_other_words_are_one_reason() -> None:
    packs = PackSide((CODE, WORD)), PackSide(tuple(replace(row, meaning="other") for row in (CODE, WORD)))
    found = compare(document(), document(rule_pack="sha256:b"), None, packs)
    assert reasons(found) == [
        "2 rows of the reference say the same in other words: 50126, sign_in_logs.status 'Sucess'."
    ]
