"""The stages of a run timed one by one beside a bare scan of the same file, in a process that does nothing else.

The process runs this module; it takes the way of any run of a case (register, take in, judge, report, publish) without
the orchestrator and its checks, on a home that is thrown away. Whole runs of the program stand in
``stages.bench_program``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import duckdb

from m365dq_dagster.adapters.bench import BareScan, Heard, in_own_process, normalized_layers, peak_memory
from m365dq_dagster.adapters.bench_profile import WatchedConnection, watching
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema, limit_memory
from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.loading import collect_seldom
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.bench_results import PARTS, STEPS, Result, Statement, read_result
from m365dq_dagster.core.checks import failed_blocking
from m365dq_dagster.core.errors import InternalFault, M365dqError
from m365dq_dagster.stages import case, intake, quality, reliability, report, verification
from m365dq_dagster.stages.bench_evidence import Evidence, all_rows
from m365dq_dagster.stages.case_run import CaseRun, Progress, Silent

ASKED = 40
"""How often each question is asked of the normalized statuses; the 95th percentile is what 38 of them keep within."""
GENERATION = "bench"
Connected = Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyConnection]
JUDGING = {"intake": intake, "quality": quality, "reliability": reliability, "verification": verification}


def measured(found: Evidence, rounds: int, scratch: Path, log: Path, progress: Progress, graphs: Path | None) -> Result:
    """Measure the stages on one export in a process of its own; raises ``InternalFault`` where that cannot be done.

    With a folder for ``graphs`` one further run is watched, and what it did is drawn there.
    """
    paths = {"folder": str(found.folder), "file": str(found.file), "scratch": str(scratch)}
    if graphs:
        paths["graph"] = str(graphs / f"stages-{found.shape}-{found.rows}")
    task = {**paths, "shape": found.shape, "rows": found.rows, "rounds": rounds}

    def heard(message: Heard) -> None:
        if message["event"] == "round":
            progress.step(found.name, f"stages, round {message['number']} of {rounds}", message["number"], rounds)

    last, started = in_own_process([__name__, json.dumps(task)], log, heard)
    return read_result({**last["result"], "start_seconds": started})


@dataclass
class _Stopwatch:
    """The seconds of the steps of one run and of parts of them, and since when it has been going on."""

    laps: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)

    @contextmanager
    def lap(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.laps[part] = self.laps.get(part, 0.0) + time.perf_counter() - begun

    def of(self, names: Iterable[str]) -> dict[str, float]:
        return {name: self.laps[name] for name in names}


@dataclass(frozen=True)
class _Timed:
    """One run of the pipeline."""

    whole: float
    steps: dict[str, float]
    parts: dict[str, float]
    case_bytes: int
    status: str
    layers: dict[str, Any] | None = None


def measure(
    folder: Path,
    file: Path,
    shape: str,
    rows: int,
    rounds: int,
    scratch: Path,
    say: Progress | None = None,
    graph: Path | None = None,
) -> dict[str, Any]:
    """Run the pipeline on a folder ``rounds`` times, each between two bare scans of its file; the result as mapping.

    The file is read once beforehand, so that no round waits for the disk. Every round takes the case in anew, under
    another id and with a touched file, so that nothing is remembered from the round before. With ``graph``, the path of
    a drawing without its ending, one further run is watched. Raises ``InternalFault``
    where a run does not come to its end or loses a row.
    """
    watched = say or Silent()
    scan = BareScan(file)
    taken: list[dict[str, Any]] = []
    timed, peak = _Timed(0.0, {}, {}, 0, ""), 0
    all_rows(scan.seconds()[1], rows, "The bare scan")
    with Registry.open(f"sqlite:///{scratch / 'registry.sqlite3'}") as registry:
        for number in range(1, rounds + 1):
            os.utime(file)
            case_id, last = f"bench-{number}", number == rounds
            timed, beside = scan.beside(partial(_pipeline, folder, rows, scratch, registry, case_id, layers=last))
            taken.append({"scan": beside, "whole": timed.whole, "steps": timed.steps, "parts": timed.parts})
            peak = peak or peak_memory()
            watched.step(shape, "", number, rounds)
        statements = _watched(folder, rows, scratch, registry, graph) if graph else ()
    scan.close()
    facts = {"peak_bytes": peak, "evidence_bytes": file.stat().st_size, "case_bytes": timed.case_bytes}
    told: dict[str, Any] = {"status": timed.status, "normalized": timed.layers}
    told["statements"] = [one.as_mapping() for one in statements]
    return {"shape": shape, "rows": rows, "measured": taken, **told, **facts}


def _watched(folder: Path, rows: int, scratch: Path, registry: Registry, graph: Path) -> tuple[Statement, ...]:
    """One run more, drawn as a flame graph, with its heaviest statements and their plans."""
    seen: list[WatchedConnection] = []

    def watch(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        seen.append(WatchedConnection(con))
        return cast("duckdb.DuckDBPyConnection", seen[0])

    with watching(graph):
        _pipeline(folder, rows, scratch, registry, "bench-watched", connected=watch)
    return seen[0].statements(graph.with_name(f"{graph.name}-statements"))


def _pipeline(
    folder: Path,
    rows: int,
    scratch: Path,
    registry: Registry,
    case_id: str,
    *,
    layers: bool = False,
    connected: Connected = lambda con: con,
) -> _Timed:
    """One run of a case from its folder to the published generation; with ``layers`` the normalized statuses as view
    and as table are compared afterwards. ``connected`` may hand back a connection that is watched.
    """
    watch, store = _Stopwatch(), CaseStore(scratch / "cases")
    with store.lock(case_id, 0):
        with watch.lap("prepare"):
            run = _opened(folder, scratch, registry, store, case_id, watch, connected)
        try:
            for name, stage in JUDGING.items():
                with watch.lap(name):
                    checks = stage.run(run)
                _not_stopped(checks, case_id)
            with watch.lap("report"):
                report.run(run)
                body = case.finish_run(run)
            with watch.lap("publish"):
                run.con.execute("CHECKPOINT")
                run.con.close()
                published = store.publish(case_id, GENERATION)
        finally:
            run.con.close()
    whole = time.perf_counter() - watch.begun
    all_rows(sum(one["rows_imported"] for one in body["files"]), rows, "The pipeline")
    size = published.stat().st_size
    compared = normalized_layers(published, ASKED) if layers else None
    timed = _Timed(whole, watch.of(STEPS), watch.of(PARTS), size, str(body["status"]), compared)
    shutil.rmtree(store.case_dir(case_id))
    return timed


def _opened(
    folder: Path,
    scratch: Path,
    registry: Registry,
    store: CaseStore,
    case_id: str,
    watch: _Stopwatch,
    connected: Connected,
) -> CaseRun:
    """The rule pack read, the case registered and an empty generation opened, as for any run."""
    pack = load_rule_pack()
    settings = Settings(home=scratch)
    prepared = case.prepare_case(settings, registry, store, pack, folder, case_id)
    path = store.begin(case_id, GENERATION, from_current=False)
    con = connected(duckdb.connect(str(path), config=CONNECT_CONFIG))
    limit_memory(con, settings.memory_limit)
    create_schema(con)
    return CaseRun(
        case_id=case_id,
        run_id=GENERATION,
        folder=prepared.folder,
        case_dir=store.case_dir(case_id),
        context=prepared.context,
        pack=pack,
        con=con,
        registry=registry,
        clock=SystemClock(),
        watch=watch,
    )


def _not_stopped(stage_report: Any, case_id: str) -> None:
    """A run that a gate stops is quick for the wrong reason."""
    failed = failed_blocking(getattr(stage_report, "checks", ()))
    if failed:
        raise InternalFault(
            f"The benchmark's own evidence was stopped by {failed[0].name}; nothing was measured. {failed[0].headline}"
        )


class _Spoken:
    """Progress as lines of JSON on stdout, for the process that started this one."""

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        """One round is done."""
        _speak({"event": "round", "number": done})


def _speak(message: Heard) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Measure one export in this process, which is set up as the program's is, and say the result on stdout. Returns
    the exit code.
    """
    collect_seldom()
    _speak({"event": "ready"})
    task = json.loads(words[0])
    paths = {name: Path(task[name]) for name in ("folder", "file", "scratch", "graph") if name in task}
    try:
        result = measure(**{**task, **paths}, say=_Spoken())
    except M365dqError as error:
        _speak({"event": "failed", "sentence": str(error)})
        return 0
    _speak({"event": "done", "result": result})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
