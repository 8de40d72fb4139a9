"""An estate is judged as its cases were, on this machine and on a cluster."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.stages import canonical, estate
from tests.support.case_runs import run_folder
from tests.support.program import call, call_json
from tests.support.sign_in_folder import TYPE_NAME, write_sign_ins

pytestmark = [pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")]


Documents = dict[str, dict[str, Any]]


def judge(root: Path, registry: Registry, settings: Settings) -> Documents:
    """The documents of two judged cases, of one that its gate stopped, and of one without a log that is known."""
    abroad = write_sign_ins(root / "abroad", 16)
    (abroad / "case.toml").write_text('home_countries = ["NZ"]\n')
    lost = write_sign_ins(root / "lost", code=lambda _: TYPE_NAME, access="success")
    silent = write_sign_ins(root / "silent", code=lambda _: TYPE_NAME, access="")
    empty = root / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("nothing of ours\n")
    named = {"abroad": abroad, "lost": lost, "silent": silent, "empty": empty}
    return {
        name: run_folder(folder, registry, f"g-{name}", settings=settings, case_id=name).document
        for name, folder in named.items()
    }


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Documents]:
    """A home in which the cases are judged, and their documents; to be copied."""
    root = tmp_path_factory.mktemp("estate")
    settings = Settings(home=root / "home")
    with Registry.open(settings.registry_url) as registry:
        return settings.home, judge(root, registry, settings)


@pytest.fixture
def cases(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Documents:
    """The documents of the cases, which are in the home of the test; to be asked for before the registry."""
    if request.config.getoption("registry") != "sqlite":
        return judge(tmp_path, request.getfixturevalue("registry"), Settings.load())
    judged, documents = request.getfixturevalue("once")
    shutil.copytree(judged, home, dirs_exist_ok=True)
    return dict(documents)


def agrees(row: dict[str, Any], document: dict[str, Any]) -> None:
    """What the estate says of a case is what its own run said."""
    told = {(one["log_type"], one["field"]): one for one in document["fields"]}
    assert row["fields"]
    for one in row["fields"]:
        known = told[(one["log_type"], one["field"])]
        assert [one[key] for key in ("state", "score", "may_testify")] == [
            known[key] for key in ("state", "score", "may_testify")
        ]
    assert row["recommended"] == {name: one["field"] for name, one in document["recommended"].items()}
    signed = document["sign_ins"]
    judged = row["sign_ins"]
    assert (judged["events"], judged["by_outcome"]) == (signed["events"], dict(sorted(signed["by_outcome"].items())))
    assert judged["foreign_successes"] == signed["foreign_successes"]
    foreign = {one["account"]: one["foreign_success"] for one in document["accounts"] if one["foreign_success"]}
    assert {one["account"]: one["rows"] for one in judged["accounts"]} == foreign
    assert row["rows"] == {name: one["events"] for name, one in document["by_log_type"].items() if name in row["rows"]}


def test_an_estate_says_of_every_case_what_its_run_said_wherever_it_is_judged(
    cases: Documents, registry: Registry, sail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = estate.run(Settings.load(), registry)
    rows = {row["case"]: row for row in here["cases"]}
    for name in ("abroad", "lost"):
        agrees(rows[name], cases[name])
    assert rows["abroad"]["sign_ins"]["foreign_successes"] > 0
    assert (rows["empty"]["status"], rows["empty"]["sign_ins"]) == ("BLOCKED", None)
    assert rows["empty"]["reason"]
    assert (rows["silent"]["status"], rows["silent"]["sign_ins"]) == ("BLOCKED", None)
    assert {one["state"] for one in rows["silent"]["fields"] if one["field"] == "status_error_code"} == {"CORRUPTED"}
    total = here["total"]
    assert (total["cases"], total["judged"], total["blocked"], total["failed"]) == (4, 2, 2, 0)
    assert total["events"] == sum(cases[name]["sign_ins"]["events"] for name in ("abroad", "lost"))
    monkeypatch.setenv("M365DQ_ENGINE_URL", f"{sail}/;user_id=somebody")
    there = estate.run(Settings.load(), registry, ["lost", "abroad", "lost"])
    assert "somebody" not in json.dumps(there)
    assert [row["case"] for row in there["cases"]] == ["lost", "abroad"]
    for row in there["cases"]:
        timeless = {key: value for key, value in row.items() if key != "seconds"}
        assert timeless == {key: value for key, value in rows[row["case"]].items() if key != "seconds"}


def test_parquet_is_private_written_once_and_replaced_with_the_evidence(registry: Registry, tmp_path: Path) -> None:
    run_folder(write_sign_ins(tmp_path / "abroad", 16), registry, "g-1", case_id="abroad")
    store = CaseStore(Settings.load().cases_dir)
    files = canonical.export(store, "abroad")
    assert {"sign_in_logs", "unified_audit_log", "legacy_auth_logs", "files", "field_provenance"} <= set(files)
    folder = files["files"].parent
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = files["sign_in_logs"].stat().st_mtime_ns
    assert canonical.export(store, "abroad")["sign_in_logs"].stat().st_mtime_ns == written
    (folder.parent / "left.1.new").mkdir()
    run_folder(write_sign_ins(tmp_path / "abroad", 20), registry, "g-2", case_id="abroad")
    newer = canonical.export(store, "abroad")["files"].parent
    assert newer != folder
    assert [one.name for one in folder.parent.iterdir()] == [newer.name]
    with pytest.raises(BadInput, match="There is no case 'unknown' that was judged"):
        canonical.export(store, "unknown")


def test_what_cannot_be_judged_is_said_of_its_case_and_the_others_go_on(
    cases: Documents, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = estate.judged_tenant

    def fails(tenant: estate.Tenant) -> dict[str, Any]:
        if tenant.case_id == "abroad":
            raise InternalFault("the server forgot it")
        return real(tenant)

    monkeypatch.setattr(estate, "judged_tenant", fails)
    found = estate.run(Settings.load(), registry, ["abroad", "lost"])
    assert [(row["status"], row["reason"]) for row in found["cases"]] == [
        ("FAILED", "the server forgot it"),
        ("JUDGED", None),
    ]
    with pytest.raises(BadInput, match="no case 'nobody'"):
        estate.run(Settings.load(), registry, ["nobody"])


def test_an_estate_without_cases_says_how_to_begin(registry: Registry) -> None:
    with pytest.raises(BadInput, match="no judged cases yet"):
        estate.run(Settings.load(), registry)


def test_the_command_shows_a_line_a_case_and_leaves_with_3_where_one_failed(
    cases: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = call("estate", columns=160)
    assert shown.exit_code == 0
    assert "4 cases on this machine" in shown.stdout
    assert "empty: " in shown.stdout
    assert "Findings, leads, verdicts and reports are made by `m365dq run`." in shown.stdout
    assert call_json("estate", "abroad")["total"]["judged"] == 1
    monkeypatch.setattr(estate, "judged_tenant", lambda _: (_ for _ in ()).throw(InternalFault("gone")))
    assert call("estate", "abroad").exit_code == 3
    monkeypatch.setenv("M365DQ_ENGINE_URL", "sc://127.0.0.1:1/;token=s3cr3t")
    refused = call("estate")
    assert refused.exit_code == 3
    assert "127.0.0.1:1 cannot be reached" in refused.stderr
    assert "s3cr3t" not in refused.stdout + refused.stderr


def test_a_run_writes_its_parquet_where_it_is_asked_for_or_an_engine_is_named(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sign_ins(tmp_path / "small", 12)
    monkeypatch.setenv("M365DQ_ENGINE_URL", "sc://127.0.0.1:1/;token=s3cr3t")
    assert call_json("run", str(folder))["case"] == "small"
    written = list((home / "cases" / "small" / "canonical").glob("*/sign_in_logs.parquet"))
    assert len(written) == 1
    monkeypatch.delenv("M365DQ_ENGINE_URL")
    again = call("run", str(folder), "--parquet")
    assert again.exit_code == 0
    assert str(written[0].parent) in again.stderr.replace("\n", "")
