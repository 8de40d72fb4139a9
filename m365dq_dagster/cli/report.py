"""`m365dq report`: a case as a page for people or as a document for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson, CaseName
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.errors import BadInput

FORMATS = ("html", "json")


def report(
    ctx: typer.Context,
    case: CaseName,
    form: Annotated[str, typer.Option("--format", metavar="html|json", help="The form of the report.")] = "html",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="File or folder to write to; `-` is stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export the report of a case."""
    if form not in FORMATS:
        raise BadInput(f"There is no report format {form[:20]!r}; the formats are {' and '.join(FORMATS)}.")
    bench = workbench(ctx)
    if out is not None and str(out) == "-":
        if as_json:
            raise BadInput("--out - and --json would both write to stdout; give one of them.")
        sys.stdout.write(bench.rendered(case, form))
        return
    path = bench.write_report(case, form, out)
    if as_json:
        terminal.emit({"case": case, "format": form, "path": str(path), "bytes": path.stat().st_size})
    else:
        terminal.say(f"The report of case {case} is in {path}")
