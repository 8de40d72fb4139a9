"""`m365dq cases`: the list of cases, for the shift that takes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core import narrative
from m365dq_dagster.core.narrative import plural

COLUMNS = ("case", "stage", "verdict", "override", "corrected", "blocked_by", "last_run")


def cases(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the cases: stage, verdict, what blocks, last run."""
    rows = workbench(ctx).cases()
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say("There are no cases yet; start with `m365dq demo` or `m365dq run FOLDER`.")
    else:
        titles = ("Case", "Stage", "Verdict", "Override", "Corrected to", "Blocked by", "Last run")
        told = ({**row, "corrected": _corrected(row), "override": _override(row)} for row in rows)
        shown = ([row.get(name) for name in COLUMNS] for row in told)
        terminal.console().print(
            terminal.table(plural(len(rows), "case"), titles, shown, free=("Override", "Corrected to", "Blocked by"))
        )


def _override(row: Mapping[str, Any]) -> str | None:
    """Until when the gate of the case is overridden and by whom, or that its verdict does not stand any more."""
    one = row.get("override")
    if not one:
        return "not verified: a check that blocks is switched off" if row.get("quality") == "OVERRIDDEN" else None
    if one["verdict_stands"]:
        return f"not verified: until {one['expires']} by {one['actor']}"
    return f"ended on {narrative.last_day(one)}; this verdict no longer stands, run again"


def _corrected(row: Mapping[str, Any]) -> str | None:
    """The verdict that a person gave the case, and how many of its accounts were corrected."""
    given = dict(row.get("corrected") or {})
    case = given.pop("case", None)
    accounts = plural(len(given), "account") if given else None
    return ", ".join(part for part in (case, accounts) if part) or None
