"""The status-code reference: from the rule pack into the registry, and looking up what was seen. Judging by codes is
`core.adjudication`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from m365dq_dagster.adapters.registry import CodeChange, Registry, StatusCode
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import ChangeState, CodeKey, places_of
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.reference import Origin, reference_key, spread
from m365dq_dagster.core.sightings import BY_KEY, is_quiet
from m365dq_dagster.stages.packs import effective_pack

CHOICES: Mapping[str, tuple[str, ...]] = {
    "state": ("active", "pending", "rejected"),
    "severity": ("info", "warning", "critical"),
}
"""The words that may be asked for, where they are few."""


def load_codes(registry: Registry, pack: RulePack, now: datetime) -> int:
    """Bring the registry's reference to the rule pack in force; returns how many rows are new or changed.

    What is loaded already costs a few milliseconds; a pack that is not in force is not loaded.
    """
    if not pack.in_force or registry.loaded_pack() == pack.content_hash:
        return 0
    return registry.load_status_codes(reference_rows(pack), now, pack.content_hash)


def bring_up_to_date(settings: Settings, registry: Registry, now: datetime) -> RulePack:
    """The rule pack in force, with the registry's reference brought to it. Raises `BadInput` as `effective_pack`."""
    pack = effective_pack(settings, registry)
    load_codes(registry, pack, now)
    return pack


def selected(
    registry: Registry, value: str | None, wanted: Mapping[str, str | None], *, deprecated: bool = False
) -> list[dict[str, Any]]:
    """The rows of `listing` that have the wanted words, in upper or lower case; those marked as deprecated alone where
    asked for. What was turned down is left out, unless it is asked for by its value or its state.

    Raises `BadInput` for a state or severity that there is not.
    """
    words = {name: word.strip().lower() for name, word in wanted.items() if word is not None}
    for name, known in CHOICES.items():
        if words.get(name, known[0]) not in known:
            raise BadInput(f"There is no {name} {words[name][:40]!r}; it is one of {', '.join(known).upper()}.")
    hides = value is None and "state" not in words
    return [
        row
        for row in listing(registry, value)
        if all(str(row[name] or "").lower() == word for name, word in words.items())
        and (row["deprecated"] or not deprecated)
        and not (hides and row["state"] == "REJECTED")
    ]


def reference_rows(pack: RulePack) -> list[StatusCode]:
    """Every code, value and operation of the pack, a code once for each field that may hold it."""
    layers = pack.overlay.changed
    origins = {row.key: layers[row.key].origin if row.key in layers else Origin.PACK for row in pack.reference}
    return [StatusCode.of(one, origins[row.key]) for row in pack.reference for one in spread(row)]


def code_mapping(code: StatusCode) -> dict[str, Any]:
    """For JSON: the specification's columns and what this product adds."""
    return {
        "code_id": code.code_id,
        "log_type": code.log_type,
        "field_name": code.field,
        "code_value": code.value,
        "meaning": code.meaning,
        "severity": code.severity.value,
        "first_seen": code.first_seen.isoformat() if code.first_seen else None,
        "last_validated": code.last_validated.isoformat() if code.last_validated else None,
        "deprecated": code.deprecated,
        "category": code.category,
        "outcome": code.outcome,
        "first_factor": code.first_factor,
        "portal_status": code.portal_status,
        "provenance": code.provenance,
        "method": code.method,
        "symbolic_name": code.symbolic_name,
        "sources": code.sources,
        "state": code.state,
        "origin": code.origin,
    }


