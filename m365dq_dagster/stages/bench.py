"""The benchmark: evidence made once, and every stage of a run timed beside a bare scan of the same file.

Each export of each size is measured in a process of its own, which runs this module; it takes the way of any run of a
case (register, take in, judge, report, publish) without the orchestrator, on a home that is thrown away. What the
numbers may be is judged in ``core.budgets``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from m365dq_dagster.adapters import synthetic
from m365dq_dagster.adapters.bench import (
    BareScan,
    Heard,
    in_own_process,
    machine,
    normalized_layers,
    only_one,
    peak_memory,
)
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, CaseStore, create_schema
from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.budgets import (
    BudgetVerdict,
    Change,
    Result,
    compare,
    judge,
    read_result,
    read_results,
    rounds_for,
    size_words,
    uncompared,
)
from m365dq_dagster.core.checks import failed_blocking
from m365dq_dagster.core.errors import BadInput, InternalFault, M365dqError
from m365dq_dagster.stages import case, generate, intake, quality, reliability, report, verification
from m365dq_dagster.stages.case_run import CaseRun, Progress, Silent

SEED = 7
FAMILIES = {"portal-csv": "signins", "graph-jsonl": "signins", "ual-csv": "ual"}
"""Which single log of the generator is written in each export."""
ASKED = 40
"""How often each question is asked of the normalized statuses; the 95th percentile is what 38 of them keep within."""
MARKER = "made.json"
EVIDENCE = "evidence"
GENERATION = "bench"
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR}
"""How the system says that a folder may not be written to."""
JUDGING = {"intake": intake, "quality": quality, "reliability": reliability, "verification": verification}

TABLE_SCAN = "DuckDB read_csv, every column as VARCHAR, dialect given, counting the filled cells of each column"
SCANS = {
    "portal-csv": TABLE_SCAN,
    "graph-jsonl": "DuckDB read_json, one object a line, every top-level key as VARCHAR (nested values as JSON text), "
    "counting the filled values of each key",
    "ual-csv": f"{TABLE_SCAN}; AuditData is one of them and is not opened",
}
"""What the bare scan of each export is, in words."""


@dataclass(frozen=True)
class Order:
    """What is to be measured: exports by name, sizes in rows, and the least number of rounds."""

    shapes: tuple[str, ...]
    sizes: tuple[int, ...]
    at_least: int = 1
    rounds: int | None = None
    """Exactly so many rounds, for trying out; None takes what the size asks for."""

    def rounds_of(self, rows: int) -> int:
        """How often a size is measured."""
        return self.rounds or rounds_for(rows, self.at_least)


@dataclass(frozen=True)
class Evidence:
    """A folder with one file of evidence, made by the generator."""

    folder: Path
    file: Path
    rows: int


@dataclass(frozen=True)
class Benchmark:
    """What was measured, where and when, held against the budgets and against an earlier benchmark."""

    measured_at: str
    machine: dict[str, Any]
    results: tuple[Result, ...]
    budgets: tuple[BudgetVerdict, ...]
    changes: tuple[Change, ...] | None = None
    uncompared: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """The document of the benchmark; ``changes`` is null where nothing was compared."""
        return {
            "measured_at": self.measured_at,
            "machine": self.machine,
            "scan": {shape: SCANS[shape] for shape in self.shapes},
            "results": [result.as_mapping() for result in self.results],
            "budgets": [verdict.as_mapping() for verdict in self.budgets],
            "changes": None if self.changes is None else [change.as_mapping() for change in self.changes],
            "uncompared": list(self.uncompared),
        }


def bench(
    home: Path, order: Order, progress: Progress | None = None, earlier: tuple[Result, ...] | None = None
) -> Benchmark:
    """Make what evidence is missing below ``<home>/bench``, then measure every export of every size.

    Raises ``BadInput`` where nothing can be written there, ``CaseBusy`` where another benchmark of this home is
    working, and ``InternalFault`` where a measurement fails or the disk is full.
    """
    watched = progress or Silent()
    at, on = SystemClock().now().isoformat(), machine()
    with _writable(home / "bench") as root, only_one(root):
        _sweep(root)
        made = [(shape, evidence(root, shape, rows, watched)) for rows in order.sizes for shape in order.shapes]
        results = tuple(_measured(home, root, shape, found, order, watched) for shape, found in made)
    changes = None if earlier is None else compare(earlier, results)
    missing = () if earlier is None else uncompared(earlier, results)
    return Benchmark(at, on, results, judge(results), changes, missing, order.shapes)


def read_earlier(path: Path) -> tuple[Result, ...]:
    """The results in a file that a benchmark wrote. Raises ``BadInput`` where it cannot be read or is none."""
    try:
        return read_results(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); give a file that `m365dq bench --out` wrote."
        ) from None
    except ValueError:
        raise BadInput(f"{path} is no result of `m365dq bench`; give a file that `--out` wrote.") from None


def writable_file(path: Path) -> Path:
    """The absolute path, if a file can be written there; asked before an hour is spent measuring. ``BadInput`` else."""
    target = path.expanduser().absolute()
    if target.is_dir() or not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise BadInput(f"{target} cannot be written; give --out a file in a folder that exists.")
    return target


def keep(document: Benchmark, path: Path) -> None:
    """Write the document as JSON. Raises ``BadInput`` where that cannot be done."""
    try:
        write_whole(path, json.dumps(document.as_mapping(), indent=2) + "\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); give --out a file elsewhere.") from None


@contextmanager
def _writable(root: Path) -> Iterator[Path]:
    """The folder of the benchmark; what the disk refuses inside the block becomes one sentence."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield root
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InternalFault(f"The disk of {root} is full; free space there, or measure fewer rows.") from None
        if error.errno not in REFUSED:
            raise
        raise BadInput(
            f"{root} cannot be used ({error.strerror}); set M365DQ_HOME to a folder that you may write to."
        ) from None


