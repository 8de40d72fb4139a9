"""Registries of every earlier revision, with what was in them, come up to today's and lose nothing."""

import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, migrate
from m365dq_dagster.adapters.registry.engine import create_engine, parse_url
from m365dq_dagster.adapters.registry.tables import APPEND_ONLY, metadata
from m365dq_dagster.core.outcome import CaseStage, Severity
from m365dq_dagster.stages.metrics import compute_dashboard
from tests.support.registry_history import (
    FIRST,
    at_revision,
    cut,
    fill_what_is_empty,
    move,
    revision_of,
    revisions,
    rows_of,
)
from tests.support.registry_work import open_and_register

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]

every_revision = pytest.mark.parametrize("revision", revisions())


@every_revision
def test_every_row_of_an_earlier_revision_is_there_after_the_migration(address: str, revision: str) -> None:
    old = at_revision(address, revision)
    before = rows_of(old)
    assert all(before.values()), "every table of the revision holds rows"
    old.dispose()
    with Registry.open(address) as registry:
        assert revision_of(registry.engine) == migrate.HEAD
        after = rows_of(registry.engine)
        assert set(after) == set(metadata.tables)
        assert cut(after, before) == before


@every_revision
def test_a_migration_taken_back_and_done_again_loses_nothing_that_both_know(address: str, revision: str) -> None:
    engine = at_revision(address, revision)
    before = rows_of(engine)
    move(engine, migrate.HEAD)
    move(engine, revision)
    assert rows_of(engine) == before
    move(engine, migrate.HEAD)
    assert cut(rows_of(engine), before) == before
    engine.dispose()


def test_taking_everything_back_to_the_first_revision_keeps_what_was_there_then(address: str) -> None:
    engine = at_revision(address, FIRST)
    first = rows_of(engine)
    for revision in revisions()[1:]:
        move(engine, revision)
    move(engine, FIRST)
    assert rows_of(engine) == first
    engine.dispose()
    with Registry.open(address) as registry:
        registry.record_correction("quiet", "case", "ALL_BLOCKED", "why", "kim", NOW, subject="case")
        assert [one.finding for one in registry.corrections()] == ["F-002", "case"]


@every_revision
def test_what_only_grows_cannot_be_changed_after_the_migration(address: str, revision: str) -> None:
    at_revision(address, revision).dispose()
    with Registry.open(address) as registry:
        fill_what_is_empty(registry.engine)
        rows = rows_of(registry.engine)
        for name in APPEND_ONLY:
            column = next(iter(metadata.tables[name].columns.keys()))
            for statement in (f"UPDATE {name} SET {column} = 77", f"DELETE FROM {name}"):
                with pytest.raises(sa.exc.DatabaseError, match="only grows"), registry.engine.begin() as connection:
                    connection.exec_driver_sql(statement)
        assert rows_of(registry.engine) == rows


REFUSED = (
    "UPDATE case_status SET stage = 'DONE'",
    "UPDATE imports SET status = 'MAYBE'",
    "UPDATE status_code_reference SET severity = 'FATAL'",
    "UPDATE status_code_details SET state = 'PERHAPS'",
    "UPDATE alerts SET state = 'LOST'",
    "INSERT INTO cases SELECT * FROM cases",
    "UPDATE case_tasks SET case_id = 'ghost'",
    "UPDATE corrections SET reason = NULL",
    "UPDATE overrides SET actor = NULL",
)


def test_constraints_hold_on_a_registry_that_was_migrated(address: str) -> None:
    at_revision(address, FIRST).dispose()
    with Registry.open(address) as registry:
        before = rows_of(registry.engine)
        for statement in REFUSED:
            with pytest.raises(sa.exc.DatabaseError), registry.engine.begin() as connection:
                connection.exec_driver_sql(statement)
        assert rows_of(registry.engine) == before


