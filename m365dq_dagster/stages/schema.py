"""Schema: which fields the exports of an import write, what changed since the last version of each, and what that
means for what is read from them. Values are judged in `quality`; this stage looks at names, kinds and operations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.evidence import field_lists
from m365dq_dagster.adapters.evidence.field_lists import Exported
from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.recognition import NotRecognised
from m365dq_dagster.adapters.registry import SchemaChangeRecord
from m365dq_dagster.adapters.registry.schemas import IMPORT
from m365dq_dagster.adapters.sql import intake as sql
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.field_lists import FieldList, observe, schema_hash
from m365dq_dagster.core.ledger import FileReason
from m365dq_dagster.core.log_shapes import Known, OperationRows, operation_changes, retention_change
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.schema_checks import schema_as_known
from m365dq_dagster.core.schema_diff import (
    ROWS_ENOUGH,
    Reading,
    compare,
    fits,
    is_older,
    merged,
    resembles,
    word_changes,
)
from m365dq_dagster.core.sightings import REST, Kind, Sighted

if TYPE_CHECKING:
    from m365dq_dagster.adapters.registry import Registry
    from m365dq_dagster.adapters.rule_pack import RulePack
    from m365dq_dagster.stages.case_run import CaseRun

CHANGES, VERSIONS = "schema_changes", "schema_versions"
"""Under which names a generation keeps what was found."""

FREE_TEXT = frozenset({"user_agent", "failure_reason"})
"""Fields of which single values are known and that have no vocabulary of their own."""

MOST_LISTS = 40
"""Field lists of one import that are compared; a folder whose files all differ is no export of one kind."""

MOST_TOLD = 100
"""Changes of one field list that are kept, the gravest first; records may make up any number of names."""

OPERATIONS = "operations"


@dataclass(frozen=True)
class Observed:
    """The field list of some files of an import, what is read from it, and the file that stands for them."""

    seen: FieldList
    reading: Reading
    path: str


def observed(run: CaseRun, groups: Iterable[Exported], formats: Sequence[FormatDefinition]) -> tuple[Observed, ...]:
    """The field lists of an import, while its files can still be read."""
    moments = {row[0]: row[1:] for row in run.con.execute(sql.statement("moments_of_files")).fetchall()}
    return tuple(_observed(run.pack, one, formats, moments) for one in list(groups)[:MOST_LISTS])


def _observed(
    pack: RulePack, of: Exported, formats: Sequence[FormatDefinition], moments: Mapping[str, Sequence[datetime | None]]
) -> Observed:
    definition = of.definition
    reading = reading_of(pack, definition)
    rows, fields = observe(
        of.header,
        field_lists.sample(of, formats),
        model=field_lists.spellings(definition),
        enumerated=frozenset(reading.known_words),
        make=partial(field_lists.make_of, definition),
    )
    found = [moments.get(one.file.path, (None, None)) for one in of.files]
    first = min((at for at, _ in found if at), default=None)
    last = max((at for _, at in found if at), default=None)
    log_type, version = definition.log_type, definition.api_version
    return Observed(FieldList(definition.id, log_type, version, rows, fields, first, last), reading, of.path)


def reading_of(pack: RulePack, definition: FormatDefinition) -> Reading:
    """What is read from a format, which of it testifies, and which words of it are known."""
    fields = field_lists.readings(definition)
    ours = [spec for spec in pack.fields if spec.log_type == definition.log_type]
    witnesses = frozenset(spec.field for spec in ours if spec.witness in (Witness.PRIMARY, Witness.SECONDARY))
    renderings = frozenset(spec.field for spec in ours if spec.witness is Witness.RENDERING)
    words: dict[str, set[str]] = {}
    for row in pack.values:
        if row.log_type == definition.log_type and row.field not in FREE_TEXT:
            words.setdefault(row.field, set()).add(row.value.casefold())
    known = {name: frozenset(words[one]) for name, fed in fields.items() for one in sorted(fed) if one in words}
    return Reading(fields, witnesses, renderings, definition.chosen_columns, known)


def run(run: CaseRun, found: Sequence[Observed], strangers: Iterable[NotRecognised] = ()) -> CheckResult:
    """Compare with what is known, keep what is new, and say it in one check. Changes are kept once for ever.

    `strangers` are files that no format knows: a name that recognising a format rests on may be what changed."""
    now = run.clock.now()
    seen = [_compared(run, one, now) for one in found]
    _changed_beyond_recognition(run, strangers, now)
    _operations(run, now)
    _reach(run, [one for one in found if not one.reading.chosen], now)
    measure.keep_json(run.con, VERSIONS, seen)
    return schema_as_known(_keep_changes(run, seen), seen)


def note_words(run: CaseRun, unknown: Iterable[Sighted]) -> None:
    """Keep the words of enumerated fields that no table knows as changes. The alert on unknown codes tells of those
    that stand for an outcome."""
    words = (one for one in unknown if one.watched.kind in (Kind.WITNESS, Kind.VALUE) and one.value != REST)
    told = [_new_word(one) for one in words]
    if told:
        run.registry.record_schema_changes(told, "", IMPORT, run.clock.now(), case_id=run.case_id)
        _keep_changes(run, measure.read_json(run.con, VERSIONS))


def _new_word(one: Sighted) -> SchemaChange:
    severity = Severity.WARNING if one.watched.kind.alerts else Severity.INFO
    name, log_type = one.watched.source, one.log_type
    detail = f"the value '{one_line(one.value, 80)}' of {name} is in no table of the rule pack"
    return SchemaChange(
        ChangeKind.ENUM_VALUE_NEW, severity, log_type, "values", name, one.value, None, detail, log_type
    )


def _keep_changes(run: CaseRun, seen: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    kept = run.registry.schema_changes_of_case(run.case_id, {int(row["version"]) for row in seen})
    found = [_row(one, run.case_id) for one in kept]
    measure.keep_json(run.con, CHANGES, found)
    return found


def _compared(run: CaseRun, one: Observed, now: datetime) -> dict[str, Any]:
    """Find the version that an import is of, or keep a new one with what changed."""
    seen = one.seen
    known = run.registry.field_lists(seen.log_type, seen.api_version, seen.format_name)
    same = next((version for _, version in known if fits(version, seen)), None)
    told: tuple[SchemaChange, ...] = ()
    if same or known:
        before = same or _baseline([version for _, version in known])
        told = word_changes(before, seen, one.reading, one.path)
        told += () if same else compare(before, seen, one.reading, one.path)
        seen = seen if is_older(before, seen) and not same else merged(before, seen)
    version_id, is_new = run.registry.keep_field_list(seen, run.case_id, now)
    told = told[:MOST_TOLD]
    run.registry.record_schema_changes(told, seen.api_version, IMPORT, now, case_id=run.case_id, version_id=version_id)
    return {
        "version": version_id,
        "log_type": seen.log_type,
        "api_version": seen.api_version,
        "schema_hash": schema_hash(seen.names),
        "format": seen.format_name,
        "file": one.path,
        "fields": len(seen.names),
        "is_new": is_new,
    }


def _changed_beyond_recognition(run: CaseRun, strangers: Iterable[NotRecognised], now: datetime) -> None:
    """Tell of headers that no format knows any more and that are one of the latest versions but for a few names."""
    headers = {one.columns: one for one in strangers if one.reason is FileReason.UNKNOWN_HEADER}
    if not headers:
        return
    known = run.registry.latest_field_lists()
    formats = {one.id: one for one in run.pack.format_definitions}
    for columns, stranger in list(headers.items())[:MOST_LISTS]:
        for version_id, before in known:
            definition = formats.get(before.format_name)
            seen = _of_header(before, columns, definition) if definition else before
            if definition and resembles(before, seen):
                told = compare(before, seen, reading_of(run.pack, definition), stranger.file.path)[:MOST_TOLD]
                run.registry.record_schema_changes(
                    told, seen.api_version, IMPORT, now, case_id=run.case_id, version_id=version_id
                )
                break


def _of_header(like: FieldList, columns: Sequence[str], definition: FormatDefinition) -> FieldList:
    """The list of a file of which only the header is known."""
    fields = observe(columns, (), model=field_lists.spellings(definition))[1]
    return FieldList(like.format_name, like.log_type, like.api_version, {}, fields)


def _baseline(known: Sequence[FieldList]) -> FieldList:
    """The version seen last of those that say enough: by a header, or by enough records."""
    return next((one for one in known if one.stated or sum(one.rows.values()) >= ROWS_ENOUGH), known[0])


def _operations(run: CaseRun, now: datetime) -> None:
    """Compare the operations of the audit log with those of earlier imports, and keep them."""
    log_type = str(LogType.UAL)
    counted = run.con.execute(sql.statement("operations_by_type")).fetchall()
    seen = [
        OperationRows(run.case_id, kind[:80], name[:200], rows, _digest(tenant), first, last)
        for kind, name, rows, tenant, first, last in counted
    ]
    if not seen:
        return
    known = Known(frozenset(row.operation for row in run.pack.operations))
    tenants = {one.tenant for one in seen if one.tenant}
    earlier = run.registry.operations_of_cases(log_type, tenants)
    told = operation_changes(earlier, seen, known, log_type)[:MOST_TOLD]
    run.registry.record_schema_changes(told, OPERATIONS, IMPORT, now, case_id=run.case_id)
    run.registry.record_operations(seen, log_type, now)


def _digest(tenant: str | None) -> str | None:
    """A tenant's id, good for nothing but telling tenants apart."""
    return hashlib.sha256(tenant.strip().casefold().encode("utf-8", "replace")).hexdigest()[:16] if tenant else None


