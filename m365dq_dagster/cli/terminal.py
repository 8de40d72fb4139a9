"""How anything reaches the terminal: neutralised text, tables, one JSON document, progress on stderr.

What is said belongs to the commands.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from m365dq_dagster.core.printable import printable

SCREEN_WIDTH = 100
WIDE = 120
"""Columns of a table that is written to a file or pipe, where no terminal says how wide it is."""

KEPT_WIDTH = 44
"""Longest cell of a key column that is never wrapped."""

FREE_WIDTH = 12
"""Columns that one that wraps gets at least."""

COLOURS = {
    "BREACH_INDICATED": "bold red",
    "COMPROMISE_INDICATED": "red",
    "CRITICAL": "red",
    "FAIL": "red",
    "CORRUPTED": "red",
    "CONTRADICTED": "red",
    "CANNOT_CONCLUDE": "bold yellow",
    "SUSPICIOUS": "yellow",
    "CREDENTIAL_EXPOSED": "yellow",
    "WARNING": "yellow",
    "OVERRIDDEN": "yellow",
    "UNRELIABLE": "yellow",
    "UNRECOGNISED": "yellow",
    "REFUSED": "yellow",
    "ALL_BLOCKED": "bold cyan",
    "NO_BREACH_INDICATED": "bold green",
    "PASS": "green",
    "RELIABLE": "green",
}


def cell(value: object, style: str = "") -> Text:
    """One neutralised piece of a screen; words of the vocabulary get their colour, markup is never interpreted."""
    return Text(printable(value), style=style or COLOURS.get(str(value), ""))


def console(stream: IO[str] | None = None, width: int = WIDE) -> Console:
    """A console on stdout (or `stream`): as wide as the terminal, but `width` columns where there is none."""
    stream = stream or sys.stdout
    fixed = None if stream.isatty() else width
    return Console(file=stream, width=fixed, highlight=False, emoji=False, markup=False)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    numbers: Iterable[str] = (),
    free: Iterable[str] = (),
) -> Table:
    """A plain table. Columns named in `free` hold prose and give way; others are not wrapped up to 44 characters."""
    cells = [[value if isinstance(value, Text) else cell(value) for value in row] for row in rows]
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    right, kept = set(numbers), _kept(columns, cells, set(free))
    for name in columns:
        made.add_column(cell(name), justify="right" if name in right else "left", overflow="fold", no_wrap=name in kept)
    for line in cells:
        made.add_row(*line)
    return made


def _kept(columns: Sequence[str], cells: Sequence[Sequence[Text]], free: set[str]) -> set[str]:
    """The columns that are not wrapped: all but the free ones and those too wide, as far as the screen has room."""
    longest = [max((row[index].cell_len for row in cells), default=0) for index in range(len(columns))]
    widths = {name: max(len(name), width) for name, width in zip(columns, longest, strict=True)}
    kept = {name for name in columns if name not in free and widths[name] <= KEPT_WIDTH}
    room = console().width - 2 * len(columns)
    while kept and sum(widths[name] for name in kept) + FREE_WIDTH * (len(columns) - len(kept)) > room:
        kept.discard(max(kept, key=lambda name: widths[name]))
    return kept


def say(sentence: object) -> None:
    """One neutralised line on stdout."""
    sys.stdout.write(printable(sentence, limit=4000) + "\n")
    sys.stdout.flush()


def note(sentence: object) -> None:
    """One neutralised line on stderr."""
    sys.stderr.write(printable(sentence, limit=4000) + "\n")
    sys.stderr.flush()


def emit(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """The one JSON document of a command on stdout; all but ASCII is escaped, so evidence cannot steer a terminal."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True, default=str) + "\n")
    sys.stdout.flush()


class StderrProgress:
    """Progress of a run on stderr: a bar where it is a terminal, else one line a stage."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._seen: set[str] = set()
        self._bar: Any = None
        self._task: Any = None

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        """Show where the run is; `done` of `total` where a total is known."""
        words = f"{printable(stage, 40)}: {printable(detail, 60)}"
        if self._bar is not None:
            self._bar.update(self._task, description=words, completed=done, total=total or None)
        elif stage not in self._seen:
            self._stream.write(words + "\n")
            self._stream.flush()
        self._seen.add(stage)

    @contextmanager
    def shown(self) -> Iterator[StderrProgress]:
        """Draw the bar for as long as the block lasts, where stderr is a terminal."""
        if not self._stream.isatty():
            yield self
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self._stream), transient=True) as bar:
            self._bar, self._task = bar, bar.add_task("starting", total=None)
            yield self
        self._bar = None
