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
from tests.support.archives import zip_flags, zipped


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
    lines = raw_lines(found, "f-001", [folder], load_rule_pack(), folder)
    source = path.read_text(encoding="utf-8-sig").splitlines()
    assert [line.raw for line in lines] == [source[1], source[3]]
    assert lines[0].header is not None
    assert "User" in lines[0].header


def test_a_document_gives_its_records_and_has_no_header(folder: Path) -> None:
    found, _ = document(folder, "*.json", [2])
    (line,) = raw_lines(found, "F-001", [folder], load_rule_pack(), folder)
    assert line.raw is not None
    assert line.raw.startswith("{")
    assert line.header is None


def test_a_row_that_is_not_there_says_so(folder: Path) -> None:
    found, _ = document(folder, "*.csv", [99])
    (line,) = raw_lines(found, "F-001", [folder], load_rule_pack(), folder)
    assert (line.raw, line.problem) == (None, "the file has no such record")


def test_a_format_that_the_pack_no_longer_knows_says_so(folder: Path) -> None:
    found, _ = document(folder, "*.csv", [1])
    empty: RulePack = SimpleNamespace(format_definitions=())  # type: ignore[assignment]
    (line,) = raw_lines(found, "F-001", [folder], empty, folder)
    assert line.problem is not None
    assert "no longer known" in line.problem


def test_a_case_without_findings_says_so(folder: Path) -> None:
    with pytest.raises(BadInput, match="it has no findings"):
        raw_lines({"case": "c", "findings": []}, "F-001", [folder], load_rule_pack(), folder)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / "case").mkdir()
    return tmp_path / "case"


def archived(folder: Path, evidence: Path) -> tuple[dict[str, Any], str]:
    """A table inside an archive inside an archive, in an evidence folder of its own; its document and second line."""
    found, path = document(folder, "*.csv", [1, 2])
    evidence.mkdir(exist_ok=True)
    inner = zipped([("in/sign-ins.csv", path.read_bytes())])
    (evidence / "all.zip").write_bytes(zipped([("inner.zip", inner), ("other.csv", b"x")]))
    name = "all.zip/inner.zip/in/sign-ins.csv"
    found["findings"][0]["evidence"] = [{"file": name, "row": 2}, {"file": "all.zip/gone.csv", "row": 1}]
    found["files"][0]["path"] = name
    return found, path.read_text(encoding="utf-8-sig").splitlines()[2]


def test_a_row_inside_an_archive_is_read_again_and_nothing_stays_behind(
    folder: Path, tmp_path: Path, case: Path
) -> None:
    found, second = archived(folder, tmp_path / "evidence")
    row, gone = raw_lines(found, "F-001", [tmp_path / "evidence"], load_rule_pack(), case)

    assert row.raw == second
    assert gone.problem == "the file has gone from the case's folder; put it back to read its lines"
    assert list(case.iterdir()) == []


def test_an_archive_of_an_added_folder_is_found_and_a_folder_that_has_gone_is_none(
    folder: Path, tmp_path: Path, case: Path
) -> None:
    found, second = archived(folder, tmp_path / "evidence")
    found["findings"][0]["evidence"] = [{"file": "evidence/all.zip/inner.zip/in/sign-ins.csv", "row": 2}]
    found["files"][0]["path"] = "evidence/all.zip/inner.zip/in/sign-ins.csv"
    folders = [tmp_path / "nowhere", tmp_path / "evidence"]
    (row,) = raw_lines(found, "F-001", folders, load_rule_pack(), case)

    assert row.raw == second


def test_an_archive_that_has_gone_or_changed_or_cannot_be_opened_any_more_is_said(
    folder: Path, tmp_path: Path, case: Path
) -> None:
    evidence = tmp_path / "evidence"
    found, _ = archived(folder, evidence)
    archive = evidence / "all.zip"

    def problem() -> str:
        line, _ = raw_lines(found, "F-001", [evidence], load_rule_pack(), case)
        assert line.raw is None
        return str(line.problem)

    archive.write_bytes(zip_flags(zipped([("a.csv", b"x")]), b"a.csv", 1))
    assert "the archive around the file no longer gives it: The archive is protected by a password" in problem()
    archive.write_bytes(zipped([("inner.zip", zipped([("in/sign-ins.csv", b"other")]))]))
    assert "the file has changed since it was judged" in problem()
    archive.write_bytes(b"PK\x03\x04" + b"cut")
    assert "The archive is damaged" in problem()
    archive.unlink()
    assert "the file has gone" in problem()


def test_no_folder_is_made_where_no_archive_is_opened(folder: Path, tmp_path: Path) -> None:
    found, _ = document(folder, "*.csv", [1])
    (line,) = raw_lines(found, "F-001", [folder], load_rule_pack(), tmp_path / "nowhere")

    assert line.raw
