"""`m365dq overrides`: who skips the quality gate of which case, until when, and ending that before its day."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson, CaseName
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.narrative import plural

app = typer.Typer(
    help="List the overrides of the quality gate, and end one before its day.",
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
)

COLUMNS = ("case", "state", "expires", "actor", "recorded_by", "reason", "ended_by")


@app.callback()
def overrides(ctx: typer.Context) -> None:
    """List the overrides of the quality gate, and end one before its day."""
    if ctx.invoked_subcommand is None:
        _list(workbench(ctx).overrides())


@app.command("list")
def listed(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List every override, newest first: those in force and those that have ended."""
    rows = workbench(ctx).overrides()
    if as_json:
        terminal.emit(rows)
    else:
        _list(rows)


def _list(rows: list[dict[str, Any]]) -> None:
    if not rows:
        terminal.say("There are no overrides: every case is held to the quality gate.")
        return
    titles = ("Case", "State", "Last day", "Actor", "Recorded by", "Reason", "Ended by")
    shown = ([row.get(name) or "" for name in COLUMNS] for row in rows)
    terminal.console().print(terminal.table(plural(len(rows), "override"), titles, shown, free=("Reason",)))


@app.command("end")
def end(
    ctx: typer.Context,
    case: CaseName,
    reason: Annotated[str, typer.Option("--reason", help="Why it ends before its day; kept in the audit log.")],
    actor: Annotated[str | None, typer.Option("--actor", help="Who ends it, beside the user of this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """End the override of a case at once; what was concluded under it no longer stands."""
    ended = workbench(ctx).end_overrides(case, reason, actor)
    if as_json:
        terminal.emit(ended)
        return
    for row in ended:
        terminal.say(f"The override of case {row['case']} by {row['actor']} is ended by {row['ended_by']}.")
    terminal.say("What was concluded under it no longer stands: run the case again, which is judged without it.")
