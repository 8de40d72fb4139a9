from pathlib import Path

import dagster as dg
import pytest
import yaml

from m365dq_dagster import definitions
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.maintenance_checks import ABOUT
from m365dq_dagster.defs import launch
from m365dq_dagster.defs.partitions import cases

CASE_ASSETS = {"raw_logs", "quality_report", "reliability_scores", "verified_findings", "case_report"}
STANDING_ASSETS = {"status_code_reference", "dashboard_metrics", "maintenance_report"}


@pytest.fixture
def defs(settings: Settings) -> dg.Definitions:
    return definitions.build_definitions(settings)


def test_the_definitions_load(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_what_dagster_loads_is_built_from_the_environment(home: Path) -> None:
    loaded = definitions.defs()
    assert loaded.resolve_job_def("case_job").name == "case_job"


def test_the_assets_of_a_case_are_partitioned_by_case_and_the_others_stand_beside(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    partitioned = {node.key.to_user_string() for node in graph.asset_nodes if node.partitions_def == cases}
    rest = {node.key.to_user_string() for node in graph.asset_nodes if node.partitions_def is None}
    assert partitioned == CASE_ASSETS
    assert rest == STANDING_ASSETS


def test_evidence_becomes_a_verdict_in_five_steps(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    order = [key.to_user_string() for key in graph.toposorted_asset_keys if key.to_user_string() in CASE_ASSETS]
    assert order == ["raw_logs", "quality_report", "reliability_scores", "verified_findings", "case_report"]


def test_only_the_two_gates_block_and_every_check_is_of_one_case_or_of_the_reference(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.asset_check_keys]
    assert {node.key.name for node in nodes if node.blocking} == {"evidence_is_all_there", "outcome_can_be_told"}
    of_the_reference = [node for node in nodes if node.key.name in ABOUT]
    assert {node.key.asset_key.to_user_string() for node in of_the_reference} == {"maintenance_report"}
    assert all(node.partitions_def == cases for node in nodes if node not in of_the_reference)


def test_every_suite_is_a_check_and_so_is_every_group_of_our_tables(defs: dg.Definitions, checkout: Path) -> None:
    names = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    suites = {f"{path.stem}_as_expected" for path in (checkout / "expectations").glob("*.json")}
    assert suites <= names
    assert {"evidence_tables_sound", "reliability_tables_sound", "verification_tables_sound", "verdict"} <= names


def test_the_workspace_of_a_checkout_names_the_definitions(checkout: Path) -> None:
    (entry,) = yaml.safe_load((checkout / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    assert entry["python_module"] == {"module_name": definitions.__name__, "working_directory": "."}


def test_dagsters_home_is_quiet_and_queues_the_runs_of_one_case(settings: Settings) -> None:
    written = yaml.safe_load((launch.ensure_dagster_home(settings) / "dagster.yaml").read_text(encoding="utf-8"))
    assert written["telemetry"] == {"enabled": False}
    assert written["nux"] == {"enabled": False}
    queue = written["run_coordinator"]["config"]
    assert queue["dequeue_interval_seconds"] == 1
    (limit,) = queue["tag_concurrency_limits"]
    assert limit == {"key": "dagster/partition", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}


def test_what_somebody_changed_in_dagsters_home_stays(settings: Settings) -> None:
    target = launch.ensure_dagster_home(settings) / "dagster.yaml"
    target.write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    launch.ensure_dagster_home(settings)
    assert target.read_text(encoding="utf-8") == "telemetry:\n  enabled: false\n"
