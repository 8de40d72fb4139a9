"""A case is judged again by a rule pack that is named, without its evidence; the next run goes by the one in force."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.code_changes import ChangeAction, ChangeState, Proposal, ReferenceRow, Settlement
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person
from m365dq_dagster.definitions import run_case
from m365dq_dagster.stages.differences import difference
from m365dq_dagster.stages.published import read_document
from tests.defs.conftest import Register
from tests.support.judged_case import JudgedCase

ROW = ReferenceRow(
    "sign_in_logs", "status_error_code", "512345", "wrong password, a new way", "WARNING", category="bad_credentials",
    outcome="failure", first_factor="rejected", provenance="unverified", method="hand",
)  # fmt: skip


def never_seen(row: int) -> str:
    return "512345" if row % 10 == 9 else "0"


def approve(registry: Registry, now: datetime) -> None:
    proposal = Proposal(ChangeAction.ADD, None, ROW, Person("ann"))
    registry.settle_codes([Settlement(proposal, ChangeState.APPROVED)], Person("bob"), now)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, empty_dagster_home: Path) -> JudgedCase:
    """A case that was judged and leans on an unknown code."""
    return JudgedCase(tmp_path_factory.mktemp("judged"), empty_dagster_home, code=never_seen)


@pytest.fixture
def case_id(judged: JudgedCase, settings: Settings) -> str:
    """The same in the test's own home. Named before what opens anything there."""
    return judged.taken_over(settings)


@contextmanager
def hidden(folder: Path) -> Iterator[None]:
    """The evidence is not where it was registered."""
    away = folder.rename(folder.with_name("away"))
    yield
    away.rename(folder)


def imports(registry: Registry) -> int:
    with registry.engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM imports")))


def test_approving_a_code_and_judging_again_changes_exactly_what_leaned_on_it(
    judged: JudgedCase, settings: Settings, case_id: str, registry: Registry, store: CaseStore, now: datetime
) -> None:
    assert judged.outcome.success
    first = read_document(store, case_id)
    assert [(row["value"], row["rows"]) for row in first["unknown_codes"]] == [("512345", 4)]
    approve(registry, now)
    with hidden(judged.folder):
        assert run_case(settings, case_id, rejudge_by="effective").success
    second = read_document(store, case_id)
    assert second["unknown_codes"] == []
    assert second["rejudged"] == {
        "pack": "effective",
        "of": first["generation"],
        "in_force": second["rule_pack"],
        "taken_in_by": first["rule_pack"],
    }
    assert second["stale"] == []
    assert {one["rule_pack"] for one in second["findings"]} == {second["rule_pack"]}
    found = difference(settings, registry, case_id)
    assert found.outcomes
    assert [(one.code, dict(one.before), dict(one.after)) for one in found.outcomes] == [
        ("512345", {"UNKNOWN": 4}, {"REJECTED": 4})
    ]
    assert found.rules
    assert [(one.key, one.rows) for one in found.rules] == [("512345", 4)]
    leaned = {row["account"] for row in first["accounts"] if row["unknown"]}
    assert {one.what for one in found.accounts} == leaned


def test_a_case_can_be_judged_by_an_old_pack_and_the_registry_goes_on_by_the_one_in_force(
    settings: Settings, case_id: str, registry: Registry, store: CaseStore, now: datetime
) -> None:
    first = read_document(store, case_id)
    approve(registry, now)
    run_case(settings, case_id)
    second = read_document(store, case_id)
    alerts = len(registry.alerts(case_id=case_id))
    assert imports(registry) == 2
    assert run_case(settings, case_id, rejudge_by=first["rule_pack"][:20]).success
    third = read_document(store, case_id)
    assert third["rule_pack"] == first["rule_pack"]
    assert third["rejudged"]["in_force"] == second["rule_pack"]
    assert [row["value"] for row in third["unknown_codes"]] == ["512345"]
    assert registry.loaded_pack() == second["rule_pack"]
    assert {code.state for code in registry.status_codes("512345")} == {"ACTIVE"}
    assert registry.sightings(unknown=True) == []
    assert len(registry.alerts(case_id=case_id)) == alerts
    assert imports(registry) == 2
    assert run_case(settings, case_id).success
    fourth = read_document(store, case_id)
    assert (fourth["rule_pack"], fourth["rejudged"]) == (second["rule_pack"], None)
    assert difference(settings, registry, case_id, second["generation"], fourth["generation"]).is_empty


def test_a_pack_that_is_not_there_leaves_the_case_as_it_was(settings: Settings, case_id: str, store: CaseStore) -> None:
    before = store.current(case_id)
    outcome = run_case(settings, case_id, rejudge_by="nonsense")
    assert isinstance(outcome.error, BadInput)
    assert "There is no rule pack 'nonsense'" in str(outcome.error)
    assert store.current(case_id) == before


def test_a_gate_that_is_asked_again_does_not_keep_the_case_from_being_judged_again(
    settings: Settings, registry: Registry, store: CaseStore, register: Register, home: Path
) -> None:
    case_id = register(access="")
    (home / "rule_pack").mkdir()
    words = "".join(f"{code},pending\n" for code in ("0", "50126"))
    (home / "rule_pack" / "status_codes.csv").write_text("code,state\n" + words)
    run_case(settings, case_id)
    assert read_document(store, case_id)["quality"]["status"] == "FAIL"
    shutil.rmtree(home / "rule_pack")
    assert run_case(settings, case_id, rejudge_by="effective").success
    assert read_document(store, case_id)["quality"]["status"] == "PASS"
