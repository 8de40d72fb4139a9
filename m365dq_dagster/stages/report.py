"""The report of a case: its document as a page for people and as JSON for programs.

What was concluded is not judged again here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m365dq_dagster import __version__
from m365dq_dagster.adapters import measure, templates
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core import narrative
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.stages import alerts, corrections
from m365dq_dagster.stages import document as case_document
from m365dq_dagster.stages.case_run import CaseRun
from m365dq_dagster.stages.published import report_dir

FORMATS = ("html", "json")
RUN_KEY = "report_run"


@dataclass(frozen=True)
class ReportReport:
    """Where the report of a generation was written, and the sentence it opens with."""

    html: Path
    json: Path
    headline: str
    checks: tuple[CheckResult, ...] = ()


def run(run: CaseRun) -> ReportReport:
    """Close the case: document and alerts into the generation, the report beside it, REPORTED unless it is blocked."""
    run.progress.step("report", "writing the report")
    now, stage = run.clock.now(), run.registry.current_stage(run.case_id) or CaseStage.IMPORTED
    body = case_document.build(run, stage=str(stage))
    if body["quality"]["status"] != "FAIL" and stage in (CaseStage.VERIFIED, CaseStage.REPORTED):
        run.registry.set_stage(run.case_id, CaseStage.REPORTED, now)
        body["stage"] = str(CaseStage.REPORTED)
    if run.pack.in_force:
        body["alerts"] = alerts.raise_for_document(run.registry, body, now)
    else:  # nobody is called for what a pack says that runs do not go by
        body["alerts"] = alerts.alerts_of(run.registry, run.case_id)
    case_document.keep(run.con, body)
    measure.note(run.con, RUN_KEY, run.run_id)
    beside = {"corrections": corrections.of_document(run.registry, body)}
    return write_report({**body, **beside}, report_dir(run.case_dir, run.run_id))


def is_made(run: CaseRun) -> bool:
    """Whether this run has made the report already."""
    return measure.noted(run.con, RUN_KEY) == run.run_id


def write_report(document: Mapping[str, Any], folder: Path) -> ReportReport:
    """Write `report.html` and `report.json` into the folder, which is made where it is missing; replaces older ones."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = {form: folder / f"report.{form}" for form in FORMATS}
    for form, path in paths.items():
        write_whole(path, rendered(document, form))
    return ReportReport(paths["html"], paths["json"], str(document.get("headline")))


def rendered(document: Mapping[str, Any], form: str) -> str:
    """The report as text; one page where a blocking check withheld the verdict. `BadInput` for another format."""
    if form == "json":
        return "{\n" + ",\n".join(f"  {_text(key)}: {_entries(value)}" for key, value in document.items()) + "\n}\n"
    if form == "html":
        name = "blocked" if narrative.part(document, "quality").get("status") == "FAIL" else "report"
        return templates.render(name, document=document, say=narrative, version=__version__)
    raise BadInput(f"There is no report format {form[:20]!r}; the formats are {' and '.join(FORMATS)}.")


def _entries(value: object) -> str:
    """A value as JSON; a list has a line for each of its entries, which reads better and is made faster than a line for
    each word.
    """
    if not isinstance(value, list) or not value:
        return _text(value)
    return "[\n    " + ",\n    ".join(map(_text, value)) + "\n  ]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)


def export(document: Mapping[str, Any], form: str, out: Path) -> Path:
    """Write the report to a file, or into a folder as `<case>.<format>`. `BadInput` where that cannot be written."""
    text = rendered(document, form)
    path = out.expanduser().absolute()
    if path.is_dir():
        path = path / f"{document.get('case')}.{form}"
    try:
        write_whole(path, text)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written ({error.strerror}); the case is untouched. Give --out a file in a folder that "
            "exists, that you may write and that has room."
        ) from None
    return path
