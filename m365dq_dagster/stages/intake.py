"""Intake: from a folder to canonical tables and a ledger in which every file and every row is accounted for.

What a value means is judged later; here nothing is decided but what a file is, which rows are events, which are
copies, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from m365dq_dagster.adapters import carry_over, measure
from m365dq_dagster.adapters.case_store import CaseStore, confine
from m365dq_dagster.adapters.evidence.folder import FoundFile, case_files
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, parse_format
from m365dq_dagster.adapters.evidence.staging import (
    NotRecognised,
    RecognisedFile,
    date_sightings,
    hashed,
    look_at,
    only_row,
    raw_records,
    stage_file,
)
from m365dq_dagster.adapters.sql import intake as sql
from m365dq_dagster.adapters.sql.intake import TargetColumn
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.ledger import (
    REMEDIES,
    DateDecision,
    FileCounts,
    FileReason,
    Gap,
    decide_date_order,
    declared_mismatch,
    explain,
    holes,
    quarantine_share,
)
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import CaseStage, DateOrder, FileStatus, LogType, Severity
from m365dq_dagster.stages.stamps import stamp

if TYPE_CHECKING:
    from m365dq_dagster.stages.case_run import CaseRun

STAGE = "intake"
FORGET_MISSING = "forget_missing"
"""The option of a run that lets rows of files go that are no longer in the folder."""
RUNBOOK = "docs/runbooks/quality-check-failure.md"
THROTTLED_FOR = timedelta(hours=24)
MAX_HOLES = 50


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
    formats = tuple(parse_format(data, f"format {data.get('id', '?')}") for data in run.pack.formats)
    report = _Import(run.con, formats, run.context.date_order, run.progress.step).take_in(run)
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


class _Import:
    """One pass over a folder into one generation."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, formats: tuple[FormatDefinition, ...], asked: DateOrder | None, step: Any
    ) -> None:
        self.con = con
        self.formats = formats
        self.asked = asked
        self.step = step
        self.targets: dict[str, list[TargetColumn]] = {}
        self.untimed: list[int] = []

    def take_in(self, run: CaseRun) -> IntakeReport:
        published = None if run.options.get(FORGET_MISSING) else CaseStore(run.case_dir.parent).current(run.case_id)
        if published:
            carry_over.attach(self.con, published)
        self._prepare()
        self._confine(run)
        found = case_files(run.folders)
        seen = hashed([look_at(file, self.formats) for file in found])
        for file_id, item in enumerate(seen, 1):
            self.step(STAGE, item.file.path, file_id, len(seen))
            if isinstance(item, NotRecognised):
                self._list(file_id, item)
            else:
                self._take(file_id, item)
        if published:
            self._keep_gone(found)
        self._settle()
        taken = [item for item in seen if isinstance(item, RecognisedFile)]
        self._completeness()
        return self._report(len(found), taken, run.pack.policy.quality.quarantine_share)

    def _keep_gone(self, found: Sequence[FoundFile]) -> None:
        """Rows of files that were removed from the folder stay until somebody says that they may go."""
        paths, hashes = [file.path for file in found], [file.sha256 for file in found if file.sha256]
        for path in carry_over.keep_gone(self.con, paths, hashes, self.targets):
            detail = f"{path} has gone from the folder; its rows were kept. Run with --forget-missing to leave them out"
            self._lead("GONE_FILE", "", None, None, detail)
        carry_over.detach(self.con)

    def _confine(self, run: CaseRun) -> None:
        """Rows keep their order, and the engine can reach the case's evidence and nothing else."""
        locked, ordered = only_row(self.con, sql.statement("configuration"))
        if not locked:
            self.con.execute(sql.statement("keep_order"))
            confine(self.con, *run.folders)
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
            "row_hashes",
        ):
            self.con.execute(sql.statement(name))
        for table, column, kind in self.con.execute(sql.statement("canonical_tables")).fetchall():
            self.targets.setdefault(table, []).append(TargetColumn(column, kind))
        for table in self.targets:
            self.con.execute(sql.clear(table))

    def _list(self, file_id: int, item: NotRecognised) -> None:
        refused = item.reason in (
            FileReason.LINK,
            FileReason.NOT_A_FILE,
            FileReason.UNREADABLE,
            FileReason.ARCHIVE,
            FileReason.SPREADSHEET,
        )
        status = (
            FileStatus.EMPTY
            if item.reason is FileReason.EMPTY
            else FileStatus.REFUSED
            if refused
            else FileStatus.UNRECOGNISED
        )
        self._file(file_id, item, status, explain(item.reason, item.detail), encoding=item.encoding)

    def _take(self, file_id: int, item: RecognisedFile) -> None:
        log_type = item.plan.definition.log_type
        if log_type not in self.targets:
            self._file(
                file_id,
                item,
                FileStatus.UNRECOGNISED,
                explain(FileReason.LATER_LOG_TYPE, log_type),
                encoding=item.head.encoding,
            )
            return
        try:
            staged = stage_file(self.con, item)
        except OSError as error:
            self._list(
                file_id, NotRecognised(item.file, FileReason.UNREADABLE, error.strerror or "it went while it was read")
            )
            return
        rows, item = staged.rows, replace(item, plan=staged.plan)
        decision = self._dates(item)
        self._quarantine(file_id, item)
        self.con.execute(
            sql.insert(item.plan, self.targets[log_type], decision.reading if decision else DateOrder.MDY),
            {"file_id": file_id},
        )
        self.con.execute(sql.statement("remember_hashes"), {"file_id": file_id})
        self._provenance(file_id, item)
        if not item.plan.time_identifies:
            self.untimed.append(file_id)
        self._file(
            file_id,
            item,
            FileStatus.IMPORTED if rows else FileStatus.EMPTY,
            None if rows else explain(FileReason.NO_ROWS),
            encoding=item.head.encoding,
            format=item.plan.definition.id,
            log_type=log_type,
            rows_read=rows,
            rows_declared=self._declared(item),
            date_order=self._order(item, decision, log_type, file_id),
        )

    def _file(
        self, file_id: int, item: RecognisedFile | NotRecognised, status: FileStatus, reason: str | None, **facts: Any
    ) -> None:
        values = {"format": None, "log_type": None, "rows_read": 0, "rows_declared": None, "date_order": None, **facts}
        values |= {"file_id": file_id, "path": item.file.path, "sha256": item.file.sha256, "bytes": item.file.bytes}
        values |= {
            "status": status.value,
            "reason": reason,
            "header": json.dumps(item.columns) if item.columns else None,
        }
        self.con.execute(sql.statement("file"), values)

    def _dates(self, item: RecognisedFile) -> DateDecision | None:
        fixed = item.plan.definition.date_order
        sightings = date_sightings(self.con, item.plan)
        return decide_date_order(sightings, self.asked or fixed) if sightings else None

    def _order(self, item: RecognisedFile, decision: DateDecision | None, log_type: str, file_id: int) -> str | None:
        if decision:
            return decision.order.value
        timed = only_row(self.con, sql.timed_rows(log_type), {"file_id": file_id})[0]
        return DateOrder.ISO.value if timed else None

    def _declared(self, item: RecognisedFile) -> int | None:
        statement = sql.declared_rows(item.plan)
        declared = only_row(self.con, statement)[0] if statement else None
        return None if declared is None else int(declared)

    def _quarantine(self, file_id: int, item: RecognisedFile) -> None:
        self.con.execute(sql.statement("quarantine_known"), {"file_id": file_id})
        silent = self.con.execute(sql.statement("quarantine_silent")).fetchall()
        if not silent:
            return
        texts = raw_records(item, (row_no for row_no, _ in silent))
        columns = {
            "row_no": [row for row, _ in silent],
            "reason": [why for _, why in silent],
            "raw": [texts.get(row) for row, _ in silent],
        }
        self.con.register("intake_fetched", pa.table(columns))
        self.con.execute(sql.statement("quarantine_fetched"), {"file_id": file_id})
        self.con.unregister("intake_fetched")

    def _provenance(self, file_id: int, item: RecognisedFile) -> None:
        log_type = item.plan.definition.log_type
        origins = sql.derived_provenance(item.plan, self.targets[log_type])
        values = {"file_id": file_id, "log_type": log_type, "fields": list(origins), "origins": list(origins.values())}
        self.con.execute(sql.statement("provenance"), values)

    def _settle(self) -> None:
        self.con.execute(sql.statement("drop_staging"))
        if self._number(sql.statement("hashed_rows")):
            self.con.execute(sql.statement("same_rows"))
        for log_type, columns in self.targets.items():
            self.con.execute(sql.repeated_ids(log_type))
            if self._number(sql.statement("repeated_rows")):
                self.con.execute(sql.same_ids(log_type, columns, self.untimed))
                self._overlap(log_type)
            self.con.execute(sql.drop_duplicates(log_type))
        self.con.execute(sql.count_imported(self.targets))
        self.con.execute(sql.statement("settle_files"))
        self.con.execute(carry_over.REMEMBER_HASHES)
        self.con.execute(sql.statement("mark_copies"))
        self.con.execute(sql.explain_quarantine({str(reason): text for reason, text in REMEDIES.items()}))

    def _overlap(self, log_type: str) -> None:
        events, formats = only_row(self.con, sql.statement("repeated_ids_across_formats"))
        if events:
            self._lead(
                "OVERLAP",
                log_type,
                None,
                None,
                f"{events:,} event ids occur in {formats} with different outcomes; each was counted",
            )

    def _number(self, statement: str) -> int:
        return int(only_row(self.con, statement)[0])

    def _completeness(self) -> None:
        limits = {definition.id: definition.caps for definition in self.formats}
        for path, rows, declared, log_type, format_id, begins, ends in self.con.execute(
            sql.statement("imported_files")
        ).fetchall():
            if rows in limits[format_id]:
                self._lead(
                    "CAP",
                    log_type,
                    begins,
                    ends,
                    f"{path} holds exactly {rows:,} rows, a limit of this export; export it in shorter windows",
                )
            if mismatch := declared_mismatch(declared, rows):
                self._lead("DECLARED_MISMATCH", log_type, begins, ends, f"{path} {mismatch}")
        self._missing_logs()
        for account, begins, ends, rows in self.con.execute(sql.statement("throttled")).fetchall():
            self._lead(
                "THROTTLED",
                LogType.UAL,
                begins,
                ends + THROTTLED_FOR if ends else None,
                f"{account}: {rows:,} MailItemsAccessed rows say IsThrottled; up to 24 h of mail reads were not logged",
            )
        for log_type in self.targets:
            self._holes(log_type)

    def _missing_logs(self) -> None:
        for log_type, words in ((LogType.SIGN_IN, "sign-in logs"), (LogType.UAL, "unified audit log")):
            if not self._rows(log_type):
                self._lead(
                    "MISSING_LOG_TYPE",
                    log_type,
                    None,
                    None,
                    f"the folder holds no {words}; nothing can be said about what they would show",
                )
        interactive, non_interactive, principals, identities, typed, rows = only_row(
            self.con, sql.statement("sign_in_types")
        )
        if not rows:
            return
        if not typed:
            detail = "no file says whether its sign-ins are interactive; absent sign-in types cannot be told"
            self._lead("MISSING_LOG_TYPE", LogType.SIGN_IN, None, None, detail)
            return
        counts = {
            "interactive": interactive,
            "non-interactive": non_interactive,
            "service principal": principals,
            "managed identity": identities,
        }
        absent = [name for name, count in counts.items() if not count]
        if absent:
            self._lead(
                "MISSING_LOG_TYPE", LogType.SIGN_IN, None, None, f"no {', '.join(absent)} sign-ins in the folder"
            )

    def _holes(self, log_type: str) -> None:
        minutes = self.con.execute(sql.busy_minutes(log_type)).fetchall()
        gaps = [Gap(before[1], after[0]) for before, after in pairwise(minutes)]
        events = sum(count for _, _, count in minutes)
        quick = timedelta(0) if events > 2 * len(minutes) else None
        for gap in sorted(holes(gaps, quick), key=lambda gap: -gap.length)[:MAX_HOLES]:
            self._lead(
                "HOLE",
                log_type,
                gap.begins,
                gap.ends,
                f"no event for {gap.length}, unlike the rest of this log: a lead, not a proof",
            )

    def _lead(self, kind: str, log_type: str, begins: Any, ends: Any, detail: str) -> None:
        values = {"kind": kind, "log_type": str(log_type), "begins": begins, "ends": ends, "detail": detail}
        self.con.execute(sql.statement("record_completeness"), values)

    def _rows(self, log_type: str) -> int:
        return self._number(sql.count_rows(log_type)) if log_type in self.targets else 0

    def _report(self, found: int, taken: Sequence[RecognisedFile], share_allowed: float) -> IntakeReport:
        counts = tuple(FileCounts(*row) for row in self.con.execute(sql.statement("ledger")).fetchall())
        rows = {log_type: self._rows(log_type) for log_type in self.targets}
        reasons = self._table("quarantine_by_reason", ("file", "reason", "rows"))
        leads = self._table("completeness_leads", ("kind", "log_type", "detail"))
        headers = dict.fromkeys(
            (item.plan.definition.log_type, item.plan.definition.api_version, item.columns) for item in taken
        )
        results = checks(counts, found, reasons, leads, share_allowed)
        return IntakeReport(counts, found, len(taken), rows, results, tuple(headers))

    def _table(self, statement: str, names: Iterable[str]) -> tuple[dict[str, object], ...]:
        return tuple(
            dict(zip(names, row, strict=True)) for row in self.con.execute(sql.statement(statement)).fetchall()
        )


