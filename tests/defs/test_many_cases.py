"""The trial of many cases, with a daemon that stands in: what it is handed, what is read back, how it is given up."""

import shutil
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.pace import Trend
from m365dq_dagster.definitions import run_case
from m365dq_dagster.defs import many_cases
from m365dq_dagster.defs.ui import end
from m365dq_dagster.stages.case import prepare_case
from m365dq_dagster.stages.case_run import Silent
from m365dq_dagster.stages.generate import generate
from tests.support.crowded_registry import crowd

DAEMON = """
import os, time, yaml
from pathlib import Path
import dagster as dg
from dagster._core.test_utils import create_run_for_test
from m365dq_dagster.defs import left_behind

assert not [name for name in os.environ if name.startswith("M365DQ_") and name != "M365DQ_HOME"]
inbox = Path(os.environ["M365DQ_HOME"], "inbox")
with dg.DagsterInstance.get() as instance:
    settings = yaml.safe_load(Path(os.environ["DAGSTER_HOME"], "dagster.yaml").read_text())
    print(settings["run_coordinator"]["config"]["max_concurrent_runs"], flush=True)
    for number, folder in enumerate(sorted(inbox.iterdir())):
        (file,) = folder.iterdir()
        assert file.stat().st_size > 100
        ended = dg.DagsterRunStatus.FAILURE if number == 1 else dg.DagsterRunStatus.SUCCESS
        tags = {"dagster/partition": folder.name, **left_behind.signature()}
        run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
        time.sleep(0.3)
        instance.run_storage.handle_run_event(run.run_id, event(ended))
    print("sqlite3.OperationalError: database is locked", flush=True)
    time.sleep(60)
"""
EVENT = """
def event(status):
    kind = dg.DagsterEventType.RUN_SUCCESS if status.value == "SUCCESS" else dg.DagsterEventType.RUN_FAILURE
    return dg.DagsterEvent(kind.value, "case_job")
"""


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(many_cases, "daemon_command", lambda: [sys.executable, "-c", program])
    monkeypatch.setattr(many_cases, "LOOK_SECONDS", 0.05)


class Steps(Silent):
    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        self.told.append((done, total))


def test_every_case_of_the_inbox_is_timed_and_locks_are_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    stand_in(monkeypatch, EVENT + DAEMON)
    monkeypatch.setenv("M365DQ_REGISTRY_URL", "postgresql://nobody@nowhere/live")
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    steps = Steps()
    found = many_cases.soak(home, cases=3, rows=40, at_once=2, progress=steps)
    assert [one.case_id for one in found.times] == ["case-0001", "case-0002", "case-0003"]
    assert [one.case_id for one in found.failed] == ["case-0002"]
    assert found.faults == ("sqlite3.OperationalError: database is locked",)
    assert (found.at_once, found.rows, found.trend) == (2, 40, Trend.CANNOT_TELL)
    assert steps.told[-1] == (3, 3)
    log = home / "logs" / "soak.log"
    assert log.read_text().splitlines()[0] == "2"
    assert [path.name for path in home.iterdir() if path.name.startswith("soak-")] == []
    if Path("/proc/self/stat").exists():
        assert all(one.cpu_seconds for one in found.times)


def test_a_daemon_that_ends_is_told_with_the_place_of_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(InternalFault, match=r"ended with code 3; what it said is in .*soak\.log"):
        many_cases.soak(home, cases=1, rows=5, at_once=2, progress=Silent())


def test_a_daemon_that_does_nothing_is_given_up_and_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(many_cases, "end", lambda process: (end(process), ended.append(process)))
    stand_in(monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(many_cases, "STALLED_SECONDS", 0.5)
    with pytest.raises(InternalFault, match="0 of 1 are done"):
        many_cases.soak(home, cases=1, rows=5, at_once=2, progress=Silent())
    assert [process.returncode for process in ended] in ([-signal.SIGTERM], [-signal.SIGKILL])


def test_only_the_first_faults_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("all is well\n" + "Caught an error\n" * 50, encoding="utf-8")
    assert many_cases._faults(log) == ("Caught an error",) * many_cases.FAULTS_KEPT


def test_the_daemon_works_on_the_definitions_of_the_pages(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from m365dq_dagster.defs import ui

    assert ui.daemon_command()[-2:] == ui.ui_command()[4:6]
    monkeypatch.setattr(ui, "checkout_root", lambda: None)
    told: Any = ui.daemon_command()[-2:]
    assert told == ["-m", ui.MODULE]


class Asked:
    """How many statements each database is asked, whoever asks; a run's own event log counts as one database."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __call__(self, connection: Any, *_: Any) -> None:
        name = Path(str(connection.engine.url.database)).name
        self.counted["run" if len(name) > 30 else name] += 1


def run_of(settings: Settings, registry: Registry, name: str, evidence: Path) -> Counter[str]:
    """Run a case of the evidence and count what was asked meanwhile."""
    shutil.copytree(evidence, settings.home / name)
    prepare_case(settings, registry, CaseStore(settings.cases_dir), load_rule_pack(), settings.home / name)
    asked = Asked()
    sa.event.listen(sa.Engine, "before_cursor_execute", asked)
    try:
        assert run_case(settings, name).success
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", asked)
    return asked.counted


def test_a_run_asks_no_more_of_a_registry_and_an_instance_with_many_cases(
    settings: Settings, instance: dg.DagsterInstance, registry: Registry, tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence"
    generate("ual", evidence, rows=60, context=False)
    run_of(settings, registry, "first", evidence)
    of_few = run_of(settings, registry, "second", evidence)
    crowd(registry, 120, datetime.now(UTC))
    instance.add_dynamic_partitions("case", [f"case-{number:05d}" for number in range(120)])
    of_many = run_of(settings, registry, "third", evidence)
    assert of_few["registry.sqlite3"] > 20
    assert of_many == of_few
