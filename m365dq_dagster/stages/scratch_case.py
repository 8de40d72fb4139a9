"""Judge a folder as any run of a case does, without the orchestrator, and keep nothing: the generation lives in memory,
the registry in a folder that is thrown away, and no alert is sent.

For cases whose truth is known. What their verdicts are worth is `core.scoreboard`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from m365dq_dagster.adapters import rivals as shown
from m365dq_dagster.adapters.case_store import IN_MEMORY, CaseStore, create_schema
from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_operations_policy, load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.alerts import alerts_for
from m365dq_dagster.core.checks import failed_blocking
from m365dq_dagster.core.outcome import AccountVerdict, CaseStage, CaseVerdict, LogType
from m365dq_dagster.core.rivals import Opinion, literal, naive
from m365dq_dagster.core.scoreboard import BREACH_ALERT, Conclusion, Judge
from m365dq_dagster.stages import case, document, intake, quality, reliability, verification
from m365dq_dagster.stages.case_run import CaseRun

GENERATION = "scratch"
JUDGING = (intake, quality, reliability, verification)
MEMORY = ":memory:"


@dataclass(frozen=True)
class Judged:
    """The document of a case, and what every judge concludes of it."""

    document: dict[str, Any]
    said: dict[Judge, Conclusion]


class Desk:
    """Judges one folder after another; rule pack and registry are opened once. One desk a process."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.store = CaseStore(scratch / "cases")
        self.pack = load_rule_pack()

    @cached_property
    def registry(self) -> Registry:
        """A registry of the desk's own."""
        return Registry.open(f"sqlite:///{self.scratch / 'registry.sqlite3'}")

    def close(self) -> None:
        """Let go of the registry."""
        self.registry.close()

    def judge(self, folder: Path, case_id: str) -> Judged:
        """Run a folder through intake, quality, reliability and verification, up to the first blocking check."""
        with self._run(folder, case_id) as run:
            for stage in JUDGING:
                if failed_blocking(getattr(stage.run(run), "checks", ())):
                    break
            body = document.build(run, stage=str(CaseStage.VERIFIED))
            return Judged(body, {Judge.OURS: _ours(body), **_rivals(run, body)})

    @contextmanager
    def _run(self, folder: Path, case_id: str) -> Iterator[CaseRun]:
        settings = Settings(home=self.scratch)
        prepared = case.prepare_case(settings, self.registry, self.store, self.pack, folder, case_id)
        con = duckdb.connect(MEMORY, config={**IN_MEMORY, "threads": 1})
        try:
            create_schema(con)
            yield CaseRun(
                case_id=case_id,
                run_id=GENERATION,
                folder=prepared.folder,
                case_dir=self.store.case_dir(case_id),
                context=prepared.context,
                pack=self.pack,
                con=con,
                registry=self.registry,
                clock=SystemClock(),
            )
        finally:
            con.close()


def _ours(body: dict[str, Any]) -> Conclusion:
    advice = body["recommended"].get(LogType.SIGN_IN, {})
    return Conclusion(
        CaseVerdict(body["status"]),
        str(body["headline"]),
        advice.get("field"),
        {str(row["account"]): AccountVerdict(row["verdict"]) for row in body["accounts"] if row["account"]},
        tuple(alert.rule for alert in alerts_for(body, load_operations_policy())),
    )


def _rivals(run: CaseRun, body: dict[str, Any]) -> dict[Judge, Conclusion]:
    rows, homes = shown.readings(run.con), run.context.home_countries
    trusting = naive(rows, shown.exports(run.con))
    lettered = literal(rows, shown.columns(run.con, body["fields"]), homes)
    return {Judge.NAIVE: _concluded(trusting), Judge.LITERAL: _concluded(lettered)}


def _concluded(opinion: Opinion) -> Conclusion:
    """A rival raises the breach alert where it calls a breach, and no other."""
    alerts = (BREACH_ALERT,) if opinion.verdict is CaseVerdict.BREACH_INDICATED else ()
    return Conclusion(opinion.verdict, opinion.headline, opinion.recommended, opinion.accounts, alerts)
