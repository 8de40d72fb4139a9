"""Brings the records of files into their canonical tables: by the engine itself where a file is well formed, record by
record where it is not. Both ways number records alike, so that a row leads back to its line.

`row_no` counts the records of a file from 1, in the file's order. In tables the header, `#TYPE` and blank lines are
no records and a record with embedded newlines is one; in JSON documents it is the place of the element, whatever
wraps it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from m365dq_dagster.adapters.evidence import documents
from m365dq_dagster.adapters.evidence.delimited import records
from m365dq_dagster.adapters.evidence.documents import DocumentShape, JsonRecord
from m365dq_dagster.adapters.evidence.folder import CHUNK, FoundFile
from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.plans import ImportPlan, Kinds, plan_for
from m365dq_dagster.adapters.evidence.recognition import MAX_RAW, RecognisedFile
from m365dq_dagster.adapters.evidence.tables import Tables
from m365dq_dagster.adapters.evidence.text import open_bytes, open_text
from m365dq_dagster.adapters.sql import intake, landing
from m365dq_dagster.core.ledger import QuarantineReason
from m365dq_dagster.core.outcome import DateOrder

BATCH_ROWS = 50_000
BATCH_CHARS = 1 << 25
RELATION = "intake_records"
ENGINE_FAULTS = (duckdb.Error, RuntimeError)
"""What the engine raises where it cannot read a file; its own slips come as `RuntimeError`."""

_PATTERN = re.compile(r"[*?\[\]{}\\\ud800-\udfff]")
NOTHING = (0, 0, 0, None, None, 0, None, 0, 0, None)
"""What is counted of a file that has no row in a table."""
Row = tuple[object, ...]


@dataclass(frozen=True)
class Landed:
    """What of a file is in a table now; `by_engine` says that it was not read record by record. `foreign` rows are of
    another log, and `changed` headers in the middle name other columns. `declared` and `stands_for` are what its rows
    say of themselves; `timed` rows have a time, `unread` ones a text that is none, such as `unread_text`. `further`
    are the plans of other formats of the same log in the file."""

    plan: ImportPlan
    formats: tuple[str, ...]
    rows: int
    by_engine: bool
    foreign: int = 0
    changed: int = 0
    declared: int | None = None
    stands_for: int | None = None
    timed: int = 0
    unread: int = 0
    unread_text: str | None = None
    further: tuple[ImportPlan, ...] = ()


@dataclass
class Landing:
    """Brings files into the tables of one generation. `scratch` is a private folder for copies in which a
    file is turned into what the engine reads."""

    con: duckdb.DuckDBPyConnection
    tables: Tables
    formats: Sequence[FormatDefinition]
    scratch: Path

    def land(self, file_id: int, seen: RecognisedFile, reading: DateOrder) -> tuple[int, tuple[Landed, ...]]:
        """Bring every record of a file in, in order; nothing is left out and nothing added. Returns how many records
        the file holds and what came into which table. Raises `OSError` where the file goes while it is read."""
        if not seen.mixed and (found := self.land_together({file_id: seen}, reading)):
            return found[file_id].rows, (found[file_id],)
        return self._tolerant(file_id, seen, reading)

    def land_together(self, files: Mapping[int, RecognisedFile], reading: DateOrder) -> dict[int, Landed]:
        """Bring files of one make in by one statement; planning it costs more than reading a small file. Left out are
        those which the engine cannot read by itself: all, where it stumbled; else the ones whose line ends speak
        against the number of its rows, or in which records of another log turned up."""
        seen = next(iter(files.values()))
        if len(_cells(seen)) > landing.MAX_COLUMNS or (seen.table and seen.table.header_lines > 1):
            return {}
        log_type = seen.plan.definition.log_type
        with ExitStack() as copies:
            paths = [copies.enter_context(Readable(one, self.scratch)) for one in files.values()]
            if not all(paths) or not self._taken(files, [path for path in paths if path], reading):
                return {}
        self.con.execute(landing.number_rows(log_type)).fetchall()
        landed = self._landed(files, {file_id: (one.plan.definition.id,) for file_id, one in files.items()})
        unsound = [file_id for file_id, one in landed.items() if not _plausible(one, files[file_id])]
        if unsound:
            self.take_back(log_type, unsound)
        self._spread_changes(log_type, landed)
        return {file_id: one for file_id, one in landed.items() if file_id not in unsound}

    def _taken(self, files: Mapping[int, RecognisedFile], paths: Sequence[Path], reading: DateOrder) -> bool:
        """Whether the engine could read the files. One with records longer than most is read a second time with more
        room for each."""
        seen = next(iter(files.values()))
        for longest in landing.LONGEST_RECORDS:
            relation = _relation(seen, paths, longest)
            try:
                self._insert(tuple(files), seen.plan, reading, relation, cells=len(_cells(seen)))
                return True
            except ENGINE_FAULTS as error:
                self.take_back(seen.plan.definition.log_type, files)
                if landing.TOO_LONG not in str(error):
                    break
        return False

    def _spread_changes(self, log_type: str, landed: Mapping[int, Landed]) -> None:
        """What stands behind a header of another order is not read by the file's first one."""
        changed = [file_id for file_id, one in landed.items() if one.changed]
        if changed:
            self.con.execute(landing.spread_change(log_type), of_files(changed)).fetchall()

    def take_back(self, log_type: str, files: Iterable[int]) -> None:
        """Take everything of some files out of a table again, and their rows out of quarantine."""
        self.con.execute(landing.drop_files(log_type), of_files(files))
        self.con.execute(intake.statement("unquarantine"), {"file_ids": list(files)})

    def _tolerant(self, file_id: int, seen: RecognisedFile, reading: DateOrder) -> tuple[int, tuple[Landed, ...]]:
        """Read record by record, batch by batch, on this thread: what goes wrong while reading is raised as what it
        is."""
        plans: dict[str, ImportPlan] = {seen.plan.definition.id: seen.plan}
        rows = 0
        for plan, batch in self._batches(seen):
            rows += len(batch)
            plans[plan.definition.id] = _joined(plans.get(plan.definition.id), plan)
            self.con.register(RELATION, batch)
            try:
                relation = RELATION if seen.table else landing.parsed_lines(RELATION, plan)
                self._insert((file_id,), plan, reading, relation, numbered=True, cells=len(_cells(seen)))
                self.con.execute(intake.statement("quarantine_known"), {"file_id": file_id}).fetchall()
            finally:
                self.con.unregister(RELATION)
        return rows, self._landed_by_table(file_id, seen, plans)

    def _landed_by_table(
        self, file_id: int, seen: RecognisedFile, plans: Mapping[str, ImportPlan]
    ) -> tuple[Landed, ...]:
        landed = []
        for table in dict.fromkeys(plan.definition.log_type for plan in plans.values()):
            found = [plan for plan in plans.values() if plan.definition.log_type == table]
            names = tuple(plan.definition.id for plan in found)
            files = {file_id: replace(seen, plan=found[0])}
            found_there = self._landed(files, {file_id: names}, by_engine=False)
            self._spread_changes(table, found_there)
            landed.append(replace(found_there[file_id], further=tuple(found[1:])))
        return tuple(one for one in landed if one.rows) or tuple(landed[:1])

    def _insert(
        self,
        file_ids: Sequence[int],
        plan: ImportPlan,
        reading: DateOrder,
        relation: str,
        *,
        numbered: bool = False,
        cells: int,
    ) -> None:
        targets = self.tables.open(plan.definition.log_type)
        statement = landing.insert(plan, targets, reading, relation, numbered=numbered, cells=cells)
        self.con.execute(statement, {"file_ids": list(file_ids)}).fetchall()

    def _landed(
        self, files: Mapping[int, RecognisedFile], formats: Mapping[int, tuple[str, ...]], *, by_engine: bool = True
    ) -> dict[int, Landed]:
        """What of each file is in the table of its plan, counted there."""
        log_type = next(iter(files.values())).plan.definition.log_type
        self.tables.open(log_type)
        answers = self.con.execute(landing.landed(log_type), of_files(files)).fetchall()
        counted = {row[0]: row[1:] for row in answers}
        return {
            file_id: _counted(seen.plan, formats[file_id], counted.get(file_id, NOTHING), by_engine=by_engine)
            for file_id, seen in files.items()
        }

    def _batches(self, seen: RecognisedFile) -> Iterator[tuple[ImportPlan, pa.Table]]:
        if seen.table:
            names = ("row_no", "fault", "raw", *(f"c{at}" for at in _positions(seen)), landing.WHOLE)
            for batch in _taken(_table_rows(seen)):
                yield seen.plan, _arrow(names, batch)
            return
        sorter = _Sorter(seen, self.formats)
        for batch in _taken(_document_rows(seen)):
            for plan, rows in sorter.sorted(batch):
                yield plan, _arrow(("row_no", "fault", "raw", "line"), rows)


