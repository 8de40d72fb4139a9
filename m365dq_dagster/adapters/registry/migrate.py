"""Bringing a registry's tables to this program's state, by one process at a time. The steps themselves are in
`migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine

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
        found = _revision(connection)
    if found in (None, HEAD):
        return found == HEAD
    if found not in known_revisions():
        raise BadInput(
            f"The registry ({describe(engine.url)}) was written by a newer m365dq (revision {found[:40]}); this "
            f"program knows revisions up to {HEAD}: upgrade m365dq, or set M365DQ_REGISTRY_URL to another registry."
        )
    return False


def _revision(connection: Connection) -> str | None:
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


def _run(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
