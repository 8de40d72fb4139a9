"""`m365dq alerts`: what was raised, whether it was delivered, and who has seen it."""

from __future__ import annotations

from typing import Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.narrative import plural

app = typer.Typer(help="List, acknowledge and test alerts.", add_completion=False, rich_markup_mode=None)

COLUMNS = ("id", "severity", "message", "recipients", "state", "raised_at", "delivered_at")


@app.command("list")
def listed(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option("--state", help="Only alerts in this state, e.g. RECORDED.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the alerts, newest first."""
    rows = workbench(ctx).alerts(state)
    if as_json:
        terminal.emit(rows)
    elif not rows:
        terminal.say("There are no alerts.")
    else:
        titles = ("Id", "Severity", "Message", "Recipients", "State", "Raised", "Delivered")
        shown = ([_shown(row.get(name)) for name in COLUMNS] for row in rows)
        terminal.console().print(
            terminal.table(plural(len(rows), "alert"), titles, shown, free=("Message", "Recipients"))
        )


def _shown(value: object) -> object:
    return ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else value


@app.command("ack")
def ack(
    ctx: typer.Context,
    alert: Annotated[int, typer.Argument(metavar="ID", help="The alert's id, as `alerts list` gives it.")],
    actor: Annotated[
        str | None, typer.Option("--actor", help="Who has seen it, beside the user of this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say that somebody has taken charge of an alert."""
    name = workbench(ctx).ack(alert, actor)
    if as_json:
        terminal.emit({"id": alert, "state": "ACKNOWLEDGED", "actor": name})
    else:
        terminal.say(f"Alert {alert} is acknowledged by {name}.")


@app.command("test")
def test(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Send one test mail to every recipient, so that a real alert arrives when it must."""
    sent = workbench(ctx).test_alert()
    if as_json:
        terminal.emit(sent)
        return
    terminal.say(f"{sent['server']} took a test mail for {', '.join(sent['recipients'])}.")
    if sent["refused"]:
        terminal.say(f"It refused {', '.join(sent['refused'])}; correct these in operations.toml.")
