import dagster as dg
import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
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
    report = made.metadata["report"]
    assert isinstance(report, dg.MarkdownMetadataValue)
    assert "- [ ]" in str(report.md_str)
