"""What a benchmark asks of the machine: the bare scan of a file, the memory a process held, the machine in words, and
processes of their own for what is measured, timed from outside or speaking for themselves.

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
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from filelock import FileLock, Timeout

from m365dq_dagster import __version__
from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CONNECT_CONFIG, IN_MEMORY
from m365dq_dagster.adapters.sql import normalized, scan
from m365dq_dagster.core.bench_results import percentile
from m365dq_dagster.core.errors import CaseBusy, InternalFault

SAMPLE_LINES = 50
STOP_SECONDS = 10
PROCESS_STATUS = Path("/proc/self/status")
PROCESSOR_LIST = Path("/proc/cpuinfo")

STOPWATCH = Path(__file__).with_name("bench_stopwatch.py")
PROGRAM = ("-m", "m365dq_dagster.cli.main")
"""What the command `m365dq` runs, by the interpreter that runs this."""
OWN_SETTINGS = "M365DQ_"
"""How the names of the installation's settings in the environment begin."""

Heard = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What one process took from its start to its end, how long it held processors, the most memory it held, what it
    left with, and what it said on stdout.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    code: int
    said: str


class BareScan:
    """A scan of every column of one file as text, by the engine alone, on a connection of its own in memory."""

    def __init__(self, path: Path) -> None:
        self._con = duckdb.connect(":memory:", config=IN_MEMORY)
        self._statement = _statement(path)

    def seconds(self) -> tuple[float, int]:
        """How long one scan took, and how many rows it saw."""
        begun = time.perf_counter()
        rows = self._con.execute(self._statement).fetchall()
        return time.perf_counter() - begun, int(rows[0][0])

    def beside(self, work: Callable[[], T]) -> tuple[T, float]:
        """What a piece of work gives, and the mean of a scan before and one after it: a load that comes or goes
        meanwhile weighs on both.
        """
        before, _ = self.seconds()
        done = work()
        after, _ = self.seconds()
        return done, (before + after) / 2

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


def own_interpreter(words: Sequence[str], home: Path, log: Path) -> Spent:
    """Run this interpreter with these words on a home of its own, and time it from outside; raises ``InternalFault``
    where it ends with another code than 0, with the place of what it said in ``log``.

    No setting of this installation reaches it, so that nothing is mailed and no registry but its own is written.
    """
    out = log.with_suffix(".out")
    told = subprocess.run(
        [sys.executable, "-I", "-S", str(STOPWATCH), str(out), str(log), sys.executable, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**_environment(settings=False), "M365DQ_HOME": str(home)},
    )
    found = json.loads(told.stdout)
    times = (found["seconds"], found["processor_seconds"])
    spent = Spent(*times, found["peak_bytes"], found["code"], out.read_text(encoding="utf-8"))
    if spent.code:
        raise InternalFault(f"The measured process {_end_words(spent.code)}; what it said is in {log} and {out}.")
    out.unlink()
    return spent


def _environment(*, settings: bool) -> dict[str, str]:
    """This environment with the product's own root to import from, with or without the installation's settings."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    kept = {name: value for name, value in os.environ.items() if settings or not name.startswith(OWN_SETTINGS)}
    return {**kept, "PYTHONPATH": path}


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
    with errors.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=_environment(settings=True),
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
