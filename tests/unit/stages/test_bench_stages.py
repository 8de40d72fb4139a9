import json
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core.bench_request import SHAPES
from m365dq_dagster.core.bench_results import PARTS, STEPS
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages import bench_stages as bench
from m365dq_dagster.stages.bench_evidence import Evidence, evidence
from m365dq_dagster.stages.bench_stages import measure
from m365dq_dagster.stages.case_run import Silent
from tests.support.benchmarks import result
from tests.support.watching import Watching

ROWS = 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    root = tmp_path_factory.mktemp("bench")
    return {shape: evidence(root, shape, ROWS, Silent()) for shape in SHAPES}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_every_stage_of_every_export_is_timed_and_the_parts_make_the_whole(
    shape: str, made: dict[str, Evidence], scratch: Path
) -> None:
    one = made[shape]
    found = measure(one.folder, one.file, shape, ROWS, 1, scratch)
    (round_,) = found["measured"]
    assert set(round_["steps"]) == set(STEPS)
    assert all(seconds > 0 for seconds in round_["steps"].values())
    assert sum(round_["steps"].values()) <= round_["whole"]
    assert set(round_["parts"]) == set(PARTS)
    for part, step in PARTS.items():
        assert 0 < round_["parts"][part] < round_["steps"][step]
    assert round_["scan"] > 0
    assert found["evidence_bytes"] == one.file.stat().st_size
    assert found["case_bytes"] > 0
    assert found["peak_bytes"] > 10_000_000
    assert found["status"] in ("NO_BREACH_INDICATED", "CANNOT_CONCLUDE")


def test_every_round_takes_the_case_in_anew_and_leaves_no_case_behind(
    made: dict[str, Evidence], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, watching = made["ual-csv"], Watching()
    prepared: list[Any] = []
    real = bench.case.prepare_case
    monkeypatch.setattr(bench.case, "prepare_case", lambda *given: prepared.append(real(*given)) or prepared[-1])
    before = one.file.stat().st_mtime_ns
    found = measure(one.folder, one.file, "ual-csv", ROWS, 2, scratch, watching)
    assert len(found["measured"]) == 2
    assert [(case.case_id, case.unchanged) for case in prepared] == [("bench-1", False), ("bench-2", False)]
    assert one.file.stat().st_mtime_ns > before
    assert list((scratch / "cases").iterdir()) == []
    assert watching.seen == [("ual-csv", "", 1, 2), ("ual-csv", "", 2, 2)]


def test_one_more_run_is_watched_where_a_drawing_is_asked_for(made: dict[str, Evidence], scratch: Path) -> None:
    one, graph = made["portal-csv"], scratch / "drawn"
    found = measure(one.folder, one.file, "portal-csv", ROWS, 1, scratch, graph=graph)
    assert len(found["measured"]) == 1
    names = [statement["name"] for statement in found["statements"]]
    assert any(name.startswith("judge.sql: ") for name in names)
    times = [statement["seconds"] for statement in found["statements"]]
    assert times == sorted(times, reverse=True)
    assert len(list((scratch / "drawn-statements").glob("*.json"))) == len(names)
    assert (scratch / "drawn.html").is_file()


def test_a_run_that_loses_a_row_is_not_measured(made: dict[str, Evidence], scratch: Path) -> None:
    one = made["portal-csv"]
    with pytest.raises(InternalFault, match="The bare scan read 200 of 201 rows, so its time says nothing"):
        measure(one.folder, one.file, "portal-csv", ROWS + 1, 1, scratch)


def test_a_run_that_a_gate_stops_is_not_measured(
    made: dict[str, Evidence], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped:
        checks = (CheckResult("gate", "quality", False, True, Severity.CRITICAL, "It is empty.", "x"),)

    monkeypatch.setattr(bench.quality, "run", lambda run: Stopped())
    one = made["portal-csv"]
    with pytest.raises(InternalFault, match=r"evidence was stopped by gate; nothing was measured\. It is empty\."):
        measure(one.folder, one.file, "portal-csv", ROWS, 1, scratch)


def test_the_measuring_process_says_its_rounds_and_then_its_result(
    made: dict[str, Evidence], scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made["ual-csv"]
    task = {"folder": str(one.folder), "file": str(one.file), "shape": "ual-csv", "rows": ROWS, "rounds": 1}
    assert bench.main([json.dumps({**task, "scratch": str(scratch)})]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in said] == ["ready", "round", "done"]
    assert said[-1]["result"]["rows"] == ROWS
    assert said[-1]["result"]["statements"] == []


def test_the_measuring_process_says_why_it_could_not_measure(
    made: dict[str, Evidence], scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made["ual-csv"]
    task = {"folder": str(one.folder), "file": str(one.file), "shape": "ual-csv", "rows": 3, "rounds": 1}
    assert bench.main([json.dumps({**task, "scratch": str(scratch)})]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["event"] == "failed"


def test_the_measuring_process_is_told_where_to_draw(
    made: dict[str, Evidence], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[dict[str, Any]] = []

    def process(words: list[str], log: Path, heard: object) -> Any:
        tasks.append(json.loads(words[1]))
        return {"result": result().as_mapping()}, 0.5

    monkeypatch.setattr(bench, "in_own_process", process)
    for graphs in (None, scratch):
        found = bench.measured(made["portal-csv"], 1, scratch, scratch / "log", Silent(), graphs)
        assert found.start_seconds == 0.5
    assert [task.get("graph") for task in tasks] == [None, str(scratch / f"stages-portal-csv-{ROWS}")]
