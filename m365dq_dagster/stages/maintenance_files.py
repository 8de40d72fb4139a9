"""What a quarterly cycle leaves to read and to fill in: the page, the same in Markdown and as JSON, and the decisions.
What stands in them is the business of `maintenance`.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from m365dq_dagster import __version__
from m365dq_dagster.adapters import storage_faults, templates
from m365dq_dagster.adapters.edited_tables import read_table
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core import maintenance_page
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.maintenance import MaintenanceReport, Step
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.stages.decisions import DecisionRow, decisions_text

DECISIONS = "decisions.csv"
BEFORE = "decisions.before.csv"
"""What somebody had filled in when the cycle was gone through again."""


def folder_of(home: Path, quarter: str) -> Path:
    """Where the files of a quarter are."""
    return home / "maintenance" / quarter


def decisions(folder: Path) -> str:
    """The file that takes the decisions of a cycle, as a shell reads it."""
    return shlex.quote(str(folder / DECISIONS))


def write_files(
    report: MaintenanceReport, rows: Sequence[DecisionRow], folder: Path, told: Path
) -> tuple[tuple[str, ...], str]:
    """Write the report into a folder, which is made where it is missing; replaces older ones. `told` is the folder that
    the pages speak of, and whose decisions so far are carried over.

    Returns the names of the files, and one sentence on the decisions that were found, or ''.
    """
    found, note = _carried_over(told / DECISIONS, rows)
    texts = {
        "report.html": html(report, told),
        "report.md": markdown(report, told),
        "report.json": json.dumps(as_mapping(report), indent=2, ensure_ascii=True, default=str) + "\n",
        DECISIONS: decisions_text(found),
    }
    with storage_faults.told("The maintenance report"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if note and folder == told:
            shutil.copyfile(told / DECISIONS, told / BEFORE)
            (told / BEFORE).chmod(0o600)
        for name, text in texts.items():
            write_whole(folder / name, text)
    return tuple(texts), note


def _carried_over(file: Path, rows: Sequence[DecisionRow]) -> tuple[list[DecisionRow], str]:
    """The rows with what somebody has filled in since the last cycle of the quarter."""
    if not file.is_file():
        return list(rows), ""
    try:
        lines = read_table(file).lines
    except BadInput as error:
        return list(rows), f"The decisions so far could not be read and are kept as {BEFORE}: {error}"
    filled = {_name(line.cells): line.cells for line in lines if line.cells.get("decision")}
    found = [_filled(row, filled.get(_name(asdict(row)))) for row in rows]
    if not filled:
        return found, ""
    kept = sum(bool(row.decision) for row in found)
    return found, (
        f"{plural(kept, 'decision')} that nobody has carried out yet {'was' if kept == 1 else 'were'} taken over into "
        f"{DECISIONS}; the file as it was is {BEFORE}."
    )


def _name(cells: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(str(cells.get(name, "")) for name in ("log_type", "field_name", "code_value"))


def _filled(row: DecisionRow, cells: Mapping[str, str] | None) -> DecisionRow:
    kept = {name: cells[name] for name in asdict(row) if name != "evidence" and name in cells} if cells else {}
    return replace(row, **kept)


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
    body: dict[str, Any] = asdict(replace(report, steps=()))
    return {
        **body,
        "generated_at": report.generated_at.isoformat(),
        "headline": maintenance_page.headline(report),
        "again": maintenance_page.again(report) or None,
        "minutes": report.minutes,
        "counts": report.counts,
        "steps": [_step(one) for one in report.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {**asdict(step), "told": maintenance_page.told(step), "left": step.left}
