"""Completeness: what is missing from the evidence itself, found once the ledger is settled and kept in the table
`completeness`.

Here the measuring and keeping; what speaks for a gap, and in which words, is judged in `core.completeness`,
`core.declared` and `core.retained`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import duckdb

from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.sidecars import Sidecar
from m365dq_dagster.adapters.sql import completeness as sql
from m365dq_dagster.adapters.sql.intake import count_rows
from m365dq_dagster.core import completeness, declared, retained
from m365dq_dagster.core.completeness import FileFacts, Missing, Retention, Rhythm, VendorChange
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.declared import Declaration, DeclarationKind, Told
from m365dq_dagster.core.ledger import Gap
from m365dq_dagster.core.outcome import DateOrder, FileStatus, LogType
from m365dq_dagster.core.retained import Incident, MailboxRows, Span, Throttled

ACCOUNTS = ("account", "mailbox", "user_principal_name", "user_id", "user")
"""Columns that name the mailbox of a throttled row, the best first."""

TARGETS = {"modified_properties", "target_resources", "event_time"}
"""Columns that hold what a directory audit row changed, and of whom."""


class Knowledge(Protocol):
    """The part of a rule pack that completeness is judged by."""

    @property
    def vendor_changes(self) -> tuple[VendorChange, ...]:
        """What Microsoft changed, lost or spoilt."""

    @property
    def retention(self) -> tuple[Retention, ...]:
        """How long logs are kept."""


def find(
    con: duckdb.DuckDBPyConnection,
    *,
    formats: Mapping[str, FormatDefinition],
    sidecars: Sequence[Sidecar],
    context: CaseContext,
    pack: Knowledge,
    log_types: Sequence[str],
) -> None:
    """Look for what is missing and write each lead into `completeness`; `log_types` are the canonical tables.

    Nothing that rests on time is concluded from files whose dates are ambiguous, nor from tables of state."""
    search = _Search(con, formats, sidecars, context, pack, log_types)
    for lead in completeness.folded(search.leads()):
        values = {"kind": lead.kind.value, "log_type": lead.log_type, "begins": lead.begins, "ends": lead.ends}
        con.execute(sql.statement("keep"), values | {"detail": lead.detail})


class _Search:
    """One look at one case."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        formats: Mapping[str, FormatDefinition],
        sidecars: Sequence[Sidecar],
        context: CaseContext,
        pack: Knowledge,
        log_types: Sequence[str],
    ) -> None:
        self.con = con
        self.pack = pack
        self.columns = self._columns()
        self.log_types = [log_type for log_type in log_types if log_type in self.columns]
        self.rows = {log_type: int(self._one(count_rows(log_type))[0]) for log_type in self.log_types}
        self.limits = {name: definition.caps for name, definition in formats.items()}
        self.snapshots = {name for name, definition in formats.items() if definition.snapshot}
        self.told = [Told(one.file.path, one.title, one.declarations, one.left_out) for one in sidecars]
        self.incident = Incident(_moment(context.window_from), _end(context.window_to), context.licence)
        ledger = self._mappings(sql.statement("ledger"))
        self.everything = completeness.without_uncertain(_facts(row) for row in ledger)
        self.events = [file for file in self._read(FileStatus.IMPORTED) if not self._is_state(file)]
        self.unsure = {log_type for file in self.events if file.ambiguous for log_type in file.log_types}
        self.empty: frozenset[Declaration] = frozenset()
        self.untimed = [row["file_id"] for row in ledger if self._says_no_time(row)]

    def leads(self) -> list[Missing]:
        """Every lead, in no particular order."""
        rhythms = [rhythm for log_type, rows in self.rows.items() if rows for rhythm in self._rhythms(log_type)]
        whole = {rhythm.log_type: rhythm for rhythm in rhythms if not rhythm.kind}
        spans = self._spans(whole)
        edges = frozenset(s.log_type for s in spans if retained.at_edge(s, self.pack.retention, self.incident.licence))
        windows = completeness.windows(self.events, whole, edges)
        return [
            *self._counts(),
            *completeness.rhythm_holes(rhythms, self.events, self.pack.vendor_changes),
            *windows,
            *completeness.window_gaps(self.events, whole),
            *declared.collection_windows(self.told, self.events, whole, edges, windows),
            *retained.retention(spans, self.pack.retention, self.incident),
            *retained.ends_early(spans, whole, self.incident),
            *retained.collected_early(spans),
            *retained.vendor_losses(spans, whole, self.pack.vendor_changes, self.incident),
            *self._absent(),
            *self._throttled(),
        ]

    def _counts(self) -> list[Missing]:
        read = self._read(FileStatus.IMPORTED, FileStatus.ALREADY_IMPORTED)
        apart = [one.path for one in self.told]
        return [
            *declared.manifests(self.told, self.everything, apart),
            *completeness.declared_rows(read),
            *completeness.caps(self.events, self.limits),
            *declared.collectors(self.told, self._read(FileStatus.IMPORTED), self.empty),
            *completeness.aggregated(self.events),
        ]

    def _read(self, *statuses: FileStatus) -> list[FileFacts]:
        return [file for file in self.everything if file.status in statuses]

    def _is_state(self, file: FileFacts) -> bool:
        return bool(self.snapshots & set(file.formats))

    def _says_no_time(self, row: Mapping[str, Any]) -> bool:
        return row["date_order"] == DateOrder.AMBIGUOUS or bool(self.snapshots & set(_parts(row["format"])))

    def _rhythms(self, log_type: str) -> list[Rhythm]:
        """How often a log and its sign-in types speak; on the way, the declared windows in which it does not."""
        self.con.execute(sql.busy_minutes(log_type, self.columns[log_type]), {"left_out": self.untimed})
        gaps: dict[str, list[Gap]] = {}
        for kind, before, after in self.con.execute(sql.statement("gaps")).fetchall():
            gaps.setdefault(kind, []).append(Gap(before, after))
        found = [
            Rhythm(log_type, kind, events, begins, ends, timedelta(seconds=median), tuple(gaps.get(kind, ())))
            for kind, events, begins, ends, median in self.con.execute(sql.statement("rhythms")).fetchall()
        ]
        if found and log_type not in self.unsure:
            self.empty |= self._without_events(log_type)
        self.con.execute(sql.statement("drop_minutes"))
        return found

    def _without_events(self, log_type: str) -> frozenset[Declaration]:
        """The windows of which collectors counted records and in which no event lies."""
        windows = [
            item
            for one in self.told
            for item in one.of_kind(DeclarationKind.ROWS)
            if item.log_type == log_type and item.rows and item.begins and item.ends
        ]
        values = {"begins": [item.begins for item in windows], "ends": [item.ends for item in windows]}
        places = self.con.execute(sql.statement("empty_windows"), values).fetchall() if windows else []
        return frozenset(windows[place] for (place,) in places)

    def _spans(self, whole: Mapping[str, Rhythm]) -> list[Span]:
        """First and last event of each log all of whose files have certain dates."""
        collected = max(
            (item.begins for one in self.told for item in one.of_kind(DeclarationKind.COLLECTED) if item.begins),
            default=None,
        )
        return [
            Span(log_type, rhythm.begins, rhythm.ends, rhythm.events, collected)
            for log_type, rhythm in whole.items()
            if log_type not in self.unsure
        ]

    def _absent(self) -> list[Missing]:
        unread = [file.path for file in self._read(FileStatus.REFUSED, FileStatus.UNRECOGNISED)]
        beside = {one.path for one in self.told}
        found = retained.absent_logs(self.rows, [path for path in unread if path not in beside])
        *counts, typed, total = self._one(sql.statement("sign_in_types"))
        found += retained.absent_sign_in_types(dict(zip(retained.SIGN_IN_TYPES, counts, strict=True)), typed, total)
        mail, begins, reads = self._one(sql.statement("mailbox_rows"), {"operation": retained.MAIL_READ})
        told = MailboxRows(mail, begins, {retained.MAIL_READ: reads})
        found += retained.unlogged_operations(told, self.pack.vendor_changes)
        if self.columns.get(LogType.ENTRA_AUDIT, set()) >= TARGETS:
            found += retained.full_targets(*self._one(sql.statement("full_targets")))
        return found

    def _throttled(self) -> list[Missing]:
        marks: list[Throttled] = []
        for table, columns in self.columns.items():
            name = next((name for name in ACCOUNTS if name in columns), None)
            if {"is_throttled", "event_time", "file_id"} <= columns and name:
                log_type = table if table in self.log_types else str(LogType.UAL)
                rows = self.con.execute(sql.throttled(table, name), {"left_out": self.untimed}).fetchall()
                marks += [Throttled(log_type, account, moment, count) for account, _, moment, count in rows]
        return retained.throttled(marks)

    def _columns(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for table, column in self.con.execute(sql.statement("columns_of")).fetchall():
            found.setdefault(table, set()).add(column)
        return found

    def _one(self, statement: str, values: Mapping[str, object] | None = None) -> tuple[Any, ...]:
        rows: list[tuple[Any, ...]] = self.con.execute(statement, dict(values or {})).fetchall()
        return rows[0]

    def _mappings(self, statement: str) -> list[dict[str, Any]]:
        answer = self.con.execute(statement)
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _facts(row: Mapping[str, Any]) -> FileFacts:
    return FileFacts(
        path=row["path"],
        log_type=row["log_type"] or "",
        formats=_parts(row["format"]),
        status=row["status"],
        rows=row["rows_read"],
        declared=row["rows_declared"],
        first=row["first_event"],
        last=row["last_event"],
        sha256=row["sha256"],
        bytes=row["bytes"],
        window_from=row.get("window_from"),
        window_to=row.get("window_to"),
        stands_for=row.get("rows_stand_for"),
        copies=row["rows_duplicate"],
        ambiguous=row["date_order"] == DateOrder.AMBIGUOUS,
    )


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(", ") if part)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _end(text: str | None) -> datetime | None:
    """The end of the incident window: a day without a time is meant whole."""
    moment = _moment(text)
    return moment + completeness.A_DAY if moment and text and len(text) == 10 else moment
