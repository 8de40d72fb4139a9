"""What the product may cost, and what has become slower since an earlier benchmark.

Pure. Nothing is timed here and nothing is printed; what was measured stands in ``core.bench_results``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.bench_request import Figure, Order, size_words
from m365dq_dagster.core.bench_results import PIPELINE, PROMPT_TIMES, STEPS, Measured, Prompt, Result, Spread

SIGMA = 1.4826
"""A median absolute deviation times this estimates the standard deviation of normally distributed noise."""
SIGMAS = 3.0
FLOOR = 0.10
"""The share of the earlier value that a difference has to exceed at least: a handful of rounds can agree by luck."""


class Unit(StrEnum):
    """What a number counts: multiples, seconds or bytes."""

    TIMES = "x"
    SECONDS = "s"
    BYTES = "bytes"


@dataclass(frozen=True)
class Budget:
    """What one export of one size may cost; None where nothing is promised.

    ``ratio``: the whole pipeline as a multiple of the bare scan of the same file in the same round. ``seconds``: the
    whole pipeline; shown and never decisive, since machines differ. ``peak_bytes``: the most memory, of the pipeline
    alone and of a whole run of the program.
    """

    ratio: float | None = None
    seconds: float | None = None
    peak_bytes: int | None = None


GB = 1_000_000_000
BUDGETS: Mapping[tuple[str, int], Budget] = {
    ("portal-csv", 10_000): Budget(15.0, 0.5, None),
    ("portal-csv", 100_000): Budget(12.0, 1.0, None),
    ("portal-csv", 1_000_000): Budget(7.0, 6.0, 3 * GB // 2),
    ("portal-csv", 10_000_000): Budget(None, 90.0, 2 * GB),
    ("graph-jsonl", 10_000): Budget(None, 0.5, None),
    ("graph-jsonl", 100_000): Budget(None, 1.0, None),
    ("graph-jsonl", 1_000_000): Budget(3.0, 6.0, 3 * GB // 2),
    ("graph-jsonl", 10_000_000): Budget(None, 90.0, 2 * GB),
    ("ual-csv", 10_000): Budget(None, 0.5, None),
    ("ual-csv", 100_000): Budget(None, 1.0, None),
    ("ual-csv", 1_000_000): Budget(3.0, 6.0, 3 * GB // 2),
    ("ual-csv", 10_000_000): Budget(None, 90.0, 2 * GB),
}
"""The budgets of the design: how close to a bare scan the whole pipeline has to stay, and within which memory."""

PROMPT_BUDGETS: Mapping[str, float] = {"first": 10.0, "above": 0.5, "help": 0.3}
"""Seconds at the shell prompt: the verdict of 10,000 sign-ins with every check, a second run on unchanged evidence
above the bare start, and the help. People wait for these, so they decide although machines differ."""

GROWTH_FROM, GROWTH_UPTO = 100_000, (1_000_000, 10_000_000)
MOST_GROWTH = 1.25
"""How much more one row may cost among ten million than among a hundred thousand. A cost that grows as n log n would
be 1.4; the rest is left to noise."""

RATIO, SECONDS, MEMORY, DISK = "pipeline / scan", "seconds", "peak memory", "case on disk"
RUN, RUN_MEMORY = "m365dq run / scan", "peak memory of m365dq run"
GROWTH = f"a row's cost / at {size_words(GROWTH_FROM)}"
PROMPT_WORDS: Mapping[str, str] = {
    "interpreter": "python, nothing run",
    "start": "m365dq --version, the bare start",
    "help": "m365dq --help",
    "first": "prompt to verdict, first run",
    "second": "second run, nothing changed",
    "above": "second run above the bare start",
}
"""What each process at the shell prompt is called."""


@dataclass(frozen=True)
class BudgetVerdict:
    """One budget held against one result. ``decides`` is False for what is only shown; ``rows`` is 0 for what has no
    size.
    """

    shape: str
    rows: int
    what: str
    allowed: float
    seen: float
    decides: bool
    unit: Unit = Unit.TIMES

    @property
    def kept(self) -> bool:
        """Whether what was seen stays within what is allowed."""
        return self.seen <= self.allowed

    def as_mapping(self) -> dict[str, Any]:
        """Every field, and whether the budget is kept."""
        return {
            "shape": self.shape,
            "rows": self.rows,
            "what": self.what,
            "allowed": self.allowed,
            "seen": round(self.seen, 4),
            "unit": str(self.unit),
            "decides": self.decides,
            "kept": self.kept,
        }


def judge(measured: Measured, budgets: Mapping[tuple[str, int], Budget] = BUDGETS) -> tuple[BudgetVerdict, ...]:
    """Every stated budget against what was measured; sizes without a budget give no verdict."""
    sized = [verdict for result in measured.results for verdict in _verdicts(result, budgets)]
    return (*sized, *_growth(measured.results), *_at_the_prompt(measured.prompt))


def _verdicts(result: Result, budgets: Mapping[tuple[str, int], Budget]) -> Iterator[BudgetVerdict]:
    budget = budgets.get((result.shape, result.rows), Budget())
    run_peak = result.runs.peak_bytes if result.runs else None
    stated: tuple[tuple[str, float | None, float | None, bool, Unit], ...] = (
        (RATIO, budget.ratio, result.ratio(PIPELINE).median, True, Unit.TIMES),
        (SECONDS, budget.seconds, result.seconds(PIPELINE).median, False, Unit.SECONDS),
        (MEMORY, budget.peak_bytes, result.peak_bytes, True, Unit.BYTES),
        (RUN_MEMORY, budget.peak_bytes, run_peak, True, Unit.BYTES),
    )
    for what, allowed, seen, decides, unit in stated:
        if allowed is not None and seen is not None:
            yield BudgetVerdict(result.shape, result.rows, what, allowed, float(seen), decides, unit)


def _growth(results: Sequence[Result]) -> Iterator[BudgetVerdict]:
    """What a row costs among many against what it costs among a hundred thousand, for exports that have both."""
    small = {result.shape: result for result in results if result.rows == GROWTH_FROM}
    for result in results:
        if result.shape in small and result.rows in GROWTH_UPTO:
            seen = result.microseconds_per_row / small[result.shape].microseconds_per_row
            yield BudgetVerdict(result.shape, result.rows, GROWTH, MOST_GROWTH, seen, True)


def _at_the_prompt(prompt: Prompt | None) -> Iterator[BudgetVerdict]:
    for name, allowed in PROMPT_BUDGETS.items() if prompt else ():
        shape, rows = (prompt.shape, prompt.rows) if prompt and name != "help" else ("", 0)
        seen = prompt.seconds(name).median if prompt else 0.0
        yield BudgetVerdict(shape, rows, PROMPT_WORDS[name], allowed, seen, True, Unit.SECONDS)


def broken(verdicts: Iterable[BudgetVerdict]) -> tuple[BudgetVerdict, ...]:
    """The verdicts that decide and are not kept."""
    return tuple(verdict for verdict in verdicts if verdict.decides and not verdict.kept)


def has_deciding_budget(order: Order, budgets: Mapping[tuple[str, int], Budget] = BUDGETS) -> bool:
    """Whether a check of what is ordered could fail at all."""
    stated = [budgets.get((shape, rows), Budget()) for shape in order.shapes for rows in order.sizes]
    sized = any(budget.ratio is not None or budget.peak_bytes is not None for budget in stated)
    return order.wants(Figure.PROMPT) or (order.wants(Figure.STAGES) and sized)


class Trend(StrEnum):
    """How a number stands to the earlier one."""

    WORSE = "WORSE"
    BETTER = "BETTER"
    SAME = "SAME"


@dataclass(frozen=True)
class Change:
    """One number before and after. ``noise`` is the difference up to which they count as the same; ``rows`` is 0 for
    what has no size.
    """

    shape: str
    rows: int
    what: str
    before: float
    after: float
    noise: float
    unit: Unit = Unit.TIMES

    @property
    def trend(self) -> Trend:
        """More is worse: every number here is a cost."""
        if self.after - self.before > self.noise:
            return Trend.WORSE
        return Trend.BETTER if self.before - self.after > self.noise else Trend.SAME

    def as_mapping(self) -> dict[str, Any]:
        """Every field, and the trend."""
        numbers = {"before": self.before, "after": self.after, "noise": self.noise}
        return {
            "shape": self.shape,
            "rows": self.rows,
            "what": self.what,
            **{name: round(value, 4) for name, value in numbers.items()},
            "unit": str(self.unit),
            "trend": str(self.trend),
        }


def noise(before: Spread, after: Spread) -> float:
    """The difference of two medians that chance may make.

    Three standard deviations, estimated from the larger of the two median absolute deviations, and at least a tenth of
    the earlier median.
    """
    return max(SIGMAS * SIGMA * max(before.deviation, after.deviation), FLOOR * abs(before.median))


def compare(before: Measured, after: Measured) -> tuple[Change, ...]:
    """What has changed, for every export and size that both have, and at the prompt.

    Times are compared as ratios, to the bare scan or at the prompt to the start of the interpreter, so that another
    machine or another load does not count as a change.
    """
    earlier = {(result.shape, result.rows): result for result in before.results}
    pairs = [(earlier[key], one) for one in after.results if (key := (one.shape, one.rows)) in earlier]
    changes = [change for old, new in pairs for change in _changes(old, new)]
    return (*changes, *_prompt_changes(before.prompt, after.prompt))


Pair = tuple[str, Spread, Spread, Unit]


def _changes(old: Result, new: Result) -> Iterator[Change]:
    shared = (PIPELINE, *STEPS, *(name for name in new.parts if name in old.parts))
    pairs: list[Pair] = [(f"{name} / scan", old.ratio(name), new.ratio(name), Unit.TIMES) for name in shared]
    pairs.append((MEMORY, Spread(old.peak_bytes, 0), Spread(new.peak_bytes, 0), Unit.BYTES))
    pairs.append((DISK, Spread(old.case_bytes, 0), Spread(new.case_bytes, 0), Unit.BYTES))
    if old.runs and new.runs:
        pairs.append((RUN, old.runs.ratio, new.runs.ratio, Unit.TIMES))
        pairs.append((RUN_MEMORY, Spread(old.runs.peak_bytes, 0), Spread(new.runs.peak_bytes, 0), Unit.BYTES))
    for what, was, is_now, unit in pairs:
        yield Change(new.shape, new.rows, what, was.median, is_now.median, noise(was, is_now), unit)


def _prompt_changes(old: Prompt | None, new: Prompt | None) -> Iterator[Change]:
    for name in PROMPT_TIMES[1:] if old and new else ():
        was, is_now = (_over_the_interpreter(one, name) for one in (old, new) if one)
        yield Change("", 0, f"{PROMPT_WORDS[name]} / python", was.median, is_now.median, noise(was, is_now))


def _over_the_interpreter(prompt: Prompt, name: str) -> Spread:
    return Spread.of([getattr(one, name) / one.interpreter for one in prompt.rounds])


def uncompared(before: Measured, after: Measured) -> tuple[str, ...]:
    """The exports and sizes of now that the earlier results lack."""
    earlier = {(result.shape, result.rows) for result in before.results}
    return tuple(
        f"{result.shape} {size_words(result.rows)}"
        for result in after.results
        if (result.shape, result.rows) not in earlier
    )
