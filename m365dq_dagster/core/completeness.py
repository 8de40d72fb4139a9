"""What is missing from the evidence itself: the words of a lead, and what limits, declared counts, windows in names and
a log's own rhythm say. Each answer is a lead for the analyst and no proof.

What collectors declare is judged in `declared`, what could not be exported at all in `retained`, the ledger's own sums
stand in `ledger`. Counting rows and reading files is the business of the adapters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from posixpath import dirname

from m365dq_dagster.core.ledger import Gap, declared_mismatch, hole_threshold, holes
from m365dq_dagster.core.narrative import plural, some
from m365dq_dagster.core.outcome import FileStatus, LogType


class CompletenessKind(StrEnum):
    """What speaks for missing evidence, those that weigh most first."""

    MANIFEST = "MANIFEST"
    GONE_FILE = "GONE_FILE"
    DECLARED_MISMATCH = "DECLARED_MISMATCH"
    CAP = "CAP"
    THROTTLED = "THROTTLED"
    HOLE = "HOLE"
    WINDOW = "WINDOW"
    VENDOR_LOG_LOSS = "VENDOR_LOG_LOSS"
    UNREADABLE_TIME = "UNREADABLE_TIME"
    OVERLAP = "OVERLAP"
    AGGREGATED = "AGGREGATED"
    MISSING_LOG_TYPE = "MISSING_LOG_TYPE"
    RETENTION = "RETENTION"

    @property
    def weight(self) -> int:
        """0 for what weighs most; the place in this list."""
        return list(CompletenessKind).index(self)


WHAT_TO_DO: dict[CompletenessKind, str] = {
    CompletenessKind.MANIFEST: "compare with the collector's own copy and rely on nothing that differs",
    CompletenessKind.GONE_FILE: "put the file back, or run with --forget-missing to leave its rows out",
    CompletenessKind.DECLARED_MISMATCH: "fetch the files or the window again",
    CompletenessKind.CAP: "export it in shorter windows",
    CompletenessKind.THROTTLED: "take every item of the mailbox as possibly read in that time",
    CompletenessKind.UNREADABLE_TIME: "export again with times like 2025-03-14T07:22:01Z",
    CompletenessKind.HOLE: "export that stretch again, or find a second source for it",
    CompletenessKind.WINDOW: "export the window again",
    CompletenessKind.VENDOR_LOG_LOSS: "do not take the absence of a row in that time for proof",
    CompletenessKind.OVERLAP: "look at both rows before counting them",
    CompletenessKind.AGGREGATED: "quote the sum and not the rows",
    CompletenessKind.MISSING_LOG_TYPE: "export what is absent, or say in the report that it was not looked at",
    CompletenessKind.RETENTION: "look for older events in Log Analytics, Sentinel or a SIEM",
}
"""What to do next about a lead, in the analyst's words; each sentence of a lead ends with it."""


@dataclass(frozen=True)
class Missing:
    """One lead. `begins` and `ends` are UTC; None where the evidence does not tell them in UTC."""

    kind: CompletenessKind
    log_type: str
    begins: datetime | None
    ends: datetime | None
    detail: str


@dataclass(frozen=True)
class FileFacts:
    """One file of the ledger as completeness looks at it. First and last event are None where its dates are
    ambiguous, so that nothing can be concluded from them. `copies` of its rows count in another file."""

    path: str
    log_type: str = ""
    formats: tuple[str, ...] = ()
    status: str = FileStatus.IMPORTED.value
    rows: int = 0
    declared: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    sha256: str | None = None
    bytes: int | None = None
    window_from: datetime | None = None
    window_to: datetime | None = None
    stands_for: int | None = None
    copies: int = 0
    ambiguous: bool = False

    @property
    def folder(self) -> str:
        """The folder it lies in, empty for the case's own."""
        return dirname(self.path)

    @property
    def log_types(self) -> tuple[str, ...]:
        """The log types of its records."""
        return tuple(part for part in self.log_type.split(", ") if part)


