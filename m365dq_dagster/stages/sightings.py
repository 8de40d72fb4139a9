"""Sightings: every code, status word, operation, client and record type of a case looked up in the rule pack, kept in
the registry, and told in the document. What an unknown one means for a verdict is judged in `core.verdict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from m365dq_dagster.adapters import sightings as measured
from m365dq_dagster.core.sightings import REST, OpenValues, Sighted, approve, propose
from m365dq_dagster.core.sightings import look_up as look_up_command
from m365dq_dagster.stages.case_run import CaseRun

Row = dict[str, Any]

UNKNOWN = "unknown_values"
"""What the unknown values are remembered under for the rest of a run."""


def look_up(run: CaseRun) -> tuple[Sighted, ...]:
    """Look up what stands in the evidence, keep it, and remember it in the registry; returns what is unknown."""
    reference = run.pack.watched_values
    measured.look_up(run.con, reference)
    found = measured.sighted(run.con, reference, known=True)
    if run.pack.in_force:
        remember(run, found)
    run.memory[UNKNOWN] = tuple(one for one in found if not one.known)
    return unknown(run)


def unknown(run: CaseRun) -> tuple[Sighted, ...]:
    """The unknown values of this generation, the commonest first."""
    return run.once(UNKNOWN, lambda: measured.sighted(run.con, run.pack.watched_values))


def remember(run: CaseRun, found: Iterable[Sighted]) -> None:
    """Keep sightings in the registry, one row a case and value, where the reference holds such values: what stands in
    the columns of several logs and shares one list is one. Those that are unknown now are flagged.
    """
    rows: dict[tuple[str, str, str], tuple[int, datetime | None, datetime | None]] = {}
    flagged = set()
    for one in found:
        key = (*one.watched.known_as, one.value)
        count, first, last = rows.get(key, (0, None, None))
        rows[key] = (count + one.rows, _earlier(first, one.first), _later(last, one.last))
        if not one.known:
            flagged.add(key)
    values = [(*key, count, _utc(first), _utc(last)) for key, (count, first, last) in rows.items()]
    run.registry.record_sightings(run.case_id, values, run.clock.now(), flagged)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment), default=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment), default=None)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def told(found: Iterable[Sighted]) -> Mapping[str, list[Row]]:
    """What is unknown as the document shows it: `unknown_codes`, and `unknown_values` with those that alert first.

    The field of a value is named as the source names it, because that is where the analyst looks for it.
    """
    codes: list[Sighted] = []
    values: list[Sighted] = []
    for one in sorted(found, key=lambda one: not one.watched.kind.alerts):
        (codes if one.is_unknown_code else values).append(one)
    return {
        "unknown_codes": [{**_row(one), "proposed": one.proposed} for one in codes],
        "unknown_values": [
            {**_row(one), "field": _source_name(one), "canonical_field": one.watched.source} for one in values
        ],
    }


def _row(one: Sighted) -> Row:
    return {
        "log_type": one.log_type,
        "field": one.field,
        "value": one.value,
        "rows": one.rows,
        "values": one.values,
        "first": _iso(one.first),
        "last": _iso(one.last),
        "alerts": one.watched.kind.alerts,
        "kind": str(one.watched.kind),
        "known_as": list(one.watched.known_as),
        **({} if one.value == REST else _commands(one)),
    }


def _commands(one: Sighted) -> Row:
    """What to type next: look it up, and propose what it means or approve what was proposed."""
    settle = approve if one.proposed else propose
    return {"look_up": look_up_command(one.value), "settle": settle(one.log_type, one.field, one.value)}


def _iso(moment: datetime | None) -> str | None:
    return f"{moment.isoformat()}Z" if moment else None


def _source_name(one: Sighted) -> str:
    return one.columns[0].strip().lower().replace(" ", "_") if len(one.columns) == 1 else one.watched.source


def left_open(run: CaseRun) -> tuple[OpenValues, Mapping[str, OpenValues]]:
    """The unknown values that left sign-ins open: of the whole case, and by account."""
    return measured.open_values(run.con, run.pack.watched_values)


def open_rows(found: OpenValues) -> list[Row]:
    """The unknown values that a verdict leaned on, as the document shows them."""
    return [asdict(one) for one in found.values]
