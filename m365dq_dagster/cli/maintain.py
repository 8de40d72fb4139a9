"""`m365dq maintain`: the quarterly cycle, as a list to work through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench

if TYPE_CHECKING:
    from m365dq_dagster.stages.maintenance import Cycle


def maintain(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the cycle would make, and write nothing at all.")
    ] = False,
    quarter: Annotated[
        str | None, typer.Option("--quarter", metavar="2026Q4", help="The quarter; else the one that it is.")
    ] = None,
    documents: Annotated[
        Path | None, typer.Option("--documents", metavar="FOLDER", help="The vendor's pages, saved into a folder.")
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the vendor's pages over the network.")] = False,
    actor: Annotated[str | None, typer.Option("--actor", help="Your name, beside the user of this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Go through the quarterly maintenance of what is known of Microsoft's codes."""
    cycle = workbench(ctx).maintain(quarter, documents, actor, dry=dry_run, fetch=fetch)
    if as_json:
        from m365dq_dagster.stages.maintenance_files import as_mapping

        where = {"dry_run": cycle.dry, "folder": str(cycle.folder), "files": list(cycle.files)}
        terminal.emit({**as_mapping(cycle.report), **where})
    else:
        _print(cycle)


def _print(cycle: Cycle) -> None:
    from m365dq_dagster.core import maintenance_page as say
    from m365dq_dagster.stages.maintenance_files import decisions

    report = cycle.report
    terminal.say(say.headline(report))
    for sentence in filter(None, (say.again(report), cycle.note, say.documents(report))):
        terminal.say(sentence)
    rows: list[tuple[object, ...]] = [
        (step.number, say.told(step), len(step.matters), step.minutes if step.matters else "-") for step in report.steps
    ]
    rows.append((len(rows) + 1, say.prove(report), "-", report.prove_minutes or "-"))
    titles = ("Step", "What to do", "Found", "Minutes")
    terminal.console().print(
        terminal.table(f"Checklist {report.quarter}", titles, rows, ("Step", "Found", "Minutes"), ("What to do",))
    )
    if cycle.dry:
        terminal.say(f"Dry run: nothing was written. Without --dry-run the report goes to {cycle.folder}.")
        return
    terminal.say(f"The report: {cycle.folder / 'report.html'}")
    if report.due:
        terminal.say("Next: " + say.next_step(report, decisions(cycle.folder)))
