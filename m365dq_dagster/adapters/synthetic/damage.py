"""What becomes of the status of a sign-in on its way into a damaged export.

The damage happened in the export and not in the story, so the deed and the policies of a row stay as they are; only
what the row shows of its status is told here. How a shape lays that out belongs to ``sign_in_writers``.
"""

from __future__ import annotations

from typing import NamedTuple

from .events import SignIn
from .vocabulary import (
    INVENTED_CODE,
    MISSING_SHARE,
    READ_FROM_POLICIES,
    STUCK_FAILURE,
    TYPE_NAME,
    WHOLE_STATUS_LOST,
    WORDING,
    Deed,
    Shape,
    Variant,
)


class Status(NamedTuple):
    """What a row shows: its code (None where blank), the status in words, and the reason of a failure."""

    code: int | str | None
    text: str
    reason: str


BLANK = Status(None, "", "")
TYPED = Status(TYPE_NAME, TYPE_NAME, "")
INVENTED = Status(INVENTED_CODE, str(INVENTED_CODE), "")
SPAN = 0x1_0000_0000
"""How many values the first eight digits of a request id take, each as likely as the other."""
DIGITS = 8


def told(deed: Deed) -> Status:
    """The status as the vendor words the deed."""
    words = WORDING[deed]
    return Status(words.code, words.status, words.reason)


def lost(event: SignIn, variant: Variant) -> bool:
    """Whether the row no longer shows its own status."""
    if variant is Variant.CODES_MISSING:
        return int(event.request[:DIGITS], 16) < MISSING_SHARE * SPAN
    return variant in WHOLE_STATUS_LOST


def shown(event: SignIn, variant: Variant, shape: Shape) -> Status:
    """What the row shows of its status in this variant of the export shape."""
    if not lost(event, variant):
        return told(event.deed)
    return default(variant, shape)


def default(variant: Variant, shape: Shape) -> Status:
    """What stands in every row that lost its status.

    PowerShell's table has one status column; an importer that knows no code there writes the word. Shapes with a code
    column get a failing code with the texts that belong to it.
    """
    if variant is Variant.STUCK_FAILURE:
        status = told(STUCK_FAILURE)
        return status._replace(code=status.text) if shape is Shape.PS_CSV else status
    return {
        Variant.TYPE_NAME: TYPED,
        Variant.INVENTED_ONE: INVENTED,
        Variant.STUCK_ZERO: told(Deed.SIGNED_IN),
    }.get(variant, BLANK)


def outcome_left(event: SignIn, variant: Variant) -> str:
    """The outcome that the row can still show: its own, or what its policies tell."""
    return READ_FROM_POLICIES[event.policies] if lost(event, variant) else WORDING[event.deed].outcome
