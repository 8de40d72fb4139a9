"""What a benchmark asks of the machine: the bare scan of a file, the memory a process held, the machine in words, and
a process of its own for each measurement.

What is run and timed between two scans is the business of ``stages.bench``.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from m365dq_dagster import __version__
from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG
from m365dq_dagster.adapters.sql import normalized, scan
from m365dq_dagster.core.budgets import percentile
from m365dq_dagster.core.errors import CaseBusy, InternalFault

SAMPLE_LINES = 50
STOP_SECONDS = 10
PROCESS_STATUS = Path("/proc/self/status")
PROCESSOR_LIST = Path("/proc/cpuinfo")

Heard = dict[str, Any]


class BareScan:
    """A scan of every column of one file as text, by the engine alone, on a connection of its own in memory."""

    def __init__(self, path: Path) -> None:
        self._con = duckdb.connect(":memory:", config=CONNECT_CONFIG)
        self._statement = _statement(path)

    def seconds(self) -> tuple[float, int]:
        """How long one scan took, and how many rows it saw."""
        begun = time.perf_counter()
        rows = self._con.execute(self._statement).fetchall()
        return time.perf_counter() - begun, int(rows[0][0])

    def close(self) -> None:
        """Give the connection back."""
        self._con.close()


def normalized_layers(published: Path, times: int) -> dict[str, Any]:
    """The questions that are asked of normalized statuses, asked of the view and of its materialized copy by turns.

    Milliseconds at the 95th percentile of `times` askings by question, the seconds that the copy and its index took,
    and the bytes that they fill. The generation is written to: give one that is thrown away.
    """
    with duckdb.connect(str(published), config=CONNECT_CONFIG) as con:
        before, begun = _used_bytes(con), time.perf_counter()
        measure.materialize_normalized(con)
        con.execute("CHECKPOINT")
        took, room = time.perf_counter() - begun, _used_bytes(con) - before
        asked = {
            name: [_asked(con, question, relation, times) for question in normalized.QUERIES]
            for name, relation in (("view", normalized.VIEW), ("table", normalized.TABLE))
        }
    found = {name: dict(zip(normalized.QUERIES, values, strict=True)) for name, values in asked.items()}
    return {**found, "build_seconds": round(took, 4), "table_bytes": room}


def _used_bytes(con: duckdb.DuckDBPyConnection) -> int:
    """Bytes of the file that hold data; blocks that were freed stay in the file and are filled again."""
    used, size = con.execute(normalized.USED_BLOCKS).fetchall()[0]
    return int(used) * int(size)


def _asked(con: duckdb.DuckDBPyConnection, question: str, relation: str, times: int) -> float:
    statement, taken = normalized.ask(question, relation), []
    for _ in range(times + 1):  # the first asking reads from the disk and is left out
        begun = time.perf_counter()
        con.execute(statement).fetchall()
        taken.append((time.perf_counter() - begun) * 1000)
    return round(percentile(taken[1:], 0.95), 3)


def _statement(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix != ".jsonl":
            return scan.scan_table(path, len(next(csv.reader(file))))
        keys = dict.fromkeys(key for line in islice(file, SAMPLE_LINES) for key in json.loads(line))
        return scan.scan_lines(path, list(keys))


def peak_memory() -> int:
    """The most memory this process has held, in bytes.

    Linux hands the peak of the parent on to a process it starts, as far as ``getrusage`` tells; the process's own
    status does not, so it is asked first.
    """
    try:
        lines = PROCESS_STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, Any]:
    """The machine in words, without its name: cores, memory, systems and versions, and how busy it is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    words = (
        f"{cores} core{'s' if cores > 1 else ''} of {_processor()}, {memory / 2**30:.0f} GB of memory, "
        f"{platform.system()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}, m365dq {__version__}"
    )
    return {"words": words, "cores": cores, "memory_bytes": memory, "load": round(os.getloadavg()[0], 2)}


def _processor() -> str:
    try:
        for line in PROCESSOR_LIST.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine() or "an unnamed processor"


def in_own_process(
    arguments: Sequence[str], errors: Path, heard: Callable[[Heard], None] = lambda _: None
) -> tuple[Heard, float]:
    """Run a module of the product in a fresh interpreter; its last message, and the seconds until its first.

    The process speaks in lines of JSON on stdout, of which ``heard`` is told; what it writes to stderr goes to the file
    ``errors``. Raises ``InternalFault`` with the sentence of a message ``{"event": "failed"}``, and where it ends
    otherwise than with ``{"event": "done"}``.
    """
    last: Heard = {}
    started: float | None = None
    begun = time.perf_counter()
    with _child(arguments, errors) as process:
        assert process.stdout
        for line in process.stdout:
            started = started if started is not None else time.perf_counter() - begun
            last = json.loads(line)
            heard(last)
        code = process.wait()
    if last.get("event") == "failed":
        raise InternalFault(str(last["sentence"]))
    if code or started is None or last.get("event") != "done":
        raise InternalFault(f"The measuring process {_end_words(code)}; what it said is in {errors}.")
    return last, started


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the folder of the benchmark: two at once would measure each other. Raises ``CaseBusy`` at once."""
    lock = FileLock(root / "lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CaseBusy(
            f"Another benchmark is working in {root}; two at once would slow each other. Wait until it has finished."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _end_words(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}, which is what happens when memory runs out"
    return f"ended with exit code {code}"


@contextmanager
def _child(arguments: Sequence[str], errors: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, ended with the block if it has not ended by itself."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with errors.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
