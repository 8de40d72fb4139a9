"""`m365dq dashboard`: the data quality page of the last days, from the registry."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.printable import printable


def dashboard(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days back.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Print the metrics of imports, checks, unknown codes and fields over the last days."""
    page = workbench(ctx).dashboard(days)
    if as_json:
        terminal.emit(page.as_mapping())
        return
    from m365dq_dagster.core.metrics import render_text

    for line in render_text(page).splitlines():
        sys.stdout.write(printable(line) + "\n")
