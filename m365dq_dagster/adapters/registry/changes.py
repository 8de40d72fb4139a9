"""Changes to the status-code reference in the registry: proposed, decided, and what they made of its rows. Who may
propose and decide what is judged in `core.code_changes`; what the rule pack holds is its own matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.audit import audited
from m365dq_dagster.adapters.registry.codes import KEY, history_row, read_codes, write_codes
from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, insert_any
from m365dq_dagster.adapters.registry.records import CodeChange, CodeHistory, StatusCode
from m365dq_dagster.adapters.registry.tables import (
    approvals,
    status_code_changes,
    status_code_history,
)
from m365dq_dagster.core.code_changes import (
    ChangeAction,
    ChangeState,
    CodeKey,
    Proposal,
    ReferenceRow,
    Settlement,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.reference import spread

FROM_CHANGE = "CHANGE"
"""Where a row comes from that a change made."""


class CodeChanges(RegistryPart):
    """Proposing, deciding and reading changes of the reference."""

    def propose_codes(
        self, proposals: Iterable[Proposal], now: datetime, file: str | None = None
    ) -> tuple[CodeChange, ...]:
        """Keep proposals as changes that wait: all of them or none. `file` names where they stood. Raises `BadInput`
        naming the change that waits for the same value already.
        """
        with self._writing() as connection:
            return tuple(_propose(connection, proposal, now, file) for proposal in proposals)

    def settle_codes(
        self, settlements: Iterable[Settlement], decider: Person, now: datetime, file: str | None = None
    ) -> tuple[CodeChange, ...]:
        """Approve or reject changes: all of them or none, each once. What is approved is in the reference from then on,
        with its history; a settlement that is PENDING is proposed only. `file` names where the decisions stood.

        Raises `BadInput` where a change is not there or was decided in the meantime.
        """
        with self._writing() as connection:
            return tuple(_settle(connection, one, decider, now, file) for one in settlements)

    def reference(self) -> list[ReferenceRow]:
        """Every row of the reference, those that wait included."""
        with self._reading() as connection:
            return [code.row for code in read_codes(connection)]

    def code_changes(self, state: ChangeState | None = None) -> list[CodeChange]:
        """Every change, oldest first; only those in one state where given."""
        table = status_code_changes
        query = sa.select(table).order_by(table.c.change_id)
        if state is not None:
            query = query.where(table.c.state == state.value)
        with self._reading() as connection:
            return [_change(row) for row in connection.execute(query)]

    def code_history(self, value: str) -> list[CodeHistory]:
        """How the rows of one value came about, oldest first."""
        table = status_code_history
        query = sa.select(table).where(table.c.code_value == value).order_by(table.c.history_id)
        with self._reading() as connection:
            return [_history(row) for row in connection.execute(query)]


def _propose(connection: Connection, proposal: Proposal, now: datetime, file: str | None = None) -> CodeChange:
    key = proposal.after.key
    row = {
        **_key_columns(key),
        "action": proposal.action.value,
        "before": proposal.before.as_mapping() if proposal.before else None,
        "after": proposal.after.as_mapping(),
        "critical": proposal.is_critical,
        "reason": proposal.reason,
        "source": proposal.source,
        "state": ChangeState.PENDING.value,
        "proposed_by": proposal.proposer.user,
        "proposed_as": proposal.proposer.acting_as,
        "proposed_at": now,
    }
    made = insert_any(connection, status_code_changes, row, status_code_changes.c.change_id)
    if made is None:
        raise BadInput(_waits_already(connection, key))
    detail = {"change": made, **_key_columns(key), "change_action": row["action"], "critical": row["critical"]}
    detail |= {"reason": proposal.reason} | ({"file": file} if file else {})
    connection.execute(audited(proposal.proposer.told, "code-propose", detail, now))
    return _get(connection, made)


def _waits_already(connection: Connection, key: CodeKey) -> str:
    table = status_code_changes
    query = sa.select(table).where(*_is(table, key), table.c.state == ChangeState.PENDING.value)
    change = _change(connection.execute(query).one())
    return (
        f"Change {change.id} of {change.proposer.told} already waits for {key}; decide on it first: "
        f"{key.command('approve')}, or reject it with --reason."
    )


def _settle(
    connection: Connection, settlement: Settlement, decider: Person, now: datetime, file: str | None
) -> CodeChange:
    wanted = settlement.change
    number = wanted if isinstance(wanted, int) else _propose(connection, wanted, now, file).id
    if settlement.state is ChangeState.PENDING:
        return _get(connection, number)
    change = _decide(connection, number, settlement, decider, now)
    if change.state is ChangeState.APPROVED:
        _put_in_force(connection, change, decider, now)
    _keep_decision(connection, change, decider, now, file)
    return change


def _keep_decision(
    connection: Connection, change: CodeChange, decider: Person, now: datetime, file: str | None
) -> None:
    row = {"subject": f"change {change.id}: {change.key}", "decision": change.state.value, "actor": decider.told}
    reason = change.decision_reason
    connection.execute(sa.insert(approvals).values(**row, reason=reason, decided_at=now))
    verb = "code-approve" if change.state is ChangeState.APPROVED else "code-reject"
    detail = {"change": change.id, **_key_columns(change.key), "reason": reason, "proposed_by": change.proposer.told}
    connection.execute(audited(decider.told, verb, {**detail, "file": file} if file else detail, now))


def _decide(connection: Connection, number: int, settlement: Settlement, decider: Person, now: datetime) -> CodeChange:
    """One statement, so that of two deciders at once exactly one wins."""
    table = status_code_changes
    decided = (
        sa.update(table)
        .where(table.c.change_id == number, table.c.state == ChangeState.PENDING.value)
        .values(
            state=settlement.state.value,
            decided_by=decider.user,
            decided_as=decider.acting_as,
            decision_reason=settlement.reason,
            decided_at=now,
        )
    )
    won = connection.execute(decided).rowcount == 1
    change = _get(connection, number)
    if not won:
        by = change.decider.told if change.decider else "somebody"
        raise BadInput(
            f"Change {number} for {change.key} was {change.state.value.lower()} by {by} in the meantime; nothing was "
            "done. m365dq codes history tells more."
        )
    return change


def _put_in_force(connection: Connection, change: CodeChange, decider: Person, now: datetime) -> None:
    """Write the row into the reference, in every place that shares the vocabulary, and what it was before."""
    rows = {row.key: row for row in (StatusCode.of(one, FROM_CHANGE) for one in spread(change.after))}
    held = {code.key: code for code in read_codes(connection, change.key.value)}
    write_codes(connection, rows, now.astimezone(UTC).date())
    by = {"origin": FROM_CHANGE, "actor": decider.told, "change_id": change.id}
    told = [history_row(held.get(key), row, now, **by) for key, row in rows.items()]
    connection.execute(sa.insert(status_code_history), told)


def _is(table: sa.Table, key: CodeKey) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(table.c[name] == value for name, value in _key_columns(key).items())


def _key_columns(key: CodeKey) -> dict[str, str]:
    return dict(zip(KEY, (key.log_type, key.field, key.value), strict=True))


def _get(connection: Connection, number: int) -> CodeChange:
    table = status_code_changes
    row = connection.execute(sa.select(table).where(table.c.change_id == number)).one_or_none()
    if row is None:
        raise BadInput(f"There is no change {number}; m365dq codes list --state PENDING lists those that wait.")
    return _change(row)


def _change(row: AnyRow) -> CodeChange:
    return CodeChange(
        id=row.change_id,
        key=CodeKey(row.log_type, row.field_name, row.code_value),
        action=ChangeAction(row.action),
        before=ReferenceRow.from_mapping(row.before) if row.before else None,
        after=ReferenceRow.from_mapping(row.after),
        critical=row.critical,
        reason=row.reason,
        source=row.source,
        state=ChangeState(row.state),
        proposer=Person(row.proposed_by, row.proposed_as),
        proposed_at=row.proposed_at,
        decider=Person(row.decided_by, row.decided_as) if row.decided_by else None,
        decision_reason=row.decision_reason,
        decided_at=row.decided_at,
    )


def _history(row: AnyRow) -> CodeHistory:
    return CodeHistory(
        key=CodeKey(row.log_type, row.field_name, row.code_value),
        before=row.before,
        after=row.after,
        origin=row.origin,
        actor=row.actor,
        change=row.change_id,
        pack_hash=row.pack_hash,
        changed_at=row.changed_at,
    )
