"""`m365dq bench`: how close to a bare scan of the same file the product works, as tables or as one document.

What is measured, and how, stands in `stages.bench`; budgets and noise in `core.budgets`; the tables in `bench_tables`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core import bench_request
from m365dq_dagster.core.errors import BadInput

if TYPE_CHECKING:
    from m365dq_dagster.stages.bench import Benchmark

SIZES = "10k,100k,1m"


def bench(
    ctx: typer.Context,
    rows: Annotated[str, typer.Option("--rows", metavar="SIZES", help="How many events, e.g. 100k or 10m.")] = SIZES,
    shapes: Annotated[
        str, typer.Option("--shapes", metavar="NAMES", help=f"Which exports: {', '.join(bench_request.SHAPES)}.")
    ] = ",".join(bench_request.SHAPES),
    measure: Annotated[
        str, typer.Option("--measure", metavar="WHAT", help=f"Which of {', '.join(bench_request.Figure)}.")
    ] = ",".join(bench_request.Figure),
    plain: Annotated[
        str, typer.Option("--plain", metavar="SIZES", help="Sizes at which the plain way is measured beside.")
    ] = "10k,100k",
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=100, help="At least so many rounds; never fewer than 5 (3 from 10m).")
    ] = 1,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 where a budget is broken.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the document as JSON.")] = None,
    against: Annotated[
        Path | None, typer.Option("--compare", metavar="FILE", help="An earlier --out: say what became slower.")
    ] = None,
    read: Annotated[
        list[Path] | None,
        typer.Option("--read", metavar="FILE", help="Measure nothing: show an earlier --out; several become one."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile", metavar="FOLDER", help="Watch one more run of each: flame graphs, statements, plans."
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables as Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Time every stage of a run beside a bare scan of the same file.

    The evidence is made once below the home folder (1 to 2 GB for each export of a million rows) and read from the
    system's cache. The bare scan is DuckDB alone reading every column of the file as text and counting what is filled:
    read_csv with all columns VARCHAR, or read_json with every top-level key VARCHAR. Measured are the stages in one
    process, whole runs of the program with every check, what passes at the shell prompt, and a plain implementation
    of csv and json modules, SQLite and loops; medians of all rounds are shown.
    """
    from m365dq_dagster.core import budgets
    from m365dq_dagster.stages import bench as stage

    sizes, figures = bench_request.parse_sizes(rows), bench_request.parse_figures(measure)
    order = bench_request.Order(
        bench_request.parse_shapes(shapes), sizes, repeat, figures, bench_request.parse_sizes(plain)
    )
    if check and not read and not budgets.has_deciding_budget(order):
        raise BadInput("--check has no budget for what is to be measured; give --rows 10k,100k,1m.")
    target = stage.writable_file(out) if out else None
    earlier = stage.read_earlier(against.expanduser()) if against else None
    graphs = stage.graphs_folder(profile) if profile else None
    if read:
        found = stage.read_again([path.expanduser() for path in read], earlier)
    else:
        with terminal.StderrProgress(sys.stderr).shown() as progress:
            found = stage.bench(workbench(ctx).home, order, progress, earlier, graphs)
    if target:
        stage.keep(found, target)
    _show(found, as_json=as_json, markdown=markdown)
    if check and budgets.broken(found.budgets):
        raise typer.Exit(1)


def _show(found: Benchmark, *, as_json: bool, markdown: bool) -> None:
    from m365dq_dagster.cli import bench_tables

    if as_json:
        terminal.emit(found.as_mapping())
        return
    screen = terminal.console()
    for sheet in bench_tables.sheets(found):
        if markdown:
            sys.stdout.write(bench_tables.as_markdown(sheet) + "\n")
        else:
            screen.print(terminal.cell(sheet.title, "bold"), soft_wrap=True)
            screen.print(bench_tables.as_table(sheet))
            screen.print()
    for line in _notes(found):
        terminal.say(f"- {line}" if markdown else line)


def _notes(found: Benchmark) -> Iterator[str]:
    from m365dq_dagster.cli.bench_tables import worded
    from m365dq_dagster.core.bench_request import size_words
    from m365dq_dagster.core.budgets import Trend, broken

    yield f"Measured on {found.machine['words']}; load {found.machine['load']} when it began."
    for shape, scan in found.as_mapping()["scan"].items():
        yield f"Bare scan of {shape}: {scan}."
    yield from found.notes
    if found.changes:
        worse = sum(change.trend is Trend.WORSE for change in found.changes)
        yield f"Against the earlier file {worse} of {len(found.changes)} numbers are worse beyond noise."
    if found.uncompared:
        yield f"Not in the earlier file: {', '.join(found.uncompared)}."
    for one in broken(found.budgets):
        of = f"{one.shape} {size_words(one.rows)}, " if one.shape else ""
        seen, allowed = worded(one.seen, one.unit), worded(one.allowed, one.unit)
        yield f"Broken: {of}{one.what}: {seen}, at most {allowed} is allowed."
