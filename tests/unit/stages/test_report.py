"""A report is written whole, privately, and says what the document says."""

import json
import stat
from pathlib import Path

import pytest

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages import report
from tests.support import sample_document


def test_both_forms_are_written_for_the_owner_only(tmp_path: Path) -> None:
    written = report.write_report(sample_document.oculus(), tmp_path / "reports" / "g1")
    assert json.loads(written.json.read_text(encoding="utf-8")) == sample_document.oculus()
    assert written.html.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (written.html, written.json)} == {0o600}
    assert sorted(path.name for path in written.html.parent.iterdir()) == ["report.html", "report.json"]


def test_the_report_opens_with_the_headline_of_the_document(tmp_path: Path) -> None:
    written = report.write_report(sample_document.oculus(), tmp_path)
    assert written.headline.startswith("Case oculus: breach indicated.")


def test_writing_again_replaces(tmp_path: Path) -> None:
    report.write_report(sample_document.oculus(), tmp_path)
    written = report.write_report(sample_document.clean(), tmp_path)
    assert json.loads(written.json.read_text(encoding="utf-8"))["case"] == "quiet"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(BadInput, match="formats are html and json"):
        report.rendered(sample_document.oculus(), "pdf")


def test_an_export_goes_into_a_folder_or_to_a_file(tmp_path: Path) -> None:
    assert report.export(sample_document.oculus(), "json", tmp_path) == tmp_path / "oculus.json"
    assert report.export(sample_document.oculus(), "json", tmp_path / "x") == tmp_path / "x"


def test_a_place_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        report.export(sample_document.oculus(), "json", tmp_path / "no" / "x.json")


def test_unknown_values_are_shown_with_their_moments_and_what_to_type() -> None:
    code = {"log_type": "sign_in_logs", "field": "status_error_code", "value": "530031", "rows": 2, "alerts": True}
    code |= {"first": "2026-01-05T09:00:00Z", "last": "2026-01-06T09:00:00Z", "proposed": True}
    code |= {"look_up": "m365dq codes lookup 530031", "settle": "m365dq codes approve sign_in_logs x 530031"}
    quiet = [{**code, "value": f"<b>{n}</b>", "alerts": False, "canonical_field": "operation"} for n in range(12)]
    body = {**sample_document.oculus(), "unknown_codes": [code], "unknown_values": quiet}
    body["findings"][0]["leaned_on_unknown"] = [code]
    page = report.rendered(body, "html")
    for told in ("2026-01-05 09:00:00 UTC", "waits for approval", code["look_up"], code["settle"], "12 unknown values"):
        assert str(told) in page
    assert "Left open by values in no table: 530031 in status_error_code (2 rows)" in page
    assert "&lt;b&gt;9&lt;/b&gt;" in page
    assert "<b>9</b>" not in page
    assert "and 2 more values" in page
