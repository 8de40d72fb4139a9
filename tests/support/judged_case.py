"""A case that the orchestrator ran once, in a home of its own, for many tests to look at or to go on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.definitions import run_case
from m365dq_dagster.defs.launch import RunOutcome
from m365dq_dagster.stages.case import prepare_case
from m365dq_dagster.stages.published import read_document
from tests.support.sign_in_folder import write_sign_ins

CASE = "tiny"


def plainly(settings: Settings) -> RunOutcome:
    """Run the case as it is registered."""
    return run_case(settings, CASE)


class JudgedCase:
    """Settings, store and outcome of the one run. Tests that only look share it; `taken_over` is for those that go on
    with the case.
    """

    case_id = CASE

    def __init__(
        self, home: Path, dagster_home: Path, launch: Callable[[Settings], RunOutcome] = plainly, **evidence: Any
    ) -> None:
        """`dagster_home` is an empty state of the orchestrator, `evidence` what `write_sign_ins` takes."""
        self.settings = Settings(home=home, lock_wait_seconds=0.2)
        self.store = CaseStore(self.settings.cases_dir)
        self.folder = home.with_name(f"{home.name}-evidence") / CASE
        shutil.copytree(dagster_home, self.settings.dagster_home)
        with pytest.MonkeyPatch.context() as patch, Registry.open(self.settings.registry_url) as registry:
            patch.setenv("M365DQ_HOME", str(home))
            folder = write_sign_ins(self.folder, **evidence)
            prepare_case(self.settings, registry, self.store, load_rule_pack(), folder, CASE)
            self.outcome = launch(self.settings)

    def document(self) -> dict[str, Any]:
        """What was published."""
        return read_document(self.store, CASE)

    @property
    def report(self) -> Path:
        """The page that was written."""
        return self.store.case_dir(CASE) / "reports" / self.outcome.run_id / "report.html"

    def taken_over(self, settings: Settings) -> str:
        """Copy all of it into another home, before anything there is opened; returns the case's id. The evidence stays
        where it is registered, and is everybody's.
        """
        shutil.copytree(self.settings.home, settings.home, dirs_exist_ok=True)
        return CASE
