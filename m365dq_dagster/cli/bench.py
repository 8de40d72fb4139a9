"""`m365dq bench`: how close to a bare scan of the same file the product works, as tables or as one document.

What is measured, and how, stands in `stages.bench`; budgets and noise in `core.budgets`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core import budgets
from m365dq_dagster.core.budgets import PIPELINE, SECONDS, STEPS, Change, Result, Trend, size_words
from m365dq_dagster.core.errors import BadInput

if TYPE_CHECKING:
    from m365dq_dagster.stages.bench import Benchmark

MB = 1_000_000


def bench(
    ctx: typer.Context,
    rows: Annotated[str, typer.Option("--rows", metavar="SIZES", help="How many events, e.g. 10k,100k,1m.")] = (
        "10k,100k,1m"
    ),
    shapes: Annotated[
        str, typer.Option("--shapes", metavar="NAMES", help=f"Which exports: {', '.join(budgets.SHAPES)}.")
    ] = ",".join(budgets.SHAPES),
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=100, help="At least so many rounds; never fewer than 5 (3 from 1m).")
    ] = 1,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 where a budget is broken.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the document as JSON.")] = None,
    against: Annotated[
        Path | None, typer.Option("--compare", metavar="FILE", help="An earlier --out: say what became slower.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time every stage of a run beside a bare scan of the same file.

    The evidence is made once below the home folder (1 to 2 GB for each export of a million rows) and read from the
    system's cache. The bare scan is DuckDB alone reading every column of the file as text and counting what is filled:
    read_csv with all columns VARCHAR, or read_json with every top-level key VARCHAR. Each round times one scan, the
    whole pipeline without Dagster, and another scan; medians of all rounds are shown.
    """
    from m365dq_dagster.stages import bench as stage

    order = stage.Order(budgets.parse_shapes(shapes), budgets.parse_sizes(rows), repeat)
    if check and not budgets.has_deciding_budget(order.shapes, order.sizes):
        raise BadInput("--check has no budget for these exports and sizes; give --rows 10k,100k,1m.")
    target = stage.writable_file(out) if out else None
    earlier = stage.read_earlier(against.expanduser()) if against else None
    with terminal.StderrProgress(sys.stderr).shown() as progress:
        found = stage.bench(workbench(ctx).home, order, progress, earlier)
    if target:
        stage.keep(found, target)
    _show(found, as_json=as_json)
    if check and budgets.broken(found.budgets):
        raise typer.Exit(1)


def _show(found: Benchmark, *, as_json: bool) -> None:
    if as_json:
        terminal.emit(found.as_mapping())
        return
    screen = terminal.console()
    parts = (_ratios, _seconds, _sizes, _layers)
    for part in (*(one(found.results) for one in parts), _budgets(found)):
        screen.print(part)
        screen.print()
    moved = [change for change in found.changes or () if change.trend is not Trend.SAME]
    if moved:
        screen.print(_changes(moved))
        screen.print()
    for line in _notes(found):
        terminal.say(line)


def _rows(results: Iterable[Result], cells: Any) -> list[Sequence[object]]:
    return [(result.shape, size_words(result.rows), *cells(result)) for result in results]


def _ratios(results: Sequence[Result]) -> Any:
    """Everything as a multiple of the bare scan, since a ratio holds on a busy machine."""
    names = (PIPELINE, "±", *STEPS, "intake %")

    def cells(result: Result) -> list[str]:
        whole, parts = result.ratio(PIPELINE), [result.ratio(step).median for step in STEPS]
        ratios = [f"{ratio:.2f}x" for ratio in (whole.median, whole.deviation, *parts)]
        return [*ratios, f"{result.intake_share:.0%}"]

    title = "Multiples of the bare scan (medians; ± is the median absolute deviation of the pipeline's)"
    return terminal.table(title, ("export", "rows", *names), _rows(results, cells), numbers=("rows", *names))


def _seconds(results: Sequence[Result]) -> Any:
    names = ("scan", PIPELINE, *STEPS, "±")

    def cells(result: Result) -> list[str]:
        whole = result.seconds(PIPELINE)
        times = [result.scan.median, whole.median, *(result.seconds(step).median for step in STEPS), whole.deviation]
        return [f"{seconds:.3f}" for seconds in times]

    title = "Seconds (medians; ± is the median absolute deviation of the pipeline)"
    return terminal.table(title, ("export", "rows", *names), _rows(results, cells), numbers=("rows", *names))


