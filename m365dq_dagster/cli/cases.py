"""`m365dq cases`: the list of cases, for the shift that takes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.narrative import plural

COLUMNS = ("case", "stage", "verdict", "corrected", "blocked_by", "last_run")


def cases(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the cases: stage, verdict, what blocks, last run."""
    rows = workbench(ctx).cases()
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say("There are no cases yet; start with `m365dq demo` or `m365dq run FOLDER`.")
    else:
        titles = ("Case", "Stage", "Verdict", "Corrected to", "Blocked by", "Last run")
        shown = ([{**row, "corrected": _corrected(row)}.get(name) for name in COLUMNS] for row in rows)
        terminal.console().print(
            terminal.table(plural(len(rows), "case"), titles, shown, free=("Corrected to", "Blocked by"))
        )


def _corrected(row: Mapping[str, Any]) -> str | None:
    """The verdict that a person gave the case, and how many of its accounts were corrected."""
    given = dict(row.get("corrected") or {})
    case = given.pop("case", None)
    accounts = plural(len(given), "account") if given else None
    return ", ".join(part for part in (case, accounts) if part) or None
