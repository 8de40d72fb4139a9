"""The quarterly cycle as judged: which matters it found, in which order they are worked off, and how long that takes.
Looking them up is the business of `stages.maintenance`; the words of the page are in `core.maintenance_page`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from math import ceil
from types import MappingProxyType

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import Severity

MINUTES_A_SITTING = 30
"""What a person gives the cycle at most; what does not fit is counted and left for another sitting."""

QUARTER = re.compile(r"[12][0-9]{3}Q[1-4]")
OUTCOMES_SHOWN = 3


class Topic(StrEnum):
    """What a matter is about, in the order in which the topics are worked off."""

    UNKNOWN_CODES = "unknown codes"
    UNKNOWN_VALUES = "unknown values"
    PENDING = "pending proposals"
    SCHEMA = "schema changes"
    DARK_RULES = "rules without a field"
    LOCAL = "local changes"
    CORRECTIONS = "corrections"
    OVERRIDES = "overrides in force"
    NOT_VALIDATED = "not validated for a year"
    DEPRECATED = "deprecated"
    NOT_SEEN = "not seen for a year"


MINUTES: Mapping[Topic, float] = MappingProxyType(
    {
        Topic.UNKNOWN_CODES: 1.5,
        Topic.UNKNOWN_VALUES: 0.5,
        Topic.PENDING: 1.0,
        Topic.SCHEMA: 1.0,
        Topic.DARK_RULES: 2.0,
        Topic.LOCAL: 1.0,
        Topic.CORRECTIONS: 2.0,
        Topic.OVERRIDES: 0.5,
        Topic.NOT_VALIDATED: 0.25,
        Topic.DEPRECATED: 0.25,
        Topic.NOT_SEEN: 0.1,
    }
)
"""Estimated minutes that one matter of a topic takes somebody who has its evidence in front of him."""

PROVE_MINUTES = 3
"""Applying the decisions and running the labelled cases again."""


@dataclass(frozen=True)
class Beside:
    """What other fields say on rows that hold a value, and on how many of them; '' where they say nothing."""

    status: str
    conditional_access: str
    operation: str
    rows: int


@dataclass(frozen=True)
class UnknownValue:
    """A value that evidence holds and the reference in force does not, wherever it was seen.

    `fields` are (log type, field); `first_event` and `last_event` times of the evidence, None where no row has one;
    `beside` what the neighbouring witnesses say, the commonest first.
    """

    fields: tuple[tuple[str, str], ...]
    value: str
    rows: int
    cases: tuple[str, ...]
    first_event: datetime | None
    last_event: datetime | None
    first_sighted: datetime
    last_sighted: datetime
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True)
class Matter:
    """One thing to decide or to look at. `weight` are the rows or cases that rest on it: the heaviest comes first."""

    subject: str
    where: str
    facts: tuple[str, ...]
    proposal: str = ""
    weight: int = 0
    severity: Severity = Severity.INFO


@dataclass(frozen=True)
class Step:
    """One step of the checklist: its matters, heaviest first, how many of them fit the sitting, and its minutes."""

    number: int
    topic: Topic
    matters: tuple[Matter, ...]
    today: int
    minutes: int

    @property
    def left(self) -> int:
        """How many matters wait for another sitting."""
        return len(self.matters) - self.today


def quarter_of(day: date) -> str:
    """The calendar's quarter, such as `2026Q4`."""
    return f"{day.year}Q{(day.month + 2) // 3}"


def parse_quarter(text: str) -> str:
    """A quarter as somebody wrote it. Raises `BadInput`."""
    found = QUARTER.fullmatch(text.strip().upper())
    if not found:
        raise BadInput(f"{text[:20]!r} is no quarter; write it as 2026Q4.")
    return found.group()


def quarter_start(quarter: str) -> date:
    """The first day of a quarter."""
    return date(int(quarter[:4]), 3 * int(quarter[5]) - 2, 1)


def steps_of(matters: Mapping[Topic, Sequence[Matter]], sitting: int = MINUTES_A_SITTING) -> tuple[Step, ...]:
    """Every topic as a step, also those that ask for nothing. Each takes what fits of the minutes still left, so the
    steps together take at most the sitting, with the minutes for proving the changes kept back.
    """
    left, steps = sitting - PROVE_MINUTES, []
    for number, topic in enumerate(Topic, 1):
        found = tuple(sorted(matters.get(topic, ()), key=_heaviest_first))
        today = min(len(found), int(left / MINUTES[topic] + 1e-9))
        minutes = ceil(today * MINUTES[topic] - 1e-9)
        steps.append(Step(number, topic, found, today, minutes))
        left -= minutes
    return tuple(steps)