def _sizes(results: Sequence[Result]) -> Any:
    names = ("rounds", "rows/s", "peak memory", "evidence", "case on disk", "start", "verdict")

    def cells(result: Result) -> list[str]:
        sizes = [f"{size / MB:,.0f} MB" for size in (result.peak_bytes, result.evidence_bytes, result.case_bytes)]
        speed = f"{result.rows_per_second:,.0f}"
        return [str(len(result.rounds)), speed, *sizes, f"{result.start_seconds:.2f} s", result.status]

    title = "Throughput and room"
    return terminal.table(title, ("export", "rows", *names), _rows(results, cells), numbers=("rows", *names[:-1]))


def _layers(results: Sequence[Result]) -> Any:
    """The normalized statuses as view, which is what a run leaves, and as table with an index."""
    measured = [result for result in results if result.normalized]
    questions = list(dict.fromkeys(name for one in measured if one.normalized for name in one.normalized.view))

    def cells(result: Result) -> list[str]:
        layers = result.normalized
        assert layers
        pairs = [f"{layers.view[name]:.1f} / {layers.table[name]:.1f}" for name in questions]
        return [*pairs, f"{layers.build_seconds:.2f} s", f"{layers.table_bytes / MB:,.0f} MB"]

    title = "Normalized statuses, view / table (milliseconds, 95th percentile), and what the table costs"
    names = (*questions, "made in", "size")
    return terminal.table(title, ("export", "rows", *names), _rows(measured, cells), numbers=("rows", *names))


def _budgets(found: Benchmark) -> Any:
    columns = ("export", "rows", "budget", "allowed", "seen", "result")
    lines = [
        (
            verdict.shape,
            size_words(verdict.rows),
            verdict.what,
            _worded(verdict.what, verdict.allowed),
            _worded(verdict.what, verdict.seen),
            terminal.cell(*_outcome(kept=verdict.kept, decides=verdict.decides)),
        )
        for verdict in found.budgets
    ]
    return terminal.table("Budgets", columns, lines, numbers=("rows", "allowed", "seen"))


def _outcome(*, kept: bool, decides: bool) -> tuple[str, str]:
    """The word and its colour; seconds are shown only, since machines differ."""
    if not decides:
        return ("within" if kept else "above; shown only"), ""
    return ("kept", "green") if kept else ("BROKEN", "red")


def _worded(what: str, value: float) -> str:
    if what == SECONDS:
        return f"{value:.2f} s"
    return f"{value:.2f}x" if "/ scan" in what else f"{value / MB:,.0f} MB"


def _changes(moved: Sequence[Change]) -> Any:
    """What differs by more than noise."""
    columns = ("export", "rows", "what", "before", "now", "noise", "trend")
    lines = [
        (
            change.shape,
            size_words(change.rows),
            change.what,
            *(_worded(change.what, value) for value in (change.before, change.after, change.noise)),
            terminal.cell(str(change.trend), "red" if change.trend is Trend.WORSE else "green"),
        )
        for change in moved
    ]
    return terminal.table("Changed beyond noise", columns, lines, numbers=("rows", "before", "now", "noise"))


def _notes(found: Benchmark) -> Iterable[str]:
    yield f"Measured on {found.machine['words']}; load {found.machine['load']} when it began."
    for shape in found.shapes:
        yield f"Bare scan of {shape}: {found.as_mapping()['scan'][shape]}."
    if found.changes:
        worse = sum(change.trend is Trend.WORSE for change in found.changes)
        yield f"Against the earlier file {worse} of {len(found.changes)} numbers are worse beyond noise."
    if found.uncompared:
        yield f"Not in the earlier file: {', '.join(found.uncompared)}."
    for verdict in budgets.broken(found.budgets):
        yield (
            f"Broken: {verdict.shape} {size_words(verdict.rows)}, {verdict.what}: "
            f"{_worded(verdict.what, verdict.seen)}, at most {_worded(verdict.what, verdict.allowed)} is allowed."
        )
