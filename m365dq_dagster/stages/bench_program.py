"""The program as a person runs it, timed from outside: whole runs with every check, what passes at the shell prompt,
and beside it the plain implementation of a checkout.

Every process is a fresh one on a home of its own; the stages one by one stand in ``stages.bench_stages``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from m365dq_dagster.adapters.bench import PROGRAM, BareScan, Spent, own_interpreter
from m365dq_dagster.adapters.bench_profile import can_watch, draw, frames, watched
from m365dq_dagster.core.bench_results import PROMPT_TIMES, Plain, PlainRound, Prompt, PromptRound, RunRound, Runs
from m365dq_dagster.core.composition import made_of
from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.stages.bench_evidence import Evidence, all_rows
from m365dq_dagster.stages.case_run import Progress

PLAIN_WAY = Path(__file__).resolve().parents[2] / "tests" / "benchmarks" / "plain_way.py"
"""The plain implementation, which only a checkout has."""
VERSION, HELP, NOTHING = (*PROGRAM, "--version"), (*PROGRAM, "--help"), ("-c", "pass")


@dataclass(frozen=True)
class Bench:
    """Where a benchmark may write, what it logs to, and who is told how far it is."""

    scratch: Path
    log: Path
    progress: Progress
    graphs: Path | None = None
    """Where flame graphs go, if any are asked for."""
    run: Callable[[Sequence[str], Path, Path], Spent] = own_interpreter

    def spent(self, words: Sequence[str], home: str) -> Spent:
        """One process on the home of this name."""
        return self.run(words, self.scratch / home, self.log)


def whole_runs(found: Evidence, rounds: int, bench: Bench) -> Runs:
    """``m365dq run`` with every check, each time another case of one home, between two bare scans.

    Raises ``InternalFault`` where a run is stopped or loses a row.
    """
    scan, taken, peak = BareScan(found.file), [], 0
    scan.seconds()
    for number in range(1, rounds + 1):
        bench.progress.step(found.name, f"m365dq run, round {number} of {rounds}", number, rounds)
        os.utime(found.file)
        start = bench.spent(VERSION, "home")
        run, beside = scan.beside(partial(_judged, found, f"bench-{number}", "home", bench))
        taken.append(RunRound(beside, run.seconds, start.seconds))
        peak = max(peak, run.peak_bytes)
        shutil.rmtree(bench.scratch / "home" / "cases")
    scan.close()
    return Runs(tuple(taken), peak)


def at_the_prompt(found: Evidence, rounds: int, bench: Bench) -> Prompt:
    """What passes at the shell prompt: each round a home that has never been used, a first run and a second one on
    unchanged evidence, with the bare starts beside.

    Each kind of start is made once beforehand, so that the files of the program are in the system's cache; then one
    further first run is watched for what it consists of, where that can be done.
    """
    for words in (VERSION, HELP, NOTHING):
        bench.spent(words, "prompt-0")
    taken = tuple(_prompt_round(found, number, rounds, bench) for number in range(1, rounds + 1))
    return Prompt(found.shape, found.rows, taken, _composition(found, taken, bench) if can_watch() else {})


def _composition(found: Evidence, taken: Sequence[PromptRound], bench: Bench) -> dict[str, float]:
    """What one first run consists of; before it can be watched, the interpreter has to start."""
    session = bench.scratch / "watched.pyisession"
    bench.spent(watched(_words(found, "bench"), session), "prompt-watched")
    if bench.graphs:
        draw(session, bench.graphs / f"first-run-{found.shape}-{found.rows}")
    return {"the interpreter": median(one.interpreter for one in taken), **made_of(frames(session))}


def _prompt_round(found: Evidence, number: int, rounds: int, bench: Bench) -> PromptRound:
    bench.progress.step(f"prompt {found.name}", f"round {number} of {rounds}", number, rounds)
    home = f"prompt-{number}"
    first = _judged(found, "bench", home, bench)
    second = bench.spent(_words(found, "bench"), home)
    if not json.loads(second.said)["unchanged"]:
        raise InternalFault("The second run judged unchanged evidence again, so its time says nothing.")
    taken = (*(bench.spent(words, home) for words in (NOTHING, VERSION, HELP)), first, second)
    shutil.rmtree(bench.scratch / home)
    processor = {name: one.processor_seconds for name, one in zip(PROMPT_TIMES, taken, strict=True)}
    interpreter, start, help_, *_ = (one.seconds for one in taken)
    return PromptRound(interpreter, start, help_, first.seconds, second.seconds, processor)


def _words(found: Evidence, case_id: str) -> tuple[str, ...]:
    return (*PROGRAM, "run", str(found.folder), "--case", case_id, "--json")


def _judged(found: Evidence, case_id: str, home: str, bench: Bench) -> Spent:
    """One run that came to a verdict on every row."""
    spent = bench.spent(_words(found, case_id), home)
    document: dict[str, Any] = json.loads(spent.said)
    all_rows(sum(one["rows_imported"] for one in document["files"]), found.rows, "The run")
    return spent


def plain_way(found: Evidence, rounds: int, bench: Bench, script: Path = PLAIN_WAY) -> Plain | None:
    """The plain implementation between two bare scans, its interpreter's start not counted; None where the script is
    not there.
    """
    if not script.is_file():
        return None
    scan, taken, peak, said = BareScan(found.file), [], 0, {}
    database = bench.scratch / "plain.sqlite3"
    scan.seconds()
    for number in range(1, rounds + 1):
        bench.progress.step(found.name, f"plain implementation, round {number} of {rounds}", number, rounds)
        spent, beside = scan.beside(partial(bench.spent, (str(script), str(found.file), str(database)), "plain"))
        database.unlink(missing_ok=True)
        said, peak = json.loads(spent.said), max(peak, spent.peak_bytes)
        all_rows(said["rows"], found.rows, "The plain implementation")
        taken.append(PlainRound(beside, said["seconds"]))
    scan.close()
    return Plain(tuple(taken), peak, said["successes"], said["foreign_successes"])
