"""The asset checks: gates, notes, the evidence against its suites, our tables against their guards, the verdict.

What they say comes from the stages; how it is shown stands in `shown`.
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from m365dq_dagster.core import maintenance_checks
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.defs import shown, warming
from m365dq_dagster.defs.partitions import cases
from m365dq_dagster.defs.resources import CaseWorkspace
from m365dq_dagster.defs.services import Services
from m365dq_dagster.stages import expectations, guards

INTAKE_GATE, INTAKE_NOTES = "evidence_is_all_there", "evidence_notes"
QUALITY_GATE, QUALITY_NOTES = "outcome_can_be_told", "quality_notes"
VERDICT = "verdict"
GUARDED = {"evidence": "raw_logs", "reliability": "reliability_scores", "verification": "verified_findings"}
"""Our tables by the word of the stage that writes them, and the asset they are shown on."""


def spec(name: str, asset: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """A check of one case; its partition is what Dagster calls a preview."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*partitions_def on an AssetCheckSpec.*")
        return dg.AssetCheckSpec(
            name=name, asset=asset, description=description, blocking=blocking, partitions_def=cases
        )


INTAKE_SPECS = (
    spec(INTAKE_GATE, "raw_logs", "Stops the case: is every row accounted for, and is there evidence?", blocking=True),
    spec(INTAKE_NOTES, "raw_logs", "What intake noted: holes, caps, missing log types."),
)
QUALITY_SPECS = (
    spec(QUALITY_GATE, "quality_report", "Stops the case: may some field say how sign-ins ended?", blocking=True),
    spec(QUALITY_NOTES, "quality_report", "Fields that may not testify, unknown codes and values."),
)
VERDICT_SPECS = (spec(VERDICT, "verified_findings", "What the evidence says of the case."),)


MAINTENANCE_SPECS = tuple(
    dg.AssetCheckSpec(name=name, asset="maintenance_report", description=maintenance_checks.ABOUT[name])
    for name in (
        maintenance_checks.OWNER,
        maintenance_checks.VALIDATED,
        maintenance_checks.UNKNOWN,
        maintenance_checks.DOCUMENTS,
    )
)
"""What is asked of every cycle; none of it stops anything."""


def cycle_check(services: Services) -> dg.AssetChecksDefinition:
    """Whether somebody goes through the cycle at all: asked every day, beside the dashboard."""

    @dg.asset_check(
        name=maintenance_checks.DONE,
        asset="maintenance_report",
        description=maintenance_checks.ABOUT[maintenance_checks.DONE],
    )
    def cycle_done_this_quarter() -> dg.AssetCheckResult:
        with services.registry() as registry:
            found = services.stages["maintenance"].cycle_done(registry, services.clock.now())
        return shown.as_result(maintenance_checks.DONE, found)

    return cycle_done_this_quarter


def evidence_check(services: Services) -> dg.AssetChecksDefinition:
    """Great Expectations over the evidence, in one pass: a check for each log type that has a suite."""
    log_types = {expectations.check_name(one): one for one in LogType if one in services.suites}
    specs = [spec(name, "raw_logs", f"Great Expectations: the suite {one}.json.") for name, one in log_types.items()]

    @dg.multi_asset_check(name="evidence_as_expected", specs=specs, can_subset=True)
    def evidence_as_expected(
        context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[CaseWorkspace]
    ) -> Iterator[dg.AssetCheckResult]:
        run = workspace.run()
        warming.wait()
        asked = [log_types[key.name] for key in context.selected_asset_check_keys]
        for check in services.stages["expectations"].run(run, sorted(asked)).checks:
            yield shown.as_result(check.name, check, asset="raw_logs")

    return evidence_as_expected


def guard_check(services: Services, group: str) -> dg.AssetChecksDefinition:
    """The tables that one stage writes, against pandera's guards."""
    name, asset = guards.check_name(group), GUARDED[group]
    description = "pandera: our own tables hold what later steps take them to hold."

    @dg.multi_asset_check(name=name, specs=[spec(name, asset, description)])
    def our_tables_sound(workspace: dg.ResourceParam[CaseWorkspace]) -> dg.AssetCheckResult:
        run = workspace.run()
        warming.wait()
        (check,) = services.stages["guards"].run(run, [group]).checks
        return shown.as_result(name, check, asset=asset)

    return our_tables_sound


def checks(services: Services) -> list[dg.AssetChecksDefinition]:
    """The checks that run beside the assets; gates, notes and the verdict belong to the assets themselves."""
    return [evidence_check(services), *(guard_check(services, group) for group in GUARDED), cycle_check(services)]
