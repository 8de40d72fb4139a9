"""Cases in the registry: what is known of each, at which stage it stands, which tasks are open. The rules of moving are
in `core.progress`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, upsert
from m365dq_dagster.adapters.registry.records import CaseRecord
from m365dq_dagster.adapters.registry.tables import case_status, case_tasks, cases
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.core.progress import STAGE_TASKS, STAGES, CaseProgress, TaskStatus, check_move, stages_from

RECORD = (
    sa.select(cases, case_status.c.stage, case_status.c.blocked_by, case_status.c.updated_at.label("moved_at"))
    .select_from(cases.outerjoin(case_status))
    .order_by(cases.c.case_id)
)


class Cases(RegistryPart):
    """Registering cases and moving them through their stages."""

    def register_case(self, case_id: str, folder: str, context: Mapping[str, Any], now: datetime) -> None:
        """Remember a case with its source folder and context; a known case takes the new folder and context."""
        row = {"case_id": case_id, "folder": folder, "context": dict(context), "registered_at": now, "updated_at": now}
        with self._writing() as connection:
            upsert(connection, cases, [row], ["case_id"], ["folder", "context", "updated_at"])

    def case(self, case_id: str) -> CaseRecord | None:
        """The case, or None where it was never registered."""
        with self._reading() as connection:
            row = connection.execute(RECORD.where(cases.c.case_id == case_id)).one_or_none()
        return None if row is None else _record(row)

    def cases(self) -> list[CaseRecord]:
        """All cases by id."""
        with self._reading() as connection:
            return [_record(row) for row in connection.execute(RECORD)]

    def set_stage(self, case_id: str, stage: CaseStage, now: datetime, blocked_by: str | None = None) -> None:
        """Move a case to a stage, or say what blocks it there; the stage's tasks are then complete, later ones open.

        Raises `BadInput` where a stage would be skipped. Going back to an earlier stage is allowed: it is being redone.
        """
        with self._writing() as connection:
            _lock_case(connection, case_id)
            check_move(case_id, _stage(connection, case_id), stage)
            row = {"case_id": case_id, "stage": stage.value, "updated_at": now, "blocked_by": blocked_by}
            upsert(connection, case_status, [row], ["case_id"], ["stage", "updated_at", "blocked_by"])
            later = stages_from(stage)
            _put_tasks(connection, case_id, (s for s in STAGES if s not in later), TaskStatus.COMPLETE, now)
            _put_tasks(connection, case_id, later, TaskStatus.OPEN, now)

    def set_verdict(
        self,
        case_id: str,
        verdict: str,
        identity: str,
        now: datetime,
        judged_under: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep what the published generation concluded, the digest of what it was judged from, and how its quality gate
        stood then: `generation`, `quality` (PASS, FAIL, OVERRIDDEN) and `override`.
        """
        values = {"verdict": str(verdict), "identity": identity, "updated_at": now, "last_run_at": now}
        values["judged_under"] = dict(judged_under or {})
        with self._writing() as connection:
            _lock_case(connection, case_id)
            connection.execute(cases.update().where(cases.c.case_id == case_id).values(values))

    def finish_task(self, case_id: str, stage: CaseStage, task: str, now: datetime) -> None:
        """Mark one task as done. Raises `BadInput` for a task that the stage does not have."""
        if task not in STAGE_TASKS[stage]:
            known = ", ".join(STAGE_TASKS[stage])
            raise BadInput(f"Stage {stage} has no task {task!r}; its tasks are {known}.")
        row = _task_row(case_id, stage, task, TaskStatus.COMPLETE, now)
        with self._writing() as connection:
            _lock_case(connection, case_id)
            upsert(connection, case_tasks, [row], ["case_id", "stage", "task"], ["status", "updated_at"])

    def current_stage(self, case_id: str) -> CaseStage | None:
        """The stage that the case has reached; None before its first import."""
        with self._reading() as connection:
            return _stage(connection, case_id)

    def incomplete_tasks(self, case_id: str, stage: CaseStage) -> list[str]:
        """The open tasks of a stage, in working order."""
        with self._reading() as connection:
            return _open_tasks(connection, case_id, stage)

    def overall_share(self, case_id: str) -> tuple[int, int]:
        """Complete tasks, and all tasks."""
        with self._reading() as connection:
            return _share(connection, case_id)

    def progress(self, case_id: str) -> CaseProgress:
        """The three answers together, as of one moment. Raises `BadInput` for a case that is not registered."""
        with self._reading() as connection:
            row = connection.execute(RECORD.where(cases.c.case_id == case_id)).one_or_none()
            if row is None:
                raise _unregistered(case_id)
            done, total = _share(connection, case_id)
            tasks = {stage: tuple(_open_tasks(connection, case_id, stage)) for stage in STAGES}
        record = _record(row)
        return CaseProgress(case_id, record.stage, record.blocked_by, done, total, tasks)


def _record(row: AnyRow) -> CaseRecord:
    return CaseRecord(
        case_id=row.case_id,
        folder=row.folder,
        context=row.context,
        stage=CaseStage(row.stage) if row.stage else None,
        verdict=row.verdict,
        blocked_by=row.blocked_by,
        updated_at=max(row.updated_at, row.moved_at or row.updated_at),
        last_run=row.last_run_at,
        identity=row.identity,
        judged_under=row.judged_under or {},
    )


def _unregistered(case_id: str) -> BadInput:
    return BadInput(
        f"Case {case_id} is not in the registry; `m365dq cases` lists those that are, `m365dq run` adds one."
    )


def _lock_case(connection: Connection, case_id: str) -> None:
    """Hold the case's row until the transaction ends, so that moves of one case come one after the other."""
    found = connection.execute(sa.select(cases.c.case_id).where(cases.c.case_id == case_id).with_for_update())
    if found.one_or_none() is None:
        raise _unregistered(case_id)


def _stage(connection: Connection, case_id: str) -> CaseStage | None:
    found = connection.scalar(sa.select(case_status.c.stage).where(case_status.c.case_id == case_id))
    return CaseStage(found) if found else None


def _task_row(case_id: str, stage: CaseStage, task: str, status: TaskStatus, now: datetime) -> dict[str, Any]:
    return {"case_id": case_id, "stage": stage.value, "task": task, "status": status.value, "updated_at": now}


def _put_tasks(
    connection: Connection, case_id: str, stages: Iterable[CaseStage], status: TaskStatus, now: datetime
) -> None:
    rows = [_task_row(case_id, stage, task, status, now) for stage in stages for task in STAGE_TASKS[stage]]
    upsert(connection, case_tasks, rows, ["case_id", "stage", "task"], ["status", "updated_at"])


def _open_tasks(connection: Connection, case_id: str, stage: CaseStage) -> list[str]:
    complete = case_tasks.c.status == TaskStatus.COMPLETE.value
    found = connection.execute(
        sa.select(case_tasks.c.task).where(
            case_tasks.c.case_id == case_id, case_tasks.c.stage == stage.value, ~complete
        )
    )
    left = set(found.scalars())
    return [task for task in STAGE_TASKS[stage] if task in left]


def _share(connection: Connection, case_id: str) -> tuple[int, int]:
    done = sa.func.count().filter(case_tasks.c.status == TaskStatus.COMPLETE.value)
    row = connection.execute(sa.select(done, sa.func.count()).where(case_tasks.c.case_id == case_id)).one()
    return int(row[0]), int(row[1])
