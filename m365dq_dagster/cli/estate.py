"""`m365dq estate`: the fields and outcomes of many cases at once, on this machine or on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.narrative import plural

TITLES = ("Case", "Status", "Rows", "Judge by", "Not to be trusted", "Success", "Foreign", "Accounts")
NOT_TRUSTED = 4
"""Fields of a case that are named on the screen."""


def estate(
    ctx: typer.Context,
    case: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE ...]", help="Cases by their ids; every judged case if none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Profile and adjudicate many cases where M365DQ_ENGINE_URL says; on this machine where it is not set."""
    with terminal.StderrProgress(sys.stderr).shown() as progress:
        found = workbench(ctx).estate(case or [], progress)
    if as_json:
        terminal.emit(found)
    else:
        _show(found)
    if found["total"]["failed"]:
        raise typer.Exit(3)


def _show(found: Mapping[str, Any]) -> None:
    total = found["total"]
    title = f"{plural(total['cases'], 'case')} on {found['engine']}, {found['seconds']:.1f} s"
    free = ("Judge by", "Not to be trusted")
    terminal.console().print(terminal.table(title, TITLES, (_row(row) for row in found["cases"]), free=free))
    for row in found["cases"]:
        if row["reason"]:
            terminal.say(f"{row['case']}: {row['reason']}")
    rows, accounts = sum(total["rows"].values()), total["accounts_with_foreign_success"]
    foreign = plural(total["foreign_successes"], "foreign success", "foreign successes")
    terminal.say(
        f"Total: {plural(rows, 'row')}, {plural(total['events'], 'sign-in')}, {foreign} on "
        f"{plural(accounts, 'account')}."
    )
    terminal.say(found["scope"])


def _row(row: Mapping[str, Any]) -> list[object]:
    sign_ins = row["sign_ins"] or {"by_outcome": {}, "foreign_successes": None, "accounts_with_foreign_success": None}
    bad = [f"{one['field']} {one['state']}" for one in row["fields"] if not one["may_testify"]]
    more = [f"{len(bad) - NOT_TRUSTED} more"] if len(bad) > NOT_TRUSTED else []
    return [
        row["case"],
        row["status"],
        sum(row["rows"].values()),
        ", ".join(dict.fromkeys(row["recommended"].values())),
        ", ".join([*bad[:NOT_TRUSTED], *more]),
        sign_ins["by_outcome"].get("SUCCESS"),
        sign_ins["foreign_successes"],
        sign_ins["accounts_with_foreign_success"],
    ]
