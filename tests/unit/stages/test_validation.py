"""Cases whose truth is known are judged, in one process or in several, and scored."""

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.misreadings import Relation, Statement
from m365dq_dagster.core.outcome import CaseVerdict
from m365dq_dagster.core.scoreboard import Judge, Mark, Truth
from m365dq_dagster.stages import validation
from m365dq_dagster.stages.generate import CaseOrder, Family, Shape, Variant, generate
from m365dq_dagster.stages.misreadings import load
from m365dq_dagster.stages.scratch_case import Desk
from m365dq_dagster.stages.validation import (
    GeneratedTask,
    MisreadingTask,
    Order,
    cores,
    judging,
    keep,
    read_truth,
    real_tasks,
    validate,
)
from tests.support.program import call
from tests.support.scored import BREACH, board, scored, truth


@dataclass
class Heard:
    """Hears how far the judging has come."""

    steps: list[tuple[str, int, int]]

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        self.steps.append((detail, done, total))


@dataclass(frozen=True)
class Told:
    """A task that only says in which process it was done."""

    name: str

    def score(self, desk: Desk) -> int:
        assert desk.scratch.is_dir()
        return os.getpid()


def plain(family: Family) -> CaseOrder:
    return CaseOrder(family, 7, Shape.GRAPH_JSON, None, Variant.INTACT, True, True, True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of small cases, one case of each."""
    orders = [plain(Family.ONE_USER), plain(Family.NO_ROWS), plain(Family.TINY_FAILURES)]
    monkeypatch.setattr(validation, "corpus", lambda cases, seed: tuple(orders[:cases]))


@pytest.mark.usefixtures("quick")
def test_generated_cases_are_judged_against_the_truth_beside_them(home: Path) -> None:
    heard = Heard([])
    found = validate(Order(3, misreadings=False), heard)
    said = [one.said[Judge.OURS].verdict for one in found.cases]
    assert said == [CaseVerdict.NO_BREACH_INDICATED, CaseVerdict.CANNOT_CONCLUDE, CaseVerdict.ALL_BLOCKED]
    assert [one.mark() for one in found.cases] == [Mark.RIGHT] * 3
    assert [one.truth.rows > 0 for one in found.cases] == [True, False, True]
    assert [(done, total) for _, done, total in heard.steps] == [(1, 3), (2, 3), (3, 3)]
    assert found.passed
    assert found.seconds > 0
    assert not list(home.iterdir())


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "home"))
    with judging(1) as judge:
        assert list(judge([Told("a")])) == [("a", os.getpid())]
    assert not list((tmp_path / "home").iterdir())


def test_several_workers_are_processes_of_their_own_and_keep_the_order() -> None:
    with judging(2) as judge:
        found = list(judge([Told(name) for name in "abc"]))
    assert [name for name, _ in found] == ["a", "b", "c"]
    assert os.getpid() not in {process for _, process in found}


def test_what_a_worker_does_is_what_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_desks", [])
    validation._sit_down(str(tmp_path))
    assert validation._work(Told("a")) == os.getpid()


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    reading, writing = os.pipe()
    ended: list[int] = []
    waiting = Thread(target=validation._leave_with, args=(reading, scratch, ended.append))
    waiting.start()
    assert scratch.is_dir()
    os.close(writing)
    waiting.join(10)
    os.close(reading)
    assert ended == [1]
    assert not scratch.exists()


def test_a_worker_watches_over_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, object]] = []

    def thread(**given: object) -> SimpleNamespace:
        return SimpleNamespace(start=lambda: begun.append(given))

    monkeypatch.setattr(validation, "_desks", [])
    monkeypatch.setattr(validation, "parent_process", lambda: SimpleNamespace(sentinel=5))
    monkeypatch.setattr(validation, "Thread", thread)
    validation._sit_down(str(tmp_path))
    assert begun == [{"target": validation._leave_with, "args": (5, tmp_path), "daemon": True}]


def test_a_case_that_breaks_the_judge_is_wrong_and_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Desk, folder: Path, case_id: str) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Desk, "judge", broken)
    found = GeneratedTask(1, plain(Family.NO_ROWS)).score(Desk(tmp_path))
    assert found.mark() is Mark.WRONG
    assert found.said[Judge.OURS].headline == "The judge broke down: ZeroDivisionError: division by zero"
    assert not list((tmp_path / "evidence").iterdir())


def test_a_case_is_named_by_family_and_number_and_made_again_by_its_command() -> None:
    family, shape, variant = Family.SPRAY_HIT, Shape.PORTAL_CSV, Variant.TYPE_NAME
    task = GeneratedTask(7, CaseOrder(family, 11, shape, Shape.UAL_CSV, variant, False, False, False))
    assert task.name == "spray-hit-0007"
    assert task.command == (
        "m365dq generate spray-hit --seed 11 --shape portal-csv --variant type-name --audit-shape ual-csv --no-devices "
        "--no-context --no-mfa-steps --out spray-hit-0007"
    )
    plain = GeneratedTask(7, CaseOrder(family, 11, shape, None, variant, True, True, True))
    assert plain.command == (
        "m365dq generate spray-hit --seed 11 --shape portal-csv --variant type-name --no-audit --out spray-hit-0007"
    )


@pytest.mark.parametrize("number", range(0, 60, 12))
def test_the_command_of_a_case_makes_the_case_that_was_judged(number: int, tmp_path: Path) -> None:
    order = validation.corpus(60, 7)[number]
    made = validation.generate_order(order, tmp_path / "judged")
    words = GeneratedTask(number, order).command.split()[1:-1]
    assert call(*words, str(tmp_path / "again")).exit_code == 0
    for path in made.folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("field", "fields"), [(None, ()), ("status", ("status",)), (["a", "b"], ("a", "b"))])
def test_the_truth_is_read_as_the_generator_writes_it(field: object, fields: tuple[str, ...]) -> None:
    written = {
        "breach": True,
        "any_success": True,
        "rows": 12,
        "compromised_accounts": ["ann@x"],
        "attacked_accounts": ["bob@x"],
        "outcome_field": field,
        "healthy_export": False,
        "decidable": False,
        "plain": False,
    }
    assert read_truth(written) == Truth(
        True, True, 12, frozenset({"ann@x"}), frozenset({"bob@x"}), fields, False, False, False
    )


def disabled_account(folder: Path, family: str = "all-blocked") -> Path:
    """A folder with one case under a labelled name, which says that all was blocked."""
    generate(family, folder / "disabled-account")
    return folder


@pytest.mark.usefixtures("quick")
def test_real_cases_are_labelled_by_the_name_of_their_folder(tmp_path: Path) -> None:
    folder = disabled_account(tmp_path)
    (folder / "unknown").mkdir()
    found = validate(Order(1, real=folder, misreadings=False)).real_cases
    assert found is not None
    assert [(one.name, one.expected, one.said, one.right) for one in found] == [
        ("disabled-account", "ALL_BLOCKED", "ALL_BLOCKED", True)
    ]


def test_a_real_case_that_comes_out_otherwise_is_wrong(tmp_path: Path) -> None:
    with judging(1) as judge:
        [(_, found)] = judge(real_tasks(disabled_account(tmp_path, "one-user")))
    assert not found.right
    assert found.said != found.expected == "ALL_BLOCKED"


def test_a_real_case_may_ask_for_its_outcome_field(tmp_path: Path) -> None:
    folder = disabled_account(tmp_path)
    one = validation.RealTask(folder / "disabled-account", "ALL_BLOCKED", "conditional_access_status")
    with judging(1) as judge:
        [(_, found)] = judge([one])
    assert not found.right
    assert (found.expected, found.said) == (
        "ALL_BLOCKED by conditional_access_status",
        "ALL_BLOCKED by status_error_code",
    )


@pytest.mark.usefixtures("quick")
def test_a_misreading_is_right_where_its_document_says_what_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = load()[0]
    other = replace(known, id="other", expect=(Statement("status", Relation.EQUALS, "NOTHING"),))
    monkeypatch.setattr(validation, "load", lambda: (known, other))
    found = validate(Order(1)).misreadings
    assert found is not None
    assert [(one.name, one.right) for one in found] == [(known.id, True), ("other", False)]
    assert found[0].said == known.right
    assert found[1].headline.startswith("Expected that `status` is `NOTHING`")


def test_a_misreading_that_breaks_the_judge_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **more: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(validation, "judge_at", broken)
    found = MisreadingTask(load()[0]).score(Desk(tmp_path))
    assert (found.right, found.said) == (False, "nothing")
    assert found.headline == "The judge broke down: ZeroDivisionError: division by zero"


def test_a_folder_without_labelled_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds none of the real cases that are labelled"):
        validate(Order(1, real=tmp_path))


@pytest.mark.parametrize("order", [Order(0), Order(1_000_000), Order(1, workers=0)])
def test_an_order_that_cannot_be_carried_out_is_refused(order: Order) -> None:
    with pytest.raises(BadInput):
        validate(order)


def test_there_is_at_least_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_the_scoreboard_is_written_as_page_or_as_document(tmp_path: Path) -> None:
    found = board(scored(truth("breach"), BREACH))
    keep(found, tmp_path / "board.md")
    keep(found, tmp_path / "board.json")
    assert (tmp_path / "board.md").read_text().startswith("# Scoreboard")
    assert json.loads((tmp_path / "board.json").read_text())["cases"] == 1
    with pytest.raises(BadInput, match="cannot be written"):
        keep(found, tmp_path / "none" / "board.md")


def test_every_verdict_that_is_labelled_is_one() -> None:
    folder = Path(__file__).resolve().parents[3] / "reference_data"
    labels = validation.tomllib.loads((folder / validation.LABELS_FILE).read_text())
    assert {label["verdict"] for label in labels.values()} <= set(CaseVerdict)
