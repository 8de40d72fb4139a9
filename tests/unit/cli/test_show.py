"""`show` reads every part of a document back, for people and for programs."""

import re

import pytest

from m365dq_dagster.cli import show
from m365dq_dagster.stages.report import rendered
from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

OF_THE_DOCUMENT = sorted(show.KEYS)
VIEWS = [*OF_THE_DOCUMENT, "quarantine", "provenance"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "name", ["oculus", "corrected", "blocked", "hostile", "overridden", "switched_off", "all_blocked"]
)
def test_every_view_is_neutral_and_no_wider_than_120_columns(view: str, name: str) -> None:
    result = call("show", "c", view, bench=HandedWorkbench(getattr(sample_document, name)()))
    assert result.exit_code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e]", result.stdout)
    assert len(result.stdout) < 60_000
    assert max(len(line) for line in result.stdout.splitlines()) <= 120


@pytest.mark.parametrize("view", [view for view in OF_THE_DOCUMENT if view != "summary"])
def test_a_view_as_json_is_its_part_of_the_document(view: str) -> None:
    document = sample_document.oculus()
    shown = call_json("show", "oculus", view, bench=HandedWorkbench(document))
    assert list(shown) == list(show.KEYS[view])
    assert shown == {key: document[key] for key in show.KEYS[view]}


def test_without_a_view_json_is_the_whole_document() -> None:
    document = sample_document.oculus()
    assert call_json("show", "oculus", bench=HandedWorkbench(document)) == document
    assert call_json("show", "oculus", "summary", bench=HandedWorkbench(document)) == document


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("summary", ("BREACH INDICATED", "Cannot be concluded: 218", "sha256:abab", "80 to 90 %", "Not tested")),
        (
            "summary",
            ("message_trace 12 rows (not judged)", "12 message_trace rows were taken in and are not judged yet"),
        ),
        ("summary", ("notes.txt: its first line", "Missing?", "8 hours without an event")),
        ("files", ("unified_audit_log, read as mes_ual_csv: 1 file", "ual/audit_1.csv", "UNRECOGNISED  notes.txt")),
        ("files", ("Not taken in: 1 file", "its first line names no column", "4 in all:", "23,341 rows read")),
        ("quality", ("Quality gate: PASS", "outcome_field_rejected", "quality-check-failure.md")),
        (
            "fields",
            ("status_error_code", "CORRUPTED", "Fields of sign_in_logs that may tell", "May testify", "Trust: sign_in"),
        ),
        ("accounts", ("user1@contoso.example", "COMPROMISE_INDICATED", " AU ", "V1: 24 of 24")),
        ("findings", ("F-001", "conditional_access_status", "SUCCESS_AFTER_REJECTIONS", "show oculus evidence F-001")),
        ("fields", ("Not in legacy_auth_logs: conditional_access_status.", "Other fields of sign_in_logs")),
        ("conflicts", ("ADDRESS_IN_TWO_COUNTRIES", "10 rows: 198.51.100.7", "Examples: e-1")),
        ("conflicts", ("ADDRESS_IN_TWO_COUNTRIES", "198.51.100.7 is placed")),
        ("indicators", ("MailItemsAccessed", "Sync: 3, Bind: 157")),
        (
            "completeness",
            ("HOLE: 1 lead", "silent for longer", "What to do: Export that time", "8 hours without an event"),
        ),
        ("quarantine", ("AUDITDATA_UNPARSABLE: 3 rows", "In ual/audit_1.csv (3)", "ual/audit_1.csv:17  17,not json")),
        ("quarantine", ("AuditData is no JSON object.", "What to do: Export again without", "(40,000 characters)")),
        (
            "quarantine",
            ("Long rows are cut; all of them, with their whole text: m365dq show oculus quarantine --json",),
        ),
        ("provenance", ("sign_in_logs, read as portal_signin_csv: 2 files (a.csv, b.csv)", "source:Status")),
        (
            "provenance",
            ("derived:location_part from Location in 1 file; absent in 1 file", "Not in these files: session_id"),
        ),
        ("provenance", ("Not in this file: nothing",)),
    ],
)
def test_a_view_shows_what_it_is_for(view: str, words: tuple[str, ...]) -> None:
    shown = call("show", "oculus", view, bench=HandedWorkbench(sample_document.oculus())).stdout
    for word in words:
        assert word in shown, word


def test_an_override_is_on_the_summary_and_the_quality_view() -> None:
    bench = HandedWorkbench(sample_document.overridden())
    assert "NOT VERIFIED" in call("show", "c", bench=bench).stdout
    assert "NOT VERIFIED" in call("show", "c", "quality", bench=bench).stdout
    assert " NO " in call("show", "c", "findings", bench=bench).stdout


