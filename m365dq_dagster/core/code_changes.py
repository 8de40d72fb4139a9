"""Changes to the reference of codes, values and operations: what a row holds, which places share one vocabulary, what
may be proposed, what is critical, and who may decide. Keeping changes is the registry's business; judging by codes
stands in `adjudication`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.adjudication import ACCEPTED, CODE_OUTCOMES
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import LogType, Outcome, Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.sightings import BY_KEY, REST, WATCHED, Fold, argument, fold

CODE_FIELDS = (
    (LogType.SIGN_IN.value, "status_error_code"),
    (LogType.LEGACY.value, "status_error_code"),
    (LogType.UAL.value, "error_number"),
)
"""Where Entra's codes stand: the three log types write one vocabulary, kept under the first of them."""

OPERATIONS = (LogType.UAL.value, "operation")
"""Where the names of operations stand."""

FOLDS: Mapping[tuple[str, str], Fold] = {one.known_as: one.fold for one in reversed(WATCHED)}
"""How the spellings of a place are compared."""

RULE_PACK = Person("rule pack")
"""Who proposes what the rule pack ships as pending."""

ENTRA_CODE = re.compile(r"0|[0-9]{5,10}")
CLASS_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
VALUE_CHARACTERS = 200
TEXT_CHARACTERS = 1000
DOCUMENTING_HOSTS = ("learn.microsoft.com", "docs.microsoft.com", "support.microsoft.com")

PROVENANCES = ("documented", "community", "unverified")
"""Who says so: the vendor, others, or nobody that could be named."""


class ChangeAction(StrEnum):
    """What a change does to the reference."""

    ADD = "ADD"
    CHANGE = "CHANGE"
    DEPRECATE = "DEPRECATE"


class ChangeState(StrEnum):
    """Where a change stands. Only an approved one is heard by the judge."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class Kind(StrEnum):
    """What a place holds: Entra's codes, names of operations, or other words out of a closed list."""

    CODE = "code"
    OPERATION = "operation"
    VALUE = "value"


@dataclass(frozen=True, order=True)
class CodeKey:
    """What is looked up: a value as it stands in a field of a log."""

    log_type: str
    field: str
    value: str

    @property
    def place(self) -> tuple[str, str]:
        """Log type and field."""
        return self.log_type, self.field

    @property
    def kind(self) -> Kind:
        """What stands in this place."""
        if self.place in CODE_FIELDS:
            return Kind.CODE
        return Kind.OPERATION if self.place == OPERATIONS else Kind.VALUE

    @property
    def folded(self) -> CodeKey:
        """The key with its value as the judge compares it: two that are the same to the judge are the same."""
        return CodeKey(self.log_type, self.field, fold(self.value, FOLDS.get(self.place, Fold.WORD)))

    def command(self, verb: str, options: str = "") -> str:
        """The command that does something about it. Values come from evidence: none can end the command, and one that
        begins like an option stands last.
        """
        value = argument(self.value)
        if value.startswith("--"):
            return " ".join(filter(None, ("m365dq codes", verb, options, self.log_type, self.field, value)))
        return " ".join(filter(None, ("m365dq codes", verb, self.log_type, self.field, value, options)))

    def __str__(self) -> str:
        return f"{self.log_type}.{self.field} {self.value!r}"


@dataclass(frozen=True)
class ReferenceRow:
    """One row of the reference as a change leaves it. Names are those of the specification's columns and of what the
    product keeps beside them. `category` is the class of a code, the word that a value stands for, or what an operation
    indicates; what does not apply is None.
    """

    log_type: str
    field_name: str
    code_value: str
    meaning: str
    severity: str
    deprecated: bool = False
    category: str | None = None
    outcome: str | None = None
    first_factor: str | None = None
    portal_status: str | None = None
    provenance: str | None = None
    method: str | None = None
    symbolic_name: str | None = None
    sources: str | None = None
    state: str = "ACTIVE"

    @property
    def is_in_force(self) -> bool:
        """Whether the judge goes by it."""
        return self.state == "ACTIVE"

    @property
    def key(self) -> CodeKey:
        """What the row is about."""
        return CodeKey(self.log_type, self.field_name, self.code_value)

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any]) -> ReferenceRow:
        """From what `as_mapping` gave; what may be left open and is blank is None, and keys that are not known any more
        are left out.
        """
        said: dict[str, Any] = {
            one.name: kept[one.name] or None if one.default is None else kept[one.name]
            for one in fields(cls)
            if one.name in kept
        }
        return cls(**said)


