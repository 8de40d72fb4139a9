"""`bench` shows ratios first, and answers what cannot be measured in one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core.bench_request import SHAPES, Figure, Order
from m365dq_dagster.core.bench_results import Measured
from m365dq_dagster.stages import bench as stage
from m365dq_dagster.stages.bench import Benchmark
from tests.support.benchmarks import MACHINE, plain, prompt, result, runs
from tests.support.program import call, call_json


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands where the measuring is: gives the results put in, and keeps the order that came."""
    whole = replace(result(6.0), runs=runs(9.0), plain=plain(60.0))
    held: dict[str, Any] = {"results": (whole, result(2.0, shape="ual-csv")), "prompt": prompt()}

    def bench(
        home: Path, order: Order, progress: stage.Progress, earlier: Measured | None, graphs: Path | None
    ) -> Benchmark:
        held.update(home=home, order=order, graphs=graphs)
        found = Measured(held["results"], held["prompt"])
        return stage.held("2026-03-02T09:30:00+00:00", MACHINE, found, earlier, ("It was a Monday.",))

    monkeypatch.setattr(stage, "bench", bench)
    return held


def test_a_tiny_benchmark_runs_from_evidence_to_tables(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.json"
    ended = call("bench", "--rows", "200", "--shapes", "ual-csv", "--measure", "stages", "--out", str(out))
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
        "Multiples of the bare scan (medians",
        "Multiples of the bare scan, step by step",
        "Within the steps",
        "Seconds (medians",
        "Seconds, step by step",
        "Throughput and room",
        "At the shell prompt, portal-csv 10K",
        "What the first run consists of",
        "The heaviest statements of one watched run",
        "Normalized statuses, view / table",
        "Budgets",
        "Measured on 2 cores",
        "It was a Monday.",
    ]
    places = [out.index(title) for title in titles]
    assert places == sorted(places)
    assert "6.00x" in out
    assert "1,000 MB" in out
    assert "1.2 / 0.5" in out
    assert "2.00 s" in out
    assert measured["home"] == home
    assert "9.00x" in out
    assert "10.00x" in out
    assert measured["order"] == Order(SHAPES, (1_000_000,), 4)


def test_a_part_is_shown_by_itself_with_the_step_that_it_is_within(measured: dict[str, Any]) -> None:
    out = call("bench", "--rows", "1m").stdout
    assert "profile (in quality)  adjudication (in verification)  findings (in verification)" in out
    assert "0.09x = 0.086 s" in out
    unknown = replace(result().rounds[0], parts={})
    measured["results"] = (replace(result(), rounds=(unknown,)),)
    assert " = " not in call("bench", "--rows", "1m").stdout


def test_the_prompt_alone_shows_what_people_wait_for(measured: dict[str, Any]) -> None:
    measured["results"], measured["prompt"] = (), replace(prompt(), made_of={})
    ended = call("bench", "--measure", "prompt", "--check", columns=160)
    assert measured["order"].figures == (Figure.PROMPT,)
    assert ended.exit_code == 0
    assert "Multiples of the bare scan" not in ended.stdout
    assert "What the first run consists of" not in ended.stdout
    lines = [line for line in ended.stdout.splitlines() if line.startswith("second run above the bare start")]
    assert lines[0].split()[-4:] == ["0.375", "0.000", "-", "0.5"]
    first = next(line for line in ended.stdout.splitlines() if line.startswith("prompt to verdict, first run"))
    assert first.split()[-4:] == ["7.000", "0.000", "7.000", "10.0"]


def test_a_folder_for_flame_graphs_is_handed_on(measured: dict[str, Any], tmp_path: Path) -> None:
    call("bench", "--rows", "1m", "--profile", str(tmp_path / "graphs"))
    assert measured["graphs"] == tmp_path / "graphs"
    call("bench", "--rows", "1m")
    assert measured["graphs"] is None


def test_the_tables_can_be_put_into_a_page(measured: dict[str, Any]) -> None:
    out = call("bench", "--rows", "1m", "--markdown").stdout
    assert "| export | rows | rounds | pipeline | ± | m365dq run | plain way | plain / pipeline |" in out
    assert "|---|---:|---:|---:|---:|---:|---:|---:|" in out
    assert "| portal-csv | 1M | 5 | 6.00x | 0.00x | 9.00x | 60.00x | 10.00x |" in out
    assert "\n- It was a Monday.\n" in out


