"""Intake: from a folder to canonical tables and a ledger in which every file and every row is accounted for.

What a value means is judged later; here nothing is decided but what a file is, which rows are events, which are
copies. What is missing from the evidence is found in `completeness`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from m365dq_dagster.adapters import carry_over, measure
from m365dq_dagster.adapters.case_store import CaseStore, confine
from m365dq_dagster.adapters.evidence import archives
from m365dq_dagster.adapters.evidence.field_lists import exported
from m365dq_dagster.adapters.evidence.folder import FoundFile, files_meanwhile
from m365dq_dagster.adapters.evidence.formats import FormatDefinition
from m365dq_dagster.adapters.evidence.landing import Landed, Landing, alike, of_files, only_row
from m365dq_dagster.adapters.evidence.recognition import (
    MAX_RAW,
    NotRecognised,
    RecognisedFile,
    look_at,
    raw_records,
)
from m365dq_dagster.adapters.evidence.sidecars import Sidecar, parse_sidecars
from m365dq_dagster.adapters.evidence.tables import Tables
from m365dq_dagster.adapters.sql import intake as sql
from m365dq_dagster.adapters.sql import landing as landing_sql
from m365dq_dagster.adapters.storage_faults import is_no_room
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.completeness import CompletenessKind
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
from m365dq_dagster.stages import completeness, schema
from m365dq_dagster.stages.case_run import FORGET_MISSING
from m365dq_dagster.stages.stamps import stamp

if TYPE_CHECKING:
    from m365dq_dagster.stages.case_run import CaseRun

RAW_BATCH = 1_000
RAW_CHARS = 1 << 25
"""Quarantined rows, and characters of them, that are written at a time."""

GROUP_FILES = 100
GROUP_BYTES = 64 << 20
"""How many files, and how many bytes of them, come in by one statement."""

SIDECAR_READ = "read for what it says about the collection, it holds no events."

_TEXT, _COUNT, _MOMENT = pa.string(), pa.int64(), pa.timestamp("us")
_FILE_SCHEMA = pa.schema(
    {
        "file_id": _COUNT,
        **dict.fromkeys(("path", "sha256", "encoding", "format", "log_type", "status", "reason", "header"), _TEXT),
        **dict.fromkeys(("bytes", "rows_read", "rows_declared", "rows_stand_for"), _COUNT),
        **dict.fromkeys(("window_from", "window_to"), _MOMENT),
        "date_order": _TEXT,
    }
)
_FORMAT_SCHEMA = pa.schema({"file_id": _COUNT, "log_type": _TEXT, "format": _TEXT})
_QUARANTINE_SCHEMA = pa.schema({"file_id": _COUNT, "row_no": _COUNT, "reason": _TEXT, "raw": _TEXT})
_WINDOW_FORMS = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d", "%Y-%m-%d", "%Y-%m-%dT%H-%M-%S")
Seen = RecognisedFile | NotRecognised | Sidecar


@dataclass(frozen=True)
class IntakeReport:
    """What came in: the ledger's sums, the checks on it, and the field lists that were seen."""

    files: tuple[FileCounts, ...]
    files_found: int
    files_recognised: int
    rows_by_log_type: Mapping[str, int]
    checks: tuple[CheckResult, ...]
    observed: tuple[schema.Observed, ...] = ()
    strangers: tuple[NotRecognised, ...] = ()

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
    formats = run.pack.format_definitions
    with archives.unpacking(run.case_dir) as into:
        report = _Import(run, formats, into).take_in()
    now = run.clock.now()
    as_known = run.pack.policy.checks.applied(run.case_id, (schema.run(run, report.observed, report.strangers),))
    report = replace(report, checks=(*report.checks, *as_known))
    measure.keep_failed(run.con, STAGE, report.checks)
    stamp(run, STAGE)
    run.registry.record_checks(run.case_id, run.run_id, report.checks, now)
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
        found = archives.opened(files_meanwhile(self.run.folders), self.into)
        seen = self._look(found)
        self._ledger(self._bring_in(seen))
        self._unread_times()
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
        return replace(self._report(len(found)), strangers=tuple(one for one in seen if isinstance(one, NotRecognised)))

    def _look(self, found: Sequence[FoundFile]) -> tuple[Seen, ...]:
        sidecars = parse_sidecars(self.run.pack.formats)
        return tuple(look_at(file, self.formats, sidecars) for file in found)

    def _keep_gone(self, found: Sequence[FoundFile]) -> None:
        """Rows of files that were removed from the folder stay until somebody says that they may go."""
        paths, hashes = [file.path for file in found], [file.sha256 for file in found if file.sha256]
        carry_over.make_room(self.con)
        self.tables.look()
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

    def _bring_in(self, seen: Sequence[Seen]) -> list[_Entry]:
        """Every file into its table; files of one make that follow each other come in together."""
        landing = Landing(self.con, self.tables, self.formats, self.into)
        done: dict[int, _Entry] = {}
        for group in _groups(list(enumerate(seen, 1))):
            last_id, last = group[-1]
            self.run.progress.step(STAGE, last.file.path, last_id, len(seen))
            done |= self._together(landing, group) if len(group) > 1 else {}
            done |= {file_id: self._entry(landing, file_id, item) for file_id, item in group if file_id not in done}
        return list(done.values())

    def _together(self, landing: Landing, group: Sequence[tuple[int, Seen]]) -> dict[int, _Entry]:
        """The files of a group that could come in by one statement, in the order of dates that each one's values
        decide."""
        files = {file_id: item for file_id, item in group if isinstance(item, RecognisedFile)}
        reading = self._guess(next(iter(files.values())))
        try:
            landed = landing.land_together(files, reading)
        except OSError:
            return {}
        decisions = self._decisions(files, list(landed.values())[:1], landed)
        wrong = [file_id for file_id, decision in decisions.items() if decision.reading is not reading]
        if wrong:
            landing.take_back(landed[wrong[0]].plan.definition.log_type, wrong)
        return {
            file_id: _Entry(file_id, files[file_id], one.rows, (one,), decisions.get(file_id))
            for file_id, one in landed.items()
            if file_id not in wrong
        }

    def _entry(self, landing: Landing, file_id: int, item: Seen) -> _Entry:
        if not isinstance(item, RecognisedFile):
            return _Entry(file_id, item)
        try:
            return self._alone(landing, file_id, item)
        except OSError as error:
            if is_no_room(error):  # its working copy cannot be written; the evidence itself is whole
                raise
            why = error.strerror or "it went while it was read"
            return _Entry(file_id, NotRecognised(item.file, FileReason.UNREADABLE, why))

    def _alone(self, landing: Landing, file_id: int, item: RecognisedFile) -> _Entry:
        """One file in its tables, its dates read in the order that all of its values decide: where the first values
        spoke for another order, it comes in again."""
        reading = self._guess(item)
        rows, landed = landing.land(file_id, item, reading)
        decision = self._decisions({file_id: item}, landed, (file_id,)).get(file_id)
        if decision and decision.reading is not reading:
            for one in landed:
                landing.take_back(one.plan.definition.log_type, (file_id,))
            rows, landed = landing.land(file_id, item, decision.reading)
        return _Entry(file_id, item, rows, landed, decision)

    def _guess(self, item: RecognisedFile) -> DateOrder:
        """How the dates of a file are read at first, by its first records."""
        sightings = [sighting for text in item.times if (sighting := sighted_date(text))]
        decision = self._decide(item, sightings)
        return decision.reading if decision else DateOrder.MDY

    def _decide(self, item: RecognisedFile, sightings: Sequence[DateSighting]) -> DateDecision | None:
        fixed = item.plan.definition.date_order
        return decide_date_order(sightings, self.run.context.date_order or fixed) if sightings else None

    def _decisions(
        self, files: Mapping[int, RecognisedFile], landed: Sequence[Landed], wanted: Collection[int]
    ) -> dict[int, DateDecision]:
        """The order of dates of those files that have dates which do not begin with the year, by all their values."""
        sightings: dict[int, list[DateSighting]] = {}
        for log_type in dict.fromkeys(one.plan.definition.log_type for one in landed):
            statement = landing_sql.date_texts(log_type) + sql.statement("date_sightings")
            for file_id, *parts, rows in self.con.execute(statement, of_files(wanted)).fetchall():
                sightings.setdefault(file_id, []).append(_sighting(parts, rows))
        decided = {file_id: self._decide(files[file_id], found) for file_id, found in sightings.items()}
        return {file_id: decision for file_id, decision in decided.items() if decision}

    def _ledger(self, entries: Sequence[_Entry]) -> None:
        """Set aside what is no event, and write down every file with where its fields come from."""
        self._quarantine({entry.file_id: entry.item for entry in entries if isinstance(entry.item, RecognisedFile)})
        self._write("files", [entry.row() for entry in entries], _FILE_SCHEMA)
        formats = [
            {"file_id": entry.file_id, "log_type": one.plan.definition.log_type, "format": name}
            for entry in entries
            for one in entry.landed
            for name in one.formats
        ]
        self._write("file_formats", formats, _FORMAT_SCHEMA)
        self._provenance(entries)
        self.untimed = [e.file_id for e in entries if any(not one.plan.time_identifies for one in e.landed)]
        self.taken = [(e.item, one) for e in entries if isinstance(e.item, RecognisedFile) for one in e.landed]

    def _unread_times(self) -> None:
        for item, landed in self.taken:
            if landed.unread:
                told = (
                    f"{item.file.path}: {landed.unread:,} of {landed.rows:,} rows have a time that cannot be read, "
                    f"such as '{str(landed.unread_text)[:40]}'; they enter no rule that depends on time. Export again "
                    "with times like 2025-03-14T07:22:01Z"
                )
                self._lead(CompletenessKind.UNREADABLE_TIME, landed.plan.definition.log_type, told)

    def _write(self, statement: str, rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> None:
        relation = {"files": "intake_files", "file_formats": "intake_formats", "quarantine_fetched": "intake_fetched"}
        self.con.register(relation[statement], pa.Table.from_pylist(list(rows), schema=schema))
        self.con.execute(sql.statement(statement)).fetchall()
        self.con.unregister(relation[statement])

    def _quarantine(self, files: Mapping[int, RecognisedFile]) -> None:
        for log_type in self.tables.opened:
            silent: dict[int, dict[int, str]] = {}
            for file_id, row_no, reason in self.con.execute(landing_sql.faults(log_type)).fetchall():
                silent.setdefault(file_id, {})[row_no] = reason
            for file_id, rows in silent.items():
                for batch in _batches(_with_text(file_id, files[file_id], rows)):
                    self._write("quarantine_fetched", batch, _QUARANTINE_SCHEMA)
            self.con.execute(landing_sql.drop_faults(log_type))

    def _provenance(self, entries: Sequence[_Entry]) -> None:
        """Files whose fields come from the same places are written down together."""
        found: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
        for entry in entries:
            for one in entry.landed:
                log_type = one.plan.definition.log_type
                columns = self.tables.columns(log_type)
                told = joined_origins([landing_sql.provenance(plan, columns) for plan in (one.plan, *one.further)])
                found.setdefault((log_type, told), []).append(entry.file_id)
        for (log_type, places), file_ids in found.items():
            fields, origins = zip(*places, strict=True)
            values = {"log_type": log_type, "file_ids": file_ids, "fields": list(fields), "origins": list(origins)}
            self.con.execute(sql.statement("provenance"), values)

    def _settle(self) -> None:
        self.tables.close()
        if self._number(sql.statement("hashed_rows")):
            self.con.execute(sql.statement("same_rows"))
        for log_type in filter(self._rows, self.tables):
            self._same_events(log_type)
            self._plain_addresses(log_type)
        self.con.execute(sql.count_imported(self.tables))
        self.con.execute(sql.statement("settle_files"))
        self.con.execute(carry_over.REMEMBER_HASHES)
        self.con.execute(sql.statement("mark_copies"))
        self.con.execute(sql.explain_quarantine({str(reason): text for reason, text in REMEDIES.items()}))

    def _same_events(self, log_type: str) -> None:
        identity = self._identity(log_type)
        if identity:
            self.con.execute(sql.repeated_ids(log_type, identity))
            if self._number(sql.statement("repeated_rows")):
                self.con.execute(sql.same_ids(log_type, self.tables.columns(log_type), identity, self.untimed))
                self._overlap(log_type)
        self.con.execute(sql.drop_duplicates(log_type))
        self._again(log_type)
        names = {column.name for column in self.tables.columns(log_type)}
        if {"account", "address"} <= names and self._formats(log_type) > 1:
            self._unnamed_overlap(log_type, identity)

    def _again(self, log_type: str) -> None:
        if "sign_in_event_type" not in {column.name for column in self.tables.columns(log_type)}:
            return
        events = self._number(sql.same_outcome_again(log_type, self.untimed))
        if events:
            told = (
                f"{events:,} sign-ins stand in more than one file with one id and one outcome, at another time or "
                "without one, and each was counted; look for a file that a spreadsheet or an export in local time "
                "wrote, and take it out to count once"
            )
            self._lead("OVERLAP", log_type, told)

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
        groups = exported({item.file.path: item for item, landed in self.taken if landed.rows}.values())
        recognised = len({item.file.path for item, _ in self.taken})
        policy = self.run.pack.policy
        asked = checks(counts, found, reasons, leads, policy.quality.quarantine_share)
        results = policy.checks.applied(self.run.case_id, asked)
        return IntakeReport(counts, found, recognised, rows, results, schema.observed(self.run, groups, self.formats))

    def _table(self, statement: str, names: Iterable[str]) -> tuple[dict[str, object], ...]:
        return tuple(
            dict(zip(names, row, strict=True)) for row in self.con.execute(sql.statement(statement)).fetchall()
        )


@dataclass(frozen=True)
class _Entry:
    """One file for the ledger: what it is, how many records it holds, and what came into which table."""

    file_id: int
    item: Seen
    rows: int = 0
    landed: tuple[Landed, ...] = ()
    decision: DateDecision | None = None

    def row(self) -> dict[str, object]:
        """The file as the ledger shows it."""
        file = self.item.file
        known = {"file_id": self.file_id, "path": file.path, "sha256": file.sha256, "bytes": file.bytes, "rows_read": 0}
        if isinstance(self.item, Sidecar):
            return known | _told(FileStatus.IMPORTED, f"{self.item.title}: {SIDECAR_READ}", self.item.definition_id)
        if isinstance(self.item, NotRecognised):
            return known | _not_taken(self.item)
        return known | self._taken(self.item)

    def _taken(self, item: RecognisedFile) -> dict[str, object]:
        status = FileStatus.IMPORTED if self.rows else FileStatus.EMPTY
        begins, ends = window_of(item)
        formats = ", ".join(name for one in self.landed for name in one.formats)
        return {
            **_told(status, None if self.rows else explain(FileReason.NO_ROWS), formats),
            "encoding": item.head.encoding,
            "header": json.dumps(item.columns),
            "log_type": ", ".join(dict.fromkeys(one.plan.definition.log_type for one in self.landed)),
            "rows_read": self.rows,
            "rows_declared": next((one.declared for one in self.landed if one.declared is not None), None),
            "rows_stand_for": next((one.stands_for for one in self.landed if one.stands_for is not None), None),
            "window_from": begins,
            "window_to": ends,
            "date_order": _order(self.decision, self.landed),
        }


def _sighting(parts: Sequence[str], rows: int) -> DateSighting:
    first, second, year = map(int, parts)
    return DateSighting(first, second, year, rows)


def _told(status: FileStatus, reason: str | None, name: str | None) -> dict[str, object]:
    return {"status": status.value, "reason": reason, "format": name}


def _not_taken(item: NotRecognised) -> dict[str, object]:
    status = FileStatus.UNRECOGNISED
    if item.reason is FileReason.UNPACKED:
        status = FileStatus.IMPORTED
    elif item.reason in (FileReason.EMPTY, FileReason.NO_RECORDS):
        status = FileStatus.EMPTY
    elif item.reason in REFUSALS:
        status = FileStatus.REFUSED
    told = _told(status, explain(item.reason, item.detail), item.file.archive or None)
    return {**told, "encoding": item.encoding, "header": json.dumps(item.columns) if item.columns else None}


def _groups(numbered: Sequence[tuple[int, Seen]]) -> Iterator[list[tuple[int, Seen]]]:
    """Files in their order, those of one make that follow each other together; bounded in number and size, since one
    that the engine stumbles over sends all of its group back."""
    group: list[tuple[int, Seen]] = []
    for one in numbered:
        if group and (
            len(group) >= GROUP_FILES or _bytes([*group, one]) > GROUP_BYTES or not _of_one_make(group[0], one)
        ):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _bytes(group: Sequence[tuple[int, Seen]]) -> int:
    return sum(item.file.bytes for _, item in group)


def _of_one_make(first: tuple[int, Seen], other: tuple[int, Seen]) -> bool:
    one, two = first[1], other[1]
    if not (isinstance(one, RecognisedFile) and isinstance(two, RecognisedFile)) or one.mixed or two.mixed:
        return False
    return alike(one, two)


def joined_origins(plans: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Where each field of a file comes from, where records of several formats of one log stand in it."""
    found = []
    for name in plans[0]:
        origins = dict.fromkeys(one[name] for one in plans if one[name] != "absent")
        found.append((name, " or ".join(origins) or "absent"))
    return tuple(found)


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


def _with_text(file_id: int, item: RecognisedFile, reasons: dict[int, str]) -> Iterator[dict[str, object]]:
    """Rows with their reason and the source's own text, which is read again record by record."""
    for number, text in enumerate(raw_records(item), 1):
        if number in reasons:
            yield {"file_id": file_id, "row_no": number, "reason": reasons.pop(number), "raw": text[:MAX_RAW]}
            if not reasons:
                return
    for number, why in reasons.items():
        yield {"file_id": file_id, "row_no": number, "reason": why, "raw": None}


def _batches(rows: Iterator[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    batch: list[dict[str, object]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(str(row["raw"]))
        if size > RAW_CHARS or len(batch) >= RAW_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
