"""The runbook of the unknown code is worked through as it stands, on a case that holds one."""

import re
import shlex
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.stages.decisions import DecisionRow, decisions_text
from tests.support.case_runs import NOW, run_folder
from tests.support.program import call, call_json
from tests.support.sign_in_folder import write_sign_ins

ELSEWHERE = ("run", "rejudge", "diff")
"""Commands of the page that whole runs are made for in other tests."""


def commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["m365dq"]]


def test_every_command_of_the_runbook_does_what_the_page_says(
    registry: Registry, tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sign_ins(tmp_path / "lab", code=lambda n: "999999" if n % 10 == 9 else "0")
    run_folder(folder, registry)
    monkeypatch.setattr(Workbench, "now", lambda _: NOW)
    monkeypatch.chdir(tmp_path)
    decided = DecisionRow("sign_in_logs", "status_error_code", "999998", "app_config", "", "", "INFO", "m")
    (tmp_path / "decisions.csv").write_text(decisions_text([decided]).replace("m,,,,", "m,,,approve,"))
    (tmp_path / "list.csv").write_text("Code,Description\n700084,one\n700084,another\n999997,new\n")
    said = {}
    for words in commands((checkout / "docs" / "runbooks" / "unknown-status-code.md").read_text(encoding="utf-8")):
        if words[0] in ELSEWHERE:
            continue
        done = call(*("lab" if word == "CASE" else word for word in words))
        if words[:2] == ["codes", "lookup"]:
            assert "is in no table and is not guessed" in done.stderr
        else:
            assert done.exit_code == 0, (words, done.stderr)
        said.setdefault(" ".join(words[: 3 if "--from" in words else 2]), done.stdout)
    assert "999999" in said["codes unknown"]
    assert "999999" in said["show CASE"]
    assert "it waits for approval: m365dq codes approve sign_in_logs status_error_code 999999" in said["codes add"]
    assert "Cases that hold it: lab." in said["codes approve"]
    assert "1 approved" in said["codes approve --from"]
    assert "999999" not in {row["value"] for row in call_json("codes", "unknown")}
    assert {row["state"] for row in call_json("codes", "lookup", "Sucess")} == {"ACTIVE"}
    assert {row["state"] for row in call_json("codes", "lookup", "999998")} == {"ACTIVE"}
    assert {row["state"] for row in call_json("codes", "lookup", "999997")} == {"PENDING"}
