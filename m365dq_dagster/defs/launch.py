"""Running a case in this process, recorded in Dagster's instance so that its pages show it. For the command line."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from filelock import FileLock, Timeout

from m365dq_dagster.adapters import storage_faults
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.storage_faults import told
from m365dq_dagster.core import errors
from m365dq_dagster.core.errors import InternalFault, M365dqError
from m365dq_dagster.defs import left_behind
from m365dq_dagster.defs.partitions import cases

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own log stays in its event store; the terminal belongs to the command."""
SETTINGS = "dagster.yaml"
TEMPLATE = Path(__file__).with_name(SETTINGS)
MAKING_SECONDS = 60


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: well, stopped by a gate, or with an error. Exactly one of the three is said.

    `details` is what the steps that failed raised, for the log.
    """

    run_id: str
    success: bool
    blocked: tuple[str, ...] = ()
    error: M365dqError | None = None
    details: str = ""


def ensure_dagster_home(settings: Settings) -> Path:
    """Dagster's folder with its settings in it, made where it is missing; a file that is there is left alone."""
    home = settings.dagster_home
    with told("Dagster's own state"):
        if not home.is_dir():
            _make(home)
        if not (home / SETTINGS).exists():
            partial = home / f".{SETTINGS}.{os.getpid()}"
            partial.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
            partial.replace(home / SETTINGS)
    return home


def _make(home: Path) -> None:
    """Make the folder in one step, by one process at a time: Dagster makes its databases in many, and neither heeds
    others that do the same nor mends what a killed process left half made.
    """
    try:
        with FileLock(home.with_name(f".{home.name}.lock"), timeout=MAKING_SECONDS, mode=0o600):
            if not home.is_dir():
                _fill(home.with_name(f".{home.name}.new"), home)
    except Timeout:
        raise InternalFault(
            f"Another process has been making {home} for more than {MAKING_SECONDS} s; wait for it, then run again."
        ) from None


def _fill(fresh: Path, home: Path) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(mode=0o700, parents=True)
        shutil.copyfile(TEMPLATE, fresh / SETTINGS)
        dg.DagsterInstance.from_config(str(fresh)).dispose()
        fresh.rename(home)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The installation's Dagster instance, closed at the end."""
    instance = dg.DagsterInstance.from_config(str(ensure_dagster_home(settings)))
    with instance:
        yield instance


def run_case(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    case_id: str,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    assets: Sequence[str] | None = None,
) -> RunOutcome:
    """Run the whole of `job`, or only some of its assets, for one case and say how it ended; never raises for what a
    step raised.
    """
    instance.add_dynamic_partitions(cases.name or "case", [case_id])
    result = job.execute_in_process(
        run_config={**QUIET, **(run_config or {})},
        instance=instance,
        partition_key=case_id,
        tags={**(tags or {}), **left_behind.signature()},
        raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
    )
    if result.success:
        return RunOutcome(result.run_id, True)
    blocked = tuple(
        check.check_name
        for check in result.get_asset_check_evaluations()
        if check.blocking and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    )
    raised = _raised(result.all_events)
    if blocked and not raised:
        return RunOutcome(result.run_id, False, blocked)
    details = "\n".join(error.to_string() for error in raised)
    return RunOutcome(result.run_id, False, error=_error_of(raised), details=details)


def _raised(events: Iterable[dg.DagsterEvent]) -> list[SerializableErrorInfo]:
    """What the steps that failed raised, without gates that did their work."""
    found = [event.step_failure_data.error for event in events if event.is_step_failure]
    return [error for error in found if error is not None and error.cls_name != "DagsterAssetCheckFailedError"]


def _error_of(raised: Sequence[SerializableErrorInfo]) -> M365dqError:
    """The sentence of the first step that raised: the product's own, else the machine's fault; anything unforeseen is
    an internal fault.
    """
    if not raised:
        return InternalFault("The run ended before any step could say why; look at it with `m365dq ui`.")
    chain = list(_chain(raised[0]))
    told = [_as_told(one) for one in chain]
    fault = next((one for one in (*told, *map(_as_fault, chain)) if one), None)
    return fault or InternalFault(f"The run failed with {chain[-1].cls_name}; its log in `m365dq ui` has the details.")


def _chain(info: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while info is not None:
        yield info
        info = info.cause


def _as_told(info: SerializableErrorInfo) -> M365dqError | None:
    kind = getattr(errors, info.cls_name or "", None)
    if isinstance(kind, type) and issubclass(kind, M365dqError):
        return kind(info.message.partition(": ")[2].strip())
    return None


def _as_fault(info: SerializableErrorInfo) -> M365dqError | None:
    return storage_faults.fault_in(info.cls_name or "", info.message)
