from datetime import datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, ScoreRow
from m365dq_dagster.core.metrics import render_text
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.metrics import compute_dashboard


def fill(registry: Registry, now: datetime) -> None:
    for number in range(60):
        at = now - timedelta(hours=17 * number)
        status = "FAIL" if number % 7 == 3 else "OVERRIDDEN" if number % 11 == 5 else "PASS"
        registry.record_import(f"c{number % 9}", f"r{number}", at, 30.0 + number, 100, status, "broken", number % 4, at)
        registry.record_scores(f"c{number % 9}", [ScoreRow("t", f"f{number % 5}", 1.0, (number % 10) / 10)], at)
        registry.record_sightings(f"c{number % 9}", [("t", "code", str(number % 13), 1, None, None)], at)
    for number in (1, 1, 4):
        registry.record_correction(f"c{number}", "F-001", "NO_INDICATION", "travel", "kim", now - timedelta(days=2))


def test_an_empty_registry_has_a_dashboard(registry: Registry, now: datetime) -> None:
    page = compute_dashboard(registry, now)
    assert (page.imports, page.cases, page.fields, page.failures) == (0, 0, (), ())
    assert "n/a (0/0 imports)" in render_text(page)


def test_the_dashboard_equals_an_independent_computation(registry: Registry, now: datetime) -> None:
    fill(registry, now)
    page = compute_dashboard(registry, now, ranked=[("t", f"f{number}") for number in range(5)])
    start = now - timedelta(days=30)
    with registry.engine.connect() as connection:
        imports = pd.read_sql(sa.text("SELECT * FROM imports"), connection)
        flags = pd.read_sql(sa.text("SELECT * FROM code_sightings WHERE flagged"), connection)
        scores = pd.read_sql(sa.text("SELECT * FROM field_reliability_scores"), connection)

    def recent(frame: pd.DataFrame, column: str) -> pd.DataFrame:
        moments = pd.to_datetime(frame[column], utc=True)
        return frame[(moments >= start) & (moments <= now)]

    imports, scores = recent(imports, "recorded_at"), recent(scores, "computed_at")
    assert page.imports == len(imports) == 43
    assert page.passed == (imports["status"] == "PASS").sum()
    assert page.average_seconds == pytest.approx(imports["seconds"].mean())
    assert page.verifications == imports["verifications"].sum()
    assert page.cases == imports["case_id"].nunique()
    assert page.corrected == 2
    flagged = recent(flags, "first_sighted_at")
    assert page.unknown_codes == len(flagged.drop_duplicates(["log_type", "field_name", "code_value"]))
    latest = scores.sort_values(["computed_at", "score_id"]).groupby(["field_name", "case_id"])["adjusted_score"].last()
    means = latest.groupby("field_name").mean().sort_values(ascending=False)
    assert [field.score for field in page.fields] == pytest.approx(list(means.iloc[:3]))


def test_only_fields_that_can_tell_an_outcome_compete_for_the_most_reliable(registry: Registry, now: datetime) -> None:
    scores = [ScoreRow("sign_in_logs", "address", 1.0, 1.0), ScoreRow("sign_in_logs", "status_error_code", 1.0, 0.5)]
    registry.record_scores("c", scores, now)
    assert [(field.field, field.score) for field in compute_dashboard(registry, now).fields] == [
        ("status_error_code", 0.5)
    ]


def test_the_window_can_be_shorter(registry: Registry, now: datetime) -> None:
    fill(registry, now)
    page = compute_dashboard(registry, now, days=1)
    assert page.imports == 2
    assert [day.day.isoformat() for day in page.daily] == ["2026-03-01", "2026-03-02"]


def test_the_dashboard_names_overrides_in_force_and_verdicts_left_behind(registry: Registry, now: datetime) -> None:
    person, early = Person("analyst", "kim"), now - timedelta(days=9)
    registry.add_override("old", "vendor outage", person, (now - timedelta(days=2)).date().isoformat(), early)
    registry.register_case("old", "/evidence", {}, early)
    under = {"reason": "vendor outage", "actor": "kim", "expires": (now - timedelta(days=2)).date().isoformat()}
    registry.set_verdict("old", "CANNOT_CONCLUDE", "x", early, {"generation": "g1", "override": under})
    registry.record_import("old", "r1", early, 2.0, 10, "OVERRIDDEN", None, 3, early + timedelta(seconds=2))
    registry.add_override("new", "no second export", person, (now + timedelta(days=2)).date().isoformat(), now)
    registry.record_import("new", "r2", now, 2.0, 10, "OVERRIDDEN", None, 3, now)
    page = compute_dashboard(registry, now)
    assert [(one.case_id, one.in_force) for one in page.overrides] == [("old", False), ("new", True)]
    assert (page.passed, page.pass_rate) == (0, 0.0)
    assert [one.case_id for one in page.overridden] == ["new", "old"]
