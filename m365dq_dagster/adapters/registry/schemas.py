"""Which field lists exports were seen with, what changed between them, and what audit logs are made of. What a
difference means is judged in `core.schema_diff` and `core.log_shapes`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.audit import audited
from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, insert_new, upsert
from m365dq_dagster.adapters.registry.records import SchemaChangeRecord, SchemaVersion
from m365dq_dagster.adapters.registry.tables import (
    log_shapes,
    schema_changes,
    schema_fields,
    schema_versions,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.field_lists import FieldList, schema_hash
from m365dq_dagster.core.log_shapes import OperationRows, Span
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange

VERSION_KEY = ("log_type", "api_version", "schema_hash")
CHANGE_KEY = ("log_type", "api_version", "kind", "name", "became", "origin")
SHAPE_KEY = ("case_id", "log_type", "kind", "name", "within")
IMPORT, DOCUMENT = "IMPORT", "DOCUMENT"
OPERATION, SPAN = "OPERATION", "SPAN"
NOTE_CHARS = 4000
VERSIONS_ASKED, CASES_ASKED, LATEST = 30, 40, 200
"""How many versions of a format, and how many cases of any and of its own tenant, an import is compared with, and how
many versions of any format a header is compared with that none knows: the latest ones."""
NAME_CHARS = 300


class Schemas(RegistryPart):
    """Field lists of exports, their changes, and the operations that audit logs hold."""

    def keep_field_list(self, seen: FieldList, case_id: str, now: datetime) -> tuple[int, bool]:
        """Keep the field list of an import as a version; returns its id, and whether this case is the first to show it,
        also where the case is judged again. A known version takes over what the import shows of its names, whoever
        writes first."""
        with self._writing() as connection:
            version_id = _version(connection, seen, now)
            row = {
                "version_id": version_id,
                "format_name": seen.format_name,
                "case_id": case_id,
                "fields": seen.as_mapping(),
                "rows": sum(seen.rows.values()),
                "first_seen_at": now,
                "last_seen_at": now,
            }
            upsert(connection, schema_fields, [row], ["version_id"], ["fields", "rows", "last_seen_at"])
            first = sa.select(schema_fields.c.case_id).where(schema_fields.c.version_id == version_id)
            return version_id, connection.execute(first).scalar_one() == case_id

    def field_lists(self, log_type: str, api_version: str, format_name: str) -> list[tuple[int, FieldList]]:
        """The latest versions of one format with their ids, the one seen last first."""
        query = _versions().where(
            schema_versions.c.log_type == log_type,
            schema_versions.c.api_version == api_version,
            schema_fields.c.format_name == format_name,
        )
        order = schema_fields.c.last_seen_at.desc(), schema_versions.c.version_id.desc()
        with self._reading() as connection:
            found = connection.execute(query.order_by(*order).limit(VERSIONS_ASKED)).all()
        return [(row.version_id, FieldList.of(format_name, log_type, api_version, row.fields)) for row in found]

    def latest_field_lists(self) -> list[tuple[int, FieldList]]:
        """The versions seen last, whatever their format, with their ids."""
        query = _versions().order_by(schema_fields.c.last_seen_at.desc(), schema_versions.c.version_id.desc())
        with self._reading() as connection:
            found = connection.execute(query.limit(LATEST)).all()
        return [
            (row.version_id, FieldList.of(row.format_name, row.log_type, row.api_version, row.fields)) for row in found
        ]

    def schema_versions(self) -> list[SchemaVersion]:
        """Every version, by log type, interface version and age."""
        order = schema_versions.c.log_type, schema_versions.c.api_version, schema_versions.c.version_id
        with self._reading() as connection:
            return [_schema_version(row) for row in connection.execute(_versions(outer=True).order_by(*order))]

    def record_schema_changes(
        self,
        changes: Iterable[SchemaChange],
        api_version: str,
        origin: str,
        now: datetime,
        *,
        case_id: str | None = None,
        version_id: int | None = None,
    ) -> list[SchemaChangeRecord]:
        """Keep changes, each once for ever: the same log type, interface version, kind and names are the same change,
        and the first one who saw it stands. `origin` is IMPORT or DOCUMENT. Returns those that are new."""
        rows = [change_row(one, api_version, origin, now, case_id, version_id) for one in changes]
        with self._writing() as connection:
            fresh = [row for row in rows if insert_new(connection, schema_changes, row, CHANGE_KEY)]
            found = [_change_of(connection, row) for row in fresh]
        return found

    def schema_changes(self, state: str | None = None, origin: str | None = None) -> list[SchemaChangeRecord]:
        """The changes, newest first; only OPEN or CLOSED ones, only those of one origin, where given."""
        query = sa.select(schema_changes).order_by(
            schema_changes.c.detected_at.desc(), schema_changes.c.change_id.desc()
        )
        if state is not None:
            query = query.where(schema_changes.c.state == state)
        if origin is not None:
            query = query.where(schema_changes.c.origin == origin)
        with self._reading() as connection:
            return [_change(row) for row in connection.execute(query)]

    def schema_changes_of_case(self, case_id: str, versions: Collection[int]) -> list[SchemaChangeRecord]:
        """The changes that a case showed first, and the open ones of some versions, oldest first."""
        table = schema_changes
        of_versions = sa.and_(table.c.version_id.in_(list(versions)), table.c.state == "OPEN")
        query = sa.select(table).where(table.c.origin == IMPORT, sa.or_(table.c.case_id == case_id, of_versions))
        with self._reading() as connection:
            return [_change(row) for row in connection.execute(query.order_by(table.c.change_id))]

    def close_schema_change(self, change_id: int, person: Person, reason: str, now: datetime) -> SchemaChangeRecord:
        """Say that a change was dealt with, by whom and why; it goes into the audit log. One that is closed stays as it
        is. Raises `BadInput` where there is none of that id, or no reason."""
        if not reason.strip():
            raise BadInput("Closing a schema change needs a reason; give --reason with what was done about it.")
        table = schema_changes
        open_one = sa.and_(table.c.change_id == change_id, table.c.state == "OPEN")
        closed = {"state": "CLOSED", "closed_by": person.told, "close_reason": reason.strip(), "closed_at": now}
        with self._writing() as connection:
            done = connection.execute(table.update().where(open_one).values(closed).returning(table.c.change_id)).all()
            row = connection.execute(sa.select(table).where(table.c.change_id == change_id)).one_or_none()
            if row is None:
                raise BadInput(f"There is no schema change {change_id}; `m365dq schema changes` lists them.")
            if done:
                detail = {"change": change_id, "kind": row.kind, "what": row.detail, "reason": reason.strip()}
                connection.execute(audited(person.told, "close_schema_change", detail, now))
        return _change(row)

    def record_operations(self, rows: Iterable[OperationRows], log_type: str, now: datetime) -> None:
        """Keep how many rows of each operation, by record type, a case holds."""
        values = [_operation_row(one, log_type, now) for one in rows]
        with self._writing() as connection:
            upsert(
                connection, log_shapes, values, SHAPE_KEY, ["rows", "tenant", "first_event", "last_event", "seen_at"]
            )

    def operations_of_cases(self, log_type: str, tenants: Collection[str] = ()) -> list[OperationRows]:
        """The operations of the latest cases, and of the latest of some tenants; those of the case seen last at the
        end."""
        table = log_shapes
        ours = sa.and_(table.c.log_type == log_type, table.c.kind == OPERATION)
        asked = sa.union(_latest_cases(ours), _latest_cases(sa.and_(ours, table.c.tenant.in_(list(tenants)))))
        query = sa.select(table).where(ours, table.c.case_id.in_(asked))
        with self._reading() as connection:
            found = connection.execute(query.order_by(table.c.seen_at, table.c.case_id, table.c.within, table.c.name))
            return [
                OperationRows(
                    row.case_id,
                    row.within,
                    row.name,
                    row.rows,
                    row.tenant,
                    _plain(row.first_event),
                    _plain(row.last_event),
                )
                for row in found
            ]

    def record_span(self, case_id: str, log_type: str, first: datetime, last: datetime, now: datetime) -> None:
        """Keep between which events a log of a case lies."""
        row = {
            "case_id": case_id,
            "log_type": log_type,
            "kind": SPAN,
            "name": log_type,
            "within": "",
            "rows": 0,
            "tenant": None,
            "first_event": _aware(first),
            "last_event": _aware(last),
            "seen_at": now,
        }
        with self._writing() as connection:
            upsert(connection, log_shapes, [row], SHAPE_KEY, ["first_event", "last_event", "seen_at"])

    def spans(self, log_type: str) -> list[Span]:
        """How far a log reaches in each case."""
        table = log_shapes
        query = sa.select(table).where(table.c.log_type == log_type, table.c.kind == SPAN).order_by(table.c.case_id)
        with self._reading() as connection:
            found = connection.execute(query).all()
        return [
            Span(row.case_id, log_type, (row.last_event - row.first_event).total_seconds() / 86_400) for row in found
        ]


def _latest_cases(wanted: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The ids of the cases seen last among some rows; a registry of years makes no import wait for all of them."""
    table = log_shapes
    found = sa.select(table.c.case_id).where(wanted).group_by(table.c.case_id)
    found = found.order_by(sa.func.max(table.c.seen_at).desc(), table.c.case_id).limit(CASES_ASKED)
    return sa.select(found.subquery().c.case_id)


