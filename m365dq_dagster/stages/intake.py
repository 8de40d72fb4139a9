"""Intake: from a folder to canonical tables and a ledger in which every file and every row is accounted for.

What a value means is judged later; here nothing is decided but what a file is, which rows are events, which are
copies. What is missing from the evidence is found in `completeness`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv6Address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from m365dq_dagster.adapters import carry_over, measure
from m365dq_dagster.adapters.case_store import CaseStore, confine
from m365dq_dagster.adapters.evidence import archives
from m365dq_dagster.adapters.evidence.folder import FoundFile, case_files
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, parse_formats
from m365dq_dagster.adapters.evidence.landing import Landed, Landing, only_row
from m365dq_dagster.adapters.evidence.tables import Tables
from m365dq_dagster.adapters.evidence.recognition import (
    MAX_RAW,
    NotRecognised,
    RecognisedFile,
    hashed,
    look_at,
    raw_records,
)
from m365dq_dagster.adapters.evidence.sidecars import Sidecar, parse_sidecars
from m365dq_dagster.adapters.sql import intake as sql
from m365dq_dagster.adapters.sql import landing as landing_sql
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.ledger import (
    REFUSALS,
    REMEDIES,
    DateDecision,
    DateSighting,
    FileCounts,
    FileReason,
    decide_date_order,
    explain,
    sighted_date,
)
from m365dq_dagster.core.ledger_checks import STAGE, checks
from m365dq_dagster.core.outcome import CaseStage, DateOrder, FileStatus
from m365dq_dagster.stages import completeness
from m365dq_dagster.stages.stamps import stamp

if TYPE_CHECKING:
    from m365dq_dagster.stages.case_run import CaseRun

FORGET_MISSING = "forget_missing"
"""The option of a run that lets rows of files go that are no longer in the folder."""

RAW_BATCH = 1_000
"""Quarantined rows whose text is fetched at a time."""

_WINDOW_FORMS = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d", "%Y-%m-%d", "%Y-%m-%dT%H-%M-%S")
Seen = RecognisedFile | NotRecognised | Sidecar


@dataclass(frozen=True)
class IntakeReport:
    """What came in: the ledger's sums, the checks on it, the headers seen (log type, interface version, columns)."""

    files: tuple[FileCounts, ...]
    files_found: int
    files_recognised: int
    rows_by_log_type: Mapping[str, int]
    checks: tuple[CheckResult, ...]
    schemas: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @property
    def rows_read(self) -> int:
        """Records read from all recognised files."""
        return sum(file.read for file in self.files)

    @property
    def rows_imported(self) -> int:
        """Events now in the canonical tables."""
        return sum(file.imported for file in self.files)

    @property
    def rows_duplicate(self) -> int:
        """Records that are copies of an event and count once."""
        return sum(file.duplicate for file in self.files)

    @property
    def rows_quarantined(self) -> int:
        """Records that could not be read."""
        return sum(file.quarantined for file in self.files)


def run(run: CaseRun) -> IntakeReport:
    """Take the case's folder in. Poor evidence ends in the ledger and in the checks, never in an error.

    Raises `BadInput` where the folder cannot be listed or a format file of the rule pack is wrong.
    """
    formats = parse_formats(run.pack.formats)
    with archives.unpacking(run.case_dir) as into:
        report = _Import(run, formats, into).take_in()
    now = run.clock.now()
    measure.keep_failed(run.con, STAGE, report.checks)
    stamp(run, STAGE)
    run.registry.record_checks(run.case_id, run.run_id, report.checks, now)
    for log_type, api_version, columns in report.schemas:
        run.registry.schema_version_seen(log_type, api_version, columns, now)
    run.registry.set_stage(run.case_id, CaseStage.IMPORTED, now)
    for task in ("read_files", "balance_ledger"):
        run.registry.finish_task(run.case_id, CaseStage.IMPORTED, task, now)
    return report


