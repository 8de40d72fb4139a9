from pathlib import Path

import dagster as dg
import pytest

from m365dq_dagster.adapters.clock import FixedClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.maintenance_checks import ABOUT, DOCUMENTS, DONE
from m365dq_dagster.definitions import build_definitions


@pytest.mark.parametrize(
    ("job", "assets"),
    [("metrics_job", {"dashboard_metrics"}), ("maintenance_job", {"status_code_reference", "maintenance_report"})],
)
def test_what_stands_beside_the_cases_is_made_without_any_case(job: str, assets: set[str], settings: Settings) -> None:
    result = build_definitions(settings).resolve_job_def(job).execute_in_process()
    assert result.success
    assert {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()} == assets


def test_the_reference_is_loaded_into_the_registry_once(settings: Settings, registry: Registry) -> None:
    job = build_definitions(settings).resolve_job_def("maintenance_job")
    changed = []
    for _ in range(2):
        events = job.execute_in_process().asset_materializations_for_node("status_code_reference")
        changed.append(events[0].metadata["rows new or changed"].value)
    assert changed[0] == len(registry.status_codes()) > 50
    assert changed[1] == 0


def test_the_maintenance_is_shown_as_a_list_to_work_through(settings: Settings) -> None:
    result = build_definitions(settings).resolve_job_def("maintenance_job").execute_in_process()
    (made,) = result.asset_materializations_for_node("maintenance_report")
    report, page = made.metadata["report"], made.metadata["page"]
    assert isinstance(report, dg.MarkdownMetadataValue)
    assert "## Checklist" in str(report.md_str)
    assert isinstance(page, dg.PathMetadataValue)
    assert "Maintenance" in Path(str(page.path)).read_text(encoding="utf-8")
    assert str(made.metadata["sentence"].value).endswith("minutes.")


def test_every_check_of_the_maintenance_says_in_words_what_is_wrong_and_stops_nothing(settings: Settings) -> None:
    result = build_definitions(settings).resolve_job_def("maintenance_job").execute_in_process()
    told = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(told) == set(ABOUT)
    assert all(one.severity is dg.AssetCheckSeverity.WARN and not one.blocking for one in told.values())
    assert str(told[DOCUMENTS].description).startswith("Nobody gave the vendor's pages")
    assert told[DONE].passed


def test_the_daily_metrics_ask_whether_the_quarters_cycle_was_done(settings: Settings, clock: FixedClock) -> None:
    job = build_definitions(settings, clock=clock).resolve_job_def("metrics_job")
    (missing,) = job.execute_in_process().get_asset_check_evaluations()
    assert (missing.check_name, missing.passed) == (DONE, False)
    assert "maintenance of 2026Q1" in str(missing.description)
