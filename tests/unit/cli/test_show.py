"""`show` reads every part of a document back, for people and for programs."""

import pytest

from m365dq_dagster.cli import show
from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

VIEWS = sorted(show.KEYS)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["oculus", "blocked", "hostile", "overridden", "all_blocked"])
def test_every_view_is_neutral_and_no_wider_than_120_columns(view: str, name: str) -> None:
    result = call("show", "c", view, bench=HandedWorkbench(getattr(sample_document, name)()))
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 120


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "summary"])
def test_a_view_as_json_is_its_part_of_the_document(view: str) -> None:
    document = sample_document.oculus()
    shown = call_json("show", "oculus", view, bench=HandedWorkbench(document))
    assert list(shown) == list(show.KEYS[view])
    assert shown[view] == document[view]


def test_without_a_view_json_is_the_whole_document() -> None:
    document = sample_document.oculus()
    assert call_json("show", "oculus", bench=HandedWorkbench(document)) == document
    assert call_json("show", "oculus", "summary", bench=HandedWorkbench(document)) == document


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("summary", ("BREACH INDICATED", "Cannot be concluded: 218", "sha256:abab", "80 to 90 %", "Not tested")),
        ("files", ("ual/audit_1.csv", "UNRECOGNISED", "notes.txt: its first line", "23,341 rows read")),
        ("quality", ("Quality gate: PASS", "outcome_field_rejected", "quality-check-failure.md")),
        (
            "fields",
            ("status_error_code", "CORRUPTED", "Fields of legacy_auth_logs", "NOT_APPLICABLE", "Trust: sign_in"),
        ),
        ("accounts", ("user1@contoso.example", "COMPROMISE_INDICATED", " AU ", "V1: 24 of 24")),
        ("findings", ("F-001", "conditional_access_status", "SUCCESS_AFTER_REJECTIONS", "show oculus evidence F-001")),
        ("conflicts", ("ADDRESS_IN_TWO_COUNTRIES", "198.51.100.7 is placed")),
        ("indicators", ("MailItemsAccessed", "Sync: 3, Bind: 157")),
        ("completeness", ("HOLE", "8 hours without an event")),
        ("quarantine", ("AUDITDATA_UNPARSABLE", "3")),
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
    assert "Judged by another rule pack than the installed one" in out
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
