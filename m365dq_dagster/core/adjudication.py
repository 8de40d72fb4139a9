"""What one sign-in row says: reading its witnesses and deciding its outcome. Which witnesses may be heard is decided in
`reliability`; counting rows and joining decisions back is the business of the adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from m365dq_dagster.core.outcome import FAILURES, Confidence, LogType, Outcome, at_most

CA_BLOCK_CODES = frozenset({"53000", "53001", "53002", "53003", "53004"})
"""Codes that only Conditional Access gives."""

KEEP_ME_SIGNED_IN = "50140"

ACCEPTED = ("accepted", "likely_accepted")
"""Values of `first_factor` that say the password or token was right, whatever came after."""

CODE_ZERO_BUT_CA_FAILURE = "CODE_ZERO_BUT_CA_FAILURE"
CODE_AGAINST_TEXT = "CODE_AGAINST_TEXT"
CODE_COPIES_DIFFER = "CODE_COPIES_DIFFER"


@dataclass(frozen=True)
class CodeRow:
    """One Entra code as the rule pack knows it."""

    code: str
    symbolic_name: str
    category: str
    subcategory: str
    outcome: str
    first_factor: str
    severity: str
    portal_status: str
    meaning: str
    provenance: str
    method: str
    state: str
    sources: str
    deprecated: bool = False

    @property
    def is_weak(self) -> bool:
        """True where only a community source or a topic rule knows the code: it carries at most LOW."""
        return self.provenance != "documented" or self.method == "topic_rule"


class Mark(StrEnum):
    """What stands in a witness column where no known value does."""

    BLANK = "blank"
    TYPE_NAME = "type-name"
    OUT_OF_DOMAIN = "out-of-domain"
    UNKNOWN_CODE = "unknown-code"
    STRUCK = "struck"


NO_CODE = frozenset({Mark.BLANK, Mark.TYPE_NAME, Mark.OUT_OF_DOMAIN, Mark.STRUCK})
"""Marks of a row without a usable code: nothing there, or nothing that may be heard there."""


class Word(StrEnum):
    """What a status word or an operation says."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    INTERRUPTED = "INTERRUPTED"
    NO_OUTCOME = "NO_OUTCOME"


