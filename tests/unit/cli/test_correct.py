"""`m365dq correct` from the command line: recorded, told everywhere, listed, taken back; and what it proposes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.core.context_rules import parse_rules
from m365dq_dagster.stages.published import read_document
from tests.support.judged_home import ACCOUNT, judge_two
from tests.support.program import call, call_json

WRONG = ("--verdict", "ALL_BLOCKED", "--reason", "the export was of another tenant")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two small cases were judged."""
    return judge_two(tmp_path_factory.mktemp("judged"))


@pytest.fixture(autouse=True)
def here(judged: Path, home: Path) -> Path:
    """Every test works in a copy of it."""
    return Path(shutil.copytree(judged, home, dirs_exist_ok=True))


def test_a_correction_is_told_wherever_the_case_is(here: Path) -> None:
    made = call("correct", "c1", "F-001", *WRONG, "--actor", "Bob")
    assert made.exit_code == 0, made.stderr
    user = operating_person().user
    told = f"by {user} (as Bob) from NO_BREACH_INDICATED to ALL_BLOCKED: the export was of another tenant."
    assert made.stdout.startswith("This conclusion was corrected on ")
    assert told in made.stdout
    assert "Held to have misled: sign_in_logs.status_error_code." in made.stdout
    for words in (("show", "c1"), ("show", "c1", "accounts"), ("correct", "c1", "--list")):
        assert "was corrected on" in call(*words).stdout, words
    (row,) = call_json("show", "c1")["corrections"]
    assert row["sentence"].endswith(told)
    assert call_json("show", "c1", "corrections") == call_json("correct", "c1", "--list") == {"corrections": [row]}
    assert (row["by"], row["acting_as"], row["finding"], row["state"]) == (user, "Bob", "F-001", "IN_FORCE")
    assert call_json("cases")[0]["corrected"] == {"case": "ALL_BLOCKED"}
    assert "ALL_BLOCKED" in call("cases").stdout
    for name in ("report.html", "report.json"):
        assert told in (here / "cases" / "c1" / "reports" / "g1" / name).read_text(encoding="utf-8")
    assert told in call("report", "c1", "--out", "-").stdout
    assert "corrections" not in read_document(CaseStore(here / "cases"), "c1")


def test_an_account_is_counted_beside_its_case() -> None:
    made = call("correct", "c1", ACCOUNT, "--verdict", "suspicious", "--reason", "seen elsewhere", "--field", "none")
    assert "Held to have misled" not in made.stdout
    assert "1 account" in call("cases").stdout
    assert call_json("show", "c1")["corrections"][0]["subject"] == ACCOUNT
    assert "corrected to SUSPICIOUS" in call("report", "c1", "--out", "-").stdout


def test_a_second_case_brings_a_proposal_that_nothing_applies() -> None:
    assert "speak for no change" in call("correct", "--proposals").stdout
    assert call_json("correct", "c1", "case", *WRONG)["proposals"] == []
    assert call_json("correct", "--proposals") == {"proposals": []}
    made = call("correct", "c2", "case", *WRONG)
    assert "1 change of the context rules is proposed since, and not applied" in made.stdout
    shown = call("correct", "--proposals").stdout
    (rule,) = parse_rules(yaml.safe_load(shown))
    assert f"# {rule.id}: veto; Conclusions that leaned on status_error_code" in shown
    (row,) = call_json("correct", "--proposals")["proposals"]
    assert (row["cases"], row["heard_in_cases"], row["effect"]) == (["c1", "c2"], 2, "veto")
    assert parse_rules([row["entry"]]) == (rule,)
    assert Workbench().pack_hash() == call_json("show", "c1")["rule_pack"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "CASE is missing"),
        (("c1",), "FINDING is missing"),
        (("c1", "case"), "--verdict is missing"),
        (("c1", "case", "--verdict", "ALL_BLOCKED"), "--reason is missing"),
        (("c1", "case", "--verdict", "ALL_BLOCKED", "--reason", " "), "needs a reason"),
        (("c1", "case", "--verdict", "fine", "--reason", "x"), "is no verdict on a case"),
        (("c1", "case", "--verdict", "NO_BREACH_INDICATED", "--reason", "x"), "nothing to correct"),
        (("c1", "F-099", *WRONG), "no finding and no account 'F-099'"),
        (("c9", "case", *WRONG), "no case 'c9' that was judged"),
        (("c1", "case", *WRONG, "--field", "status"), "no field that was judged"),
        (("c1", "case", *WRONG, "--actor", "x" * 200), "--actor is longer"),
        (("--list",), "CASE is missing"),
        (("c1", "case", "--list"), "goes with nothing else"),
        (("c1", "--proposals"), "goes with nothing else"),
    ],
)
def test_what_cannot_be_recorded_is_exit_2_in_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    result = call("correct", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert call_json("show", "c1")["corrections"] == []


def test_a_report_that_cannot_be_written_anew_does_not_lose_the_correction(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("m365dq_dagster.stages.report.write_report", full)
    made = call("correct", "c1", "case", *WRONG, "--json")
    assert made.exit_code == 0
    assert "the correction is kept, but the report could not be written anew (No space left" in made.stderr
    assert json.loads(made.stdout)["state"] == "IN_FORCE"


def test_a_report_that_a_killed_correction_left_behind_is_made_good_by_the_next_run(judged: Path, here: Path) -> None:
    call("correct", "c1", "case", *WRONG)
    page = here / "cases" / "c1" / "reports" / "g1" / "report.html"
    page.write_text("as it was before", encoding="utf-8")
    result = call_json("run", str(judged / "c1"), "--case", "c1")
    assert result["unchanged"]
    assert "Corrected by a person" in page.read_text(encoding="utf-8")
