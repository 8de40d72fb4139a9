"""Looks at one file, finds its format, and brings its records into the engine: by the engine itself where the file is
well formed, record by record where it is not. Both ways number records alike, so that a row leads back to its line.

`row_no` counts the records of a file from 1, in the file's order. In tables the header, `#TYPE` and blank lines are
no records and a record with embedded newlines is one; in JSON documents it is the place of the element, whatever
wraps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeGuard

import duckdb
import pyarrow as pa

from m365dq_dagster.adapters.evidence import documents
from m365dq_dagster.adapters.evidence.delimited import TableHead, records, table_head
from m365dq_dagster.adapters.evidence.documents import DocumentHead, DocumentShape, document_head, looks_like_json
from m365dq_dagster.adapters.evidence.folder import CHUNK, FoundFile
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, ImportPlan, recognise
from m365dq_dagster.adapters.evidence.text import TextHead, open_bytes, open_text, read_head
from m365dq_dagster.adapters.sql import intake as sql
from m365dq_dagster.core.ledger import DateSighting, FileReason

MAX_RAW = 1_000_000
"""Characters kept of the raw text of a quarantined row."""

BATCH_ROWS = 50_000
BATCH_CHARS = 1 << 25
RELATION = "intake_records"


@dataclass(frozen=True)
class RecognisedFile:
    """A file whose format is known, with what is needed to read it."""

    file: FoundFile
    plan: ImportPlan
    head: TextHead
    table: TableHead | None = None
    document: DocumentHead | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The header, or the top-level keys seen."""
        return self.table.columns if self.table else (self.document.keys if self.document else ())


@dataclass(frozen=True)
class NotRecognised:
    """A file that is not read, and why."""

    file: FoundFile
    reason: FileReason
    detail: str = ""
    encoding: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Staged:
    """A file in the staging table: how many records, whether the engine read it by itself, and the plan for what
    occurs in it."""

    rows: int
    tolerant: bool
    plan: ImportPlan


def look_at(file: FoundFile, formats: Iterable[FormatDefinition]) -> RecognisedFile | NotRecognised:
    """Which format a file has, by what stands in it and never by its name."""
    if file.trouble:
        return NotRecognised(file, file.trouble, file.detail)
    try:
        head = read_head(file.location)
    except OSError as error:
        return NotRecognised(file, FileReason.UNREADABLE, error.strerror or "")
    if isinstance(head, FileReason):
        return NotRecognised(file, head)
    if looks_like_json(head.text):
        return _document(file, head, formats)
    return _table(file, head, formats)


def stage_file(con: duckdb.DuckDBPyConnection, seen: RecognisedFile) -> Staged:
    """Bring every record of a file into the staging table, in order; nothing is left out and nothing added."""
    rows = _stage_fast(con, seen) if seen.head.plain_utf8 else None
    tolerant = rows is None
    if rows is None:
        rows = _stage_tolerant(con, seen)
    return Staged(rows, tolerant, _occurring(con, seen.plan))


def _occurring(con: duckdb.DuckDBPyConnection, plan: ImportPlan) -> ImportPlan:
    """The plan without keys that no record has."""
    if not plan.late:
        return plan
    late = [column for column in plan.used if column in plan.late]
    counts = only_row(con, sql.filled_cells(late)) if late else ()
    return plan.without(column for column, count in zip(late, counts, strict=True) if not count)


def date_sightings(con: duckdb.DuckDBPyConnection, plan: ImportPlan) -> tuple[DateSighting, ...]:
    """The distinct dates of the staged file that do not begin with the year."""
    if "event_time" not in plan.fields:
        return ()
    rows = con.execute(sql.date_sightings(plan)).fetchall()
    return tuple(DateSighting(int(first), int(second), int(year), count) for first, second, year, count in rows)


def raw_records(seen: RecognisedFile, row_numbers: Iterable[int]) -> dict[int, str]:
    """The source's own text of some records, by `row_no`."""
    wanted = set(row_numbers)
    found: dict[int, str] = {}
    for number, text in enumerate(_raw_texts(seen) if wanted else (), 1):
        if number in wanted:
            found[number] = text[:MAX_RAW]
            if len(found) == len(wanted):
                break
    return found


def _document(file: FoundFile, head: TextHead, formats: Iterable[FormatDefinition]) -> RecognisedFile | NotRecognised:
    document = document_head(head.text)
    plan = recognise(document.keys, "json", formats)
    if plan:
        return RecognisedFile(file, plan, head, document=document)
    reason = FileReason.UNKNOWN_KEYS if document.keys else FileReason.BROKEN_JSON
    return NotRecognised(file, reason, ", ".join(document.keys), head.encoding, document.keys)


def _table(file: FoundFile, head: TextHead, formats: Iterable[FormatDefinition]) -> RecognisedFile | NotRecognised:
    table = table_head(head.text)
    if table is None:
        return NotRecognised(file, FileReason.NO_HEADER, encoding=head.encoding)
    plan = recognise(table.columns, "csv", formats)
    if plan:
        return RecognisedFile(file, plan, head, table=table)
    return NotRecognised(file, FileReason.UNKNOWN_HEADER, ", ".join(table.columns), head.encoding, table.columns)


