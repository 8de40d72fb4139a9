"""Where and when a witness tells: its profile by sign-in type and by day, days on which it is filled or empty, varies
or stands still, and the day on which that changes. Plain statistics on counts; what follows for testimony is decided
in `parts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from m365dq_dagster.core.outcome import FieldCause, FieldState
from m365dq_dagster.core.policy import StretchPolicy
from m365dq_dagster.core.profile import share


class ChangeKind(StrEnum):
    """What happens to a field on a day."""

    WENT_DARK = "WENT_DARK"
    CAME_BACK = "CAME_BACK"
    BECAME_CONSTANT = "BECAME_CONSTANT"
    VARIES_AGAIN = "VARIES_AGAIN"


@dataclass(frozen=True)
class Spot:
    """Where rows stand: their file, the type of sign-in and the day; None where the evidence does not tell."""

    file_id: int
    sign_in_type: str | None = None
    day: date | None = None


@dataclass(frozen=True)
class ChangePoint:
    """The first day on which a field is otherwise than before, within one type of sign-in (None: not told apart).

    `before` and `after` are shares 0..1 of the rows on either side: those in domain where it went dark or came back,
    else those that hold the one value.
    """

    day: date
    kind: ChangeKind
    sign_in_type: str | None
    before: float
    after: float
    sentence: str


@dataclass(frozen=True)
class TypeProfile:
    """A witness on the rows of one type of sign-in. `state` is None where there are too few rows to judge them by
    themselves; `may_testify` says whether the field is heard on any of them.
    """

    sign_in_type: str | None
    rows: int
    population: float
    top_value: str | None
    top_share: float
    state: FieldState | None
    may_testify: bool


@dataclass(frozen=True)
class PartFault:
    """A part of a log in which a witness is not heard as in the rest: `silent` not at all, else with at most LOW.

    The part is a file (None: all), a type of sign-in, and days (None: all); `rows` are its rows.
    """

    state: FieldState
    cause: FieldCause | None
    silent: bool
    file_id: int | None
    sign_in_type: str | None
    begins: date | None
    ends: date | None
    rows: int
    spots: frozenset[Spot]
    sentence: str


@dataclass(frozen=True)
class DayCount:
    """What a field holds on one day: its applicable rows, those of its domain, and rows by what they say."""

    day: date
    rows: int
    in_domain: int
    values: Mapping[str, int]

    @property
    def population(self) -> float:
        """Share of the day's rows that hold a value of the domain."""
        return share(self.in_domain, self.rows)


@dataclass(frozen=True)
class Stretch:
    """Days from the first to the last, both included, with their sums. `days` counts days that have rows."""

    begins: date
    ends: date
    days: int
    rows: int
    in_domain: int
    values: Mapping[str, int]

    @property
    def population(self) -> float:
        """Share of the rows that hold a value of the domain."""
        return share(self.in_domain, self.rows)

    @property
    def only_value(self) -> str | None:
        """The one value that all its rows hold, or None."""
        return next(iter(self.values)) if len(self.values) == 1 else None

    def covers(self, day: date | None) -> bool:
        """Whether the day lies in it; a row without a day lies nowhere."""
        return day is not None and self.begins <= day <= self.ends


def merged(parts: Sequence[Stretch]) -> Stretch:
    """One stretch over all of them, which stand in the order of time."""
    if len(parts) == 1:
        return parts[0]
    values: Counter[str] = Counter()
    for one in parts:
        values.update(one.values)
    return Stretch(
        parts[0].begins,
        parts[-1].ends,
        sum(one.days for one in parts),
        sum(one.rows for one in parts),
        sum(one.in_domain for one in parts),
        values,
    )


def buckets(series: Iterable[DayCount], least: int) -> list[Stretch]:
    """Days in order, small ones joined with those after them until `least` rows are together.

    So a weekend, a holiday or a quiet account weighs as much as its rows do. What is left over at the end joins the
    last bucket.
    """
    found: list[Stretch] = []
    open_days: list[Stretch] = []
    for one in sorted(series, key=lambda day: day.day):
        open_days.append(Stretch(one.day, one.day, 1, one.rows, one.in_domain, dict(one.values)))
        if sum(day.rows for day in open_days) >= least:
            found.append(merged(open_days))
            open_days = []
    if open_days:
        found[-1:] = [merged([*found[-1:], *open_days])]
    return found


def filled_runs(series: Sequence[Stretch], policy: StretchPolicy) -> list[tuple[bool, Stretch]]:
    """Runs of days on which the field is filled (True) or dark (False), each with enough rows to say so.

    Dark is at most the policy's dark share in domain, filled is more than its filled share. Days in between belong to
    no run, and a run of too few rows is passed over.
    """
    states = [
        (one.population > policy.filled_share, one)
        for one in series
        if one.population > policy.filled_share or one.population <= policy.dark_share
    ]
    long_enough = [run for run in _runs(states) if run[1].rows >= policy.rows]
    return _runs(long_enough)


def _runs(states: Iterable[tuple[bool, Stretch]]) -> list[tuple[bool, Stretch]]:
    found: list[tuple[bool, Stretch]] = []
    for state, one in states:
        if found and found[-1][0] is state:
            found[-1] = (state, merged([found[-1][1], one]))
        else:
            found.append((state, one))
    return found


@dataclass(frozen=True)
class ConstantRun:
    """Days on which a field holds one value that varies on other days.

    `before` are the days before it. `chance` is how probable so long a run of one value is by accident, if each row
    held another value as often as on the other days: (1 - p)^n.
    """

    stretch: Stretch
    value: str
    before: tuple[Stretch, ...]
    to_the_end: bool
    chance: float

    def is_abrupt(self, policy: StretchPolicy) -> bool:
        """A field that varied nearly every day and never again: not an attack that ended, but a field that stopped."""
        if not self.to_the_end or len(self.before) < policy.constant_days or self.stretch.days < policy.constant_days:
            return False
        varied = sum(1 for one in self.before if one.only_value is None)
        return varied >= policy.varied_share * len(self.before) and self.chance <= policy.constant_chance


def constant_runs(series: Sequence[Stretch], usable: Callable[[str], bool], policy: StretchPolicy) -> list[ConstantRun]:
    """Every longest run of buckets that hold one and the same usable value, of enough rows and days, beside others
    that differ from it more than chance explains.
    """
    found = []
    rows = sum(one.rows for one in series)
    usable_rows: Counter[str] = Counter()
    for one in series:
        usable_rows.update({said: count for said, count in one.values.items() if usable(said)})
    for begin, end in _same_value(series, usable):
        stretch = merged(series[begin:end])
        value = str(stretch.only_value)
        if stretch.rows < policy.rows or stretch.days < policy.stuck_days or end - begin == len(series):
            continue
        differing = usable_rows.total() - usable_rows[value]  # all of them stand beside the run, which holds one value
        chance = (1.0 - share(differing, rows - stretch.rows)) ** stretch.rows
        if chance <= policy.stuck_chance:
            found.append(ConstantRun(stretch, value, tuple(series[:begin]), end == len(series), chance))
    return found


def _same_value(series: Sequence[Stretch], usable: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Where runs of one usable value begin and end (the end not included)."""
    found: list[tuple[int, int]] = []
    for index, one in enumerate(series):
        value = one.only_value
        if value is None or not usable(value):
            continue
        if found and found[-1][1] == index and series[found[-1][0]].only_value == value:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found