class Access(StrEnum):
    """What Conditional Access says. It is evaluated after the first factor and is no outcome by itself."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    NOT_APPLIED = "NOT_APPLIED"
    NOT_ENFORCED = "NOT_ENFORCED"


class Client(StrEnum):
    """The kind of client, as far as a rule asks for it."""

    ACTIVESYNC = "ACTIVESYNC"
    LEGACY = "LEGACY"
    OTHER = "OTHER"


WORDS: Mapping[str, Word] = {
    "SUCCESS": Word.SUCCESS,
    "LOGIN": Word.SUCCESS,
    "FAILURE": Word.FAILURE,
    "LOGIN_FAILED": Word.FAILURE,
    "INTERRUPTED": Word.INTERRUPTED,
}
ACCESS: Mapping[str, Access] = {
    "CA_SATISFIED": Access.SUCCESS,
    "CA_BLOCKED": Access.FAILURE,
    "CA_NOT_EVALUATED": Access.NOT_APPLIED,
    "CA_NOT_ENFORCED": Access.NOT_ENFORCED,
}


@dataclass(frozen=True)
class Vocabulary:
    """Codes, words and clients as the judge reads them: folded to lower case, pending codes left out."""

    codes: Mapping[str, CodeRow]
    words: Mapping[str, Word]
    operations: Mapping[str, Word]
    access: Mapping[str, Access]
    clients: Mapping[str, Client]

    @classmethod
    def of(cls, codes: Iterable[CodeRow], values: Iterable[tuple[str, str, str, str]]) -> Vocabulary:
        """From the rows of the rule pack; `values` are (log type, field, value, normalised)."""
        tables: dict[str, dict[str, str]] = {}
        for log_type, name, value, normalised in values:
            if log_type in (LogType.SIGN_IN, LogType.LEGACY, LogType.UAL):
                tables.setdefault(name, {})[value.strip().lower()] = normalised
        return cls(
            codes={row.code: row for row in codes if row.state == "active"},
            words={v: WORDS.get(n, Word.NO_OUTCOME) for v, n in tables.get("status", {}).items()},
            operations={v: WORDS.get(n, Word.NO_OUTCOME) for v, n in tables.get("operation_login", {}).items()},
            access={v: ACCESS[n] for v, n in tables.get("conditional_access_status", {}).items() if n in ACCESS},
            clients={
                v: Client.ACTIVESYNC if v == "exchange activesync" else Client.LEGACY
                for v, n in tables.get("client_app_used", {}).items()
                if n == "LEGACY"
            },
        )

    @cached_property
    def accepted_codes(self) -> frozenset[str]:
        """Codes that follow a right password or token, whatever came after."""
        return frozenset(c for c, row in self.codes.items() if row.first_factor in ACCEPTED)

    @cached_property
    def accepted_codes_ropc(self) -> frozenset[str]:
        """Codes that follow a right password in a password-grant request only."""
        return frozenset(c for c, row in self.codes.items() if row.first_factor == "likely_accepted_ropc")


CODE_OUTCOMES: Mapping[str, tuple[Outcome, Confidence]] = {
    "success": (Outcome.SUCCESS, Confidence.HIGH),
    "interrupt": (Outcome.INTERRUPTED, Confidence.HIGH),
    "password_correct_blocked": (Outcome.BLOCKED_AFTER_FIRST_FACTOR, Confidence.HIGH),
    "bad_credentials": (Outcome.REJECTED, Confidence.HIGH),
    "throttling_lockout": (Outcome.NOT_EVALUATED, Confidence.HIGH),
    "unknown": (Outcome.UNKNOWN, Confidence.LOW),
}


def outcome_of_code(row: CodeRow) -> tuple[Outcome, Confidence]:
    """The outcome that a known code stands for, and how sure the code alone makes it."""
    outcome, confidence = CODE_OUTCOMES.get(row.category, (Outcome.NOT_GRANTED, Confidence.MEDIUM))
    if outcome is Outcome.BLOCKED_AFTER_FIRST_FACTOR and row.first_factor != "accepted":
        confidence = Confidence.MEDIUM
    return outcome, Confidence.LOW if row.is_weak else confidence


class Side(StrEnum):
    """The coarse classes that witnesses are compared in."""

    SUCCESS = "S"
    INTERRUPTED = "I"
    FAILURE = "F"
    LEFT_OPEN = "U"
    NONE = "-"

    @property
    def gives_outcome(self) -> bool:
        """True for success, interrupt and failure."""
        return self in (Side.SUCCESS, Side.INTERRUPTED, Side.FAILURE)


def side_of(outcome: Outcome) -> Side:
    """The coarse class of an outcome."""
    if outcome is Outcome.SUCCESS:
        return Side.SUCCESS
    if outcome is Outcome.INTERRUPTED:
        return Side.INTERRUPTED
    return Side.FAILURE if outcome in FAILURES else Side.LEFT_OPEN


WORD_SIDES = {
    Word.SUCCESS: Side.SUCCESS,
    Word.FAILURE: Side.FAILURE,
    Word.INTERRUPTED: Side.INTERRUPTED,
    Word.NO_OUTCOME: Side.NONE,
}
ACCESS_SIDES = {
    Access.SUCCESS: Side.SUCCESS,
    Access.FAILURE: Side.FAILURE,
    Access.NOT_APPLIED: Side.NONE,
    Access.NOT_ENFORCED: Side.NONE,
}


@dataclass(frozen=True)
class Combo:
    """Rows of one log type whose witnesses say the same.

    `code` is a code of the rule pack or a `Mark`; `word` is what the status text or the operation says, or a `Mark`;
    `access` is what Conditional Access says, or a `Mark`. `codes_differ` is True where two copies of the code in one
    row are not equal. `part` names the witnesses that are heard otherwise than in the rest of the log on these rows
    (see `parts`), empty for none. `rows` counts them.
    """

    log_type: LogType
    code: str
    word: Word | Mark
    access: Access | Mark
    client: Client = Client.OTHER
    single_factor: bool | None = None
    codes_differ: bool = False
    rows: int = 1
    part: str = ""


@dataclass(frozen=True)
class WitnessNames:
    """The columns in which a log type keeps its witnesses."""

    code: str
    word: str
    access: str | None


WITNESSES: Mapping[LogType, WitnessNames] = {
    LogType.SIGN_IN: WitnessNames("status_error_code", "status", "conditional_access_status"),
    LogType.LEGACY: WitnessNames("status_error_code", "status", "conditional_access_status"),
    LogType.UAL: WitnessNames("error_number", "operation", None),
}


@dataclass(frozen=True)
class Decision:
    """The outcome of the rows of a combo: how sure, by which column, which columns agreed, and what contradicted.

    `open_by` names the column that may be heard and whose value, in no table, leaves the rows open.
    """

    outcome: Outcome
    confidence: Confidence
    decided_by: str | None
    witnesses: tuple[str, ...] = ()
    contradiction: str | None = None
    credential_accepted: bool = False
    unknown_code: bool = False
    open_by: str | None = None


@dataclass(frozen=True)
class Testimony:
    """Which columns may be heard in a log type, and which of them are uniform and so carry at most LOW."""

    heard: frozenset[str]
    uniform: frozenset[str] = field(default_factory=frozenset)


def said_by(combo: Combo, name: str) -> str:
    """What a witness column holds on the rows of a combo: a code, a known word, or a `Mark`."""
    names = WITNESSES[combo.log_type]
    if name == names.code:
        return Mark(combo.code) if combo.code in set(Mark) else combo.code
    return combo.word if name == names.word else combo.access


def side(combo: Combo, name: str, vocabulary: Vocabulary) -> Side:
    """What a witness column says on the rows of a combo, whether it is heard or not."""
    names = WITNESSES[combo.log_type]
    if name == names.code:
        row = vocabulary.codes.get(combo.code)
        if row is None:
            return Side.NONE
        return side_of(outcome_of_code(row)[0])
    if name == names.word:
        return WORD_SIDES[combo.word] if isinstance(combo.word, Word) else Side.NONE
    return ACCESS_SIDES[combo.access] if isinstance(combo.access, Access) else Side.NONE


def adjudicate(combo: Combo, testimony: Testimony, vocabulary: Vocabulary) -> Decision:
    """Decide the outcome of a combo's rows by the first line of the decision table that applies.

    Only witnesses in `testimony.heard` are listened to. Success against failure between two primary witnesses is a
    CONFLICT; a code that is in no table leaves the row open; Conditional Access is asked last and `notApplied` decides
    nothing. A column that is uniform carries at most LOW.
    """
    decision = _first_that_applies(combo, testimony, vocabulary)
    decision = replace(decision, open_by=_open_by(combo, testimony, decision))
    if decision.decided_by in testimony.uniform:
        return replace(decision, confidence=at_most(decision.confidence, Confidence.LOW))
    return decision


def _first_that_applies(combo: Combo, testimony: Testimony, vocabulary: Vocabulary) -> Decision:
    names = WITNESSES[combo.log_type]
    word = combo.word if names.word in testimony.heard and isinstance(combo.word, Word) else None
    access = combo.access if names.access in testimony.heard and isinstance(combo.access, Access) else None
    if names.code in testimony.heard:
        unknown = combo.code not in vocabulary.codes and combo.code not in NO_CODE
        if combo.codes_differ:
            said = (names.code,)
            return Decision(
                Outcome.CONFLICT, Confidence.LOW, names.code, said, CODE_COPIES_DIFFER, unknown_code=unknown
            )
        if unknown:
            return Decision(Outcome.UNKNOWN, Confidence.LOW, None, unknown_code=True)
        if combo.code in vocabulary.codes:
            return _by_code(combo, vocabulary.codes[combo.code], word, names)
    if word in (Word.SUCCESS, Word.INTERRUPTED, Word.FAILURE):
        return _by_word(word, access, names)
    return _by_access(access, names)


def _open_by(combo: Combo, testimony: Testimony, decision: Decision) -> str | None:
    """The witness whose unknown value leaves a row open; none where a known value did, or where there was nothing."""
    names = WITNESSES[combo.log_type]
    if decision.unknown_code:
        return names.code
    if decision.outcome is not Outcome.UNKNOWN or decision.decided_by:
        return None
    said = ((names.code, combo.code), (names.word, combo.word), (names.access, combo.access))
    return next((name for name, value in said if value == Mark.OUT_OF_DOMAIN and name in testimony.heard), None)


def _by_code(combo: Combo, row: CodeRow, word: Word | None, names: WitnessNames) -> Decision:
    outcome, confidence = outcome_of_code(row)
    code_side, word_side = side_of(outcome), WORD_SIDES[word] if word else Side.NONE
    opposed = {code_side, word_side} == {Side.SUCCESS, Side.FAILURE}
    if opposed and row.portal_status.strip().lower() != str(word).lower():
        return Decision(Outcome.CONFLICT, Confidence.LOW, names.code, (names.code, names.word), CODE_AGAINST_TEXT)
    # Reported even where Conditional Access is not heard: not listening to a column is no reason to hide what it says.
    denied = row.category == "success" and combo.access is Access.FAILURE
    return Decision(
        outcome,
        confidence,
        names.code,
        (names.code, names.word) if word_side is code_side else (names.code,),
        CODE_ZERO_BUT_CA_FAILURE if denied else None,
        row.first_factor in ACCEPTED,
    )


def _by_word(word: Word, access: Access | None, names: WitnessNames) -> Decision:
    accepted = access in (Access.SUCCESS, Access.FAILURE)
    said = (names.word, str(names.access)) if accepted else (names.word,)
    if word is Word.SUCCESS:
        return Decision(Outcome.SUCCESS, Confidence.MEDIUM, names.word, (names.word,), credential_accepted=True)
    if word is Word.INTERRUPTED:
        outcome = Outcome.INTERRUPTED
    else:
        outcome = Outcome.BLOCKED_AFTER_FIRST_FACTOR if accepted else Outcome.NOT_GRANTED
    return Decision(outcome, Confidence.MEDIUM, names.word, said, credential_accepted=accepted)


def _by_access(access: Access | None, names: WitnessNames) -> Decision:
    if access not in (Access.SUCCESS, Access.FAILURE):
        return Decision(Outcome.UNKNOWN, Confidence.LOW, None)
    outcome = Outcome.SUCCESS if access is Access.SUCCESS else Outcome.BLOCKED_AFTER_FIRST_FACTOR
    return Decision(outcome, Confidence.MEDIUM, names.access, (str(names.access),), credential_accepted=True)
