"""The raw lines of a finding are the source's own, or it is said why they are not shown."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from m365dq_dagster.adapters.rule_pack import RulePack, load_rule_pack
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages.evidence import raw_lines
from m365dq_dagster.stages.generate import generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sign-ins as JSON records and as a table."""
    root = tmp_path_factory.mktemp("evidence")
    generate("signins", root / "json", rows=5, shape="graph-json", context=False)
    generate("signins", root / "csv", rows=5, shape="portal-csv", context=False)
    return root


def document(folder: Path, pattern: str, rows: list[int]) -> tuple[dict[str, Any], Path]:
    path = next(path for path in sorted(folder.rglob(pattern)) if path.name != "expected.json")
    name = path.relative_to(folder).as_posix()
    finding = {"id": "F-001", "evidence": [{"file": name, "row": row} for row in rows]}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"case": "c", "findings": [finding], "files": [{"path": name, "sha256": digest}]}, path


def test_a_table_gives_its_lines_and_its_header(folder: Path) -> None:
    found, path = document(folder, "*.csv", [1, 3])
    lines = raw_lines(found, "f-001", [folder], load_rule_pack())
    source = path.read_text(encoding="utf-8-sig").splitlines()
    assert [line.raw for line in lines] == [source[1], source[3]]
    assert lines[0].header is not None
    assert "User" in lines[0].header


def test_a_document_gives_its_records_and_has_no_header(folder: Path) -> None:
    found, _ = document(folder, "*.json", [2])
    (line,) = raw_lines(found, "F-001", [folder], load_rule_pack())
    assert line.raw is not None
    assert line.raw.startswith("{")
    assert line.header is None


def test_a_row_that_is_not_there_says_so(folder: Path) -> None:
    found, _ = document(folder, "*.csv", [99])
    (line,) = raw_lines(found, "F-001", [folder], load_rule_pack())
    assert (line.raw, line.problem) == (None, "the file has no such record")


def test_a_format_that_the_pack_no_longer_knows_says_so(folder: Path) -> None:
    found, _ = document(folder, "*.csv", [1])
    empty: RulePack = SimpleNamespace(formats=())  # type: ignore[assignment]
    (line,) = raw_lines(found, "F-001", [folder], empty)
    assert line.problem is not None
    assert "no longer known" in line.problem


def test_a_case_without_findings_says_so(folder: Path) -> None:
    with pytest.raises(BadInput, match="it has no findings"):
        raw_lines({"case": "c", "findings": []}, "F-001", [folder], load_rule_pack())