@dataclass(frozen=True)
class Rhythm:
    """How often a source speaks: a log, or one sign-in type of it (`kind`, empty for the whole log).

    `gaps` holds at least every gap of 30 minutes and the longest of each day."""

    log_type: str
    kind: str
    events: int
    begins: datetime
    ends: datetime
    median_gap: timedelta
    gaps: tuple[Gap, ...] = ()

    @cached_property
    def is_settled(self) -> bool:
        """True where there is enough to speak of a rhythm: 50 events on 5 days."""
        return self.events >= SETTLED_EVENTS and len({gap.begins.date() for gap in self.gaps}) >= SETTLED_DAYS

    @cached_property
    def threshold(self) -> timedelta:
        """The silence above which the rhythm is broken."""
        longest: dict[date, timedelta] = {}
        for gap in self.gaps:
            day = gap.begins.date()
            longest[day] = max(longest.get(day, timedelta(0)), gap.length)
        return hole_threshold(self.median_gap, list(longest.values()))

    @property
    def usual(self) -> timedelta:
        """The silence that is still usual: half of what breaks the rhythm."""
        return self.threshold / 2

    @cached_property
    def holes(self) -> tuple[Gap, ...]:
        """The gaps that break the rhythm, the longest first."""
        return tuple(sorted(holes(self.gaps, self.median_gap), key=lambda gap: (-gap.length, gap.begins)))


SETTLED_EVENTS = 50
SETTLED_DAYS = 5
A_DAY = timedelta(days=1)
MOST = 10
"""Leads of one kind and log that are told one by one; the rest is folded into one."""
LIMITS = (5_000, 50_000)
"""Records that Search-UnifiedAuditLog returns at most: of one call, and of one session."""


def folded(leads: Iterable[Missing], most: int = MOST) -> tuple[Missing, ...]:
    """The leads ordered by weight, of each kind and log the first `most` one by one and the rest as one lead."""
    ordered = sorted(leads, key=lambda lead: (lead.kind.weight, lead.log_type))
    found: list[Missing] = []
    for (kind, log_type), group in groupby(ordered, key=lambda lead: (lead.kind, lead.log_type)):
        items = list(group)
        found += items[:most]
        rest = items[most:]
        if len(rest) == 1:
            found += rest
        elif rest:
            detail = f"and {len(rest):,} more leads of this kind, the next: {rest[0].detail}"
            found.append(Missing(kind, log_type, *_span(rest), detail))
    return tuple(found)


def _span(leads: Sequence[Missing]) -> tuple[datetime | None, datetime | None]:
    begins = [lead.begins for lead in leads if lead.begins]
    ends = [lead.ends for lead in leads if lead.ends]
    return min(begins, default=None), max(ends, default=None)


# Limits and declared numbers


def caps(files: Iterable[FileFacts], limits: Mapping[str, Sequence[int]]) -> list[Missing]:
    """Files with exactly as many rows as their export gives at most; files of one folder and limit are one lead.

    `limits` holds the limits of each format; of the unified audit log 5,000 and 50,000 are limits of every writer."""
    full = [file for file in files if file.rows and file.rows in _limits(file, limits)]
    found = []
    for _, group in groupby(_by_place(full), key=lambda file: (file.folder, file.log_type, file.rows)):
        same = list(group)
        names = _names(same)
        holds = "holds" if len(same) == 1 else "each hold"
        detail = (
            f"{names} {holds} exactly {same[0].rows:,} rows, a limit of this export; what lies beyond it is missing "
            f"if there was more, {WHAT_TO_DO[CompletenessKind.CAP]}"
        )
        found.append(Missing(CompletenessKind.CAP, same[0].log_type, *extent(same), detail))
    return found


def _limits(file: FileFacts, limits: Mapping[str, Sequence[int]]) -> set[int]:
    known = {limit for name in file.formats for limit in limits.get(name, ())}
    return known | set(LIMITS) if LogType.UAL in file.log_types else known


def _by_place(files: Iterable[FileFacts]) -> list[FileFacts]:
    return sorted(files, key=lambda file: (file.folder, file.log_type, file.rows, file.path))


def _names(files: Sequence[FileFacts], most: int = 3) -> str:
    return some([file.path for file in files], most)


def extent(files: Sequence[FileFacts]) -> tuple[datetime | None, datetime | None]:
    """First and last event of files; none where the dates of one of them are uncertain."""
    if any(file.ambiguous for file in files):
        return None, None
    begins, ends = [file.first for file in files if file.first], [file.last for file in files if file.last]
    return min(begins, default=None), max(ends, default=None)


