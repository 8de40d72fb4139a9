"""The rows of the status-code reference in the registry: loaded from a rule pack, read, written with their history.
Where the rows come from is the rule pack's matter, deciding on changes is `changes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, upsert
from m365dq_dagster.adapters.registry.records import DETAILS, StatusCode
from m365dq_dagster.adapters.registry.tables import (
    rule_packs,
    status_code_details,
    status_code_history,
    status_code_reference,
)
from m365dq_dagster.core.outcome import Severity

KEY = ("log_type", "field_name", "code_value")
FROM_PACK = "PACK"
ACTOR = "rule pack"
"""Whom the history names for what a rule pack changed."""

LAYERS = (FROM_PACK, "CHANGE", "LOCAL")
"""Where rows come from that a rule pack holds, and so can leave."""

MOST_ASKED = 1000
"""Values that a query names; the ids of more are found by reading them all."""

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
        wanted = {row.key: row for row in rows}
        with self._writing() as connection:
            held = {code.key: code for code in read_codes(connection)}
            if pack is not None:
                wanted |= {key: replace(code, deprecated=True) for key, code in _left(held, wanted).items()}
            changed = {key: row for key, row in wanted.items() if _differs(held.get(key), row)}
            write_codes(connection, changed, now.astimezone(UTC).date())
            if pack is not None:
                _remember(connection, held, changed, pack, now)
        return len(changed)

    def loaded_pack(self) -> str | None:
        """The hash of the rule pack that was loaded last, or None."""
        with self._reading() as connection:
            return _last_loaded(connection)

    def status_codes(self, value: str | None = None) -> list[StatusCode]:
        """The reference by log type, field and value; only one value where given."""
        with self._reading() as connection:
            return read_codes(connection, value)


def read_codes(connection: Connection, value: str | None = None) -> list[StatusCode]:
    """The reference by log type, field and value; only one value where given."""
    table, details = status_code_reference, status_code_details
    state = sa.func.coalesce(details.c.state, "ACTIVE").label("state")
    extra = (details.c[name] for name in DETAILS if name != "state")
    query = sa.select(table, *extra, state, details.c.origin).select_from(table.outerjoin(details))
    if value is not None:
        query = query.where(table.c.code_value == value)
    return [_code(row) for row in connection.execute(query.order_by(*(table.c[name] for name in KEY)))]


def write_codes(connection: Connection, rows: Mapping[RowKey, StatusCode], today: date) -> None:
    """Put rows into the reference; `first_seen` of a known one stays."""
    told = ["meaning", "severity", "last_validated", "deprecated"]
    upsert(connection, status_code_reference, [_reference_row(row, today) for row in rows.values()], KEY, told)
    ids = _ids(connection, {row.value for row in rows.values()})
    names = (*DETAILS, "origin")
    details = [{"code_id": ids[key], **{name: getattr(row, name) for name in names}} for key, row in rows.items()]
    upsert(connection, status_code_details, details, ["code_id"], names)


def _ids(connection: Connection, values: Collection[str]) -> dict[RowKey, int]:
    """The ids of the rows of these values; those of others may be among them."""
    table = status_code_reference
    query = sa.select(table.c.log_type, table.c.field_name, table.c.code_value, table.c.code_id)
    if len(values) <= MOST_ASKED:
        query = query.where(table.c.code_value.in_(values))
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}


def history_row(before: StatusCode | None, after: StatusCode, now: datetime, **by: Any) -> dict[str, Any]:
    """How a row came to be otherwise; `by` says what did it: origin, actor, and the rule pack or the change."""
    return {
        **dict(zip(KEY, after.key, strict=True)),
        "before": before.row.as_mapping() if before else None,
        "after": after.row.as_mapping(),
        "changed_at": now,
        **by,
    }


def _last_loaded(connection: Connection) -> str | None:
    table = rule_packs
    query = sa.select(table.c.content_hash).order_by(table.c.loaded_at.desc(), table.c.content_hash).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _remember(
    connection: Connection,
    held: Mapping[RowKey, StatusCode],
    changed: Mapping[RowKey, StatusCode],
    pack: str,
    now: datetime,
) -> None:
    """Keep that a pack was loaded, and what it changed unless it is the first."""
    is_first = _last_loaded(connection) is None
    if history := [] if is_first else _history(held, changed, pack, now):
        connection.execute(sa.insert(status_code_history), history)
    row = {"content_hash": pack, "first_used_at": now, "loaded_at": now}
    upsert(connection, rule_packs, [row], ["content_hash"], ["loaded_at"])


def _left(held: Mapping[RowKey, StatusCode], wanted: Mapping[RowKey, StatusCode]) -> dict[RowKey, StatusCode]:
    """What an earlier pack held and the new one does not."""
    return {
        key: code for key, code in held.items() if key not in wanted and code.origin in LAYERS and not code.deprecated
    }


def _history(
    held: Mapping[RowKey, StatusCode], changed: Mapping[RowKey, StatusCode], pack: str, now: datetime
) -> list[dict[str, Any]]:
    """How rows came to be otherwise; where only the layer is another, nothing happened."""
    by = {"origin": FROM_PACK, "actor": ACTOR, "pack_hash": pack}
    return [
        history_row(held.get(key), row, now, **by)
        for key, row in changed.items()
        if key not in held or held[key].row != row.row
    ]


def _differs(held: StatusCode | None, row: StatusCode) -> bool:
    if held is None or held.row != row.row or (row.origin is not None and held.origin != row.origin):
        return True
    return row.last_validated is not None and held.last_validated != row.last_validated


def _reference_row(row: StatusCode, today: date) -> dict[str, Any]:
    return {
        **dict(zip(KEY, row.key, strict=True)),
        "meaning": row.meaning,
        "severity": row.severity.value,
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
        **{name: getattr(row, name) for name in DETAILS},
    )
