"""Header and records of CSV-like files: delimiter, `#TYPE` and `sep=` lines, embedded newlines, and a tolerant reader
that finds every record of a broken file again. Which export the header belongs to is decided in `formats`."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from m365dq_dagster.core.ledger import QuarantineReason

DELIMITERS = ",;\t|"
MAX_CELL = 1 << 28
TWICE_ENCODED_MARK = "\u00ef\u00bb\u00bf"
LONG_NAME = 200
"""Characters of a column name above which its key is not remembered."""

MAX_RECORD_LINES, MAX_RECORD_CHARS = 1 << 22, 1 << 26
"""How many lines and characters a record may have before a quote in it counts as never closed: more than the engine
takes of one record, so that both find the same records."""


@dataclass(frozen=True)
class TableHead:
    """How a delimited file begins. `skip_lines` physical lines stand before its first record, of which `header_lines`
    are the header's own: more than one where a name holds a line end."""

    delimiter: str
    columns: tuple[str, ...]
    skip_lines: int
    header_lines: int = 1


@dataclass(frozen=True)
class Record:
    """One record: its cells, or the reason why it has none and its raw text."""

    cells: tuple[str, ...] | None
    reason: QuarantineReason | None = None
    raw: str = ""


def table_head(text: str) -> TableHead | None:
    """Delimiter and column names from the beginning of a file, or None where no line has two cells.

    Leading blank lines, `#TYPE` lines of PowerShell and `sep=` lines of spreadsheets are skipped. A name that occurs
    again gets `#2`, `#3`. A byte-order mark that was read as Windows-1252 and written again is dropped."""
    lines = io.StringIO(text.removeprefix(TWICE_ENCODED_MARK), newline="").readlines()
    skip, delimiter = 0, ""
    while skip < len(lines) and (not lines[skip].strip() or lines[skip].startswith("#TYPE") or _separator(lines[skip])):
        delimiter = _separator(lines[skip]) or delimiter
        skip += 1
    if skip == len(lines):
        return None
    chosen = delimiter or max(DELIMITERS, key=lambda mark: len(_first_record(lines[skip : skip + 200], mark)[0]))
    cells, used = _first_record(lines[skip : skip + 200], chosen)
    if len(cells) < 2:
        return None
    return TableHead(chosen, _distinct(cells), skip + used, used)


def header_key(name: str) -> str:
    """A column name as it is compared: case folded, trimmed, inner blanks collapsed."""
    return _remembered_key(name) if len(name) <= LONG_NAME else _compared(name)


@lru_cache(maxsize=1 << 14)
def _remembered_key(name: str) -> str:
    return _compared(name)


def _compared(name: str) -> str:
    return re.sub(r"[\s\u200b\ufeff]+", " ", name).strip().casefold()


def records(lines: Iterable[str], delimiter: str, width: int, *, keep_raw: bool = False) -> Iterator[Record]:
    """Every record of a table after its header, in order. Blank lines are no records.

    A record that cannot be read costs its first line only: reading goes on at the next line, so that one lost quote
    does not swallow a file."""
    feed = _Feed(lines)
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader, None)
        except csv.Error:
            yield _broken(feed, QuarantineReason.QUOTES_BROKEN)
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        if cells is None:
            return
        if len(cells) == width:
            yield Record(tuple(cells), raw="".join(feed.taken).rstrip("\r\n") if keep_raw else "")
        elif "".join(feed.taken).strip():
            yield _broken(feed, QuarantineReason.COLUMN_COUNT)


class _Feed:
    """Lines for a csv reader that can be handed back when a record turns out broken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.source = iter(lines)
        self.again: deque[str] = deque()
        self.taken: list[str] = []
        self.chars = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAX_RECORD_LINES or self.chars > MAX_RECORD_CHARS:
            raise csv.Error("quote never closed")
        line = self.again.popleft() if self.again else next(self.source)
        self.taken.append(line)
        self.chars += len(line)
        return line

    def begin(self) -> None:
        """A record begins: nothing of it is taken yet."""
        self.taken.clear()
        self.chars = 0


def _broken(feed: _Feed, reason: QuarantineReason) -> Record:
    first, *rest = feed.taken
    feed.again.extendleft(reversed(rest))
    return Record(None, reason, first.rstrip("\r\n"))


def _separator(line: str) -> str:
    found = re.fullmatch(r"\ufeff?sep=(.)[\r\n]*", line, re.IGNORECASE)
    return found.group(1) if found else ""


def _first_record(lines: list[str], delimiter: str) -> tuple[list[str], int]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        return next(reader, []), reader.line_num
    except csv.Error:
        return [], 0


def _distinct(cells: list[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        key = header_key(cell)
        seen[key] = seen.get(key, 0) + 1
        names.append(cell if seen[key] == 1 else f"{cell}#{seen[key]}")
    return tuple(names)
