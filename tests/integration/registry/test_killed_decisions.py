"""A process that dies while it proposes, decides or corrects leaves all of its deed or nothing, and the next one goes
on from there.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.code_changes import ChangeState
from tests.support import killed_work
from tests.support.case_runs import run_folder
from tests.support.program import call, call_json
from tests.support.registry_history import rows_of
from tests.support.sign_in_folder import write_sign_ins

ROOT = Path(__file__).resolve().parents[3]
AT_THE_END = "no statement begins so"


def killed(address: str, work: str, word: str, *more: str) -> None:
    command = [sys.executable, "-m", "tests.support.killed_work", address, work, word, *more]
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=paths, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("word", ["INSERT INTO status_code_changes", "INSERT INTO audit_log"])
def test_a_proposal_that_is_killed_half_way_was_never_made(address: str, word: str) -> None:
    Registry.open(address).close()
    killed(address, "propose", word)
    with Registry.open(address) as registry:
        assert not any(rows_of(registry.engine).values())
        killed_work.propose(registry)
        assert len(registry.code_changes(ChangeState.PENDING)) == 1


def test_a_proposal_outlives_its_process_and_another_decides_on_it(address: str) -> None:
    Registry.open(address).close()
    killed(address, "propose", AT_THE_END)
    with Registry.open(address) as registry:
        (change,) = registry.code_changes(ChangeState.PENDING)
        assert (change.proposer.user, registry.status_codes()) == ("alice", [])
        killed_work.decide(registry)
        assert [one.state for one in registry.code_changes()] == [ChangeState.APPROVED]
        assert {code.value for code in registry.status_codes()} == {"999999"}


@pytest.mark.parametrize(
    "word", ["UPDATE status_code_changes", "INSERT INTO status_code_reference", "INSERT INTO status_code_history"]
)
def test_a_decision_that_is_killed_half_way_leaves_the_change_waiting(address: str, word: str) -> None:
    with Registry.open(address) as registry:
        killed_work.propose(registry)
        before = rows_of(registry.engine)
    killed(address, "decide", word)
    with Registry.open(address) as registry:
        assert rows_of(registry.engine) == before
        killed_work.decide(registry)
        assert len(registry.status_codes()) == 3


@pytest.mark.parametrize(
    "word", ["INSERT INTO corrections", "INSERT INTO correction_fields", "INSERT INTO audit_log", AT_THE_END]
)
def test_a_correction_is_kept_with_its_fields_and_its_entry_or_not_at_all(address: str, word: str) -> None:
    Registry.open(address).close()
    killed(address, "correct", word)
    with Registry.open(address) as registry:
        if word != AT_THE_END:
            assert not any(rows_of(registry.engine).values())
            killed_work.correct(registry)
        (kept,) = registry.corrections()
        assert [one.name for one in kept.fields] == ["sign_in_logs.country", "sign_in_logs.status"]
        assert kept.fields[1].circumstances == {"rows": 3}
        assert [entry.action for entry in registry.audit_entries()] == ["correct"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which one small case was judged."""
    root = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch, Registry.open(f"sqlite:///{root / 'registry.sqlite3'}") as registry:
        patch.setenv("M365DQ_HOME", str(root))
        run_folder(write_sign_ins(root / "c1"), registry, case_id="c1")
    return root


def test_the_command_that_is_killed_while_it_corrects_can_be_given_again(judged: Path, home: Path) -> None:
    shutil.copytree(judged, home, dirs_exist_ok=True)
    words = ("correct", "c1", "case", "--verdict", "ALL_BLOCKED", "--reason", "found out")
    before = call_json("show", "c1")
    killed("-", "program", "INSERT INTO correction_fields", *words)
    assert call_json("show", "c1") == before
    assert call("report", "c1", "--out", "-").stdout.count("Corrected by a person") == 0
    assert call(*words).exit_code == 0
    assert [row["state"] for row in call_json("show", "c1")["corrections"]] == ["IN_FORCE"]
