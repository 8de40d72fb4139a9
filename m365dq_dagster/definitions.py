"""The one place where Dagster's side is wired. What the parts do stands in `defs` and `stages`."""

from typing import Any

import dagster as dg

from m365dq_dagster.adapters.clock import Clock, SystemClock
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.defs import assets, checks, jobs, launch, schedules, sensors
from m365dq_dagster.defs.resources import PACK_TAG, case_workspace
from m365dq_dagster.defs.services import Services, Stages
from m365dq_dagster.stages.case_run import Progress, Silent


def build_definitions(
    settings: Settings | None = None, *, clock: Clock | None = None, progress: Progress | None = None, **stages: Any
) -> dg.Definitions:
    """All definitions, for production and for tests alike.

    `settings` default to the environment's, `clock` to the machine's, `progress` to nobody. Any other name is the word
    of a stage (`intake`, `quality`, ...) and what stands in for its module.
    """
    services = Services(settings or Settings.load(), clock or SystemClock(), progress or Silent(), Stages(stages))
    return dg.Definitions(
        assets=[*assets.case_assets(), *assets.standing_assets(services)],
        asset_checks=checks.checks(services),
        resources={"workspace": case_workspace(services)},
        jobs=jobs.jobs,
        schedules=schedules.schedules,
        sensors=sensors.sensors(services),
        executor=dg.in_process_executor,
    )


def run_case(
    settings: Settings,
    case_id: str,
    *,
    progress: Progress | None = None,
    clock: Clock | None = None,
    rejudge_by: str | None = None,
    **stages: Any,
) -> launch.RunOutcome:
    """Run a registered case in this process, recorded where Dagster's pages find it. With `rejudge_by`, the name of a
    rule pack, what was taken in before is judged again by that pack, and the evidence is not read.
    """
    definitions = build_definitions(settings, clock=clock, progress=progress, **stages)
    tags, assets = ({PACK_TAG: rejudge_by}, jobs.CASE_ASSETS[1:]) if rejudge_by else (None, None)
    with launch.open_instance(settings) as instance:
        return launch.run_case(instance, definitions.resolve_job_def("case_job"), case_id, tags=tags, assets=assets)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_definitions()
