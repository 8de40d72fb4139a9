"""What a benchmark may cost and what has become slower: medians and their noise, the budgets, the comparison.

Pure. Nothing is timed here and nothing is printed; what was timed comes from ``stages.bench``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from statistics import median
from typing import Any

from m365dq_dagster.core.errors import BadInput

STEPS = ("prepare", "intake", "quality", "reliability", "verification", "report", "publish")
"""The parts of one run of a case, in order; together they are the pipeline."""
PIPELINE = "pipeline"
SHAPES = ("portal-csv", "graph-jsonl", "ual-csv")
"""The exports that are measured, by the names of the generator."""
MOST_ROWS = 20_000_000
UNITS = {"k": 1_000, "m": 1_000_000}

FEW_ROUNDS, MANY_ROUNDS = 3, 5
LARGE = 1_000_000
"""From so many rows on, few rounds are enough: the longer a round, the less it is disturbed."""

SIGMA = 1.4826
"""A median absolute deviation times this estimates the standard deviation of normally distributed noise."""
SIGMAS = 3.0
FLOOR = 0.10
"""The share of the earlier value that a difference has to exceed at least: a handful of rounds can agree by luck."""


@dataclass(frozen=True)
class Spread:
    """The middle of repeated measurements and the median absolute deviation from it, in their own unit."""

    median: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        middle = median(values)
        return cls(middle, median(abs(value - middle) for value in values))

    def as_mapping(self) -> dict[str, float]:
        """Both numbers, rounded to a millionth."""
        return {"median": round(self.median, 6), "deviation": round(self.deviation, 6)}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed; of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Layers:
    """The normalized statuses as view and as table: milliseconds at the 95th percentile by question, the seconds that
    making the table with its index took, and the bytes it takes.
    """

    view: Mapping[str, float]
    table: Mapping[str, float]
    build_seconds: float
    table_bytes: int

    def as_mapping(self) -> dict[str, Any]:
        """Every number as it is written and read again."""
        return {
            "view": dict(self.view),
            "table": dict(self.table),
            "build_seconds": self.build_seconds,
            "table_bytes": self.table_bytes,
        }


@dataclass(frozen=True)
class Round:
    """One run of the pipeline between two bare scans of the same file, in seconds.

    ``scan`` is the mean of the two scans, ``steps`` holds the parts of the run by name and ``whole`` all of it.
    """

    scan: float
    whole: float
    steps: Mapping[str, float]

    def seconds(self, what: str) -> float:
        """The seconds of a step, or of the whole pipeline."""
        return self.whole if what == PIPELINE else self.steps[what]


@dataclass(frozen=True)
class Result:
    """What was measured of one export of one size. Bytes are bytes; times are seconds.

    ``peak_bytes`` is the most memory the process held by the end of its first round, interpreter and libraries
    included; ``start_seconds`` is how long it took to start and to import, which is in no other number; ``status`` is
    the verdict the pipeline came to; ``normalized`` compares the normalized statuses as view and as table.
    """

    shape: str
    rows: int
    rounds: tuple[Round, ...]
    peak_bytes: int
    evidence_bytes: int
    case_bytes: int
    start_seconds: float
    status: str = ""
    normalized: Layers | None = None

    def ratio(self, what: str) -> Spread:
        """A step or the pipeline as a multiple of the bare scan, each round by its own scans."""
        return Spread.of([one.seconds(what) / one.scan for one in self.rounds])

    def seconds(self, what: str) -> Spread:
        """Seconds of a step or of the pipeline."""
        return Spread.of([one.seconds(what) for one in self.rounds])

    @property
    def scan(self) -> Spread:
        """Seconds of the bare scan."""
        return Spread.of([one.scan for one in self.rounds])

    @property
    def intake_share(self) -> float:
        """The share of the pipeline that intake takes, 0..1."""
        return Spread.of([one.steps["intake"] / one.whole for one in self.rounds]).median

    @property
    def rows_per_second(self) -> float:
        """Rows that the pipeline takes from evidence to report in a second."""
        return self.rows / self.seconds(PIPELINE).median

    def as_mapping(self) -> dict[str, Any]:
        """The result as it is written and read again; ``measured`` holds every round."""
        names = (PIPELINE, *STEPS)
        return {
            "shape": self.shape,
            "rows": self.rows,
            "rounds": len(self.rounds),
            "ratio": {name: self.ratio(name).as_mapping() for name in names},
            "seconds": {
                "scan": self.scan.as_mapping(),
                **{name: self.seconds(name).as_mapping() for name in names},
            },
            "intake_share": round(self.intake_share, 4),
            "rows_per_second": round(self.rows_per_second),
            "peak_bytes": self.peak_bytes,
            "evidence_bytes": self.evidence_bytes,
            "case_bytes": self.case_bytes,
            "start_seconds": round(self.start_seconds, 3),
            "status": self.status,
            "normalized": self.normalized.as_mapping() if self.normalized else None,
            "measured": [{"scan": one.scan, "whole": one.whole, "steps": dict(one.steps)} for one in self.rounds],
        }


def read_result(found: Mapping[str, Any]) -> Result:
    """A result that was written with ``as_mapping``. Raises KeyError, TypeError, ValueError or AttributeError where it
    was not.
    """
    rounds = tuple(_read_round(one) for one in found["measured"])
    if not rounds:
        raise ValueError("no rounds")
    return Result(
        str(found["shape"]),
        int(found["rows"]),
        rounds,
        int(found["peak_bytes"]),
        int(found["evidence_bytes"]),
        int(found["case_bytes"]),
        float(found["start_seconds"]),
        str(found.get("status", "")),
        _read_layers(found.get("normalized")),
    )


def _read_layers(found: Mapping[str, Any] | None) -> Layers | None:
    if found is None:
        return None
    view, table = ({str(name): float(ms) for name, ms in found[which].items()} for which in ("view", "table"))
    return Layers(view, table, float(found["build_seconds"]), int(found["table_bytes"]))


def _read_round(found: Mapping[str, Any]) -> Round:
    one = Round(float(found["scan"]), float(found["whole"]), {name: float(found["steps"][name]) for name in STEPS})
    if not (0 < one.scan < float("inf") and 0 < one.whole < float("inf")):
        raise ValueError("a time that no clock shows")
    return one


def read_results(document: object, name: str) -> tuple[Result, ...]:
    """The results of a benchmark's document. Raises ``BadInput`` where it is none."""
    try:
        return tuple(read_result(one) for one in document["results"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(f"{name} is no result of `m365dq bench`; give a file that `--out` wrote.") from None


@dataclass(frozen=True)
class Budget:
    """What one export of one size may cost; None where nothing is promised.

    ``ratio``: the whole pipeline as a multiple of the bare scan of the same file in the same round. ``seconds``: the
    whole pipeline; shown and never decisive, since machines differ. ``peak_bytes``: the most memory.
    """

    ratio: float | None
    seconds: float | None
    peak_bytes: int | None


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


@dataclass(frozen=True)
class BudgetVerdict:
    """One budget held against one result. ``decides`` is False for what is only shown."""

    shape: str
    rows: int
    what: str
    allowed: float
    seen: float
    decides: bool

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
            "decides": self.decides,
            "kept": self.kept,
        }


RATIO, SECONDS, MEMORY, DISK = "pipeline / scan", "seconds", "peak memory", "case on disk"


def judge(results: Iterable[Result], budgets: Mapping[tuple[str, int], Budget] = BUDGETS) -> tuple[BudgetVerdict, ...]:
    """Every stated budget against what was measured; sizes without a budget give no verdict."""
    return tuple(verdict for result in results for verdict in _verdicts(result, budgets))


def _verdicts(result: Result, budgets: Mapping[tuple[str, int], Budget]) -> Iterator[BudgetVerdict]:
    budget = budgets.get((result.shape, result.rows), Budget(None, None, None))
    stated = (
        (RATIO, budget.ratio, result.ratio(PIPELINE).median, True),
        (SECONDS, budget.seconds, result.seconds(PIPELINE).median, False),
        (MEMORY, budget.peak_bytes, float(result.peak_bytes), True),
    )
    for what, allowed, seen, decides in stated:
        if allowed is not None:
            yield BudgetVerdict(result.shape, result.rows, what, allowed, seen, decides)


def broken(verdicts: Iterable[BudgetVerdict]) -> tuple[BudgetVerdict, ...]:
    """The verdicts that decide and are not kept."""
    return tuple(verdict for verdict in verdicts if verdict.decides and not verdict.kept)


def has_deciding_budget(
    shapes: Iterable[str], sizes: Sequence[int], budgets: Mapping[tuple[str, int], Budget] = BUDGETS
) -> bool:
    """Whether a check of these exports and sizes could fail at all."""
    stated = [budgets.get((shape, rows), Budget(None, None, None)) for shape in shapes for rows in sizes]
    return any(budget.ratio is not None or budget.peak_bytes is not None for budget in stated)


class Trend(StrEnum):
    """How a number stands to the earlier one."""

    WORSE = "WORSE"
    BETTER = "BETTER"
    SAME = "SAME"


@dataclass(frozen=True)
class Change:
    """One number before and after. ``noise`` is the difference up to which they count as the same."""

    shape: str
    rows: int
    what: str
    before: float
    after: float
    noise: float

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
            "trend": str(self.trend),
        }


