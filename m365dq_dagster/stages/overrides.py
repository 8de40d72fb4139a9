"""Overrides as they stand: which are in force, which verdicts were reached under one that has ended since, and how
one is ended before its day. What may be overridden at all is `core.overrides`; `stages.case` records a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from m365dq_dagster.adapters.registry import OverrideRecord, Registry
from m365dq_dagster.core.narrative import items, lapse, part
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.core.people import Person


@dataclass(frozen=True)
class Lapsed:
    """A published verdict that was reached under an override which has ended meanwhile; it no longer stands.

    `ended_at` and `ended_by` say who ended it before its day, where somebody did.
    """

    case_id: str
    generation: str
    override: Override
    ended_at: str | None
    ended_by: str | None


def lapsed(registry: Registry, now: datetime) -> list[Lapsed]:
    """The cases whose published verdict was reached under an override that is over by `now`, by id."""
    known, found = registry.overrides(), []
    for record in registry.cases():
        told = part(record.judged_under, "override")
        if not told:
            continue
        state = _state(record.case_id, Override.of(told), known, now)
        if not state["in_force"]:
            generation = str(record.judged_under["generation"])
            ended = (state["ended_at"], state["ended_by"])
            found.append(Lapsed(record.case_id, generation, Override.of(told), *ended))
    return found


def in_force(registry: Registry, now: datetime) -> list[OverrideRecord]:
    """The overrides that hold at this moment, newest first."""
    return [one for one in registry.overrides() if one.is_in_force(now)]


def listed(registry: Registry, now: datetime) -> list[dict[str, Any]]:
    """Every override for JSON, newest first."""
    return [override_mapping(one, now) for one in registry.overrides()]


def end(registry: Registry, case_id: str, person: Person, reason: str, now: datetime) -> list[dict[str, Any]]:
    """End what is in force for a case and say what that was. Raises `BadInput` without a reason, or for nothing."""
    return [override_mapping(one, now) for one in registry.end_overrides(case_id, person, reason, now)]


def override_mapping(one: OverrideRecord, now: datetime) -> dict[str, Any]:
    """For JSON: one override; `ends` is the first moment at which it does not hold."""
    return {
        "case": one.case_id,
        "state": "IN_FORCE" if one.is_in_force(now) else "ENDED",
        "expires": one.expires.isoformat(),
        "ends": one.ends.isoformat(),
        "actor": one.actor,
        "recorded_by": one.recorded_by,
        "reason": one.reason,
        "created_at": one.created_at.isoformat(),
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        "ended_by": one.ended_by,
    }


def standing(registry: Registry, now: datetime) -> dict[str, dict[str, Any]]:
    """Of every case with an override in force or a verdict that an ended one has left behind: the override, and
    whether the verdict stands.
    """
    held = {one.case_id: override_mapping(one, now) for one in reversed(in_force(registry, now))}
    over = {one.case_id: _lapsed_mapping(one) for one in lapsed(registry, now)}
    return {case_id: {**row, "verdict_stands": case_id not in over} for case_id, row in (held | over).items()}


def _lapsed_mapping(one: Lapsed) -> dict[str, Any]:
    ends = one.ended_at or one.override.ends.isoformat()
    ended = {"ends": ends, "ended_at": one.ended_at, "ended_by": one.ended_by}
    return {"case": one.case_id, "state": "ENDED", **asdict(one.override), **ended}


def as_it_stands(document: Mapping[str, Any], known: Iterable[OverrideRecord], now: datetime) -> dict[str, Any]:
    """A published document with what has become of its override since: `in_force`, and when and by whom it was ended;
    where it is over, every finding says so too.

    `known` are the overrides of the registry; without the one that the document names, its last day decides.
    """
    quality = part(document, "quality")
    told = part(quality, "override")
    if not told:
        return dict(document)
    state = {**told, **_state(str(document.get("case")), Override.of(told), known, now)}
    findings = [_finding(row, lapse(state)) for row in items(document, "findings")]
    return {**document, "quality": {**quality, "override": state}, "findings": findings}


def _finding(row: Mapping[str, Any], ended: str) -> dict[str, Any]:
    """A finding with what has become of the override that taints it."""
    return {**row, "not_verified": f"{row['not_verified']}; {ended}"} if ended and "not_verified" in row else dict(row)


def _state(case_id: str, override: Override, known: Iterable[OverrideRecord], now: datetime) -> dict[str, Any]:
    same = [
        one
        for one in known
        if (one.case_id, one.reason, one.actor) == (case_id, override.reason, override.actor)
        and one.expires.isoformat() <= override.expires
    ]
    holds = any(one.is_in_force(now) for one in same) if same else now < override.ends
    ended = None if holds or not same else same[0]
    return {
        "in_force": holds,
        "ended_at": ended.ended_at.isoformat() if ended and ended.ended_at else None,
        "ended_by": ended.ended_by if ended else None,
    }
