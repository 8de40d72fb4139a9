"""The benchmark: what was ordered is measured on evidence made once, held against the budgets and against an earlier
benchmark, and kept as a document.

Nothing is timed here: the stages one by one stand in ``stages.bench_stages``, whole runs of the program, the shell
prompt and the plain implementation in ``stages.bench_program``. What the numbers may be is judged in ``core.budgets``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.bench import machine, only_one
from m365dq_dagster.adapters.bench_profile import can_watch
from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.bench_request import SHAPES, Figure, Order
from m365dq_dagster.core.bench_results import Measured, Prompt, Result, read_measured, together
from m365dq_dagster.core.budgets import BudgetVerdict, Change, compare, judge, uncompared
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages import bench_program, bench_stages
from m365dq_dagster.stages.bench_evidence import Evidence, evidence, sweep, writable
from m365dq_dagster.stages.bench_program import Bench
from m365dq_dagster.stages.case_run import Progress, Silent

PROMPT_SHAPE, PROMPT_ROWS = "portal-csv", 10_000
"""The case on which it is measured what passes at the shell prompt."""
NO_PLAIN_WAY = (
    "The plain implementation is kept under tests/benchmarks of a checkout and is not here, so nothing was measured "
    "beside it."
)

NOT_WATCHED = "The package pyinstrument is not installed, so it is not told what the first run consists of."
UNNAMED = {"words": "a machine that is not named", "load": "unknown"}

TABLE_SCAN = "DuckDB read_csv, every column as VARCHAR, dialect given, counting the filled cells of each column"
SCANS = {
    "portal-csv": TABLE_SCAN,
    "graph-jsonl": "DuckDB read_json, one object a line, every top-level key as VARCHAR (nested values as JSON text), "
    "counting the filled values of each key",
    "ual-csv": f"{TABLE_SCAN}; AuditData is one of them and is not opened",
}
"""What the bare scan of each export is, in words."""


@dataclass(frozen=True)
class Benchmark:
    """What was measured, where and when, held against the budgets and against an earlier benchmark."""

    measured_at: str
    machine: dict[str, Any]
    measured: Measured
    budgets: tuple[BudgetVerdict, ...]
    changes: tuple[Change, ...] | None = None
    uncompared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[str, ...]:
        """The exports that were measured."""
        return tuple(shape for shape in SHAPES if any(one.shape == shape for one in self.measured.results))

    def as_mapping(self) -> dict[str, Any]:
        """The document of the benchmark; ``changes`` is null where nothing was compared, ``prompt`` where nothing was
        measured at the prompt.
        """
        prompt = self.measured.prompt
        return {
            "measured_at": self.measured_at,
            "machine": self.machine,
            "scan": {shape: SCANS[shape] for shape in self.shapes},
            "results": [result.as_mapping() for result in self.measured.results],
            "prompt": prompt.as_mapping() if prompt else None,
            "budgets": [verdict.as_mapping() for verdict in self.budgets],
            "changes": None if self.changes is None else [change.as_mapping() for change in self.changes],
            "uncompared": list(self.uncompared),
            "notes": list(self.notes),
        }


def bench(
    home: Path,
    order: Order,
    progress: Progress | None = None,
    earlier: Measured | None = None,
    graphs: Path | None = None,
) -> Benchmark:
    """Make what evidence is missing below ``<home>/bench``, then measure what was ordered; with a folder for
    ``graphs``, watch one further run of each as well.

    Raises ``BadInput`` where nothing can be written there, ``CaseBusy`` where another benchmark of this home is
    working, and ``InternalFault`` where a measurement fails or the disk is full.
    """
    desk = _Desk(home, order, progress or Silent(), graphs)
    at, on = SystemClock().now().isoformat(), machine()
    with writable(home / "bench") as root, only_one(root):
        sweep(root)
        sized = _sized(root, desk)
        prompted = evidence(root, PROMPT_SHAPE, PROMPT_ROWS, desk.progress) if order.wants(Figure.PROMPT) else None
        results = tuple(_result(root, found, desk) for found in sized)
        prompt = _prompt(root, prompted, desk) if prompted else None
    return held(at, on, Measured(results, prompt), earlier, _notes(order))


@dataclass(frozen=True)
class _Desk:
    """One benchmark: its home, what was ordered, who is told how far it is, and where flame graphs go."""

    home: Path
    order: Order
    progress: Progress
    graphs: Path | None

    @contextmanager
    def scratch(self, root: Path, found: Evidence) -> Iterator[Bench]:
        """A folder that is thrown away with the block."""
        scratch, logs = root / f"scratch-{found.shape}-{found.rows}", self.home / "logs"
        scratch.mkdir(mode=0o700)
        logs.mkdir(mode=0o700, exist_ok=True)
        try:
            yield Bench(scratch, logs / "bench.log", self.progress, self.graphs)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def held(
    at: str, on: dict[str, Any], measured: Measured, earlier: Measured | None, notes: tuple[str, ...] = ()
) -> Benchmark:
    """What was measured, held against the budgets and against an earlier benchmark."""
    changes = None if earlier is None else compare(earlier, measured)
    missing = () if earlier is None else uncompared(earlier, measured)
    return Benchmark(at, on, measured, judge(measured), changes, missing, notes)


def _sized(root: Path, desk: _Desk) -> tuple[Evidence, ...]:
    """The evidence of every export and size; none where only the prompt is measured."""
    order = desk.order
    if not order.wants(Figure.STAGES):
        return ()
    return tuple(evidence(root, shape, rows, desk.progress) for rows in order.sizes for shape in order.shapes)


def _notes(order: Order) -> tuple[str, ...]:
    absent = order.wants(Figure.PLAIN) and not bench_program.PLAIN_WAY.is_file()
    unwatched = order.wants(Figure.PROMPT) and not can_watch()
    return (*((NO_PLAIN_WAY,) if absent else ()), *((NOT_WATCHED,) if unwatched else ()))


def _result(root: Path, found: Evidence, desk: _Desk) -> Result:
    """One export of one size: the stages, then whole runs of the program, then the plain implementation."""
    order, rounds = desk.order, desk.order.rounds_of(found.rows)
    desk.progress.step(found.name, f"{rounds} rounds", 0, rounds)
    with desk.scratch(root, found) as bench:
        result = bench_stages.measured(found, rounds, bench.scratch, bench.log, bench.progress, bench.graphs)
    with desk.scratch(root, found) as bench:
        if order.wants(Figure.RUNS):
            result = replace(result, runs=bench_program.whole_runs(found, rounds, bench))
        if order.wants(Figure.PLAIN) and found.rows in order.plain:
            result = replace(result, plain=bench_program.plain_way(found, rounds, bench))
    return result


def _prompt(root: Path, found: Evidence, desk: _Desk) -> Prompt:
    with desk.scratch(root, found) as bench:
        return bench_program.at_the_prompt(found, desk.order.rounds_of(found.rows), bench)


def graphs_folder(path: Path) -> Path:
    """The folder for flame graphs, made where it is missing. ``BadInput`` where it cannot be, or nothing can be
    watched.
    """
    folder = path.expanduser().absolute()
    if not can_watch():
        raise BadInput("--profile needs the package pyinstrument; install it, or leave the option out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be used ({error.strerror}); give --profile another folder.") from None
    return folder


def read_document(path: Path) -> tuple[Measured, dict[str, Any]]:
    """What a benchmark wrote to a file: what was measured, and the document. ``BadInput`` where it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return read_measured(document, str(path)), document
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); give a file that `m365dq bench --out` wrote."
        ) from None
    except ValueError:
        raise BadInput(f"{path} is no result of `m365dq bench`; give a file that `--out` wrote.") from None


def read_earlier(path: Path) -> Measured:
    """What a benchmark measured and wrote to a file. Raises ``BadInput`` where it cannot be read or is none."""
    return read_document(path)[0]


def read_again(paths: Sequence[Path], earlier: Measured | None = None) -> Benchmark:
    """What benchmarks wrote to files, shown as one and judged anew; the machine is that of the last.

    Raises ``BadInput`` where a file cannot be read or is none.
    """
    read = [read_document(path) for path in paths]
    measured, documents = together(one for one, _ in read), [document for _, document in read]
    notes = [str(note) for document in documents for note in _listed(document.get("notes"))]
    last = documents[-1]
    named = last.get("machine")
    on = {**UNNAMED, **named} if isinstance(named, dict) else UNNAMED
    return held(str(last.get("measured_at", "")), on, measured, earlier, tuple(dict.fromkeys(notes)))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


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
