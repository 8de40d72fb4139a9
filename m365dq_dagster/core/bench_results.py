"""What a benchmark measured, as it is written and read again: rounds, medians and their noise. Nothing is judged.

Pure. What the figures may be stands in ``core.budgets``; what is timed, and how, in ``stages.bench``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from statistics import median
from typing import Any

from m365dq_dagster.core.errors import BadInput

STEPS = ("prepare", "intake", "quality", "reliability", "verification", "report", "publish")
"""The parts of one run of a case, in order; together they are the pipeline."""
PARTS = {"profile": "quality", "adjudication": "verification", "findings": "verification"}
"""What is shown by itself, and the step that contains it: counting the columns, deciding every sign-in, and writing
the findings with their evidence."""
PIPELINE = "pipeline"


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

    ``scan`` is the mean of the two scans, ``steps`` holds the steps of the run by name, ``parts`` what is shown by
    itself within them, and ``whole`` all of the run.
    """

    scan: float
    whole: float
    steps: Mapping[str, float]
    parts: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, what: str) -> float:
        """The seconds of a step, of a part of one, or of the whole pipeline."""
        return self.whole if what == PIPELINE else {**self.steps, **self.parts}[what]


@dataclass(frozen=True)
class RunRound:
    """One process of ``m365dq run`` with every check, between two bare scans, in seconds.

    ``whole`` is what passes at the shell prompt, ``start`` what the same interpreter takes for ``m365dq --version``
    right beside it.
    """

    scan: float
    whole: float
    start: float

    @property
    def own(self) -> float:
        """What the run takes above the start of the interpreter."""
        return self.whole - self.start


@dataclass(frozen=True)
class Runs:
    """Whole runs of the program on one export, each a process of its own, and the most memory one of them held."""

    rounds: tuple[RunRound, ...]
    peak_bytes: int

    @property
    def ratio(self) -> Spread:
        """A run without the start of the interpreter, as a multiple of the bare scan."""
        return Spread.of([one.own / one.scan for one in self.rounds])

    def seconds(self, what: str) -> Spread:
        """Seconds of ``whole``, ``start`` or ``own``."""
        return Spread.of([float(getattr(one, what)) for one in self.rounds])

    def as_mapping(self) -> dict[str, Any]:
        """The runs as they are written and read again."""
        return {
            "ratio": self.ratio.as_mapping(),
            "seconds": {name: self.seconds(name).as_mapping() for name in ("whole", "start", "own")},
            "peak_bytes": self.peak_bytes,
            "measured": [{"scan": one.scan, "whole": one.whole, "start": one.start} for one in self.rounds],
        }


@dataclass(frozen=True)
class PlainRound:
    """One run of the plain implementation between two bare scans, in seconds, its start not counted."""

    scan: float
    whole: float


@dataclass(frozen=True)
class Plain:
    """The plain implementation on the same export: rounds, the most memory it held, and what it counted."""

    rounds: tuple[PlainRound, ...]
    peak_bytes: int
    successes: int
    foreign_successes: int

    @property
    def ratio(self) -> Spread:
        """As a multiple of the bare scan."""
        return Spread.of([one.whole / one.scan for one in self.rounds])

    @property
    def seconds(self) -> Spread:
        """Seconds from the file to its counts."""
        return Spread.of([one.whole for one in self.rounds])

    def as_mapping(self) -> dict[str, Any]:
        """The plain way as it is written and read again."""
        return {
            "ratio": self.ratio.as_mapping(),
            "seconds": self.seconds.as_mapping(),
            "peak_bytes": self.peak_bytes,
            "successes": self.successes,
            "foreign_successes": self.foreign_successes,
            "measured": [{"scan": one.scan, "whole": one.whole} for one in self.rounds],
        }


@dataclass(frozen=True)
class Statement:
    """A statement of the pipeline with all its calls in one watched run: seconds that passed, seconds of processors,
    and rows scanned.
    """

    name: str
    calls: int
    seconds: float
    processor_seconds: float
    rows_scanned: int

    def as_mapping(self) -> dict[str, Any]:
        """Every field, times rounded to a tenth of a millisecond."""
        times = {"seconds": round(self.seconds, 4), "processor_seconds": round(self.processor_seconds, 4)}
        return {"name": self.name, "calls": self.calls, **times, "rows_scanned": self.rows_scanned}


