"""The label of a case: what is true of it, and what its evidence can still show after the damage of its variant.

Everything here is counted from the story. It is written as ``expected.json`` beside the evidence, for tests and for
people; nothing that judges evidence reads it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .damage import outcome_left
from .events import AuditRecord, LegacyAttempt, SignIn
from .story import Story
from .vocabulary import WHOLE_STATUS_LOST, WORDING, ConditionalAccess, Variant


@dataclass
class Tally:
    """Counts over rows as they stream by."""

    variant: Variant
    home_countries: frozenset[str]
    events: Counter[str] = field(default_factory=Counter)
    by_outcome: dict[str, Counter[str]] = field(default_factory=dict)
    true_outcome: dict[str, Counter[str]] = field(default_factory=dict)
    by_code: Counter[str] = field(default_factory=Counter)
    foreign_successes: int = 0
    foreign_failures: int = 0
    heard: int = 0
    """Sign-ins on which the policies say success or failure."""
    stolen: set[str] = field(default_factory=set)
    stolen_and_heard: set[str] = field(default_factory=set)
    """Accounts that somebody else signed in to, and those of them on which the policies say success of it."""
    mail_items_accessed: int = 0
    legacy_attempts: Counter[str] = field(default_factory=Counter)

    def sign_in(self, event: SignIn) -> None:
        """Counts one sign-in: its true outcome, and the one that this variant's evidence can show."""
        words = WORDING[event.deed]
        self._count("sign_in_logs", words.outcome, outcome_left(event, self.variant))
        self.by_code[str(words.code)] += 1
        self._hear(event, words.outcome == "SUCCESS")
        abroad = event.place.country not in self.home_countries
        if abroad and words.outcome == "SUCCESS":
            self.foreign_successes += 1
        elif abroad:
            self.foreign_failures += 1

    def _hear(self, event: SignIn, success: bool) -> None:
        heard = event.policies is not ConditionalAccess.NOT_APPLIED
        self.heard += heard
        if event.intruder and success:
            self.stolen.add(event.person.account)
            self.stolen_and_heard |= {event.person.account} if heard else set()

    def audit_record(self, record: AuditRecord) -> None:
        """Counts one audit record; only logons have an outcome."""
        if record.outcome is None:
            self.events["unified_audit_log"] += 1
        else:
            self._count("unified_audit_log", record.outcome, record.outcome)
        self.mail_items_accessed += record.operation == "MailItemsAccessed"

    def legacy_attempt(self, attempt: LegacyAttempt) -> None:
        """Counts one legacy attempt."""
        words = WORDING[attempt.deed]
        self._count("legacy_auth_logs", words.outcome, words.outcome)
        self.legacy_attempts[str(words.code)] += 1

    def _count(self, log_type: str, true: str, shown: str) -> None:
        self.events[log_type] += 1
        self.true_outcome.setdefault(log_type, Counter())[true] += 1
        self.by_outcome.setdefault(log_type, Counter())[shown] += 1


def outcome_field(tally: Tally) -> str | None:
    """The field of the sign-in log that tells the truth in this variant, None where nothing in that log can.

    Where no row keeps its status, the policies are left; they tell where they speak on at least half of the rows, and
    on at least one success of the intruder on each account that was taken.
    """
    rows = tally.events["sign_in_logs"]
    if not rows:
        return None
    if tally.variant not in WHOLE_STATUS_LOST:
        return "status_error_code"
    told = tally.heard * 2 >= rows and tally.stolen == tally.stolen_and_heard
    return "conditional_access_status" if told else None


def recommended(tally: Tally) -> dict[str, list[str]]:
    """For each log type with outcomes, the outcome fields of which one must be recommended; none where none tells."""
    sign_ins = outcome_field(tally)
    fields = {
        "sign_in_logs": [sign_ins] if sign_ins else [],
        "unified_audit_log": ["error_number", "operation"],
        "legacy_auth_logs": ["status_error_code"],
    }
    return {log_type: fields[log_type] for log_type in sorted(tally.by_outcome) if fields[log_type]}


def truth(tally: Tally, story: Story, *, decidable: bool, plain: bool) -> dict[str, object]:
    """What is true of the case whatever its export shows, and which field still tells it.

    ``rows`` counts the rows of all logs. An account is compromised if somebody else had at least one success on it.
    ``decidable`` and ``plain`` are handed on: whether an analyst could settle the case if its export were intact, and
    whether he could from any intact export.
    """
    return {
        "breach": bool(story.compromised),
        "compromised_accounts": list(story.compromised),
        "attacked_accounts": list(story.attacked),
        "any_success": story.any_success,
        "rows": tally.events.total(),
        "sign_in_rows": tally.events["sign_in_logs"],
        "outcome_field": outcome_field(tally),
        "healthy_export": tally.variant is Variant.INTACT,
        "decidable": decidable,
        "plain": plain,
    }


def field_states(tally: Tally) -> dict[str, list[str]]:
    """For fields of the sign-in log, the states that are right."""
    return {"status_error_code": _code_states(tally)} if "sign_in_logs" in tally.by_outcome else {}


def _code_states(tally: Tally) -> list[str]:
    if tally.variant is Variant.TYPE_NAME:
        return ["CORRUPTED"]
    if tally.variant is Variant.INVENTED_ONE:
        return ["CORRUPTED", "CONTRADICTED", "UNIFORM"]
    if len(tally.by_code) == 1:
        return ["UNIFORM"]
    common = max(tally.by_code.values()) / tally.events["sign_in_logs"]
    return ["LOW_CONTRAST"] if common >= 0.95 else ["RELIABLE"]
