"""`m365dq validate`: the scoreboard, as tables or as one document. How cases are judged stands in `stages.validation`,
what the numbers mean in `core.scoreboard`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.core import scoreboard_page as page

if TYPE_CHECKING:
    from m365dq_dagster.core.scoreboard import Scoreboard

STYLES = {"met": "green", "MISSED": "red"}
MOST_LINES = 40


def validate(
    cases: Annotated[int, typer.Option("--cases", min=1, help="How many generated cases.")] = 520,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same cases.")] = 7,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="How many processes judge; as many as there are cores.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option("--real", metavar="FOLDER", help="Judge the labelled real cases in it too.")
    ] = None,
    misreadings: Annotated[bool, typer.Option(help="Judge the documented misreadings too.")] = True,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the scoreboard: .md as Markdown, else JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge labelled cases and say how often that is right, beside two rivals.

    The naive analyst trusts the first status-like column of an export. The literal specification reads Conditional
    Access alone and calls it a breach where more than 80 % of the foreign attempts succeed. Every case runs through
    intake, quality, reliability and verification in a home that is thrown away; no alert is sent. Exit code 0 where
    every target is met, 1 where one is missed.
    """
    from m365dq_dagster.stages import validation as stage

    target = stage.writable_file(out) if out else None
    order = stage.Order(cases, seed, workers or stage.cores(), real.expanduser() if real else None, misreadings)
    with terminal.StderrProgress(sys.stderr).shown() as progress:
        board = stage.validate(order, progress)
    if target:
        stage.keep(board, target)
    if as_json:
        terminal.emit(board.as_mapping())
    else:
        _show(board)
    if not board.passed:
        raise typer.Exit(1)


def _show(board: Scoreboard) -> None:
    screen = terminal.console()
    rows = [[*line[:-1], terminal.cell(line[-1], STYLES.get(line[-1], ""))] for line in page.measures(board)]
    screen.print(_table("Scoreboard", page.MEASURES, [*rows, *page.others(board)], page.MEASURES[1:4]))
    screen.print()
    screen.print(_table("By family", ("family", *page.GROUPS), page.group_rows(board, "family"), page.GROUPS))
    screen.print()
    lines = [*page.wrong_lines(board)]
    for line in lines[:MOST_LINES]:
        terminal.say(line)
    if len(lines) > MOST_LINES:
        terminal.say(f"{len(lines) - MOST_LINES} more; --out FILE or --json lists them all.")
    for line in page.fixed_lines("Misreadings", board.misreadings):
        terminal.say(line)
    for line in page.fixed_lines("Real cases", board.real_cases):
        terminal.say(line)
    terminal.say(page.summary(board))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[str]) -> Any:
    return terminal.table(title, columns, rows, numbers=numbers)
