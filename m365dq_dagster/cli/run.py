"""`m365dq run` and `m365dq demo`: from a folder of evidence to the verdict on one screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from m365dq_dagster.cli import screen, terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import RunRequest, RunResult, Workbench, workbench
from m365dq_dagster.core import overrides
from m365dq_dagster.core.errors import BadInput

STARTED = time.monotonic()
"""When this process began to load the program: the zero of the total time that a run reports."""

DATE_ORDERS = ("MDY", "DMY")
NO_EVIDENCE = ("case.toml", "expected.json")
"""Files that speak of a case and are none of its evidence."""


def run(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder with the exports, at any depth.")],
    case: Annotated[str | None, typer.Option("--case", help="Case id; else case.toml, else the folder's name.")] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add this folder's evidence to a case that has another one.")
    ] = False,
    home_country: Annotated[
        list[str] | None, typer.Option("--home-country", metavar="CC", help="Two letters, e.g. AU; may be repeated.")
    ] = None,
    date_order: Annotated[
        str | None,
        typer.Option("--date-order", metavar="MDY|DMY", help="Order of day and month where files leave it open."),
    ] = None,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="Leave out the rows of files that have gone from the folder.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Tell by their bytes whether files have changed, not by size and time.")
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write the canonical tables as Parquet too, beside the case.")
    ] = False,
    skip_quality_check: Annotated[
        bool,
        typer.Option("--skip-quality-check", help="Go on although the gate says no; needs the next three options."),
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why the gate is overridden.")] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Who overrides it, beside the user of this machine.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DATE", help="Its last day (UTC), at most 30 days ahead, e.g. 2026-12-06."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a folder of evidence; running it again on the same evidence changes nothing and says so."""
    bench = workbench(ctx)
    override = overrides.asked_for(skip_quality_check, reason, actor, expires, datetime.now(UTC).date())
    if date_order is not None and date_order.upper() not in DATE_ORDERS:
        raise BadInput(f"--date-order {date_order[:20]!r} is not known; give MDY (month first) or DMY (day first).")
    request = RunRequest(
        folder=readable_folder(folder),
        case=case,
        add=add,
        home_countries=tuple(home_country or ()),
        date_order=date_order.upper() if date_order else None,
        override=override,
        forget_missing=forget_missing,
        verify=verify,
    )
    result = judged(bench, request)
    if parquet:
        bench.export_parquet(str(result.document["case"]))
    finish(bench, result, as_json=as_json)


def demo(
    ctx: typer.Context,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the synthetic Oculus case (188 foreign successes on 8 accounts, a lying status field) and judge it."""
    bench = workbench(ctx)
    result = judged(bench, RunRequest(folder=bench.demo_evidence(), case="oculus"))
    if open_report and result.report:
        typer.launch(result.report.as_uri())
    finish(bench, result, as_json=as_json)


def judged(bench: Workbench, request: RunRequest) -> RunResult:
    """Run with progress on stderr."""
    with terminal.StderrProgress(sys.stderr).shown() as progress:
        return bench.run(request, progress)


def finish(bench: Workbench, result: RunResult, *, as_json: bool) -> None:
    """Print the screen or the document, and leave with 1 where a blocking check withheld the verdict."""
    footer = screen.Footer(
        report=str(result.report) if result.report else None,
        home=str(bench.home),
        total_seconds=round(time.monotonic() - STARTED, 3),
        unchanged_since=result.unchanged_since,
    )
    if as_json:
        terminal.emit(_with_footer(result.document, footer))
    else:
        out = terminal.console(width=terminal.SCREEN_WIDTH)
        out.print(screen.compose(result.document, footer, width=out.width))
    leave(result)


def leave(result: RunResult) -> None:
    """Leave with 1 where a blocking check withheld the verdict."""
    if result.document.get("quality", {}).get("status") == "FAIL":
        raise typer.Exit(1)


def _with_footer(document: Mapping[str, Any], footer: screen.Footer) -> dict[str, Any]:
    return {
        **document,
        "unchanged": footer.unchanged_since is not None,
        "total_seconds": footer.total_seconds,
        "report": footer.report,
        "home": footer.home,
    }


def readable_folder(folder: Path) -> Path:
    """The folder itself, absolute; `BadInput` where there is none or it cannot be read."""
    path = folder.expanduser().absolute()
    if not path.exists():
        raise BadInput(f"{path} does not exist; give the folder that holds the exports.")
    if not path.is_dir():
        raise BadInput(f"{path} is a file; give the folder that holds it.")
    try:
        os.scandir(path).close()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); give a folder you may read.") from None
    if not any(name not in NO_EVIDENCE for _, _, names in os.walk(path) for name in names):
        raise BadInput(f"{path} is empty; put the exports into it and run again.")
    return path
