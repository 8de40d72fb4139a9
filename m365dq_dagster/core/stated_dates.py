"""Days and lengths of time as prose states them. What they mean for the product is judged elsewhere."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_PART = r"(?P<part>early|mid|middle of|late|end of|the end of|beginning of|start of|first half of|second half of)"
_ISO = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)-(?P<mon>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12]\d|3[01]))?(?!\d)")
_AMERICAN = re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s*,?\s+{_YEAR}\b", re.IGNORECASE)
_EUROPEAN = re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH}\s*,?\s+{_YEAR}\b", re.IGNORECASE)
_MONTHLY = re.compile(rf"\b(?:{_PART}[\s-]+)?{_MONTH}\s*,?\s+(?:of\s+)?{_YEAR}\b", re.IGNORECASE)
_HALF = re.compile(rf"\b{_PART}\s+{_YEAR}\b", re.IGNORECASE)
_QUARTER = re.compile(rf"\bQ(?P<quarter>[1-4])\s+(?:of\s+)?{_YEAR}\b", re.IGNORECASE)
_PATTERNS = (_ISO, _AMERICAN, _EUROPEAN, _MONTHLY, _QUARTER, _HALF)
ANY_DATE = re.compile("|".join(re.sub(r"\?P<\w+>", "?:", p.pattern) for p in _PATTERNS), re.IGNORECASE)
"""Anything that is read as a date, to take it out of a title."""

AROUND_DATES = frozenset(
    {"published", "posted", "updated", "last", "date", "on", "of", "the", "in", "week", "month", "release", "released"}
)
"""Words that may stand beside a date that is a heading."""

_NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
}
_LENGTH = re.compile(
    rf"(?<![\w.])(?P<number>\d{{1,5}}|{'|'.join(_NUMBER_WORDS)})[\s-]+(?P<unit>day|week|month|year)s?\b", re.IGNORECASE
)
_DAYS_OF = {"day": 1, "week": 7, "month": 30, "year": 365}


@dataclass(frozen=True)
class StatedDate:
    """A day and where in the text it stands; a month alone is its first day, unless the text says middle or end."""

    day: date
    start: int
    end: int


def stated_dates(text: str) -> tuple[StatedDate, ...]:
    """Every date of a text in its order; where two readings overlap the longer one counts."""
    found = sorted(_all(text), key=lambda stated: (stated.start, -stated.end))
    kept: list[StatedDate] = []
    for stated in found:
        if not kept or stated.start >= kept[-1].end:
            kept.append(stated)
    return tuple(kept)


def only_date(text: str) -> date | None:
    """The day, where a text is a date and little more (a heading such as "May 2025" or "Published: 2025-05-03")."""
    dates = stated_dates(text)
    if not dates:
        return None
    rest = text[: dates[0].start] + text[dates[-1].end :]
    words = {word.casefold() for word in re.findall(r"[A-Za-z]+", rest)}
    return dates[0].day if len(dates) == 1 and words <= AROUND_DATES else None


def days_stated(text: str) -> int | None:
    """The first length of time of a text in days: a month is 30, a year 365. None where there is none."""
    match = _LENGTH.search(text)
    if match is None:
        return None
    word = match["number"].casefold()
    number = int(word) if word.isdigit() else _NUMBER_WORDS[word]
    return number * _DAYS_OF[match["unit"].casefold()]


def _all(text: str) -> Iterator[StatedDate]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            day = _day(match)
            if day is not None:
                yield StatedDate(day, match.start(), match.end())


def _day(match: re.Match[str]) -> date | None:
    parts = match.groupdict()
    year, part = int(parts["year"]), (parts.get("part") or "").casefold()
    if parts.get("day"):
        return _calendar_day(year, _month(parts), int(str(parts["day"])))
    if parts.get("quarter"):
        return date(year, 3 * int(parts["quarter"]) - 2, 1)
    if "month" not in parts and "mon" not in parts:
        return _part_of_year(year, part)
    month = _month(parts)
    if "end" in part or part == "late":
        return date(year, month, monthrange(year, month)[1])
    return date(year, month, 15 if part.startswith("mid") else 1)


def _part_of_year(year: int, part: str) -> date:
    if part.startswith(("second", "mid")):
        return date(year, 7, 1)
    return date(year, 12, 31) if "end" in part or part == "late" else date(year, 1, 1)


def _month(parts: dict[str, str | None]) -> int:
    if parts.get("mon"):
        return int(str(parts["mon"]))
    begins = str(parts["month"])[:3].casefold()
    return next(number for number, name in enumerate(MONTHS, 1) if name.startswith(begins))


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