def test_what_was_measured_earlier_is_shown_again_without_measuring(measured: dict[str, Any], tmp_path: Path) -> None:
    first, second, whole = (str(tmp_path / name) for name in ("first.json", "second.json", "whole.json"))
    call("bench", "--rows", "1m", "--out", first)
    measured.update(results=(result(8.0, shape="ual-csv", rows=10_000),), prompt=None)
    call("bench", "--rows", "10k", "--out", second)
    measured.clear()
    ended = call("bench", "--read", first, "--read", second, "--check", "--out", whole, "--compare", first)
    assert measured == {}
    assert ended.exit_code == 0
    assert "Not in the earlier file: ual-csv 10K." in ended.stdout
    kept = json.loads(Path(whole).read_text())
    assert [(one["shape"], one["rows"]) for one in kept["results"]] == [
        ("ual-csv", 10_000),
        ("portal-csv", 1_000_000),
        ("ual-csv", 1_000_000),
    ]
    assert kept["prompt"]["shape"] == "portal-csv"


def test_with_json_one_document_and_nothing_else_is_printed(measured: dict[str, Any]) -> None:
    document = call_json("bench", "--rows", "1m")
    assert [one["shape"] for one in document["results"]] == ["portal-csv", "ual-csv"]
    assert {one["kept"] for one in document["budgets"] if one["decides"]} == {True}
    assert document["prompt"]["seconds"]["above"]["median"] == 0.375
    assert document["changes"] is None


def test_a_check_of_kept_budgets_ends_well(measured: dict[str, Any]) -> None:
    ended = call("bench", "--rows", "1m", "--check")
    assert ended.exit_code == 0
    assert "BROKEN" not in ended.stdout


def test_a_check_of_a_broken_budget_ends_with_1_and_says_which(measured: dict[str, Any]) -> None:
    measured["results"] = (result(7.5), replace(result(20.0, rows=10_000), peak_bytes=1))
    measured["prompt"] = prompt(first=12.0, help=0.5)
    ended = call("bench", "--rows", "10k,1m", "--check")
    assert ended.exit_code == 1
    assert "Broken: portal-csv 1M, pipeline / scan: 7.50x, at most 7.00x is allowed." in ended.stdout
    assert "Broken: portal-csv 10K, prompt to verdict, first run: 12.00 s, at most 10.00 s is allowed." in ended.stdout
    assert "Broken: m365dq --help: 0.50 s, at most 0.30 s is allowed." in ended.stdout
    assert "above; shown only" in ended.stdout
    assert call("bench", "--rows", "1m").exit_code == 0


def test_a_broken_check_still_prints_its_document(measured: dict[str, Any]) -> None:
    measured.update(results=(result(7.5),), prompt=None)
    ended = call("bench", "--rows", "1m", "--check", "--json")
    assert ended.exit_code == 1
    assert [one["kept"] for one in json.loads(ended.stdout)["budgets"]] == [False, False, True]


def test_what_became_slower_than_an_earlier_file_says_is_shown(measured: dict[str, Any], tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    call("bench", "--rows", "1m", "--shapes", "portal-csv", "--out", str(earlier))
    same = call("bench", "--rows", "1m", "--compare", str(earlier)).stdout
    assert "Against the earlier file 0 of 32 numbers are worse beyond noise." in same
    assert "Changed beyond noise" not in same
    measured["results"] = (result(9.0), replace(result(2.0, shape="ual-csv"), peak_bytes=5), result(3.0, rows=10_000))
    out = call("bench", "--rows", "1m", "--compare", str(earlier)).stdout
    assert "WORSE" in out
    assert "BETTER" in out
    assert "Against the earlier file 11 of 30 numbers are worse beyond noise." in out
    assert "Not in the earlier file: portal-csv 10K." in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rows", "banana"], "'banana' is no number of rows; give numbers such as 10k,100k,1m."),
        (["--rows", "0"], "0 rows cannot be measured"),
        (["--shapes", "xml"], "'xml' is no export that is measured"),
        (["--repeat", "0"], "--repeat"),
        (["--measure", "lunch"], "'lunch' is nothing that is measured"),
        (["--plain", "some"], "'some' is no number of rows"),
        (["--rows", "200", "--measure", "stages", "--check"], "--check has no budget for what is to be measured"),
        (["--read", "absent.json"], "absent.json cannot be read"),
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
    ended = call("bench", "--rows", "200", "--measure", "stages")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
