"""Running a case in this process, recorded in Dagster's instance so that its pages show it. For the command line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core import errors
from m365dq_dagster.core.errors import InternalFault, M365dqError
from m365dq_dagster.defs.partitions import cases

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own log stays in its event store; the terminal belongs to the command."""
TEMPLATE = Path(__file__).with_name("dagster.yaml")


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: well, stopped by a gate, or with an error. Exactly one of the three is said."""

    run_id: str
    success: bool
    blocked: tuple[str, ...] = ()
    error: M365dqError | None = None


def ensure_dagster_home(settings: Settings) -> Path:
    """Dagster's folder with its settings in it, made where it is missing; a file that is there is left alone."""
    home = settings.dagster_home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():
        target.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    return home


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
) -> RunOutcome:
    """Run the whole of `job` for one case and say how it ended; never raises for what a step raised."""
    instance.add_dynamic_partitions(cases.name or "case", [case_id])
    result = job.execute_in_process(
        run_config={**QUIET, **(run_config or {})},
        instance=instance,
        partition_key=case_id,
        tags=tags,
        raise_on_error=False,
    )
    if result.success:
        return RunOutcome(result.run_id, True)
    blocked = tuple(
        check.check_name
        for check in result.get_asset_check_evaluations()
        if check.blocking and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    )
    raised = [event for event in result.all_events if event.is_step_failure and not _is_gate(event)]
    if blocked and not raised:
        return RunOutcome(result.run_id, False, blocked)
    return RunOutcome(result.run_id, False, error=_error_of(raised))


def _is_gate(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _error_of(raised: list[dg.DagsterEvent]) -> M365dqError:
    """The sentence of the first step that raised, as the error it was; anything unforeseen is an internal fault."""
    info: SerializableErrorInfo | None = raised[0].step_failure_data.error if raised else None
    while info is not None and info.cause is not None:
        info = info.cause
    if info is None:
        return InternalFault("The run ended before any step could say why; look at it with `m365dq ui`.")
    kind = getattr(errors, info.cls_name or "", None)
    message = info.message.partition(": ")[2].strip()
    if isinstance(kind, type) and issubclass(kind, M365dqError):
        return kind(message)
    return InternalFault(f"The run failed with {info.cls_name}; its log in `m365dq ui` has the details.")
