"""The ledger of evidence: why a file or row was not taken in, which copies count once, in which order a file writes
its dates, and what the numbers must add up to. Pure judgement over a few numbers; reading files and tables is the
business of `adapters.evidence` and `stages.intake`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median

from m365dq_dagster.core.outcome import DateOrder


class QuarantineReason(StrEnum):
    """Why a row of a recognised file could not be taken in. Closed list; `REMEDIES` says what to do about each."""

    COLUMN_COUNT = "COLUMN_COUNT"
    QUOTES_BROKEN = "QUOTES_BROKEN"
    ROW_EMPTY = "ROW_EMPTY"
    JSON_UNPARSABLE = "JSON_UNPARSABLE"
    JSON_TRUNCATED = "JSON_TRUNCATED"
    JSON_NOT_OBJECT = "JSON_NOT_OBJECT"
    RECORD_UNKNOWN = "RECORD_UNKNOWN"
    HEADER_AGAIN = "HEADER_AGAIN"
    HEADER_CHANGED = "HEADER_CHANGED"
    ROW_NOT_EVENT = "ROW_NOT_EVENT"
    OTHER_TABLE = "OTHER_TABLE"
    AUDITDATA_EMPTY = "AUDITDATA_EMPTY"
    AUDITDATA_UNPARSABLE = "AUDITDATA_UNPARSABLE"
    AUDITDATA_TRUNCATED = "AUDITDATA_TRUNCATED"


REMEDIES: dict[QuarantineReason, str] = {
    QuarantineReason.COLUMN_COUNT: (
        "the row has more or fewer cells than the header; export the file again without opening it in a spreadsheet"
    ),
    QuarantineReason.QUOTES_BROKEN: "a quoted cell is never closed or goes on after its quote; export the file again",
    QuarantineReason.ROW_EMPTY: "every cell of the row is blank; nothing to do unless the file was edited by hand",
    QuarantineReason.JSON_UNPARSABLE: "the text is no valid JSON; export the file again",
    QuarantineReason.JSON_TRUNCATED: "the document ends in the middle of a record; fetch the file again, the rest is "
    "missing",
    QuarantineReason.JSON_NOT_OBJECT: "the record is no JSON object; check which tool wrote the file",
    QuarantineReason.RECORD_UNKNOWN: (
        "the record belongs to no log that is known; if it is a log, describe it in a file of reference_data/formats, "
        "then run the case again"
    ),
    QuarantineReason.HEADER_AGAIN: (
        "the header occurs again in the middle of the file, which was joined from several; nothing to do"
    ),
    QuarantineReason.HEADER_CHANGED: (
        "a header in the middle of the file names the columns in another order, and what stands behind it was not read "
        "by the first one; split the file there, or take the files that it was joined from"
    ),
    QuarantineReason.ROW_NOT_EVENT: (
        "the line is a ruler, a title or a footer and no event; nothing to do unless the file was edited by hand"
    ),
    QuarantineReason.OTHER_TABLE: (
        "the row says itself that it belongs to another table than most of its file; export each table by itself"
    ),
    QuarantineReason.AUDITDATA_EMPTY: "AuditData is blank; export again, the columns beside it are no replacement",
    QuarantineReason.AUDITDATA_UNPARSABLE: "AuditData is no JSON object; export again without opening the file in a "
    "spreadsheet",
    QuarantineReason.AUDITDATA_TRUNCATED: (
        "AuditData was cut at 32,767 characters, the cell limit of a spreadsheet; export again and do not save from one"
    ),
}
"""What is wrong with such a row and what to do next, in the analyst's words."""

CELL_LIMIT = 32_767
"""Characters a spreadsheet keeps of one cell; longer AuditData that went through one is cut there."""


