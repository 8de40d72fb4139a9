"""When what runs by itself runs. All times are UTC."""

import dagster as dg

from m365dq_dagster.defs.jobs import maintenance_job, metrics_job

quarterly_maintenance = dg.ScheduleDefinition(
    name="quarterly_maintenance",
    job=maintenance_job,
    cron_schedule="0 6 1 1,4,7,10 *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="1 January, April, July and October: what the status codes need.",
)
daily_metrics = dg.ScheduleDefinition(
    name="daily_metrics",
    job=metrics_job,
    cron_schedule="30 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: the data quality dashboard.",
)
schedules = (quarterly_maintenance, daily_metrics)
