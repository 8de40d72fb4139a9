"""The status-code reference in the registry. Where its rows come from is the rule pack's matter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, upsert
from m365dq_dagster.adapters.registry.records import StatusCode
from m365dq_dagster.adapters.registry.tables import status_code_details, status_code_reference
from m365dq_dagster.core.outcome import Severity

EXTRA = ("category", "outcome", "first_factor", "portal_status", "provenance", "method", "state")
KEY = ("log_type", "field_name", "code_value")


class Codes(RegistryPart):
    """Loading and looking up status codes."""

    def load_status_codes(self, rows: Iterable[StatusCode], now: datetime) -> int:
        """Bring the reference to the given rows; returns how many are new or changed, so a second load returns 0.

        `first_seen` of a known code stays; `last_validated` moves only where the code changed or the row names a day.
        Codes that are not among the rows stay as they are.
        """
        today = now.astimezone(UTC).date()
        wanted = {(row.log_type, row.field, row.value): row for row in rows}
        with self._writing() as connection:
            held = {(code.log_type, code.field, code.value): code for code in _codes(connection)}
            changed = {key: row for key, row in wanted.items() if _differs(held.get(key), row)}
            upsert(
                connection,
                status_code_reference,
                [_reference_row(row, today) for row in changed.values()],
                KEY,
                ["meaning", "severity", "last_validated", "deprecated"],
            )
            ids = _ids(connection)
            details = [
                {"code_id": ids[key], **{name: getattr(row, name) for name in EXTRA}} for key, row in changed.items()
            ]
            upsert(connection, status_code_details, details, ["code_id"], EXTRA)
        return len(changed)

    def status_codes(self, value: str | None = None) -> list[StatusCode]:
        """The reference by log type, field and value; only one value where given."""
        with self._reading() as connection:
            return _codes(connection, value)


def _codes(connection: Connection, value: str | None = None) -> list[StatusCode]:
    table, details = status_code_reference, status_code_details
    state = sa.func.coalesce(details.c.state, "ACTIVE").label("state")
    extra = (details.c[name] for name in EXTRA if name != "state")
    query = sa.select(table, *extra, state).select_from(table.outerjoin(details))
    if value is not None:
        query = query.where(table.c.code_value == value)
    return [_code(row) for row in connection.execute(query.order_by(*(table.c[name] for name in KEY)))]


def _ids(connection: Connection) -> dict[tuple[str, str, str], int]:
    table = status_code_reference
    rows = connection.execute(sa.select(table.c.log_type, table.c.field_name, table.c.code_value, table.c.code_id))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _differs(held: StatusCode | None, row: StatusCode) -> bool:
    if held is None:
        return True
    names = ("meaning", "severity", "deprecated", *EXTRA)
    if any(getattr(held, name) != getattr(row, name) for name in names):
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
        **{name: getattr(row, name) for name in EXTRA},
    )