def _stage_fast(con: duckdb.DuckDBPyConnection, seen: RecognisedFile) -> int | None:
    """The number of rows the engine read, or None where it could not or where the file's line ends speak against that
    number."""
    if seen.table:
        relation = sql.read_csv(seen.file.location, seen.table)
    elif seen.document and seen.document.shape in (DocumentShape.ARRAY, DocumentShape.LINES):
        relation = sql.read_json(seen.file.location, seen.plan, array=seen.document.shape is DocumentShape.ARRAY)
    else:
        return None
    try:
        con.execute(sql.stage(seen.plan, relation, has_faults=False, cells=len(seen.columns)))
    except duckdb.Error:
        return None
    rows = _count(con)
    return rows if seen.table is None or _plausible(rows, seen.table, seen.file) else None


def _plausible(rows: int, table: TableHead, file: FoundFile) -> bool:
    """An independent look, since the engine can read nothing and report no error: a table has as many records as line
    ends, or fewer where quoted cells hold some. A file of which this is not true is read record by record."""
    lines = file.fingerprint.newlines - table.skip_lines if file.fingerprint else 0
    if rows in (lines, lines + 1):
        return True
    return 0 < rows <= lines and _holds_quotes(file)


def _holds_quotes(file: FoundFile) -> bool:
    with open_bytes(file.location) as stream:
        return any(b'"' in chunk for chunk in iter(lambda: stream.read(CHUNK), b""))


def _stage_tolerant(con: duckdb.DuckDBPyConnection, seen: RecognisedFile) -> int:
    """Read record by record, batch by batch, on this thread: what goes wrong while reading is raised as what it is."""
    relation = RELATION if seen.table else sql.parsed_lines(RELATION, seen.plan)
    for number, batch in enumerate(_batches(seen)):
        con.register(RELATION, batch)
        try:
            con.execute(
                sql.stage(seen.plan, relation, has_faults=True, cells=len(seen.columns), append=number > 0)
            ).fetchall()
        finally:
            con.unregister(RELATION)
    return _count(con)


def _positions(seen: RecognisedFile) -> list[int]:
    if seen.plan.hash_rows:
        return list(range(len(seen.columns)))
    return [column.position for column in seen.plan.used]


def _schema(seen: RecognisedFile) -> pa.Schema:
    cells = [f"c{position}" for position in _positions(seen)] if seen.table else ["line"]
    return pa.schema([(name, pa.string()) for name in ("fault", "raw", *cells)])


def _batches(seen: RecognisedFile) -> Iterator[pa.Table]:
    """The records of a file, at least one batch even where there are none."""
    schema = _schema(seen)
    rows = _table_rows(seen) if seen.table else _document_rows(seen)
    batch = _take(rows)
    while True:
        columns = list(zip(*batch, strict=True)) or [()] * len(schema)
        yield pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)
        batch = _take(rows)
        if not batch:
            return


def _take(rows: Iterator[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    batch: list[tuple[str | None, ...]] = []
    size = 0
    for row in islice(rows, BATCH_ROWS):
        batch.append(row)
        size += sum(len(cell) for cell in row if cell)
        if size > BATCH_CHARS:
            break
    return batch


def _table_rows(seen: RecognisedFile) -> Iterator[tuple[str | None, ...]]:
    assert seen.table
    positions = _positions(seen)
    blank = (None,) * len(positions)
    with open_text(seen.file.location, seen.head.encoding) as stream:
        for record in records(
            islice(stream, seen.table.skip_lines, None), seen.table.delimiter, len(seen.table.columns)
        ):
            if record.cells is None:
                yield str(record.reason), record.raw[:MAX_RAW], *blank
            else:
                yield None, None, *(record.cells[position] or None for position in positions)


def _document_rows(seen: RecognisedFile) -> Iterator[tuple[str | None, ...]]:
    assert seen.document
    with open_text(seen.file.location, seen.head.encoding) as stream:
        for record in documents.read_records(stream, seen.document.shape):
            if record.reason:
                yield str(record.reason), record.text[:MAX_RAW], None
            else:
                yield None, None, record.text


def _raw_texts(seen: RecognisedFile) -> Iterator[str]:
    with open_text(seen.file.location, seen.head.encoding) as stream:
        if seen.document:
            yield from (record.text for record in documents.read_records(stream, seen.document.shape))
        else:
            assert seen.table
            lines = islice(stream, seen.table.skip_lines, None)
            for record in records(lines, seen.table.delimiter, len(seen.table.columns), keep_raw=True):
                yield record.raw


def only_row(
    con: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """The single row of an answer, with nothing of it left unread, since the engine takes no new relation while an
    answer is open."""
    rows: list[tuple[Any, ...]] = con.execute(statement, dict(values or {})).fetchall()
    return rows[0]


def _count(con: duckdb.DuckDBPyConnection) -> int:
    return int(only_row(con, sql.statement("staged_rows"))[0])


def hashed(seen: Sequence[RecognisedFile | NotRecognised]) -> tuple[RecognisedFile | NotRecognised, ...]:
    """The same files; tables without any event id are compared row by row where several have one format."""
    formats = [item.plan.definition.id for item in seen if isinstance(item, RecognisedFile)]
    return tuple(replace(item, plan=item.plan.with_hashes()) if _needs_hashes(item, formats) else item for item in seen)


def _needs_hashes(item: RecognisedFile | NotRecognised, formats: Sequence[str]) -> TypeGuard[RecognisedFile]:
    if not isinstance(item, RecognisedFile) or item.table is None or "event_id" in item.plan.fields:
        return False
    return formats.count(item.plan.definition.id) > 1
