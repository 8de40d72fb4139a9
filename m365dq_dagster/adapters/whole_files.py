"""Files written in one step, so that no reader meets half of one. What stands in them is the business of whoever writes
them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, partial: Path | None = None, durable: bool = False) -> None:
    """Write a file in one step, readable for its owner only; where that fails, what was there stays. Text is UTF-8.

    `partial` is where it is made, on the same disk; a hidden file beside it unless given. A `durable` one is on the
    disk before it takes its place. Raises `OSError`.
    """
    made = partial or path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        made.replace(path)
    except BaseException:
        with suppress(OSError):
            made.unlink(missing_ok=True)
        raise
