"""Two generations of a case are found, read and compared, as far as they are kept."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters import pack_snapshots
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages.differences import difference, generations, runs
from tests.support.case_runs import run_folder, shipped_pack
from tests.support.published_case import publish_sign_ins
from tests.support.sign_in_folder import write_sign_ins


def other_codes(row: int) -> str:
    return "50053" if row % 10 == 9 else "0"


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.load()


@pytest.fixture
def store(settings: Settings, registry: Registry, tmp_path: Path) -> CaseStore:
    """A case judged twice; the second time its one file holds another code."""
    folder = write_sign_ins(tmp_path / "tiny")
    run_folder(folder, registry, "a1")
    write_sign_ins(folder, code=other_codes)
    run_folder(folder, registry, "b1")
    return CaseStore(settings.cases_dir)


def forget_rows(store: CaseStore, name: str) -> None:
    """As thinning out does: the report of a generation stays."""
    folder = store.case_dir("tiny")
    (folder / f"{name}.duckdb").unlink()


def test_the_last_two_judgements_are_compared_by_code(settings: Settings, registry: Registry, store: CaseStore) -> None:
    found = difference(settings, registry, "tiny")
    assert (found.before["generation"], found.after["generation"]) == ("a1", "b1")
    assert found.outcomes
    assert {one.code: (dict(one.before), dict(one.after)) for one in found.outcomes} == {
        "50126": ({"REJECTED": 4}, {}),
        "50053": ({}, {"NOT_EVALUATED": 4}),
    }
    assert found.rules == ()
    assert [one.what for one in found.inputs] == ["file SigninLogs.csv"]
    backwards = difference(settings, registry, "tiny", before="b", after="a1")
    assert (backwards.before["generation"], backwards.after["generation"]) == ("b1", "a1")


def test_a_judgement_of_which_only_the_report_is_left_is_compared_by_log(
    settings: Settings, registry: Registry, store: CaseStore
) -> None:
    forget_rows(store, "a1")
    found = difference(settings, registry, "tiny")
    assert found.before["generation"] == "a1"
    assert found.outcomes is None
    (totals,) = found.totals
    assert (totals.before, totals.after) == (
        {"REJECTED": 4, "NOT_EVALUATED": None},
        {"REJECTED": None, "NOT_EVALUATED": 4},
    )
    assert [(one["generation"], one["rows_kept"], one["published"]) for one in runs(store, "tiny")] == [
        ("a1", False, False),
        ("b1", True, True),
    ]


def test_a_rule_pack_that_was_not_kept_is_said_to_be_missing(
    settings: Settings, registry: Registry, store: CaseStore
) -> None:
    report = store.case_dir("tiny") / "reports" / "a1" / "report.json"
    body = json.loads(report.read_bytes())
    report.write_text(json.dumps({**body, "rule_pack": "sha256:" + "0" * 64}))
    forget_rows(store, "a1")
    assert difference(settings, registry, "tiny").rules is None


def test_what_the_two_packs_do_not_have_alike_is_told(
    settings: Settings, registry: Registry, store: CaseStore, home: Path, now: datetime
) -> None:
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "policy.toml").write_text("[breach]\nmin_attempts = 9\n")
    (home / "rule_pack" / "status_codes.csv").write_text("code,category\n50053,bad_credentials\n")
    report = store.case_dir("tiny") / "reports" / "a1" / "report.json"
    from m365dq_dagster.stages.packs import effective_pack

    mine = effective_pack(settings, registry)
    pack_snapshots.keep(store.case_dir("tiny"), mine)
    body = json.loads(report.read_bytes())
    report.write_text(json.dumps({**body, "rule_pack": mine.content_hash}))
    forget_rows(store, "a1")
    found = difference(settings, registry, "tiny")
    assert found.rules
    assert [(one.file, one.key, one.before, one.after) for one in found.rules][-1] == (
        "policy", "breach.min_attempts", "9", str(shipped_pack().policy.breach.min_attempts),
    )  # fmt: skip
    assert found.rules[0].key == "50053"
    assert found.rules[0].before.startswith("bad_credentials (REJECTED)")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("zz", None, "no judgement begins with 'zz'"),
        ("", "a", "has no judgement before this one"),
    ],
)
def test_a_judgement_that_is_not_there_is_told(
    settings: Settings, registry: Registry, store: CaseStore, before: str, after: str | None, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        difference(settings, registry, "tiny", before or None, after)


def test_a_beginning_that_two_judgements_share_is_told(
    settings: Settings, registry: Registry, store: CaseStore
) -> None:
    (store.case_dir("tiny") / "reports" / "a2").mkdir()
    (store.case_dir("tiny") / "reports" / "a2" / "report.json").write_text("{}")
    with pytest.raises(BadInput, match="more than one judgement begins with 'a'"):
        difference(settings, registry, "tiny", before="a")


def test_a_report_that_cannot_be_read_is_told(settings: Settings, registry: Registry, store: CaseStore) -> None:
    forget_rows(store, "a1")
    (store.case_dir("tiny") / "reports" / "a1" / "report.json").write_text("no json")
    with pytest.raises(BadInput, match="cannot be read; of this judgement nothing else was kept"):
        difference(settings, registry, "tiny")


def test_a_case_that_was_never_judged_is_told(settings: Settings) -> None:
    with pytest.raises(BadInput, match="There is no case 'tiny' that was judged"):
        generations(CaseStore(settings.cases_dir), "tiny")


def test_a_judgement_without_document_or_judged_rows_is_told_by_its_report(
    settings: Settings, registry: Registry, store: CaseStore
) -> None:
    publish_sign_ins(settings.cases_dir, "tiny", [("0", None, None)])
    report = store.case_dir("tiny") / "reports" / "g1" / "report.json"
    report.parent.mkdir()
    report.write_text(json.dumps({"case": "tiny", "generation": "g1", "status": "CANNOT_CONCLUDE"}))
    found = difference(settings, registry, "tiny")
    assert (found.after["generation"], found.after["status"]) == ("g1", "CANNOT_CONCLUDE")
    assert found.outcomes
    assert {one.code: dict(one.after) for one in found.outcomes} == {"0": {}, "50053": {}}
