"""A workbench whose stages are handed in: the commands are tried without evidence, engine or orchestrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m365dq_dagster.cli.workbench import RunRequest, RunResult, Workbench
from m365dq_dagster.core.errors import BadInput
from tests.support import sample_document


class HandedWorkbench(Workbench):
    """Answers with one document; remembers what it was asked to run."""

    def __init__(self, document: dict[str, Any] | None = None, failure: Exception | None = None) -> None:
        self.handed = document
        self.failure = failure
        self.asked: list[RunRequest] = []
        self.unchanged_since: str | None = None

    def run(self, request: RunRequest, progress: Any) -> RunResult:
        self.asked.append(request)
        progress.step("intake", "sign_ins.csv", 1, 3)
        progress.step("intake", "ual.csv", 2, 3)
        progress.step("quality", "profiles of 12 fields")
        return RunResult(self.document("any"), self.home / "report.html", self.unchanged_since)

    def document(self, case_id: str) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        if self.handed is None:
            raise BadInput(f"Case {case_id} is not known; `m365dq cases` lists those that are.")
        return self.handed

    def quarantine(self, case_id: str, rows: int | None = None, characters: int | None = None) -> list[dict[str, Any]]:
        return sample_document.quarantined_rows()[:rows]

    def provenance(self, case_id: str) -> list[dict[str, Any]]:
        return sample_document.origins()

    def demo_evidence(self) -> Path:
        return self.home
