"""The jobs: a case from evidence to report, the daily metrics, the quarterly maintenance."""

import dagster as dg

from m365dq_dagster.core.maintenance_checks import DONE

CASE_ASSETS = ("raw_logs", "quality_report", "reliability_scores", "verified_findings", "case_report")

case_job = dg.define_asset_job(
    "case_job",
    selection=dg.AssetSelection.assets(*CASE_ASSETS),
    executor_def=dg.in_process_executor,
    description="One case from evidence to verdict and report. Choose the case as partition.",
)
metrics_job = dg.define_asset_job(
    "metrics_job",
    selection=dg.AssetSelection.assets("dashboard_metrics")
    | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("maintenance_report"), DONE)),
    executor_def=dg.in_process_executor,
    description="The data quality dashboard, and whether this quarter's maintenance was done.",
)
maintenance_job = dg.define_asset_job(
    "maintenance_job",
    selection=dg.AssetSelection.assets("status_code_reference", "maintenance_report"),
    executor_def=dg.in_process_executor,
    description="The quarterly maintenance of what is known of Microsoft's codes.",
)
jobs = (case_job, metrics_job, maintenance_job)
