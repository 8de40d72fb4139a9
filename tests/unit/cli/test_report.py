"""`report` writes where it is told, in a format that exists."""

from pathlib import Path

import pytest

from tests.support import sample_document
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

BENCH = HandedWorkbench(sample_document.oculus())


@pytest.mark.parametrize(("form", "opening"), [("html", "<!doctype html>"), ("json", "{")])
def test_a_report_is_written_to_the_file_given(tmp_path: Path, form: str, opening: str) -> None:
    out = tmp_path / f"r.{form}"
    result = call("report", "oculus", "--format", form, "--out", str(out), bench=BENCH)
    assert result.exit_code == 0
    assert str(out) in result.stdout
    assert out.read_text(encoding="utf-8").startswith(opening)


def test_a_folder_gets_a_file_named_after_the_case(tmp_path: Path) -> None:
    shown = call_json("report", "oculus", "--out", str(tmp_path), bench=BENCH)
    assert shown["path"] == str(tmp_path / "oculus.html")
    assert shown["bytes"] == (tmp_path / "oculus.html").stat().st_size


def test_a_dash_is_stdout_but_not_together_with_json() -> None:
    assert call("report", "oculus", "--out", "-", bench=BENCH).stdout.startswith("<!doctype html>")
    result = call("report", "oculus", "--out", "-", "--json", bench=BENCH)
    assert result.exit_code == 2


def test_another_format_names_those_that_exist() -> None:
    result = call("report", "oculus", "--format", "stix", bench=BENCH)
    assert result.exit_code == 2
    assert "the formats are html and json" in result.stderr


def test_a_place_that_cannot_be_written_is_exit_2(tmp_path: Path) -> None:
    result = call("report", "oculus", "--out", str(tmp_path / "no" / "r.html"), bench=BENCH)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