@dataclass
class _Import:
    """One pass over a folder into one generation. `into` is a private folder for what archives hold."""

    run: CaseRun
    formats: tuple[FormatDefinition, ...]
    into: Path
    untimed: list[int] = field(default_factory=list)
    taken: list[tuple[RecognisedFile, Landed]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = Tables(self.con, self.formats)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        return self.run.con

    def take_in(self) -> IntakeReport:
        forget = self.run.options.get(FORGET_MISSING)
        published = None if forget else CaseStore(self.run.case_dir.parent).current(self.run.case_id)
        if published:
            carry_over.attach(self.con, published)
        self._prepare()
        self._confine()
        found = archives.opened(case_files(self.run.folders), self.into)
        seen = self._look(found)
        for file_id, item in enumerate(seen, 1):
            self.run.progress.step(STAGE, item.file.path, file_id, len(seen))
            self._one(file_id, item)
        if published:
            self._keep_gone(found)
        self._settle()
        completeness.find(
            self.con,
            formats={definition.id: definition for definition in self.formats},
            sidecars=[item for item in seen if isinstance(item, Sidecar)],
            context=self.run.context,
            pack=self.run.pack,
            log_types=tuple(self.tables),
        )
        return self._report(len(found))

    def _look(self, found: Sequence[FoundFile]) -> tuple[Seen, ...]:
        sidecars = parse_sidecars(self.run.pack.formats)
        return hashed([look_at(file, self.formats, sidecars) for file in found])

    def _one(self, file_id: int, item: Seen) -> None:
        if isinstance(item, NotRecognised):
            self._list(file_id, item)
        elif isinstance(item, Sidecar):
            told = f"{item.title}: read for what it says about the collection, it holds no events."
            self._file(file_id, item.file, FileStatus.IMPORTED, told, format=item.definition_id)
        else:
            self._take(file_id, item)

    def _keep_gone(self, found: Sequence[FoundFile]) -> None:
        """Rows of files that were removed from the folder stay until somebody says that they may go."""
        paths, hashes = [file.path for file in found], [file.sha256 for file in found if file.sha256]
        for path in carry_over.keep_gone(self.con, paths, hashes, self.tables):
            detail = f"{path} has gone from the folder; its rows were kept. Run with --forget-missing to leave them out"
            self._lead("GONE_FILE", "", detail)
        carry_over.detach(self.con)

    def _confine(self) -> None:
        """Rows keep their order, and the engine can reach the case's evidence and nothing else."""
        locked, ordered = only_row(self.con, sql.statement("configuration"))
        if not locked:
            self.con.execute(sql.statement("keep_order"))
            confine(self.con, *self.run.folders, self.into)
        elif not ordered:
            raise InternalFault(
                "The case's store was opened and locked without keeping the order of rows; open it unlocked for intake."
            )

    def _prepare(self) -> None:
        for name in (
            "macros",
            "clear_files",
            "clear_quarantine",
            "clear_duplicates",
            "clear_completeness",
            "clear_provenance",
            "clear_formats",
            "row_hashes",
        ):
            self.con.execute(sql.statement(name))
        self.tables.clear()

    def _list(self, file_id: int, item: NotRecognised) -> None:
        status = FileStatus.UNRECOGNISED
        if item.reason is FileReason.UNPACKED:
            status = FileStatus.IMPORTED
        elif item.reason is FileReason.EMPTY:
            status = FileStatus.EMPTY
        elif item.reason in REFUSALS:
            status = FileStatus.REFUSED
        told = explain(item.reason, item.detail)
        facts = {"encoding": item.encoding, "format": item.file.archive or None, "header": item.columns}
        self._file(file_id, item.file, status, told, **facts)

    def _take(self, file_id: int, item: RecognisedFile) -> None:
        landing = Landing(self.con, self.tables, self.formats, self.into)
        try:
            rows, landed, decision = self._landed(landing, file_id, item)
        except OSError as error:
            why = error.strerror or "it went while it was read"
            self._list(file_id, NotRecognised(item.file, FileReason.UNREADABLE, why))
            return
        for one in landed:
            self._quarantine(file_id, item, one)
            self._provenance(file_id, one)
            if not one.plan.time_identifies:
                self.untimed.append(file_id)
            self.taken.append((item, one))
        begins, ends = window_of(item)
        self._file(
            file_id,
            item.file,
            FileStatus.IMPORTED if rows else FileStatus.EMPTY,
            None if rows else explain(FileReason.NO_ROWS),
            encoding=item.head.encoding,
            header=item.columns,
            format=", ".join(name for one in landed for name in one.formats),
            log_type=", ".join(dict.fromkeys(one.plan.definition.log_type for one in landed)),
            rows_read=rows,
            rows_declared=next((one.declared for one in landed if one.declared is not None), None),
            rows_stand_for=next((one.stands_for for one in landed if one.stands_for is not None), None),
            window_from=begins,
            window_to=ends,
            date_order=_order(decision, landed),
        )

    def _landed(
        self, landing: Landing, file_id: int, item: RecognisedFile
    ) -> tuple[int, tuple[Landed, ...], DateDecision | None]:
        """The file in its tables, its dates read in the order that all of its values decide: where the first values
        spoke for another order, it comes in again."""
        guess = self._decide(item, first_sightings(item))
        rows, landed = landing.land(file_id, item, guess.reading if guess else DateOrder.MDY)
        decision = self._decide(item, [one for part in landed for one in self._sightings(file_id, part)])
        if decision and decision.reading is not (guess.reading if guess else DateOrder.MDY):
            landing.take_back(file_id, landed)
            rows, landed = landing.land(file_id, item, decision.reading)
        return rows, landed, decision

    def _decide(self, item: RecognisedFile, sightings: Sequence[DateSighting]) -> DateDecision | None:
        fixed = item.plan.definition.date_order
        return decide_date_order(sightings, self.run.context.date_order or fixed) if sightings else None

    def _sightings(self, file_id: int, landed: Landed) -> list[DateSighting]:
        texts = landing_sql.date_texts(landed.plan.definition.log_type)
        rows = self.con.execute(texts + sql.statement("date_sightings"), {"file_id": file_id}).fetchall()
        return [DateSighting(int(first), int(second), int(year), count) for first, second, year, count in rows]

    def _file(self, file_id: int, file: FoundFile, status: FileStatus, reason: str | None, **facts: Any) -> None:
        names = ("encoding", "format", "log_type", "rows_declared", "rows_stand_for", "window_from", "window_to")
        values = {**dict.fromkeys((*names, "date_order", "header")), "rows_read": 0, **facts}
        values |= {"file_id": file_id, "path": file.path, "sha256": file.sha256, "bytes": file.bytes}
        values |= {"status": status.value, "reason": reason}
        values["header"] = json.dumps(values["header"]) if values["header"] else None
        self.con.execute(sql.statement("file"), values)

    def _quarantine(self, file_id: int, item: RecognisedFile, landed: Landed) -> None:
        log_type = landed.plan.definition.log_type
        silent = self.con.execute(landing_sql.faults(log_type), {"file_id": file_id}).fetchall()
        for rows in _batches(_with_text(item, silent)) if silent else ():
            columns = dict(zip(("row_no", "reason", "raw"), zip(*rows, strict=True), strict=True))
            self.con.register("intake_fetched", pa.table({name: list(found) for name, found in columns.items()}))
            self.con.execute(sql.statement("quarantine_fetched"), {"file_id": file_id}).fetchall()
            self.con.unregister("intake_fetched")
        self.con.execute(landing_sql.drop_faults(log_type), {"file_id": file_id})

    def _provenance(self, file_id: int, landed: Landed) -> None:
        log_type = landed.plan.definition.log_type
        formats = {"file_id": file_id, "log_type": log_type, "formats": list(landed.formats)}
        self.con.execute(sql.statement("file_format"), formats)
        origins = landing_sql.provenance(landed.plan, self.tables.columns(log_type))
        values = {"file_id": file_id, "log_type": log_type, "fields": list(origins), "origins": list(origins.values())}
        self.con.execute(sql.statement("provenance"), values)

    def _settle(self) -> None:
        self.tables.close()
        if self._number(sql.statement("hashed_rows")):
            self.con.execute(sql.statement("same_rows"))
        for log_type in self.tables:
            self._same_events(log_type)
            self._plain_addresses(log_type)
        self.con.execute(sql.count_imported(self.tables))
        self.con.execute(sql.statement("settle_files"))
        self.con.execute(carry_over.REMEMBER_HASHES)
        self.con.execute(sql.statement("mark_copies"))
        self.con.execute(sql.explain_quarantine({str(reason): text for reason, text in REMEDIES.items()}))

    def _same_events(self, log_type: str) -> None:
        if not self._rows(log_type):
            return
        identity = self._identity(log_type)
        if identity:
            self.con.execute(sql.repeated_ids(log_type, identity))
            if self._number(sql.statement("repeated_rows")):
                self.con.execute(sql.same_ids(log_type, self.tables.columns(log_type), identity, self.untimed))
                self._overlap(log_type)
        self.con.execute(sql.drop_duplicates(log_type))
        names = {column.name for column in self.tables.columns(log_type)}
        if {"account", "address"} <= names and self._formats(log_type) > 1:
            self._unnamed_overlap(log_type, identity)

    def _identity(self, log_type: str) -> tuple[str, ...]:
        names = {column.name for column in self.tables.columns(log_type)}
        identity = next((one.identity for one in self.formats if one.log_type == log_type), ("event_id",))
        return identity if set(identity[:1]) <= names else ()

    def _formats(self, log_type: str) -> int:
        return int(only_row(self.con, sql.statement("formats_of"), {"log_type": log_type})[0])

    def _overlap(self, log_type: str) -> None:
        statement = sql.statement("repeated_ids_across_formats")
        events, formats = only_row(self.con, statement, {"log_type": log_type})
        if events:
            told = f"{events:,} event ids occur in {formats} and tell of different events; each was counted"
            self._lead("OVERLAP", log_type, told)

    def _unnamed_overlap(self, log_type: str, identity: Sequence[str]) -> None:
        rows, formats = only_row(self.con, sql.unnamed_overlap(log_type, identity))
        if rows:
            told = (
                f"{rows:,} rows without an event id look like rows of another format ({formats}): same second, account "
                "and address. They were not merged, so totals may count them twice; take one of the exports out to "
                "count once"
            )
            self._lead("OVERLAP", log_type, told)

    def _plain_addresses(self, log_type: str) -> None:
        """One address, one spelling: IPv6 has many, and two of them would look like two places."""
        if "address" not in {column.name for column in self.tables.columns(log_type)}:
            return
        spelled = [text for (text,) in self.con.execute(sql.spelled_addresses(log_type)).fetchall()]
        short = {text: plain_ipv6(text) for text in spelled}
        changed = {text: plain for text, plain in short.items() if plain != text}
        if changed:
            self.con.register("intake_spellings", pa.table({"spelling": [*changed], "short": [*changed.values()]}))
            self.con.execute(sql.respell_addresses(log_type)).fetchall()
            self.con.unregister("intake_spellings")

    def _number(self, statement: str) -> int:
        return int(only_row(self.con, statement)[0])

    def _lead(self, kind: str, log_type: str, detail: str) -> None:
        values = {"kind": kind, "log_type": log_type, "begins": None, "ends": None, "detail": detail}
        self.con.execute(sql.statement("record_completeness"), values)

    def _rows(self, log_type: str) -> int:
        return self._number(sql.count_rows(log_type))

    def _report(self, found: int) -> IntakeReport:
        counts = tuple(FileCounts(*row) for row in self.con.execute(sql.statement("ledger")).fetchall())
        rows = {log_type: self._rows(log_type) for log_type in self.tables}
        reasons = self._table("quarantine_by_reason", ("file", "reason", "rows"))
        leads = self._table("completeness_leads", ("kind", "log_type", "detail"))
        headers = dict.fromkeys(
            (landed.plan.definition.log_type, landed.plan.definition.api_version, item.columns)
            for item, landed in self.taken
        )
        recognised = len({item.file.path for item, _ in self.taken})
        results = checks(counts, found, reasons, leads, self.run.pack.policy.quality.quarantine_share)
        return IntakeReport(counts, found, recognised, rows, results, tuple(headers))

    def _table(self, statement: str, names: Iterable[str]) -> tuple[dict[str, object], ...]:
        return tuple(
            dict(zip(names, row, strict=True)) for row in self.con.execute(sql.statement(statement)).fetchall()
        )


def first_sightings(item: RecognisedFile) -> list[DateSighting]:
    """The dates of a file's first records that do not begin with the year."""
    columns = {place.column.name for place in item.plan.fields.get("event_time", ())}
    texts = (str(sample[name]) for sample in item.samples for name in columns if sample.get(name))
    return [sighting for text in texts if (sighting := sighted_date(text))]


def window_of(item: RecognisedFile) -> tuple[datetime | None, datetime | None]:
    """The window that a file's name promises, where its format says how to read one."""
    pattern = item.plan.definition.file_name
    found = re.search(pattern, item.file.path) if pattern else None
    named = found.groupdict() if found else {}
    return _moment(named.get("from")), _moment(named.get("to"))


def plain_ipv6(text: str) -> str:
    """The one short spelling of an IPv6 address; a text that is none stays as it is."""
    try:
        return str(IPv6Address(text))
    except ValueError:
        return text


def _moment(text: str | None) -> datetime | None:
    for form in _WINDOW_FORMS if text else ():
        try:
            return datetime.strptime(str(text), form)
        except ValueError:
            continue
    return None


def _order(decision: DateDecision | None, landed: Sequence[Landed]) -> str | None:
    if decision:
        return decision.order.value
    return DateOrder.ISO.value if any(one.timed for one in landed) else None


def _with_text(item: RecognisedFile, silent: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, str | None]]:
    """Rows with their reason and the source's own text, which is read again record by record."""
    reasons = dict(silent)
    for number, text in enumerate(raw_records(item), 1):
        if number in reasons:
            yield number, reasons.pop(number), text[:MAX_RAW]
            if not reasons:
                return
    yield from ((number, reason, None) for number, reason in reasons.items())


def _batches(rows: Iterator[tuple[int, str, str | None]]) -> Iterator[list[tuple[int, str, str | None]]]:
    while batch := list(islice(rows, RAW_BATCH)):
        yield batch
