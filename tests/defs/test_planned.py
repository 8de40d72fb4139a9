from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.definitions import run_case
from m365dq_dagster.defs.resources import STAGE_OF, CaseWorkspace, planned_assets
from m365dq_dagster.defs.services import Services
from tests.defs.conftest import Register

KEYS = frozenset({dg.AssetKey("case_report"), dg.AssetKey("somebody_elses")})
CHECK = frozenset({dg.AssetCheckKey(dg.AssetKey("raw_logs"), "sign_in_logs_as_expected")})


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        ({}, set(STAGE_OF)),
        ({"asset_selection": KEYS}, {"case_report"}),
        ({"step_keys_to_execute": ["verified_findings", "evidence_as_expected"]}, {"verified_findings"}),
        ({"asset_check_selection": CHECK}, set()),
    ],
)
def test_a_run_plans_what_it_was_asked_for(given: dict[str, Any], planned: set[str]) -> None:
    assert planned_assets(dg.DagsterRun(job_name="case_job", **given)) == planned


def test_a_run_without_a_case_is_told_to_choose_one(settings: Settings, instance: dg.DagsterInstance) -> None:
    workspace = CaseWorkspace(Services(settings), dg.DagsterRun(job_name="case_job"), instance)
    with pytest.raises(BadInput, match="choose the case"):
        workspace.run()


def test_a_workspace_that_has_ended_is_not_opened_again(settings: Settings, instance: dg.DagsterInstance) -> None:
    run = dg.DagsterRun(job_name="case_job", tags={"dagster/partition": "tiny"})
    workspace = CaseWorkspace(Services(settings), run, instance)
    workspace.close()
    with pytest.raises(InternalFault, match="nothing to check"):
        workspace.run()


def test_the_first_step_that_failed_is_the_reason_and_later_checks_do_not_hide_it(
    settings: Settings, register: Register
) -> None:
    def broken(run: Any) -> None:
        raise OSError("gone")

    outcome = run_case(settings, register(), quality=SimpleNamespace(run=broken))
    assert str(outcome.error).startswith("The run failed with OSError")