def _version(connection: Connection, seen: FieldList, now: datetime) -> int:
    """The id of the version with these names, in whatever order, made where there is none."""
    row = {
        "log_type": seen.log_type,
        "api_version": seen.api_version,
        "schema_hash": schema_hash(seen.names),
        "detected_date": now.astimezone(UTC).date(),
        "notes": one_line(", ".join(seen.names), NOTE_CHARS),
    }
    insert_new(connection, schema_versions, row, VERSION_KEY)
    table = schema_versions
    query = sa.select(table.c.version_id).where(*(table.c[name] == row[name] for name in VERSION_KEY))
    return int(connection.execute(query).scalar_one())


def _versions(*, outer: bool = False) -> sa.Select[Any]:
    extra = (schema_fields.c[name] for name in ("format_name", "case_id", "fields", "rows", "last_seen_at"))
    return sa.select(schema_versions, *extra).select_from(schema_versions.join(schema_fields, isouter=outer))


def _schema_version(row: AnyRow) -> SchemaVersion:
    names = [one["as"] for one in (row.fields or {}).get("fields", {}).values()]
    return SchemaVersion(
        row.version_id,
        row.log_type,
        row.api_version,
        row.schema_hash,
        row.detected_date,
        row.format_name,
        row.case_id,
        tuple(sorted(set(names))),
        row.rows,
        row.last_seen_at,
    )