@dataclass(frozen=True)
class Proposal:
    """A change that somebody wants; `before` is the row that the reference holds, in force or shipped as pending, None
    where there is none.
    """

    action: ChangeAction
    before: ReferenceRow | None
    after: ReferenceRow
    proposer: Person
    reason: str | None = None
    source: str | None = None

    @property
    def is_critical(self) -> bool:
        """True where two people must agree."""
        return is_critical(self.before, self.after)


@dataclass(frozen=True)
class Settlement:
    """A decision on a change: on one that waits, by its number, or on one that is proposed in the same breath."""

    change: int | Proposal
    state: ChangeState
    reason: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a person says of a value; None where nothing was said."""

    key: CodeKey
    category: str
    severity: str
    meaning: str
    outcome: str | None = None
    first_factor: str | None = None
    source: str | None = None
    provenance: str | None = None
    symbolic_name: str | None = None
    portal_status: str | None = None


@dataclass(frozen=True)
class KnownWords:
    """The words of the rule pack, against which a proposal is checked. `values` holds the words that the values of each
    place stand for; `open_places` are places of a closed list of values whose words the rule pack does not name.
    """

    categories: frozenset[str]
    outcomes: frozenset[str]
    first_factors: frozenset[str]
    indicators: frozenset[str]
    values: Mapping[tuple[str, str], frozenset[str]]
    open_places: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """Every log type and field in which a value can be looked up."""
        return frozenset((*CODE_FIELDS, OPERATIONS, *self.values, *self.open_places))


CLASS_DEFAULTS: Mapping[str, tuple[str, str]] = {
    "success": ("success", "accepted"),
    "interrupt": ("interrupted", "unknown"),
    "password_correct_blocked": ("failure", "likely_accepted"),
    "bad_credentials": ("failure", "rejected"),
    "throttling_lockout": ("failure", "not_evaluated"),
    "onprem_agent": ("failure", "not_evaluated"),
    "token_session": ("failure", "n/a"),
}
"""Outcome and first factor that follow from the class of a code. Where the class leaves open whether the password was
right, the first factor is unknown: a rejection that nobody wrote would hide an exposed password."""


def places_of(key: CodeKey) -> tuple[tuple[str, str], ...]:
    """Every log type and field under which the reference holds this value."""
    return CODE_FIELDS if key.kind is Kind.CODE else (key.place,)


def heard_in(key: CodeKey) -> tuple[tuple[str, str], ...]:
    """Every log type and field in which what is known of this value holds; the first is its own."""
    shared = (one.key for one in WATCHED if one.known_as == key.place)
    return tuple(dict.fromkeys((*places_of(key), *shared)))


def place_of(log_type: str, field_name: str, words: KnownWords) -> tuple[str, str]:
    """Where the values of a field are kept: Entra's codes under the sign-in log, the words of the legacy log under the
    sign-in log's field of the same name, names of operations under the audit log. Raises `BadInput` for a log type or
    field that holds no known values.
    """
    place = (log_type.strip().lower(), field_name.strip().lower())
    if place in CODE_FIELDS:
        return CODE_FIELDS[0]
    if place in BY_KEY:
        place = BY_KEY[place].known_as
    elif place[0] == LogType.LEGACY and (LogType.SIGN_IN.value, place[1]) in words.places:
        place = (LogType.SIGN_IN.value, place[1])
    if place not in words.places:
        raise BadInput(_no_place(place, words))
    return place


def canonical(log_type: str, field_name: str, value: str, words: KnownWords) -> CodeKey:
    """The key under which a new value is kept. Raises `BadInput` for what cannot be one."""
    place = place_of(log_type, field_name, words)
    return CodeKey(*place, _value(place, value))


def _no_place(place: tuple[str, str], words: KnownWords) -> str:
    log_type, name = (one_line(part, 40) for part in place)
    known_places = {*words.places, *BY_KEY}
    fields_here = sorted(f for held, f in known_places if held == place[0])
    if fields_here:
        return f"{log_type} has no field {name!r} with known values; its fields are {', '.join(fields_here)}."
    known = ", ".join(sorted({held for held, _ in known_places}))
    return f"There is no log type {log_type!r} with known values; the log types are {known}."


def _value(place: tuple[str, str], value: str) -> str:
    text = value.strip()
    if not text or text == REST or len(text) > VALUE_CHARACTERS or one_line(text) != text:
        raise BadInput(
            f"The value {one_line(text, 40)!r} must be one line of 1 to {VALUE_CHARACTERS} visible characters."
        )
    if place in CODE_FIELDS and not ENTRA_CODE.fullmatch(text):
        raise BadInput(f"The code {one_line(text, 40)!r} is no Entra code; write 5 to 10 digits, or 0.")
    return text


def drafted(asked: Asked, before: ReferenceRow | None, words: KnownWords) -> ReferenceRow:
    """The row that a person asks for, complete and checked; what was not said comes from the row in force where it has
    the same class, else from the class. Raises `BadInput` saying what is wrong.
    """
    category = _category(asked, words)
    same = before if before is not None and before.category == category else None
    return ReferenceRow(
        log_type=asked.key.log_type,
        field_name=asked.key.field,
        code_value=asked.key.value,
        meaning=_text(asked.meaning, "meaning"),
        severity=_severity(asked.severity),
        category=category,
        **_of_code(asked, category, before, same, words),
        **_origin(asked, before, same),
        symbolic_name=_optional(asked.symbolic_name, "symbolic name") or (before.symbolic_name if before else None),
    )


def _category(asked: Asked, words: KnownWords) -> str:
    given = asked.category.strip()
    kind = asked.key.kind
    if kind is Kind.VALUE:
        known = words.values.get(asked.key.place, frozenset())
        if not known and CLASS_WORD.fullmatch(given.upper()):
            return given.upper()
    else:
        known = words.categories if kind is Kind.CODE else words.indicators
    return _one_of(given, known, f"category for {asked.key.log_type}.{asked.key.field}")


def _of_code(
    asked: Asked, category: str, before: ReferenceRow | None, same: ReferenceRow | None, words: KnownWords
) -> dict[str, Any]:
    """Outcome, first factor and portal status: of codes alone. What the portal shows does not follow from the class."""
    if asked.key.kind is not Kind.CODE:
        if asked.outcome or asked.first_factor:
            raise BadInput(
                f"--outcome and --first-factor belong to codes; {asked.key.log_type}.{asked.key.field} has none."
            )
        return {}
    usual = CLASS_DEFAULTS.get(category, ("failure", "unknown"))
    outcome, factor = (same.outcome, same.first_factor) if same else usual
    if asked.outcome:
        outcome = _one_of(asked.outcome, words.outcomes, "outcome")
    if asked.first_factor:
        factor = _one_of(asked.first_factor, words.first_factors, "first factor")
    _agree(category, outcome, factor)
    portal = _optional(asked.portal_status, "portal status") or (before.portal_status if before else None)
    return {"outcome": outcome, "first_factor": factor, "portal_status": portal}


def _agree(category: str, outcome: str | None, factor: str | None) -> None:
    """Refuse a row that contradicts itself: the judge would believe the class, and an exposure the first factor."""
    if (category == "success") != (outcome == "success"):
        raise BadInput(f"category {category!r} and outcome {outcome!r} contradict each other; correct one of them.")
    accepted = factor in ACCEPTED
    if (category in ("success", "password_correct_blocked") and factor == "rejected") or (
        category == "bad_credentials" and accepted
    ):
        raise BadInput(f"category {category!r} and first factor {factor!r} contradict each other; correct one of them.")


def _origin(asked: Asked, before: ReferenceRow | None, same: ReferenceRow | None) -> dict[str, Any]:
    """Who says so. What a person adds by hand is documented where the vendor's own pages are named as its source."""
    source = _optional(asked.source, "source")
    sources = source or (before.sources if before else None)
    if asked.key.kind is not Kind.CODE:
        return {"sources": sources}
    if asked.provenance:
        provenance: str | None = _one_of(asked.provenance, frozenset(PROVENANCES), "provenance")
    elif source is None and same is not None:
        provenance = same.provenance
    else:
        provenance = provenance_of(source)
    method = same.method if same is not None and source is None else "hand"
    return {"provenance": provenance, "method": method, "sources": sources}


