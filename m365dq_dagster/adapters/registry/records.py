"""What the registry hands out and takes in, as plain values. How they are kept is in the modules beside this one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from m365dq_dagster.core.code_changes import ChangeAction, ChangeState, CodeKey, ReferenceRow
from m365dq_dagster.core.outcome import CaseStage, Severity
from m365dq_dagster.core.overrides import end_of
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.schema_changes import ChangeKind


@dataclass(frozen=True)
class CaseRecord:
    """What outlives a case's runs. `stage` is None before the first import, `verdict` before the first conclusion.

    `identity` is the digest of what the published generation was judged from; `last_run` when the last import ended;
    `judged_under` how the quality gate stood when it was judged.
    """

    case_id: str
    folder: str
    context: Mapping[str, Any]
    stage: CaseStage | None
    verdict: str | None
    blocked_by: str | None
    updated_at: datetime
    last_run: datetime | None
    identity: str | None
    judged_under: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreRow:
    """How far one field of one table may be trusted in one case: 0 to 1, or None where the field does not apply."""

    table: str
    field: str
    base: float | None
    adjusted: float | None
    rules: tuple[str, ...] = ()


DETAILS = (
    *("category", "outcome", "first_factor", "portal_status", "provenance", "method", "state", "symbolic_name"),
    "sources",
)
"""What the product keeps of a row of the reference beside the specification's columns."""


@dataclass(frozen=True)
class StatusCode:
    """One row of the status-code reference with what this product adds to it.

    `state` is ACTIVE (in force), PENDING (waits for approval) or REJECTED; `origin` says which layer of the rule pack
    it comes from: PACK, CHANGE or LOCAL.
    """

    log_type: str
    field: str
    value: str
    meaning: str
    severity: Severity
    category: str | None = None
    outcome: str | None = None
    first_factor: str | None = None
    portal_status: str | None = None
    provenance: str | None = None
    method: str | None = None
    state: str = "ACTIVE"
    deprecated: bool = False
    first_seen: date | None = None
    last_validated: date | None = None
    symbolic_name: str | None = None
    sources: str | None = None
    origin: str | None = None
    code_id: int | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def of(cls, row: ReferenceRow, origin: str) -> StatusCode:
        """A row of the reference with the layer that it comes from."""
        told = {name: getattr(row, name) for name in DETAILS}
        key = (row.log_type, row.field_name, row.code_value)
        return cls(*key, row.meaning, Severity(row.severity), deprecated=row.deprecated, origin=origin, **told)

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is found by: log type, field and value."""
        return self.log_type, self.field, self.value

    @property
    def row(self) -> ReferenceRow:
        """What it says, as changes keep it; what is blank is None."""
        told: dict[str, Any] = {name: getattr(self, name) or None for name in DETAILS}
        return ReferenceRow(*self.key, self.meaning, self.severity.value, self.deprecated, **told)


@dataclass(frozen=True)
class CodeChange:
    """A proposed or decided change to the reference. `after` is the row as the change leaves it; `decided_at`,
    `decider` and `decision_reason` are None while it waits.
    """

    id: int
    key: CodeKey
    action: ChangeAction
    before: ReferenceRow | None
    after: ReferenceRow
    critical: bool
    reason: str | None
    source: str | None
    state: ChangeState
    proposer: Person
    proposed_at: datetime
    decider: Person | None = None
    decision_reason: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True)
class CodeHistory:
    """How one row of the reference became another: by a rule pack, or by an approved change. `before` is None where
    there was none; rows are never removed.
    """

    key: CodeKey
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    origin: str
    actor: str
    change: int | None
    pack_hash: str | None
    changed_at: datetime


@dataclass(frozen=True)
class CodeSighting:
    """A code value seen in a case: how often, between which events, and whether the reference knew it then."""

    case_id: str
    log_type: str
    field: str
    value: str
    rows: int
    first_event: datetime | None
    last_event: datetime | None
    flagged: bool
    first_sighted_at: datetime
    last_sighted_at: datetime


@dataclass(frozen=True)
class AlertRecord:
    """An alert in the outbox. `state` is RECORDED, SENDING, DELIVERED, FAILED (will be tried again) or ACKNOWLEDGED."""

    id: int
    rule: str
    case_id: str
    subject: str
    severity: Severity
    message: str
    recipients: tuple[str, ...]
    state: str
    raised_at: datetime
    last_raised_at: datetime
    times_raised: int
    attempts: int
    last_error: str | None
    delivered_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    episode: int = 0


@dataclass(frozen=True)
class OverrideRecord:
    """A decision to go on although a blocking check failed; in force up to and including the day `expires` (UTC),
    unless somebody ended it before. `recorded_by` is the user of the machine on which it was given.
    """

    case_id: str
    reason: str
    actor: str
    expires: date
    created_at: datetime
    recorded_by: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None

    @property
    def ends(self) -> datetime:
        """The first moment at which it does not hold any more."""
        last = end_of(self.expires)
        return min(last, self.ended_at) if self.ended_at else last

    def is_in_force(self, now: datetime) -> bool:
        """Whether it holds at this moment."""
        return now < self.ends


@dataclass(frozen=True)
class ImportRecord:
    """One import of one case: how long, how many rows, and how its quality gate ended."""

    case_id: str
    run_id: str
    started_at: datetime
    seconds: float
    rows: int
    status: str
    reason: str | None
    verifications: int
    recorded_at: datetime


@dataclass(frozen=True)
class SchemaVersion:
    """One field list of a log type and interface version: which format and case first showed it, and its names as they
    are written. What only a hash is known of has no format and no names."""

    version_id: int
    log_type: str
    api_version: str
    schema_hash: str
    detected_date: date
    format_name: str | None
    case_id: str | None
    names: tuple[str, ...]
    rows: int | None
    last_seen_at: datetime | None


@dataclass(frozen=True)
class SchemaChangeRecord:
    """A change of what a vendor exports (`origin` IMPORT) or documents (DOCUMENT), as it was kept. `case_id` and
    `version_id` say which case first showed it, and in which field list. `state` is OPEN or CLOSED."""

    change_id: int
    kind: ChangeKind
    severity: Severity
    log_type: str
    api_version: str
    before: str
    after: str
    detail: str
    origin: str
    source: str
    effective: date | None
    detected_at: datetime
    state: str
    closed_by: str | None
    close_reason: str | None
    closed_at: datetime | None
    version_id: int | None
    case_id: str | None


@dataclass(frozen=True)
class ScoreRecord:
    """A score as it was kept, with its case and moment."""

    case_id: str
    row: ScoreRow
    computed_at: datetime


@dataclass(frozen=True)
class AuditEntry:
    """Who did what, when."""

    actor: str
    action: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    logged_at: datetime | None = None
