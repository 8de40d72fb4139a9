"""The rows of a story before any export shape: a sign-in, an audit record, a legacy attempt.

Times are UTC without an offset, to the second. Nothing here knows a file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from .calendars import USUAL
from .draws import Draws
from .tenant import App, Device, Person, Place
from .vocabulary import WORDING, ConditionalAccess, Deed

WINDOW_START, WINDOW_DAYS, WINDOW_END = USUAL.start, USUAL.days, USUAL.end


class SignIn(NamedTuple):
    """One row of a sign-in log. ``policies`` is what Conditional Access said, ``deed`` what the sign-in came to.

    ``intruder``: somebody other than the owner of the account did it. No export shape shows this; labels do.
    """

    time: datetime
    person: Person
    address: str
    place: Place
    device: Device
    app: App
    interactive: bool
    deed: Deed
    policies: ConditionalAccess
    request: str
    correlation: str
    session: str
    intruder: bool = False


class AuditRecord(NamedTuple):
    """One record of the unified audit log; ``details`` are the keys that the record type adds to the common ones."""

    time: datetime
    record_type: int
    operation: str
    account: str
    user_key: str
    user_type: int
    workload: str
    record_id: str
    details: Mapping[str, object]
    outcome: str | None
    """The true outcome of a logon; None for every other record."""


class LegacyAttempt(NamedTuple):
    """One row of the legacy authentication log."""

    time: datetime
    account: str
    name: str
    client: str
    address: str
    place: Place
    deed: Deed
    intruder: bool = False


def sign_in(
    draws: Draws,
    time: datetime,
    person: Person,
    app: App,
    *,
    interactive: bool = True,
    deed: Deed = Deed.SIGNED_IN,
    device: Device | None = None,
    address: str | None = None,
    place: Place | None = None,
    policies: ConditionalAccess | None = None,
    correlation: str | None = None,
    session: str | None = None,
    intruder: bool = False,
) -> SignIn:
    """A sign-in with fresh identifiers; what is not given is the person's own at home, worded as the deed implies."""
    return SignIn(
        time,
        person,
        address or person.address,
        place or person.place,
        device or person.desktop,
        app,
        interactive,
        deed,
        policies or WORDING[deed].policies,
        draws.guid(),
        correlation or draws.guid(),
        session or draws.guid(),
        intruder,
    )