def provenance_of(source: str | None) -> str:
    """Documented where the source names a page of the vendor, community where it names anything else, else unverified.
    The judge gives at most LOW confidence to what is not documented.
    """
    if not source:
        return "unverified"
    hosts = re.findall(r"(?<![\w.-])[a-z0-9.-]+\.microsoft\.com(?![\w.-])", source.lower())
    return "documented" if any(host in DOCUMENTING_HOSTS for host in hosts) else "community"


def is_critical(before: ReferenceRow | None, after: ReferenceRow) -> bool:
    """True where the change can turn a verdict without anybody noticing: its severity is or was CRITICAL, or a code or
    word in force comes to stand for another outcome, or says something else of the first factor.
    """
    if Severity.CRITICAL in (after.severity, before.severity if before else None):
        return True
    return before is not None and before.is_in_force and _judged_as(before) != _judged_as(after)


def _judged_as(row: ReferenceRow) -> tuple[object, ...]:
    kind = row.key.kind
    if kind is Kind.CODE:
        outcome = CODE_OUTCOMES.get(row.category or "", (Outcome.NOT_GRANTED,))[0]
        return outcome, row.first_factor in ACCEPTED
    return (row.category,) if kind is Kind.VALUE else ()


def proposed(
    after: ReferenceRow, before: ReferenceRow | None, proposer: Person, reason: str | None, source: str | None
) -> Proposal | None:
    """The change from what the reference holds to what is wanted; None where both are equal. What is not in force yet
    is added.
    """
    if before is None or not before.is_in_force:
        return Proposal(ChangeAction.ADD, before, after, proposer, _optional(reason, "reason"), source)
    if before == after:
        return None
    return Proposal(ChangeAction.CHANGE, before, after, proposer, _optional(reason, "reason"), source)


