"""The days of a story: from when to when its logs reach, and what the clock on the wall says meanwhile.

Moments are UTC without an offset, to the second. What happens on the days belongs to the stories.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

SATURDAY = 5


class Calendar(NamedTuple):
    """A window of whole UTC days and the distance of local time from UTC, which stays the same throughout."""

    start: datetime
    days: int
    offset: timedelta

    @property
    def end(self) -> datetime:
        """The first moment after the window."""
        return self.start + timedelta(days=self.days)

    def local(self, day: int, minute: int, second: int = 0) -> datetime:
        """UTC time of a local minute of the day, ``day`` counted from the first of the window."""
        return self.start - self.offset + timedelta(days=day, minutes=minute, seconds=second)

    def working_days(self) -> list[int]:
        """Days of the window, counted from 0, that are Monday to Friday."""
        return [day for day in range(self.days) if (self.start + timedelta(days=day)).weekday() < SATURDAY]

    def holds(self, moment: datetime) -> bool:
        """Whether the window reaches to that moment."""
        return self.start <= moment < self.end


USUAL = Calendar(datetime(2025, 11, 1), 30, timedelta(hours=11))
"""November 2025 in Sydney: the window of every story that names no other."""