def listing(registry: Registry, value: str | None = None) -> list[dict[str, Any]]:
    """The reference as rows for people and JSON, by log type, field and value: what is in force, what waits for a
    decision and what was turned down, each with the number of the change that waits for it. Only one value where given,
    spelled as the judge compares it.
    """
    changes = [c for c in registry.code_changes() if _is(c.key, value)]
    waiting = {c.key: c for c in changes if c.state is ChangeState.PENDING}
    rejected = turned_down(changes)
    codes = [code for code in registry.status_codes() if _is(key_of(code), value)]
    held = {key_of(code) for code in codes}
    rows = [_listed(code, waiting.get(key_of(code)), rejected) for code in codes]
    absent = {**{c.key: c for c in changes if c.key in rejected}, **waiting}
    rows += [row for key, change in absent.items() if key not in held for row in _not_held(change)]
    return sorted(rows, key=lambda row: (row["log_type"], row["field_name"], row["code_value"]))


def turned_down(changes: Iterable[CodeChange]) -> frozenset[CodeKey]:
    """The values on which the last decision was a rejection. `changes` are in the order in which they were proposed."""
    last = {change.key: change.state for change in changes if change.state is not ChangeState.PENDING}
    return frozenset(key for key, state in last.items() if state is ChangeState.REJECTED)


def key_of(code: StatusCode) -> CodeKey:
    """The key under which changes of a row are kept."""
    return reference_key(*code.key)


def _is(held: CodeKey, value: str | None) -> bool:
    """Whether the judge takes a value for the one that is held; any, where none is given."""
    return value is None or held.folded == replace(held, value=value.strip()).folded


def _listed(code: StatusCode, waiting: CodeChange | None, rejected: frozenset[CodeKey]) -> dict[str, Any]:
    is_rejected = code.state == "PENDING" and key_of(code) in rejected
    row = {**code_mapping(code), "state": "REJECTED" if is_rejected else code.state}
    return {**row, "pending_change": waiting.id if waiting else None}


def _not_held(change: CodeChange) -> list[dict[str, Any]]:
    """Rows for a proposal that the reference does not hold: it waits, or was turned down."""
    number = change.id if change.state is ChangeState.PENDING else None
    more = {"code_id": None, "first_seen": None, "last_validated": None, "state": change.state.value, "origin": None}
    return [
        {**change.after.as_mapping(), "log_type": log_type, "field_name": name, **more, "pending_change": number}
        for log_type, name in places_of(change.key)
    ]


def unknown_codes(registry: Registry, since: datetime) -> dict[tuple[str, str, str], Mapping[str, int]]:
    """Codes sighted at or after `since` that the reference lacks: (log type, field, value) -> rows of each case."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for sighting in registry.sightings(since, unknown=True):
        cases = found.setdefault((sighting.log_type, sighting.field, sighting.value), {})
        cases[sighting.case_id] = sighting.rows
    return {key: dict(cases) for key, cases in found.items()}


def unknown_listing(registry: Registry, since: datetime) -> list[dict[str, Any]]:
    """The unknown codes and values as rows for people and JSON, those that tell outcomes first, the commonest first.
    `state` is UNKNOWN where nobody has proposed anything, PENDING where a proposal waits (`pending_change` is its
    number, None where the rule pack ships it so), and REJECTED where one was turned down.
    """
    held = {_folded(row["log_type"], row["field_name"], row["code_value"]): row for row in listing(registry)}
    found = unknown_codes(registry, since).items()
    rows = [_unknown(key, cases, held.get(_folded(*key), {})) for key, cases in found]
    found_so = (row for row in rows if row["state"] != "ACTIVE")
    return sorted(found_so, key=lambda row: (is_quiet(row["log_type"], row["field"]), -row["rows"]))


def _folded(log_type: str, field: str, value: str) -> CodeKey:
    place = BY_KEY[log_type, field].known_as if (log_type, field) in BY_KEY else (log_type, field)
    return CodeKey(*place, value).folded


def _unknown(key: tuple[str, str, str], cases: Mapping[str, int], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "log_type": key[0],
        "field": key[1],
        "value": key[2],
        "rows": sum(cases.values()),
        "cases": dict(cases),
        "state": row.get("state", "UNKNOWN"),
        "pending_change": row.get("pending_change"),
    }
