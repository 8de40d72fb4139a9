"""The canonical tables of a generation while evidence comes in: which there are, their columns, and the further ones
that speak of rows until the ledger is settled. What comes into them is the business of `landing`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import duckdb

from m365dq_dagster.adapters.evidence.formats import TYPES, FormatDefinition
from m365dq_dagster.adapters.sql import intake, landing
from m365dq_dagster.adapters.sql.landing import TargetColumn


class Tables:
    """Every canonical table, by log type. One that only format files describe is made when its first file comes in."""

    def __init__(self, con: duckdb.DuckDBPyConnection, formats: Sequence[FormatDefinition]) -> None:
        self.con = con
        self.described = described_tables(formats)
        self.found: dict[str, list[TargetColumn]] = {}
        self.opened: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self.found))

    def clear(self) -> None:
        """Leave every table empty."""
        self.look()
        for table in self.found:
            self.con.execute(intake.clear(table))

    def columns(self, log_type: str) -> Sequence[TargetColumn]:
        """The canonical columns of a log type."""
        return self.found[log_type]

    def open(self, log_type: str) -> Sequence[TargetColumn]:
        """Make a table ready for files; returns its canonical columns."""
        if log_type not in self.opened:
            if log_type not in self.found:
                self.con.execute(landing.create_table(log_type, self.described[log_type]))
                self.look()
            for statement in landing.open_for_landing(log_type):
                self.con.execute(statement)
            self.opened[log_type] = None
        return self.found[log_type]

    def close(self) -> None:
        """Keep the hashes of rows without an id, and drop what speaks of rows."""
        for log_type in self.opened:
            self.con.execute(landing.remember_hashes(log_type))
            for statement in landing.close_landing(log_type):
                self.con.execute(statement)
        self.opened.clear()

    def look(self) -> None:
        """See which tables and columns there are."""
        self.found.clear()
        for table, column, kind in self.con.execute(intake.statement("canonical_tables")).fetchall():
            if column not in landing.TRANSIENT:
                self.found.setdefault(table, []).append(TargetColumn(column, kind))


def described_tables(formats: Iterable[FormatDefinition]) -> dict[str, dict[str, str]]:
    """The log types of the format files, each with its columns and their SQL types, sums of what its formats map."""
    found: dict[str, dict[str, str]] = {}
    for one in formats:
        if not one.log_type:
            continue
        columns = found.setdefault(one.log_type, {})
        if {"user_principal_name", "user_id"} & one.fields.keys():
            columns |= {"account": "VARCHAR", "is_person": "BOOLEAN"}
        if "ip_address" in one.fields:
            columns |= {"address": "VARCHAR"}
        own = (name for name in (*one.fields, *one.name_values) if name not in ("event_id", "event_time"))
        columns |= {name: TYPES[one.types.get(name, "text")] for name in own}
    return found
