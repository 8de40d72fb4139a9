"""Why a field is uniform or unusable, as far as what stands around it can tell: names of files, other logs, known
faults of the vendor, where its values come from. What the rows alone can tell is named in `reliability`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from m365dq_dagster.core.adjudication import Side
from m365dq_dagster.core.completeness import FAULT, LOSS, VendorChange
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import FieldCause, FieldState, LogType, Role
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.reliability import UNIFORM_TAILS, FieldJudgement
from m365dq_dagster.core.stretches import ChangeKind, ChangePoint

Judged = Mapping[LogType, tuple[FieldJudgement, ...]]

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
NAMED_SIDES: Mapping[str, Side] = {
    **dict.fromkeys(("failed", "failure", "failures", "unsuccessful", "blocked", "denied", "rejected"), Side.FAILURE),
    **dict.fromkeys(("success", "successes", "successful", "succeeded"), Side.SUCCESS),
}
"""Words in the name of an export that say to which outcome it was filtered."""

SAME_SIGN_INS: Mapping[LogType, LogType] = {LogType.SIGN_IN: LogType.UAL, LogType.UAL: LogType.SIGN_IN}
"""Logs that tell of the same sign-ins, so that one of them can show what the other lacks."""

OPPOSED = {Side.SUCCESS: Side.FAILURE, Side.FAILURE: Side.SUCCESS}
SIDE_WORDS = {Side.SUCCESS: ("success", "successes"), Side.FAILURE: ("failure", "failures")}
MOST_FILES = 3
"""Files that are named in one sentence."""


@dataclass(frozen=True)
class Surroundings:
    """What stands around the fields of a case.

    `files` are the paths of the files with rows of a log; `derived` are the (log type, field) pairs whose values were
    made by a rule and not copied, in every file; `vendor` is what Microsoft is known to have lost or spoilt;
    `least_rows` is how many rows another log must show against a one-way log.
    """

    files: Mapping[LogType, tuple[str, ...]] = field(default_factory=dict)
    derived: Collection[tuple[str, str]] = ()
    vendor: tuple[VendorChange, ...] = ()
    least_rows: int = 5


def with_causes(judged: Judged, around: Surroundings) -> dict[LogType, tuple[FieldJudgement, ...]]:
    """The same judgements, with the cause named where the surroundings tell one. States and scores stay as they are."""
    return {log: tuple(_named(one, log, judged, around) for one in found) for log, found in judged.items()}


def _named(one: FieldJudgement, log: LogType, judged: Judged, around: Surroundings) -> FieldJudgement:
    days = _days(judged[log])
    one = replace(one, change_points=tuple(_with_fault(change, log, around) for change in one.change_points))
    if one.spec.witness in (Witness.PRIMARY, Witness.SECONDARY):
        return _witness(one, log, judged, around, days)
    fault = _fault_of(log, around, days)
    if one.spec.role is Role.PLACE and fault is not None and fault.kind == FAULT and _says_little(one):
        return _because(
            one, FieldCause.VENDOR_OUTAGE, f"Microsoft wrote wrong places then: {fault.effect} ({fault.id})."
        )
    if one.state is FieldState.UNIFORM and one.cause is None and (one.spec.log_type, one.spec.field) in around.derived:
        told = f"{one.spec.field} was made of the kind of file, and one kind gives one value."
        return _because(one, FieldCause.CONSTANT_BY_DESIGN, told)
    return one


def _says_little(one: FieldJudgement) -> bool:
    return one.state in (FieldState.UNIFORM, FieldState.LOW_CONTRAST)


def _because(one: FieldJudgement, cause: FieldCause, told: str) -> FieldJudgement:
    return replace(one, cause=cause, reasons=(*one.reasons, told))


def _witness(
    one: FieldJudgement, log: LogType, judged: Judged, around: Surroundings, days: frozenset[date]
) -> FieldJudgement:
    if one.cause not in (FieldCause.ALL_ONE_WAY, FieldCause.UNKNOWN_VALUES):
        return one
    fault = _fault_of(log, around, days)
    if fault is not None:
        return _instead(
            one, FieldCause.VENDOR_OUTAGE, f"; Microsoft's log was at fault on these days: {fault.effect} ({fault.id})."
        )
    said = _one_way(one)
    if said is None:
        return one
    told = _by_name(said, around.files.get(log, ())) or _by_other_log(said, log, judged, around.least_rows)
    return _instead(one, FieldCause.FILTER_AT_SOURCE, told) if told else one


def _instead(one: FieldJudgement, cause: FieldCause, tail: str) -> FieldJudgement:
    """The cause in the place of "cannot be told apart", at the end of the first sentence."""
    begun = one.reasons[0].removesuffix(UNIFORM_TAILS[FieldCause.ALL_ONE_WAY]).rstrip(".")
    return replace(one, cause=cause, reasons=(begun + tail, *one.reasons[1:]))


def _one_way(one: FieldJudgement) -> Side | None:
    """The one class that a uniform primary witness gives on all rows."""
    given = [side for side in OPPOSED if one.sides.get(side)]
    alone = one.spec.witness is Witness.PRIMARY and one.state is FieldState.UNIFORM and len(given) == 1
    return given[0] if alone else None


def _by_name(said: Side, files: Collection[str]) -> str | None:
    """The names of all the files say that they were filtered to this outcome."""
    named = [
        {NAMED_SIDES.get(word.lower()) for word in WORD.findall(path.rpartition("/")[2])} - {None} for path in files
    ]
    if not named or any(found != {said} for found in named):
        return None
    shown = ", ".join(one_line(path, 60) for path in sorted(files)[:MOST_FILES])
    return f"; the export was filtered to it at its source, as its name says ({shown})."


def _by_other_log(said: Side, log: LogType, judged: Judged, least: int) -> str | None:
    """Another log of the same sign-ins shows the opposite outcome."""
    other = SAME_SIGN_INS.get(log)
    against = OPPOSED[said]
    rows = (
        max((one.sides.get(against, 0) for one in judged.get(other, ()) if one.may_testify), default=0) if other else 0
    )
    if rows < least:
        return None
    return (
        f"; {other} shows {plural(rows, *SIDE_WORDS[against])} of the same kind of event, so the export was filtered "
        "to one outcome, or the column is stuck."
    )


def _days(fields: Collection[FieldJudgement]) -> frozenset[date]:
    return frozenset(day.day for one in fields for day in one.by_day)


def _fault_of(log: LogType, around: Surroundings, days: frozenset[date]) -> VendorChange | None:
    """A known loss or fault that covers every day of the log."""
    if not days:
        return None
    return next((one for one in _faults(log, around) if _covers(one, min(days)) and _covers(one, max(days))), None)


def _faults(log: LogType, around: Surroundings) -> list[VendorChange]:
    return [one for one in around.vendor if one.kind in (LOSS, FAULT) and str(log) in one.log_types]


def _covers(one: VendorChange, day: date) -> bool:
    return one.begins is not None and one.ends is not None and one.begins <= day <= one.ends


def _with_fault(change: ChangePoint, log: LogType, around: Surroundings) -> ChangePoint:
    """A field that goes dark while Microsoft is known to have lost rows is told with it."""
    if change.kind is not ChangeKind.WENT_DARK:
        return change
    fault = next((one for one in _faults(log, around) if _covers(one, change.day)), None)
    if fault is None:
        return change
    told = f"{change.sentence.rstrip('.')}; Microsoft's log was at fault then: {fault.effect} ({fault.id})."
    return replace(change, sentence=told)
