import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from m365dq_dagster.core.bench_request import Figure, Order
from m365dq_dagster.core.bench_results import PIPELINE, Measured, Result
from m365dq_dagster.core.budgets import Trend
from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault
from m365dq_dagster.stages import bench, bench_evidence, bench_program, bench_stages
from m365dq_dagster.stages.bench import Benchmark
from m365dq_dagster.stages.bench_evidence import Evidence
from m365dq_dagster.stages.bench_program import Bench
from tests.support.benchmarks import plain, prompt, runs
from tests.support.watching import Watching

ROWS = 200
STAGES = (Figure.STAGES,)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Benchmark, Watching]:
    home, watching = tmp_path_factory.mktemp("home"), Watching()
    return home, bench.bench(home, Order(("portal-csv",), (ROWS,), figures=STAGES, rounds=1), watching), watching


def test_a_benchmark_measures_what_was_ordered_in_processes_of_their_own(
    benchmark: tuple[Path, Benchmark, Watching],
) -> None:
    home, found, watching = benchmark
    (result,) = found.measured.results
    assert (result.shape, result.rows, len(result.rounds)) == ("portal-csv", ROWS, 1)
    assert result.start_seconds > 0
    assert result.ratio(PIPELINE).median > 0
    assert found.changes is None
    assert found.budgets == ()
    stages = list(dict.fromkeys(stage for stage, *_ in watching.seen))
    assert stages == ["making portal-csv 200", "portal-csv 200"]
    assert watching.seen[-1] == ("portal-csv 200", "stages, round 1 of 1", 1, 1)
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


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch, benchmark: tuple[Path, Benchmark, Watching]) -> list[tuple[str, int]]:
    """Stands where the measuring is; remembers what was measured in how many rounds, and where."""
    done: list[tuple[str, int]] = []
    (result,) = benchmark[1].measured.results

    def stages(found: Evidence, rounds: int, scratch: Path, log: Path, progress: object, graphs: Path | None) -> Result:
        assert scratch.is_dir()
        done.append(("stages", rounds))
        return replace(result, shape=found.shape, rows=found.rows)

    def noted(name: str, value: object) -> object:
        def measured(found: Evidence, rounds: int, bench: Bench) -> object:
            assert bench.scratch.is_dir()
            done.append((name, rounds))
            return value

        return measured

    monkeypatch.setattr(bench_stages, "measured", stages)
    monkeypatch.setattr(bench_program, "whole_runs", noted("runs", runs(2.0)))
    monkeypatch.setattr(bench_program, "plain_way", noted("plain", plain(60.0)))
    monkeypatch.setattr(bench_program, "at_the_prompt", noted("prompt", prompt()))
    monkeypatch.setattr(bench, "PROMPT_ROWS", ROWS)
    return done


def test_evidence_is_made_once_and_an_earlier_benchmark_is_compared_with(
    benchmark: tuple[Path, Benchmark, Watching], measuring: list[tuple[str, int]]
) -> None:
    home, before, _ = benchmark
    watching = Watching()
    order = Order(("portal-csv",), (ROWS,), at_least=6, figures=STAGES)
    again = bench.bench(home, order, watching, before.measured)
    assert not [stage for stage, *_ in watching.seen if stage.startswith("making")]
    assert measuring == [("stages", 6)]
    assert again.changes is not None
    assert {change.trend for change in again.changes} == {Trend.SAME}
    assert len(again.as_mapping()["changes"]) == len(again.changes)
    assert sorted(path.name for path in (home / "bench").iterdir()) == ["lock", "portal-csv-200"]


def test_everything_ordered_is_measured_the_plain_way_only_at_the_sizes_it_was_asked_for(
    benchmark: tuple[Path, Benchmark, Watching], measuring: list[tuple[str, int]]
) -> None:
    order = Order(("portal-csv",), (20, ROWS), plain=(20,), rounds=2)
    found = bench.bench(benchmark[0], order)
    assert measuring == [(name, 2) for name in ("stages", "runs", "plain", "stages", "runs", "prompt")]
    small, large = found.measured.results
    assert (small.plain, large.plain) == (plain(60.0), None)
    assert small.runs == large.runs == runs(2.0)
    assert found.measured.prompt == prompt()
    assert {one.what for one in found.budgets} == {
        "prompt to verdict, first run",
        "second run above the bare start",
        "m365dq --help",
    }
    assert found.as_mapping()["prompt"]["shape"] == "portal-csv"


