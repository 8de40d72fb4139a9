import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import dagster as dg
import pytest

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.definitions import build_definitions, run_case
from m365dq_dagster.defs import left_behind
from m365dq_dagster.stages.published import read_document
from tests.defs.conftest import Register
from tests.support.judged_case import JudgedCase

HOLDING = """
import sys
from types import SimpleNamespace
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.definitions import run_case
from m365dq_dagster.stages import quality
def hold(run):
    print("holding", flush=True)
    sys.stdin.readline()
    return quality.run(run)
run_case(Settings.load(), sys.argv[1], quality=SimpleNamespace(run=hold))
"""


@contextmanager
def another_process_on(case_id: str, checkout: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A run of the case in a process of its own that stops in the middle until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, case_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(checkout), **more},
    )
    assert process.stdout is not None
    assert "holding\n" in iter(process.stdout.readline, "")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def once_killed(tmp_path_factory: pytest.TempPathFactory, empty_dagster_home: Path, checkout: Path) -> JudgedCase:
    """A case that was published once, and whose second run was killed in the middle."""
    case = JudgedCase(tmp_path_factory.mktemp("killed"), empty_dagster_home)
    with another_process_on(case.case_id, checkout, M365DQ_HOME=str(case.settings.home)) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return case


@pytest.fixture
def killed(once_killed: JudgedCase, settings: Settings) -> str:
    """The same in the test's own home."""
    return once_killed.taken_over(settings)


def started(instance: dg.DagsterInstance) -> list[str]:
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    return [run.run_id for run in instance.get_runs(filters=filters)]


def test_a_killed_run_leaves_the_published_state_and_the_next_one_finishes_and_sweeps_up(
    killed: str, settings: Settings, instance: dg.DagsterInstance, store: CaseStore
) -> None:
    first = read_document(store, killed)["generation"]
    assert len(started(instance)) == 1
    second = run_case(settings, killed)
    assert second.success
    assert started(instance) == []
    generations = {path.stem for path in store.case_dir(killed).glob("*.duckdb")}
    assert generations == {first, second.run_id}


def test_the_sensor_frees_the_queue_of_a_killed_run(
    killed: str, settings: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = build_definitions(settings).get_repository_def().get_sensor_def("killed_runs")
    for told in ("1 runs had lost their process.", "0 runs had lost their process."):
        assert sensor.evaluate_tick(dg.build_sensor_context(instance)).skip_message == told


def test_a_run_of_a_living_process_or_of_another_machine_is_left_alone(instance: dg.DagsterInstance) -> None:
    for process in (f"{left_behind.this_host()}:{os.getpid()}", f"{left_behind.this_host()}:1", "elsewhere:1"):
        instance.create_run_for_job(_job(), tags={left_behind.PROCESS_TAG: process}, status=dg.DagsterRunStatus.STARTED)
    assert left_behind.bury(instance) == []


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def idle() -> None:
        nothing()

    return idle


@pytest.mark.soak
def test_two_processes_on_one_case_wait_for_one_another(
    settings: Settings, register: Register, checkout: Path, store: CaseStore
) -> None:
    case_id = register()
    patient = settings.model_copy(update={"lock_wait_seconds": 120.0})
    with another_process_on(case_id, checkout) as process:
        assert str(run_case(settings, case_id).error).startswith("Case tiny: another run is working on it")
        go_on = Timer(1, lambda: process.communicate("go\n"))
        go_on.start()
        outcome = run_case(patient, case_id)
        go_on.join()
    assert outcome.success
    assert store.current(case_id) == store.case_dir(case_id) / f"{outcome.run_id}.duckdb"