def declared_rows(files: Iterable[FileFacts]) -> list[Missing]:
    """Files whose own counters declare another number of rows than they hold, those that lack most first."""
    wrong = [(file, text) for file in files if (text := declared_mismatch(file.declared, file.rows))]
    wrong.sort(key=lambda pair: (pair[0].rows - (pair[0].declared or 0), pair[0].path))
    return [
        Missing(CompletenessKind.DECLARED_MISMATCH, file.log_type, *extent([file]), f"{file.path} {text}")
        for file, text in wrong
    ]


def aggregated(files: Iterable[FileFacts]) -> list[Missing]:
    """Rows that stand for several sign-ins each, one lead a log."""
    standing = [file for file in files if file.stands_for is not None and file.stands_for > file.rows]
    found = []
    for log_type, group in groupby(sorted(standing, key=lambda f: (f.log_type, f.path)), key=lambda f: f.log_type):
        same = list(group)
        rows, events = sum(file.rows for file in same), sum(file.stands_for or 0 for file in same)
        detail = (
            f"{_names(same)}: {rows:,} rows stand for {events:,} sign-ins, so counts of rows are too low; "
            f"{WHAT_TO_DO[CompletenessKind.AGGREGATED]}"
        )
        found.append(Missing(CompletenessKind.AGGREGATED, log_type, *extent(same), detail))
    return found


# Windows and holes


def windows(
    files: Sequence[FileFacts], rhythms: Mapping[str, Rhythm], edges: frozenset[str] = frozenset()
) -> list[Missing]:
    """What the windows in file names promise against the events: rows outside, windows that no file covers, events
    that begin late or stop early.

    `rhythms` holds the rhythm of each whole log; `edges` the logs that begin at the edge of their retention."""
    named = [file for file in files if file.window_from and file.window_to and not file.ambiguous]
    found: list[Missing] = []
    for (_, log_type), group in groupby(
        sorted(named, key=lambda f: (f.folder, f.log_type, f.path)), key=lambda f: (f.folder, f.log_type)
    ):
        same = list(group)
        found += _outside(same)
        rhythm = rhythms.get(log_type)
        if rhythm and rhythm.is_settled:
            found += _promised(same, rhythm, log_type in edges)
    return found


def _slack(file: FileFacts) -> timedelta:
    """How far a window may be meant otherwise: days name whole days in somebody's time zone."""
    whole = all(moment == midnight(moment.date()) for moment in _window(file))
    return A_DAY if whole else timedelta(seconds=1)


def _window(file: FileFacts) -> tuple[datetime, datetime]:
    assert file.window_from
    assert file.window_to
    return file.window_from, file.window_to


def _outside(files: Sequence[FileFacts]) -> list[Missing]:
    beyond = [file for file in files if _is_outside(file)]
    if not beyond:
        return []
    begins, ends = _window(beyond[0])
    detail = (
        f"{_names(beyond)} {'holds' if len(beyond) == 1 else 'hold'} events outside the window in the name"
        f" ({at(begins)} to {at(ends)}, events {at(beyond[0].first)} to {at(beyond[0].last)}): the name is in "
        "another time zone, or rows of another window were joined; compare with the collector's log"
    )
    return [Missing(CompletenessKind.WINDOW, beyond[0].log_type, *extent(beyond), detail)]


def _is_outside(file: FileFacts) -> bool:
    begins, ends = _window(file)
    slack = _slack(file)
    return bool((file.first and file.first < begins - slack) or (file.last and file.last > ends + slack))


def _promised(files: Sequence[FileFacts], rhythm: Rhythm, at_edge: bool) -> list[Missing]:
    begins, ends = min(_window(file)[0] for file in files), max(_window(file)[1] for file in files)
    first, last = (rhythm.begins, rhythm.ends) if any(file.copies for file in files) else extent(files)
    quiet = max(rhythm.threshold, _slack(files[0]))
    what = f"{_names(files)}: the name promises events"
    end = f"which is long for this log; {WHAT_TO_DO[CompletenessKind.WINDOW]}"
    found = []
    if first and first - begins > quiet and not at_edge:
        text = f"{what} from {at(begins)} and the first is of {at(first)}, {lasting(first - begins)} on, {end}"
        found.append(Missing(CompletenessKind.WINDOW, rhythm.log_type, begins, first, text))
    if last and ends - last > quiet:
        text = f"{what} up to {at(ends)} and the last is of {at(last)}, {lasting(ends - last)} before, {end}"
        found.append(Missing(CompletenessKind.WINDOW, rhythm.log_type, last, ends, text))
    return found


