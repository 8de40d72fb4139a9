"""A dry run of the quarterly cycle is the cycle, and leaves no trace: neither in a file of the home folder, nor in a
table of the registry, nor anywhere but in a temporary folder that is gone afterwards.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry, migrate
from m365dq_dagster.adapters.registry.engine import create_engine, parse_url
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.maintenance import Topic
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.maintenance import CycleRequest, dry_run, run_cycle
from tests.support.program import call, call_json
from tests.support.published_case import publish_sign_ins
from tests.support.traces import files_of, tables_of

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REQUEST = CycleRequest(Person("ada"), NOW)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.truncate", "os.utime", "os.link")


@pytest.fixture
def settings(home: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home in which a case with an unknown code was judged; its registry lies on either engine."""
    if address.startswith("sqlite"):
        address = f"sqlite:///{home / 'registry.sqlite3'}"
    monkeypatch.setenv("M365DQ_REGISTRY_URL", address)
    settings = Settings.load()
    publish_sign_ins(settings.cases_dir, "c", [("512345", "Failure", "notApplied")] * 3)
    with Registry.open(address) as registry:
        registry.register_case("c", "/evidence/c", {}, NOW)
        registry.record_sightings("c", [("sign_in_logs", "status_error_code", "512345", 3, NOW, NOW)], NOW)
    return settings


@contextmanager
def untouched(settings: Settings) -> Iterator[None]:
    """Files are compared before tables are read, as reading them may leave a trace of its own."""
    postgres = not settings.registry_url.startswith("sqlite")
    tables = tables_of(settings.registry_url) if postgres else {}
    files = files_of(settings.home)
    yield
    assert files_of(settings.home) == files
    assert not postgres or tables_of(settings.registry_url) == tables


def test_a_dry_run_leaves_every_file_and_every_table_as_it_was(settings: Settings) -> None:
    before = tables_of(settings.registry_url)
    with untouched(settings):
        cycle = dry_run(settings, REQUEST)
    assert tables_of(settings.registry_url) == before
    assert cycle.dry
    assert cycle.report.step(Topic.UNKNOWN_CODES).matters[0].subject == "512345"


def test_a_dry_run_says_what_the_real_run_then_does(settings: Settings) -> None:
    dry = dry_run(settings, REQUEST)
    assert not dry.folder.exists()
    with Registry.open(settings.registry_url) as registry:
        real = run_cycle(settings, registry, REQUEST)
    assert real.report == dry.report
    assert (real.folder, real.files) == (dry.folder, dry.files)
    assert {path.name for path in real.folder.iterdir()} == set(real.files)


def test_a_second_dry_run_knows_of_the_real_one_between(settings: Settings) -> None:
    with Registry.open(settings.registry_url) as registry:
        run_cycle(settings, registry, REQUEST)
    with untouched(settings):
        assert len(dry_run(settings, REQUEST).report.earlier) == 1


def test_the_temporary_folders_of_a_dry_run_are_gone_afterwards(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    dry_run(settings, REQUEST)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_dry_run_beside_a_writer_sees_what_was_committed_and_touches_nothing(home: Path) -> None:
    settings = Settings.load()
    file = home / "registry.sqlite3"
    Registry.open(settings.registry_url).close()
    statement = (
        "INSERT INTO code_sightings VALUES ('c', 'sign_in_logs', 'status_error_code', '512345', 3, NULL, NULL, 1,"
        " '2026-03-02 09:30:00', '2026-03-02 09:30:00')"
    )
    with closing(sqlite3.connect(file, isolation_level=None)) as held:
        held.execute(statement)
        held.execute("BEGIN IMMEDIATE")
        held.execute("DELETE FROM code_sightings")
        assert file.with_name(file.name + "-wal").stat().st_size
        with untouched(settings):
            cycle = dry_run(settings, REQUEST)
    assert cycle.report.counts["unknown codes"] == 1


def test_a_registry_of_an_earlier_revision_stays_at_it(home: Path) -> None:
    settings = Settings.load()
    engine = create_engine(parse_url(settings.registry_url))
    migrate.upgrade_to(engine, "0001")
    engine.dispose()
    with untouched(settings):
        assert dry_run(settings, REQUEST).report.due
    assert "maintenance_cycles" not in tables_of(settings.registry_url)


def test_where_there_is_no_home_yet_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M365DQ_HOME", str(tmp_path / "nowhere" / "home"))
    told = call("maintain", "--dry-run")
    assert told.exit_code == 0
    assert "nothing was written" in told.stdout
    assert not (tmp_path / "nowhere").exists()


def test_the_command_leaves_no_trace_either(settings: Settings) -> None:
    with untouched(settings):
        body = call_json("maintain", "--dry-run", "--quarter", "2026Q1")
    assert body["dry_run"] is True


def test_a_home_that_nobody_may_write_to_is_enough(settings: Settings) -> None:
    if os.geteuid() == 0:
        pytest.skip("the modes of files do not bind root")
    folders = [settings.home, *(path for path in settings.home.rglob("*") if path.is_dir())]  # pragma: no cover
    for folder in folders:  # pragma: no cover
        folder.chmod(0o500)
    try:  # pragma: no cover
        dry_run(settings, REQUEST)
    finally:  # pragma: no cover
        for folder in folders:
            folder.chmod(0o700)


def test_nothing_outside_the_temporary_folders_is_ever_opened_for_writing(settings: Settings, tmp_path: Path) -> None:
    """The interpreter reports every file that Python opens or changes; in a process of its own, as such a listener
    stays.
    """
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not tell which folder a handle belongs to")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment: dict[str, Any] = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LISTENER, "maintain", "--dry-run"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was written" in done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("WRITES")]
    assert told
    elsewhere = [line for line in told if not line.split(" ", 1)[1].startswith((str(scratch), "/dev/"))]
    assert [line for line in elsewhere if "/.coverage" not in line] == []


LISTENER = f"""
import os, sys

def listen(event, given):
    if event == "open" and isinstance(given[0], (str, bytes)) and given[2] & {WRITING}:
        print("WRITES", os.path.abspath(os.fsdecode(given[0])), file=sys.stderr)
    elif event == "sqlite3.connect":
        name = os.fsdecode(given[0])
        if "mode=ro" not in name and name != ":memory:":
            print("WRITES", name, file=sys.stderr)
    elif event in {CHANGING!r}:
        within = os.readlink(f"/proc/self/fd/{{given[-1]}}") if given[-1] in range(3, 1 << 16) else os.getcwd()
        print("WRITES", os.path.join(within, os.fsdecode(given[0])), file=sys.stderr)

sys.addaudithook(listen)
from m365dq_dagster.cli.main import main
main()
"""
