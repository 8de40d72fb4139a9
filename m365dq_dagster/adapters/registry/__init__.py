"""The registry: what outlives a case. Import from here; the evidence itself is in the case store."""

from m365dq_dagster.adapters.registry.records import (
    AlertRecord,
    AuditEntry,
    CaseRecord,
    CodeChange,
    CodeHistory,
    CodeSighting,
    ImportRecord,
    OverrideRecord,
    SchemaChangeRecord,
    SchemaVersion,
    ScoreRecord,
    ScoreRow,
    StatusCode,
)
from m365dq_dagster.adapters.registry.store import Registry
from m365dq_dagster.core.outcome import CaseStage

__all__ = [
    "AlertRecord",
    "AuditEntry",
    "CaseRecord",
    "CaseStage",
    "CodeChange",
    "CodeHistory",
    "CodeSighting",
    "ImportRecord",
    "OverrideRecord",
    "Registry",
    "SchemaChangeRecord",
    "SchemaVersion",
    "ScoreRecord",
    "ScoreRow",
    "StatusCode",
]
