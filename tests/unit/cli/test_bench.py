"""`bench` shows ratios first, and answers what cannot be measured in one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core.budgets import SHAPES, STEPS, Layers, Result, Round, compare, judge
from m365dq_dagster.stages import bench as stage
from m365dq_dagster.stages.bench import Benchmark, Order
from tests.support.program import call, call_json

MACHINE = {"words": "2 cores of something", "cores": 2, "memory_bytes": 1, "load": 0.5}


def result(ratio: float, shape: str = "portal-csv", rows: int = 1_000_000) -> Result:
    steps = dict.fromkeys(STEPS, ratio / len(STEPS))
    layers = Layers({"by status": 1.25}, {"by status": 0.5}, 2.0, 10**7)
    return Result(shape, rows, (Round(1.0, ratio, steps),) * 3, 10**9, 10**9, 10**8, 1.0, "NO_BREACH_INDICATED", layers)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands where the measuring is: gives the results put in, and keeps the order that came."""
    held: dict[str, Any] = {"results": (result(6.0), result(2.0, "ual-csv"))}

    def bench(
        home: Path, order: Order, progress: stage.Progress, earlier: tuple[Result, ...] | None = None
    ) -> Benchmark:
        held.update(home=home, order=order)
        results = held["results"]
        changes = None if earlier is None else compare(earlier, results)
        missing = () if earlier is None else stage.uncompared(earlier, results)
        shapes = tuple(one.shape for one in results)
        return Benchmark("2026-03-02T09:30:00+00:00", MACHINE, results, judge(results), changes, missing, shapes)

    monkeypatch.setattr(stage, "bench", bench)
    return held


def test_a_tiny_benchmark_runs_from_evidence_to_tables(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.json"
    ended = call("bench", "--rows", "200", "--shapes", "ual-csv", "--out", str(out))
    assert ended.exit_code == 0
    assert ended.stdout.startswith("Multiples of the bare scan")
    assert "CANNOT_CONCLUDE" in ended.stdout
    assert "AuditData is one of them and is not opened" in ended.stdout
    assert ended.stderr.splitlines() == ["making ual-csv 200: 200 rows of evidence, once", "ual-csv 200: 5 rounds"]
    kept = json.loads(out.read_text())
    assert kept["results"][0]["rounds"] == 5
    assert (home / "bench" / "ual-csv-200").is_dir()


def test_ratios_come_first_then_seconds_then_room_then_budgets(measured: dict[str, Any], home: Path) -> None:
    out = call("bench", "--rows", "1m", "--repeat", "4", columns=160).stdout
    titles = [
        "Multiples of the bare scan",
        "Seconds (medians",
        "Throughput and room",
        "Normalized statuses, view / table",
        "Budgets",
        "Measured on 2 cores",
    ]
    places = [out.index(title) for title in titles]
    assert places == sorted(places)
    assert "6.00x" in out
    assert "1,000 MB" in out
    assert "1.2 / 0.5" in out
    assert "2.00 s" in out
    assert measured["home"] == home
    assert measured["order"] == Order(SHAPES, (1_000_000,), 4)


def test_with_json_one_document_and_nothing_else_is_printed(measured: dict[str, Any]) -> None:
    document = call_json("bench", "--rows", "1m")
    assert [one["shape"] for one in document["results"]] == ["portal-csv", "ual-csv"]
    assert {one["kept"] for one in document["budgets"]} == {True}
    assert document["changes"] is None


def test_a_check_of_kept_budgets_ends_well(measured: dict[str, Any]) -> None:
    ended = call("bench", "--rows", "1m", "--check")
    assert ended.exit_code == 0
    assert "BROKEN" not in ended.stdout


def test_a_check_of_a_broken_budget_ends_with_1_and_says_which(measured: dict[str, Any]) -> None:
    measured["results"] = (result(7.5), replace(result(20.0, rows=10_000), peak_bytes=1))
    ended = call("bench", "--rows", "10k,1m", "--check")
    assert ended.exit_code == 1
    assert "Broken: portal-csv 1M, pipeline / scan: 7.50x, at most 7.00x is allowed." in ended.stdout
    assert "above; shown only" in ended.stdout
    assert call("bench", "--rows", "1m").exit_code == 0


def test_a_broken_check_still_prints_its_document(measured: dict[str, Any]) -> None:
    measured["results"] = (result(7.5),)
    ended = call("bench", "--rows", "1m", "--check", "--json")
    assert ended.exit_code == 1
    assert [one["kept"] for one in json.loads(ended.stdout)["budgets"]] == [False, False, True]


def test_what_became_slower_than_an_earlier_file_says_is_shown(measured: dict[str, Any], tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    call("bench", "--rows", "1m", "--shapes", "portal-csv", "--out", str(earlier))
    same = call("bench", "--rows", "1m", "--compare", str(earlier)).stdout
    assert "Against the earlier file 0 of 20 numbers are worse beyond noise." in same
    assert "Changed beyond noise" not in same
    measured["results"] = (result(9.0), replace(result(2.0, "ual-csv"), peak_bytes=5), result(3.0, rows=10_000))
    out = call("bench", "--rows", "1m", "--compare", str(earlier)).stdout
    assert "WORSE" in out
    assert "BETTER" in out
    assert "Against the earlier file 8 of 20 numbers are worse beyond noise." in out
    assert "Not in the earlier file: portal-csv 10K." in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rows", "banana"], "'banana' is no number of rows; give numbers such as 10k,100k,1m."),
        (["--rows", "0"], "0 rows cannot be measured"),
        (["--shapes", "xml"], "'xml' is no export that is measured"),
        (["--repeat", "0"], "--repeat"),
        (["--rows", "200", "--check"], "--check has no budget for these exports and sizes"),
        (["--out", "absent/file.json"], "cannot be written; give --out a file in a folder that exists"),
        (["--compare", "absent.json"], "absent.json cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence_and_exit_2(words: list[str], sentence: str) -> None:
    ended = call("bench", *words)
    assert ended.exit_code == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_home_that_cannot_be_written_is_one_sentence_and_exit_2(home: Path) -> None:
    (home / "bench").write_text("a file stands here")
    ended = call("bench", "--rows", "200")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
