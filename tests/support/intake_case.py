"""Takes a folder of evidence into a fresh generation in memory and answers questions about it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import duckdb

from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.adapters.evidence.formats import FormatDefinition, parse_formats
from m365dq_dagster.adapters.rule_pack import read_yaml, resource_dir
from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.core.field_lists import FieldList
from m365dq_dagster.core.outcome import CaseStage, DateOrder
from m365dq_dagster.core.policy import CheckPolicy
from m365dq_dagster.stages import intake
from m365dq_dagster.stages.case_run import CaseRun
from tests.support.tiny_engine import tiny_engine

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class QuietRegistry:
    """Remembers what the stage told the registry."""

    def __init__(self) -> None:
        self.stages: list[CaseStage] = []
        self.tasks: list[str] = []
        self.checks: list[str] = []
        self.lists: list[FieldList] = []

    def set_stage(self, case_id: str, stage: CaseStage, now: datetime) -> None:
        self.stages.append(stage)

    def finish_task(self, case_id: str, stage: CaseStage, task: str, now: datetime) -> None:
        self.tasks.append(task)

    def record_checks(self, case_id: str, run_id: str, results: Iterable[Any], now: datetime) -> None:
        self.checks += [result.name for result in results]

    def field_lists(self, *_: str) -> list[tuple[int, FieldList]]:
        return []

    def latest_field_lists(self) -> list[tuple[int, FieldList]]:
        return []

    def keep_field_list(self, seen: FieldList, case_id: str, now: datetime) -> tuple[int, bool]:
        self.lists.append(seen)
        return len(self.lists), True

    def schema_changes_of_case(self, *_: object) -> list[Any]:
        return []

    def record_schema_changes(self, changes: Iterable[Any], *_: object, **__: object) -> list[Any]:
        return list(changes)

    def operations_of_cases(self, *_: object) -> list[Any]:
        return []

    def record_operations(self, *_: object) -> None:
        """Keeps nothing."""

    def record_span(self, *_: object) -> None:
        """Keeps nothing."""

    def spans(self, log_type: str) -> list[Any]:
        return []


@dataclass(frozen=True)
class _Quality:
    quarantine_share: float = 0.10


@dataclass(frozen=True)
class _Policy:
    quality: _Quality = _Quality()
    checks: CheckPolicy = field(default_factory=CheckPolicy)


@dataclass(frozen=True)
class Pack:
    """The part of a rule pack that intake reads."""

    formats: tuple[dict[str, Any], ...]
    policy: _Policy = _Policy()
    content_hash: str = "sha256:test"
    intake_hash: str = "sha256:test"
    vendor_changes: tuple[Any, ...] = ()
    retention: tuple[Any, ...] = ()
    fields: tuple[Any, ...] = ()
    values: tuple[Any, ...] = ()
    operations: tuple[Any, ...] = ()

    @cached_property
    def format_definitions(self) -> tuple[FormatDefinition, ...]:
        return parse_formats(self.formats)


@cache
def shipped_formats() -> tuple[dict[str, Any], ...]:
    """The format files of the rule pack, parsed."""
    return tuple(
        dict(cast("Mapping[str, Any]", read_yaml(path.name, path.read_bytes())))
        for path in sorted((resource_dir("reference_data") / "formats").glob("*.yaml"))
    )


@cache
def shipped_intake_pack() -> Pack:
    """What intake reads of the rule pack, the formats understood once for all tests."""
    return Pack(shipped_formats())


@dataclass(frozen=True)
class Taken:
    """A folder that was taken in."""

    con: duckdb.DuckDBPyConnection
    report: intake.IntakeReport
    registry: Any

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        cursor = self.con.execute(statement, list(values))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def file(self, path: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM files WHERE path = $1", path)[0]

    def ledger(self, path: str) -> tuple[int, int, int, int]:
        file = self.file(path)
        return file["rows_read"], file["rows_imported"], file["rows_duplicate"], file["rows_quarantined"]

    def events(self, log_type: str = "sign_in_logs") -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM {log_type} ORDER BY file_id, row_no")

    def provenance(self, field: str) -> str:
        return str(self.rows("SELECT provenance FROM field_provenance WHERE field = $1", field)[0]["provenance"])

    def leads(self, kind: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM completeness WHERE kind = $1", kind)

    def passed(self, check: str) -> bool:
        return next(result.passed for result in self.report.checks if result.name == check)


def take_in(
    folder: Path,
    *more: Path,
    date_order: DateOrder | None = None,
    formats: tuple[dict[str, Any], ...] | None = None,
    con: duckdb.DuckDBPyConnection | None = None,
    registry: Any = None,
    case_dir: Path | None = None,
    options: Mapping[str, str] | None = None,
    case_id: str = "case",
    pack: Any = None,
    now: datetime = NOW,
) -> Taken:
    """Run intake over a folder. The connection is the caller's to close; one in memory costs nothing when it is
    forgotten."""
    if con is None:
        con = tiny_engine()
    told = registry or QuietRegistry()
    home = case_dir or Path(tempfile.mkdtemp(prefix="m365dq-case-"))
    pack = pack or (shipped_intake_pack() if formats is None else Pack(formats))
    run = CaseRun(
        case_id=case_id,
        run_id="run-1",
        folder=folder,
        case_dir=home,
        context=CaseContext(date_order=date_order),
        pack=pack,
        con=con,
        registry=told,
        clock=FixedClock(now),
        more_folders=tuple(more),
        options=dict(options or {}),
    )
    try:
        return Taken(con, intake.run(run), told)
    finally:
        if case_dir is None:
            shutil.rmtree(home)


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where a row is not what was expected: field -> (found, expected). Times are compared as text."""
    return {
        name: (found[name], value)
        for name, value in expected.items()
        if (str(found[name]) if isinstance(found[name], datetime) else found[name]) != value
    }