def _sweep(root: Path) -> None:
    """Throw away what killed benchmarks left; only the holder of the lock may."""
    for leftover in (*root.glob("making-*"), *root.glob("scratch-*")):
        shutil.rmtree(leftover)


def generator_version() -> str:
    """A hash of the generator's own source: other bytes may come out of another one."""
    digest = hashlib.sha256()
    for path in (*sorted(Path(synthetic.__path__[0]).glob("*.py")), Path(generate.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def evidence(root: Path, shape: str, rows: int, progress: Progress) -> Evidence:
    """The evidence of one export and size, made where it is missing or was made by another generator."""
    folder = root / f"{shape}-{rows}"
    wanted = {"generator": generator_version(), "seed": SEED, "shape": shape, "rows": rows}
    found = _already(folder, wanted)
    if found is None:
        progress.step(f"making {shape} {size_words(rows)}", f"{rows:,} rows of evidence, once")
        _make(root, folder, wanted)
        found = _already(folder, wanted)
    if found is None:
        raise InternalFault(f"The evidence in {folder} changed while it was made; run the benchmark again.")
    return Evidence(folder / EVIDENCE, found, rows)


def _already(folder: Path, wanted: dict[str, Any]) -> Path | None:
    """The file of evidence, if it is there as it was made."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        file = folder / EVIDENCE / str(marker["file"])
        return file if marker == {**wanted, "file": file.name, "bytes": file.stat().st_size} else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(root: Path, folder: Path, wanted: dict[str, Any]) -> None:
    """Make it beside its place and move it there whole, so that half of it is never found."""
    making = root / f"making-{folder.name}"
    making.mkdir()
    shape = str(wanted["shape"])
    made = generate.generate(FAMILIES[shape], making / EVIDENCE, seed=SEED, rows=int(wanted["rows"]), shape=shape)
    (file,) = made.files
    marker = {**wanted, "file": file.name, "bytes": file.stat().st_size}
    (making / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    making.rename(folder)


def _measured(home: Path, root: Path, shape: str, found: Evidence, order: Order, progress: Progress) -> Result:
    """Measure one export in a process of its own, on a home that is thrown away afterwards."""
    rounds = order.rounds_of(found.rows)
    name = f"{shape} {size_words(found.rows)}"
    progress.step(name, f"{rounds} rounds", 0, rounds)
    scratch = root / f"scratch-{shape}-{found.rows}"
    scratch.mkdir(mode=0o700)
    logs = home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    task = {"folder": str(found.folder), "file": str(found.file), "rows": found.rows, "rounds": rounds}

    def heard(message: Heard) -> None:
        if message["event"] == "round":
            progress.step(name, f"round {message['number']} of {rounds}", message["number"], rounds)

    try:
        last, started = in_own_process(
            [__name__, json.dumps({**task, "shape": shape, "scratch": str(scratch)})], logs / "bench.log", heard
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return read_result({**last["result"], "start_seconds": started})


@dataclass
class _Stopwatch:
    """The seconds of the parts of one run, and since when it has been going on."""

    laps: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.laps[name] = time.perf_counter() - begun


@dataclass(frozen=True)
class _Timed:
    """One run of the pipeline."""

    whole: float
    steps: dict[str, float]
    case_bytes: int
    status: str
    layers: dict[str, Any] | None = None


def measure(
    folder: Path, file: Path, shape: str, rows: int, rounds: int, scratch: Path, say: Progress | None = None
) -> dict[str, Any]:
    """Run the pipeline on a folder ``rounds`` times, each between two bare scans of its file; the result as mapping.

    The file is read once beforehand, so that no round waits for the disk. Every round takes the case in anew, under
    another id and with a touched file, so that nothing is remembered from the round before. Raises ``InternalFault``
    where a run does not come to its end or loses a row.
    """
    watched = say or Silent()
    scan = BareScan(file)
    measured: list[dict[str, Any]] = []
    timed, peak = _Timed(0.0, {}, 0, ""), 0
    _all_rows(scan.seconds()[1], rows, "The bare scan")
    with Registry.open(f"sqlite:///{scratch / 'registry.sqlite3'}") as registry:
        for number in range(1, rounds + 1):
            os.utime(file)
            before, _ = scan.seconds()
            timed = _pipeline(folder, rows, scratch, registry, f"bench-{number}", layers=number == rounds)
            after, _ = scan.seconds()
            measured.append({"scan": (before + after) / 2, "whole": timed.whole, "steps": timed.steps})
            peak = peak or peak_memory()
            watched.step(shape, "", number, rounds)
    scan.close()
    facts = {"peak_bytes": peak, "evidence_bytes": file.stat().st_size, "case_bytes": timed.case_bytes}
    told = {"status": timed.status, "normalized": timed.layers}
    return {"shape": shape, "rows": rows, "measured": measured, **told, **facts}


def _all_rows(seen: int, rows: int, who: str) -> None:
    if seen != rows:
        raise InternalFault(f"{who} read {seen:,} of {rows:,} rows, so its time says nothing; nothing was measured.")


def _pipeline(
    folder: Path, rows: int, scratch: Path, registry: Registry, case_id: str, *, layers: bool = False
) -> _Timed:
    """One run of a case from its folder to the published generation; with ``layers`` the normalized statuses as view
    and as table are compared afterwards.
    """
    watch, store = _Stopwatch(), CaseStore(scratch / "cases")
    with store.lock(case_id, 0):
        with watch.lap("prepare"):
            run = _opened(folder, scratch, registry, store, case_id)
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
    _all_rows(sum(one["rows_imported"] for one in body["files"]), rows, "The pipeline")
    size = published.stat().st_size
    compared = normalized_layers(published, ASKED) if layers else None
    timed = _Timed(whole, watch.laps, size, str(body["status"]), compared)
    shutil.rmtree(store.case_dir(case_id))
    return timed


def _opened(folder: Path, scratch: Path, registry: Registry, store: CaseStore, case_id: str) -> CaseRun:
    """The rule pack read, the case registered and an empty generation opened, as for any run."""
    pack = load_rule_pack()
    prepared = case.prepare_case(Settings(home=scratch), registry, store, pack, folder, case_id)
    path = store.begin(case_id, GENERATION, from_current=False)
    con = duckdb.connect(str(path), config=CONNECT_CONFIG)
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
    """Measure one export in this process and say the result on stdout. Returns the exit code."""
    _speak({"event": "ready"})
    task = json.loads(words[0])
    paths = {name: Path(task[name]) for name in ("folder", "file", "scratch")}
    try:
        result = measure(**{**task, **paths}, say=_Spoken())
    except M365dqError as error:
        _speak({"event": "failed", "sentence": str(error)})
        return 0
    _speak({"event": "done", "result": result})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
