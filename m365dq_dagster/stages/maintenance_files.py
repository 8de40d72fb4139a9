"""What a quarterly cycle leaves to read and to fill in: the page, the same in Markdown and as JSON, and the decisions.
What stands in them is the business of `maintenance`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m365dq_dagster import __version__
from m365dq_dagster.adapters import storage_faults, templates
from m365dq_dagster.core import maintenance_page
from m365dq_dagster.core.maintenance import MaintenanceReport
from m365dq_dagster.stages.report import write_text

DECISIONS = "decisions.csv"
FILES = ("report.html", "report.md", "report.json")


def folder_of(home: Path, quarter: str) -> Path:
    """Where the files of a quarter are."""
    return home / "maintenance" / quarter


def decisions(folder: Path) -> str:
    """The file that takes the decisions of a cycle, as a shell reads it."""
    return shlex.quote(str(folder / DECISIONS))


def write_files(report: MaintenanceReport, folder: Path, told: Path) -> tuple[str, ...]:
    """Write the report into a folder, which is made where it is missing; replaces older ones. `told` is the folder that
    the pages speak of.
    """
    texts = {
        "report.html": html(report, told),
        "report.md": markdown(report, told),
        "report.json": json.dumps(as_mapping(report), indent=2, ensure_ascii=True, default=str) + "\n",
    }
    with storage_faults.told("The maintenance report"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FILES:
            write_text(folder / name, texts[name])
    return FILES


def html(report: MaintenanceReport, told: Path) -> str:
    """The report as a page that needs nothing beside it."""
    return templates.render(
        "maintenance", report=report, say=maintenance_page, decisions=decisions(told), version=__version__
    )


def markdown(report: MaintenanceReport, told: Path) -> str:
    """The report in Markdown."""
    return maintenance_page.markdown(report, decisions(told))


def as_mapping(report: MaintenanceReport) -> dict[str, Any]:
    """The report for programs: all matters, with the sentences that the pages say."""
    body: dict[str, Any] = asdict(report)
    steps = [_step(one, asdict(one)) for one in report.steps]
    return {
        **body,
        "generated_at": report.generated_at.isoformat(),
        "headline": maintenance_page.headline(report),
        "again": maintenance_page.again(report) or None,
        "minutes": report.minutes,
        "counts": report.counts,
        "steps": steps,
    }


def _step(step: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "told": maintenance_page.told(step), "left": step.left}