@dataclass(frozen=True)
class Result:
    """What was measured of one export of one size. Bytes are bytes; times are seconds.

    ``rounds`` are the stages in one process, without orchestrator and checks; ``peak_bytes`` is the most memory that
    process held by the end of its first round, interpreter and libraries included; ``start_seconds`` is how long it
    took to start and to import, which is in no other number; ``status`` is the verdict the pipeline came to;
    ``normalized`` compares the normalized statuses as view and as table. ``runs`` are whole runs of the program,
    ``plain`` is the plain implementation; both are None where they were not measured. ``statements`` are the heaviest
    of one further run that was watched; none where it was not.
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
    runs: Runs | None = None
    plain: Plain | None = None
    statements: tuple[Statement, ...] = ()

    def ratio(self, what: str) -> Spread:
        """A step, a part or the pipeline as a multiple of the bare scan, each round by its own scans."""
        return Spread.of([one.seconds(what) / one.scan for one in self.rounds])

    def seconds(self, what: str) -> Spread:
        """Seconds of a step, of a part or of the pipeline."""
        return Spread.of([one.seconds(what) for one in self.rounds])

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that every round knows; a file of an earlier version has none."""
        return tuple(name for name in PARTS if all(name in one.parts for one in self.rounds))

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

    @property
    def microseconds_per_row(self) -> float:
        """What one row costs in the pipeline."""
        return self.seconds(PIPELINE).median / self.rows * 1e6

    @property
    def times_as_fast(self) -> float | None:
        """How many pipelines fit into one run of the plain implementation, both as multiples of their own scans."""
        return self.plain.ratio.median / self.ratio(PIPELINE).median if self.plain else None

    def as_mapping(self) -> dict[str, Any]:
        """The result as it is written and read again; ``measured`` holds every round."""
        names = (PIPELINE, *STEPS, *self.parts)
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
            "microseconds_per_row": round(self.microseconds_per_row, 4),
            "times_as_fast_as_plain": round(self.times_as_fast, 3) if self.times_as_fast else None,
            "peak_bytes": self.peak_bytes,
            "evidence_bytes": self.evidence_bytes,
            "case_bytes": self.case_bytes,
            "start_seconds": round(self.start_seconds, 3),
            "status": self.status,
            "normalized": self.normalized.as_mapping() if self.normalized else None,
            "runs": self.runs.as_mapping() if self.runs else None,
            "plain": self.plain.as_mapping() if self.plain else None,
            "statements": [one.as_mapping() for one in self.statements],
            "measured": [_round_mapping(one) for one in self.rounds],
        }


def _round_mapping(one: Round) -> dict[str, Any]:
    return {"scan": one.scan, "whole": one.whole, "steps": dict(one.steps), "parts": dict(one.parts)}


@dataclass(frozen=True)
class PromptRound:
    """Processes of the program one after another, in seconds at the shell prompt.

    ``interpreter`` runs nothing, ``start`` is ``--version``, ``help`` is ``--help``, ``first`` judges a case in a home
    that has never been used, with every check, ``second`` is asked for the same case again while nothing has changed.
    ``processor`` are the seconds that each of them held a processor, which another load disturbs less.
    """

    interpreter: float
    start: float
    help: float
    first: float
    second: float
    processor: Mapping[str, float] = field(default_factory=dict)

    @property
    def above(self) -> float:
        """What the second run takes above the bare start."""
        return self.second - self.start


PROMPT_TIMES = ("interpreter", "start", "help", "first", "second")


@dataclass(frozen=True)
class Prompt:
    """From the shell prompt to the verdict of one case: rounds, and what the first run consists of.

    ``made_of`` are seconds by part of one further run that was watched while it worked, and so took longer than
    ``first``; empty where it was not watched.
    """

    shape: str
    rows: int
    rounds: tuple[PromptRound, ...]
    made_of: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, what: str) -> Spread:
        """Seconds of one kind of process, or ``above``."""
        return Spread.of([float(getattr(one, what)) for one in self.rounds])

    def processor_seconds(self, what: str) -> float | None:
        """The median of the seconds that one kind of process held a processor; None where that was not measured."""
        if not all(what in one.processor for one in self.rounds):
            return None
        return median(one.processor[what] for one in self.rounds)

    def as_mapping(self) -> dict[str, Any]:
        """The figures as they are written and read again."""
        return {
            "shape": self.shape,
            "rows": self.rows,
            "seconds": {name: self.seconds(name).as_mapping() for name in (*PROMPT_TIMES, "above")},
            "processor_seconds": {name: self.processor_seconds(name) for name in PROMPT_TIMES},
            "made_of": {name: round(seconds, 4) for name, seconds in self.made_of.items()},
            "measured": [_prompt_mapping(one) for one in self.rounds],
        }


