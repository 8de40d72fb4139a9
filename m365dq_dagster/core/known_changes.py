"""Which changes of the vendor are known already, so that nobody is told of them again. The list of them belongs to the
rule pack, finding changes to `vendor_diff`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

from m365dq_dagster.core.completeness import VendorChange
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange

SAME_DATE = timedelta(days=31)
"""An announcement whose day differs less from a known change's is that change; a later one is a moved deadline."""

KINDS_OF_KNOWN: Mapping[str, frozenset[ChangeKind]] = {
    "event_retired": frozenset({ChangeKind.OPERATION_VANISHED, ChangeKind.OPERATION_RENAMED, ChangeKind.RETIREMENT}),
    "event_deprecated": frozenset({ChangeKind.OPERATION_VANISHED, ChangeKind.OPERATION_RENAMED, ChangeKind.RETIREMENT}),
    "operation_renamed": frozenset(
        {ChangeKind.OPERATION_VANISHED, ChangeKind.OPERATION_RENAMED, ChangeKind.OPERATION_NEW}
    ),
    "property_retired": frozenset({ChangeKind.FIELD_GONE, ChangeKind.FIELD_RENAMED, ChangeKind.RETIREMENT}),
    "property_deprecated": frozenset({ChangeKind.FIELD_GONE, ChangeKind.FIELD_RENAMED, ChangeKind.RETIREMENT}),
    "field_deprecated": frozenset({ChangeKind.FIELD_GONE, ChangeKind.FIELD_RENAMED, ChangeKind.RETIREMENT}),
    "field_name_mismatch": frozenset({ChangeKind.FIELD_GONE, ChangeKind.FIELD_RENAMED, ChangeKind.FIELD_NEW}),
    "property_moved": frozenset({ChangeKind.FIELD_MOVED, ChangeKind.FIELD_GONE, ChangeKind.SEMANTICS}),
    "semantics": frozenset({ChangeKind.SEMANTICS, ChangeKind.ENUM_VALUE_GONE}),
    "tool_behaviour": frozenset({ChangeKind.SEMANTICS}),
    "protocol_retired": frozenset({ChangeKind.RETIREMENT}),
    "cmdlet_retired": frozenset({ChangeKind.RETIREMENT}),
    "api_retired": frozenset({ChangeKind.RETIREMENT}),
    "retention": frozenset({ChangeKind.RETENTION}),
    "licence": frozenset({ChangeKind.LICENCE}),
    "record_type_deprecated": frozenset({ChangeKind.RECORD_TYPE_CHANGED}),
    "enum_value_renamed": frozenset(
        {ChangeKind.ENUM_VALUE_RENAMED, ChangeKind.ENUM_VALUE_GONE, ChangeKind.ENUM_VALUE_NEW}
    ),
    "vendor_log_gap": frozenset({ChangeKind.LOG_GAP}),
    "vendor_data_error": frozenset({ChangeKind.DATA_ERROR}),
}
"""Which kinds a row of the known changes covers; wording never needs to be known."""

SAME_WORDS = 5
"""Words and years that two descriptions of a loss without a date share where they speak of one loss."""

UNDATED = (ChangeKind.LOG_GAP, ChangeKind.DATA_ERROR)
"""Kinds that are told apart by their text, as they may name neither a day nor a name."""

RENAMED = (
    ChangeKind.OPERATION_RENAMED,
    ChangeKind.FIELD_RENAMED,
    ChangeKind.FIELD_MOVED,
    ChangeKind.ENUM_VALUE_RENAMED,
    ChangeKind.RECORD_TYPE_CHANGED,
)
"""Kinds whose new name is part of what is known."""

IDENTIFIER_LIKE = re.compile(r"[a-z_][A-Z]|_v\d")
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")


def known_as(change: SchemaChange, known: Iterable[VendorChange]) -> str | None:
    """The id under which a change is known already, or None."""
    return next((row.id for row in known if _is_known(change, row)), None)


def as_known(change: SchemaChange, known: Iterable[VendorChange]) -> SchemaChange:
    """The change itself, or, where it is known, the same with severity INFO and the id in its detail."""
    found = known_as(change, known) if change.severity is not Severity.INFO else None
    if found is None:
        return change
    return replace(change, severity=Severity.INFO, detail=f"{change.detail} Known as {found}.")


def _is_known(change: SchemaChange, row: VendorChange) -> bool:
    if change.kind not in KINDS_OF_KNOWN.get(row.kind, frozenset()):
        return False
    if change.effective and row.begins:
        if not _same_day(change.effective, row):
            return False
        if change.kind in UNDATED:
            return True
    if change.kind is ChangeKind.RETENTION:
        return _days(change.before) <= _days(row.before) and bool(_days(change.after) & _days(row.after))
    return _shares_name(change, row)


def _same_day(day: date, row: VendorChange) -> bool:
    last = row.ends or row.begins
    return bool(row.begins and last and row.begins - SAME_DATE <= day <= last + SAME_DATE)


def _days(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{5,}|\d{4}", text.casefold()))


def _shares_name(change: SchemaChange, row: VendorChange) -> bool:
    """A name of the change stands in the row on the same side, and a new name not beside another one there.

    Names that are written as words are the same where all their words stand there.
    """
    around = (row.surface, *row.operations)
    if change.kind in UNDATED:
        return len(_words(change.detail) & _words(" ".join((*around, row.before, row.after)))) >= SAME_WORDS
    if not change.before:
        return _stands(change.after, (*around, row.after))
    heirs_differ = change.kind in RENAMED and bool(change.after) and not _may_become(change.after, row)
    return not heirs_differ and any(_stands(part, (*around, row.before)) for part in change.before.split(","))


def _may_become(name: str, row: VendorChange) -> bool:
    """Whether a row that names what takes the place names this; one that only describes it leaves it open."""
    named = any(IDENTIFIER_LIKE.search(word) for word in IDENTIFIER.findall(row.after))
    return not named or _stands(name, (row.after,))


def _stands(name: str, texts: Iterable[str]) -> bool:
    held = {word.casefold() for text in texts for word in IDENTIFIER.findall(text)}
    held |= {part for word in held for part in word.split(".")}
    words = {word.casefold() for word in IDENTIFIER.findall(name)}
    return bool(words) and words <= held
