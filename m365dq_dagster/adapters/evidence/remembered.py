"""Remembers the hashes of evidence files by what the system says of each file, so that evidence which did not change
need not be read again to tell that. What is taken in is always read and hashed; `folder` does that.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from m365dq_dagster.adapters.whole_files import write_whole

FILE = "evidence_hashes.json"
"""The memory of a case, in the case's folder."""

SETTLED_NS = 2_000_000_000
"""A file is remembered once it had lain still for this long when its hash was begun: some disks tell times by two
seconds, and within those a second change would not show."""


@dataclass(frozen=True)
class Fingerprint:
    """What one pass over a file's bytes tells: its SHA-256, the line ends that its row count is held against, and the
    returns that no line end follows."""

    sha256: str
    newlines: int
    bare_returns: int


@dataclass
class Remembered:
    """Fingerprints by path, each with size, times of change, device and number of the file that had it.

    `is_new` says that there is something to keep.
    """

    entries: dict[str, tuple[list[int], str, int, int]] = field(default_factory=dict)
    is_new: bool = False

    @classmethod
    def load(cls, folder: Path) -> Remembered:
        """The memory in a case's folder; an empty one where there is none that can be read."""
        try:
            rows = json.loads((folder / FILE).read_bytes())
            return cls(
                {
                    str(path): (list(map(int, said)), str(sha), int(ends), int(bare))
                    for path, said, sha, ends, bare in rows
                }
            )
        except (OSError, ValueError, TypeError):
            return cls()

    def recall(self, path: str, state: os.stat_result) -> Fingerprint | None:
        """The fingerprint of the file, where the system says the same of it as then."""
        said, sha256, newlines, bare_returns = self.entries.get(path, ([], "", 0, 0))
        return Fingerprint(sha256, newlines, bare_returns) if said == _said(state) else None

    def note(self, path: str, state: os.stat_result, found: Fingerprint, begun_ns: int) -> None:
        """Remember a fingerprint whose pass began at `begun_ns`; not that of a file that changed just before."""
        if max(state.st_mtime_ns, state.st_ctime_ns) < begun_ns - SETTLED_NS:
            self.entries[path] = (_said(state), found.sha256, found.newlines, found.bare_returns)
            self.is_new = True

    def keep(self, folder: Path) -> None:
        """Write the memory into a case's folder; what cannot be written costs the next run a pass over the files."""
        rows = [[path, *entry] for path, entry in sorted(self.entries.items())]
        with suppress(OSError):
            write_whole(folder / FILE, json.dumps(rows))


def _said(state: os.stat_result) -> list[int]:
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_dev, state.st_ino]


def now_ns() -> int:
    """The moment, as the system dates files."""
    return time.time_ns()