def checks(
    counts: tuple[FileCounts, ...],
    found: int,
    reasons: tuple[dict[str, object], ...],
    leads: tuple[dict[str, object], ...],
    share_allowed: float,
) -> tuple[CheckResult, ...]:
    """The four checks on what came in, from the ledger's numbers; `share_allowed` is the policy's share of
    quarantined rows."""
    return (
        _balance(counts),
        _recognised(counts, found),
        _quarantined(counts, reasons, share_allowed),
        _leads(leads),
    )


def _balance(counts: tuple[FileCounts, ...]) -> CheckResult:
    wrong = [file for file in counts if not file.balances]
    rows = sum(file.read for file in counts)
    headline = (
        f"{wrong[0].path}: {wrong[0].read:,} rows read are not {wrong[0].imported:,} imported + "
        f"{wrong[0].duplicate:,} duplicate +"
        f" {wrong[0].quarantined:,} quarantined; this is a fault of the program, report it and do not use the verdict."
        if wrong
        else f"Every one of {rows:,} rows of {len(counts)} files is imported, a duplicate or in quarantine."
    )
    table = tuple(_counts(file) for file in wrong[:20])
    return CheckResult(
        "ledger_balances",
        STAGE,
        not wrong,
        True,
        Severity.CRITICAL if wrong else Severity.INFO,
        headline,
        RUNBOOK,
        table,
        "LEDGER_BROKEN" if wrong else "",
    )


