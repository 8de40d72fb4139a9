"""Tables that people edit, in a spreadsheet or by hand, read back and written out: CSV in whatever form a spreadsheet
left it, and JSON lists of objects. What the columns mean is the business of the stages.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.plain_text import one_line

MOST_BYTES = 16 << 20
MOST_ROWS = 20_000
MOST_CHARACTERS = 4_000
SEPARATORS = (",", ";", "\t")
FORMULA = re.compile(r"[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
"""How a cell begins that a spreadsheet may take for a formula, or that was made safe against that already."""


@dataclass(frozen=True)
class Line:
    """One row and where it begins: the line of a CSV file, the position in a JSON list, both from 1."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class EditedTable:
    """A table as it was read. `columns` are folded to lower case with underscores; `unreadable` are rows that could not
    be read, with the reason. `unit` is what the numbers of rows count: lines, or entries of a list.
    """

    name: str
    sha256: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    unreadable: tuple[tuple[int, str], ...] = ()
    unit: str = "line"


def read_table(path: Path) -> EditedTable:
    """Read a CSV or, by its suffix, a JSON file. Raises `BadInput` where it is no such table or too large."""
    raw = _bytes(path)
    text = _text(path, raw)
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    if path.suffix.lower() == ".json":
        return _from_json(path.name, digest, text)
    return _from_csv(path.name, digest, text)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A CSV file as text; no cell can become a formula, and `read_table` gives every cell back as it was."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([guarded(as_cell(row.get(name))) for name in columns] for row in rows)
    return sink.getvalue()


def guarded(cell: str) -> str:
    """A cell with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell that `guarded` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell


def as_cell(value: object) -> str:
    """A value as a cell holds it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadInput(f"{path} is no file; give the path of a CSV or JSON file.")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); give a file that you may read.") from None
    if len(raw) > MOST_BYTES:
        raise BadInput(f"{path.name} is larger than {MOST_BYTES >> 20} MB; split it.")
    return raw


def _text(path: Path, raw: bytes) -> str:
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{path.name} is no text in UTF-8; save it as CSV in UTF-8 and give that.")
    return text


def _from_csv(name: str, digest: str, text: str) -> EditedTable:
    skipped = 1 if re.match(r"sep=.\r?\n", text) else 0
    lines = list(io.StringIO(text, newline=""))[skipped:]
    header = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(SEPARATORS, key=header.count), strict=True)
    records = islice(_records(reader, skipped), MOST_ROWS + 2)
    columns: tuple[str, ...] = ()
    good: list[Line] = []
    bad: list[tuple[int, str]] = []
    for number, cells in records:
        if isinstance(cells, str):
            bad.append((number, cells))
        elif not columns:
            columns = _columns(name, cells)
        elif any(cell.strip() for cell in cells):
            _sort_in(number, columns, cells, good, bad)
    return _table(name, digest, columns, good, bad, "line")


def _records(reader: Any, skipped: int) -> Iterator[tuple[int, list[str] | str]]:
    """Every record with the line it begins on, or why it cannot be read."""
    while True:
        number = reader.line_num + skipped + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"no readable CSV ({error}); look at its quotation marks"


def _sort_in(
    number: int, columns: Sequence[str], cells: list[str], good: list[Line], bad: list[tuple[int, str]]
) -> None:
    if any(cell.strip() for cell in cells[len(columns) :]):
        bad.append((number, f"it has {len(cells)} cells where the header names {len(columns)} columns"))
    elif any(len(cell) > MOST_CHARACTERS for cell in cells):
        bad.append((number, f"a cell is longer than {MOST_CHARACTERS} characters"))
    else:
        filled = [*cells, *[""] * (len(columns) - len(cells))]
        named = zip(columns, filled, strict=False)
        good.append(Line(number, {name: unguarded(cell.strip()).strip() for name, cell in named}))


def _columns(name: str, cells: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(folded(cell) for cell in cells)
    while columns and not columns[-1]:
        columns = columns[:-1]
    twice = [one for one, count in Counter(columns).items() if count > 1]
    if twice:
        raise BadInput(f"{name}: the header names the column {twice[0] or 'without a name'!r} twice; rename one.")
    return columns


def folded(column: str) -> str:
    """A column's name in lower case with underscores: `Error Code` is `error_code`."""
    return re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_")[:60]


def _from_json(name: str, digest: str, text: str) -> EditedTable:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is no readable JSON; give a list of objects.") from None
    if not isinstance(entries, list):
        raise BadInput(f"{name} holds no list; give a list of objects, one a value.")
    good: list[Line] = []
    bad: list[tuple[int, str]] = []
    columns: dict[str, None] = {}
    for number, entry in enumerate(islice(entries, MOST_ROWS + 1), start=1):
        if not isinstance(entry, dict) or any(isinstance(value, (list, dict)) for value in entry.values()):
            bad.append((number, "it is no plain object"))
            continue
        cells = {folded(key): as_cell(value).strip() for key, value in entry.items()}
        columns |= dict.fromkeys(cells)
        good.append(Line(number, cells))
    filled = [Line(line.number, {**dict.fromkeys(columns, ""), **line.cells}) for line in good]
    return _table(name, digest, tuple(columns), filled, bad, "entry")


def _table(
    name: str,
    digest: str,
    columns: tuple[str, ...],
    good: Sequence[Line],
    bad: Sequence[tuple[int, str]],
    unit: str,
) -> EditedTable:
    if len(good) + len(bad) > MOST_ROWS:
        raise BadInput(f"{name} has more than {MOST_ROWS:,} rows; split it.")
    if not good and not bad:
        raise BadInput(f"{one_line(name, 80)} holds no rows; give a table with a header and at least one row.")
    return EditedTable(name, digest, columns, tuple(good), tuple(bad), unit)
