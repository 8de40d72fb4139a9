"""One suite, two engines: every test that takes ``store`` or ``address`` runs on SQLite and on a real Postgres."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.tables import metadata
from tests.support.databases import fresh_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'registry.sqlite3'}"
        return
    with fresh_database(request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_registry(postgres: str) -> Iterator[str]:
    """The address of a database that is migrated once and emptied before every test."""
    with fresh_database(postgres, "registry") as url:
        Registry.open(url).close()
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_registry: Path) -> Iterator[Registry]:
    """An empty registry."""
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copyfile(empty_registry, tmp_path / 'registry.sqlite3')}"
    else:
        url = request.getfixturevalue("postgres_registry")
        _empty(url)
    with Registry.open(url) as registry:
        yield registry


def _empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE")
