from datetime import UTC, datetime, timedelta

from m365dq_dagster.adapters.registry import Registry, ScoreRow
from m365dq_dagster.adapters.registry.cycles import FieldUse

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_cycles_are_kept_oldest_first_and_stand_in_the_audit_log(store: Registry) -> None:
    store.record_cycle("2026Q1", "ada", {"unknown codes": 1}, NOW)
    store.record_cycle("2026Q2", "bob", {}, NOW + timedelta(days=60))
    assert [(one.quarter, one.actor, one.made_at) for one in store.cycles("2026Q1")] == [("2026Q1", "ada", NOW)]
    assert [one.quarter for one in store.cycles()] == ["2026Q1", "2026Q2"]
    assert dict(store.cycles()[0].counts) == {"unknown codes": 1}
    (first, _) = store.audit_entries()
    assert (first.actor, first.action, first.detail["quarter"]) == ("ada", "maintain", "2026Q1")


def test_a_value_is_counted_over_all_cases_the_commonest_first(store: Registry) -> None:
    for case, rows, at in (("a", 1, NOW), ("b", 5, NOW + timedelta(days=1))):
        store.record_sightings(case, [("sign_in_logs", "status_error_code", "1", rows, None, None)], at)
    store.record_sightings("a", [("sign_in_logs", "status_error_code", "2", 9, None, None)], NOW)
    second, first = store.sighted_values()
    assert (second.value, second.rows, second.cases) == ("2", 9, 1)
    assert (first.value, first.rows, first.cases, first.last_sighted) == ("1", 6, 2, NOW + timedelta(days=1))


def test_a_field_is_heard_in_a_case_where_its_score_was_above_nothing_once(store: Registry) -> None:
    for case, score in (("a", 0.5), ("a", None), ("b", 0.0), ("c", None)):
        store.record_scores(case, [ScoreRow("sign_in_logs", "status", score, score)], NOW)
    assert store.field_uses(NOW) == [FieldUse("sign_in_logs", "status", 3, 1)]
    assert store.field_uses(NOW + timedelta(microseconds=1)) == []
