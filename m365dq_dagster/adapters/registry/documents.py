"""The last readings of the vendor's documents, and the changes found in them. Comparing them belongs to
`core.vendor_diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, insert_new, upsert
from m365dq_dagster.adapters.registry.schemas import CHANGE_KEY, DOCUMENT, NAME_CHARS, change_row
from m365dq_dagster.adapters.registry.tables import schema_changes, vendor_documents
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import SchemaChange
from m365dq_dagster.core.vendor_pages import Snapshot

ChangeKey = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class KeptDocument:
    """A document as it was last read: its name, the SHA-256 of its bytes, what it said, when."""

    name: str
    sha256: str
    snapshot: Snapshot
    read_at: datetime


def change_key(change: SchemaChange) -> ChangeKey:
    """What makes two changes the same: log type, surface, kind, the name before and after."""
    return (
        change.log_type,
        one_line(change.surface, NAME_CHARS),
        change.kind.value,
        one_line(change.before, NAME_CHARS),
        one_line(change.after, NAME_CHARS),
    )


class Documents(RegistryPart):
    """Snapshots of vendor documents with the changes that came of them."""

    def vendor_documents(self) -> list[KeptDocument]:
        """The last reading of every document, the one read longest ago first."""
        table = vendor_documents
        query = sa.select(table).order_by(table.c.read_at, table.c.document_id)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        last: dict[str, AnyRow] = {}
        for row in rows:
            last.pop(row.name, None)
            last[row.name] = row
        return [
            KeptDocument(row.name, row.sha256, Snapshot.from_json(row.snapshot), row.read_at) for row in last.values()
        ]

    def document_changes(self) -> set[ChangeKey]:
        """The keys of every change that a document was ever found to make."""
        names = CHANGE_KEY[:-1]
        query = sa.select(*(schema_changes.c[name] for name in names)).where(schema_changes.c.origin == DOCUMENT)
        with self._reading() as connection:
            return {(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query)}

    def keep_document(
        self, name: str, sha256: str, snapshot: Snapshot, changes: Iterable[SchemaChange], now: datetime
    ) -> Sequence[SchemaChange]:
        """Keep a reading and its changes together, or nothing; returns the changes that were not kept before."""
        row = {
            "name": name,
            "kind": snapshot.kind.value,
            "sha256": sha256,
            "snapshot": snapshot.as_json(),
            "read_at": now,
        }
        with self._writing() as connection:
            upsert(connection, vendor_documents, [row], ["name", "sha256"], ["kind", "snapshot", "read_at"])
            rows = ((one, change_row(one, one_line(one.surface, NAME_CHARS), DOCUMENT, now)) for one in changes)
            return [one for one, kept in rows if insert_new(connection, schema_changes, kept, CHANGE_KEY)]
