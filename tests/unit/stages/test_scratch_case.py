"""A folder is judged as any run judges it, and nothing of it is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict
from m365dq_dagster.core.scoreboard import Judge
from m365dq_dagster.stages.generate import generate
from m365dq_dagster.stages.scratch_case import Desk, Judged
from tests.support.case_runs import run_folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = Desk(tmp_path_factory.mktemp("scratch"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def one_user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate("one-user", tmp_path_factory.mktemp("made") / "one-user").folder


@pytest.fixture(scope="module")
def oculus(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return desk.judge(generate("oculus", tmp_path_factory.mktemp("made") / "oculus").folder, "oculus")


def test_the_verdict_is_that_of_an_ordinary_run(desk: Desk, one_user: Path, registry: Registry) -> None:
    ordinary = run_folder(one_user, registry).document
    found = desk.judge(one_user, "one-user").document
    for key in ("status", "confidence", "headline", "sign_ins", "recommended", "accounts", "findings", "leads"):
        assert found[key] == ordinary[key], key


def test_nothing_reaches_the_home_of_the_user(desk: Desk, one_user: Path, home: Path) -> None:
    desk.judge(one_user, "at-home")
    assert not list(home.iterdir())


def test_what_ours_says_is_what_its_document_says(oculus: Judged) -> None:
    ours = oculus.said[Judge.OURS]
    assert ours.verdict is CaseVerdict.BREACH_INDICATED
    assert ours.headline == oculus.document["headline"]
    assert ours.recommended == "conditional_access_status"
    assert list(ours.accounts.values()).count(AccountVerdict.COMPROMISE_INDICATED) == 8
    assert ours.alerts == ("breach_indicator",)


def test_the_rivals_judge_the_rows_of_the_same_case(oculus: Judged) -> None:
    said = oculus.said
    assert said[Judge.NAIVE].verdict is CaseVerdict.ALL_BLOCKED
    assert said[Judge.NAIVE].alerts == ()
    assert said[Judge.LITERAL].verdict is CaseVerdict.BREACH_INDICATED
    assert said[Judge.LITERAL].recommended == "conditional_access_status"
    assert said[Judge.LITERAL].alerts == ("breach_indicator",)


def test_a_folder_without_evidence_is_stopped_and_concludes_nothing(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    said = desk.judge(folder, "nothing").said
    assert {one.verdict for one in said.values()} == {CaseVerdict.CANNOT_CONCLUDE}
    assert said[Judge.OURS].alerts == ("quality_check_failure",)
    assert said[Judge.LITERAL].recommended is None


def test_cases_of_one_desk_share_the_code_reference_and_nothing_else(
    tmp_path: Path, one_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []
    real = Registry.load_status_codes

    def load(*given: Any) -> int:
        loads.append(real(*given))
        return loads[-1]

    monkeypatch.setattr(Registry, "load_status_codes", load)
    own = Desk(tmp_path)
    first, second = (own.judge(one_user, name).document for name in ("a", "b"))
    own.close()
    assert len(loads) == 1
    assert first["accounts"] == second["accounts"]
