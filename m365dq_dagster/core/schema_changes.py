"""What a vendor can do to an export, in words: the kinds of change and the change itself. Finding changes in imports
belongs to `schema_diff`; finding them in vendor documents, keeping them and telling of them belong elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.outcome import Severity


class ChangeKind(StrEnum):
    """What changed. An operation is renamed where an old one ends and a new one takes its place; a retirement is that
    of an interface, a command or a protocol and has a date; text only changes nothing that is read.
    """

    FIELD_GONE = "FIELD_GONE"
    FIELD_NEW = "FIELD_NEW"
    FIELD_RENAMED = "FIELD_RENAMED"
    FIELD_MOVED = "FIELD_MOVED"
    ENUM_VALUE_NEW = "ENUM_VALUE_NEW"
    ENUM_VALUE_GONE = "ENUM_VALUE_GONE"
    ENUM_VALUE_RENAMED = "ENUM_VALUE_RENAMED"
    CODE_NEW = "CODE_NEW"
    CODE_GONE = "CODE_GONE"
    OPERATION_NEW = "OPERATION_NEW"
    OPERATION_VANISHED = "OPERATION_VANISHED"
    OPERATION_RENAMED = "OPERATION_RENAMED"
    RECORD_TYPE_CHANGED = "RECORD_TYPE_CHANGED"
    SEMANTICS = "SEMANTICS"
    RETENTION = "RETENTION"
    LICENCE = "LICENCE"
    RETIREMENT = "RETIREMENT"
    LOG_GAP = "LOG_GAP"
    DATA_ERROR = "DATA_ERROR"
    TEXT_ONLY = "TEXT_ONLY"

    @property
    def alarms(self) -> bool:
        """Whether anybody is ever told of it on his own account; a change of wording is kept and never told."""
        return self is not ChangeKind.TEXT_ONLY


@dataclass(frozen=True)
class SchemaChange:
    """One change of what a vendor exports or documents.

    `log_type` is the canonical table, or '' where none is meant; `surface` says where it was seen (a format and its
    interface version, a page). `before` and `after` are the names or values, '' where there is none. `effective` is
    the day from which the vendor says that it holds. `detail` is one sentence; `source` says what it was read from.
    """

    kind: ChangeKind
    severity: Severity
    log_type: str
    surface: str
    before: str
    after: str
    effective: date | None
    detail: str
    source: str

    @property
    def is_told(self) -> bool:
        """Whether it is worth an alert: it matters to what the product reads and is more than wording."""
        return self.kind.alarms and self.severity is not Severity.INFO


def matters(change: Mapping[str, Any]) -> bool:
    """Whether a change as a case document shows it is open and touches what the product reads."""
    graver = change.get("severity") != Severity.INFO and change.get("kind") != ChangeKind.TEXT_ONLY
    return graver and change.get("state") == "OPEN"