def withdrawn(before: ReferenceRow, proposer: Person, reason: str | None) -> Proposal:
    """The change that marks a row as one that the vendor gives no more; its meaning stays, as old evidence holds it."""
    after = replace(before, deprecated=True)
    return Proposal(ChangeAction.DEPRECATE, before, after, proposer, _text(reason or "", "reason"), None)


def may_decide(key: CodeKey, proposer: Person, decider: Person, state: ChangeState, *, critical: bool) -> None:
    """Raises `BadInput` where this person may not approve: of a critical change, the one who proposed it. Anybody may
    reject, the proposer too: nothing comes into force by it.
    """
    if state is ChangeState.APPROVED and critical and proposer.is_same_as(decider):
        raise BadInput(
            f"{key} is a critical change that {proposer.told} proposed; somebody else must approve it, as another user "
            "of this machine (--actor makes nobody another person)."
        )


def reason_for(state: ChangeState, reason: str | None, *, critical: bool) -> str | None:
    """The reason of a decision, checked. Raises `BadInput` where one is needed and missing: to reject, and to approve a
    critical change.
    """
    text = _optional(reason, "reason")
    if text is None and state is ChangeState.REJECTED:
        raise BadInput("To reject a change needs a reason; give --reason.")
    if text is None and critical:
        raise BadInput("To approve a critical change needs a reason; give --reason.")
    return text


def differences(before: ReferenceRow | None, after: ReferenceRow) -> list[tuple[str, Any, Any]]:
    """What a change alters: (column, old, new) for every column whose value differs."""
    old = before.as_mapping() if before else {}
    return [(name, old.get(name), value) for name, value in after.as_mapping().items() if old.get(name) != value]


def _one_of(given: str, known: frozenset[str], what: str) -> str:
    for word in known:
        if word.lower() == given.strip().lower():
            return str(word)
    shown = ", ".join(sorted(known)) or "none"
    raise BadInput(f"{one_line(given, 40)!r} is no {what}; it is one of {shown}.")


def _severity(given: str) -> str:
    return _one_of(given, frozenset(Severity), "severity")


def _text(given: str, what: str) -> str:
    text = one_line(given, TEXT_CHARACTERS + 1)
    if not text:
        raise BadInput(f"The {what} is empty; write one sentence.")
    if len(text) > TEXT_CHARACTERS:
        raise BadInput(f"The {what} is longer than {TEXT_CHARACTERS} characters; write less.")
    return text


def _optional(given: str | None, what: str) -> str | None:
    return _text(given, what) if given and one_line(given) else None
