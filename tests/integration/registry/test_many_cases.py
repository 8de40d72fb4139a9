"""What is asked of a registry stays the same, however many cases are in it."""

from datetime import datetime
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages import corrections, overrides
from m365dq_dagster.stages.alerts import deliver
from m365dq_dagster.stages.metrics import compute_dashboard
from tests.support.crowded_registry import FIELDS, SCORED, crowd, statements

FEW, MORE = 30, 120


def dashboard(registry: Registry, now: datetime) -> Any:
    return compute_dashboard(registry, now, pack=load_rule_pack())


def listed_cases(registry: Registry, now: datetime) -> Any:
    return registry.cases(), corrections.in_force(registry), overrides.standing(registry, now)


@pytest.mark.parametrize("page", [dashboard, listed_cases])
def test_a_page_over_all_cases_asks_as_many_statements_of_many_as_of_few(
    store: Registry, now: datetime, page: Any
) -> None:
    crowd(store, FEW, now)
    with statements(store) as of_few:
        page(store, now)
    crowd(store, MORE - FEW, now, first=FEW)
    with statements(store) as of_many:
        page(store, now)
    assert len(of_many) == len(of_few)


def test_the_dashboard_counts_every_case_of_a_crowd(store: Registry, now: datetime) -> None:
    crowd(store, MORE, now)
    page = dashboard(store, now)
    assert (page.imports, page.cases, page.passed) == (MORE, MORE, MORE - 12 - 5)
    assert (page.corrected, page.unknown_codes) == (MORE // 20, 40)
    assert {field.field for field in page.fields} <= set(FIELDS)
    assert sum(day.imports for day in page.daily) == MORE
    assert sum(day.corrections for day in page.daily) == MORE // 20


def test_only_the_scores_that_compete_are_fetched(store: Registry, now: datetime) -> None:
    crowd(store, FEW, now)
    begun = datetime(2000, 1, 1, tzinfo=now.tzinfo)
    assert len(store.scores_between(begun, now)) == FEW * SCORED
    asked = [("sign_in_logs", "status_error_code"), ("sign_in_logs", "operation")]
    assert {one.row.field for one in store.scores_between(begun, now, asked)} == {"status_error_code"}
    assert store.scores_between(begun, now, ()) == []


class Postbox:
    def send(self, mail: Any) -> list[str]:
        return []


def test_delivering_an_alert_does_not_read_all_that_were_ever_raised(store: Registry, now: datetime) -> None:
    def asked() -> list[str]:
        store.raise_alert("breach_indicator", f"case-{now}", "x", Severity.CRITICAL, "look", ["soc@x.example"], now)
        with statements(store) as heard:
            (sent,) = deliver(store, Postbox(), now)
        assert sent["delivered"]
        return heard

    crowd(store, FEW, now)
    assert not [one for one in asked() if "FROM alerts" in one and "WHERE" not in one]
