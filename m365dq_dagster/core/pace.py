"""Whether many cases take the same time from the first to the last: judged from the times of their runs. Running them
belongs to `defs.many_cases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import hypot, sqrt
from statistics import median
from typing import Any

TOLERATED = 0.10
"""By how much the last quarter may be slower than the first one, as a share of it."""

FEWEST = 12
"""Cases below which a quarter is too small to say anything."""

SURE = 2.0
"""Standard errors by which two medians may differ by chance."""

MAD_TO_DEVIATION, ERROR_OF_MEDIAN = 1.4826, 1.2533
"""A normal distribution's deviation in median absolute deviations, and the error of its median in deviations / sqrt(n).
"""

MOST_COMPARED = 400
"""Cases of which every pair is compared; of more, evenly spread ones are."""

FINISHED = "SUCCESS"


class Trend(StrEnum):
    """What becomes of the time a case takes, from the first to the last."""

    CONSTANT = "CONSTANT"
    GROWS = "GROWS"
    CANNOT_TELL = "CANNOT_TELL"


@dataclass(frozen=True)
class CaseTime:
    """One run of one case. Moments are seconds since 1970; `cpu_seconds` is None where the machine does not tell."""

    case_id: str
    status: str
    queued_at: float
    started_at: float | None
    ended_at: float | None
    cpu_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """From start to end; 0 for a run that did not get there."""
        return 0.0 if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        told = {"case": self.case_id, "status": self.status, "queued_at": self.queued_at}
        moments = {"started_at": self.started_at, "ended_at": self.ended_at, "seconds": round(self.seconds, 3)}
        return {**told, **moments, "cpu_seconds": self.cpu_seconds}


@dataclass(frozen=True)
class Pace:
    """The medians of the first and the last quarter, what each hundred cases add (Theil-Sen), by how much the medians
    differ by chance, and what that comes to. All but the trend in the unit of the values.
    """

    first: float
    last: float
    per_hundred: float
    noise: float
    trend: Trend

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        figures = {"first_quarter": self.first, "last_quarter": self.last, "noise": self.noise}
        rounded = {name: round(value, 3) for name, value in figures.items()}
        return {**rounded, "per_hundred_cases": round(self.per_hundred, 3), "trend": self.trend.value}


@dataclass(frozen=True)
class Soaked:
    """Many cases that were run through the daemon: their times in the order of their starts, and lines of its log that
    speak of a lock or a fault.
    """

    at_once: int
    rows: int
    times: tuple[CaseTime, ...]
    faults: tuple[str, ...]

    @property
    def failed(self) -> tuple[CaseTime, ...]:
        """The cases that did not come to their end."""
        return tuple(one for one in self.times if one.status != FINISHED)

    @property
    def wall(self) -> Pace | None:
        """The pace by the clock; None without a case that came to its end."""
        return pace([one.seconds for one in self._finished])

    @property
    def cpu(self) -> Pace | None:
        """The pace in seconds of a core, which other work on the machine disturbs less; None where it was not told."""
        return pace([one.cpu_seconds for one in self._finished if one.cpu_seconds is not None])

    @property
    def trend(self) -> Trend:
        """By the cores where they tell, else by the clock."""
        told = [found.trend for found in (self.cpu, self.wall) if found]
        return next((one for one in told if one is not Trend.CANNOT_TELL), Trend.CANNOT_TELL)

    @property
    def waits_more(self) -> bool:
        """Whether the clock shows growth that the cores do not: other work, the disk, or waiting."""
        return self.trend is Trend.CONSTANT and self.wall is not None and self.wall.trend is Trend.GROWS

    @property
    def cases_an_hour(self) -> float:
        """Cases from the first start to the last end, an hour; 0 without any."""
        starts = [one.started_at for one in self._finished if one.started_at is not None]
        ends = [one.ended_at for one in self._finished if one.ended_at is not None]
        return 3600 * len(ends) / (max(ends) - min(starts)) if starts and ends else 0.0

    @property
    def is_well(self) -> bool:
        """Whether every case came to its end, none met a lock, and the time a case takes does not grow."""
        return not self.failed and not self.faults and self.trend is not Trend.GROWS

    def as_mapping(self) -> dict[str, Any]:
        """The document of the trial."""
        return {
            "cases": len(self.times),
            "at_once": self.at_once,
            "rows": self.rows,
            "failed": [one.case_id for one in self.failed],
            "faults": list(self.faults),
            "trend": self.trend.value,
            "wall_seconds": self.wall.as_mapping() if self.wall else None,
            "cpu_seconds": self.cpu.as_mapping() if self.cpu else None,
            "cases_an_hour": round(self.cases_an_hour, 1),
            "runs": [one.as_mapping() for one in self.times],
        }

    @property
    def _finished(self) -> list[CaseTime]:
        return [one for one in self.times if one.status == FINISHED]


def pace(values: Sequence[float]) -> Pace | None:
    """What becomes of values in the order of their cases; None without any.

    CANNOT_TELL where there are too few, or where chance alone may hide more than is tolerated.
    """
    if not values:
        return None
    size = max(1, len(values) // 4)
    first, last = values[:size], values[-size:]
    noise = SURE * hypot(_error(first), _error(last))
    begun, ended = median(first), median(last)
    return Pace(begun, ended, 100 * _slope(values), noise, _trend(len(values), begun, ended - begun, noise))


def _trend(cases: int, begun: float, more: float, noise: float) -> Trend:
    allowed = TOLERATED * begun
    if cases < FEWEST:
        return Trend.CANNOT_TELL
    if more > allowed and more > noise:
        return Trend.GROWS
    return Trend.CONSTANT if more + noise <= 2 * allowed else Trend.CANNOT_TELL


def _error(values: Sequence[float]) -> float:
    """The standard error of a median."""
    middle = median(values)
    spread = median(abs(value - middle) for value in values)
    return ERROR_OF_MEDIAN * MAD_TO_DEVIATION * spread / sqrt(len(values))


def _slope(values: Sequence[float]) -> float:
    """What one case more adds: the median of the slopes of all pairs, which outliers hardly move."""
    step = len(values) // MOST_COMPARED + 1
    kept = list(enumerate(values))[::step]
    slopes = [(after - before) / (j - i) for (i, before), (j, after) in combinations(kept, 2)]
    return median(slopes) if slopes else 0.0
