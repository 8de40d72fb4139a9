"""`validate` shows the scoreboard and ends with 1 where a target is missed."""

import json
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core.scoreboard import Fixed, Scoreboard
from m365dq_dagster.stages import validation as stage
from m365dq_dagster.stages.case_run import Progress
from tests.support.program import call, call_json
from tests.support.scored import BREACH, NO_BREACH, board, scored, truth

GOOD = board(scored(truth("breach"), BREACH, NO_BREACH))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands where the judging is: gives the scoreboard put in, and keeps the order that came."""
    held: dict[str, Any] = {"board": GOOD}

    def validate(order: stage.Order, progress: Progress) -> Scoreboard:
        held["order"] = order
        progress.step("validate", "travel-0001", 1, 1)
        return held["board"]

    monkeypatch.setattr(stage, "validate", validate)
    return held


def test_a_tiny_corpus_is_judged_from_evidence_to_table(home: Path) -> None:
    ended = call("validate", "--cases", "1", "--workers", "1", "--no-misreadings", columns=140)
    assert ended.exit_code in (0, 1)
    assert ended.stdout.startswith("Scoreboard")
    assert "1 case of seed 7 judged in" in ended.stdout
    assert not list(home.iterdir())


def test_the_three_judges_stand_beside_the_targets(judged: dict[str, Any]) -> None:
    out = call("validate", columns=140).stdout
    assert "ours" in out
    assert "naive" in out
    assert "literal" in out
    assert "at least 98.0%" in out
    assert "every target is met" in out
    assert judged["order"] == stage.Order(520, 7, stage.cores(), None)


def test_a_missed_target_ends_with_1_and_names_the_case(judged: dict[str, Any]) -> None:
    judged["board"] = board(scored(truth("clean"), BREACH))
    ended = call("validate", columns=140)
    assert ended.exit_code == 1
    assert "MISSED" in ended.stdout
    assert "case-1: NO_BREACH_INDICATED expected, BREACH_INDICATED said." in ended.stdout


def test_of_many_wrong_cases_the_first_are_shown(judged: dict[str, Any]) -> None:
    judged["board"] = board(*[scored(truth("clean"), BREACH)] * 60)
    out = call("validate", columns=140).stdout
    assert out.count("expected, ") == 40
    assert "20 more; --out FILE or --json lists them all." in out


def test_misreadings_and_real_cases_are_shown_where_they_were_judged(judged: dict[str, Any], tmp_path: Path) -> None:
    judged["board"] = board(*GOOD.cases, misreadings=(Fixed("M01", "X", "Y", "Why.", False),), real_cases=())
    ended = call("validate", "--real", str(tmp_path), columns=140)
    assert ended.exit_code == 1
    assert "Misreadings: 0 of 1 right." in ended.stdout
    assert "M01: X expected, Y said. Why." in ended.stdout
    assert judged["order"].real == tmp_path


def test_with_json_one_document_and_nothing_else_is_printed(judged: dict[str, Any]) -> None:
    found = call_json("validate", "--cases", "3", "--seed", "9", "--workers", "2")
    assert found["cases"] == 1
    assert found["naive"]["false_all_clear"] == 1
    assert judged["order"] == stage.Order(3, 9, 2, None)


def test_a_missed_target_still_prints_its_document(judged: dict[str, Any]) -> None:
    judged["board"] = board(scored(truth("clean"), BREACH))
    ended = call("validate", "--json")
    assert ended.exit_code == 1
    assert not json.loads(ended.stdout)["passed"]


def test_the_scoreboard_is_written_where_it_is_told(judged: dict[str, Any], tmp_path: Path) -> None:
    call("validate", "--out", str(tmp_path / "board.md"))
    assert (tmp_path / "board.md").read_text().startswith("# Scoreboard")


def test_a_file_that_cannot_be_written_is_said_before_anything_is_judged(
    judged: dict[str, Any], tmp_path: Path
) -> None:
    ended = call("validate", "--out", str(tmp_path / "none" / "board.md"))
    assert ended.exit_code == 2
    assert "order" not in judged
