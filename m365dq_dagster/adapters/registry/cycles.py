"""What the registry tells the quarterly cycle, and its cycles. What is due is judged in `core.maintenance`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from m365dq_dagster.adapters.registry.audit import audited
from m365dq_dagster.adapters.registry.part import RegistryPart
from m365dq_dagster.adapters.registry.tables import (
    code_sightings,
    field_reliability_scores,
    maintenance_cycles,
)


@dataclass(frozen=True)
class CycleRecord:
    """A cycle as it was kept: for which quarter, by whom, what it counted."""

    quarter: str
    actor: str
    counts: Mapping[str, Any]
    made_at: datetime


@dataclass(frozen=True)
class SightedValue:
    """A value as all cases together saw it. `last_sighted` is when a case that holds it was last judged."""

    log_type: str
    field: str
    value: str
    rows: int
    cases: int
    last_sighted: datetime


@dataclass(frozen=True)
class FieldUse:
    """How a field fared in the cases of some time: in how many it was judged, and in how many it could be heard."""

    table: str
    field: str
    cases: int
    heard: int


class Cycles(RegistryPart):
    """Recording cycles, and counting over all cases."""

    def record_cycle(self, quarter: str, actor: str, counts: Mapping[str, Any], now: datetime) -> None:
        """Keep that a cycle was gone through, and say so in the audit log."""
        row = {"quarter": quarter, "actor": actor, "counts": dict(counts), "made_at": now}
        with self._writing() as connection:
            connection.execute(sa.insert(maintenance_cycles).values(row))
            connection.execute(audited(actor, "maintain", {"quarter": quarter, **counts}, now))

    def cycles(self, quarter: str | None = None) -> list[CycleRecord]:
        """The cycles, oldest first; only those of one quarter where given."""
        table = maintenance_cycles
        query = sa.select(table.c.quarter, table.c.actor, table.c.counts, table.c.made_at).order_by(table.c.cycle_id)
        if quarter is not None:
            query = query.where(table.c.quarter == quarter)
        with self._reading() as connection:
            return [CycleRecord(*row) for row in connection.execute(query)]

    def sighted_values(self) -> list[SightedValue]:
        """Every value that a case ever held, the commonest first."""
        table = code_sightings
        key = (table.c.log_type, table.c.field_name, table.c.code_value)
        rows = sa.func.sum(table.c.rows)
        query = (
            sa.select(*key, rows, sa.func.count(), sa.func.max(table.c.last_sighted_at))
            .group_by(*key)
            .order_by(rows.desc(), *key)
        )
        with self._reading() as connection:
            return [
                SightedValue(row[0], row[1], row[2], int(row[3]), row[4], row[5]) for row in connection.execute(query)
            ]

    def field_uses(self, since: datetime) -> list[FieldUse]:
        """Every field that was judged at or after `since`: heard is a case in which its score was above 0 once."""
        table = field_reliability_scores
        heard = sa.case((table.c.adjusted_score > 0, table.c.case_id))
        query = (
            sa.select(
                table.c.table_name,
                table.c.field_name,
                sa.func.count(table.c.case_id.distinct()),
                sa.func.count(heard.distinct()),
            )
            .where(table.c.computed_at >= since)
            .group_by(table.c.table_name, table.c.field_name)
            .order_by(table.c.table_name, table.c.field_name)
        )
        with self._reading() as connection:
            return [FieldUse(*row) for row in connection.execute(query)]
