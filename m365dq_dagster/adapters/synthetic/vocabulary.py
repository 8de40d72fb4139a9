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
    OFFICE_LIFE = "office-life"
    FORGOTTEN_PASSWORD = "forgotten-password"
    SERVICES_ABROAD = "services-abroad"
    TAKEOVER = "takeover"
    SPRAY = "spray"
    SPRAY_HIT = "spray-hit"
    QUIET_USE = "quiet-use"
    MFA_HELD = "mfa-held"
    MFA_FATIGUE = "mfa-fatigue"
    NEW_VICTIMS = "new-victims"
    MIMICRY = "mimicry"
    LEGACY_TAKEOVER = "legacy-takeover"
    PASSWORD_GRANT = "password-grant"
    TINY_CLEAN = "tiny-clean"
    TINY_FAILURES = "tiny-failures"
    TINY_INTRUSION = "tiny-intrusion"
    NO_ROWS = "no-rows"
    BUSINESS_TRIP = "business-trip"
    LONG_JOURNEY = "long-journey"
    DEVICE_LEFT_AT_HOME = "device-left-at-home"
    HOLIDAYS = "holidays"
    FOREIGN_STAFF = "foreign-staff"
    SCATTERED_STAFF = "scattered-staff"
    MOVER = "mover"
    BORDER_COMMUTERS = "border-commuters"
    NEW_HIRES = "new-hires"
    NEW_HIRES_ABROAD = "new-hires-abroad"
    FOREIGN_EGRESS = "foreign-egress"
    SWITCHED_EGRESS = "switched-egress"
    ROAMING_CARRIER = "roaming-carrier"
    MISLOCATED_DAY = "mislocated-day"
    PRIVATE_RELAY = "private-relay"
    CLOUD_CONNECTOR = "cloud-connector"
    SHARED_KIOSKS = "shared-kiosks"
    FORCED_RESET = "forced-reset"
    RARE_GUESTS = "rare-guests"
    BACKGROUND_SPRAY = "background-spray"
    STOPPED_AT_THE_SECOND_FACTOR = "stopped-at-the-second-factor"
    UNUSED_MAILBOXES = "unused-mailboxes"
    PHISHED = "phished"
    SESSION_THEFT = "session-theft"
    TOKEN_REPLAY = "token-replay"
    SLOW_TAKEOVER = "slow-takeover"
    TAKEN_WHILE_TRAVELLING = "taken-while-travelling"
    DORMANT_ACCOUNT = "dormant-account"
    ROTATING_PROXIES = "rotating-proxies"
    SUCCESSFUL_SPRAY = "successful-spray"
    LOCAL_INTRUDER = "local-intruder"
    OWN_RULES = "own-rules"
    MAIL_FRAUD = "mail-fraud"
    CONSENT_PHISHING = "consent-phishing"
    CONSENT_UNSEEN = "consent-unseen"
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
    STUCK_FAILURE = "stuck-failure"
    """The importer's default for a lost status is a failure: a failing code, or the word where no code has a column."""
    STUCK_ZERO = "stuck-zero"
    """The importer's default for a lost status is 0, which means success."""
    BLANK_CODES = "blank-codes"
    """Code and status are blank in every row."""
    CODES_MISSING = "codes-missing"
    """Code and status are blank in three rows of ten, whatever those rows came to; the others are honest."""


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

WHOLE_STATUS_LOST = frozenset(Variant) - {Variant.INTACT, Variant.CODES_MISSING}
"""Damages that leave no row its own status."""
MISSING_SHARE = 0.3
"""Share of the rows that lose their status where codes are missing."""

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
    ASKED_FOR_MFA_BY_POLICY = "asked for a second factor by policy"
    MFA_DENIED = "second factor refused or not answered"
    ASKED_TO_ENROL_MFA = "asked to enrol a second factor"
    PASSWORD_EXPIRED = "password expired"
    UNKNOWN_ACCOUNT = "no such account"
    DISABLED_ACCOUNT = "account disabled"
    TOKEN_REVOKED = "token revoked"
    WRONG_SECRET = "wrong secret of an application"
    ASKED_FOR_CONSENT = "asked to consent to an application"


STUCK_FAILURE = Deed.MISTYPED_PASSWORD
"""The deed whose words stand in every row where the importer's default is a failure."""


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
        Deed.ASKED_FOR_MFA_BY_POLICY: Wording(
            50076,
            "Failure",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must use multi-factor authentication to access the resource.",
            "UserStrongAuthClientAuthNRequired",
            ConditionalAccess.FAILURE,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
        Deed.MFA_DENIED: Wording(
            500121,
            "Failure",
            "Authentication failed during strong authentication request.",
            "AuthenticationFailedDuringStrongAuthenticationRequest",
            ConditionalAccess.FAILURE,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
        Deed.ASKED_TO_ENROL_MFA: Wording(
            50072,
            "Interrupted",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must enroll in multi-factor authentication to access the resource.",
            "UserStrongAuthEnrollmentRequiredInterrupt",
            ConditionalAccess.FAILURE,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
        Deed.PASSWORD_EXPIRED: Wording(
            50055,
            "Interrupted",
            "The password is expired.",
            "InvalidPasswordExpiredPassword",
            ConditionalAccess.NOT_APPLIED,
            "BLOCKED_AFTER_FIRST_FACTOR",
        ),
        Deed.UNKNOWN_ACCOUNT: Wording(
            50034,
            "Failure",
            "The user account does not exist in the directory. To sign into this application, the account must be "
            "added to the directory.",
            "UserAccountNotFound",
            ConditionalAccess.NOT_APPLIED,
            "REJECTED",
        ),
        Deed.DISABLED_ACCOUNT: Wording(
            50057,
            "Failure",
            "The user account is disabled.",
            "UserDisabled",
            ConditionalAccess.NOT_APPLIED,
            "NOT_GRANTED",
        ),
        Deed.TOKEN_REVOKED: Wording(
            50173,
            "Failure",
            "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
            "FreshTokenNeeded",
            ConditionalAccess.NOT_APPLIED,
            "NOT_GRANTED",
        ),
        Deed.WRONG_SECRET: Wording(
            7000215,
            "Failure",
            "Invalid client secret is provided.",
            "",
            ConditionalAccess.NOT_APPLIED,
            "REJECTED",
        ),
        Deed.ASKED_FOR_CONSENT: Wording(
            65001,
            "Interrupted",
            "The user or administrator has not consented to use the application. Send an interactive authorization "
            "request for this user and resource.",
            "DelegationDoesNotExist",
            ConditionalAccess.SUCCESS,
            "INTERRUPTED",
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