def _reach(run: CaseRun, direct: Sequence[Observed], now: datetime) -> None:
    """Compare how far back the logs reach with how long they are known to be kept."""
    longest: dict[str, int] = {}
    for row in run.pack.retention:
        longest[row.log_type] = max(row.days, longest.get(row.log_type, 0))
    for log_type in dict.fromkeys(one.seen.log_type for one in direct):
        firsts = [one.seen.first_event for one in direct if one.seen.log_type == log_type and one.seen.first_event]
        lasts = [one.seen.last_event for one in direct if one.seen.log_type == log_type and one.seen.last_event]
        if not firsts or not lasts:
            continue
        run.registry.record_span(run.case_id, log_type, min(firsts), max(lasts), now)
        change = retention_change(run.registry.spans(log_type), longest, log_type, log_type)
        if change:
            run.registry.record_schema_changes([change], "", IMPORT, now, case_id=run.case_id)


def as_row(one: SchemaChangeRecord) -> dict[str, Any]:
    """A change for JSON."""
    return {
        "id": one.change_id,
        "kind": str(one.kind),
        "severity": str(one.severity),
        "log_type": one.log_type,
        "api_version": one.api_version,
        "before": one.before,
        "after": one.after,
        "detail": one.detail,
        "origin": one.origin,
        "source": one.source,
        "case": one.case_id,
        "effective": one.effective.isoformat() if one.effective else None,
        "detected_at": one.detected_at.isoformat(),
        "state": one.state,
        "closed_by": one.closed_by,
        "close_reason": one.close_reason,
        "closed_at": one.closed_at.isoformat() if one.closed_at else None,
    }


def _row(one: SchemaChangeRecord, case_id: str) -> dict[str, Any]:
    """A change as the case document shows it; `first` says that this case was the one to show it."""
    return {**as_row(one), "first": one.case_id == case_id}


def changes(registry: Registry, state: str | None = None) -> list[dict[str, Any]]:
    """The changes that imports and vendor documents showed, newest first; only OPEN or CLOSED ones where given."""
    return [as_row(one) for one in registry.schema_changes(state)]


def versions(registry: Registry) -> list[dict[str, Any]]:
    """Every field list that an export was seen with."""
    return [
        {
            "version_id": one.version_id,
            "log_type": one.log_type,
            "api_version": one.api_version,
            "schema_hash": one.schema_hash,
            "format_name": one.format_name,
            "case_id": one.case_id,
            "fields": len(one.names),
            "names": list(one.names),
            "rows": one.rows,
            "detected_date": one.detected_date.isoformat(),
            "last_seen": one.last_seen_at.isoformat() if one.last_seen_at else None,
        }
        for one in registry.schema_versions()
    ]
