"""Decisions of people and what was done, for the record: overrides, corrections, approvals, the audit log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.audit import audited
from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart
from m365dq_dagster.adapters.registry.records import AuditEntry, OverrideRecord
from m365dq_dagster.adapters.registry.tables import (
    audit_log,
    cases,
    correction_fields,
    corrections,
    overrides,
)
from m365dq_dagster.core.corrections import Correction, MisledField
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.overrides import MOST_CHARACTERS, holds_until, override_of
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.plain_text import one_line


class Journal(RegistryPart):
    """Recording and reading decisions."""

    def add_override(self, case_id: str, reason: str, person: Person, expires: str, now: datetime) -> None:
        """Keep a person's decision to skip the quality gate, up to and including the day `expires` (ISO 8601, UTC).

        Raises `BadInput` without a reason or a name given, or where the day is unreadable, past or too far ahead.
        """
        asked = override_of(reason, person.acting_as, expires, now.astimezone(UTC).date())
        row = {"case_id": case_id, "reason": asked.reason, "actor": asked.actor, "recorded_by": person.user}
        last = date.fromisoformat(asked.expires)
        told = {"case": case_id, "reason": asked.reason, "expires": asked.expires}
        with self._writing() as connection:
            connection.execute(sa.insert(overrides).values(**row, expires=last, created_at=now))
            connection.execute(audited(person.told, "override", told, now))

    def end_overrides(self, case_id: str, person: Person, reason: str, now: datetime) -> list[OverrideRecord]:
        """End what is in force for a case before its day, and say who did and why; returns what was ended.

        Raises `BadInput` without a reason, or where nothing is in force.
        """
        why = one_line(reason, MOST_CHARACTERS)
        if not why:
            raise BadInput("Ending an override needs --reason too: it is kept in the audit log.")
        with self._writing() as connection:
            ended = [one for one in _overrides(connection, case_id) if one[1].is_in_force(now)]
            if not ended:
                raise BadInput(f"No override is in force for case {case_id}; `m365dq overrides list` shows all.")
            ids = overrides.c.override_id.in_([key for key, _ in ended])
            connection.execute(sa.update(overrides).where(ids).values(ended_at=now, ended_by=person.told))
            connection.execute(audited(person.told, "end override", {"case": case_id, "reason": why}, now))
        return [replace(one, ended_at=now, ended_by=person.told) for _, one in ended]

    def overrides(self, case_id: str | None = None) -> list[OverrideRecord]:
        """The overrides, newest first; only those of one case where given."""
        with self._reading() as connection:
            return [one for _, one in _overrides(connection, case_id)]

    def active_override(self, case_id: str, now: datetime) -> OverrideRecord | None:
        """The newest override of the case that is in force at this moment, or None."""
        return next((one for one in self.overrides(case_id) if one.is_in_force(now)), None)

    def record_correction(
        self,
        case_id: str,
        finding: str,
        verdict: str,
        reason: str,
        actor: str,
        now: datetime,
        *,
        acting_as: str | None = None,
        subject: str | None = None,
        concluded: str | None = None,
        generation: str | None = None,
        fields: Iterable[MisledField] = (),
        after: int | None = None,
    ) -> int:
        """Keep that a conclusion was corrected; returns the correction's id. It counts into the forensic error rate.

        `after` is the id of the last correction of the subject that was known (0 for none): raises `BadInput` where
        another one has come in between.
        """
        about = subject or finding
        misled = list(fields)
        row = {"case_id": case_id, "finding": finding, "verdict": verdict, "reason": reason, "actor": actor}
        more = {"acting_as": acting_as, "subject": subject, "concluded": concluded, "generation": generation}
        told = {"case": case_id, "finding": finding, "verdict": verdict, "reason": reason, **more}
        detail = {**told, "fields": [one.name for one in misled]}
        with self._writing() as connection:
            _check_last(connection, case_id, about, after)
            made = sa.insert(corrections).values(**row, **more, corrected_at=now)
            correction_id = int(connection.execute(made.returning(corrections.c.correction_id)).scalar_one())
            if misled:
                connection.execute(sa.insert(correction_fields), [_field_row(correction_id, one) for one in misled])
            connection.execute(audited(Person(actor, acting_as).told, "correct", detail, now))
        return correction_id

    def corrections_until(self, end: datetime) -> list[Correction]:
        """The corrections recorded up to and including `end`, oldest first."""
        return self._corrections(corrections.c.corrected_at <= end)

    def corrections(self, case_id: str | None = None) -> list[Correction]:
        """The corrections of a case, or of all, oldest first."""
        return self._corrections(sa.true() if case_id is None else corrections.c.case_id == case_id)

    def _corrections(self, which: sa.ColumnElement[bool]) -> list[Correction]:
        table, fields = corrections, correction_fields
        chosen = sa.select(table).where(which).order_by(table.c.correction_id)
        misled = sa.select(fields).join(table).where(which).order_by(fields.c.log_type, fields.c.field_name)
        with self._reading() as connection:
            of_each: dict[int, list[MisledField]] = defaultdict(list)
            for row in connection.execute(misled):
                of_each[row.correction_id].append(MisledField(row.log_type, row.field_name, row.circumstances or {}))
            return [_correction(row, tuple(of_each[row.correction_id])) for row in connection.execute(chosen)]

    def audit(self, actor: str, action: str, detail: Mapping[str, Any], now: datetime) -> None:
        """Append to the audit log, which can be neither changed nor shortened."""
        with self._writing() as connection:
            connection.execute(audited(actor, action, detail, now))

    def audit_entries(self) -> list[AuditEntry]:
        """The audit log, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(audit_log).order_by(audit_log.c.audit_id)).all()
        return [AuditEntry(row.actor, row.action, row.detail, row.logged_at) for row in rows]