class FileReason(StrEnum):
    """Why a whole file was not taken in. Closed list; `explain` gives the sentence."""

    EMPTY = "EMPTY"
    NO_ROWS = "NO_ROWS"
    NO_RECORDS = "NO_RECORDS"
    LINK = "LINK"
    NOT_A_FILE = "NOT_A_FILE"
    UNREADABLE = "UNREADABLE"
    ARCHIVE = "ARCHIVE"
    SPREADSHEET = "SPREADSHEET"
    BINARY = "BINARY"
    UNKNOWN_HEADER = "UNKNOWN_HEADER"
    UNKNOWN_KEYS = "UNKNOWN_KEYS"
    NO_HEADER = "NO_HEADER"
    BROKEN_JSON = "BROKEN_JSON"
    ERROR_ANSWER = "ERROR_ANSWER"
    WEB_PAGE = "WEB_PAGE"
    CLIXML = "CLIXML"
    UNPACKED = "UNPACKED"
    ARCHIVE_KIND = "ARCHIVE_KIND"
    ARCHIVE_PASSWORD = "ARCHIVE_PASSWORD"
    ARCHIVE_DAMAGED = "ARCHIVE_DAMAGED"
    ARCHIVE_BOUNDS = "ARCHIVE_BOUNDS"
    ARCHIVE_DEPTH = "ARCHIVE_DEPTH"
    MEMBER_NAME = "MEMBER_NAME"
    MEMBER_TWICE = "MEMBER_TWICE"
    MEMBER_PASSWORD = "MEMBER_PASSWORD"
    MEMBER_DAMAGED = "MEMBER_DAMAGED"
    MEMBER_METHOD = "MEMBER_METHOD"


_SENTENCES: dict[FileReason, str] = {
    FileReason.EMPTY: "The file holds no text; export it again if it should hold events.",
    FileReason.NO_ROWS: "The file has a known header and no rows; check the export's time window if it should hold "
    "events.",
    FileReason.NO_RECORDS: "The document holds no records; check the export's time window if it should hold events.",
    FileReason.LINK: "Links are not followed out of the evidence folder; copy the file itself into the folder and "
    "run it again.",
    FileReason.NOT_A_FILE: "This is no plain file (a device, pipe or socket) and was not opened; remove it from the "
    "folder.",
    FileReason.UNREADABLE: "The file cannot be read ({detail}); give yourself read permission and run it again.",
    FileReason.ARCHIVE: "This is an archive; unpack it and run it again.",
    FileReason.SPREADSHEET: "This is a spreadsheet workbook; export the log again as CSV or JSON, since a workbook "
    "cuts long cells.",
    FileReason.BINARY: "This is no text; if it holds logs, export them again as CSV or JSON.",
    FileReason.UNKNOWN_HEADER: (
        "No known export has these columns: {detail}; if it is a log, describe it in a file of reference_data/formats."
    ),
    FileReason.UNKNOWN_KEYS: (
        "No known export has these JSON keys: {detail}; if it is a log, describe it in a file of "
        "reference_data/formats."
    ),
    FileReason.NO_HEADER: "No table header was found; if it is a log, export it again as CSV or JSON.",
    FileReason.BROKEN_JSON: "The file starts like JSON and no record of it can be read; fetch or export it again.",
    FileReason.ERROR_ANSWER: "This is an error that the interface answered with ({detail}) and holds no records; make "
    "the request again.",
    FileReason.WEB_PAGE: "This is a web page, such as a login or an error page that was saved in place of the log; "
    "sign in and fetch the log again.",
    FileReason.CLIXML: "This is the output of Export-Clixml, which is not read; export the log with Export-Csv or "
    "ConvertTo-Json.",
    FileReason.UNPACKED: "This is an archive; what it holds ({detail}) is listed below it.",
    FileReason.ARCHIVE_KIND: "This is a {detail} archive, which cannot be opened here; unpack it by hand into the "
    "folder and run it again.",
    FileReason.ARCHIVE_PASSWORD: "The archive is protected by a password and was not opened; unpack it by hand into "
    "the folder and run it again.",
    FileReason.ARCHIVE_DAMAGED: "The archive is damaged ({detail}); only what is whole in it is listed below it and "
    "taken in. Fetch the archive again.",
    FileReason.ARCHIVE_BOUNDS: "The archive was not taken in, nor any part of it: {detail}. Look into it, unpack it "
    "by hand into the folder and run it again.",
    FileReason.ARCHIVE_DEPTH: "The archive lies more than {detail} archives deep and was not opened; unpack it by hand "
    "into the folder and run it again.",
    FileReason.MEMBER_NAME: "This entry of an archive was not unpacked, because of its name: {detail}. If it is "
    "evidence, put it into the folder by hand under another name.",
    FileReason.MEMBER_TWICE: "An earlier entry of the archive has the same name and was taken; this one was not. "
    "Unpack it by hand under another name and run it again.",
    FileReason.MEMBER_PASSWORD: "This entry of an archive is protected by a password and was not unpacked; unpack it "
    "by hand into the folder and run it again.",
    FileReason.MEMBER_DAMAGED: "This entry of an archive is damaged ({detail}) and nothing of it was taken; fetch the "
    "archive again.",
    FileReason.MEMBER_METHOD: "This entry of an archive is packed by a method that cannot be read here ({detail}); "
    "unpack it by hand into the folder and run it again.",
}


