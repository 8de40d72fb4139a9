"""`m365dq codes`: the status-code reference, read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.errors import BadInput

app = typer.Typer(help="List and look up status codes.", add_completion=False, rich_markup_mode=None)

COLUMNS = ("log_type", "field_name", "code_value", "category", "severity", "meaning")
TITLES = ("Log type", "Field", "Code", "Category", "Severity", "Meaning")

LogType = Annotated[str | None, typer.Option("--log-type", help="Only codes of this log type.")]
Field = Annotated[str | None, typer.Option("--field", help="Only codes of this field.")]


@app.command("list")
def listed(ctx: typer.Context, log_type: LogType = None, field: Field = None, as_json: AsJson = False) -> None:
    """List the known status codes."""
    _print(workbench(ctx).codes(None, log_type, field), as_json=as_json)


@app.command("lookup")
def lookup(
    ctx: typer.Context,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The code as it stands in the log, e.g. 50126.")],
    log_type: LogType = None,
    field: Field = None,
    as_json: AsJson = False,
) -> None:
    """Say what a code means."""
    rows = workbench(ctx).codes(value, log_type, field)
    if not rows:
        raise BadInput(f"Code {value[:40]!r} is in no table; it is not guessed, look it up in the vendor's reference.")
    _print(rows, as_json=as_json)


@app.command("unknown")
def unknown(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days back.")] = 90,
    as_json: AsJson = False,
) -> None:
    """List the codes seen in evidence that are in no table."""
    rows = workbench(ctx).unknown_codes(days)
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say(f"No unknown codes were seen in the last {days} days.")
    else:
        shown = (
            [row["log_type"], row["field"], row["value"], row["rows"], ", ".join(sorted(row["cases"]))] for row in rows
        )
        titles = ("Log type", "Field", "Code", "Rows", "Cases")
        terminal.console().print(terminal.table(f"{len(rows)} unknown codes", titles, shown, ("Rows",), ("Cases",)))


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        terminal.emit(rows)
    else:
        shown = ([row.get(name) for name in COLUMNS] for row in rows)
        terminal.console().print(terminal.table(f"{len(rows)} codes", TITLES, shown, free=("Meaning",)))
