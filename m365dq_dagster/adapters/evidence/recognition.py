"""Looks at one file and finds its format by what stands in it: the header of a table, the keys of a document's first
records. Bringing the records into the engine is the business of `landing`."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.evidence import documents
from m365dq_dagster.adapters.evidence.delimited import TableHead, records, table_head
from m365dq_dagster.adapters.evidence.documents import DocumentHead, document_head, looks_like_json
from m365dq_dagster.adapters.evidence.folder import FoundFile
from m365dq_dagster.adapters.evidence.formats import DOCUMENT, TABLE, FormatDefinition
from m365dq_dagster.adapters.evidence.plans import ImportPlan, Kinds, envelope, recognise
from m365dq_dagster.adapters.evidence.sidecars import Sidecar, SidecarDefinition, read_sidecar
from m365dq_dagster.adapters.evidence.text import LONG_HEAD_BYTES, TextHead, open_text, read_head
from m365dq_dagster.core.ledger import FileReason, sighted_date
from m365dq_dagster.core.printable import printable

SAMPLES = 200
"""Records of a file's beginning that are looked at."""

MAX_RAW = 1_000_000
"""Characters kept of the raw text of a record."""

SHOWN = 100
"""Characters of a text from the evidence within a sentence."""

_BEGINNINGS = {
    FileReason.WEB_PAGE: re.compile(
        r"\s*(?:(?><!--.*?-->)\s*)*+<(?:!doctype\s+html|html\b)", re.IGNORECASE | re.DOTALL
    ),
    FileReason.CLIXML: re.compile(r"\s*(?:#< CLIXML\s+)?<Objs Version=", re.IGNORECASE),
}


@dataclass(frozen=True)
class RecognisedFile:
    """A file whose format is known, with what is needed to read it and nothing of what stands in it, since a folder may
    hold thousands. `columns` is its header, or the top-level keys seen; `times` are the
    first times that do not begin with the year, as written.

    `mixed` says that its records are of several formats, or lie in envelopes, so that each is looked at by itself;
    `plan` is then that of most of the first records. `inside` is the key of the envelope."""

    file: FoundFile
    plan: ImportPlan
    head: TextHead
    table: TableHead | None = None
    document: DocumentHead | None = None
    mixed: bool = False
    inside: str | None = None
    columns: tuple[str, ...] = ()
    times: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotRecognised:
    """A file that is not read, and why."""

    file: FoundFile
    reason: FileReason
    detail: str = ""
    encoding: str | None = None
    columns: tuple[str, ...] = ()


def look_at(
    file: FoundFile, formats: Sequence[FormatDefinition], sidecars: Sequence[SidecarDefinition] = ()
) -> RecognisedFile | NotRecognised | Sidecar:
    """Which format a file has. Its name never suffices; it tells flavours of one shape apart.

    A file that holds no log may be what a collector says about its own work."""
    if file.trouble:
        return NotRecognised(file, file.trouble, file.detail)
    try:
        head = _beginning(file.location)
    except OSError as error:
        return NotRecognised(file, FileReason.UNREADABLE, error.strerror or "")
    if isinstance(head, FileReason):
        return NotRecognised(file, head)
    seen = _document(file, head, formats) if looks_like_json(head.text) else _table(file, head, formats)
    if isinstance(seen, NotRecognised) and seen.reason is FileReason.BROKEN_JSON:
        as_table = _table(file, head, formats)
        seen = as_table if isinstance(as_table, RecognisedFile) else seen
    if isinstance(seen, RecognisedFile):
        return seen
    return read_sidecar(file, head.text, sidecars) or _told_by_its_beginning(file, head) or seen


def raw_records(seen: RecognisedFile) -> Iterator[str]:
    """The source's own text of every record, in order; the n-th is the one that `row_no` n names."""
    with open_text(seen.file.location, seen.head.encoding) as stream:
        if seen.document:
            for record in documents.read_records(stream, seen.document.shape):
                yield from documents.unwrapped_texts(record, seen.inside)
        else:
            assert seen.table
            lines = islice(stream, seen.table.skip_lines, None)
            for row in records(lines, seen.table.delimiter, len(seen.table.columns), keep_raw=True):
                yield row.raw


def chosen_records(seen: RecognisedFile, row_numbers: Iterable[int]) -> dict[int, str]:
    """The source's own text of some records, by `row_no`, each cut at `MAX_RAW`."""
    wanted = set(row_numbers)
    found: dict[int, str] = {}
    for number, text in enumerate(raw_records(seen) if wanted else (), 1):
        if number in wanted:
            found[number] = text[:MAX_RAW]
            if len(found) == len(wanted):
                break
    return found


