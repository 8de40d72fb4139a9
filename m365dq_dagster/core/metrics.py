"""The data quality dashboard as numbers and as text, computed from plain facts. The stage fetches the facts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from m365dq_dagster.core.narrative import some
from m365dq_dagster.core.plain_text import one_line

TITLE = "M365 IR Data Quality Dashboard"
FAILURES_SHOWN = 5
FIELDS_SHOWN = 3
CASES_SHOWN = 8


@dataclass(frozen=True)
class Window:
    """The last `days` times 24 hours up to `end`; both ends belong to it."""

    end: datetime
    days: int

    @property
    def start(self) -> datetime:
        """The first moment that counts."""
        return self.end - timedelta(days=self.days)

    def holds(self, moment: datetime) -> bool:
        """True from the first to the last moment, both included."""
        return self.start <= moment <= self.end


@dataclass(frozen=True)
class ImportFact:
    """One import: PASS, FAIL or OVERRIDDEN, how long it took and how many verifiers ran."""

    case_id: str
    at: datetime
    seconds: float
    status: str
    reason: str | None
    verifications: int


@dataclass(frozen=True)
class FlagFact:
    """A code value that was unknown when it was sighted."""

    log_type: str
    field: str
    value: str
    at: datetime


@dataclass(frozen=True)
class CorrectionFact:
    """A case whose conclusion was corrected, and when; a correction that was taken back is none."""

    case_id: str
    at: datetime


@dataclass(frozen=True)
class ScoreFact:
    """The adjusted score of a field in a case, 0 to 1; None where the field does not apply."""

    case_id: str
    table: str
    field: str
    score: float | None
    at: datetime


@dataclass(frozen=True)
class OverrideFact:
    """An override of a case's quality gate. `in_force` until its last day `until`; where it is not, the last verdict of
    the case was reached under it and no longer stands.
    """

    case_id: str
    until: date
    actor: str
    reason: str
    in_force: bool


@dataclass(frozen=True)
class Failure:
    """An import whose quality gate failed."""

    day: date
    case_id: str
    reason: str


@dataclass(frozen=True)
class FieldScore:
    """A field's mean score, above 0, over the cases that it was scored in, each with its latest score."""

    table: str
    field: str
    score: float
    cases: int


@dataclass(frozen=True)
class Day:
    """One UTC day of the window; `corrections` counts cases, each once a day."""

    day: date
    imports: int
    passed: int
    unknown_codes: int
    corrections: int


@dataclass(frozen=True)
class Dashboard:
    """The specification's page. Counts are of the window; a case corrected counts where it was imported in it."""

    window: Window
    imports: int
    passed: int
    unknown_codes: int
    cases: int
    corrected: int
    average_seconds: float | None
    verifications: int
    failures: tuple[Failure, ...]
    fields: tuple[FieldScore, ...]
    daily: tuple[Day, ...]
    overridden: tuple[Failure, ...] = ()
    overrides: tuple[OverrideFact, ...] = ()
    switched_off: tuple[str, ...] = ()

    @property
    def pass_rate(self) -> float | None:
        """Passed imports / imports, 0 to 1; None without imports."""
        return self.passed / self.imports if self.imports else None

    @property
    def error_rate(self) -> float | None:
        """Corrected cases / cases, 0 to 1; None without cases."""
        return self.corrected / self.cases if self.cases else None

    def as_mapping(self) -> dict[str, Any]:
        """For JSON: the same numbers, unrounded."""
        return {
            "title": TITLE,
            "period": {
                "days": self.window.days,
                "from": self.window.start.isoformat(),
                "to": self.window.end.isoformat(),
            },
            "quality_check_pass_rate": {"share": self.pass_rate, "passed": self.passed, "imports": self.imports},
            "unknown_code_detections": self.unknown_codes,
            "forensic_error_rate": {"share": self.error_rate, "corrected": self.corrected, "cases": self.cases},
            "average_import_seconds": self.average_seconds,
            "verifications_run": self.verifications,
            "recent_failures": [
                {"date": f.day.isoformat(), "case": f.case_id, "reason": f.reason} for f in self.failures
            ],
            "top_reliable_fields": [
                {"log_type": f.table, "field": f.field, "score": f.score, "cases": f.cases} for f in self.fields
            ],
            "overridden_imports": [
                {"date": f.day.isoformat(), "case": f.case_id, "reason": f.reason} for f in self.overridden
            ],
            "overrides": [
                {
                    "case": one.case_id,
                    "until": one.until.isoformat(),
                    "actor": one.actor,
                    "reason": one.reason,
                    "in_force": one.in_force,
                }
                for one in self.overrides
            ],
            "checks_switched_off": list(self.switched_off),
            "daily": [
                {
                    "date": d.day.isoformat(),
                    "imports": d.imports,
                    "passed": d.passed,
                    "unknown_codes": d.unknown_codes,
                    "corrections": d.corrections,
                }
                for d in self.daily
            ],
        }