def _prompt_mapping(one: PromptRound) -> dict[str, Any]:
    return {**{name: getattr(one, name) for name in PROMPT_TIMES}, "processor": dict(one.processor)}


@dataclass(frozen=True)
class Measured:
    """All that one benchmark measured."""

    results: tuple[Result, ...]
    prompt: Prompt | None = None


def read_measured(document: object, name: str) -> Measured:
    """What a benchmark's document holds. Raises ``BadInput`` where it is none."""
    try:
        results = tuple(read_result(one) for one in document["results"])  # type: ignore[index]
        return Measured(results, _read_prompt(document.get("prompt")))  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(f"{name} is no result of `m365dq bench`; give a file that `--out` wrote.") from None


def read_result(found: Mapping[str, Any]) -> Result:
    """A result that was written with ``as_mapping``. Raises KeyError, TypeError, ValueError or AttributeError where it
    was not.
    """
    return Result(
        str(found["shape"]),
        int(found["rows"]),
        tuple(_read_round(one) for one in _some(found["measured"])),
        int(found["peak_bytes"]),
        int(found["evidence_bytes"]),
        int(found["case_bytes"]),
        float(found["start_seconds"]),
        str(found.get("status", "")),
        _read_layers(found.get("normalized")),
        _read_runs(found.get("runs")),
        _read_plain(found.get("plain")),
        tuple(_read_statement(one) for one in found.get("statements", ())),
    )


def _read_statement(found: Mapping[str, Any]) -> Statement:
    times = (float(found["seconds"]), float(found["processor_seconds"]))
    return Statement(str(found["name"]), int(found["calls"]), *times, int(found["rows_scanned"]))


def _some(rounds: Sequence[Any]) -> Sequence[Any]:
    if not rounds:
        raise ValueError("no rounds")
    return rounds


def _time(value: object) -> float:
    """Seconds that a clock can show."""
    seconds = float(value)  # type: ignore[arg-type]
    if not 0 < seconds < inf:
        raise ValueError("a time that no clock shows")
    return seconds


def _read_round(found: Mapping[str, Any]) -> Round:
    steps = {name: float(found["steps"][name]) for name in STEPS}
    parts = {name: float(seconds) for name, seconds in found.get("parts", {}).items() if name in PARTS}
    return Round(_time(found["scan"]), _time(found["whole"]), steps, parts)


def _read_layers(found: Mapping[str, Any] | None) -> Layers | None:
    if found is None:
        return None
    view, table = ({str(name): float(ms) for name, ms in found[which].items()} for which in ("view", "table"))
    return Layers(view, table, float(found["build_seconds"]), int(found["table_bytes"]))


def _read_runs(found: Mapping[str, Any] | None) -> Runs | None:
    if found is None:
        return None
    rounds = _some(found["measured"])
    times = tuple(RunRound(_time(one["scan"]), _time(one["whole"]), _time(one["start"])) for one in rounds)
    return Runs(times, int(found["peak_bytes"]))


def _read_plain(found: Mapping[str, Any] | None) -> Plain | None:
    if found is None:
        return None
    rounds = tuple(PlainRound(_time(one["scan"]), _time(one["whole"])) for one in _some(found["measured"]))
    return Plain(rounds, int(found["peak_bytes"]), int(found["successes"]), int(found["foreign_successes"]))


def _read_prompt(found: Mapping[str, Any] | None) -> Prompt | None:
    if found is None:
        return None
    rounds = tuple(_read_prompt_round(one) for one in _some(found["measured"]))
    made_of = {str(name): float(seconds) for name, seconds in found["made_of"].items()}
    return Prompt(str(found["shape"]), int(found["rows"]), rounds, made_of)


def _read_prompt_round(found: Mapping[str, Any]) -> PromptRound:
    processor = {str(name): float(seconds) for name, seconds in found.get("processor", {}).items()}
    interpreter, start, help_, first, second = (_time(found[name]) for name in PROMPT_TIMES)
    return PromptRound(interpreter, start, help_, first, second, processor)


def together(found: Iterable[Measured]) -> Measured:
    """Several benchmarks as one: of an export and size that occur twice the later one counts, and the later prompt."""
    kept: dict[tuple[int, str], Result] = {}
    prompt: Prompt | None = None
    for one in found:
        kept.update({(result.rows, result.shape): result for result in one.results})
        prompt = one.prompt or prompt
    return Measured(tuple(kept[key] for key in sorted(kept, key=lambda key: key[0])), prompt)
