import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.core.budgets import PIPELINE, SHAPES, STEPS, Trend, rounds_for
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages import bench
from m365dq_dagster.stages.bench import Benchmark, Evidence, Order, evidence, measure
from m365dq_dagster.stages.case_run import Silent

ROWS = 200


class Watching:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int, int]] = []

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        self.seen.append((stage, detail, done, total))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    root = tmp_path_factory.mktemp("bench")
    return {shape: evidence(root, shape, ROWS, Silent()) for shape in SHAPES}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Benchmark, Watching]:
    home, watching = tmp_path_factory.mktemp("home"), Watching()
    return home, bench.bench(home, Order(("portal-csv",), (ROWS,), rounds=1), watching), watching


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


def test_a_benchmark_measures_what_was_ordered_in_processes_of_their_own(
    benchmark: tuple[Path, Benchmark, Watching],
) -> None:
    home, found, watching = benchmark
    (result,) = found.results
    assert (result.shape, result.rows, len(result.rounds)) == ("portal-csv", ROWS, 1)
    assert result.start_seconds > 0
    assert result.ratio(PIPELINE).median > 0
    assert found.changes is None
    assert found.budgets == ()
    stages = list(dict.fromkeys(stage for stage, *_ in watching.seen))
    assert stages == ["making portal-csv 200", "portal-csv 200"]
    assert watching.seen[-1] == ("portal-csv 200", "round 1 of 1", 1, 1)
    assert sorted(path.name for path in (home / "bench").iterdir()) == ["lock", "portal-csv-200"]
    assert not (home / "cases").exists()
    assert not (home / "registry.sqlite3").exists()


def test_the_document_says_what_was_measured_and_what_the_scan_is(
    benchmark: tuple[Path, Benchmark, Watching],
) -> None:
    document = json.loads(json.dumps(benchmark[1].as_mapping()))
    assert document["scan"].keys() == {"portal-csv"}
    assert "every column as VARCHAR" in document["scan"]["portal-csv"]
    assert document["machine"]["cores"] >= 1
    assert document["changes"] is None
    (result,) = document["results"]
    assert result["rounds"] == 1
    assert result["rows_per_second"] > 0


def test_evidence_is_made_once_and_an_earlier_benchmark_is_compared_with(
    benchmark: tuple[Path, Benchmark, Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, before, _ = benchmark
    task: list[dict[str, Any]] = []

    def as_before(arguments: list[str], errors: Path, heard: Callable[[bench.Heard], None]) -> Any:
        heard({"event": "ready"})
        task.append(json.loads(arguments[1]))
        assert Path(task[-1]["scratch"]).is_dir()
        return {"result": before.results[0].as_mapping()}, 0.5

    monkeypatch.setattr(bench, "in_own_process", as_before)
    watching = Watching()
    again = bench.bench(home, Order(("portal-csv",), (ROWS,), at_least=6), watching, before.results)
    assert not [stage for stage, *_ in watching.seen if stage.startswith("making")]
    assert task[0]["rounds"] == 6
    assert again.changes is not None
    assert {change.trend for change in again.changes} == {Trend.SAME}
    assert len(again.as_mapping()["changes"]) == len(again.changes)
    assert again.results[0].start_seconds == 0.5
    assert not Path(task[0]["scratch"]).exists()


def test_sizes_take_the_rounds_that_they_ask_for() -> None:
    assert [Order((), ()).rounds_of(rows) for rows in (200, 1_000_000)] == [rounds_for(200), rounds_for(1_000_000)]


def test_evidence_of_another_generator_or_of_another_size_on_disk_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evidence(tmp_path, "ual-csv", 20, Silent())
    whole = first.file.read_bytes()
    first.file.write_bytes(whole[:-5])
    assert evidence(tmp_path, "ual-csv", 20, Silent()).file.read_bytes() == whole
    monkeypatch.setattr(bench, "generator_version", lambda: "another")
    watching = Watching()
    evidence(tmp_path, "ual-csv", 20, watching)
    assert len(watching.seen) == 1
    assert json.loads((first.folder.parent / bench.MARKER).read_text())["generator"] == "another"


def test_what_a_killed_benchmark_left_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "home" / "bench"
    for name in ("making-ual-csv-20", "scratch-ual-csv-20"):
        (root / name).mkdir(parents=True)
    bench.bench(tmp_path / "home", Order((), ()))
    assert [path.name for path in root.iterdir()] == ["lock"]


def test_evidence_that_changes_while_it_is_made_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_make", lambda *given: None)
    with pytest.raises(InternalFault, match="changed while it was made; run the benchmark again"):
        evidence(tmp_path, "ual-csv", 20, Silent())


def test_two_benchmarks_of_one_home_do_not_measure_each_other(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    with bench.only_one(tmp_path / "bench"), pytest.raises(CaseBusy):
        bench.bench(tmp_path, Order((), ()))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("a file")
    with pytest.raises(BadInput, match=r"bench cannot be used .*; set M365DQ_HOME to a folder that you may write to"):
        bench.bench(tmp_path, Order(("ual-csv",), (20,)))


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (errno.ENOSPC, InternalFault, "is full; free space there, or measure fewer rows"),
        (errno.EACCES, BadInput, "cannot be used"),
        (errno.EIO, OSError, "."),
    ],
)
def test_what_the_disk_refuses_while_evidence_is_made_is_said(
    number: int, kind: type[Exception], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bench.generate, "generate", refuse)
    with pytest.raises(kind, match=sentence):
        bench.bench(tmp_path, Order(("ual-csv",), (20,)))


def test_the_measuring_process_says_its_rounds_and_then_its_result(
    made: dict[str, Evidence], scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made["ual-csv"]
    task = {"folder": str(one.folder), "file": str(one.file), "shape": "ual-csv", "rows": ROWS, "rounds": 1}
    assert bench.main([json.dumps({**task, "scratch": str(scratch)})]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in said] == ["ready", "round", "done"]
    assert said[-1]["result"]["rows"] == ROWS


def test_the_measuring_process_says_why_it_could_not_measure(
    made: dict[str, Evidence], scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made["ual-csv"]
    task = {"folder": str(one.folder), "file": str(one.file), "shape": "ual-csv", "rows": 3, "rounds": 1}
    assert bench.main([json.dumps({**task, "scratch": str(scratch)})]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["event"] == "failed"


def test_a_benchmark_is_kept_and_read_again(benchmark: tuple[Path, Benchmark, Watching], tmp_path: Path) -> None:
    path = bench.writable_file(tmp_path / "kept.json")
    bench.keep(benchmark[1], path)
    (again,) = bench.read_earlier(path)
    assert again.rounds == benchmark[1].results[0].rounds
    shutil.rmtree(tmp_path)
    with pytest.raises(BadInput, match=r"kept\.json cannot be written"):
        bench.keep(benchmark[1], path)


@pytest.mark.parametrize("place", [".", "absent/file.json"])
def test_a_place_where_no_file_can_be_written_is_refused_before_anything_is_measured(
    place: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="cannot be written; give --out a file in a folder that exists"):
        bench.writable_file(tmp_path / place)


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe", b"[]", b'{"results": [1]}'])
def test_an_earlier_file_that_is_none_is_refused_in_one_sentence(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"earlier\.json (cannot be read|is no result of `m365dq bench`)"):
        bench.read_earlier(path)
