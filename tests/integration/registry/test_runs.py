from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, ScoreRow, StatusCode
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.outcome import Severity


def check(name: str, passed: bool, headline: str = "sentence") -> CheckResult:
    return CheckResult(name, "quality", passed, True, Severity.CRITICAL, headline, "docs/runbooks/x.md", reason="R")


def results(store: Registry) -> list[tuple[str, str, bool, str]]:
    with store.engine.connect() as connection:
        query = sa.text(
            "SELECT run_id, check_name, passed, headline FROM quality_check_results ORDER BY run_id, check_name"
        )
        return [(row[0], row[1], bool(row[2]), row[3]) for row in connection.execute(query)]


def test_an_import_is_read_back_and_dates_the_case(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    ended = now + timedelta(seconds=90)
    store.record_import("c", "r1", now, 90.5, 27_000, "FAIL", "quarantine share", 3, ended)
    (found,) = store.imports_between(ended, ended)
    assert (found.case_id, found.run_id, found.started_at, found.recorded_at) == ("c", "r1", now, ended)
    assert (found.seconds, found.rows, found.status, found.reason) == (90.5, 27_000, "FAIL", "quarantine share")
    assert found.verifications == 3
    record = store.case("c")
    assert record is not None
    assert record.last_run == ended


def test_the_same_run_recorded_again_replaces_its_import(store: Registry, now: datetime) -> None:
    for status in ("FAIL", "PASS"):
        store.record_import("c", "r1", now, 1.0, 1, status, None, 3, now)
    assert [found.status for found in store.imports_between(now, now)] == ["PASS"]


def test_imports_are_taken_from_the_first_to_the_last_moment(store: Registry, now: datetime) -> None:
    step = timedelta(microseconds=1)
    for number, moment in enumerate((now - step, now, now + step, now + 2 * step)):
        store.record_import("c", f"r{number}", now, 1.0, 1, "PASS", None, 3, moment)
    assert [found.run_id for found in store.imports_between(now, now + step)] == ["r1", "r2"]


def test_an_import_with_a_status_outside_the_vocabulary_is_refused(store: Registry, now: datetime) -> None:
    with pytest.raises(InternalFault, match="refused the work"):
        store.record_import("c", "r1", now, 1.0, 1, "MAYBE", None, 3, now)


def test_checks_give_one_row_a_check_and_import(store: Registry, now: datetime) -> None:
    store.record_checks("c", "r1", [check("a", True), check("b", False)], now)
    store.record_checks("c", "r1", [check("a", False, "later"), check("c", True)], now)
    store.record_checks("c", "r2", [check("a", False)], now)
    store.record_checks("c", "r3", [], now)
    assert results(store) == [
        ("r1", "a", True, "sentence"),
        ("r1", "b", False, "sentence"),
        ("r1", "c", True, "sentence"),
        ("r2", "a", False, "sentence"),
    ]
    with store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM data_quality_checks")) == 3


@pytest.mark.parametrize("table", ["quality_check_results", "audit_log"])
@pytest.mark.parametrize("act", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_what_only_grows_can_be_neither_changed_nor_deleted(
    store: Registry, now: datetime, table: str, act: str
) -> None:
    store.record_checks("c", "r1", [check("a", True)], now)
    store.audit("me", "looked", {}, now)
    column = {"quality_check_results": "headline", "audit_log": "actor"}[table]
    with pytest.raises(sa.exc.DBAPIError, match="only grows"), store.engine.begin() as connection:
        connection.execute(sa.text(act.format(table, column)))


def test_scores_are_kept_with_their_history(store: Registry, now: datetime) -> None:
    later = now + timedelta(days=1)
    store.record_scores("c", [ScoreRow("sign_in_logs", "status", 0.5, 0.25, ("ca_halved",))], now)
    store.record_scores("c", [ScoreRow("sign_in_logs", "status", None, None)], later)
    store.record_scores("c", [], later)
    found = store.scores_between(now, later)
    assert [(s.row.base, s.row.adjusted, s.row.rules) for s in found] == [
        (0.5, 0.25, ("ca_halved",)),
        (None, None, ()),
    ]
    assert [s.computed_at for s in found] == [now, later]
    assert store.scores_between(now, now)[0].case_id == "c"


def test_codes_that_the_reference_lacks_are_flagged_and_stay_so_in_the_history(store: Registry, now: datetime) -> None:
    later = now + timedelta(days=1)
    known = StatusCode("sign_in_logs", "status_error_code", "0", "fine", Severity.INFO)
    pending = StatusCode("sign_in_logs", "status_error_code", "530031", "new", Severity.INFO, state="PENDING")
    store.load_status_codes([known, pending], now)
    first = datetime(2026, 1, 1)
    seen = [("sign_in_logs", "status_error_code", value, 2, first, None) for value in ("0", "530031", "512345")]
    store.record_sightings("c", seen, now)
    assert [(s.value, s.flagged) for s in store.sightings()] == [("0", False), ("512345", True), ("530031", True)]
    assert [s.value for s in store.sightings(unknown=True)] == ["512345", "530031"]

    approved = StatusCode("sign_in_logs", "status_error_code", "530031", "new", Severity.INFO)
    store.load_status_codes([approved], later)
    store.record_sightings("c", [("sign_in_logs", "status_error_code", "530031", 9, first, first)], later)
    sighting = next(s for s in store.sightings() if s.value == "530031")
    assert (sighting.rows, sighting.flagged, sighting.first_sighted_at, sighting.last_sighted_at) == (
        9,
        True,
        now,
        later,
    )
    assert sighting.first_event == sighting.last_event == first.replace(tzinfo=UTC)
    assert [s.value for s in store.sightings(unknown=True)] == ["512345"]
    assert [s.value for s in store.sightings(since=later)] == ["530031"]
    assert [s.value for s in store.flags_between(now, now)] == ["512345", "530031"]
    assert store.flags_between(later, later) == []


def test_a_moment_without_zone_is_refused(store: Registry, now: datetime) -> None:
    with pytest.raises(InternalFault, match="refused the work"):
        store.record_import("c", "r1", now.replace(tzinfo=None), 1.0, 1, "PASS", None, 3, now)
