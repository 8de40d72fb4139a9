"""`m365dq soak`: many cases through the daemon, and whether the time a case takes stays the same.

How they are run stands in `defs.many_cases`; what the times say is judged in `core.pace`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m365dq_dagster.cli import terminal
from m365dq_dagster.cli.options import AsJson
from m365dq_dagster.cli.workbench import workbench
from m365dq_dagster.core.errors import BadInput

if TYPE_CHECKING:
    from m365dq_dagster.core.pace import CaseTime, Pace, Soaked

TREND_WORDS = {
    "CONSTANT": "The time a case takes is constant from the first to the last.",
    "GROWS": "The time a case takes GROWS with the number of cases.",
    "CANNOT_TELL": "Whether the time a case takes grows cannot be told: too few cases, or too much else was going on.",
}

WAITS_MORE = "By the clock it grew all the same: other work, the disk, or waiting. A quiet machine tells which."


def soak(
    ctx: typer.Context,
    cases: Annotated[int, typer.Option("--cases", min=1, max=10_000, help="How many cases.")] = 200,
    rows: Annotated[int, typer.Option("--rows", min=1, max=1_000_000, help="Sign-ins of each case.")] = 10_000,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="How many run side by side.")] = 2,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 where a case failed, met a lock, or the time grows.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the document as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run many cases through Dagster's daemon and say whether each takes as long as the first.

    The cases are made and judged in a home of their own below this one, which is thrown away afterwards; each run is a
    process of its own, as with `m365dq ui`. The daemon's log stays in `logs/soak.log`.
    """
    if out and not out.expanduser().absolute().parent.is_dir():
        raise BadInput(f"{out} cannot be written; give --out a file in a folder that exists.")
    with terminal.StderrProgress(sys.stderr).shown() as progress:
        found = workbench(ctx).soak(cases, rows, at_once, progress)
    if out:
        _keep(found, out.expanduser().absolute())
    if as_json:
        terminal.emit(found.as_mapping())
    else:
        _show(found)
    if check and not found.is_well:
        raise typer.Exit(1)


def _keep(found: Soaked, path: Path) -> None:
    from m365dq_dagster.adapters.whole_files import write_whole

    try:
        write_whole(path, json.dumps(found.as_mapping(), indent=2) + "\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); give --out a file elsewhere.") from None


def _show(found: Soaked) -> None:
    screen = terminal.console()
    columns = ("seconds a case", "first quarter", "last quarter", "every 100 cases", "by chance", "trend")
    told = (("on the clock", found.wall), ("on a core", found.cpu))
    lines = [(name, *_figures(pace)) for name, pace in told if pace]
    screen.print(terminal.table("Medians of the time a case takes", columns, lines, numbers=columns[1:5]))
    screen.print()
    for line in _sentences(found):
        terminal.say(line)


def _figures(pace: Pace) -> tuple[Any, ...]:
    numbers = (pace.first, pace.last, pace.per_hundred, pace.noise)
    signs = ("", "", "+", "")
    return (*(f"{number:{sign}.2f}" for number, sign in zip(numbers, signs, strict=True)), pace.trend)


def _sentences(found: Soaked) -> Iterator[str]:
    done = len(found.times) - len(found.failed)
    yield (
        f"{done} of {len(found.times)} cases of {found.rows:,} sign-ins came to their end, {found.at_once} at a time: "
        f"{found.cases_an_hour:,.0f} an hour."
    )
    yield TREND_WORDS[found.trend]
    if found.waits_more:
        yield WAITS_MORE
    yield from (f"Failed: {_failure(one)}." for one in found.failed)
    yield f"{len(found.faults) or 'No'} lines of the daemon's log speak of a lock or a fault."
    yield from (f"  {line}" for line in found.faults)


def _failure(one: CaseTime) -> str:
    return f"{one.case_id} ended as {one.status} after {one.seconds:.1f} s"