def noise(before: Spread, after: Spread) -> float:
    """The difference of two medians that chance may make.

    Three standard deviations, estimated from the larger of the two median absolute deviations, and at least a tenth of
    the earlier median.
    """
    return max(SIGMAS * SIGMA * max(before.deviation, after.deviation), FLOOR * abs(before.median))


def compare(before: Iterable[Result], after: Iterable[Result]) -> tuple[Change, ...]:
    """What has changed, for every export and size that both have.

    Times are compared as ratios to the bare scan, so that another machine or another load does not count as a change.
    """
    earlier = {(result.shape, result.rows): result for result in before}
    pairs = [(earlier[key], one) for one in after if (key := (one.shape, one.rows)) in earlier]
    return tuple(change for old, new in pairs for change in _changes(old, new))


def _changes(old: Result, new: Result) -> Iterator[Change]:
    pairs = [(f"{name} / scan", old.ratio(name), new.ratio(name)) for name in (PIPELINE, *STEPS)]
    pairs.append((MEMORY, Spread(old.peak_bytes, 0), Spread(new.peak_bytes, 0)))
    pairs.append((DISK, Spread(old.case_bytes, 0), Spread(new.case_bytes, 0)))
    for what, was, is_now in pairs:
        yield Change(new.shape, new.rows, what, was.median, is_now.median, noise(was, is_now))


