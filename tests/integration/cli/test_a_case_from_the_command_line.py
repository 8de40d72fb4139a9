"""One case from evidence to verdict with everything real, and then everything that reads it back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.stages.case import PreparedCase
from tests.support.program import call, call_json
from tests.support.sign_in_folder import mostly_good, write_sign_ins


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which one small case has been judged; its evidence stands beside it."""
    root = tmp_path_factory.mktemp("installation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M365DQ_HOME", str(root / "home"))
        patch.setenv("M365DQ_LOCK_WAIT_SECONDS", "0.2")
        call("generate", "oculus", "--out", str(root / "evidence"))
        first = call("run", str(root / "evidence"), "--json")
        (root / "first.json").write_text(first.stdout, encoding="utf-8")
        (root / "first.err").write_text(first.stderr, encoding="utf-8")
        assert first.exit_code == 0, first.stderr
        yield root


@pytest.fixture(autouse=True)
def here(installation: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in that installation."""
    monkeypatch.setenv("M365DQ_HOME", str(installation / "home"))
    monkeypatch.setenv("M365DQ_LOCK_WAIT_SECONDS", "0.2")


@pytest.fixture
def first(installation: Path) -> dict[str, Any]:
    return dict(json.loads((installation / "first.json").read_text(encoding="utf-8")))


def test_the_run_finds_the_breach_and_stdout_is_one_document(first: dict[str, Any], installation: Path) -> None:
    assert (first["status"], first["sign_ins"]["foreign_successes"]) == ("BREACH_INDICATED", 188)
    assert (first["unchanged"], first["stage"], first["quality"]["status"]) == (False, "REPORTED", "PASS")
    assert Path(first["report"]).is_file()
    stages = [line.split(":")[0] for line in (installation / "first.err").read_text(encoding="utf-8").splitlines()]
    assert stages[0] == "intake"
    assert "report" in stages


def test_the_same_evidence_again_changes_nothing_and_says_so(first: dict[str, Any], installation: Path) -> None:
    again = call("run", str(installation / "evidence"))
    assert again.exit_code == 0
    assert again.stdout.startswith("Nothing has changed since")
    assert len(again.stdout.splitlines()) <= 40
    assert call_json("run", str(installation / "evidence"))["generation"] == first["generation"]


def test_another_folder_under_the_same_case_is_refused(installation: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("x,y\n1,2\n")
    result = call("run", str(tmp_path / "other"), "--case", "oculus")
    assert result.exit_code == 2
    assert "--add" in result.stderr


@pytest.mark.parametrize("case", ["Not/A/Case", "..", "x" * 65])
def test_a_bad_case_id_is_exit_2(installation: Path, case: str) -> None:
    result = call("run", str(installation / "evidence"), "--case", case)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("country", ["Australia", "A", "1!"])
def test_a_bad_country_is_exit_2(installation: Path, country: str) -> None:
    result = call("run", str(installation / "evidence"), "--home-country", country)
    assert result.exit_code == 2
    assert "country code" in result.stderr


def test_the_case_can_be_read_back(first: dict[str, Any]) -> None:
    shown = call_json("show", "oculus")
    own = {"unchanged", "total_seconds", "report", "home"}
    assert {key: value for key, value in first.items() if key not in own} == shown
    assert call_json("cases")[0]["verdict"] == "BREACH_INDICATED"
    assert call_json("show", "oculus", "progress")["progress"]["share"] == 1.0
    assert [alert["rule"] for alert in call_json("alerts", "list")] == ["breach_indicator"]
    assert call_json("dashboard")["quality_check_pass_rate"]["imports"] == 1


def test_the_report_is_exported_beside_the_generation_and_where_it_is_asked_for(tmp_path: Path) -> None:
    assert call_json("report", "oculus")["path"].endswith("report.html")
    page = Path(call_json("report", "oculus", "--out", str(tmp_path))["path"]).read_text(encoding="utf-8")
    assert "BREACH INDICATED" in page
    assert "188" in page


def test_a_finding_leads_back_to_its_raw_lines(first: dict[str, Any], installation: Path) -> None:
    finding = next(row for row in first["findings"] if row.get("account"))
    lines = call_json("show", "oculus", "evidence", finding["id"].lower())["evidence"]
    assert [(line["file"], line["row"]) for line in lines] == [(e["file"], e["row"]) for e in finding["evidence"]]
    assert all(finding["account"] in line["raw"] for line in lines)
    out = call("show", "oculus", "evidence", finding["id"]).stdout
    assert out.splitlines()[0].startswith(f"{lines[0]['file']}: header  ")


def test_an_unknown_finding_is_exit_2() -> None:
    result = call("show", "oculus", "evidence", "F-999")
    assert result.exit_code == 2
    assert "its findings are F-001" in result.stderr


def test_evidence_that_changed_or_has_gone_is_not_shown(first: dict[str, Any], installation: Path) -> None:
    name = first["findings"][0]["evidence"][0]["file"]
    source = installation / "evidence" / name
    kept = source.read_bytes()
    try:
        source.write_bytes(kept + b"\n")
        assert "has changed since it was judged" in call("show", "oculus", "evidence", "F-001").stdout
        source.unlink()
        assert "has gone from the case's folder" in call("show", "oculus", "evidence", "F-001").stdout
    finally:
        source.write_bytes(kept)


def test_evidence_whose_folder_has_gone_says_so(installation: Path) -> None:
    (installation / "evidence").rename(installation / "moved")
    try:
        assert "has gone from the case's folder" in call("show", "oculus", "evidence", "F-001").stdout
    finally:
        (installation / "moved").rename(installation / "evidence")


@contextmanager
def held_case(home: Path, seconds: float) -> Iterator[None]:
    """Another process holds the case for so long."""
    holder = (
        "import sys, time; from pathlib import Path; from m365dq_dagster.adapters.case_store import CaseStore\n"
        "with CaseStore(Path(sys.argv[1])).lock('oculus', 0):\n"
        " print('held', flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", holder, str(home / "cases"), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.kill()


def test_a_busy_case_waits_says_so_and_leaves_with_4(installation: Path) -> None:
    with held_case(installation / "home", 60):
        result = call("run", str(installation / "evidence"), "--home-country", "NZ", "--json")
    assert result.exit_code == 4
    assert "another run of this case is working; waiting up to 0.2 s" in result.stderr
    assert json.loads(result.stdout)["exit_code"] == 4
    assert CaseStore(installation / "home" / "cases").current("oculus") is not None


def test_what_another_run_has_judged_meanwhile_is_not_judged_again(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M365DQ_LOCK_WAIT_SECONDS", "30")
    seen: list[bool] = []
    prepared = Workbench._prepared

    def first_time_changed(self: Workbench, registry: Registry, *asked: Any) -> PreparedCase:
        found = prepared(self, registry, *asked)
        seen.append(found.unchanged)
        return replace(found, unchanged=found.unchanged and len(seen) > 1)

    monkeypatch.setattr(Workbench, "_prepared", first_time_changed)
    with held_case(installation / "home", 1):
        result = call("run", str(installation / "evidence"), "--home-country", "AU")
    assert "waiting up to 30 s" in result.stderr
    assert result.stdout.startswith("Nothing has changed")
    assert len(seen) == 2


def test_a_folder_without_a_known_log_is_accounted_for_and_leaves_with_1(tmp_path: Path) -> None:
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "unknown" / "binary.bin").write_bytes(bytes(range(256)) * 20)
    result = call("run", str(tmp_path / "unknown"), "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["status"], document["findings"]) == ("CANNOT_CONCLUDE", [])
    assert [(file["path"], file["status"]) for file in document["files"]] == [
        ("binary.bin", "UNRECOGNISED"), ("table.csv", "UNRECOGNISED"),
    ]  # fmt: skip
    assert "What to do next" in Path(document["report"]).read_text(encoding="utf-8")
    assert call("run", str(tmp_path / "unknown")).exit_code == 1


def test_an_unknown_code_is_approved_and_the_case_judged_again_without_its_evidence(tmp_path: Path) -> None:
    folder = write_sign_ins(tmp_path / "unseen", code=lambda row: "599997" if row in (5, 9) else mostly_good(row))
    first = json.loads(call("run", str(folder), "--json").stdout)
    assert (first["status"], [one["value"] for one in first["unknown_codes"]]) == ("CANNOT_CONCLUDE", ["599997"])
    raised = [one for one in call_json("alerts", "list") if one["case"] == "unseen"]
    assert [one["message"] for one in raised] == ["Unknown status code detected in sign_in_logs: 599997"]

    place = ("sign_in_logs", "status_error_code", "599997")
    what = ("--category", "bad_credentials", "--severity", "WARNING", "--meaning", "Wrong password at the new page")
    assert call("codes", "add", *place, *what).exit_code == 0
    assert call("codes", "approve", *place).exit_code == 0
    shutil.rmtree(folder)
    judged = call("rejudge", "unseen")
    assert judged.exit_code == 0, judged.stderr
    changed = call_json("diff", "unseen")
    assert changed["outcomes"] == [
        {"log_type": "sign_in_logs", "code": "599997", "before": {"UNKNOWN": 2}, "after": {"REJECTED": 2}}
    ]
    assert {one["what"] for one in changed["accounts"]} == {"person1@contoso.example"}
    (why,) = changed["why"]
    assert why == ("code 599997: not there -> bad_credentials (REJECTED), first factor rejected; 2 rows of this case")
    assert call("rejudge", "unseen", "--pack", "sha256:00000000").exit_code == 2
