"""The status-code reference in the registry. Where its rows come from is the rule pack's matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, upsert
from m365dq_dagster.adapters.registry.records import StatusCode
from m365dq_dagster.adapters.registry.tables import (
    rule_packs,
    status_code_details,
    status_code_history,
    status_code_reference,
)
from m365dq_dagster.core.outcome import Severity

EXTRA = (
    *("category", "outcome", "first_factor", "portal_status", "provenance", "method", "state", "symbolic_name"),
    "sources",
)
KEY = ("log_type", "field_name", "code_value")
FROM_PACK = "PACK"
ACTOR = "rule pack"
"""Whom the history names for what a rule pack changed."""

LAYERS = (FROM_PACK, "CHANGE", "LOCAL")
"""Where rows come from that a rule pack holds, and so can leave."""

RowKey = tuple[str, str, str]


class Codes(RegistryPart):
    """Loading and looking up status codes."""

    def load_status_codes(self, rows: Iterable[StatusCode], now: datetime, pack: str | None = None) -> int:
        """Bring the reference to the given rows; returns how many are new or changed, so a second load returns 0.

        `first_seen` of a known code stays; `last_validated` moves only where the code changed or the row names a day.
        With `pack`, its hash, the rows are all that this rule pack holds: what an earlier pack held and this one does
        not is kept and marked as deprecated, and after the first load whatever changes enters the history. Without,
        codes that are not among the rows stay as they are.
        """
        wanted = {(row.log_type, row.field, row.value): row for row in rows}
        with self._writing() as connection:
            held = {(code.log_type, code.field, code.value): code for code in _codes(connection)}
            if pack is not None:
                wanted |= {key: replace(code, deprecated=True) for key, code in _left(held, wanted).items()}
            changed = {key: row for key, row in wanted.items() if _differs(held.get(key), row)}
            _write(connection, changed, now.astimezone(UTC).date())
            if pack is not None:
                _remember(connection, _history(held, changed, pack, now), pack, now)
        return len(changed)

    def loaded_pack(self) -> str | None:
        """The hash of the rule pack that was loaded last, or None."""
        with self._reading() as connection:
            return _last_loaded(connection)

    def status_codes(self, value: str | None = None) -> list[StatusCode]:
        """The reference by log type, field and value; only one value where given."""
        with self._reading() as connection:
            return _codes(connection, value)


def _codes(connection: Connection, value: str | None = None) -> list[StatusCode]:
    table, details = status_code_reference, status_code_details
    state = sa.func.coalesce(details.c.state, "ACTIVE").label("state")
    extra = (details.c[name] for name in EXTRA if name != "state")
    query = sa.select(table, *extra, state, details.c.origin).select_from(table.outerjoin(details))
    if value is not None:
        query = query.where(table.c.code_value == value)
    return [_code(row) for row in connection.execute(query.order_by(*(table.c[name] for name in KEY)))]


def _ids(connection: Connection) -> dict[tuple[str, str, str], int]:
    table = status_code_reference
    rows = connection.execute(sa.select(table.c.log_type, table.c.field_name, table.c.code_value, table.c.code_id))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _last_loaded(connection: Connection) -> str | None:
    table = rule_packs
    query = sa.select(table.c.content_hash).order_by(table.c.loaded_at.desc(), table.c.content_hash).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _remember(connection: Connection, history: list[dict[str, Any]], pack: str, now: datetime) -> None:
    """Keep that a pack was loaded, and what it changed unless it is the first."""
    if history and _last_loaded(connection) is not None:
        connection.execute(sa.insert(status_code_history), history)
    row = {"content_hash": pack, "first_used_at": now, "loaded_at": now}
    upsert(connection, rule_packs, [row], ["content_hash"], ["loaded_at"])


def _left(held: Mapping[RowKey, StatusCode], wanted: Mapping[RowKey, StatusCode]) -> dict[RowKey, StatusCode]:
    """What an earlier pack held and the new one does not."""
    return {
        key: code for key, code in held.items() if key not in wanted and code.origin in LAYERS and not code.deprecated
    }


def _write(connection: Connection, rows: Mapping[RowKey, StatusCode], today: date) -> None:
    told = ["meaning", "severity", "last_validated", "deprecated"]
    upsert(connection, status_code_reference, [_reference_row(row, today) for row in rows.values()], KEY, told)
    ids = _ids(connection) if rows else {}
    names = (*EXTRA, "origin")
    details = [{"code_id": ids[key], **{name: getattr(row, name) for name in names}} for key, row in rows.items()]
    upsert(connection, status_code_details, details, ["code_id"], names)


def _history(
    held: Mapping[RowKey, StatusCode], changed: Mapping[RowKey, StatusCode], pack: str, now: datetime
) -> list[dict[str, Any]]:
    """How rows came to be otherwise; where only the layer is another, nothing happened."""
    return [
        {
            **dict(zip(KEY, key, strict=True)),
            "before": _told(held[key]) if key in held else None,
            "after": _told(row),
            "origin": FROM_PACK,
            "actor": ACTOR,
            "pack_hash": pack,
            "changed_at": now,
        }
        for key, row in changed.items()
        if key not in held or _told(held[key]) != _told(row)
    ]


def _told(row: StatusCode) -> dict[str, Any]:
    """A row by the names of its columns, as changes keep it."""
    told = {name: getattr(row, name) or None for name in EXTRA}
    key = dict(zip(KEY, (row.log_type, row.field, row.value), strict=True))
    return {
        **key,
        "meaning": row.meaning,
        "severity": Severity(row.severity).value,
        "deprecated": row.deprecated,
        **told,
    }


def _differs(held: StatusCode | None, row: StatusCode) -> bool:
    if held is None or _told(held) != _told(row) or (row.origin is not None and held.origin != row.origin):
        return True
    return row.last_validated is not None and held.last_validated != row.last_validated


def _reference_row(row: StatusCode, today: date) -> dict[str, Any]:
    return {
        "log_type": row.log_type,
        "field_name": row.field,
        "code_value": row.value,
        "meaning": row.meaning,
        "severity": Severity(row.severity).value,
        "first_seen": row.first_seen or today,
        "last_validated": row.last_validated or today,
        "deprecated": row.deprecated,
    }


def _code(row: AnyRow) -> StatusCode:
    return StatusCode(
        log_type=row.log_type,
        field=row.field_name,
        value=row.code_value,
        meaning=row.meaning,
        severity=Severity(row.severity),
        deprecated=row.deprecated,
        first_seen=row.first_seen,
        last_validated=row.last_validated,
        origin=row.origin,
        code_id=row.code_id,
        **{name: getattr(row, name) for name in EXTRA},
    )
