"""Which rule pack a run goes by, and how others are named."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from m365dq_dagster.adapters import pack_snapshots
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import ChangeAction, ChangeState, Proposal, ReferenceRow, Settlement
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.packs import approved_layers, effective_pack, keep_pack, open_pack, pack_at_rest
from tests.support.case_runs import shipped_pack

ROW = ReferenceRow(
    "sign_in_logs", "status_error_code", "512345", "Blocked, a new way", "WARNING", category="password_correct_blocked",
    outcome="failure", first_factor="likely_accepted", provenance="unverified", method="hand",
)  # fmt: skip


def approve(registry: Registry, now: datetime, row: ReferenceRow = ROW, before: ReferenceRow | None = None) -> None:
    action = ChangeAction.CHANGE if before else ChangeAction.ADD
    registry.settle_codes(
        [Settlement(Proposal(action, before, row, Person("ann")), ChangeState.APPROVED)], Person("bob"), now
    )


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.load()


def opened(settings: Settings, registry: Registry, ref: str, case_id: str = "tiny") -> RulePack:
    return open_pack(settings, registry, case_id, ref)


def test_without_approvals_and_local_files_it_is_what_ships(settings: Settings, registry: Registry) -> None:
    assert effective_pack(settings, registry).content_hash == shipped_pack().content_hash


def test_what_was_approved_is_in_force_and_what_waits_is_not(
    settings: Settings, registry: Registry, now: datetime
) -> None:
    waiting = replace(ROW, code_value="512346")
    registry.propose_codes([Proposal(ChangeAction.ADD, None, waiting, Person("ann"))], now)
    approve(registry, now)
    approve(registry, now, replace(ROW, category="bad_credentials"), ROW)
    pack = effective_pack(settings, registry)
    assert pack.vocabulary.codes["512345"].category == "bad_credentials"
    assert "512346" not in pack.vocabulary.codes
    assert [one.number for one in approved_layers(registry)] == [2, 3]
    assert pack.overlay.conflicts == ()


def test_who_only_looks_makes_no_registry(settings: Settings, home: Path, now: datetime) -> None:
    assert pack_at_rest(settings).content_hash == shipped_pack().content_hash
    assert list(home.iterdir()) == []
    with Registry.open(settings.registry_url) as registry:
        approve(registry, now)
        assert pack_at_rest(settings).content_hash == effective_pack(settings, registry).content_hash


def test_a_database_server_is_taken_to_hold_a_registry() -> None:
    assert Registry.is_there("postgresql://nobody@localhost/none")


def test_a_pack_is_named_in_many_ways(settings: Settings, registry: Registry, now: datetime, tmp_path: Path) -> None:
    approve(registry, now)
    effective, shipped = effective_pack(settings, registry), shipped_pack()
    case_dir = CaseStore(settings.cases_dir).case_dir("tiny")
    pack_snapshots.keep(case_dir, shipped)
    for name in ("reference_data", "expectations"):
        shutil.copytree(shipped.root.parent / name, tmp_path / "mine" / name)
    hash_of = shipped.content_hash
    kept, mine = pack_snapshots.snapshot_path(case_dir, hash_of), tmp_path / "mine"
    refs = ("shipped", hash_of, hash_of[:15].upper(), hash_of[7:], str(mine), str(mine / "reference_data"), str(kept))
    for ref in refs:
        found = opened(settings, registry, ref)
        assert (found.content_hash, found.in_force) == (hash_of, False), ref
    assert opened(settings, registry, "effective").in_force
    found = opened(settings, registry, effective.content_hash[:20])
    assert (found.content_hash, found.in_force) == (effective.content_hash, True)


def test_a_pack_that_another_case_was_judged_by_is_found(settings: Settings, registry: Registry, now: datetime) -> None:
    approve(registry, now)
    old = effective_pack(settings, registry)
    keep_pack(CaseStore(settings.cases_dir).case_dir("other"), old)
    approve(registry, now, replace(ROW, category="bad_credentials"), ROW)
    found = opened(settings, registry, old.content_hash)
    assert found.vocabulary.codes["512345"].category == "password_correct_blocked"
    assert not found.in_force


def test_a_folder_without_expectations_takes_those_that_ship(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    shutil.copytree(shipped_pack().root, tmp_path / "mine")
    assert opened(settings, registry, str(tmp_path / "mine")).suite("sign_in_logs")


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("nonsense", "There is no rule pack 'nonsense'; give effective, shipped, a folder that holds reference_data"),
        ("sha256:1234567", "There is no rule pack"),
        ("sha256:0123456789", "No case keeps a rule pack that begins with 0123456789; `m365dq show tiny runs`"),
    ],
)
def test_a_pack_that_is_not_there_is_told(settings: Settings, registry: Registry, ref: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        opened(settings, registry, ref)
    assert str(caught.value).startswith(said)


def test_a_folder_that_holds_no_pack_is_told(settings: Settings, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no rule pack"):
        opened(settings, registry, str(tmp_path))


def test_too_few_digits_for_one_pack_are_told(settings: Settings, registry: Registry) -> None:
    folder = CaseStore(settings.cases_dir).case_dir("tiny") / "packs"
    folder.mkdir()
    for last in "01":
        (folder / f"{'ab' * 31}0{last}.zip").write_bytes(b"")
    with pytest.raises(BadInput, match="More than one rule pack begins with abababab"):
        opened(settings, registry, "abababab")


def test_a_pack_is_kept_with_what_ships_below_local_files(settings: Settings, registry: Registry, home: Path) -> None:
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "policy.toml").write_text("[breach]\nmin_attempts = 9\n")
    pack = effective_pack(settings, registry)
    folder = CaseStore(settings.cases_dir).case_dir("tiny")
    keep_pack(folder, pack)
    assert pack_snapshots.snapshot_path(folder, pack.content_hash).is_file()
    assert (home / "rule_pack" / ".shipped.json").is_file()