def test_a_registry_of_the_first_revision_is_read_by_todays_program(address: str) -> None:
    at_revision(address, FIRST).dispose()
    day = datetime(2026, 3, 1, 8, 5, tzinfo=UTC)
    with Registry.open(address) as registry:
        oculus, quiet = registry.cases()
        assert (oculus.verdict, oculus.stage, oculus.identity) == ("BREACH_INDICATED", CaseStage.REPORTED, "d1")
        assert (oculus.context, oculus.last_run) == ({"home_countries": ["AU"], "options": {}}, day)
        assert (quiet.folder, quiet.blocked_by, quiet.verdict) == ("/evidence/Zürich '26", "ledger", None)
        assert registry.overall_share("oculus") == (2, 2)
        assert registry.incomplete_tasks("quiet", CaseStage.IMPORTED) == ["read_files"]
        imports = registry.imports_between(day, NOW)
        assert [(one.rows, one.seconds, one.reason) for one in imports] == [
            (27000, 4.25, None),
            (9_000_000_000, 0.5, "LEDGER"),
        ]
        (code,) = registry.status_codes("530031")
        assert (code.deprecated, code.state, code.severity) == (True, "PENDING", Severity.CRITICAL)
        assert registry.status_codes("50126")[0].last_validated == date(2025, 6, 7)
        assert [(one.value, one.rows, one.flagged) for one in registry.sightings(unknown=True)] == [("512345", 2, True)]
        assert [(one.row.field, one.row.adjusted, one.row.rules) for one in registry.scores_between(day, NOW)] == [
            ("conditional_access_status", 0.98, ("place-of-ipv6",)),
            ("status", None, ()),
        ]
        assert registry.cases_that_heard() == {("sign_in_logs", "conditional_access_status"): {"oculus"}}
        assert [(one.rule, one.state, one.recipients) for one in registry.alerts()] == [
            ("quality_check_failure", "RECORDED", ("sre@maia.local",)),
            ("breach_indicator", "DELIVERED", ("ir@contoso.example",)),
        ]
        override = registry.active_override("quiet", NOW)
        assert override is not None
        assert (override.reason, override.expires) == ("vendor outage", date(2026, 3, 20))
        (correction,) = registry.corrections()
        assert (correction.about, correction.verdict, correction.fields) == ("F-002", "NO_INDICATION", ())
        assert [entry.detail["case"] for entry in registry.audit_entries()] == ["quiet", "oculus"]
        page = compute_dashboard(registry, NOW)
        assert (page.imports, page.passed, page.corrected, page.unknown_codes) == (2, 1, 1, 1)


def test_a_registry_of_the_first_revision_takes_todays_work(address: str) -> None:
    at_revision(address, FIRST).dispose()
    with Registry.open(address) as registry:
        registry.register_case("new", "/x", {}, NOW)
        registry.set_stage("oculus", CaseStage.IMPORTED, NOW)
        assert registry.claim_undelivered(NOW, 9)[0].rule == "quality_check_failure"
        registry.record_import("new", "r3", NOW, 1.0, 1, "PASS", None, 3, NOW)
        assert registry.record_correction("new", "case", "ALL_BLOCKED", "why", "kim", NOW, subject="case", after=0) == 2
        registry.audit("kim", "did", {}, NOW)
        assert len(registry.audit_entries()) == 4


def test_processes_that_migrate_a_filled_registry_at_once_all_succeed(address: str) -> None:
    old = at_revision(address, FIRST)
    before = rows_of(old)
    old.dispose()
    jobs = [(address, f"case-{number}") for number in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(open_and_register, jobs))
    with Registry.open(address) as registry:
        after = cut(rows_of(registry.engine), before)
        assert {row["case_id"] for row in after.pop("cases")} == {"oculus", "quiet", "case-0", "case-1"}
        assert all(after[name] == before[name] for name in after)


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from m365dq_dagster.adapters.registry import Registry, migrate

whole, place = migrate._run, int(sys.argv[2])

def killed(connection, *given):
    seen = []
    def count(*_):
        seen.append(1)
        if len(seen) == place:
            os.kill(os.getpid(), signal.SIGKILL)
    sa.event.listen(connection, "after_cursor_execute", count)
    whole(connection, *given)
    os.kill(os.getpid(), signal.SIGKILL)

migrate._run = killed
Registry.open(sys.argv[1])
"""


@pytest.mark.parametrize("place", [20, 100_000], ids=["half way", "before it is kept"])
def test_a_migration_that_is_killed_leaves_the_old_registry_as_it_was(address: str, place: int) -> None:
    engine = at_revision(address, FIRST)
    before = rows_of(engine)
    engine.dispose()
    done = subprocess.run([sys.executable, "-c", KILLED, address, str(place)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    engine = create_engine(parse_url(address))
    assert revision_of(engine) == FIRST
    assert rows_of(engine) == before
    engine.dispose()
    with Registry.open(address) as registry:
        assert cut(rows_of(registry.engine), before) == before
