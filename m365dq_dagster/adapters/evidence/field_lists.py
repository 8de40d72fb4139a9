"""Reads the first records of files again to see which names they hold, bounded in files and records, after everything
came in. What a list of names is worth is judged in `core.schema_diff`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from m365dq_dagster.adapters.evidence import documents
from m365dq_dagster.adapters.evidence.delimited import records
from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.plans import ImportPlan, Kinds
from m365dq_dagster.adapters.evidence.recognition import RecognisedFile, raw_records
from m365dq_dagster.adapters.evidence.text import open_text
from m365dq_dagster.core.field_lists import EVERYWHERE, compared

FILES_EACH = 6
"""Files of one header that are read again: first and last ones, and some between."""

RECORDS = 300
"""Records of all these files together that are read again."""

MAKE = "record_type"
"""The canonical field whose value tells the make of a record."""


@dataclass(frozen=True)
class Exported:
    """Files of one format that write one header, or any documents of one format."""

    plan: ImportPlan
    header: tuple[str, ...]
    files: tuple[RecognisedFile, ...]

    @property
    def definition(self) -> FormatDefinition:
        """The format."""
        return self.plan.definition

    @property
    def path(self) -> str:
        """The file that stands for all of them."""
        return self.files[-1].file.path


def exported(files: Iterable[RecognisedFile]) -> tuple[Exported, ...]:
    """The files by format and header; documents state no header."""
    found: dict[tuple[str, tuple[str, ...]], list[RecognisedFile]] = defaultdict(list)
    for one in files:
        header = one.columns if one.table else ()
        found[one.plan.definition.id, header].append(one)
    return tuple(Exported(group[0].plan, header, tuple(group)) for (_, header), group in found.items())


def spellings(definition: FormatDefinition) -> dict[str, str]:
    """Every spelling that a format knows of a column, as compared -> the first one, which stands for all of them."""
    sources = (source.columns for found in definition.fields.values() for source in found if len(source.columns) > 1)
    return {compared(name): compared(names[0]) for names in sources for name in names}


def readings(definition: FormatDefinition) -> dict[str, frozenset[str]]:
    """Name as compared -> the canonical fields that are read from it; `a.b` is what lies at `b` within `a`."""
    model = spellings(definition)
    found: dict[str, set[str]] = defaultdict(set)
    for field, sources in definition.fields.items():
        for source in sources:
            for column in source.columns:
                path = (source.path or "").split("[")[0]
                name = ".".join(filter(None, (model.get(compared(column), compared(column)), path.casefold())))
                found[name].add(field)
    return {name: frozenset(fields) for name, fields in found.items()}


def sample(of: Exported, formats: Sequence[FormatDefinition]) -> Iterator[dict[str, Any]]:
    """The first records of some of the files, as names and values; nested cells are opened."""
    files = _some(of.files)
    for seen in files:
        try:
            yield from islice(_records(seen, formats), RECORDS // len(files))
        except OSError:  # it went while it was looked at; the ledger tells of it
            continue


def make_of(definition: FormatDefinition, record: Mapping[str, Any]) -> str:
    """The record type that a record says it is of, or '' where its format has none."""
    for source in definition.fields.get(MAKE, ()):
        for column in source.columns:
            value: Any = record.get(column)
            for step in (source.path or "").split(".") if source.path else ():
                value = value.get(step) if isinstance(value, Mapping) else None
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                return str(value)[:40]
    return EVERYWHERE


def _some(files: Sequence[RecognisedFile]) -> Sequence[RecognisedFile]:
    if len(files) <= FILES_EACH:
        return files
    step = (len(files) - 1) / (FILES_EACH - 1)
    return [files[round(at * step)] for at in range(FILES_EACH)]


def _records(seen: RecognisedFile, formats: Sequence[FormatDefinition]) -> Iterator[dict[str, Any]]:
    if seen.table:
        yield from _rows(seen)
        return
    kinds = Kinds(formats, seen.file.path) if seen.mixed else None
    for text in raw_records(seen):
        record = documents.loaded(text)
        if isinstance(record, dict) and (kinds is None or kinds.is_of(record, seen.plan)):
            yield _opened(record, seen.plan)


def _rows(seen: RecognisedFile) -> Iterator[dict[str, Any]]:
    assert seen.table
    with open_text(seen.file.location, seen.head.encoding) as stream:
        lines = islice(stream, seen.table.skip_lines, None)
        for row in records(lines, seen.table.delimiter, len(seen.table.columns)):
            if row.cells:
                yield _opened(dict(zip(seen.table.columns, row.cells, strict=True)), seen.plan)


def _opened(record: dict[str, Any], plan: ImportPlan) -> dict[str, Any]:
    """The record with the objects that its cells hold as text."""
    nested = {place.column.name for places in plan.fields.values() for place in places if place.path}
    for name in nested & record.keys():
        value = record[name]
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            inner = documents.loaded(value)
            record[name] = inner if isinstance(inner, dict) else value
    return record
