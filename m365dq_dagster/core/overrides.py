"""Overrides: the one rule that whoever skips the quality gate must meet, until when it holds, and in which words it
taints what is concluded. Recording them is the registry's job; which checks there are stands in `known_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.plain_text import one_line

MOST_DAYS = 30
"""Days ahead that the last day of an override may lie."""

MOST_CHARACTERS = 500
"""Of a reason that is kept."""


@dataclass(frozen=True)
class Override:
    """Somebody's decision to go on although a blocking check failed; it is shown on every finding.

    `expires` is the last day (UTC) on which it holds, `actor` the name that was given and `recorded_by` the user of the
    machine on which it was given, who is known once it is recorded.
    """

    reason: str
    actor: str
    expires: str
    recorded_by: str | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Override:
        """An override as a document holds it, whatever that holds besides."""
        return cls(kept["reason"], kept["actor"], kept["expires"], kept.get("recorded_by"))

    @property
    def ends(self) -> datetime:
        """The first moment at which it no longer holds."""
        return end_of(date.fromisoformat(self.expires))

    @property
    def told(self) -> str:
        """Who, until when and why, in words that follow `not verified:`."""
        return f"quality gate overridden by {self.actor} until {self.expires} ({self.reason})"


@dataclass(frozen=True)
class Entrance:
    """What the parts of an override are called where they are given."""

    skip: str
    reason: str
    actor: str
    expires: str


COMMAND = Entrance("--skip-quality-check", "--reason", "--actor", "--expires")
FORM = Entrance("skip_quality_check", "reason", "actor", "expires")


def override_of(
    reason: str | None, actor: str | None, expires: str | None, today: date, entrance: Entrance = COMMAND
) -> Override:
    """The override that was asked for, complete and within its bounds.

    Raises `BadInput` where a part is missing, or where the last day is no date, past, or more than 30 days ahead.
    """
    given = {entrance.reason: reason, entrance.actor: actor, entrance.expires: expires}
    told = {name: one_line(value or "", MOST_CHARACTERS) for name, value in given.items()}
    if missing := [name for name, value in told.items() if not value]:
        raise BadInput(f"{entrance.skip} needs {', '.join(missing)} too: an override is never silent.")
    day = _last_day(told[entrance.expires], today, entrance.expires)
    return Override(told[entrance.reason], told[entrance.actor], day.isoformat())


def asked_for(
    asked: bool, reason: str | None, actor: str | None, expires: str | None, today: date, entrance: Entrance = COMMAND
) -> Override | None:
    """The override where one was asked for, else None. Raises `BadInput` as `override_of` does, and for parts of one
    that nobody asked for.
    """
    if asked:
        return override_of(reason, actor, expires, today, entrance)
    given = {entrance.reason: reason, entrance.actor: actor, entrance.expires: expires}
    if stray := next((name for name, value in given.items() if value), None):
        raise BadInput(f"{stray} belongs to {entrance.skip}; give both or neither.")
    return None


def _last_day(text: str, today: date, name: str) -> date:
    last = today + timedelta(days=MOST_DAYS)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{name} {text[:40]!r} is no date; write it as {last}.") from None
    if day < today:
        raise BadInput(f"{name} {day} lies in the past; give a day from {today} to {last}.")
    if day > last:
        raise BadInput(f"{name} {day} is more than {MOST_DAYS} days ahead; the last day allowed is {last}.")
    return day


def holds_until(expires: date, created: datetime) -> date:
    """The last day of an override that was recorded at `created`: never later than the bound, whatever it says."""
    return min(expires, created.astimezone(UTC).date() + timedelta(days=MOST_DAYS))


def end_of(day: date) -> datetime:
    """The moment at which a day (UTC) is over."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def taints(override: Override | None, off: Sequence[str]) -> tuple[str, ...]:
    """Why nothing that is concluded is verified, in words that follow `not verified:`; `off` are the blocking checks
    that the policy has switched off. Empty where the gate stands whole.
    """
    switched = tuple(f"the check {name} is switched off" for name in off)
    return ((override.told,) if override else ()) + switched


def not_verified(because: Sequence[str]) -> str:
    """The words that every finding carries under taints."""
    return f"not verified: {'; '.join(because)}"
