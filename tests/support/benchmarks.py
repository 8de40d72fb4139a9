"""Figures of a benchmark as they might have been measured, by what they should come to."""

from m365dq_dagster.core.bench_results import (
    PARTS,
    PROMPT_TIMES,
    STEPS,
    Layers,
    Plain,
    PlainRound,
    Prompt,
    PromptRound,
    Result,
    Round,
    RunRound,
    Runs,
    Statement,
)

MACHINE = {"words": "2 cores of something", "cores": 2, "memory_bytes": 1, "load": 0.5}


def result(ratio: float = 2.0, *, scan: float = 1.0, shape: str = "portal-csv", rows: int = 1_000_000) -> Result:
    """Stages that took ``ratio`` scans, each step the same, each part a tenth of its step."""
    whole = ratio * scan
    steps = dict.fromkeys(STEPS, whole / len(STEPS))
    parts = dict.fromkeys(PARTS, whole / len(STEPS) / 10)
    layers = Layers({"by status": 1.25}, {"by status": 0.5}, 2.0, 10**7)
    rounds = (Round(scan, whole, steps, parts),) * 5
    heavy = (Statement("judge.sql: events", 2, 0.5, 0.75, 3_000_000),)
    told = ("NO_BREACH_INDICATED", layers)
    return Result(shape, rows, rounds, 10**9, 10**9, 10**8, 1.0, *told, statements=heavy)


def runs(ratio: float, *, peak_bytes: int = 10**9) -> Runs:
    """Whole runs that took ``ratio`` scans above their start."""
    return Runs((RunRound(1.0, ratio + 0.25, 0.25),) * 5, peak_bytes)


def plain(ratio: float) -> Plain:
    """The plain implementation, which took ``ratio`` scans."""
    return Plain((PlainRound(1.0, ratio),) * 5, 10**8, 97, 3)


def prompt(*, first: float = 7.0, second: float = 0.625, start: float = 0.25, help: float = 0.125) -> Prompt:
    """What passes at the shell prompt, in seconds, and what the first run consists of."""
    times = (0.0625, start, help, first, second)
    rounds = (PromptRound(*times, processor=dict(zip(PROMPT_TIMES, times, strict=True))),) * 5
    return Prompt("portal-csv", 10_000, rounds, {"imports": 6.0, "intake": 2.0})
