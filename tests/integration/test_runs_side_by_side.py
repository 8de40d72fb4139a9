"""Two runs of one case wait for one another; runs of different cases, and readers, do not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.stages.generate import generate
from tests.support.databases import fresh_database
from tests.support.published_state import left_in, state_of
from tests.support.warm_program import WarmProgram

NAMES = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of the names, with other rows in each."""
    root = tmp_path_factory.mktemp("evidence")
    for seed, name in enumerate(NAMES):
        generate("signins", root / name, rows=200 + seed, seed=seed, context=False)
    return root


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.soak])])
def env(request: pytest.FixtureRequest, home: Path) -> Iterator[dict[str, str]]:
    """The registry: the SQLite file of the home folder, or an empty database of a real server."""
    if request.param == "sqlite":
        yield {}
        return
    with fresh_database(request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex[:12]}") as url:
        yield {"M365DQ_REGISTRY_URL": url}


@pytest.mark.slow
def test_four_cases_are_run_at_once_in_a_new_home_while_readers_read(
    program: WarmProgram, evidence: Path, home: Path, env: dict[str, str]
) -> None:
    runs = [program.start("run", evidence / name, "--json", home=home, env=env) for name in NAMES]
    for reader in (("cases",), ("show", "one"), ("report", "one", "--out", "-"), ("alerts", "list")):
        ended = program.run(*reader, home=home, env=env)
        assert ended.code in (0, 2), ended.err
        assert ended.code == 0 or "that was judged" in ended.err
    for seed, command in enumerate(runs):
        ended = command.wait()
        assert (ended.code, "locked" in ended.err) == (0, False), ended.err
        assert json.loads(ended.out)["sign_ins"]["events"] == 200 + seed
    listed = json.loads(program.run("cases", "--json", home=home, env=env).out)
    assert [(row["case"], row["stage"]) for row in listed] == [(name, "REPORTED") for name in sorted(NAMES)]
    assert [left_in(home, name) for name in NAMES] == [[], [], [], []]


@pytest.mark.slow
def test_of_two_runs_of_one_case_the_second_waits_and_the_readers_do_not(
    program: WarmProgram, evidence: Path, home: Path, tmp_path: Path
) -> None:
    folder = evidence / "one"
    assert program.run("run", folder, home=home).code == 0
    clean = state_of(home, "one")
    more = tmp_path / "more"
    generate("signins", more, rows=300, seed=9, shape="sentinel-csv", context=False)
    words = ("run", more, "--case", "one", "--add", "--json")
    runs = [program.start(*words, home=home) for _ in range(2)]
    for reader in (("show", "one", "--json"), ("cases",), ("report", "one", "--out", "-"), ("show", "one", "files")):
        assert program.run(*reader, home=home).code == 0
    ended = [command.wait() for command in runs]
    assert [one.code for one in ended] == [0, 0], [one.err for one in ended]
    assert {json.loads(one.out)["sign_ins"]["events"] for one in ended} == {500}
    assert (left_in(home, "one"), state_of(home, "one") == clean) == ([], False)
    again = json.loads(program.run(*words, home=home).out)
    assert again["unchanged"]


def test_a_run_that_may_not_wait_longer_says_so_and_changes_nothing(
    program: WarmProgram, evidence: Path, home: Path
) -> None:
    with CaseStore(home / "cases").lock("one", 0):
        ended = program.run("run", evidence / "one", "--json", home=home, env={"M365DQ_LOCK_WAIT_SECONDS": "0.2"})
    assert ended.code == 4
    assert "another run is working on it and did not finish within 0.2 s; nothing was changed" in ended.err
    assert json.loads(ended.out)["exit_code"] == 4
    assert CaseStore(home / "cases").current("one") is None
    with Registry.open(f"sqlite:///{home / 'registry.sqlite3'}") as registry:
        case = registry.case("one")
        assert case is not None
        assert (case.stage, case.verdict) == (None, None)
