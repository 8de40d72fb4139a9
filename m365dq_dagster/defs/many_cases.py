"""A trial of many cases: an inbox that fills at once, and Dagster's daemon at work on it as for anybody, on a home that
is thrown away. What the times of the runs say is judged in `core.pace`.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml

from m365dq_dagster.adapters.processes import cpu_seconds
from m365dq_dagster.adapters.settings import Settings, checkout_root
from m365dq_dagster.adapters.storage_faults import told
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.core.pace import CaseTime, Soaked
from m365dq_dagster.defs import left_behind
from m365dq_dagster.defs.launch import SETTINGS, ensure_dagster_home
from m365dq_dagster.defs.ui import daemon_command, end, environment_of
from m365dq_dagster.stages.case_run import Progress
from m365dq_dagster.stages.generate import generate

SEED = 7
LOG = "soak.log"
LOOK_SECONDS = 0.5
STALLED_SECONDS = 600
"""How long no case may come to its end before the trial is given up."""

FAULT = re.compile(
    r"is locked|CaseBusy|could not serialize|deadlock|Too many open files|Caught an error", re.IGNORECASE
)
"""What in the daemon's log speaks of a lock or a fault."""

FAULTS_KEPT = 20
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def soak(home: Path, cases: int, rows: int, at_once: int, progress: Progress) -> Soaked:
    """Run so many cases of so many sign-ins through the daemon, some at once, and say how long each took.

    The daemon's log stays in `logs/soak.log` of the home; everything else is thrown away. Raises `InternalFault` where
    the daemon ends, or no case comes to its end for ten minutes.
    """
    log = home / "logs" / LOG
    with told("The trial of many cases"), _scratch(home) as root:
        log.parent.mkdir(mode=0o700, exist_ok=True)
        settings = _home(root / "home", at_once)
        _fill(settings.home / "inbox", root / "evidence", cases, rows)
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            with _daemon(settings, log) as process:
                spent = _watch(instance, process, cases, log, progress)
            times = _times(instance, spent)
    return Soaked(at_once, rows, times, _faults(log))


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="soak-", dir=home))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _home(home: Path, at_once: int) -> Settings:
    """A home of its own, whatever the environment says of registry and inbox."""
    settings = Settings(home=home).model_copy(update={"registry_url_override": None, "inbox_override": None})
    settings = settings.prepared()
    file = ensure_dagster_home(settings) / SETTINGS
    wanted = yaml.safe_load(file.read_text(encoding="utf-8"))
    wanted["run_coordinator"]["config"]["max_concurrent_runs"] = at_once
    file.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    return settings


def _fill(inbox: Path, evidence: Path, cases: int, rows: int) -> None:
    """One folder a case, all with the same file: links where the disk has them, so that many cases fit."""
    (file,) = generate("signins", evidence, seed=SEED, rows=rows, shape="portal-csv", context=False).files
    for number in range(1, cases + 1):
        folder = inbox / f"case-{number:04d}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            os.link(file, folder / file.name)
        except OSError:  # pragma: no cover  a disk without hard links
            shutil.copyfile(file, folder / file.name)


@contextmanager
def _daemon(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon with all that it starts, ended with the block. It sees none of the caller's own settings."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("M365DQ_", "DAGSTER_"))}
    with log.open("wb") as said:
        process = subprocess.Popen(
            daemon_command(),
            env=environment_of(settings, given),
            cwd=checkout_root(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process)


def _watch(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], cases: int, log: Path, progress: Progress
) -> dict[str, float]:
    """Wait until every case has come to an end; the core seconds that each run was last seen with."""
    spent: dict[str, float] = {}
    done, moved = 0, time.monotonic()
    while done < cases:
        time.sleep(LOOK_SECONDS)
        spent.update(_spent(instance))
        before, done = done, instance.get_runs_count(dg.RunsFilter(statuses=ENDED))
        moved = time.monotonic() if done > before else moved
        progress.step("cases", f"{done} of {cases} done", done, cases)
        if process.poll() is not None:
            raise InternalFault(f"The daemon ended with code {process.returncode}; what it said is in {log}.")
        if time.monotonic() - moved > STALLED_SECONDS:
            raise InternalFault(
                f"No case came to its end for {STALLED_SECONDS} s, {done} of {cases} are done; what the daemon said is "
                f"in {log}."
            )
    return spent


def _spent(instance: dg.DagsterInstance) -> dict[str, float]:
    """The core seconds of the runs that work now, as far as the machine tells."""
    found = {}
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        seconds = cpu_seconds(int(run.tags.get(left_behind.PROCESS_TAG, ":0").rpartition(":")[2]))
        if seconds is not None:
            found[run.run_id] = seconds
    return found


def _times(instance: dg.DagsterInstance, spent: dict[str, float]) -> tuple[CaseTime, ...]:
    """Every run in the order of the starts."""
    found = [
        CaseTime(
            case_id=record.dagster_run.tags.get("dagster/partition", ""),
            status=record.dagster_run.status.value,
            queued_at=record.create_timestamp.timestamp(),
            started_at=record.start_time,
            ended_at=record.end_time,
            cpu_seconds=spent.get(record.dagster_run.run_id),
        )
        for record in instance.get_run_records()
    ]
    return tuple(sorted(found, key=lambda one: (one.started_at or one.queued_at, one.case_id)))


def _faults(log: Path) -> tuple[str, ...]:
    """The lines of the daemon's log that speak of a lock or a fault, the first ones."""
    found: list[str] = []
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if FAULT.search(line) and len(found) < FAULTS_KEPT:
                found.append(line.strip()[:300])
    return tuple(found)