def _check_last(connection: Connection, case_id: str, about: str, after: int | None) -> None:
    """Hold the case's row until the transaction ends, and refuse where the last correction is not the one known."""
    if after is None:
        return
    connection.execute(sa.select(cases.c.case_id).where(cases.c.case_id == case_id).with_for_update())
    table = corrections
    of_subject = sa.func.coalesce(table.c.subject, table.c.finding) == about
    last = connection.scalar(
        sa.select(sa.func.max(table.c.correction_id)).where(table.c.case_id == case_id, of_subject)
    )
    if (last or 0) != after:
        raise BadInput(
            f"Somebody else has corrected {about[:80]} of case {case_id} in the meantime; "
            f"`m365dq show {case_id} corrections` shows it."
        )


def _field_row(correction_id: int, one: MisledField) -> dict[str, Any]:
    return {
        "correction_id": correction_id,
        "log_type": one.log_type,
        "field_name": one.field,
        "circumstances": dict(one.circumstances),
    }


def _correction(row: AnyRow, fields: tuple[MisledField, ...]) -> Correction:
    names = ("case_id", "finding", "verdict", "reason", "actor", "corrected_at", "acting_as", "subject", "concluded")
    values = {name: getattr(row, name) for name in (*names, "generation")}
    return Correction(**values, fields=fields, id=row.correction_id)


def _overrides(connection: Connection, case_id: str | None) -> list[tuple[int, OverrideRecord]]:
    """Overrides with their ids, newest first; none holds longer than is allowed, whatever its row says."""
    query = sa.select(overrides).order_by(overrides.c.override_id.desc())
    if case_id is not None:
        query = query.where(overrides.c.case_id == case_id)
    return [(row.override_id, _override(row)) for row in connection.execute(query)]


def _override(row: AnyRow) -> OverrideRecord:
    last = holds_until(row.expires, row.created_at)
    who = (row.recorded_by, row.ended_at, row.ended_by)
    return OverrideRecord(row.case_id, row.reason, row.actor, last, row.created_at, *who)
