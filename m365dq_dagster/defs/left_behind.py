"""Runs whose process was killed: Dagster still calls them started, and they would hold up the queue of their case."""

import os
import socket

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

PROCESS_TAG = "m365dq/process"


def this_host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def signature() -> dict[str, str]:
    """The tag of a run that says which process makes it."""
    return {PROCESS_TAG: f"{this_host()}:{os.getpid()}"}


def sign(instance: DagsterInstance, run_id: str) -> None:
    """Write into a run which process makes it."""
    instance.add_run_tags(run_id, signature())


def bury(instance: DagsterInstance) -> list[str]:
    """Mark the runs as failed whose process on this machine has gone; returns their ids."""
    started = instance.get_runs(filters=RunsFilter(statuses=[DagsterRunStatus.STARTED]), limit=100)
    dead = [run for run in started if _has_gone(run.tags.get(PROCESS_TAG, ""))]
    for run in dead:
        instance.report_run_failed(run, "The process of this run was killed; nothing of it was published.")
    return [run.run_id for run in dead]


def _has_gone(process: str) -> bool:
    host, _, pid = process.rpartition(":")
    if host != this_host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # pragma: no cover  somebody else's process; root, as in a container, may signal any
        return False
    return False
