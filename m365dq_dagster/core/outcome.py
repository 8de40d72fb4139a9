"""The vocabulary of judgement: outcomes, field states, verdicts, log types. Words only; the rules that choose them
stand in `adjudication`, `reliability` and `verdict`.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of one sign-in row."""

    SUCCESS = "SUCCESS"
    INTERRUPTED = "INTERRUPTED"
    BLOCKED_AFTER_FIRST_FACTOR = "BLOCKED_AFTER_FIRST_FACTOR"
    REJECTED = "REJECTED"
    NOT_EVALUATED = "NOT_EVALUATED"
    NOT_GRANTED = "NOT_GRANTED"
    CONFLICT = "CONFLICT"
    UNKNOWN = "UNKNOWN"

    @property
    def is_failure(self) -> bool:
        """True for the four failure classes: the attempt ended without access."""
        return self in FAILURES

    @property
    def is_attempt(self) -> bool:
        """True for rows that rates are computed on: a success or a failure, not a step in between or an unknown."""
        return self is Outcome.SUCCESS or self in FAILURES

    @property
    def is_decided(self) -> bool:
        """True unless the evidence leaves the row open; an interrupt is known."""
        return self not in (Outcome.UNKNOWN, Outcome.CONFLICT)


FAILURES = frozenset({Outcome.BLOCKED_AFTER_FIRST_FACTOR, Outcome.REJECTED, Outcome.NOT_EVALUATED, Outcome.NOT_GRANTED})


class NormalizedStatus(StrEnum):
    """The specification's three values of `v_normalized_status`."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    UNKNOWN = "UNKNOWN"


def normalized(outcome: Outcome) -> NormalizedStatus:
    """Fold an outcome into the specification's three values; interrupts and conflicts are UNKNOWN there."""
    if outcome is Outcome.SUCCESS:
        return NormalizedStatus.SUCCESS
    return NormalizedStatus.FAILURE if outcome.is_failure else NormalizedStatus.UNKNOWN


class Confidence(StrEnum):
    """How far a conclusion may be leaned on."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"

    @property
    def rank(self) -> int:
        """2 for HIGH, 1 for MEDIUM, 0 for LOW."""
        return {"HIGH": 2, "MEDIUM": 1, "LOW": 0}[self.value]


def at_most(confidence: Confidence, ceiling: Confidence) -> Confidence:
    """Lower a confidence to a ceiling; never raises it."""
    return confidence if confidence.rank <= ceiling.rank else ceiling


class Severity(StrEnum):
    """INFO: for the record. WARNING: look at it today. CRITICAL: act now."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    @property
    def gravity(self) -> int:
        """0 for what is for the record, the more the graver."""
        return list(Severity).index(self)


class FieldState(StrEnum):
    """May a field testify, and if not, why not."""

    RELIABLE = "RELIABLE"
    LOW_CONTRAST = "LOW_CONTRAST"
    UNIFORM = "UNIFORM"
    CORRUPTED = "CORRUPTED"
    CONTRADICTED = "CONTRADICTED"
    UNRELIABLE = "UNRELIABLE"
    NOT_APPLICABLE = "NOT_APPLICABLE"

    @property
    def may_testify(self) -> bool:
        """True where the field is heard when outcomes are adjudicated."""
        return self in (FieldState.RELIABLE, FieldState.LOW_CONTRAST, FieldState.UNIFORM)


class FieldCause(StrEnum):
    """The named cause of a uniform or corrupted field."""

    SERIALISATION_LOST = "SERIALISATION_LOST"
    IMPORTER_DEFAULT = "IMPORTER_DEFAULT"
    FILTER_AT_SOURCE = "FILTER_AT_SOURCE"
    CONSTANT_BY_DESIGN = "CONSTANT_BY_DESIGN"
    LICENCE = "LICENCE"
    VENDOR_OUTAGE = "VENDOR_OUTAGE"
    ALL_ONE_WAY = "ALL_ONE_WAY"
    UNKNOWN_VALUES = "UNKNOWN_VALUES"


class Role(StrEnum):
    """What a field is for; uniform identity or context is normal, a uniform outcome is not."""

    OUTCOME = "outcome"
    EVENT = "event"
    IDENTIFIER = "identifier"
    ACTOR = "actor"
    ADDRESS = "address"
    PLACE = "place"
    TIME = "time"
    CONTEXT = "context"


class AccountVerdict(StrEnum):
    """What the evidence says of an account, worst first. There is no "clear"."""

    COMPROMISE_INDICATED = "COMPROMISE_INDICATED"
    SUSPICIOUS = "SUSPICIOUS"
    CANNOT_CONCLUDE = "CANNOT_CONCLUDE"
    CREDENTIAL_EXPOSED = "CREDENTIAL_EXPOSED"
    TARGETED = "TARGETED"
    NO_INDICATION = "NO_INDICATION"


class CaseVerdict(StrEnum):
    """What the evidence says of the case."""

    BREACH_INDICATED = "BREACH_INDICATED"
    CANNOT_CONCLUDE = "CANNOT_CONCLUDE"
    ALL_BLOCKED = "ALL_BLOCKED"
    NO_BREACH_INDICATED = "NO_BREACH_INDICATED"


class LogType(StrEnum):
    """The canonical tables of events."""

    SIGN_IN = "sign_in_logs"
    UAL = "unified_audit_log"
    LEGACY = "legacy_auth_logs"
    ENTRA_AUDIT = "entra_audit_logs"


class FileStatus(StrEnum):
    """What became of a file of the evidence folder."""

    IMPORTED = "IMPORTED"
    ALREADY_IMPORTED = "ALREADY_IMPORTED"
    UNRECOGNISED = "UNRECOGNISED"
    REFUSED = "REFUSED"
    EMPTY = "EMPTY"


class DateOrder(StrEnum):
    """In which order a file writes its dates."""

    ISO = "ISO"
    MDY = "MDY"
    DMY = "DMY"
    AMBIGUOUS = "AMBIGUOUS"


class CaseStage(StrEnum):
    """The stages of a case, in order; none may be skipped."""

    IMPORTED = "IMPORTED"
    CHECKED = "CHECKED"
    SCORED = "SCORED"
    VERIFIED = "VERIFIED"
    REPORTED = "REPORTED"
