"""A case as a whole: what it is called, what it knows, whether there is anything to do, and how a run of it ends."""

import shutil
import time
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.evidence import folder as evidence_folder
from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage, DateOrder
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.stages import case, report
from m365dq_dagster.stages.case import MAX_CONTEXT_BYTES, PreparedCase, open_case, prepare_case
from m365dq_dagster.stages.generate import generate
from m365dq_dagster.stages.overrides import lapsed
from m365dq_dagster.stages.published import read_document
from tests.support.case_runs import NOW, STAGES, prepare, run_folder, shipped_pack
from tests.support.sign_in_folder import TYPE_NAME, write_sign_ins

SKIP = Override("export is being repeated", "sam@contoso.example", "2026-04-01")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of evidence that is quick to judge, without a `case.toml`."""
    made = generate("signins", tmp_path / "Case One", rows=40, shape="graph-jsonl", context=False)
    return made.folder


def reopened(registry: Registry, case_id: str = "case-one") -> PreparedCase:
    settings = Settings.load()
    return open_case(settings, registry, CaseStore(settings.cases_dir), case_id)


# --- Its name


def test_a_case_is_named_by_the_option_else_by_its_context_else_by_its_folder(folder: Path, registry: Registry) -> None:
    assert prepare(folder, registry).case_id == "case-one"
    (folder / "case.toml").write_text('case = "oculus-2"\n')
    assert prepare(folder, registry).case_id == "oculus-2"
    assert prepare(folder, registry, case_id="mine").case_id == "mine"


@pytest.mark.parametrize("name", ["../up", "A B", "x" * 65])
def test_a_name_that_cannot_be_a_folder_is_refused(folder: Path, registry: Registry, name: str) -> None:
    with pytest.raises(BadInput, match="not usable"):
        prepare(folder, registry, case_id=name)
    assert registry.cases() == []


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x")], ids=["nothing", "a file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, registry: Registry, make: Any) -> None:
    make(tmp_path / "there")
    with pytest.raises(BadInput, match="there is no such folder; give the folder that holds the exports"):
        prepare(tmp_path / "there", registry)


# --- Its context


def test_the_context_comes_from_case_toml_and_options_stand_above_it(folder: Path, registry: Registry) -> None:
    (folder / "case.toml").write_text('home_countries = ["au"]\ndate_order = "MDY"\n')
    assert prepare(folder, registry).context.home_countries == ("AU",)
    found = prepare(folder, registry, home_countries=("nz",), date_order=DateOrder.DMY).context
    assert (found.home_countries, found.date_order) == (("NZ",), DateOrder.DMY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"home = [\n", "is not readable TOML"),
        (b"case = \"\xff\"\n", "is not readable TOML"),
        (b"# " + b"x" * MAX_CONTEXT_BYTES, "larger than 1 MB"),
        (b"homes = []\n", "key 'homes' is not known"),
        (b'home_countries = ["Australia"]\n', "is no country code"),
        (b'case = "A B"\n', "not usable"),
    ],
)  # fmt: skip
def test_a_context_that_cannot_be_read_is_named(folder: Path, registry: Registry, text: bytes, said: str) -> None:
    (folder / "case.toml").write_bytes(text)
    with pytest.raises(BadInput, match=said) as caught:
        prepare(folder, registry)
    assert "\n" not in str(caught.value)
    assert registry.cases() == []


def test_a_context_without_read_permission_is_named(
    folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "case.toml").write_text("")

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(BadInput, match=r"cannot be read \(Permission denied\); give yourself read permission"):
        case.read_context(folder)


def test_a_link_in_place_of_the_context_is_not_followed(folder: Path, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text('home_countries = ["RU"]\n')
    (folder / "case.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert prepare(folder, registry).context.home_countries == ()


# --- Whether there is anything to do


def test_the_same_folder_again_is_unchanged_and_says_when_it_was_judged(folder: Path, registry: Registry) -> None:
    assert not prepare(folder, registry).unchanged
    run_folder(folder, registry)
    again = prepare(folder, registry)
    assert again.unchanged
    assert again.judged_at == NOW
    assert reopened(registry).unchanged


def test_a_changed_file_context_pack_or_override_is_judged_again(
    folder: Path, registry: Registry, tmp_path: Path
) -> None:
    run_folder(folder, registry)
    evidence = next(folder.iterdir())
    kept = evidence.read_bytes()
    evidence.write_bytes(kept[: kept.rindex(b"{")])
    assert not prepare(folder, registry).unchanged
    evidence.write_bytes(kept)
    assert prepare(folder, registry).unchanged
    assert not prepare(folder, registry, home_countries=("NZ",)).unchanged
    assert not prepare(folder, registry, override=SKIP).unchanged
    moved = RulePack(Path(shutil.copytree(shipped_pack().root, tmp_path / "pack")), shipped_pack().expectations_dir)
    (moved.root / "policy.toml").write_text((moved.root / "policy.toml").read_text() + "# mine\n")
    settings = Settings.load()
    store = CaseStore(settings.cases_dir)
    assert not prepare_case(settings, registry, store, moved, folder, case_id="case-one").unchanged


def test_unchanged_evidence_is_told_by_size_and_time_and_by_its_bytes_where_that_is_asked_for(
    folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = evidence_folder._fingerprint.__wrapped__

    def reading(path: str, *said: int) -> Any:
        read.append(path)
        return real(path, *said)

    monkeypatch.setattr(evidence_folder, "now_ns", lambda: time.time_ns() + 10_000_000_000)
    run_folder(folder, registry)
    evidence_folder.read_anew()
    monkeypatch.setattr(evidence_folder, "_fingerprint", lru_cache(reading))
    assert prepare(folder, registry).unchanged
    assert read == []
    assert prepare(folder, registry, verify=True).unchanged
    assert len(read) == 1
    next(folder.iterdir()).touch()
    assert prepare(folder, registry).unchanged
    assert len(read) == 2
    evidence_folder.read_anew()
    assert prepare(folder, registry).unchanged
    assert len(read) == 2


def test_a_renamed_file_is_other_evidence_because_findings_name_files(folder: Path, registry: Registry) -> None:
    run_folder(folder, registry)
    evidence = next(folder.iterdir())
    evidence.rename(folder / "other.jsonl")
    assert not prepare(folder, registry).unchanged


def test_an_added_line_of_context_is_judged_again_and_a_comment_is_not(folder: Path, registry: Registry) -> None:
    run_folder(folder, registry)
    (folder / "case.toml").write_text("# nothing new\n")
    assert prepare(folder, registry).unchanged
    (folder / "case.toml").write_text('home_countries = ["AU"]\n')
    assert not prepare(folder, registry).unchanged


def test_a_folder_that_changed_while_it_was_read_is_read_again(
    folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = report.run

    def somebody_writes(run: Any) -> Any:
        (folder / "SignInLogs.jsonl").write_text("{}\n")
        return finish(run)

    monkeypatch.setattr(report, "run", somebody_writes)
    run_folder(folder, registry)
    monkeypatch.undo()
    record = registry.case("case-one")
    assert record is not None
    assert record.identity == ""
    assert not prepare(folder, registry).unchanged


# --- Its folders


def test_another_folder_is_refused_unless_it_is_to_be_added(folder: Path, registry: Registry, tmp_path: Path) -> None:
    first = run_folder(folder, registry)
    more = generate("signins", tmp_path / "more", rows=10, seed=3, shape="sentinel-csv", context=False).folder
    with pytest.raises(BadInput, match=r"is another folder\. Give --case another id, or --add"):
        prepare(more, registry, case_id="case-one")
    both = run_folder(more, registry, "g2", case_id="case-one", add=True)
    assert both.prepared.more_folders == (more,)
    assert both.document["sign_ins"]["events"] == first.document["sign_ins"]["events"] + 10
    assert prepare(folder, registry).unchanged
    assert prepare(more, registry, case_id="case-one").unchanged
    assert reopened(registry).more_folders == (more,)


def test_the_context_of_an_added_folder_counts_where_the_first_has_none(
    folder: Path, registry: Registry, tmp_path: Path
) -> None:
    prepare(folder, registry)
    more = generate("signins", tmp_path / "more", rows=5, shape="sentinel-csv").folder
    assert prepare(more, registry, case_id="case-one", add=True).context.home_countries == ("AU",)


def test_rows_of_a_file_that_has_gone_stay_until_they_are_let_go(
    folder: Path, registry: Registry, tmp_path: Path
) -> None:
    generate("signins", tmp_path / "more", rows=10, seed=3, shape="sentinel-csv", context=False)
    shutil.copy(tmp_path / "more" / "SigninLogs.csv", folder)
    whole = run_folder(folder, registry).document
    (folder / "SigninLogs.csv").unlink()
    kept = run_folder(folder, registry, "g2").document
    assert kept["sign_ins"] == whole["sign_ins"]
    gone = next(row for row in kept["files"] if row["path"] == "SigninLogs.csv")
    assert "--forget-missing" in gone["reason"]
    assert prepare(folder, registry).unchanged
    assert not prepare(folder, registry, forget_missing=True).unchanged
    assert not reopened(registry).unchanged
    left = run_folder(folder, registry, "g3", forget_missing=True)
    assert left.document["sign_ins"]["events"] == whole["sign_ins"]["events"] - 10
    assert reopened(registry).unchanged
    assert reopened(registry).options == {}
    assert prepare(folder, registry, forget_missing=True).unchanged


# --- Opened again by its name


def test_a_registered_case_is_opened_with_the_context_it_was_run_with(folder: Path, registry: Registry) -> None:
    prepare(folder, registry, home_countries=("NZ",), date_order=DateOrder.DMY, override=SKIP)
    found = reopened(registry)
    assert (found.folder, found.context.home_countries, found.context.date_order) == (folder, ("NZ",), DateOrder.DMY)


def test_a_context_written_since_stands_above_the_registered_one(folder: Path, registry: Registry) -> None:
    prepare(folder, registry, home_countries=("NZ",), date_order=DateOrder.DMY)
    (folder / "case.toml").write_text('home_countries = ["AU"]\n')
    found = reopened(registry).context
    assert (found.home_countries, found.date_order) == (("AU",), DateOrder.DMY)


def test_a_case_that_nobody_registered_cannot_be_opened(registry: Registry) -> None:
    with pytest.raises(BadInput, match="There is no case 'nobody'; register it with `m365dq run FOLDER`"):
        reopened(registry, "nobody")


def test_a_case_whose_folder_has_gone_says_so(folder: Path, registry: Registry) -> None:
    prepare(folder, registry)
    folder.rename(folder.with_name("moved"))
    with pytest.raises(BadInput, match="there is no such folder"):
        reopened(registry)


# --- Overrides


def test_an_override_is_recorded_and_holds_until_its_day(folder: Path, registry: Registry) -> None:
    prepare(folder, registry, override=SKIP)
    assert case.override_in_force(registry, "case-one", NOW) == replace(SKIP, recorded_by=operating_person().user)
    after = NOW.combine(date(2026, 4, 2), NOW.timetz())
    assert case.override_in_force(registry, "case-one", after) is None
    assert case.override_in_force(registry, "other", NOW) is None


@pytest.mark.parametrize(
    "wrong",
    [Override("", "sam", "2026-04-01"), Override("why", "", "2026-04-01"), Override("why", "sam", "2026-01-01")],
)
def test_an_override_without_reason_actor_or_future_is_refused(
    folder: Path, registry: Registry, wrong: Override
) -> None:
    with pytest.raises(BadInput):
        prepare(folder, registry, override=wrong)
    assert case.override_in_force(registry, "case-one", NOW) is None


# --- How a run ends


def test_a_run_ends_with_import_verdict_document_and_report(folder: Path, registry: Registry) -> None:
    found = run_folder(folder, registry)
    record = registry.case("case-one")
    assert record is not None
    assert (record.stage, record.verdict) == (CaseStage.REPORTED, found.document["status"])
    imported = registry.imports_between(NOW - timedelta(days=1), NOW + timedelta(days=1))[0]
    assert (imported.status, imported.rows) == ("PASS", 40)
    assert read_document(found.store, "case-one") == found.document
    written = found.store.case_dir("case-one") / "reports" / "g1"
    assert sorted(path.name for path in written.iterdir()) == ["report.html", "report.json"]
    assert found.document["stage"] == "REPORTED"


def test_a_blocked_run_publishes_its_ledger_and_what_to_do(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "notes.csv").write_text("a,b\n1,2\n")
    found = run_folder(tmp_path / "bad", registry)
    document = found.document
    assert [check.reason for check in found.blocked] == ["NO_RECOGNISED_EVIDENCE"]
    assert (document["status"], document["quality"]["status"]) == ("CANNOT_CONCLUDE", "FAIL")
    assert document["findings"] == []
    assert document["accounts"] == []
    assert "export the logs as CSV or JSON" in document["cannot_conclude"][0]
    assert [row["status"] for row in document["files"]] == ["UNRECOGNISED"]
    imported = registry.imports_between(NOW - timedelta(days=1), NOW + timedelta(days=1))[0]
    assert (imported.status, imported.reason) == ("FAIL", "NO_RECOGNISED_EVIDENCE")
    record = registry.case("bad")
    assert record is not None
    assert record.stage is CaseStage.IMPORTED
    assert prepare(tmp_path / "bad", registry).unchanged


def test_an_empty_folder_is_accounted_for(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "empty").mkdir()
    document = run_folder(tmp_path / "empty", registry).document
    assert (document["status"], document["files"], document["quality"]["status"]) == ("CANNOT_CONCLUDE", [], "FAIL")


def test_a_case_is_judged_blocked_while_it_is_and_open_again_when_it_is_mended(
    tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "bad").mkdir()
    assert run_folder(tmp_path / "bad", registry).document["quality"]["status"] == "FAIL"
    generate("signins", tmp_path / "good", rows=30, shape="graph-jsonl", context=False)
    shutil.copy(tmp_path / "good" / "SignInLogs.jsonl", tmp_path / "bad")
    assert run_folder(tmp_path / "bad", registry, "g2").document["quality"]["status"] == "PASS"


@pytest.mark.parametrize("stages", [STAGES, (*STAGES, report)], ids=["at the end", "by its stage"])
def test_a_report_is_made_once_in_a_run(
    folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, stages: tuple[Any, ...]
) -> None:
    made: list[str] = []
    write = report.run

    def counted(run: Any) -> Any:
        made.append(run.run_id)
        return write(run)

    monkeypatch.setattr(report, "run", counted)
    run_folder(folder, registry, stages=stages)
    assert made == ["g1"]


# --- What a killed run left behind


def test_a_run_killed_before_the_registry_heard_of_it_is_remembered_by_the_next_command(
    folder: Path, registry: Registry
) -> None:
    run_folder(folder, registry)
    clean = registry.case("case-one")
    assert clean is not None
    registry.set_verdict("case-one", "ALL_BLOCKED", "of an earlier state", NOW)
    registry.set_stage("case-one", CaseStage.IMPORTED, NOW)
    assert prepare(folder, registry).unchanged
    found = registry.case("case-one")
    assert found is not None
    assert (found.verdict, found.identity, found.stage) == (clean.verdict, clean.identity, CaseStage.REPORTED)
    assert len(registry.imports_between(NOW - timedelta(days=1), NOW + timedelta(days=1))) == 1


def test_what_a_killed_run_left_on_disk_goes_although_nothing_is_judged_again(folder: Path, registry: Registry) -> None:
    place = run_folder(folder, registry).store.case_dir("case-one")
    (place / "dead.duckdb").write_bytes(b"half")
    (place / "unpacked-dead").mkdir()
    assert prepare(folder, registry).unchanged
    assert not (place / "dead.duckdb").exists()
    assert not (place / "unpacked-dead").exists()


def test_nothing_is_put_right_under_the_hands_of_a_run_that_works(folder: Path, registry: Registry) -> None:
    store = run_folder(folder, registry).store
    registry.set_stage("case-one", CaseStage.CHECKED, NOW)
    with store.lock("case-one", 0):
        assert prepare(folder, registry).unchanged
    assert registry.current_stage("case-one") is CaseStage.CHECKED


def test_a_case_that_was_never_published_has_nothing_to_remember(folder: Path, registry: Registry) -> None:
    prepared = prepare(folder, registry)
    case.remember(registry, CaseStore(Settings.load().cases_dir), prepared.case_id, NOW)
    found = registry.case(prepared.case_id)
    assert found is not None
    assert found.verdict is None


def test_a_case_that_its_gate_holds_back_is_remembered_with_what_blocks_it(tmp_path: Path, registry: Registry) -> None:
    write_sign_ins(tmp_path / "bad", code=lambda _: TYPE_NAME, access="")
    document = run_folder(tmp_path / "bad", registry).document
    clean = registry.case("bad")
    assert clean is not None
    assert (document["quality"]["status"], clean.stage) == ("FAIL", CaseStage.CHECKED)
    registry.set_stage("bad", CaseStage.IMPORTED, NOW)
    assert prepare(tmp_path / "bad", registry).unchanged
    found = registry.case("bad")
    assert found is not None
    assert (found.stage, found.blocked_by) == (CaseStage.CHECKED, clean.blocked_by)
    assert found.blocked_by is not None


def test_the_registry_remembers_how_the_gate_stood_when_a_case_was_judged(folder: Path, registry: Registry) -> None:
    run_folder(folder, registry)
    record = registry.case("case-one")
    assert record is not None
    assert record.judged_under == {"generation": "g1", "quality": "PASS", "override": None}
    run_folder(folder, registry, "g2", override=SKIP)
    after = registry.case("case-one")
    assert after is not None
    assert after.judged_under["quality"] == "OVERRIDDEN"
    assert after.judged_under["override"]["expires"] == SKIP.expires
    (left,) = lapsed(registry, NOW + timedelta(days=31))
    assert (left.case_id, left.generation, left.override.actor) == ("case-one", "g2", SKIP.actor)