def _beginning(location: Path) -> TextHead | FileReason:
    """The beginning of a file, with at least one whole record or header wherever one ends within reason."""
    head = read_head(location)
    if isinstance(head, FileReason) or head.complete or _holds_a_record(head.text):
        return head
    return read_head(location, LONG_HEAD_BYTES)


def _holds_a_record(text: str) -> bool:
    if looks_like_json(text):
        return bool(document_head(text, 1).samples)
    table = table_head(text)
    return table is None or any(True for _ in islice(io.StringIO(text, newline=""), table.skip_lines, None))


def _document(file: FoundFile, head: TextHead, formats: Sequence[FormatDefinition]) -> RecognisedFile | NotRecognised:
    document = document_head(head.text, SAMPLES)
    inside, samples, kinds = None, document.samples, Kinds(formats, file.path)
    if not any(kinds.alone(one) for one in samples):
        inside = envelope(samples, formats)
        samples = tuple(one for sample in samples for one in documents.unwrapped(sample, inside))
    plan = _main_plan(samples, kinds)
    if plan is None:
        return NotRecognised(file, *_why_no_log(head, document, inside), head.encoding, document.keys)
    mixed = inside is not None or not all(kinds.is_of(one, plan) for one in samples)
    return RecognisedFile(
        file,
        plan,
        replace(head, text=""),
        document=replace(document, samples=()),
        mixed=mixed,
        inside=inside,
        columns=document.keys,
        times=_first_times(plan, samples),
    )


def _why_no_log(head: TextHead, document: DocumentHead, inside: str | None) -> tuple[FileReason, str]:
    """Why a document is no log, with the detail of that reason."""
    if head.complete and documents.holds_nothing(head.text, inside):
        return FileReason.NO_RECORDS, ""
    code = documents.error_code(document)
    if code is not None:
        return FileReason.ERROR_ANSWER, printable(code, SHOWN)
    return (FileReason.UNKNOWN_KEYS if document.keys else FileReason.BROKEN_JSON), ", ".join(document.keys)


def _told_by_its_beginning(file: FoundFile, head: TextHead) -> NotRecognised | None:
    """What is saved in place of a log, or as one that is not read, where its first characters say so."""
    reason = next((reason for reason, begins in _BEGINNINGS.items() if begins.match(head.text, 0, 4096)), None)
    return NotRecognised(file, reason, encoding=head.encoding) if reason else None


def _first_times(plan: ImportPlan, samples: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    columns = {place.column.name for place in plan.fields.get("event_time", ())}
    texts = (str(sample[name]) for sample in samples for name in columns if sample.get(name))
    return tuple(dict.fromkeys(text for text in texts if sighted_date(text)))


def _main_plan(samples: Sequence[Mapping[str, Any]], kinds: Kinds) -> ImportPlan | None:
    """The plan of most of the records, over the keys of all records of its kind."""
    alone = [kinds.alone(one) for one in samples]
    logs = [plan.definition.log_type for plan in alone if plan]
    if not logs:
        return None
    main = max(logs, key=lambda log: (logs.count(log), -logs.index(log)))
    ours = [one for one, plan in zip(samples, alone, strict=True) if plan is None or plan.definition.log_type == main]
    keys = tuple(dict.fromkeys(key for one in ours for key in one))
    return recognise(keys, DOCUMENT, [one for one in kinds.formats if one.log_type == main], ours, kinds.path)


def _table(file: FoundFile, head: TextHead, formats: Sequence[FormatDefinition]) -> RecognisedFile | NotRecognised:
    table = table_head(head.text)
    if table is None:
        return NotRecognised(file, FileReason.NO_HEADER, encoding=head.encoding)
    samples = _first_rows(head, table)
    plan = recognise(table.columns, TABLE, formats, samples, file.path)
    if plan:
        times = _first_times(plan, samples)
        return RecognisedFile(file, plan, replace(head, text=""), table=table, columns=table.columns, times=times)
    return NotRecognised(file, FileReason.UNKNOWN_HEADER, ", ".join(table.columns), head.encoding, table.columns)


def _first_rows(head: TextHead, table: TableHead) -> tuple[Mapping[str, Any], ...]:
    lines = islice(io.StringIO(head.text, newline=""), table.skip_lines, None)
    rows = records(lines, table.delimiter, len(table.columns))
    return tuple(dict(zip(table.columns, row.cells, strict=True)) for row in islice(rows, SAMPLES) if row.cells)