@dataclass(frozen=True)
class VendorChange:
    """Something that Microsoft changed or lost. `begins` and `ends` are days, both included; None where no day is
    known. `log_types` are the logs concerned, `operations` those that were not logged before."""

    id: str
    begins: date | None
    ends: date | None
    kind: str
    surface: str
    before: str
    after: str
    effect: str
    detectable_by: str
    log_types: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    source: str = ""

    def touches(self, begins: datetime | None, ends: datetime | None) -> bool:
        """True where its days and a stretch have a moment in common."""
        if not (self.begins and self.ends and begins and ends):
            return False
        return midnight(self.begins) <= ends and begins < midnight(self.ends) + A_DAY


@dataclass(frozen=True)
class Retention:
    """How long a log is kept: `days` with one of `licences` (words of a licence's name; empty for every one), for
    events from `begins` to `ends` (None for no bound)."""

    log_type: str
    tier: str
    days: int
    begins: date | None = None
    ends: date | None = None
    licences: tuple[str, ...] = ()
    source: str = ""

    def holds(self, moment: datetime) -> bool:
        """True where events of that moment were kept so long."""
        return (not self.begins or self.begins <= moment.date()) and (not self.ends or moment.date() <= self.ends)


def midnight(day: date) -> datetime:
    """The moment at which a day begins, in UTC."""
    return datetime(day.year, day.month, day.day)


LOSS = "vendor_log_gap"
FAULT = "vendor_data_error"
LICENCE = "licence"


def rhythm_holes(
    rhythms: Iterable[Rhythm], files: Sequence[FileFacts], changes: Sequence[VendorChange] = ()
) -> list[Missing]:
    """Silences that break a source's own rhythm. A silence of the whole log is told once, one of a sign-in type alone
    where the other types hide it."""
    ordered = sorted(rhythms, key=lambda rhythm: (rhythm.log_type, rhythm.kind != "", rhythm.kind))
    found: list[Missing] = []
    for log_type, group in groupby(ordered, key=lambda rhythm: rhythm.log_type):
        whole = _Stretches(())
        behind = _Behind.of([file for file in files if log_type in file.log_types], log_type, changes)
        for rhythm in group:
            if rhythm.kind and not rhythm.is_settled:
                continue
            new = [gap for gap in rhythm.holes if not whole.cover(gap)]
            whole = whole if rhythm.kind else _Stretches(new)
            found += [_hole(rhythm, gap, behind) for gap in new]
    return found