def _counts(file: FileCounts) -> dict[str, object]:
    return {
        "file": file.path,
        "read": file.read,
        "imported": file.imported,
        "duplicate": file.duplicate,
        "quarantined": file.quarantined,
    }


def _recognised(counts: tuple[FileCounts, ...], found: int) -> CheckResult:
    passed = any(file.imported for file in counts)
    headline = (
        f"{len(counts)} of {found} files hold known logs, {sum(file.imported for file in counts):,} events."
        if passed
        else f"No file of the folder holds a row of a known log ({plural(found, 'file')} looked at); see why with "
        "each file, and export the logs as CSV or JSON."
    )
    return CheckResult(
        "recognised_evidence",
        STAGE,
        passed,
        True,
        Severity.INFO if passed else Severity.CRITICAL,
        headline,
        RUNBOOK,
        (),
        "" if passed else "NO_RECOGNISED_EVIDENCE",
    )


def _quarantined(counts: tuple[FileCounts, ...], reasons: tuple[dict[str, object], ...], allowed: float) -> CheckResult:
    share = quarantine_share(counts)
    rows = sum(file.quarantined for file in counts)
    passed = share <= allowed
    headline = (
        f"{rows:,} rows ({share:.1%}) could not be read; at most {allowed:.0%} may be."
        if rows
        else "Every row could be read."
    )
    if not passed:
        headline += " Export the named files again, then run the case again."
    return CheckResult(
        "quarantine_share",
        STAGE,
        passed,
        True,
        Severity.CRITICAL if not passed else Severity.WARNING if rows else Severity.INFO,
        headline,
        RUNBOOK,
        reasons,
        "" if passed else "TOO_MUCH_QUARANTINED",
    )


def _leads(leads: tuple[dict[str, object], ...]) -> CheckResult:
    headline = (
        f"{plural(len(leads), 'lead')} that something is missing from the evidence: {leads[0]['detail']}."
        if leads
        else "Nothing speaks for missing evidence."
    )
    return CheckResult(
        "completeness_leads",
        STAGE,
        not leads,
        False,
        Severity.WARNING if leads else Severity.INFO,
        headline,
        RUNBOOK,
        leads[:20],
        "INCOMPLETE" if leads else "",
    )
