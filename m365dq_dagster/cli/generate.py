"""`m365dq generate`: labelled synthetic evidence, the same bytes for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench


def generate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to make, e.g. oculus; an unknown name lists them.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write into; made if missing.")],
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="About how many events.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 7,
    shape: Annotated[str | None, typer.Option("--shape", help="The export's shape, e.g. portal-csv.")] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", help="How the status was damaged, e.g. type-name.")
    ] = None,
    audit_shape: Annotated[
        str | None, typer.Option("--audit-shape", help="The audit log's shape, e.g. ual-csv.")
    ] = None,
    mfa_steps: Annotated[bool, typer.Option(help="The attacker meets second factors that owners approve.")] = True,
    devices: Annotated[bool, typer.Option(help="The export names devices.")] = True,
    context: Annotated[
        bool, typer.Option(help="A case.toml with the home countries stands beside the evidence.")
    ] = True,
    audit: Annotated[bool, typer.Option(help="A whole case holds its audit log.")] = True,
    as_json: AsJson = False,
) -> None:
    """Make labelled evidence; the truth stands beside it in expected.json, which `run` never reads."""
    made = workbench(ctx).generate(
        name,
        out.expanduser().absolute(),
        rows,
        seed,
        shape,
        variant,
        audit_shape=audit_shape,
        mfa_steps=mfa_steps,
        devices=devices,
        context=context,
        audit=audit,
    )
    if as_json:
        terminal.emit(made)
        return
    terminal.say(f"{made['rows']:,} rows in {len(made['files'])} files under {made['folder']} (seed {seed})")
    terminal.say(f"Judge them: m365dq run {made['folder']}")