REFUSALS = frozenset(FileReason) - {
    FileReason.EMPTY,
    FileReason.NO_ROWS,
    FileReason.NO_RECORDS,
    FileReason.BINARY,
    FileReason.UNKNOWN_HEADER,
    FileReason.UNKNOWN_KEYS,
    FileReason.NO_HEADER,
    FileReason.BROKEN_JSON,
    FileReason.ERROR_ANSWER,
    FileReason.WEB_PAGE,
    FileReason.CLIXML,
    FileReason.UNPACKED,
}
"""Reasons for which a file was not looked into, while the others say that nothing known was found in it."""


def explain(reason: FileReason, detail: str = "") -> str:
    """The sentence for a file that was not taken in: what it is and what to do. `detail` is cut at 300 characters."""
    return _SENTENCES[reason].format(detail=detail[:300])


@dataclass(frozen=True)
class FileCounts:
    """The four numbers of one file. A row is never lost and never counted twice."""

    path: str
    read: int
    imported: int
    duplicate: int
    quarantined: int

    @property
    def balances(self) -> bool:
        """True where read = imported + duplicate + quarantined; each is counted at its own place."""
        return self.read == self.imported + self.duplicate + self.quarantined


def quarantine_share(counts: Iterable[FileCounts]) -> float:
    """Quarantined rows / rows read over all files, 0..1; 0 where nothing was read."""
    files = tuple(counts)
    read = sum(file.read for file in files)
    return sum(file.quarantined for file in files) / read if read else 0.0


@dataclass(frozen=True)
class DateSighting:
    """One distinct slashed date of a file: its two leading numbers as written, and its year."""

    first: int
    second: int
    year: int
    rows: int = 1

    def day(self, order: DateOrder) -> date | None:
        """The day it names under a reading, or None where there is no such day."""
        month, day = (self.first, self.second) if order is DateOrder.MDY else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:
            return None