def dashboard(
    window: Window,
    imports: Iterable[ImportFact],
    flags: Iterable[FlagFact],
    corrections: Iterable[CorrectionFact],
    scores: Iterable[ScoreFact],
    overrides: Iterable[OverrideFact] = (),
    switched_off: Iterable[str] = (),
) -> Dashboard:
    """Compute the page; facts outside the window are left out here, so the caller may hand in more.

    `overrides` and `switched_off` are as they stand at the end of the window, whenever they began.
    """
    made = [fact for fact in imports if window.holds(fact.at)]
    flagged = [fact for fact in flags if window.holds(fact.at)]
    corrected = [fact for fact in corrections if window.holds(fact.at)]
    cases = {fact.case_id for fact in made}
    return Dashboard(
        window=window,
        imports=len(made),
        passed=sum(fact.status == "PASS" for fact in made),
        unknown_codes=len({(fact.log_type, fact.field, fact.value) for fact in flagged}),
        cases=len(cases),
        corrected=len(cases & {fact.case_id for fact in corrected}),
        average_seconds=sum(fact.seconds for fact in made) / len(made) if made else None,
        verifications=sum(fact.verifications for fact in made),
        failures=_failures(made),
        fields=_top_fields(fact for fact in scores if window.holds(fact.at)),
        daily=_daily(window, made, flagged, corrected),
        overridden=_named(fact for fact in made if fact.status == "OVERRIDDEN"),
        overrides=tuple(sorted(overrides, key=lambda one: (one.in_force, one.until, one.case_id))),
        switched_off=tuple(switched_off),
    )


def _failures(imports: Iterable[ImportFact]) -> tuple[Failure, ...]:
    return _named(fact for fact in imports if fact.status == "FAIL")[:FAILURES_SHOWN]


def _named(imports: Iterable[ImportFact]) -> tuple[Failure, ...]:
    """Imports that did not pass, the latest first."""
    told = sorted(imports, key=lambda fact: fact.at, reverse=True)
    return tuple(Failure(f.at.date(), f.case_id, f.reason or "no reason recorded") for f in told)


def _top_fields(scores: Iterable[ScoreFact]) -> tuple[FieldScore, ...]:
    latest: dict[tuple[str, str, str], ScoreFact] = {}
    for fact in sorted(scores, key=lambda fact: fact.at):
        latest[fact.table, fact.field, fact.case_id] = fact
    by_field: dict[tuple[str, str], list[float]] = defaultdict(list)
    for fact in latest.values():
        if fact.score is not None:
            by_field[fact.table, fact.field].append(fact.score)
    means = [FieldScore(*key, sum(found) / len(found), len(found)) for key, found in by_field.items()]
    told = [mean for mean in means if mean.score > 0]
    return tuple(sorted(told, key=lambda f: (-f.score, f.table, f.field))[:FIELDS_SHOWN])


def _daily(
    window: Window,
    imports: Sequence[ImportFact],
    flags: Sequence[FlagFact],
    corrections: Sequence[CorrectionFact],
) -> tuple[Day, ...]:
    first = window.start.date()
    days = [first + timedelta(days=offset) for offset in range((window.end.date() - first).days + 1)]
    made, passed = Counter(f.at.date() for f in imports), Counter(f.at.date() for f in imports if f.status == "PASS")
    unknown = Counter(day for day, *_ in {(f.at.date(), f.log_type, f.field, f.value) for f in flags})
    corrected = Counter(day for day, _ in {(f.at.date(), f.case_id) for f in corrections})
    return tuple(Day(day, made[day], passed[day], unknown[day], corrected[day]) for day in days)


def percent(part: int, whole: int) -> str:
    """Rounded to whole percent, yet 100% only where it is all and 0% only where it is none; "n/a" of nothing."""
    if not whole:
        return "n/a"
    rounded = (200 * part + whole) // (2 * whole)
    if 0 < part < whole:
        rounded = min(99, max(1, rounded))
    return f"{rounded}%"


def duration(seconds: float | None) -> str:
    """Minutes from one minute on, else seconds; one decimal."""
    if seconds is None:
        return "n/a"
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"


def render_text(page: Dashboard) -> str:
    """The page as the specification lays it out."""
    window = page.window
    lines = [
        TITLE,
        "=" * len(TITLE),
        f"Period: last {window.days} days ({window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC)",
        "",
        f"Quality Check Pass Rate: {percent(page.passed, page.imports)} ({page.passed}/{page.imports} imports)",
        f"Unknown Code Detections: {page.unknown_codes} {'code' if page.unknown_codes == 1 else 'codes'} flagged",
        f"Forensic Error Rate: {percent(page.corrected, page.cases)} ({page.corrected}/{page.cases} cases corrected)",
        f"Avg Import Time: {duration(page.average_seconds)}",
        f"Verifications Run: {page.verifications} ({_each(page)} per import x {page.imports})",
        "",
        "Recent Failures:",
        *([f"- {f.day:%Y-%m-%d} - {f.case_id} - {one_line(f.reason)}" for f in page.failures] or ["- none"]),
        "",
        f"Top Reliable Fields ({window.days} d):",
        *(_ranked(page.fields) or ["- none scored"]),
        *_not_held(page),
    ]
    return "\n".join(lines) + "\n"


def _not_held(page: Dashboard) -> list[str]:
    """What was not held to the quality gate: nothing is said where there is none."""
    lines = ["", "Overrides of the Quality Gate:"] if page.overrides else []
    for one in page.overrides:
        lines.append(f"- {one.case_id} - {_told(one)} - {one_line(one.actor)}: {one_line(one.reason)}")
    if page.overridden:
        names = list(dict.fromkeys(one.case_id for one in page.overridden))
        told = f"{len(page.overridden)} of {page.imports}, none of them passed: {some(names, CASES_SHOWN)}"
        lines += ["", f"Overridden Imports: {told}"]
    return lines + (["", f"Checks Switched Off: {', '.join(page.switched_off)}"] if page.switched_off else [])


def _told(one: OverrideFact) -> str:
    return f"until {one.until}" if one.in_force else f"ended, verdict no longer stands, run again (until {one.until})"


def _each(page: Dashboard) -> str:
    return f"{page.verifications / page.imports:.2f}".rstrip("0").rstrip(".") if page.imports else "0"


def _ranked(fields: Iterable[FieldScore]) -> list[str]:
    return [f"{rank}. {f.field} ({f.table}): {f.score:.2f}" for rank, f in enumerate(fields, 1)]