def total_minutes(steps: Iterable[Step]) -> int:
    """What the sitting takes, with the proof at its end; 0 where nothing is due."""
    worked = sum(step.minutes for step in steps)
    return worked + PROVE_MINUTES if worked else 0


def _heaviest_first(matter: Matter) -> tuple[int, int, str, str]:
    return (-matter.severity.gravity, -matter.weight, matter.where, matter.subject)


def what_stands_beside(beside: Sequence[Beside]) -> str:
    """What the other witnesses say of the rows, as one sentence; an unknown value is never counted as any of it."""
    total = sum(one.rows for one in beside)
    if not total:
        return "No row of a published case shows what stands beside it."
    told = [f"{_said(one)} on {one.rows}" for one in beside[:OUTCOMES_SHOWN]]
    rest = total - sum(one.rows for one in beside[:OUTCOMES_SHOWN])
    return f"Beside it, of {plural(total, 'row')}: {'; '.join([*told, *([f'other on {rest}'] if rest else [])])}."


SAYS: Mapping[str, str] = MappingProxyType(
    {
        "success": "success",
        "userloggedin": "success",
        "failure": "failure",
        "userloginfailed": "failure",
        "interrupted": "interruption",
    }
)
"""What the words of the other witnesses say of the outcome."""
EVALUATED = ("success", "failure")
"""Conditional Access looks at a sign-in after its first factor: both of its answers mean that the credential was right.
"""


def what_it_looks_like(beside: Sequence[Beside]) -> str:
    """What the other witnesses lead to expect of an unknown code, for a person to judge; '' where none speaks."""
    rows: dict[str, int] = {}
    for one in beside:
        for kind in {SAYS[word] for word in (one.status.lower(), one.operation.lower()) if word in SAYS}:
            rows[kind] = rows.get(kind, 0) + one.rows
    told = []
    if len(rows) == 1:
        told.append(f"It reads like {next(iter(rows))}: no witness beside it says otherwise.")
    elif rows:
        counts = ", ".join(f"{kind} on {rows[kind]}" for kind in sorted(rows))
        told.append(f"The witnesses beside it contradict each other: {counts}.")
    if right := sum(one.rows for one in beside if one.conditional_access.lower() in EVALUATED):
        told.append(f"Conditional Access was evaluated on {right}, so the credential was right there.")
    return " ".join(told)


def _said(one: Beside) -> str:
    parts = [
        f"{name} {value}"
        for name, value in (
            ("status", one.status),
            ("Conditional Access", one.conditional_access),
            ("operation", one.operation),
        )
        if value
    ]
    return ", ".join(parts) or "nothing"


@dataclass(frozen=True)
class DocumentsRead:
    """What became of the vendor's documents: how many were read, one sentence for each that could not be, and how many
    changes were new.

    `asked` is False where nobody gave any, which is itself worth a word.
    """

    asked: bool = False
    read: int = 0
    trouble: tuple[str, ...] = ()
    new: int = 0


@dataclass(frozen=True)
class EarlierCycle:
    """A cycle of the same quarter that was gone through before."""

    actor: str
    made_at: datetime


@dataclass(frozen=True)
class MaintenanceReport:
    """What a quarter asks for, as a list to work through.

    `unknown` are the codes and values seen in the last `sighting_days` that no reference in force knows, the commonest
    first. `notes` are counts that ask for nothing. `proposed` is how many rows this cycle proposed.
    """

    quarter: str
    owner: str
    actor: str
    generated_at: datetime
    rule_pack: str
    sighting_days: int
    revalidate_days: int
    steps: tuple[Step, ...]
    unknown: tuple[UnknownValue, ...] = ()
    documents: DocumentsRead = DocumentsRead()
    earlier: tuple[EarlierCycle, ...] = ()
    notes: tuple[str, ...] = ()
    proposed: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many matters each topic has."""
        return {step.topic.value: len(step.matters) for step in self.steps}

    @property
    def due(self) -> tuple[Step, ...]:
        """The steps that ask for something."""
        return tuple(step for step in self.steps if step.matters)

    @property
    def minutes(self) -> int:
        """What the sitting takes; 0 where nothing is due."""
        return total_minutes(self.steps)

    @property
    def prove_minutes(self) -> int:
        """What proving the changes takes; 0 where nothing is due."""
        return PROVE_MINUTES if self.minutes else 0

    @property
    def severity(self) -> Severity:
        """The gravest of all matters; INFO where there is none."""
        found = (matter.severity for step in self.steps for matter in step.matters)
        return max(found, key=lambda one: one.gravity, default=Severity.INFO)

    def step(self, topic: Topic) -> Step:
        """The step of a topic."""
        return next(step for step in self.steps if step.topic is topic)
