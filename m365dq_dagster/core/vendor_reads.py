"""What the product reads, by the vendor's names, and how grave a change of it is. Finding changes belongs to
`vendor_diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from m365dq_dagster.core.adjudication import CodeRow
from m365dq_dagster.core.completeness import VendorChange
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind

NEAR = timedelta(days=90)
"""A change of an outcome or an operation of ours is CRITICAL from so long before the day on which it holds."""


class Touch(StrEnum):
    """How near a name is to the judgement: it decides outcomes or indicators, it is read, or neither."""

    DECIDES = "DECIDES"
    READ = "READ"
    NONE = "NONE"


def nearest(touches: Iterable[Touch]) -> Touch:
    """The nearest of some; NONE where there is none."""
    return min(touches, key=list(Touch).index, default=Touch.NONE)


@dataclass(frozen=True)
class Reads:
    """What the product reads, by the names that the vendor gives it.

    `fields` are columns and properties (folded) with the canonical fields they fill (`log_type.field`); `witnesses` are
    the canonical fields that may vote on an outcome. `values` are known values of enumerated fields (folded) with their
    log types. `record_types` are numbers and names of those with operations of ours, `logons` of those whose rows have
    an outcome; `watched` are other names that matter to who reads these logs. `codes` is the effective reference by
    code; `known` are the changes of the vendor that are known already.
    """

    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    witnesses: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    record_types: frozenset[str] = frozenset()
    logons: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    codes: Mapping[str, CodeRow] = field(default_factory=dict)
    known: tuple[VendorChange, ...] = ()

    def filled_by(self, name: str) -> frozenset[str]:
        """The canonical fields that a name of the vendor fills."""
        return self.fields.get(fold(name), frozenset())

    def log_types_of(self, name: str) -> frozenset[str]:
        """The log types in which a field's name is read."""
        return frozenset(canonical.partition(".")[0] for canonical in self.filled_by(name))

    def of_field(self, name: str, among: frozenset[str] = frozenset()) -> Touch:
        """How near a field is to the judgement; only the log types given count, where any are."""
        filled = {c for c in self.filled_by(name) if not among or c.partition(".")[0] in among}
        if filled & self.witnesses:
            return Touch.DECIDES
        return Touch.READ if filled else self._watched(name)

    def of_operation(self, name: str) -> Touch:
        """Whether an operation stands in the reference."""
        return Touch.DECIDES if fold(name) in self.operations else self._watched(name)

    def of_value(self, name: str) -> Touch:
        """Whether a value of an enumerated field stands in the reference."""
        return Touch.READ if fold(name) in self.values else self._watched(name)

    def of_record_type(self, name: str) -> Touch:
        """Whether rows of a record type, by its number or name, have an outcome or an operation of ours."""
        if fold(name) in self.logons:
            return Touch.DECIDES
        return Touch.READ if fold(name) in self.record_types else self._watched(name)

    def _watched(self, name: str) -> Touch:
        return Touch.READ if fold(name) in self.watched else Touch.NONE


def fold(name: str) -> str:
    """A name as it is compared: without case, blanks and marks at its end."""
    return name.strip().strip(".`*").casefold()


@dataclass(frozen=True)
class Source:
    """Where a change is read: the document, and the day of the reading."""

    document: str
    today: date


BREAKING = frozenset(
    {
        ChangeKind.FIELD_GONE,
        ChangeKind.FIELD_RENAMED,
        ChangeKind.FIELD_MOVED,
        ChangeKind.ENUM_VALUE_GONE,
        ChangeKind.ENUM_VALUE_RENAMED,
        ChangeKind.OPERATION_VANISHED,
        ChangeKind.OPERATION_RENAMED,
        ChangeKind.RECORD_TYPE_CHANGED,
        ChangeKind.SEMANTICS,
    }
)
"""Kinds after which a rule that was right finds nothing, or something else."""


def severity_of(kind: ChangeKind, touch: Touch, effective: date | None, in_force: bool, today: date) -> Severity:
    """CRITICAL: what decides breaks now or within 90 days. WARNING: it is read. INFO: it is not, or is wording.

    `in_force` says that the change is made already although no day is named, as where a page no longer has a name.
    """
    if kind is ChangeKind.TEXT_ONLY or touch is Touch.NONE:
        return Severity.INFO
    near = in_force or (effective is not None and effective <= today + NEAR)
    return Severity.CRITICAL if touch is Touch.DECIDES and kind in BREAKING and near else Severity.WARNING
