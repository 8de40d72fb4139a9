"""`m365dq rejudge` and `m365dq diff`: the same evidence by another rule pack, and what two judgements say otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from m365dq_dagster.cli import run as running
from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson, CaseName
from m365dq_dagster.cli.terminal import cell
from m365dq_dagster.cli.workbench import workbench


def rejudge(
    ctx: typer.Context,
    case: CaseName,
    pack: Annotated[
        str,
        typer.Option(
            "--pack",
            metavar="REF",
            help="effective, shipped, a folder that holds reference_data, or sha256: with at least 8 digits of the "
            "hash of a pack that a case was judged by.",
        ),
    ] = "effective",
    as_json: AsJson = False,
) -> None:
    """Judge a case again by the rule pack in force, or by another one, without reading its evidence.

    The rows stay as they were taken in. By another pack than the one in force, nobody is alerted; the next
    `m365dq run` judges by the one in force again.
    """
    from m365dq_dagster.core.differences import sentence

    bench = workbench(ctx)
    result = bench.rejudge(case, pack)
    found = bench.difference(case, None, None)
    if as_json:
        terminal.emit({**result.document, "difference": found.as_mapping()})
        running.leave(result)
        return
    hint = cell(f"All that changed, and why: m365dq diff {case}")
    terminal.console(width=terminal.SCREEN_WIDTH).print(cell(sentence(found), "bold"), hint, cell(""))
    running.finish(bench, result, as_json=False)


def diff(
    ctx: typer.Context,
    case: CaseName,
    before: Annotated[
        str | None, typer.Option("--before", metavar="RUN", help="Its id, or how it begins; else the one before.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="RUN", help="Its id, or how it begins; else the last one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what two judgements of a case conclude differently, and why. `m365dq show CASE runs` lists them."""
    from m365dq_dagster.cli.difference import screen

    found = workbench(ctx).difference(case, before, after)
    if as_json:
        terminal.emit(found.as_mapping())
    else:
        terminal.console().print(screen(found))