@dataclass
class _Sorter:
    """Finds the format of every record of a document; records of one make are looked at once."""

    seen: RecognisedFile
    formats: Sequence[FormatDefinition]
    known: dict[tuple[object, ...], FormatDefinition | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = Kinds(self.formats, self.seen.file.path)

    def sorted(self, batch: Sequence[Row]) -> Iterator[tuple[ImportPlan, list[Row]]]:
        """The records of a batch by format, each with a plan for the keys that occur in it."""
        rows: dict[str, list[Row]] = {}
        keys: dict[str, dict[str, None]] = {}
        definitions = {self.seen.plan.definition.id: self.seen.plan.definition}
        for row in batch:
            number, fault, _, line = row
            value = documents.loaded(str(line)) if fault is None else None
            definition = self._definition(value) if isinstance(value, dict) else None
            if fault is None and definition is None:
                fault = QuarantineReason.RECORD_UNKNOWN if isinstance(value, dict) else QuarantineReason.JSON_UNPARSABLE
                row = (number, str(fault), str(line)[:MAX_RAW], None)
            home = definition or self.seen.plan.definition
            definitions[home.id] = home
            rows.setdefault(home.id, []).append(row)
            keys.setdefault(home.id, {}).update(dict.fromkeys(value) if definition and isinstance(value, dict) else {})
        for name, found in rows.items():
            columns = tuple(dict.fromkeys((*self._columns(name), *keys[name])))
            plan = plan_for(definitions[name], columns, self.seen.file.path, open_ended=True)
            yield plan, found

    def _columns(self, name: str) -> tuple[str, ...]:
        plan = self.seen.plan
        return (
            ()
            if name != plan.definition.id
            else tuple(
                column for at, column in enumerate(plan.columns) if at not in {late.position for late in plan.late}
            )
        )

    def _definition(self, record: Mapping[str, Any]) -> FormatDefinition | None:
        if all(value in (None, "", {}, []) for value in record.values()):
            return self.seen.plan.definition
        make = self.kinds.make(record)
        if make not in self.known:
            plan = self.seen.plan if self.kinds.is_of(record, self.seen.plan) else self.kinds.alone(record)
            self.known[make] = plan.definition if plan else None
        return self.known[make]


def alike(one: RecognisedFile, other: RecognisedFile) -> bool:
    """Whether one statement can bring both files in: same columns in the same order, written in the same way."""
    plans = [
        replace(seen.plan, told={name: (told, "") for name, (told, _) in seen.plan.told.items()})
        for seen in (one, other)
    ]
    shapes = [seen.document.shape if seen.document else None for seen in (one, other)]
    return plans[0] == plans[1] and one.table == other.table and shapes[0] == shapes[1]


def of_files(files: Iterable[int]) -> dict[str, object]:
    """Some files, as the statements of `adapters.sql.landing` take them."""
    found = list(files)
    return {"file_ids": found, "low": min(found), "high": max(found)}


def _counted(plan: ImportPlan, formats: tuple[str, ...], counts: Sequence[Any], *, by_engine: bool) -> Landed:
    rows, foreign, changed, late, declared, broken, stands_for, timed, unread, unread_text = counts
    held = int(late or 0)
    absent = (name for name, bit in plan.late_fields.items() if bit < landing.MAX_LATE and not held >> bit & 1)
    return Landed(
        plan.without(tuple(absent)),
        formats,
        rows,
        by_engine,
        foreign,
        changed,
        None if broken or declared is None else int(declared),
        None if stands_for is None else int(stands_for),
        timed,
        unread,
        unread_text,
    )


def _joined(known: ImportPlan | None, plan: ImportPlan) -> ImportPlan:
    """One plan for all the keys that occur anywhere in a document; what stays late did not occur."""
    if known is None or known.columns == plan.columns:
        return plan
    present = [
        name
        for one in (known, plan)
        for at, name in enumerate(one.columns)
        if at not in {column.position for column in one.late}
    ]
    joined = plan_for(plan.definition, tuple(dict.fromkeys(present)), open_ended=bool(plan.late or known.late))
    return replace(joined, told=plan.told)


class Readable:
    """A path at which the engine can read the file, or None where it cannot: the file itself, or a copy in `scratch`
    that is UTF-8 and without a page's wrapper."""

    def __init__(self, seen: RecognisedFile, scratch: Path) -> None:
        self.seen = seen
        self.copy = scratch / f"readable-{id(self)}"

    def __enter__(self) -> Path | None:
        seen = self.seen
        wrapped = bool(seen.document and seen.document.shape is DocumentShape.WRAPPED)
        if seen.document and seen.document.shape is DocumentShape.OBJECTS:
            return None
        if seen.head.plain_utf8 and not wrapped:
            return self._named_plainly(seen.file.location)
        if wrapped:
            return self.copy if documents.strip_wrapper(seen.file.location, seen.head.encoding, self.copy) else None
        with open_text(seen.file.location, seen.head.encoding) as source:
            _write(self.copy, iter(lambda: source.read(CHUNK), ""))
        return self.copy

    def __exit__(self, *_: object) -> None:
        self.copy.unlink(missing_ok=True)

    def _named_plainly(self, location: Path) -> Path:
        """The file, or a link to it where the engine would take its name for a pattern or cannot spell it."""
        if not _PATTERN.search(str(location)):
            return location
        self.copy.unlink(missing_ok=True)
        self.copy.symlink_to(location)
        return self.copy


def _write(path: Path, pieces: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as copy:
        for piece in pieces:
            copy.write(piece)


def _relation(seen: RecognisedFile, paths: Sequence[Path], longest: int) -> str:
    if seen.table:
        return landing.read_csv(paths, seen.table)
    assert seen.document
    return landing.read_json(paths, seen.plan, array=seen.document.shape is not DocumentShape.LINES, longest=longest)


def _plausible(landed: Landed, seen: RecognisedFile) -> bool:
    """An independent look, since the engine can read nothing, or leave out what follows a lost quote or the last line,
    and report no error: a table has as many records as lines, or as line ends outside of quotes; so has a document of
    lines, or fewer where some are blank. A file of which this is not true is read record by record, and so is one with
    records of another log, and one that is said to hold none."""
    if seen.document and seen.document.shape is not DocumentShape.LINES:
        return not landed.foreign
    if landed.rows == 0 or landed.foreign:
        return False
    lines = _lines(seen) - (seen.table.skip_lines if seen.table else 0)
    if seen.document:
        # The engine reads over a return that ends no line, and the reader of records ends a line there.
        bare_returns = seen.file.fingerprint.bare_returns if seen.file.fingerprint else 0
        return (landed.rows == lines or landed.rows == _filled_lines(seen)) and not bare_returns
    return landed.rows == lines or (landed.rows < lines and landed.rows == lines - _quoted_lines(seen.file))


def _lines(seen: RecognisedFile) -> int:
    """Lines of a file, the last of which may have no end."""
    with open_bytes(seen.file.location) as stream:
        stream.seek(-min(2, stream.seek(0, os.SEEK_END)), os.SEEK_END)
        end = stream.read()
    ended = b"\n" in end if seen.head.encoding.startswith("utf-16") else end.endswith(b"\n")
    return (seen.file.fingerprint.newlines if seen.file.fingerprint else 0) + (not ended)


def _filled_lines(seen: RecognisedFile) -> int:
    assert seen.document
    with open_text(seen.file.location, seen.head.encoding) as stream:
        return sum(1 for _ in documents.read_records(stream, seen.document.shape))


def _quoted_lines(file: FoundFile) -> int:
    """Line ends within quotes; -1 where a quote is never closed."""
    inside, found = 0, 0
    with open_bytes(file.location) as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            parts = chunk.split(b'"')
            found += sum(part.count(b"\n") for part in parts[1 - inside :: 2])
            inside ^= (len(parts) - 1) % 2
    return -1 if inside else found


def _cells(seen: RecognisedFile) -> range:
    """The positions of a table's columns; none for a document."""
    return range(len(seen.columns) if seen.table else 0)


def _positions(seen: RecognisedFile) -> list[int]:
    if landing.key_of(seen.plan) is None and len(_cells(seen)) <= landing.MAX_COLUMNS:
        return list(_cells(seen))
    return [column.position for column in seen.plan.used]


def _arrow(names: Sequence[str], rows: Sequence[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    kinds = [pa.int64(), *[pa.string()] * (len(names) - 1)]
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)],
        schema=pa.schema(list(zip(names, kinds, strict=True))),
    )


def _taken(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The records of a file in batches of bounded size."""
    while True:
        batch: list[Row] = []
        size = 0
        for row in islice(rows, BATCH_ROWS):
            batch.append(row)
            size += sum(len(cell) for cell in row if isinstance(cell, str))
            if size > BATCH_CHARS:
                break
        if not batch:
            return
        yield batch


def _table_rows(seen: RecognisedFile) -> Iterator[Row]:
    assert seen.table
    positions = _positions(seen)
    blank = (None,) * (len(positions) + 1)
    width = len(seen.table.columns)
    in_one = landing.key_of(seen.plan) is None and len(positions) < width
    with open_text(seen.file.location, seen.head.encoding) as stream:
        lines = islice(stream, seen.table.skip_lines, None)
        for number, record in enumerate(records(lines, seen.table.delimiter, width), 1):
            if record.cells is None:
                yield number, str(record.reason), record.raw[:MAX_RAW], *blank
            else:
                whole = "\x1f".join(record.cells) if in_one else None
                yield number, None, None, *(record.cells[position] or None for position in positions), whole


def _document_rows(seen: RecognisedFile) -> Iterator[Row]:
    assert seen.document
    number = 0
    with open_text(seen.file.location, seen.head.encoding) as stream:
        for record in documents.read_records(stream, seen.document.shape):
            for one in documents.unwrapped_records(record, seen.inside):
                number += 1
                yield _document_row(number, one)


def _document_row(number: int, record: JsonRecord) -> Row:
    if record.reason:
        return number, str(record.reason), record.text[:MAX_RAW], None
    return number, None, None, record.text


def only_row(
    con: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """The single row of an answer, with nothing of it left unread, since the engine takes no new relation while an
    answer is open."""
    rows: list[tuple[Any, ...]] = con.execute(statement, dict(values or {})).fetchall()
    return rows[0]
