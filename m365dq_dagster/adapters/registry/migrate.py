"""Bringing a registry's tables to this program's state, by one process at a time. The steps themselves are in
`migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import URL, Connection, Engine

from m365dq_dagster.adapters.registry.engine import describe, reading, switch_to_wal, told_plainly, writing
from m365dq_dagster.core.errors import BadInput, InternalFault

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"
"""The revision this program works with; the newest file in `migrations/versions`."""
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
ADVISORY_LOCK = 3_650_365
LOCK_WAIT_SECONDS = 60


def upgrade(engine: Engine) -> None:
    """Make or migrate the tables; nothing happens where they are up to date.

    Raises `BadInput` where a newer program has migrated the registry already, `InternalFault` where the database
    refuses.
    """
    if _is_current(engine):
        return
    if engine.dialect.name == "sqlite":
        _upgrade_sqlite(engine)
    else:
        with writing(engine) as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            _run(connection)


def _is_current(engine: Engine) -> bool:
    with reading(engine) as connection:
        found = revision_of(connection)
    if found in (None, HEAD):
        return found == HEAD
    if found not in known_revisions():
        raise BadInput(newer(engine.url, found))
    return False


def newer(url: URL, revision: str) -> str:
    """The sentence for a registry of a revision that this program does not know."""
    return (
        f"The registry ({describe(url)}) was written by a newer m365dq (revision {revision[:40]}); this "
        f"program knows revisions up to {HEAD}: upgrade m365dq, or set M365DQ_REGISTRY_URL to another registry."
    )


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables, or None where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def known_revisions() -> frozenset[str]:
    """The revisions that this program has steps for."""
    from alembic.script import ScriptDirectory

    return frozenset(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())


def _upgrade_sqlite(engine: Engine) -> None:
    file = f"{engine.url.database}.migrate.lock"
    try:
        with FileLock(file, timeout=LOCK_WAIT_SECONDS, mode=0o600), told_plainly(engine.url):
            switch_to_wal(engine)
            with writing(engine) as connection:
                _run(connection)
    except Timeout:
        raise InternalFault(
            f"Another process has been migrating the registry ({describe(engine.url)}) for more than "
            f"{LOCK_WAIT_SECONDS} seconds; wait for it, then run again."
        ) from None


def upgrade_to(engine: Engine, revision: str) -> None:
    """Make the tables of a registry in a database that holds none, as they were at a revision."""
    with writing(engine) as connection:
        _run(connection, revision)


def _run(connection: Connection, revision: str = "head") -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
