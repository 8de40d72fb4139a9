"""However a run is killed, readers see a published state, and the next run ends as an undisturbed one does."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.stages.generate import generate
from m365dq_dagster.stages.published import kept
from tests.conftest import ROOT
from tests.support.archives import zipped
from tests.support.published_state import left_in, state_of, tables_of
from tests.support.warm_program import WarmProgram

CASE = "killed"


@dataclass(frozen=True)
class Scene:
    """A case that was published from little evidence and has much more of it now.

    `home` is to be copied, `before` and `after` are what readers see before and after the run that is disturbed, which
    takes `seconds` where nobody disturbs it.
    """

    program: WarmProgram
    evidence: Path
    home: Path
    before: dict[str, Any]
    after: dict[str, Any]
    seconds: float

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.home, folder))


def scene(program: WarmProgram, root: Path, rows: int) -> Scene:
    """Set the scene: an audit log in an archive and a few sign-ins, published; then `rows` sign-ins more."""
    evidence, home = root / "evidence", root / "before"
    generate("ual", root / "ual", rows=60, shape="ual-csv", context=False)
    generate("signins", evidence, rows=80, shape="sentinel-csv", seed=3)
    (evidence / "audit.zip").write_bytes(zipped([(one.name, one.read_bytes()) for one in (root / "ual").glob("*.csv")]))
    assert program.run("run", evidence, "--case", CASE, home=home).code == 0
    before = state_of(home, CASE)
    generate("signins", evidence / "more", rows=rows, context=False)
    (evidence / "more" / "expected.json").unlink()
    clean = Path(shutil.copytree(home, root / "clean"))
    began = time.monotonic()
    assert program.run("run", evidence, "--case", CASE, home=clean).code == 0
    return Scene(program, evidence, home, before, state_of(clean, CASE), time.monotonic() - began)


@pytest.fixture(scope="module")
def small(program: WarmProgram, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scene(program, tmp_path_factory.mktemp("small"), 5_000)


def moments(seed: int, count: int, seconds: float) -> list[float]:
    """Random moments of a run of so many seconds, one in each of `count` equal parts of it, in random order."""
    chance = random.Random(seed)
    found = [(part + chance.random()) * seconds / count for part in range(count)]
    chance.shuffle(found)
    return found


def assert_readers_see_a_published_state(scene: Scene, home: Path) -> None:
    published = CaseStore(home / "cases").current(CASE)
    assert published
    assert tables_of(published) in (scene.before["tables"], scene.after["tables"])
    shown = scene.program.run("show", CASE, "--json", home=home)
    assert (shown.code, json.loads(shown.out)["generation"]) == (0, published.stem)
    assert scene.program.run("cases", home=home).code == 0


def assert_as_if_undisturbed(scene: Scene, home: Path) -> None:
    """The state of an undisturbed run, and nothing beside it."""
    ended = scene.program.run("run", scene.evidence, "--case", CASE, home=home)
    assert ended.code == 0, ended.err
    found = state_of(home, CASE)
    assert {name: rows for name, rows in found["tables"].items() if scene.after["tables"].get(name) != rows} == {}
    assert found == scene.after
    assert left_in(home, CASE) == []
    with CaseStore(home / "cases").lock(CASE, 0):
        pass
    judged = "Nothing has changed" not in ended.out
    assert not (judged and "STARTED" in runs_of(home))


def runs_of(home: Path) -> list[str]:
    """How the orchestrator's runs ended."""
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as con:
        return [row[0] for row in con.execute("SELECT status FROM runs")]


@pytest.mark.slow
@pytest.mark.soak
def test_killed_twice_at_random_moments_the_next_run_ends_as_a_clean_one(small: Scene, tmp_path: Path) -> None:
    for number, moment in enumerate(moments(7, 2, small.seconds)):
        home = small.copy(tmp_path / f"home-{number}")
        command = small.program.start("run", small.evidence, "--case", CASE, home=home)
        time.sleep(moment)
        command.kill()
        assert_readers_see_a_published_state(small, home)
        assert_as_if_undisturbed(small, home)


