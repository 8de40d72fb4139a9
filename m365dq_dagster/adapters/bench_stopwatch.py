"""Starts one program and tells what it took: a process so small that it adds nothing to what it measures.

It is run by its path and without the packages of the environment, so it imports the standard library alone. A system
hands the memory of a parent on to the child it starts, as far as the child's peak tells; this parent has next to none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence

CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def main(words: Sequence[str]) -> int:
    """Run ``words[2:]`` with its output in the file ``words[0]`` and its complaints in ``words[1]``; say on stdout, as
    JSON, its exit code, the seconds from its start to its end, those that it held a processor, and the most bytes of
    memory that it held.
    """
    out, err, *command = words
    files = [(os.POSIX_SPAWN_OPEN, number, path, CREATE, 0o600) for number, path in ((1, out), (2, err))]
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - begun
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    times = {"seconds": seconds, "processor_seconds": usage.ru_utime + usage.ru_stime}
    told = {"code": os.waitstatus_to_exitcode(status), **times, "peak_bytes": peak}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":  # pragma: no cover  a process without the packages of the environment, so unmeasured
    sys.exit(main(sys.argv[1:]))
