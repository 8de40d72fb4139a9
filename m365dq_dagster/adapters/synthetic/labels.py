"""The label of a case: what is true of it, and what its evidence can still show after the damage of its variant.

Everything here is counted from the story. It is written as ``expected.json`` beside the evidence, for tests and for
people; nothing that judges evidence reads it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .events import AuditRecord, LegacyAttempt, SignIn
from .vocabulary import READ_FROM_POLICIES, WORDING, Variant


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
    mail_items_accessed: int = 0
    legacy_attempts: Counter[str] = field(default_factory=Counter)

    def sign_in(self, event: SignIn) -> None:
        """Counts one sign-in: its true outcome, and the one that this variant's evidence can show."""
        words = WORDING[event.deed]
        shown = words.outcome if self.variant is Variant.INTACT else READ_FROM_POLICIES[event.policies]
        self._count("sign_in_logs", words.outcome, shown)
        self.by_code[str(words.code)] += 1
        abroad = event.place.country not in self.home_countries
        if abroad and words.outcome == "SUCCESS":
            self.foreign_successes += 1
        elif abroad:
            self.foreign_failures += 1

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


def recommended(tally: Tally) -> dict[str, list[str]]:
    """For each log type with outcomes, the outcome fields of which one must be recommended."""
    fields = {
        "sign_in_logs": ["status_error_code" if tally.variant is Variant.INTACT else "conditional_access_status"],
        "unified_audit_log": ["error_number", "operation"],
        "legacy_auth_logs": ["status_error_code"],
    }
    return {log_type: fields[log_type] for log_type in sorted(tally.by_outcome)}


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