def test_what_is_stale_or_judged_by_another_pack_is_said() -> None:
    document = {**sample_document.oculus(), "stale": ["findings"]}
    out = call("show", "c", bench=HandedWorkbench(document)).stdout
    assert "STALE: findings were made from other evidence" in out
    assert "Judged by another rule pack than the one in force" in out
    document["rule_pack"] = HandedWorkbench().pack_hash()
    assert "another rule pack" not in call("show", "c", bench=HandedWorkbench(document)).stdout


def test_an_unknown_view_names_the_views() -> None:
    result = call("show", "c", "everything")
    assert result.exit_code == 2
    assert "the views are summary, files" in result.stderr


def test_only_evidence_takes_a_finding_and_it_needs_one() -> None:
    assert "only `evidence` takes a finding" in call("show", "c", "files", "F-001").stderr
    assert "Say which finding" in call("show", "c", "evidence").stderr


def test_an_unknown_case_is_exit_2_with_one_sentence() -> None:
    result = call("show", "nobody", bench=HandedWorkbench())
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


class WithEvidence(HandedWorkbench):
    def evidence(self, case_id: str, finding: str) -> list[dict[str, object]]:
        return [
            {"file": "a.csv", "row": 12, "raw": "x," + sample_document.ESCAPE, "problem": None},
            {"file": "b.csv", "row": 3, "raw": None, "problem": "the file is gone"},
        ]


def test_evidence_prints_the_raw_lines_neutralised_or_says_why_not() -> None:
    lines = call("show", "c", "evidence", "F-001", bench=WithEvidence()).stdout.splitlines()
    assert lines[0].startswith("a.csv:12  x,\\x1b]0;owned")
    assert lines[1] == "b.csv:3  (the file is gone)"
    assert call_json("show", "c", "evidence", "F-001", bench=WithEvidence())["evidence"][1]["row"] == 3


def test_failed_checks_that_do_not_block_are_shown_and_a_passed_gate_has_no_empty_table() -> None:
    document = sample_document.oculus()
    document["quality"] = {
        "status": "PASS",
        "failed_checks": [],
        "notes": [{"check": "completeness_leads", "reason": "1 lead.", "runbook": "docs/runbooks/troubleshooting.md"}],
    }
    shown = call("show", "oculus", "quality", bench=HandedWorkbench(document)).stdout
    assert "completeness_leads" in shown
    assert "Failed checks" not in shown


def test_quarantine_as_json_holds_the_reasons_and_every_row_with_its_text() -> None:
    document = sample_document.oculus()
    shown = call_json("show", "oculus", "quarantine", bench=HandedWorkbench(document))
    assert shown == {"quarantine": document["quarantine"], "rows": sample_document.quarantined_rows()}


def test_provenance_as_json_is_every_file_with_every_field() -> None:
    shown = call_json("show", "oculus", "provenance", bench=HandedWorkbench(sample_document.oculus()))
    assert shown == {"provenance": sample_document.origins()}


def test_a_case_in_which_all_could_be_read_says_so() -> None:
    document = {**sample_document.oculus(), "quarantine": [], "completeness": []}
    assert "No row was set aside" in call("show", "c", "quarantine", bench=HandedWorkbench(document)).stdout
    told = call("show", "c", "completeness", bench=HandedWorkbench(document)).stdout
    assert "Nothing was noticed that is missing" in told
    assert "does not prove" in told


def test_rows_set_aside_are_counted_where_they_are_not_all_shown() -> None:
    document = sample_document.oculus()
    document["quarantine"][0]["rows"] = 12_345
    shown = call("show", "oculus", "quarantine", bench=HandedWorkbench(document)).stdout
    assert "3 of 12,345 rows are shown; all of them, with their whole text" in shown


class WithShortRows(HandedWorkbench):
    def quarantine(
        self, case_id: str, rows: int | None = None, characters: int | None = None
    ) -> list[dict[str, object]]:
        row = {"file": "a.csv", "row": None, "reason": "NEW_REASON", "detail": None, "raw": None, "characters": None}
        assert (rows, characters) == (show.RAW_ROWS, show.RAW_CHARACTERS)
        return [row]


def test_a_reason_of_another_version_and_a_row_without_text_are_shown_with_what_is_known() -> None:
    document = {**sample_document.oculus(), "quarantine": [{"reason": "NEW_REASON", "rows": 1}]}
    shown = call("show", "oculus", "quarantine", bench=WithShortRows(document)).stdout
    assert "NEW_REASON: 1 row" in shown
    assert "a.csv:-  -" in shown
    assert "are shown" not in shown


