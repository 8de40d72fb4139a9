"""Files for what no terminal should show: tracebacks of surprises, and what libraries print during a run.

A log is never worth a run: where it cannot be written, it is left out. What went wrong is said elsewhere.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from m365dq_dagster.core.errors import M365dqError


def keep(name: str, text: str) -> Path | None:
    """Keep a text in a file that only its owner reads: under the home folder, else in the temporary folder.

    None where neither can be written; nothing half-written stays.
    """
    for folder in (home_logs, lambda: Path(tempfile.gettempdir())):
        try:
            path = folder() / name
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except (OSError, M365dqError):
            continue
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            path.unlink(missing_ok=True)
            continue
        return path
    return None


def home_logs() -> Path:
    """The folder of logs under the home folder, made where it is missing."""
    from m365dq_dagster.adapters.settings import Settings

    folder = Settings.load().home / "logs"
    with suppress(OSError):  # whoever opens a log there meets it
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def open_forgiving(path: Path) -> TextIO:
    """A new log for its owner alone; what its disk cannot take is lost without a word."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    return io.TextIOWrapper(io.BufferedWriter(_Forgiving(handle, "w")), encoding="utf-8", line_buffering=True)


class _Forgiving(io.FileIO):
    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data) or 0
        return len(data)
