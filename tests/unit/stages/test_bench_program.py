import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.bench import Spent, own_interpreter
from m365dq_dagster.adapters.bench_profile import can_watch
from m365dq_dagster.core.composition import Frame
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.stages import bench_program
from m365dq_dagster.stages.bench_evidence import Evidence, evidence
from m365dq_dagster.stages.bench_program import Bench, at_the_prompt, plain_way, whole_runs
from m365dq_dagster.stages.case_run import Silent
from tests.support.watching import Watching

ROWS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(tmp_path_factory.mktemp("bench"), "portal-csv", ROWS, Silent())


@dataclass
class Processes:
    """Stands where processes are started: each takes a second more than the one before, and leaves what one leaves."""

    rows: int = ROWS
    unchanged: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def __call__(self, words: Sequence[str], home: Path, log: Path) -> Spent:
        kind = next((one for one in ("run", "--version", "--help", "pass") if one in words), "plain")
        self.asked.append((kind, home.name))
        said: dict[str, Any] = {}
        if kind == "run":
            (home / "cases").mkdir(parents=True, exist_ok=True)
            again = self.asked.count((kind, home.name)) > 1 and home.name != "home"
            said = {"files": [{"rows_imported": self.rows}], "unchanged": self.unchanged and again}
            self.files.append(next(Path(words[list(words).index("run") + 1]).glob("*.csv")).stat().st_mtime_ns)
        if kind == "plain":
            said = {"rows": self.rows, "seconds": 1.5, "successes": 58, "foreign_successes": 2}
        return Spent(float(len(self.asked)), len(self.asked) / 2, 1000 * len(self.asked), 0, json.dumps(said))


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_program, "can_watch", lambda: False)


@pytest.fixture
def bench(tmp_path: Path, processes: Processes) -> Bench:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Bench(scratch, tmp_path / "bench.log", Watching(), None, processes)


def test_whole_runs_take_the_touched_evidence_in_anew_and_leave_no_case_behind(
    made: Evidence, bench: Bench, processes: Processes
) -> None:
    found = whole_runs(made, 2, bench)
    assert processes.asked == [("--version", "home"), ("run", "home")] * 2
    assert [(one.start, one.whole, one.own) for one in found.rounds] == [(1.0, 2.0, 1.0), (3.0, 4.0, 1.0)]
    assert all(one.scan > 0 for one in found.rounds)
    assert found.peak_bytes == 4000
    assert processes.files[0] < processes.files[1]
    assert list((bench.scratch / "home").iterdir()) == []


def test_a_whole_run_that_loses_a_row_is_not_measured(made: Evidence, bench: Bench) -> None:
    with pytest.raises(InternalFault, match="The run read 60 of 61 rows, so its time says nothing"):
        whole_runs(replace(made, rows=ROWS + 1), 1, bench)


def test_at_the_prompt_every_round_has_a_home_of_its_own_and_a_second_run(
    made: Evidence, bench: Bench, processes: Processes
) -> None:
    found = at_the_prompt(made, 2, bench)
    kinds = ["run", "run", "pass", "--version", "--help"]
    assert processes.asked[3:] == [(kind, f"prompt-{number}") for number in (1, 2) for kind in kinds]
    (one, _) = found.rounds
    assert (one.first, one.second, one.interpreter, one.start, one.help) == (4.0, 5.0, 6.0, 7.0, 8.0)
    assert one.processor == {"first": 2.0, "second": 2.5, "interpreter": 3.0, "start": 3.5, "help": 4.0}
    assert (found.shape, found.rows, found.made_of) == ("portal-csv", ROWS, {})
    assert list(bench.scratch.iterdir()) == []


def test_a_second_run_that_judges_again_is_not_measured(made: Evidence, bench: Bench, processes: Processes) -> None:
    processes.unchanged = False
    with pytest.raises(InternalFault, match="judged unchanged evidence again, so its time says nothing"):
        at_the_prompt(made, 1, bench)


def test_the_plain_way_tells_its_own_time_and_its_counts(made: Evidence, bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.touch()
    found = plain_way(made, 2, bench, script)
    assert found
    assert [one.whole for one in found.rounds] == [1.5, 1.5]
    assert (found.successes, found.foreign_successes, found.peak_bytes) == (58, 2, 2000)
    with pytest.raises(InternalFault, match="The plain implementation read 60 of 61 rows"):
        plain_way(replace(made, rows=ROWS + 1), 1, bench, script)


def test_where_there_is_no_plain_implementation_nothing_is_measured_beside(
    made: Evidence, bench: Bench, tmp_path: Path
) -> None:
    assert plain_way(made, 2, bench, tmp_path / "absent.py") is None


def test_without_a_folder_for_it_the_composition_is_told_and_nothing_is_drawn(
    made: Evidence, bench: Bench, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_program, "can_watch", lambda: True)
    monkeypatch.setattr(bench_program, "frames", lambda session: Frame("main", "/m365dq_dagster/cli/run.py", 2.5))
    found = at_the_prompt(made, 1, bench)
    assert found.made_of == {"the interpreter": found.rounds[0].interpreter, "command line": 2.5}
    assert processes.asked[-1] == ("run", "prompt-watched")


def test_a_real_first_run_is_watched_and_told_what_it_consists_of(
    made: Evidence, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_program, "can_watch", can_watch)
    graphs = tmp_path / "graphs"
    graphs.mkdir()

    def run(words: Sequence[str], home: Path, log: Path) -> Spent:
        return own_interpreter(words, home, log) if "pyinstrument" in words else processes(words, home, log)

    found = at_the_prompt(made, 1, Bench(tmp_path, tmp_path / "bench.log", Silent(), graphs, run))
    assert found.made_of["the interpreter"] == found.rounds[0].interpreter
    assert {"intake", "quality", "verification", "report", "Dagster", "imports: dagster"} <= found.made_of.keys()
    assert (graphs / f"first-run-portal-csv-{ROWS}.html").is_file()
