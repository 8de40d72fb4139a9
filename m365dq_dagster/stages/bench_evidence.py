"""The evidence of a benchmark: made once below the home folder, and used again until generator, seed or size differ.

What is timed on it stands in the other modules of the benchmark.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters import synthetic
from m365dq_dagster.core.bench_request import size_words
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.stages import generate
from m365dq_dagster.stages.case_run import Progress

SEED = 7
FAMILIES = {"portal-csv": "signins", "graph-jsonl": "signins", "ual-csv": "ual"}
"""Which single log of the generator is written in each export."""
MARKER = "made.json"
EVIDENCE = "evidence"
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR}
"""How the system says that a folder may not be written to."""


def all_rows(seen: int, rows: int, who: str) -> None:
    """Raises ``InternalFault`` where whoever was timed has not read every row: it was quick for the wrong reason."""
    if seen != rows:
        raise InternalFault(f"{who} read {seen:,} of {rows:,} rows, so its time says nothing; nothing was measured.")


@dataclass(frozen=True)
class Evidence:
    """A folder with one file of evidence, made by the generator."""

    folder: Path
    file: Path
    shape: str
    rows: int

    @property
    def name(self) -> str:
        """The export and its size in words."""
        return f"{self.shape} {size_words(self.rows)}"


@contextmanager
def writable(root: Path) -> Iterator[Path]:
    """The folder of the benchmark; what the disk refuses inside the block becomes one sentence."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield root
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InternalFault(f"The disk of {root} is full; free space there, or measure fewer rows.") from None
        if error.errno not in REFUSED:
            raise
        raise BadInput(
            f"{root} cannot be used ({error.strerror}); set M365DQ_HOME to a folder that you may write to."
        ) from None


def sweep(root: Path) -> None:
    """Throw away what killed benchmarks left; only the holder of the lock may."""
    for leftover in (*root.glob("making-*"), *root.glob("scratch-*")):
        shutil.rmtree(leftover)


def generator_version() -> str:
    """A hash of the generator's own source: other bytes may come out of another one."""
    digest = hashlib.sha256()
    for path in (*sorted(Path(synthetic.__path__[0]).glob("*.py")), Path(generate.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def evidence(root: Path, shape: str, rows: int, progress: Progress) -> Evidence:
    """The evidence of one export and size, made where it is missing or was made by another generator."""
    folder = root / f"{shape}-{rows}"
    wanted = {"generator": generator_version(), "seed": SEED, "shape": shape, "rows": rows}
    found = _already(folder, wanted)
    if found is None:
        progress.step(f"making {shape} {size_words(rows)}", f"{rows:,} rows of evidence, once")
        _make(root, folder, wanted)
        found = _already(folder, wanted)
    if found is None:
        raise InternalFault(f"The evidence in {folder} changed while it was made; run the benchmark again.")
    return Evidence(folder / EVIDENCE, found, shape, rows)


def _already(folder: Path, wanted: dict[str, Any]) -> Path | None:
    """The file of evidence, if it is there as it was made."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        file = folder / EVIDENCE / str(marker["file"])
        return file if marker == {**wanted, "file": file.name, "bytes": file.stat().st_size} else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(root: Path, folder: Path, wanted: dict[str, Any]) -> None:
    """Make it beside its place and move it there whole, so that half of it is never found."""
    making = root / f"making-{folder.name}"
    making.mkdir()
    shape = str(wanted["shape"])
    made = generate.generate(FAMILIES[shape], making / EVIDENCE, seed=SEED, rows=int(wanted["rows"]), shape=shape)
    (file,) = made.files
    marker = {**wanted, "file": file.name, "bytes": file.stat().st_size}
    (making / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    making.rename(folder)
