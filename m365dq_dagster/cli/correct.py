"""`m365dq correct`: a person says that a conclusion was wrong, and why; and what such words speak for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.show import show
from m365dq_dagster.cli.workbench import Workbench, workbench
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.narrative import listed, plural
from m365dq_dagster.core.printable import printable


def correct(
    ctx: typer.Context,
    case: Annotated[str | None, typer.Argument(metavar="CASE", help="The case's id.")] = None,
    finding: Annotated[
        str | None,
        typer.Argument(metavar="FINDING", help="A finding (F-001), an account, or `case` for the whole case."),
    ] = None,
    verdict: Annotated[
        str | None, typer.Option("--verdict", help="What is right; the verdict concluded takes a correction back.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="What the inquiry showed.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="LOG_TYPE.FIELD",
            help="A field that misled; may be repeated; `none` where no field did. Else those the finding rests on.",
        ),
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Your name, kept beside the user of this machine.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the corrections of CASE.")] = False,
    proposals: Annotated[
        bool, typer.Option("--proposals", help="Show the context rules that the corrections speak for.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record that a conclusion was wrong. Nothing is judged again and no rule changes by it."""
    bench = workbench(ctx)
    given = (verdict, reason, field, actor)
    if proposals:
        _only(not any(given) and case is None and not listing, "--proposals")
        _proposals(bench, as_json=as_json)
    elif listing:
        _only(not any(given) and finding is None, "--list, apart from CASE,")
        show(ctx, _needed(case, "CASE"), "corrections", None, as_json)
    else:
        made = bench.correct(
            _needed(case, "CASE"),
            _needed(finding, "FINDING"),
            _needed(verdict, "--verdict"),
            _needed(reason, "--reason"),
            tuple(field) if field else None,
            actor,
        )
        _made(made, as_json=as_json)


def _needed(given: str | None, name: str) -> str:
    if given is None:
        raise BadInput(
            f"{name} is missing; write `m365dq correct CASE FINDING --verdict VERDICT --reason TEXT`, "
            "`m365dq correct CASE --list` or `m365dq correct --proposals`."
        )
    return given


def _only(alone: bool, name: str) -> None:
    if not alone:
        raise BadInput(f"{name} goes with nothing else than --json.")


def _made(made: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        terminal.emit(made)
        return
    terminal.say(made["sentence"])
    if made["fields"]:
        terminal.say(f"Held to have misled: {listed(made['fields'])}. Name others with --field, or `--field none`.")
    if made["proposals"]:
        count = plural(len(made["proposals"]), "change of the context rules is", "changes of the context rules are")
        terminal.say(f"{count} proposed since, and not applied: m365dq correct --proposals")


def _proposals(bench: Workbench, *, as_json: bool) -> None:
    found, text = bench.proposals()
    if as_json:
        terminal.emit({"proposals": found})
    elif not found:
        terminal.say("The corrections speak for no change of the context rules: no field misled in two cases.")
    else:
        _told(found)
        sys.stdout.write("\n".join(printable(line, limit=4000) for line in text.splitlines()) + "\n")


def _told(found: Sequence[Mapping[str, Any]]) -> None:
    terminal.say(f"# {plural(len(found), 'rule')} proposed from corrections; none is in force.")
    terminal.say("# To adopt one, put its entry into the context rules and judge a case under them.")
    for row in found:
        terminal.say(f"# {row['id']}: {row['effect']}; {row['because']} Cases: {listed(row['cases'])}.")