def uncompared(before: Iterable[Result], after: Iterable[Result]) -> tuple[str, ...]:
    """The exports and sizes of now that the earlier results lack."""
    earlier = {(result.shape, result.rows) for result in before}
    return tuple(
        f"{result.shape} {size_words(result.rows)}" for result in after if (result.shape, result.rows) not in earlier
    )


def rounds_for(rows: int, at_least: int = 1) -> int:
    """How often a size is measured: five times, three times from a million rows on, more where more are asked for."""
    return max(FEW_ROUNDS if rows >= LARGE else MANY_ROUNDS, at_least)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Row counts such as ``10k,100k,1m``, each once, rising. Raises ``BadInput`` where one cannot be read."""
    return tuple(sorted({_size(word.strip()) for word in text.split(",")}))


def _size(word: str) -> int:
    unit = UNITS.get(word[-1:].lower(), 1)
    digits = word[:-1] if unit > 1 else word
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise BadInput(f"{word[:40]!r} is no number of rows; give numbers such as 10k,100k,1m.")
    rows = int(digits) * unit
    if not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"{rows:,} rows cannot be measured; give numbers from 1 to {MOST_ROWS:,}, such as 10k,100k,1m.")
    return rows


def parse_shapes(text: str) -> tuple[str, ...]:
    """Export names separated by commas, each once. Raises ``BadInput`` where one is unknown."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in SHAPES:
            raise BadInput(f"{word[:40]!r} is no export that is measured; choose from: {', '.join(SHAPES)}.")
    return words


def size_words(rows: int) -> str:
    """10K, 1M, or the number itself where it is not round."""
    for unit, factor in (("M", 1_000_000), ("K", 1_000)):
        if rows >= factor and rows % factor == 0:
            return f"{rows // factor}{unit}"
    return f"{rows:,}"