_SLASHED = re.compile(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")


def sighted_date(text: str) -> DateSighting | None:
    """The date at the beginning of a text where it does not begin with the year, else None."""
    found = _SLASHED.match(text)
    return DateSighting(int(found[1]), int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True)
class DateDecision:
    """What a file's date order is (`order`, may be AMBIGUOUS) and by which reading its times were taken (`reading`,
    MDY or DMY)."""

    order: DateOrder
    reading: DateOrder
    reason: str


def decide_date_order(sightings: Sequence[DateSighting], asked: DateOrder | None = None) -> DateDecision:
    """Day first or month first, from all values of one file.

    A number above 12 in one place decides, unless both places hold one. `asked` (the case context) overrides. Where
    nothing decides, the file is AMBIGUOUS and the reading that covers the shorter span of days is used, month first
    on a tie."""
    if asked in (DateOrder.MDY, DateOrder.DMY):
        return DateDecision(asked, asked, f"the case context says {asked}")
    first_is_day = any(sighting.first > 12 for sighting in sightings)
    second_is_day = any(sighting.second > 12 for sighting in sightings)
    if first_is_day and not second_is_day:
        return DateDecision(DateOrder.DMY, DateOrder.DMY, "a first number is above 12")
    if second_is_day and not first_is_day:
        return DateDecision(DateOrder.MDY, DateOrder.MDY, "a second number is above 12")
    return _contiguous(sightings, mixed=first_is_day)


def _contiguous(sightings: Sequence[DateSighting], *, mixed: bool) -> DateDecision:
    if mixed:
        rows = {order: sum(s.rows for s in sightings if s.day(order)) for order in (DateOrder.MDY, DateOrder.DMY)}
        reading = DateOrder.DMY if rows[DateOrder.DMY] > rows[DateOrder.MDY] else DateOrder.MDY
        return DateDecision(DateOrder.AMBIGUOUS, reading, "both places hold numbers above 12: two orders in one file")
    if all(sighting.first == sighting.second for sighting in sightings):
        return DateDecision(DateOrder.MDY, DateOrder.MDY, "both readings name the same days")
    spans = {order: _span_days(sightings, order) for order in (DateOrder.MDY, DateOrder.DMY)}
    reading = DateOrder.DMY if spans[DateOrder.DMY] < spans[DateOrder.MDY] else DateOrder.MDY
    return DateDecision(
        DateOrder.AMBIGUOUS,
        reading,
        f"no number is above 12; {reading} is the contiguous reading ({spans[reading]} days)",
    )


def _span_days(sightings: Sequence[DateSighting], order: DateOrder) -> int:
    days = [day for sighting in sightings if (day := sighting.day(order))]
    return (max(days) - min(days)).days if days else 0


@dataclass(frozen=True)
class Gap:
    """A stretch without events: the last event before it and the first after it."""

    begins: datetime
    ends: datetime

    @property
    def length(self) -> timedelta:
        """How long nothing was recorded."""
        return self.ends - self.begins


HOLE_FLOOR = timedelta(minutes=30)


def hole_threshold(median_gap: timedelta, longest_of_days: Sequence[timedelta]) -> timedelta:
    """The gap above which a source's own rhythm is broken: max(30 min, 4 median gaps, 2 x the 95th percentile of each
    day's longest gap)."""
    if not longest_of_days:
        return max(HOLE_FLOOR, 4 * median_gap)
    ordered = sorted(longest_of_days)
    position = 0.95 * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    percentile = ordered[low] + (ordered[high] - ordered[low]) * (position - low)
    return max(HOLE_FLOOR, 4 * median_gap, 2 * percentile)


def holes(gaps: Sequence[Gap], median_gap: timedelta | None = None) -> tuple[Gap, ...]:
    """The gaps of one source that break its own rhythm: leads, not proofs. A gap belongs to the day on which it begins.

    `gaps` may leave out short ones where `median_gap` is given.
    """
    if not gaps:
        return ()
    middle = (
        median_gap if median_gap is not None else timedelta(seconds=median(gap.length.total_seconds() for gap in gaps))
    )
    longest: dict[date, timedelta] = {}
    for gap in gaps:
        day = gap.begins.date()
        longest[day] = max(longest.get(day, timedelta(0)), gap.length)
    threshold = hole_threshold(middle, list(longest.values()))
    return tuple(gap for gap in gaps if gap.length > threshold)


def declared_mismatch(declared: int | None, read: int) -> str | None:
    """The sentence where a file declares another number of rows than it holds, else None."""
    if declared is None or declared == read:
        return None
    if declared > read:
        return (
            f"declares {declared:,} rows and holds {read:,}: {declared - read:,} are missing; export that window again"
        )
    return f"declares {declared:,} rows and holds {read:,}: more than declared; look for files that were joined"
