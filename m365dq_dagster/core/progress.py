"""The rules by which a case moves through its stages, and how far it has come. The registry keeps the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage

STAGES: tuple[CaseStage, ...] = tuple(CaseStage)


class TaskStatus(StrEnum):
    """A task of a stage is open or done; there is no half."""

    OPEN = "OPEN"
    COMPLETE = "COMPLETE"


STAGE_TASKS: Mapping[CaseStage, tuple[str, ...]] = MappingProxyType(
    {
        CaseStage.IMPORTED: ("read_files", "balance_ledger"),
        CaseStage.CHECKED: ("check_fields", "decide_gate"),
        CaseStage.SCORED: ("score_fields", "recommend_fields"),
        CaseStage.VERIFIED: ("verify_sign_in_logs", "verify_unified_audit_log", "verify_legacy_auth_logs"),
        CaseStage.REPORTED: ("write_report", "publish"),
    }
)


def may_enter(current: CaseStage | None, target: CaseStage) -> bool:
    """True where no stage is skipped: at most one step ahead of where the case stands; going back is always allowed."""
    reached = -1 if current is None else STAGES.index(current)
    return STAGES.index(target) <= reached + 1


def check_move(case_id: str, current: CaseStage | None, target: CaseStage) -> None:
    """Raise `BadInput` where the move would skip a stage, naming the one that comes next."""
    if not may_enter(current, target):
        following = next_stage(current)
        raise BadInput(
            f"Case {case_id} stands at {current or 'no stage yet'} and cannot go to {target}: {following} comes first; "
            "run the case again from there."
        )


def next_stage(current: CaseStage | None) -> CaseStage | None:
    """The stage that comes after; None when the case is REPORTED."""
    position = 0 if current is None else STAGES.index(current) + 1
    return STAGES[position] if position < len(STAGES) else None


def stages_from(stage: CaseStage) -> tuple[CaseStage, ...]:
    """The stages that lie after the given one: what must be done again when a case goes back to it."""
    return STAGES[STAGES.index(stage) + 1 :]


@dataclass(frozen=True)
class CaseProgress:
    """Where a case stands: its stage, what blocks it, what comes next, and the open tasks of every stage.

    `done` of `total` tasks are complete; `share` is their quotient, 0 to 1, and 0 for a case without tasks.
    """

    case_id: str
    stage: CaseStage | None
    blocked_by: str | None
    done: int
    total: int
    incomplete: Mapping[CaseStage, Sequence[str]]

    @property
    def share(self) -> float:
        """Complete tasks / all tasks."""
        return self.done / self.total if self.total else 0.0

    @property
    def next_stage(self) -> CaseStage | None:
        """The stage that is to be reached next; None when all are done."""
        return next_stage(self.stage)

    @property
    def sentence(self) -> str:
        """One sentence for the next shift."""
        stands = f"Case {self.case_id} stands at {self.stage or 'no stage yet'}, {self.done} of {self.total} tasks done"
        if self.blocked_by:
            return f"{stands}; blocked by {self.blocked_by}."
        return f"{stands}; next is {self.next_stage}." if self.next_stage else f"{stands}; nothing is left to do."
