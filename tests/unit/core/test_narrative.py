"""The sentences say what the document holds, no more."""

import re
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core import narrative
from m365dq_dagster.core.completeness import CompletenessKind
from tests.support import sample_document


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.94, "94 %"), (0.8034, "80.3 %"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.0, "0 %"), (0.00001, "< 0.1 %"),
        (None, "-"), (1, "100 %"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_all_or_nothing(share: object, shown: str) -> None:
    assert narrative.percent(share) == shown


def test_counts_and_scores_have_a_dash_for_none() -> None:
    assert (narrative.count(1234), narrative.count(None)) == ("1,234", "-")
    assert (narrative.score(0.984), narrative.score(None)) == ("0.98", "-")


def test_plurals() -> None:
    assert narrative.plural(1, "file") == "1 file"
    assert narrative.plural(2, "file") == "2 files"
    assert narrative.plural(2, "success", "successes") == "2 successes"


def test_the_reason_is_the_headline_without_what_stands_above_it_anyway() -> None:
    assert narrative.why(sample_document.oculus()).startswith("8 accounts are in use by somebody else; the evidence")
    assert narrative.why(sample_document.blocked()) == "A check that guards every conclusion failed."
    assert narrative.why(sample_document.all_blocked()).startswith("All blocked, 4 of 4 attempts failed")
    assert narrative.why({}) == ""


def test_a_withheld_verdict_has_no_confidence() -> None:
    assert narrative.confidence(sample_document.oculus()) == "MEDIUM"
    assert narrative.confidence(sample_document.blocked()) == ""


def test_an_open_point_that_the_reason_tells_is_not_told_twice() -> None:
    document = {**sample_document.oculus(), "cannot_conclude": ["the evidence holds 188", "another point"]}
    assert narrative.open_points(document) == ["another point"]


def test_the_name_of_the_case_is_not_repeated_before_a_sentence() -> None:
    document = sample_document.blocked()
    document["quality"]["failed_checks"][0]["reason"] = "Case stuck: nothing testifies."
    document["cannot_conclude"] = ["Case stuck: nothing testifies."]
    assert narrative.failed_checks(document)[0]["reason"] == "nothing testifies."
    assert narrative.open_points(document) == ["nothing testifies."]


def test_times_are_read_to_the_second_and_other_text_stays() -> None:
    assert narrative.moment("2026-03-01T08:00:00.657487+00:00") == "2026-03-01 08:00:00 UTC"
    assert narrative.moment("2026-03-01T08:00:00") == "2026-03-01 08:00:00"
    assert narrative.moment("-") == "-"


def test_an_unknown_verdict_is_shown_as_it_is() -> None:
    assert narrative.verdict_word({"status": "NEW_WORD"}) == "NEW_WORD"
    assert narrative.verdict_word(sample_document.oculus()) == "BREACH INDICATED"


def test_accounts_come_worst_first_and_unknown_verdicts_last() -> None:
    document = sample_document.oculus()
    document["accounts"].append({"account": "odd", "verdict": "NEW_WORD"})
    names = [row["account"] for row in narrative.accounts_worst_first(document)]
    assert names[0] == "user1@contoso.example"
    assert names[8] == "traveller@contoso.example"
    assert names[-1] == "odd"


def test_trust_names_the_field_and_what_it_stands_in_for() -> None:
    assert narrative.trusted(sample_document.oculus()) == [
        "sign_in_logs: judge by conditional_access_status (score 0.51), not by status_error_code",
        "unified_audit_log: judge by operation (score 0.97)",
    ]
    assert narrative.trusted({"recommended": {"a": None, "b": {"field": None}}}) == []
    assert narrative.trusted({"recommended": {"new_log": {"field": "x", "score": 1}}})[0].startswith(
        "new_log: judge by x"
    )


def test_distrust_gathers_fields_with_one_reason_and_leaves_out_what_does_not_apply() -> None:
    sentences = narrative.distrusted(sample_document.oculus())
    assert len(sentences) == 1
    assert sentences[0].startswith("sign_in_logs: status_error_code and status: corrupted, the export wrote the type")
    assert "100 % hold" in sentences[0]
    assert sample_document.TYPE_NAME[-10:] in sentences[0]


def test_a_sound_field_that_is_not_heard_is_not_distrusted() -> None:
    field = {"log_type": "a", "field": "failure_reason", "role": "outcome", "may_testify": False, "state": "RELIABLE"}
    assert narrative.distrusted({"fields": [field]}) == []
    assert narrative.distrusted({"fields": [{**field, "state": "CONTRADICTED"}]}) == [
        "a: failure_reason: contradicted by other fields"
    ]


def test_a_field_without_a_known_cause_is_described_by_its_state() -> None:
    assert narrative.field_reason({"state": "CONTRADICTED"}) == "contradicted by other fields"
    assert narrative.field_reason({"state": "NEW", "cause": "NEW"}) == "NEW"


def test_a_long_value_keeps_both_ends() -> None:
    assert narrative.elided("short") == "short"
    assert len(narrative.elided("x" * 100, 24)) == 24
    assert narrative.elided("ab" + "x" * 100 + "yz", 12).endswith("yz")


def test_unknown_codes_and_values_are_listed_with_their_rows() -> None:
    assert narrative.unknowns(sample_document.oculus()) == [
        "unknown code '512345' in unified_audit_log.error_number (2 rows)",
        "unknown value 'Sucess' in sign_in_logs.result (84 rows)",
    ]


def unknown(value: str, rows: int, **more: object) -> dict[str, object]:
    where = {"log_type": "unified_audit_log", "field": "operations", "canonical_field": "operation"}
    return {**where, "value": value, "rows": rows, "values": 1, "alerts": False, **more}


def test_unknown_values_that_tell_no_outcome_share_a_sentence_a_field() -> None:
    rows = [unknown(f"Odd{number}", 9 - number) for number in range(4)]
    rows[3]["values"] = 30
    few = unknown("999", 1, canonical_field="record_type")
    assert narrative.unknowns({"unknown_values": [*rows, few]}) == [
        "33 unknown values in unified_audit_log.operation (30 rows): the commonest 'Odd0' (9), 'Odd1' (8) and 'Odd2' "
        "(7)",
        "1 unknown value in unified_audit_log.record_type (1 row): '999' (1)",
    ]


def test_unknown_codes_come_with_their_moments_and_what_waits() -> None:
    code = {"log_type": "l", "field": "f", "value": "1", "rows": 2, "first": "2026-01-05T09:00:00Z"}
    found = [{**code, "last": "2026-01-06T09:00:00Z"}, {**code, "last": code["first"], "proposed": True}]
    assert narrative.unknowns({"unknown_codes": found}) == [
        "unknown code '1' in l.f (2 rows, 2026-01-05 09:00:00 UTC to 2026-01-06 09:00:00 UTC)",
        "unknown code '1' in l.f (2 rows, 2026-01-05 09:00:00 UTC); it is a proposal that waits for approval",
    ]


def test_what_a_verdict_leaned_on_is_said_in_one_line() -> None:
    row = {"field": "status_error_code", "value": "512345", "rows": 2}
    assert narrative.leaned({}) == ""
    assert narrative.leaned({"leaned_on_unknown": [row] * 5}) == (
        ", ".join(["512345 in status_error_code (2 rows)"] * 3) + " and 2 more"
    )


def test_the_ledger_in_one_sentence_balances() -> None:
    assert narrative.files_summary(sample_document.oculus()) == (
        "3 imported, 1 unrecognised; 23,341 rows read = 23,326 kept + 12 duplicate + 3 set aside as unreadable"
    )
    assert narrative.files_summary({"files": [{"status": "ODD"}]}).startswith("1 odd; 0 rows read")
    assert narrative.files_summary({}).startswith("no files; 0 rows")


def test_files_that_were_not_read_come_with_their_reason() -> None:
    assert narrative.unread(sample_document.oculus()) == ["notes.txt: its first line names no column of a known export"]


def test_leads_on_missing_evidence_are_told_by_log_type() -> None:
    assert narrative.gaps(sample_document.oculus()) == [
        "unified_audit_log: 8 hours without an event where 20 minutes are usual"
    ]


def test_leads_that_weigh_most_come_first_and_those_of_one_kind_are_told_once() -> None:
    leads = [{"kind": "NEW", "detail": "n"}, {"kind": "HOLE", "detail": "h"}, {"kind": "GONE_FILE", "detail": "g"}]
    document = {"completeness": [*leads, {"kind": "HOLE", "detail": "another"}]}
    assert narrative.gaps(document) == ["g", "h (and 1 more like it)", "n"]
    assert [(group.kind, len(group.rows)) for group in narrative.gap_groups(document)] == [
        ("GONE_FILE", 1), ("HOLE", 2), ("NEW", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", sorted(narrative.GAP_GUIDE))
def test_every_kind_of_lead_has_a_meaning_and_something_to_do(kind: str) -> None:
    group = narrative.gap_groups({"completeness": [{"kind": kind, "detail": "x"}]})[0]
    assert group.means.endswith(".")
    assert group.what_to_do.endswith(".")


def test_the_page_of_the_document_lists_every_kind_of_lead() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "json.md"
    line = next(line for line in page.read_text(encoding="utf-8").splitlines() if "`kind` of `completeness`" in line)
    assert set(re.findall(r"`([A-Z_]+)`", line)) == set(narrative.GAP_GUIDE)


def test_a_kind_without_a_guide_is_shown_without_advice() -> None:
    group = narrative.gap_groups({"completeness": [{"kind": "NEW", "detail": "x"}]})[0]
    assert (group.means, group.what_to_do) == ("", "")


def test_files_with_one_reason_are_told_in_one_sentence() -> None:
    files = [{"path": f"{name}.zip", "status": "REFUSED", "reason": "An archive."} for name in "abcde"]
    document = {"files": [*files, {"path": "x.txt", "status": "EMPTY", "reason": "No bytes."}]}
    assert narrative.unread(document) == ["a.zip, b.zip, c.zip and 2 more: An archive.", "x.txt: No bytes."]


def test_a_file_that_was_taken_in_may_carry_a_remark_and_is_not_called_unread() -> None:
    one = {"log_type": "sign_in_logs", "status": "IMPORTED"}
    told = {**one, "path": "a.csv", "reason": "Read as day first."}
    document = {"files": [told, {**one, "path": "b.csv", "date_order": "AMBIGUOUS"}, {**one, "path": "c.csv"}]}
    assert narrative.unread(document) == []
    first, second = narrative.remarks(document)
    assert first == "a.csv: Read as day first."
    assert second.startswith("b.csv: Its dates do not tell which number is the day")


def test_logs_that_were_judged_come_first_with_the_reach_of_their_files() -> None:
    document = sample_document.oculus()
    document["files"][0].update(first_event="2025-11-01T00:00:00Z", last_event="2025-11-20T00:00:00Z")
    signs, trace = narrative.logs(document)
    assert (signs.log_type, signs.rows, signs.judged) == ("sign_in_logs", 2975, True)
    assert (signs.first, signs.last) == ("2025-11-01T00:00:00Z", "2025-11-20T00:00:00Z")
    assert (trace.log_type, trace.judged, trace.first) == ("message_trace", False, "2025-11-10T00:00:00Z")
    assert narrative.logs_summary(document) == "sign_in_logs 2,975 rows; message_trace 12 rows (not judged)"
    assert narrative.logs_summary({}) == "none"


def test_behind_a_gate_that_said_no_no_log_was_judged() -> None:
    assert [line.judged for line in narrative.logs(sample_document.blocked())] == [False, False]


def test_logs_that_are_not_judged_are_named_in_one_sentence() -> None:
    logs: dict[str, Any] = {"a": {"events": 1, "judged": False}, "b": {"events": 3}}
    assert narrative.unjudged({"by_log_type": logs}) == [
        "1 a row was taken in and is not judged yet: nothing is concluded from it."
    ]
    logs["c"] = {"events": 1200, "judged": False}
    assert narrative.unjudged({"by_log_type": logs}) == [
        "1 a row and 1,200 c rows were taken in and are not judged yet: nothing is concluded from them."
    ]
    assert narrative.unjudged({}) == []


def test_a_list_within_a_sentence() -> None:
    assert [narrative.listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_reasons_come_by_rows_and_name_their_files_with_a_bound() -> None:
    rows = [{"reason": "A", "rows": 1}, {"reason": "B", "rows": 2}]
    assert [row["reason"] for row in narrative.set_aside({"quarantine": rows})] == ["B", "A"]
    files = [{"path": f"{n}.csv", "rows": 1000} for n in range(10)]
    assert (
        narrative.files_of({"files": files, "file_count": 300}, 2) == "0.csv (1,000), 1.csv (1,000) and 298 more files"
    )
    assert narrative.files_of({"files": files[:1]}) == "0.csv (1,000)"


def test_a_huge_value_does_not_swallow_the_sentence_it_stands_in() -> None:
    document = sample_document.hostile()
    assert all(len(line) < 500 for line in narrative.unjudged(document))
    assert narrative.unknowns(document)[0].endswith("(2 rows)")


def test_the_origins_of_files_of_one_format_are_told_together() -> None:
    signs, audit, trace = narrative.origins(sample_document.origins())
    assert signs.files == ["a.csv", "b.csv"]
    assert signs.present == [
        ("country", "derived:location_part from Location in 1 file; absent in 1 file"), ("status", "source:Status"),
    ]  # fmt: skip
    assert signs.absent == ["session_id"]
    assert (audit.present, audit.absent) == ([], [])
    assert trace.log_type == "message_trace"


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert narrative.some(["a", "b"]) == "a, b"
    assert narrative.some([str(number) for number in range(10)], 2) == "0, 1 and 8 more"


def test_stale_tables_are_named() -> None:
    assert narrative.stale(sample_document.oculus()) == ""
    assert narrative.stale({"stale": ["flows", "findings"]}).startswith("STALE: flows, findings were made from")


def test_the_figures_give_all_three_ratios_by_name() -> None:
    everything, foreign = narrative.sign_in_figures(sample_document.oculus())
    assert "2,975 rows (2,900 separate sign-ins): 2,711 succeeded" in everything
    assert foreign == (
        "188 successes: 80.3 % of the attempts from abroad, 6.9 % of all successes, 6.3 % of all sign-ins"
    )


def test_an_interrupted_step_is_not_called_undecided() -> None:
    document = sample_document.oculus()
    document["sign_ins"]["by_outcome"] = {"INTERRUPTED": 6, "CONFLICT": 1, "UNKNOWN": 1}
    assert "0 succeeded, 0 failed, 6 interrupted, 2 undecided;" in narrative.sign_in_figures(document)[0]


def test_the_figures_without_foreign_attempts_or_sign_ins_say_so() -> None:
    assert "n/a of the attempts from abroad, n/a of all" in narrative.sign_in_figures(sample_document.all_blocked())[1]
    assert narrative.sign_in_figures(sample_document.blocked()) == ["no sign-ins were judged"]


def test_outcomes_are_counted_in_words_and_empty_ones_left_out() -> None:
    document = {"sign_ins": {"by_outcome": {"NEW": 2, "UNKNOWN": 1, "SUCCESS": 3, "REJECTED": 0}}}
    assert narrative.outcomes(document) == ["3 succeeded", "1 outcome unknown", "2 NEW"]


def test_reasons_are_sentences_and_a_field_without_any_is_described_by_its_state() -> None:
    assert narrative.reasons({"reasons": ["one. ", "two"]}) == "one. two."
    assert narrative.field_why({"reasons": ["It is stuck."], "state": "UNIFORM"}) == "It is stuck."
    assert narrative.field_why({"reasons": [], "state": "RELIABLE"}) == "reliable"


def test_an_override_is_never_silent() -> None:
    assert narrative.override_banner(sample_document.oculus()) == ""
    banner = narrative.override_banner(sample_document.overridden())
    assert all(word in banner for word in ("NOT VERIFIED", "jo", "2026-12-05", "lab exercise"))


@pytest.mark.parametrize("odd", [{"files": None}, {"files": "x"}, {"files": [1, None]}, {}])
def test_missing_parts_are_empty(odd: dict[str, Any]) -> None:
    assert narrative.items(odd, "files") == []
    assert narrative.part(odd, "files") == {}
    assert narrative.texts(odd, "other") == []


def test_a_file_that_has_gone_and_whose_rows_were_kept_is_not_called_unread() -> None:
    kept = {"path": "a.csv", "reason": "This file has gone from the folder.", "status": "ALREADY_IMPORTED"}
    lost = {"path": "b.bin", "reason": "This is no text.", "status": "UNRECOGNISED"}
    assert narrative.unread({"files": [kept, lost]}) == ["b.bin: This is no text."]


def test_an_override_of_a_gate_that_passed_does_not_say_that_it_said_no() -> None:
    override = {"actor": "ann", "expires": "2026-12-01", "reason": "court date"}
    banner = narrative.override_banner({"quality": {"failed_checks": [], "override": override}})
    assert banner == "NOT VERIFIED: ann asked to skip the quality gate until 2026-12-01 (reason: court date)."


def test_a_file_without_a_reason_is_listed_all_the_same() -> None:
    assert list(narrative.by_reason([{"path": "a", "reason": None}])) == ["No reason was noted."]


def test_every_kind_of_lead_has_its_words() -> None:
    assert set(narrative.GAP_GUIDE) == {str(kind) for kind in CompletenessKind}


LOOKED_UP = {
    "file": "Countries.mmdb",
    "type": "Test-Country",
    "built": "2026-01-10T00:00:00Z",
    "trusted": True,
    "addresses_compared": 9,
    "addresses_differing": 1,
    "rows_placed": {"unified_audit_log": 48, "sign_in_logs": 2},
}


def test_a_database_of_countries_is_told_in_one_sentence_and_none_in_none() -> None:
    assert narrative.places({"country_database": None}) == ""
    assert narrative.places({"country_database": LOOKED_UP}) == (
        "Countries.mmdb (type Test-Country, built 2026-01-10) placed 50 rows that no export gives a country; "
        "it differs from the exports on 1 of 9 addresses"
    )
    doubted = {**LOOKED_UP, "trusted": False, "rows_placed": {}}
    assert narrative.places({"country_database": doubted}).endswith("on 1 of 9 addresses and placed nothing")


def test_an_indicator_says_what_its_rows_come_to() -> None:
    assert narrative.split_of({"detail": {"Sync": 3, "Bind": 1570}}) == "Sync: 3, Bind: 1,570"
    assert narrative.split_of({"after_foreign_success": 2}) == "2 of them after a foreign success"


def test_only_corrections_in_force_are_told_that_on_the_case_first() -> None:
    assert narrative.correction_banners(sample_document.oculus()) == []
    assert narrative.correction_banners({"case": "c"}) == []
    document = sample_document.corrected()
    first, second = narrative.correction_banners(document)
    account = document["accounts"][0]["account"]
    assert first.startswith("case was corrected to NO_BREACH_INDICATED")
    assert second.startswith(f"{account} was corrected to NO_INDICATION")
    subjects = (None, account, "other@x.example")
    assert [narrative.corrected_to(document, one) for one in subjects] == ["NO_BREACH_INDICATED", "NO_INDICATION", ""]


def test_an_override_that_has_ended_is_told_before_everything_else() -> None:
    banner = narrative.override_banner(sample_document.lapsed())
    assert banner.startswith("The override ended on 2026-11-30 by boss; this verdict no longer stands, run the case")
    assert "NOT VERIFIED: the quality gate said no, and jo (user analyst) overrode it until 2026-12-05" in banner


def test_what_was_passed_over_is_told_with_what_stands_in_for_it() -> None:
    (row,) = narrative.passed_over(sample_document.overridden())
    assert row["compensated_by"] == "Ask the portal how single sign-ins ended."
    assert narrative.passed_over(sample_document.oculus()) == []


def test_checks_that_are_switched_off_are_told_those_that_block_first() -> None:
    document = sample_document.switched_off()
    gate, suite = narrative.switched_off(document)
    assert gate["reason"] == "It would have failed: 60 rows."
    assert suite["reason"] == "It was not asked."
    assert narrative.switch_banner(document) == (
        "NOT VERIFIED: switched off by policy, though nothing may be concluded without it: quarantine_share. "
        "Switched off by policy besides: sign_in_logs_as_expected."
    )
    document["quality"]["switched_off"].pop()
    assert narrative.switch_banner(document) == "Switched off by policy: sign_in_logs_as_expected."
    assert narrative.switch_banner(sample_document.oculus()) == ""


def test_a_verdict_that_is_not_verified_or_no_longer_stands_says_so_beside_its_confidence() -> None:
    found = [narrative.verdict_line(getattr(sample_document, name)()) for name in ("oculus", "overridden", "lapsed")]
    assert found == [
        "BREACH INDICATED, confidence MEDIUM",
        "BREACH INDICATED, confidence MEDIUM, not verified",
        "BREACH INDICATED, confidence MEDIUM, no longer stands",
    ]
    assert narrative.verdict_line(sample_document.blocked()) == "CANNOT CONCLUDE"
