import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock

from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.defs import launch, ui
from m365dq_dagster.defs.resources import case_workspace
from m365dq_dagster.defs.services import Services


def test_a_run_that_ends_before_any_step_is_an_internal_fault(instance: dg.DagsterInstance) -> None:
    @dg.resource
    def broken(context: Any) -> None:
        raise RuntimeError("boom")

    @dg.asset(required_resource_keys={"broken"}, partitions_def=dg.DynamicPartitionsDefinition(name="case"))
    def something() -> None: ...

    definitions = dg.Definitions(
        assets=[something],
        resources={"broken": broken},
        jobs=[dg.define_asset_job("case_job", executor_def=dg.in_process_executor)],
    )
    outcome = launch.run_case(instance, definitions.resolve_job_def("case_job"), "c1")
    assert isinstance(outcome.error, InternalFault)
    assert "before any step could say why" in str(outcome.error)


def test_a_case_is_not_opened_outside_a_run(settings: Settings) -> None:
    resource = case_workspace(Services(settings))
    with (
        pytest.raises(dg.DagsterResourceFunctionError) as caught,
        dg.build_resources({"workspace": resource}),
    ):
        pass
    assert isinstance(caught.value.__cause__, InternalFault)


def test_the_pages_of_a_checkout_are_its_workspace(checkout: Path) -> None:
    command = ui.ui_command("127.0.0.1", 3001)
    assert command[:4] == [sys.executable, "-m", "dagster", "dev"]
    assert command[4:] == ["-w", str(checkout / "workspace.yaml"), "-h", "127.0.0.1", "-p", "3001"]


def test_the_pages_of_an_installation_are_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "checkout_root", lambda: None)
    assert ui.ui_command()[4:6] == ["-m", "m365dq_dagster.definitions"]


def test_the_pages_know_their_home_and_end_with_their_command(settings: Settings, tmp_path: Path) -> None:
    told = tmp_path / "told"
    say = "os.environ['DAGSTER_HOME'] + ' ' + os.environ['M365DQ_HOME']"
    program = f"import os; open({str(told)!r}, 'w').write({say}); raise SystemExit(3)"
    assert ui.start_ui(settings, [sys.executable, "-c", program]) == 3
    assert told.read_text() == f"{settings.dagster_home} {settings.home}"
    assert (settings.dagster_home / "dagster.yaml").is_file()


def test_a_sensor_has_time_for_gigabytes_unless_somebody_says_otherwise(settings: Settings) -> None:
    name = "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"
    assert int(ui.environment_of(settings, {})[name]) >= 600
    assert ui.environment_of(settings, {name: "7"})[name] == "7"


def test_stopping_the_pages_stops_what_they_started(settings: Settings, checkout: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    child = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        "import sys\n"
        "from m365dq_dagster.adapters.settings import Settings\n"
        "from m365dq_dagster.defs.ui import start_ui\n"
        f"raise SystemExit(start_ui(Settings.load(), [sys.executable, '-c', {child!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(checkout)})
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_dagsters_folder_is_made_whole_or_not_at_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(folder: str) -> None:
        (Path(folder) / "history").mkdir()
        raise KeyboardInterrupt

    shutil.rmtree(settings.dagster_home)
    with monkeypatch.context() as half:
        half.setattr(dg.DagsterInstance, "from_config", killed)
        with pytest.raises(KeyboardInterrupt):
            launch.ensure_dagster_home(settings)
    assert not settings.dagster_home.exists()
    assert not list(settings.home.glob(".*.new"))
    home = launch.ensure_dagster_home(settings)
    assert (home / "history" / "runs.db").exists()
    (home / "dagster.yaml").unlink()
    assert "telemetry" in (launch.ensure_dagster_home(settings) / "dagster.yaml").read_text()


def test_who_cannot_make_dagsters_folder_since_another_makes_it_waits_and_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(settings.dagster_home)
    monkeypatch.setattr(launch, "MAKING_SECONDS", 0.1)
    with FileLock(settings.home / ".dagster.lock"), pytest.raises(InternalFault, match="has been making"):
        launch.ensure_dagster_home(settings)
