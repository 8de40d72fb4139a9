"""The processor time of processes that the tests started, from the system's own tables."""

import os
from pathlib import Path


def seconds_of_group(group: int) -> float:
    """User and system time of every process of a process group, with that of children already waited for, in
    seconds.
    """
    return sum(_seconds(fields) for fields in _table() if int(fields[2]) == group)


def _table() -> list[list[str]]:
    """The fields of `/proc/<pid>/stat` behind the command's name, of every process there is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found.append(path.read_text().rpartition(")")[2].split())
        except OSError:
            continue  # it has ended meanwhile
    return found


def _seconds(fields: list[str]) -> float:
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