def change_row(
    one: SchemaChange,
    api_version: str,
    origin: str,
    now: datetime,
    case_id: str | None = None,
    version_id: int | None = None,
) -> dict[str, Any]:
    """A change as its table keeps it."""
    return {
        "log_type": one.log_type,
        "api_version": api_version,
        "kind": one.kind.value,
        "name": one_line(one.before, NAME_CHARS),
        "became": one_line(one.after, NAME_CHARS),
        "severity": one.severity.value,
        "detail": one.detail,
        "origin": origin,
        "source": one.source,
        "effective": one.effective,
        "detected_at": now,
        "version_id": version_id,
        "case_id": case_id,
    }


def _change_of(connection: Connection, row: dict[str, Any]) -> SchemaChangeRecord:
    query = sa.select(schema_changes).where(*(schema_changes.c[name] == row[name] for name in CHANGE_KEY))
    return _change(connection.execute(query).one())


def _change(row: AnyRow) -> SchemaChangeRecord:
    return SchemaChangeRecord(
        row.change_id,
        ChangeKind(row.kind),
        Severity(row.severity),
        row.log_type,
        row.api_version,
        row.name,
        row.became,
        row.detail,
        row.origin,
        row.source,
        row.effective,
        row.detected_at,
        row.state,
        row.closed_by,
        row.close_reason,
        row.closed_at,
        row.version_id,
        row.case_id,
    )


def _operation_row(one: OperationRows, log_type: str, now: datetime) -> dict[str, Any]:
    return {
        "case_id": one.case_id,
        "log_type": log_type,
        "kind": OPERATION,
        "name": one.operation,
        "within": one.record_type,
        "rows": one.rows,
        "tenant": one.tenant,
        "first_event": _aware(one.first_event),
        "last_event": _aware(one.last_event),
        "seen_at": now,
    }


def _aware(moment: datetime | None) -> datetime | None:
    """Event times of the evidence are UTC without offset."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _plain(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
