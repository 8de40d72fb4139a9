"""Runs a command of the program inside the test, and checks the promise that `--json` makes."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from m365dq_dagster.cli.main import app


def call(*words: str, bench: object = None, columns: int = 100) -> Result:
    """The command as it ended: exit code, stdout, stderr. No traceback may reach either."""
    result = CliRunner(env={"COLUMNS": str(columns), "NO_COLOR": "1"}).invoke(app, list(words), obj=bench)
    assert "Traceback" not in result.stdout + result.stderr
    return result


def call_json(*words: str, bench: object = None) -> Any:
    """The one document that the command printed with `--json`; fails where stdout holds anything else."""
    return json.loads(call(*words, "--json", bench=bench).stdout)
