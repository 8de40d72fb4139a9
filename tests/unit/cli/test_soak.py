"""`soak` says how many cases came to their end, whether each takes as long as the first, and what went wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.core.pace import CaseTime, Soaked
from m365dq_dagster.defs import many_cases
from tests.support.program import call, call_json

TIMES = tuple(CaseTime(f"case-{n}", "SUCCESS", 0.0, n * 5.0, n * 5.0 + 8, 6.0) for n in range(20))


class Soaking(Workbench):
    """Runs nothing; answers with what it was handed."""

    def __init__(self, found: Soaked) -> None:
        self.found = found
        self.asked: list[tuple[int, int, int]] = []

    def soak(self, cases: int, rows: int, at_once: int, progress: Any) -> Soaked:
        self.asked.append((cases, rows, at_once))
        progress.step("cases", f"{cases} of {cases} done", cases, cases)
        return self.found


@pytest.fixture
def well() -> Soaking:
    return Soaking(Soaked(2, 10_000, TIMES, ()))


@pytest.fixture
def unwell() -> Soaking:
    lost = CaseTime("lost", "FAILURE", 0.0, 200.0, 203.0)
    return Soaking(Soaked(2, 10_000, (*TIMES, lost), ("database is locked",)))


def test_two_hundred_cases_two_at_a_time_are_run_unless_told_otherwise(well: Soaking, home: Path) -> None:
    assert call("soak", bench=well).exit_code == 0
    assert call("soak", "--cases", "40", "--rows", "500", "--at-once", "3", bench=well).exit_code == 0
    assert well.asked == [(200, 10_000, 2), (40, 500, 3)]


def test_the_cases_go_to_the_daemon_of_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    found = Soaked(2, 10_000, TIMES, ())
    monkeypatch.setattr(many_cases, "soak", lambda *told: (asked.append(told[:4]), found)[1])
    assert call("soak", "--cases", "20").exit_code == 0
    assert asked == [(home, 20, 10_000, 2)]


def test_it_says_what_became_of_the_time(well: Soaking, home: Path) -> None:
    shown = call("soak", bench=well).stdout
    assert "20 of 20 cases of 10,000 sign-ins came to their end, 2 at a time" in shown
    assert "constant from the first to the last" in shown
    assert "No lines of the daemon's log speak of a lock" in shown
    assert "on a core" in shown


def test_growth_that_only_the_clock_shows_is_told(home: Path) -> None:
    slower = tuple(replace(one, ended_at=n * 7.0 + 8) for n, one in enumerate(TIMES))
    shown = call("soak", bench=Soaking(Soaked(2, 10_000, slower, ()))).stdout
    assert "constant from the first to the last" in shown
    assert "By the clock it grew all the same" in shown


def test_what_went_wrong_is_named(unwell: Soaking, home: Path) -> None:
    result = call("soak", bench=unwell)
    assert result.exit_code == 0
    assert "lost ended as FAILURE after 3.0 s" in result.stdout
    assert "1 lines of the daemon's log" in result.stdout
    assert "database is locked" in result.stdout


def test_check_exits_with_1_where_something_went_wrong(well: Soaking, unwell: Soaking, home: Path) -> None:
    assert call("soak", "--check", bench=well).exit_code == 0
    assert call("soak", "--check", bench=unwell).exit_code == 1


def test_the_document_is_written_and_is_the_one_on_stdout(well: Soaking, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    shown = call_json("soak", "--out", str(out), bench=well)
    assert shown == json.loads(out.read_text())
    assert shown["trend"] == "CONSTANT"


def test_a_file_that_cannot_be_written_is_exit_2(well: Soaking, home: Path, tmp_path: Path) -> None:
    assert call("soak", "--out", str(tmp_path / "no" / "x.json"), bench=well).exit_code == 2
    assert well.asked == []
    assert call("soak", "--out", str(tmp_path), bench=well).exit_code == 2