def test_a_case_without_a_file_has_no_provenance_and_says_so() -> None:
    class Bare(HandedWorkbench):
        def provenance(self, case_id: str) -> list[dict[str, object]]:
            return []

    assert "No file was taken in." in call("show", "c", "provenance", bench=Bare()).stdout


def test_many_leads_of_one_kind_are_cut_and_a_kind_without_a_guide_is_shown() -> None:
    lead = sample_document.oculus()["completeness"][0]
    odd = {"kind": "NEW_KIND", "log_type": None, "from": None, "to": None, "detail": "something new"}
    document = {**sample_document.oculus(), "completeness": [odd, *[lead] * 50]}
    shown = call("show", "oculus", "completeness", bench=HandedWorkbench(document)).stdout
    assert shown.index("HOLE: 50 leads") < shown.index("NEW_KIND: 1 lead")
    assert "and 30 more leads: m365dq show oculus completeness --json" in shown
    assert shown.count("8 hours without an event") == show.LEADS
    assert "something new" in shown


def test_sixty_files_and_archives_stay_readable() -> None:
    document = sample_document.oculus()
    one, other = document["files"][0], document["files"][3]
    files = [{**one, "path": f"evidence.zip/inner/sign_ins_{number:02d}.csv"} for number in range(60)]
    notes = [{**other, "path": f"evidence.zip/notes_{number}.txt"} for number in range(7)]
    opened = {**other, "path": "evidence.zip", "status": "IMPORTED", "reason": "An archive; see below.", "format": None}
    document["files"] = [opened, *files, *notes]
    shown = call("show", "oculus", "files", bench=HandedWorkbench(document)).stdout
    assert "sign_in_logs, read as powershell_numbered_csv: 60 files" in shown
    assert all(row["path"] in shown for row in document["files"])
    assert shown.count("its first line names no column") == 1
    assert "Opened: 1 file" in shown
    assert "An archive; see below." in shown
    assert "68 in all: 61 imported, 7 unrecognised" in shown
    assert len(shown.splitlines()) < 90


def test_the_summary_names_a_few_unread_files_and_says_where_the_rest_is() -> None:
    document = sample_document.oculus()
    document["files"] = [{**document["files"][3], "path": f"{n}.txt", "reason": f"reason {n}"} for n in range(9)]
    shown = call("show", "oculus", bench=HandedWorkbench(document)).stdout
    assert "4.txt: reason 4" in shown
    assert "5.txt" not in shown
    assert "and 4 more: m365dq show oculus files" in shown


def test_a_database_of_countries_and_what_is_told_of_the_field_are_shown() -> None:
    document = sample_document.oculus()
    document["country_database"] = {
        "file": "Countries.mmdb",
        "type": "Test-Country",
        "built": "2026-01-10T00:00:00Z",
        "rows_placed": {"sign_in_logs": 12},
    }
    place = {
        "log_type": "sign_in_logs",
        "field": "country",
        "role": "place",
        "state": "RELIABLE",
        "remarks": ["A remark."],
    }
    document["fields"] = [*document["fields"], place]
    bench = HandedWorkbench(document)
    for view in ("summary", "files"):
        assert "Countries.mmdb (type Test-Country, built 2026-01-10) placed 12 rows" in " ".join(
            call("show", "oculus", view, bench=bench).stdout.split()
        )
    assert "country: A remark." in call("show", "oculus", "fields", bench=bench).stdout


def with_parts() -> sample_document.Document:
    """The sample case with a field that changes, a rule that applied, and a field that differs by type."""
    document = sample_document.oculus()
    field = document["fields"][0]
    field["may_testify"] = True
    field["reasons"] = ["status_error_code gives an outcome on 9 of 10 rows."]
    field["change_points"] = [{"sentence": "From 2025-11-10 on status_error_code holds '0' throughout."}]
    field["parts"] = [{"sentence": "On the 4 rows of b.csv it is corrupted.", "heard": "NOT"}]
    field["rules"] = [
        {"id": "a-rule", "effect": "multiply", "factor": 0.9, "rows": 7, "because": "It is so.", "runbook": "a.md#b"}
    ]
    profile = {"applicable_rows": 40, "population": 1.0, "top_value": "0", "top_share": 0.9, "may_testify": True}
    field["by_sign_in_type"] = [
        {**profile, "sign_in_type": "interactiveuser", "state": "RELIABLE"},
        {
            **profile,
            "sign_in_type": "noninteractiveuser",
            "state": "CORRUPTED",
            "may_testify": False,
            "top_value": None,
        },
    ]
    absent = document["fields"][4]
    absent["reasons"] = ["conditional_access_status is empty in every row: by design."]
    absent["rules"] = [{"id": "b-rule", "effect": "not_applicable", "factor": None, "rows": 7, "because": "x"}]
    return document


