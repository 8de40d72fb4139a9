"""`m365dq schema`: the field lists that exports were seen with, and what changed between them. What counts as a change
is not decided here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.narrative import plural

app = typer.Typer(
    help="List the field lists of exports and what changed in them.", add_completion=False, rich_markup_mode=None
)

VERSION_KEYS = (
    "version_id",
    "log_type",
    "api_version",
    "format_name",
    "case_id",
    "fields",
    "detected_date",
    "last_seen",
)
VERSION_TITLES = ("Id", "Log type", "Version", "Format", "First case", "Fields", "First seen", "Last seen")
CHANGE_KEYS = ("id", "severity", "kind", "log_type", "detail", "origin", "detected_at", "state")
CHANGE_TITLES = ("Id", "Severity", "Kind", "Log type", "What changed", "Seen in", "Since", "State")


@app.command("list")
def listed(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List every field list that an export was seen with."""
    rows = workbench(ctx).schema_versions()
    if as_json:
        terminal.emit(rows)
        return
    shown = [[row[key] for key in VERSION_KEYS] for row in rows]
    terminal.console().print(terminal.table(plural(len(rows), "field list"), VERSION_TITLES, shown, ("Fields",)))


@app.command("changes")
def changes(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the changes that nobody has closed, newest first."""
    rows = workbench(ctx).schema_changes(every=every)
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say("There are no schema changes." if every else "There are no open schema changes.")
    else:
        shown = [[row[key] for key in CHANGE_KEYS] for row in rows]
        title = plural(len(rows), "schema change")
        terminal.console().print(terminal.table(title, CHANGE_TITLES, shown, free=("What changed",)))


@app.command("close")
def close(
    ctx: typer.Context,
    change: Annotated[int, typer.Argument(metavar="ID", help="The change's id, as `schema changes` gives it.")],
    reason: Annotated[str, typer.Option("--reason", help="What was done about it; kept in the audit log.")],
    actor: Annotated[
        str | None,
        typer.Option("--actor", help="A name beside that of this machine's user; it makes nobody another person."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say that a change was dealt with; it is not told of again."""
    closed: dict[str, Any] = workbench(ctx).close_schema_change(change, reason, actor)
    if as_json:
        terminal.emit(closed)
    else:
        terminal.say(f"Schema change {change} is closed by {closed['closed_by']}: {closed['detail']}.")