KILL = "import os, signal\ndie = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
POINTS = {
    "evidence unpacked": "from m365dq_dagster.stages.intake import _Import\n_Import._look = die",
    "alerts raised, report not written": "from m365dq_dagster.stages import report\nreport.write_report = die",
    "all made, nothing published": "from m365dq_dagster.adapters.case_store import CaseStore\nCaseStore.publish = die",
    "published, old generations not thinned out": (
        "from m365dq_dagster.adapters.case_store import CaseStore\nCaseStore._thin_out = die"
    ),
    "published, verdict not in the registry": "from m365dq_dagster.stages import case\ncase.remember = die",
    "verdict in the registry, alerts not sent": (
        "from m365dq_dagster.cli.workbench import Workbench\nWorkbench._deliver = die"
    ),
}
IN_BRIEF = ("published, verdict not in the registry",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [pytest.param(name, marks=() if name in IN_BRIEF else pytest.mark.soak) for name in POINTS]
)
def test_killed_at_each_step_of_publishing_the_next_run_puts_right_what_is_missing(
    small: Scene, tmp_path: Path, point: str
) -> None:
    home = small.copy(tmp_path / "case")
    ended = small.program.run("run", small.evidence, "--case", CASE, home=home, before=KILL + POINTS[point])
    assert ended.code == -signal.SIGKILL
    assert_readers_see_a_published_state(small, home)
    assert_as_if_undisturbed(small, home)


@pytest.mark.soak
@pytest.mark.slow
def test_killed_twenty_times_in_an_import_of_100_000_rows(
    program: WarmProgram, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    large = scene(program, tmp_path_factory.mktemp("large"), 100_000)
    seed = random.randrange(1 << 32)
    print(f"the moments are those of seed {seed}")
    for number, moment in enumerate(moments(seed, 20, large.seconds)):
        home = large.copy(tmp_path / "case")
        if number % 4:
            command = program.start("run", large.evidence, "--case", CASE, home=home)
            time.sleep(moment)
            command.kill()
        else:
            kill_from_the_shell(large, home, moment)
        assert_readers_see_a_published_state(large, home)
        assert_as_if_undisturbed(large, home)
        shutil.rmtree(home)


def kill_from_the_shell(scene: Scene, home: Path, moment: float) -> None:
    """The same with a program of its own, killed so long after its first words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "m365dq_dagster.cli.main", "run", str(scene.evidence), "--case", CASE],
        env={**os.environ, "M365DQ_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stderr
    process.stderr.readline()
    time.sleep(moment * 0.8)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_an_import_that_was_killed_before_anything_was_published_leaves_no_state(
    program: WarmProgram, tmp_path: Path
) -> None:
    evidence, home = tmp_path / "evidence", tmp_path / "home"
    generate("token-replay", evidence)
    ended = program.run("run", evidence, "--case", CASE, home=home, before=KILL + POINTS["all made, nothing published"])
    assert ended.code == -signal.SIGKILL
    told = program.run("show", CASE, home=home)
    assert (told.code, "that was judged" in told.err) == (2, True)
    (case,) = json.loads(program.run("cases", "--json", home=home).out)
    assert case["verdict"] is None
    raised = [
        (one["rule"], one["subject"]) for one in json.loads(program.run("alerts", "list", "--json", home=home).out)
    ]
    assert raised
    assert program.run("run", evidence, "--case", CASE, home=home).code == 0
    again = json.loads(program.run("alerts", "list", "--json", home=home).out)
    assert [(one["rule"], one["subject"]) for one in again] == raised
    published = CaseStore(home / "cases").current(CASE)
    assert published
    with open_reader(published) as con:
        assert kept(con)["status"] == "BREACH_INDICATED"


def test_what_a_killed_run_left_goes_although_there_is_nothing_to_judge_again(small: Scene, tmp_path: Path) -> None:
    """The evidence is again what was published: no run will follow that could clear away."""
    home, folder = small.copy(tmp_path / "case"), tmp_path / "evidence"
    ended = small.program.run(
        "run", small.evidence, "--case", CASE, home=home, before=KILL + POINTS["evidence unpacked"]
    )
    assert ended.code == -signal.SIGKILL
    assert left_in(home, CASE) != []
    shutil.copytree(small.evidence / "more", folder)
    try:
        shutil.rmtree(small.evidence / "more")
        ended = small.program.run("run", small.evidence, "--case", CASE, home=home)
    finally:
        shutil.copytree(folder, small.evidence / "more")
    assert "Nothing has changed" in ended.out
    assert left_in(home, CASE) == []
    assert state_of(home, CASE) == small.before
