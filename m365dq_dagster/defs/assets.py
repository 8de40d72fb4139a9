"""The assets, in the order in which evidence becomes a verdict, and the three that stand beside all cases.

A body opens, calls its stage and shows what came back; what a stage does stands in `stages`.
"""

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder
from m365dq_dagster.core.overrides import FORM, asked_for
from m365dq_dagster.defs import checks, metadata, shown
from m365dq_dagster.defs.partitions import cases
from m365dq_dagster.defs.resources import CaseForm, CaseWorkspace
from m365dq_dagster.defs.services import Services

if TYPE_CHECKING:
    Made = dg.MaterializeResult[Any]
else:
    Made = dg.MaterializeResult
"""What a body returns; Dagster does not recognise its own generic form in an annotation."""

LAST = {"dagster/priority": "-10"}
"""The report closes the case, so every check that can run before it does."""


class LaunchForm(dg.Config):
    """What may be said about a case when its run is launched; blank leaves what is known already."""

    home_countries: list[str] = Field(default=[], description="Two letters each, such as AU; where the people live.")
    date_order: str = Field(default="", description="MDY or DMY, where a file's dates leave day and month open.")
    skip_quality_check: bool = Field(default=False, description="Go on although a gate says no; needs the three below.")
    reason: str = Field(default="", description="Why the gate is overridden.")
    actor: str = Field(default="", description="Who overrides it, beside the user of this machine.")
    expires: str = Field(default="", description="Its last day (UTC), at most 30 days ahead, such as 2026-12-06.")

    def as_case_form(self, today: date) -> CaseForm:
        """The form in the words of the stages. Raises `BadInput` where it is incomplete or out of bounds."""
        order = self.date_order.strip().upper()
        if order not in ("", DateOrder.MDY, DateOrder.DMY):
            raise BadInput(f"date_order {self.date_order[:20]!r} is not known; give MDY, DMY or leave it blank.")
        given = (self.reason.strip(), self.actor.strip(), self.expires.strip())
        override = asked_for(self.skip_quality_check, *given, today, FORM)
        return CaseForm(tuple(self.home_countries), DateOrder(order) if order else None, override)


def case_assets() -> list[dg.AssetsDefinition]:
    """The assets of one case."""

    @dg.asset(partitions_def=cases, check_specs=checks.INTAKE_SPECS, group_name="case", kinds={"duckdb"})
    def raw_logs(config: LaunchForm, workspace: dg.ResourceParam[CaseWorkspace]) -> Made:
        """Every file of the evidence accounted for, every row in a canonical table or in the ledger."""
        report = workspace.make("raw_logs", config.as_case_form(workspace.today))
        return _gated(workspace, report.checks, checks.INTAKE_GATE, checks.INTAKE_NOTES, metadata.intake(report))

    @dg.asset(
        partitions_def=cases, deps=[raw_logs], check_specs=checks.QUALITY_SPECS, group_name="case", kinds={"duckdb"}
    )
    def quality_report(workspace: dg.ResourceParam[CaseWorkspace]) -> Made:
        """Every field profiled: what it holds, and whether it may say how sign-ins ended."""
        report = workspace.make("quality_report")
        return _gated(workspace, report.checks, checks.QUALITY_GATE, checks.QUALITY_NOTES, metadata.quality(report))

    @dg.asset(partitions_def=cases, deps=[quality_report], group_name="case", kinds={"duckdb"})
    def reliability_scores(workspace: dg.ResourceParam[CaseWorkspace]) -> Made:
        """Every field's score, and the field that is recommended for judging outcomes."""
        report = workspace.make("reliability_scores")
        workspace.settle()
        return dg.MaterializeResult(metadata=metadata.reliability(report))

    @dg.asset(
        partitions_def=cases,
        deps=[reliability_scores],
        check_specs=checks.VERDICT_SPECS,
        group_name="case",
        kinds={"duckdb"},
    )
    def verified_findings(workspace: dg.ResourceParam[CaseWorkspace]) -> Made:
        """Outcomes adjudicated from several witnesses, the verdict on accounts and case, and the findings."""
        report = workspace.make("verified_findings")
        workspace.settle()
        (verdict,) = report.checks
        return dg.MaterializeResult(
            metadata=metadata.verification(report), check_results=[shown.as_result(checks.VERDICT, verdict)]
        )

    @dg.asset(partitions_def=cases, deps=[verified_findings], group_name="case", kinds={"html"}, op_tags=LAST)
    def case_report(workspace: dg.ResourceParam[CaseWorkspace]) -> Made:
        """The report for people and for programs, and the case published."""
        report = workspace.make("case_report")
        workspace.settle()
        return dg.MaterializeResult(metadata=metadata.report(report))

    return [raw_logs, quality_report, reliability_scores, verified_findings, case_report]


def standing_assets(services: Services) -> list[dg.AssetsDefinition]:
    """The assets beside all cases: the reference, the dashboard, the maintenance."""
    stages, clock = services.stages, services.clock

    @dg.asset(group_name="estate", kinds={"sql"})
    def status_code_reference() -> Made:
        """The registry's reference brought to the rule pack in force."""
        with services.registry() as registry:
            pack = stages["packs"].effective_pack(services.settings, registry)
            changed = stages["codes"].load_codes(registry, pack, clock.now())
            return dg.MaterializeResult(metadata=metadata.codes(changed, registry.status_codes()))

    @dg.asset(group_name="estate", kinds={"sql"})
    def dashboard_metrics() -> Made:
        """The data quality dashboard over the last 30 days."""
        with services.registry() as registry:
            pack = stages["packs"].effective_pack(services.settings, registry)
            page = stages["metrics"].compute_dashboard(registry, clock.now(), pack=pack)
            return dg.MaterializeResult(metadata=metadata.dashboard(page))

    @dg.asset(group_name="estate", kinds={"sql"}, deps=[status_code_reference], check_specs=checks.MAINTENANCE_SPECS)
    def maintenance_report() -> Made:
        """The quarterly maintenance of what is known of Microsoft's codes, as a list to work through."""
        stage = stages["maintenance"]
        with services.registry() as registry:
            request = stage.CycleRequest(operating_person("Dagster"), clock.now())
            cycle = stage.run_cycle(services.settings, registry, request)
        return dg.MaterializeResult(
            metadata=metadata.maintenance(cycle),
            check_results=[shown.as_result(one.name, one) for one in stage.checks_of(cycle.report)],
        )

    return [status_code_reference, dashboard_metrics, maintenance_report]


def _gated(
    workspace: CaseWorkspace, found: tuple[CheckResult, ...], gate: str, notes: str, evidence: dict[str, Any]
) -> Made:
    workspace.settle(found)
    case_id, override = workspace.case_id, workspace.run().override
    return dg.MaterializeResult(
        metadata=evidence,
        check_results=[
            shown.gate_result(gate, case_id, found, override),
            shown.notes_result(notes, case_id, found),
        ],
    )
