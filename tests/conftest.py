"""Fixtures that every kind of test shares: an isolated home, stores in it, the real evidence beside the checkout.

What only one kind of test needs stands in that folder's own ``conftest.py`` or in ``tests/support``.
"""

import gc
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import duckdb

    from m365dq_dagster.adapters.clock import FixedClock
    from m365dq_dagster.adapters.registry import Registry
    from tests.support.spark_cluster import SparkCluster

ROOT = Path(__file__).resolve().parents[1]

# Great Expectations reads this once, at import, wherever the first import happens.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")

# What is imported and collected stays to the end: half a million objects that every collection of garbage would walk
# through again cost a tenth of the whole suite. None is made while they come into being, and they are left out later.
gc.disable()

_CALM = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)
settings.register_profile("ci", max_examples=14, deadline=None, derandomize=True, suppress_health_check=_CALM)
settings.register_profile("soak", max_examples=600, deadline=None, suppress_health_check=_CALM)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--registry postgres` runs whatever takes a registry on a real Postgres; `--renew-golden` keeps new digests."""
    parser.addoption("--registry", choices=("sqlite", "postgres"), default="sqlite", help="the registry of the tests")
    parser.addoption("--renew-golden", action="store_true", help="keep the digests of all tables as they are now")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the soak tests out unless they were asked for."""
    if "soak" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="a long random run; `make soak` runs it"))


def pytest_collection_finish() -> None:
    """Collect garbage from here on, seldom, and only among what the tests themselves make."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own; nothing of the caller's settings reaches a test."""
    for name in [name for name in os.environ if name.startswith("M365DQ_") or name == "DAGSTER_HOME"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("M365DQ_HOME", str(folder))
    return folder


@pytest.fixture
def now() -> datetime:
    """The moment at which a test with a fixed clock takes place."""
    return datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock(now: datetime) -> "FixedClock":
    """A clock that stands at ``now``."""
    from m365dq_dagster.adapters.clock import FixedClock

    return FixedClock(now)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running Postgres; skips, saying why, where none can be started."""
    from tests.support.databases import NoPostgres, postgres_server

    with ExitStack() as stack:
        try:
            address = stack.enter_context(postgres_server())
        except NoPostgres as reason:
            print(f"Postgres is left out: {reason}")
            pytest.skip(f"Postgres is left out: {reason}")
        yield address


@pytest.fixture(scope="session")
def sail() -> Iterator[str]:
    """The address of a Spark Connect server on loopback, within the process of the tests."""
    from tests.support.engines import sail

    with sail() as url:
        yield url


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkCluster]":
    """A running Apache Spark with two workers; skips, saying why, where none can be started."""
    from tests.support.spark_cluster import NoSpark, SparkCluster

    try:
        cluster = SparkCluster(tmp_path_factory.mktemp("spark")).start()
    except NoSpark as reason:
        print(f"Apache Spark is left out: {reason}")
        pytest.skip(f"Apache Spark is left out: {reason}")
    yield cluster
    cluster.stop()


@pytest.fixture
def registry_url(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the test's own registry: a file in its home, or with `--registry postgres` a database there."""
    if request.config.getoption("registry") == "sqlite":
        yield f"sqlite:///{home / 'registry.sqlite3'}"
        return
    from tests.support.databases import fresh_database

    with fresh_database(request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex[:12]}") as url:
        monkeypatch.setenv("M365DQ_REGISTRY_URL", url)
        yield url


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an empty registry, with every migration applied; to be copied, which takes a tenth of making it."""
    from m365dq_dagster.adapters.registry import Registry

    file = tmp_path_factory.mktemp("registry") / "registry.sqlite3"
    Registry.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def registry(registry_url: str, empty_registry: Path) -> "Iterator[Registry]":
    """An empty registry of the test's own, with every migration applied."""
    from m365dq_dagster.adapters.registry import Registry

    scheme, _, file = registry_url.partition(":///")
    if scheme == "sqlite" and not Path(file).exists():
        shutil.copyfile(empty_registry, file)
    store = Registry.open(registry_url)
    yield store
    store.close()


@pytest.fixture
def duckdb_con() -> "Iterator[duckdb.DuckDBPyConnection]":
    """A generation of a case in memory, with its tables made and nothing in them."""
    import duckdb

    from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, create_schema

    con = duckdb.connect(":memory:", config=CONNECT_CONFIG)
    create_schema(con)
    yield con
    con.close()


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of real public evidence beside the checkout; a test that reads it skips where it is absent."""
    folder = ROOT.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the real public evidence (../shared/cases) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout."""
    return ROOT
