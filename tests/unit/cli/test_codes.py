"""`codes` from the command line: what is proposed, decided and said of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters import operating_user
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.stages.decisions import DecisionRow, decisions_text
from tests.support.program import call, call_json

NEW = ("sign_in_logs", "status_error_code", "999999")
ADD = ("codes", "add", *NEW, "--category", "bad_credentials", "--severity", "WARNING", "--meaning", "A thing")
APPROVE = ("codes", "approve", *NEW)


def become(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(operating_user, "_user_name", lambda: name)


def test_a_code_is_proposed_approved_and_known_at_once() -> None:
    said = call(*ADD).stdout
    assert said == (
        "Proposed as change 1; it waits for approval: m365dq codes approve sign_in_logs status_error_code 999999\n"
    )
    assert {row["state"] for row in call_json("codes", "lookup", "999999")} == {"PENDING"}
    assert "What waits is decided by m365dq codes approve" in call("codes", "list", "--state", "pending").stdout
    assert "Change 1 is approved: '999999' (bad_credentials, WARNING) is in force" in call(*APPROVE).stdout
    rows = call_json("codes", "lookup", "999999")
    assert {(row["log_type"], row["state"], row["category"]) for row in rows} == {
        (log_type, "ACTIVE", "bad_credentials")
        for log_type in ("sign_in_logs", "legacy_auth_logs", "unified_audit_log")
    }
    assert "nothing was proposed" in call(*ADD).stdout
    assert call_json(*ADD)["change"] is None
    again = call(*APPROVE)
    assert again.exit_code == 2
    assert "nothing waits for a decision" in again.stderr


def test_two_people_decide_what_is_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, "alice")
    critical = call_json(*ADD[:-4], "--severity", "CRITICAL", "--meaning", "A thing")
    assert critical["critical"]
    refused = call(*APPROVE, "--reason", "sure", "--actor", "Bob")
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "somebody else must approve it" in refused.stderr
    become(monkeypatch, "bob")
    assert call(*APPROVE).exit_code == 2
    done = call_json(*APPROVE, "--reason", "looked up", "--actor", "Robert")
    assert (done["state"], done["decided_by"], done["proposed_by"]) == ("APPROVED", "bob (as Robert)", "alice")
    shown = call("codes", "history", "999999").stdout
    assert "bob (as Robert)" in shown
    assert [row["who"] for row in call_json("codes", "history", "999999")] == ["alice", "bob (as Robert)"]


def test_old_and_new_are_shown_of_a_change() -> None:
    said = call("codes", "add", *NEW[:2], "50126", *ADD[5:]).stdout
    assert "What changes" in said
    assert "A thing" in said
    assert "it waits for approval" in said
    assert call("codes", "reject", *NEW[:2], "50126", "--reason", "no").stdout.endswith("stays as it was.\n")


def test_a_code_that_ships_as_pending_is_turned_down_and_shown_so() -> None:
    assert call("codes", "reject", *NEW[:2], "530031", "--reason", "later").exit_code == 0
    assert {row["state"] for row in call_json("codes", "lookup", "530031")} == {"REJECTED"}
    assert call_json("codes", "list", "--state", "PENDING") == []
    assert {row["code_value"] for row in call_json("codes", "list", "--state", "REJECTED")} == {"530031"}
    assert not [row for row in call_json("codes", "list") if row["state"] == "REJECTED"]


def test_a_code_is_deprecated_by_proposal() -> None:
    said = call("codes", "deprecate", *NEW[:2], "50126", "--reason", "withdrawn").stdout
    assert "deprecated" in said
    assert "it waits for approval" in said
    assert call("codes", "deprecate", *NEW[:2], "50126").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("codes", "approve"), "Give LOG_TYPE, FIELD and VALUE, or --from FILE"),
        (("codes", "approve", "sign_in_logs"), "Give LOG_TYPE, FIELD and VALUE, or --from FILE"),
        (("codes", "reject", *NEW), "Nothing waits for"),
        (("codes", "list", "--state", "lost"), "There is no state 'lost'; it is one of ACTIVE, PENDING, REJECTED"),
        (("codes", "list", "--severity", "FATAL"), "it is one of INFO, WARNING, CRITICAL"),
        ((*ADD[:4], "12", *ADD[5:]), "'12' is no Entra code"),
        ((*ADD[:2], "nowhere", *ADD[3:]), "There is no log type 'nowhere'"),
        (("codes", "history", "0\x1b[31m"), "Nothing is known of"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(words: tuple[str, ...], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_a_code_that_nobody_touched_has_no_history() -> None:
    assert call("codes", "history", "0").stdout.startswith("0 stands as the rule pack brought it")
    assert call_json("codes", "history", "0") == []


def test_lists_are_given_out_and_taken_in(tmp_path: Path) -> None:
    out = tmp_path / "codes.csv"
    assert f"PENDING) written to {out}." in call("codes", "export", str(out)).stdout
    back = call("codes", "import", str(out)).stdout
    assert "0 proposed" in back
    assert back.endswith("Nothing was changed.\n")
    assert call_json("codes", "export", str(tmp_path / "codes.json"))["rows"] > 1000
    public = tmp_path / "public.csv"
    rows = [f"{code},new" for code in range(910001, 910045)]
    public.write_text("\n".join(["Code,Description", "700084,one", "700084,other", "hello,x", *rows, *["x,y"] * 40]))
    dry = call("codes", "import", str(public), "--dry-run").stdout
    assert "DUPLICATE" in dry
    assert "and 2 more; --json gives all." in dry
    assert "44 would be proposed" in dry
    done = call_json("codes", "import", str(public))
    assert [row["change"] for row in done["proposed"]] == list(range(1, 45))
    said = call("codes", "import", str(public), "--log-type", "nowhere", "--field", "x")
    assert "UNREADABLE" in said.stdout
    critical = tmp_path / "critical.csv"
    critical.write_text("code_value,category,severity,meaning\n999999,app_config,CRITICAL,x\n")
    assert "1 of them are critical" in call("codes", "import", str(critical)).stdout


def test_the_list_is_filtered_and_names_who_answers_for_it() -> None:
    rows = call_json("codes", "list", "--severity", "critical", "--category", "password_correct_blocked")
    assert rows
    assert {(row["severity"], row["category"]) for row in rows} == {("CRITICAL", "password_correct_blocked")}
    assert call_json("codes", "list", "--deprecated") == []
    assert "sre@maia.local answers for the reference" in call("codes", "lookup", "50126").stdout


def test_refused_attempts_are_in_the_audit_log(registry: Registry) -> None:
    call(*ADD[:-4], "--severity", "CRITICAL", "--meaning", "A thing")
    call(*APPROVE, "--reason", "sure")
    actions = [entry.action for entry in registry.audit_entries()]
    assert actions == ["code-propose", "code-approve-refused"]
    assert json.dumps(registry.audit_entries()[-1].detail)


def test_a_file_of_decisions_is_carried_out_and_told_as_a_table(tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    rows = [
        DecisionRow(*NEW[:2], str(code), "bad_credentials", "", "", "WARNING", "m") for code in range(999990, 999993)
    ]
    decided = [replace(rows[0], decision="approve"), replace(rows[1], decision="reject", reason="no"), rows[2]]
    file.write_text(decisions_text(decided))
    shown = call("codes", "approve", "--from", str(file)).stdout
    assert "1 approved, 1 rejected, 1 left, 0 need a second person" in shown
    assert {row["state"] for row in call_json("codes", "lookup", "999990")} == {"ACTIVE"}
    again = call_json("codes", "reject", "--from", str(file), "--reason", "no")
    assert [row["result"] for row in again["lines"]] == ["LEFT", "REJECTED", "LEFT"]
    wrong = call("codes", "approve", *NEW, "--from", str(file))
    assert (wrong.exit_code, "or --from FILE" in wrong.stderr) == (2, True)


def test_cases_that_hold_what_a_file_approves_are_named(tmp_path: Path, registry: Registry) -> None:
    registry.record_sightings("c7", [(*NEW, 1, None, None)], datetime.now(UTC))
    file = tmp_path / "decisions.csv"
    file.write_text(decisions_text([DecisionRow(*NEW, "bad_credentials", "", "", "INFO", "m", decision="approve")]))
    assert "Cases that hold what was approved: c7." in call("codes", "approve", "--from", str(file)).stdout


def test_history_shows_old_and_new_of_a_change_and_the_gist_of_an_addition() -> None:
    call(*ADD)
    call(*APPROVE)
    call(*ADD[:-4], "--severity", "INFO", "--meaning", "A thing")
    shown = " ".join(call("codes", "history", "999999").stdout.split())
    assert "category: bad_credentials; first_factor: rejected; severity: WARNING; meaning: A thing" in shown
    assert "severity: WARNING -> INFO" in shown
