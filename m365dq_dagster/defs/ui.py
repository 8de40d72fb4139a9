"""Starting Dagster's own pages on this installation's cases."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from m365dq_dagster.adapters.settings import Settings, checkout_root
from m365dq_dagster.defs.launch import ensure_dagster_home

MODULE = "m365dq_dagster.definitions"
STOP_SECONDS = 20
LOOKING_SECONDS = 900
"""How long a sensor may look into one folder: a new one is read through once, and evidence may be many gigabytes."""


def ui_command(host: str = "127.0.0.1", port: int = 3000) -> list[str]:
    """The command that starts webserver and daemon: on the checkout's workspace, else on the installed module."""
    return [sys.executable, "-m", "dagster", "dev", *_target(), "-h", host, "-p", str(port)]


def daemon_command() -> list[str]:
    """The command that starts the daemon alone, on the same definitions."""
    return [sys.executable, "-m", "dagster._daemon", "run", *_target()]


def _target() -> list[str]:
    root = checkout_root()
    workspace = root / "workspace.yaml" if root else None
    return ["-w", str(workspace)] if workspace and workspace.is_file() else ["-m", MODULE]


def start_ui(settings: Settings, command: Sequence[str]) -> int:
    """Run the command until it ends or is stopped; returns its exit code, 0 where it was stopped by hand.

    It runs in a session of its own, so that a stop reaches it once, and all that it started with it.
    """
    environment = {**environment_of(settings), "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded"}
    process = subprocess.Popen(list(command), env=environment, cwd=checkout_root(), start_new_session=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return process.wait()
    except KeyboardInterrupt:
        end(process)
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def environment_of(settings: Settings, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which Dagster works on a home, upon what is given or this process has."""
    return {
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": str(LOOKING_SECONDS),
        **(os.environ if given is None else given),
        "DAGSTER_HOME": str(ensure_dagster_home(settings)),
        "M365DQ_HOME": str(settings.home),
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, with all it started; what has not ended after a while is ended."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
