"""The words of the story: families, variants, shapes, deeds, and how the vendor would word each deed.

The wording table belongs here and is deliberately small and of its own: it knows only the deeds that the stories use.
Reading evidence, or deciding what a code means in general, does not belong here.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Family(StrEnum):
    """The kinds of labelled evidence: whole cases, each with its teller in ``stories``; the last three are single logs
    of any length."""

    OCULUS = "oculus"
    HEALTHY = "healthy"
    ALL_BLOCKED = "all-blocked"
    SINGLE_COUNTRY = "single-country"
    MOSTLY_SUCCESS = "mostly-success"
    ONE_USER = "one-user"
    SIGNINS = "signins"
    UAL = "ual"
    LEGACY = "legacy"


class Variant(StrEnum):
    """What became of the sign-in status on its way into the export."""

    INTACT = "intact"
    TYPE_NAME = "type-name"
    """The status object was never expanded: its .NET type name stands in every row."""
    INVENTED_ONE = "invented-one"
    """An earlier importer filled the missing code with 1, which is no code of the vendor."""


class Shape(StrEnum):
    """The export flavour that the rows are written in."""

    PORTAL_CSV = "portal-csv"
    GRAPH_JSON = "graph-json"
    GRAPH_JSON_VALUE = "graph-json-value"
    GRAPH_JSONL = "graph-jsonl"
    SENTINEL_CSV = "sentinel-csv"
    PS_CSV = "ps-csv"
    UAL_CSV = "ual-csv"
    PURVIEW_CSV = "purview-csv"
    LEGACY_CSV = "legacy-csv"


SIGN_IN_SHAPES = (
    Shape.PORTAL_CSV,
    Shape.GRAPH_JSON,
    Shape.GRAPH_JSON_VALUE,
    Shape.GRAPH_JSONL,
    Shape.SENTINEL_CSV,
    Shape.PS_CSV,
)
AUDIT_SHAPES = (Shape.UAL_CSV, Shape.PURVIEW_CSV)

TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
INVENTED_CODE = 1


class ConditionalAccess(StrEnum):
    """What the policies said; the values are the spelling of Graph."""

    SUCCESS = "success"
    FAILURE = "failure"
    NOT_APPLIED = "notApplied"


class Deed(StrEnum):
    """What a sign-in came to, as the story has it."""

    SIGNED_IN = "signed in"
    ASKED_TO_STAY_SIGNED_IN = "asked to stay signed in"
    ASKED_FOR_MFA = "asked for a second factor"
    ASKED_TO_REGISTER_RESET = "asked to register for password reset"
    NO_SILENT_SESSION = "no session for silent sign-on"
    MISTYPED_PASSWORD = "wrong password"
    LOCKED_OUT = "locked out"
    BLOCKED_BY_POLICY = "blocked by policy"


class Wording(NamedTuple):
    """How the vendor's logs word one deed, and what it truly was (``outcome``)."""

    code: int
    status: str
    reason: str
    symbol: str
    policies: ConditionalAccess
    outcome: str


WORDING = MappingProxyType(
    {
        Deed.SIGNED_IN: Wording(0, "Success", "Other.", "", ConditionalAccess.SUCCESS, "SUCCESS"),
        Deed.ASKED_TO_STAY_SIGNED_IN: Wording(
            50140,
            "Interrupted",
            "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in.",
            "KmsiInterrupt",
            ConditionalAccess.SUCCESS,
            "INTERRUPTED",
        ),
        Deed.ASKED_FOR_MFA: Wording(
            50074,
            "Interrupted",
            "Strong Authentication is required.",
            "UserStrongAuthClientAuthNRequiredInterrupt",
            ConditionalAccess.FAILURE,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
        Deed.ASKED_TO_REGISTER_RESET: Wording(
            50125,
            "Interrupted",
            "Sign-in was interrupted due to a password reset or password registration entry.",
            "PasswordResetRegistrationRequiredInterrupt",
            ConditionalAccess.SUCCESS,
            "INTERRUPTED",
        ),
        Deed.NO_SILENT_SESSION: Wording(
            50058,
            "Interrupted",
            "Session information is not sufficient for single-sign-on.",
            "UserInformationNotProvided",
            ConditionalAccess.NOT_APPLIED,
            "INTERRUPTED",
        ),
        Deed.MISTYPED_PASSWORD: Wording(
            50126,
            "Failure",
            "Error validating credentials due to invalid username or password.",
            "InvalidUserNameOrPassword",
            ConditionalAccess.NOT_APPLIED,
            "REJECTED",
        ),
        Deed.LOCKED_OUT: Wording(
            50053,
            "Failure",
            "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
            "IdsLocked",
            ConditionalAccess.NOT_APPLIED,
            "NOT_EVALUATED",
        ),
        Deed.BLOCKED_BY_POLICY: Wording(
            53003,
            "Failure",
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
            "BlockedByConditionalAccess",
            ConditionalAccess.FAILURE,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
    }
)
"""Every deed with the vendor's code, texts and policy result. A wrong password never reaches the policies."""

READ_FROM_POLICIES = MappingProxyType(
    {
        ConditionalAccess.SUCCESS: "SUCCESS",
        ConditionalAccess.FAILURE: "BLOCKED_AFTER_FIRST_FACTOR",
        ConditionalAccess.NOT_APPLIED: "UNKNOWN",
    }
)
"""What can still be known of a row whose status is destroyed: the policies are the only witness left."""

PORTAL_POLICIES = MappingProxyType(
    {
        ConditionalAccess.SUCCESS: "Success",
        ConditionalAccess.FAILURE: "Failure",
        ConditionalAccess.NOT_APPLIED: "Not Applied",
    }
)
"""The portal's spelling of the policy result."""
