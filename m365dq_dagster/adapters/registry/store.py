"""The registry as one thing: opened by address, migrated, closed. Each noun's methods stand in its own module."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from sqlalchemy.engine import Engine

from m365dq_dagster.adapters.registry.cases import Cases
from m365dq_dagster.adapters.registry.changes import CodeChanges
from m365dq_dagster.adapters.registry.codes import Codes
from m365dq_dagster.adapters.registry.cycles import Cycles
from m365dq_dagster.adapters.registry.documents import Documents
from m365dq_dagster.adapters.registry.engine import create_engine, describe, parse_url
from m365dq_dagster.adapters.registry.journal import Journal
from m365dq_dagster.adapters.registry.migrate import upgrade
from m365dq_dagster.adapters.registry.outbox import Outbox
from m365dq_dagster.adapters.registry.runs import Runs
from m365dq_dagster.adapters.registry.schemas import Schemas


class Registry(Cases, Runs, Codes, CodeChanges, Schemas, Outbox, Journal, Cycles, Documents):
    """What outlives a case: cases and their stages, imports, scores, codes, alerts, decisions.

    Safe to use from several threads and processes at once; open one after a fork, not before.
    """

    @classmethod
    def open(cls, url: str) -> Registry:
        """Open the registry at a SQLAlchemy address (SQLite file or Postgres) and bring its tables up to date.

        Raises `BadInput` for an address that cannot hold a registry or one that a newer program wrote, `InternalFault`
        where the database does not answer.
        """
        engine = create_engine(parse_url(url))
        try:
            upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @staticmethod
    def is_there(url: str) -> bool:
        """Whether there is anything to open at an address, as far as that can be told without opening it: a database
        server is taken to hold a registry. Raises `BadInput` as `open` does.
        """
        parsed = parse_url(url)
        return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()

    @property
    def engine(self) -> Engine:
        """The engine, for reports that query the registry themselves."""
        return self._engine

    @property
    def place(self) -> str:
        """Where the registry is, without secrets."""
        return describe(self._engine.url)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