class _Stretches:
    """Stretches of time that do not overlap, looked up by moment."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        self.gaps = sorted(gaps, key=lambda gap: gap.begins)

    def at(self, moment: datetime) -> Gap | None:
        """The last one that begins by then."""
        place = bisect_right(self.gaps, moment, key=lambda gap: gap.begins)
        return self.gaps[place - 1] if place else None

    def cover(self, gap: Gap) -> bool:
        """True where one of them is most of a silence, so that it holds the middle of it."""
        other = self.at(gap.begins + gap.length / 2)
        return other is not None and 2 * (min(gap.ends, other.ends) - max(gap.begins, other.begins)) > gap.length


@dataclass(frozen=True)
class _Behind:
    """What may lie behind the silences of one log: stretches of a folder that no window asks for, losses at the vendor,
    files whose dates are uncertain."""

    unasked: Mapping[str, _Stretches]
    lost: tuple[VendorChange, ...]
    unsure: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[FileFacts], log_type: str, changes: Iterable[VendorChange]) -> _Behind:
        """What is known of the files of a log."""
        named: dict[str, list[FileFacts]] = {}
        for file in files:
            if file.window_from and file.window_to and not file.ambiguous:
                named.setdefault(file.folder, []).append(file)
        return cls(
            {folder: _Stretches(_unasked(sorted(named[folder], key=_window))) for folder in sorted(named)},
            tuple(change for change in changes if change.kind == LOSS and log_type in change.log_types),
            tuple(file.path for file in files if file.ambiguous),
        )

    def explain(self, gap: Gap) -> str:
        """What may lie behind one silence, as the rest of a sentence."""
        found = []
        folder = next((folder for folder, unasked in self.unasked.items() if unasked.cover(gap)), None)
        if folder is not None:
            where = folder or "the folder"
            found.append(f"no file of {where} covers it, so an empty window was not written or a file is missing")
        if any(change.touches(gap.begins, gap.ends) for change in self.lost):
            found.append("Microsoft is known to have lost events of this log in that time")
        if self.unsure:
            which = some(list(self.unsure), 3)
            found.append(f"{which} may fill it, the order of day and month there is uncertain (give --date-order)")
        return "".join(f"; {text}" for text in found)


def _hole(rhythm: Rhythm, gap: Gap, behind: _Behind) -> Missing:
    kind = f"{rhythm.kind} " if rhythm.kind else ""
    detail = (
        f"no {kind}event for {lasting(gap.length)} from {at(gap.begins)}, unlike the rest of this log: a lead, not "
        f"a proof{behind.explain(gap)}; {WHAT_TO_DO[CompletenessKind.HOLE]}"
    )
    return Missing(CompletenessKind.HOLE, rhythm.log_type, gap.begins, gap.ends, detail)


def window_gaps(files: Sequence[FileFacts], rhythms: Mapping[str, Rhythm]) -> list[Missing]:
    """Stretches between the windows of a folder that no file covers and in which no event lies, one lead a folder.

    A shorter silence is usual for the log, and collectors write no file of an empty window; a longer one is a hole by
    itself and told there."""
    named = [file for file in files if file.window_from and file.window_to and not file.ambiguous]
    found: list[Missing] = []
    for (folder, log_type), group in groupby(
        sorted(named, key=lambda f: (f.folder, f.log_type, _window(f))), key=lambda f: (f.folder, f.log_type)
    ):
        windows = list(group)
        rhythm = rhythms.get(log_type)
        stretches = _stretches(windows, rhythm) if rhythm else []
        if stretches:
            found.append(_window_gap(folder, log_type, stretches))
    return found


def _stretches(files: Sequence[FileFacts], rhythm: Rhythm) -> list[Gap]:
    silent = _Stretches(set(rhythm.gaps) - set(rhythm.holes))
    return [
        gap
        for gap in _unasked(files)
        if gap.length > rhythm.usual and (one := silent.at(gap.begins)) and gap.ends <= one.ends
    ]


def _window_gap(folder: str, log_type: str, gaps: Sequence[Gap]) -> Missing:
    longest = max(gaps, key=lambda gap: gap.length)
    several = f" and {plural(len(gaps) - 1, 'other stretch', 'other stretches')}" if len(gaps) > 1 else ""
    detail = (
        f"no file of {folder or 'the folder'} covers {at(longest.begins)} to {at(longest.ends)}{several},"
        " and windows of its files lie on both sides; collectors that write no empty files leave such gaps, so look in "
        f"the collector's log, or {WHAT_TO_DO[CompletenessKind.WINDOW]}"
    )
    return Missing(CompletenessKind.WINDOW, log_type, gaps[0].begins, gaps[-1].ends, detail)


def _unasked(files: Sequence[FileFacts]) -> list[Gap]:
    found = []
    reached = _window(files[0])[1]
    for file in files:
        begins, ends = _window(file)
        if begins - reached > _slack(file):
            found.append(Gap(reached, begins))
        reached = max(reached, ends)
    return found


def without_uncertain(files: Iterable[FileFacts]) -> tuple[FileFacts, ...]:
    """The same files; where dates are ambiguous, without first and last event."""
    return tuple(replace(file, first=None, last=None) if file.ambiguous else file for file in files)


def at(moment: datetime | None) -> str:
    """A moment as a sentence names it, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "an unknown time"


def lasting(length: timedelta) -> str:
    """A length of time in its two greatest units."""
    minutes = int(length.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return plural(days, "day") + (f" {hours} h" if hours else "")
    return f"{hours} h {rest} min" if hours else f"{rest} min"