def test_whoever_asks_for_flame_graphs_has_them_put_into_a_folder_that_is_made(
    benchmark: tuple[Path, Benchmark, Watching], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    graphs = bench.graphs_folder(tmp_path / "made" / "here")
    assert graphs.is_dir()
    asked: list[Path | None] = []
    (result,) = benchmark[1].measured.results
    monkeypatch.setattr(bench_stages, "measured", lambda *given: asked.append(given[-1]) or result)
    monkeypatch.setattr(bench_program, "at_the_prompt", lambda *given: asked.append(given[-1].graphs) or prompt())
    monkeypatch.setattr(bench, "PROMPT_ROWS", ROWS)
    order = Order(("portal-csv",), (ROWS,), figures=(Figure.STAGES, Figure.PROMPT))
    bench.bench(benchmark[0], order, graphs=graphs)
    assert asked == [graphs, graphs]


def test_flame_graphs_that_cannot_be_drawn_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"cannot be used .*; give --profile another folder"):
        bench.graphs_folder(tmp_path / "file")
    monkeypatch.setattr(bench, "can_watch", lambda: False)
    with pytest.raises(BadInput, match="--profile needs the package pyinstrument"):
        bench.graphs_folder(tmp_path)


def test_where_nothing_can_be_watched_it_is_said_that_the_composition_is_missing(
    benchmark: tuple[Path, Benchmark, Watching], measuring: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "can_watch", lambda: False)
    found = bench.bench(benchmark[0], Order((), (), figures=(Figure.PROMPT,)))
    assert found.notes == (bench.NOT_WATCHED,)


def test_the_prompt_can_be_measured_alone(
    benchmark: tuple[Path, Benchmark, Watching], measuring: list[tuple[str, int]]
) -> None:
    found = bench.bench(benchmark[0], Order(("ual-csv",), (10**6,), figures=(Figure.PROMPT,)))
    assert measuring == [("prompt", 5)]
    assert found.measured.results == ()
    assert found.shapes == ()


def test_where_there_is_no_plain_implementation_that_is_said(
    benchmark: tuple[Path, Benchmark, Watching],
    measuring: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(bench_program, "PLAIN_WAY", tmp_path / "absent.py")
    found = bench.bench(benchmark[0], Order(("portal-csv",), (ROWS,), figures=(Figure.STAGES, Figure.PLAIN)))
    assert found.notes == (bench.NO_PLAIN_WAY,)
    assert found.as_mapping()["notes"] == [bench.NO_PLAIN_WAY]
    assert bench.bench(benchmark[0], Order(("portal-csv",), (ROWS,), figures=STAGES)).notes == ()


def test_files_of_several_benchmarks_are_read_as_one_and_judged_anew(
    benchmark: tuple[Path, Benchmark, Watching], tmp_path: Path
) -> None:
    (result,) = benchmark[1].measured.results
    first = replace(benchmark[1], measured=Measured((replace(result, rows=10_000),)), notes=("Said before.",))
    second = replace(benchmark[1], measured=Measured((result,), prompt()), notes=("Said before.",))
    for name, one in (("a", first), ("b", second)):
        bench.keep(one, tmp_path / name)
    found = bench.read_again([tmp_path / "a", tmp_path / "b"], second.measured)
    assert [one.rows for one in found.measured.results] == [ROWS, 10_000]
    assert found.measured.prompt == prompt()
    assert found.machine == benchmark[1].machine
    assert found.notes == ("Said before.",)
    assert found.uncompared == ("portal-csv 10K",)
    assert {one.rows for one in found.budgets if one.shape} == {10_000}


def test_a_file_that_does_not_name_its_machine_is_still_shown(
    benchmark: tuple[Path, Benchmark, Watching], tmp_path: Path
) -> None:
    document = {**benchmark[1].as_mapping(), "machine": "what?", "notes": 3}
    (tmp_path / "a").write_text(json.dumps(document))
    found = bench.read_again([tmp_path / "a"])
    assert found.machine["words"] == "a machine that is not named"
    assert found.notes == ()


def test_what_a_killed_benchmark_left_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "home" / "bench"
    for name in ("making-ual-csv-20", "scratch-ual-csv-20"):
        (root / name).mkdir(parents=True)
    bench.bench(tmp_path / "home", Order((), (), figures=STAGES))
    assert [path.name for path in root.iterdir()] == ["lock"]


def test_two_benchmarks_of_one_home_do_not_measure_each_other(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    with bench.only_one(tmp_path / "bench"), pytest.raises(CaseBusy):
        bench.bench(tmp_path, Order((), (), figures=STAGES))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("a file")
    with pytest.raises(BadInput, match=r"bench cannot be used .*; set M365DQ_HOME to a folder that you may write to"):
        bench.bench(tmp_path, Order(("ual-csv",), (20,), figures=STAGES))


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

    monkeypatch.setattr(bench_evidence.generate, "generate", refuse)
    with pytest.raises(kind, match=sentence):
        bench.bench(tmp_path, Order(("ual-csv",), (20,), figures=STAGES))


def test_a_benchmark_is_kept_and_read_again(benchmark: tuple[Path, Benchmark, Watching], tmp_path: Path) -> None:
    path = bench.writable_file(tmp_path / "kept.json")
    bench.keep(benchmark[1], path)
    (again,) = bench.read_earlier(path).results
    assert again.rounds == benchmark[1].measured.results[0].rounds
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