def test_fields_show_in_one_sentence_why_and_below_it_what_changes_and_which_rules_applied() -> None:
    shown = call("show", "oculus", "fields", bench=HandedWorkbench(with_parts())).stdout
    for words in (
        "in part",
        "What changes within the log",
        "From 2025-11-10 on status_error_code holds '0' throughout.",
        "On the 4 rows of b.csv it is corrupted.",
        "Context rules that applied",
        "a-rule: status_error_code (score times 0.90, 7 rows). It is so. What to do: a.md#b",
        "Not the same on all sign-ins",
        "non-interactive",
        "Not in legacy_auth_logs, and why",
        "conditional_access_status is empty in every row: by design.",
    ):
        assert words in shown, words
    assert "b-rule" not in shown


def test_many_sentences_are_cut_with_where_to_read_on() -> None:
    document = with_parts()
    document["fields"][0]["parts"] = [{"sentence": f"Part {n}.", "heard": "NOT"} for n in range(30)]
    shown = call("show", "oculus", "fields", bench=HandedWorkbench(document)).stdout
    assert "and 11 more: --json gives all of them" in shown


def test_conflicts_of_one_kind_are_one_sentence_with_its_rows_and_examples() -> None:
    document = sample_document.oculus()
    document["conflicts"] = [
        {"kind": "ADDRESS_IN_TWO_COUNTRIES", "rows": 10, "detail": f"A{n}.", "example_event_ids": [f"e-{n}"]}
        for n in range(8)
    ]
    document["conflicts"].append({"kind": "ODD", "rows": 900, "detail": "Odd.", "example_event_ids": []})
    shown = call("show", "oculus", "conflicts", bench=HandedWorkbench(document)).stdout
    assert "80 rows: 8 addresses were placed in more than one country." in shown
    assert "and 3 more: --json gives all of them" in shown
    assert "Examples: e-0, e-1, e-2, e-3, e-4 and 3 more" in shown
    assert shown.index("900 rows: Odd.") < shown.index("80 rows")
    document["conflicts"] = []
    shown = call("show", "oculus", "conflicts", bench=HandedWorkbench(document)).stdout
    assert "No fields of this evidence were seen to contradict each other." in shown


def test_the_report_page_tells_what_changes_and_which_rules_applied() -> None:
    page = " ".join(rendered(with_parts(), "html").split())
    assert "From 2025-11-10 on status_error_code holds &#39;0&#39; throughout." in page
    assert "a-rule: status_error_code (score times 0.90, 7 rows)." in page


def test_corrections_are_told_with_what_became_of_them_and_what_misled() -> None:
    shown = call("show", "oculus", "corrections", bench=HandedWorkbench(sample_document.corrected())).stdout
    told = " ".join(shown.split())
    assert "1 case: taken back case was corrected to CANNOT_CONCLUDE" in told
    assert "4 case: in force" in told
    assert told.count("Fields that misled: sign_in_logs.conditional_access_status") == 4
    assert shown.count("was corrected to NO_BREACH_INDICATED") == 1


def test_a_case_without_corrections_says_so_and_one_whose_registry_is_gone_does_not() -> None:
    document = sample_document.oculus()
    assert (
        "No conclusion of this case was corrected."
        in call("show", "c", "corrections", bench=HandedWorkbench(document)).stdout
    )
    del document["corrections"]
    shown = call("show", "c", "corrections", bench=HandedWorkbench(document)).stdout
    assert "could not be read from the registry" in shown
    assert "No conclusion" not in shown


@pytest.mark.parametrize("view", [view for view in OF_THE_DOCUMENT if view != "corrections"])
def test_every_view_of_a_corrected_case_says_that_it_was_corrected(view: str) -> None:
    shown = call("show", "oculus", view, bench=HandedWorkbench(sample_document.corrected())).stdout
    assert shown.index("case was corrected to NO_BREACH_INDICATED") < shown.index("was corrected to NO_INDICATION")
    assert "CANNOT_CONCLUDE" not in shown.partition("travelling")[0]


def test_what_holds_nothing_back_stands_in_the_quality_view_and_above_the_findings() -> None:
    overridden = HandedWorkbench(sample_document.overridden())
    out = " ".join(call("show", "oculus", "quality", bench=overridden).stdout.split())
    assert "Passed over by the override" in out
    assert "Ask the portal how single sign-ins ended." in out
    assert "Every finding is not verified: quality gate overridden by jo until 2026-12-05" in " ".join(
        call("show", "oculus", "findings", bench=overridden).stdout.split()
    )
    off = call("show", "oculus", "quality", bench=HandedWorkbench(sample_document.switched_off())).stdout
    assert "Switched off by policy" in off
    assert "It was not asked." in off
