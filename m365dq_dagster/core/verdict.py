"""From measured numbers to verdicts: accounts, the case, their confidence and the sentences that say why. Counting is done by the adapters; what a single
row means stands in `adjudication`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, Outcome
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import share

Z_95 = 1.959963984540054


def wilson_lower(successes: int, attempts: int) -> float:
    """Lower bound of the 95 % Wilson score interval of a share, 0..1; 0.0 without attempts."""
    if attempts == 0:
        return 0.0
    p, z2 = successes / attempts, Z_95 * Z_95
    centre = p + z2 / (2 * attempts)
    margin = Z_95 * math.sqrt(p * (1 - p) / attempts + z2 / (4 * attempts * attempts))
    return max(0.0, (centre - margin) / (1 + z2 / attempts))


class HomeSource(StrEnum):
    """Where the knowledge of an account's home countries comes from."""

    CONTEXT = "case.toml"
    LEARNED = "learned"
    TENANT = "tenant"
    UNKNOWN = "unknown"


class LeadKind(StrEnum):
    """Leads that need no ratio."""

    SUCCESS_AFTER_REJECTIONS = "SUCCESS_AFTER_REJECTIONS"
    NEW_ADDRESS_ON_MANY_ACCOUNTS = "NEW_ADDRESS_ON_MANY_ACCOUNTS"
    SUCCESS_AFTER_MFA_DENIALS = "SUCCESS_AFTER_MFA_DENIALS"
    LEGACY_FOREIGN_SUCCESS = "LEGACY_FOREIGN_SUCCESS"
    SESSION_IN_TWO_COUNTRIES = "SESSION_IN_TWO_COUNTRIES"
    FOREIGN_SUCCESS_AFTER_FAILURES = "FOREIGN_SUCCESS_AFTER_FAILURES"


LEAD_SENTENCES = {
    LeadKind.SUCCESS_AFTER_REJECTIONS: "an address was rejected repeatedly on the account and then succeeded",
    LeadKind.NEW_ADDRESS_ON_MANY_ACCOUNTS: "an address that first appeared late succeeded on several accounts to which it is foreign",
    LeadKind.SUCCESS_AFTER_MFA_DENIALS: "the second factor was denied repeatedly and then a sign-in succeeded",
    LeadKind.LEGACY_FOREIGN_SUCCESS: "a legacy or password-grant sign-in from a foreign country succeeded",
    LeadKind.SESSION_IN_TWO_COUNTRIES: "one session was seen in two countries",
    LeadKind.FOREIGN_SUCCESS_AFTER_FAILURES: "failures from a foreign country came before the first success from there; the export names no devices, so this is a lead only",
}


@dataclass(frozen=True)
class Lead:
    """A lead: what was seen, on which accounts and addresses, and when (ISO 8601 UTC or None)."""

    kind: LeadKind
    accounts: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    begins: str | None = None
    ends: str | None = None


@dataclass(frozen=True)
class AccountEvidence:
    """What the evidence shows of one account. Plain names count rows; `*_flows`, `foreign_attempts`, `eligible`, `own`, `own_or_plausible`, `egress`,
    `naming_device`, `by_access` and `high` count flows.

    `eligible` foreign successes are those from no known device and no standing egress; `own_homes` are the countries learned from the account itself.
    """

    account: str
    row_count: int = 0
    success: int = 0
    blocked: int = 0
    rejected: int = 0
    unknown: int = 0
    foreign_success: int = 0
    unknown_codes: int = 0
    foreign_accepted: int = 0
    attempts: int = 0
    success_untimed: bool = False
    any_device: bool = False
    foreign_attempts: int = 0
    foreign_success_flows: int = 0
    foreign_open: int = 0
    success_flows: int = 0
    flow_count: int = 0
    eligible: int = 0
    own: int = 0
    own_or_plausible: int = 0
    egress: int = 0
    naming_device: int = 0
    by_access: int = 0
    high: int = 0
    timed: int = 0
    countries: int = 0
    days: int = 0
    home_days: int = 0
    spray_victims: int = 0
    prior_failures: int = 0
    overlapping: int = 0
    critical_operation: str | None = None
    own_homes: tuple[str, ...] = ()
    leads: tuple[LeadKind, ...] = ()

    @property
    def foreign_failures(self) -> int:
        """Foreign attempts that did not succeed, flows."""
        return self.foreign_attempts - self.foreign_success_flows

    @property
    def foreign_attempt_success_rate(self) -> float | None:
        """Foreign successes over foreign attempts, flows; None without attempts."""
        return share(self.foreign_success_flows, self.foreign_attempts) if self.foreign_attempts else None

    @property
    def rate_with_open_as_failure(self) -> float | None:
        """The same with undecided foreign flows counted as failures: the lower edge of what the rate can be."""
        attempts = self.foreign_attempts + self.foreign_open
        return share(self.foreign_success_flows, attempts) if attempts else None


@dataclass(frozen=True)
class CaseHome:
    """Home countries that hold for the whole case, and whether a list was given."""

    countries: tuple[str, ...]
    given: bool


@dataclass(frozen=True)
class AccountJudgement:
    """The verdict on one account with its confidence, its home and the sentences behind it."""

    evidence: AccountEvidence
    verdict: AccountVerdict
    confidence: Confidence
    homes: tuple[str, ...]
    home_source: HomeSource
    indicators: tuple[str, ...]
    reasons: tuple[str, ...]


def foreign_rate_indicator(successes: int, attempts: int, policy: Policy) -> bool:
    """The specification's trigger: strictly above 80 % of at least 5 foreign attempts succeeded."""
    limits = policy.breach
    return attempts >= limits.min_attempts and successes > limits.foreign_rate * attempts


def judge_account(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> AccountJudgement:
    """Order of verdicts: compromise, a lead, something unclear, an exposed credential, a target, no indication."""
    homes = tuple(sorted({*home.countries, *evidence.own_homes}))
    source = _home_source(evidence, home)
    grounds = _grounds(evidence, home, policy)
    leads = _leads(evidence, policy)
    if grounds:
        verdict, confidence = AccountVerdict.COMPROMISE_INDICATED, _breach_confidence(evidence, home, grounds, policy)
        reasons = tuple(_ground_sentence(one, evidence) for one in grounds)
    elif leads:
        verdict, confidence = AccountVerdict.SUSPICIOUS, Confidence.MEDIUM
        reasons = tuple(f"Lead: {LEAD_SENTENCES[one]}." for one in leads)
    elif unclear := _unclear(evidence, homes, policy):
        verdict, confidence, reasons = AccountVerdict.CANNOT_CONCLUDE, Confidence.LOW, unclear
    elif evidence.foreign_accepted and not evidence.foreign_success:
        verdict, confidence = AccountVerdict.CREDENTIAL_EXPOSED, Confidence.MEDIUM
        reasons = (
            f"{evidence.foreign_accepted} foreign sign-ins got past the first factor and were stopped after it: a valid credential or token is in "
            "someone's hands. Reset it.",
        )
    elif evidence.attempts and not evidence.success:
        verdict, confidence = AccountVerdict.TARGETED, Confidence.MEDIUM
        reasons = (f"{evidence.attempts} attempts, none succeeded.",)
    else:
        verdict, confidence = AccountVerdict.NO_INDICATION, Confidence.MEDIUM
        reasons = ("Nothing in this evidence indicates misuse; what was not tested is listed with the case.",)
    if not homes:
        reasons = (*reasons, "No home country is known for this account, so no sign-in could be called foreign.")
    return AccountJudgement(evidence, verdict, confidence, homes, source, grounds, reasons)


def _home_source(evidence: AccountEvidence, home: CaseHome) -> HomeSource:
    if home.given:
        return HomeSource.CONTEXT
    if evidence.own_homes:
        return HomeSource.LEARNED
    return HomeSource.TENANT if home.countries else HomeSource.UNKNOWN


def _grounds(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> tuple[str, ...]:
    limits = policy.breach
    others = []
    if evidence.prior_failures >= limits.prior_failures and evidence.any_device:
        others.append("V2")
    if evidence.spray_victims >= limits.spray_accounts:
        others.append("V3")
    if evidence.overlapping >= limits.overlap_successes:
        others.append("V4")
    if evidence.critical_operation:
        others.append("V5")
    first = _first_ground(evidence, home, policy, bool(others))
    return ("V1", *others) if first else tuple(others)


def _first_ground(evidence: AccountEvidence, home: CaseHome, policy: Policy, supported: bool) -> bool:
    limits = policy.breach
    eligible_attempts = evidence.eligible + evidence.foreign_failures
    if not foreign_rate_indicator(evidence.eligible, eligible_attempts, policy):
        return False
    if evidence.timed == 0 or _explained(evidence, home, policy):
        return False
    by_access = evidence.by_access * 2 > evidence.foreign_success_flows
    return not by_access or supported or evidence.foreign_success_flows >= limits.min_successes_by_conditional_access


def _explained(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> bool:
    limits = policy.breach
    if not home.given and not evidence.own_homes:
        return True
    if evidence.own_or_plausible >= limits.own_device_share * evidence.foreign_success_flows:
        return True
    if evidence.egress >= limits.own_device_share * evidence.foreign_success_flows:
        return True
    travel_like = evidence.countries == 1 and evidence.days >= limits.travel_days and evidence.home_days == 0
    return travel_like and (not home.given or evidence.naming_device == 0)


def _leads(evidence: AccountEvidence, policy: Policy) -> tuple[LeadKind, ...]:
    nameless = evidence.prior_failures >= policy.breach.prior_failures and not evidence.any_device
    return (*evidence.leads, *((LeadKind.FOREIGN_SUCCESS_AFTER_FAILURES,) if nameless else ()))


def _unclear(evidence: AccountEvidence, homes: Sequence[str], policy: Policy) -> tuple[str, ...]:
    reasons = []
    owned = evidence.own >= policy.breach.own_device_share * evidence.foreign_success_flows
    if evidence.foreign_success and not owned:
        reasons.append(
            f"{evidence.foreign_success} successful sign-ins from outside {', '.join(homes) or 'home'} are neither explained nor proven hostile: "
            "ask the owner about travel, VPN and devices."
        )
    if evidence.unknown_codes:
        reasons.append(f"{evidence.unknown_codes} sign-ins carry a code that is in no table; the account is not cleared.")
    return tuple(reasons)


def _breach_confidence(evidence: AccountEvidence, home: CaseHome, grounds: Sequence[str], policy: Policy) -> Confidence:
    lower = wilson_lower(evidence.foreign_success_flows, evidence.foreign_attempts)
    if set(grounds) - {"V1"} or (home.given and lower > policy.case.wilson_high):
        confidence = Confidence.HIGH
    else:
        confidence = Confidence.MEDIUM if lower > policy.case.wilson_medium else Confidence.LOW
    only_access = evidence.foreign_success_flows > 0 and evidence.by_access == evidence.foreign_success_flows and evidence.high == 0
    if only_access and confidence is Confidence.HIGH:
        return Confidence.MEDIUM
    return confidence


def _ground_sentence(ground: str, evidence: AccountEvidence) -> str:
    if ground == "V1":
        rate, low = evidence.foreign_attempt_success_rate or 0.0, evidence.rate_with_open_as_failure or 0.0
        open_text = f" ({low:.0%} if the {evidence.foreign_open} undecided ones failed)" if evidence.foreign_open else ""
        return (
            f"V1: {evidence.foreign_success_flows} of {evidence.foreign_attempts} foreign attempts succeeded ({rate:.0%}){open_text}, "
            "and neither the owner's devices, a standing egress nor travel explains them."
        )
    return {
        "V2": f"V2: {evidence.prior_failures} failures from the same country came in the days before the first foreign success.",
        "V3": f"V3: the address of a foreign success failed on {evidence.spray_victims} other accounts that never succeeded from it.",
        "V4": f"V4: {evidence.overlapping} foreign successes from an unknown device within hours of the owner's sign-ins at home.",
        "V5": f"V5: a foreign success was followed from the same address or session by {evidence.critical_operation}.",
    }[ground]


@dataclass(frozen=True)
class CaseEvidence:
    """What the evidence shows of the whole case. Rows unless named otherwise; `countless_*` rows have no country.

    `audit_logons_unmatched` are successful logons of the audit log that the sign-in log does not hold; `critical_operations` are (operation, rows)
    by persons; `sign_in_types` are the types present, lower case.
    """

    by_outcome: dict[Outcome, int] = field(default_factory=dict)
    firm_rows: int = 0
    foreign_rows: int = 0
    foreign_open_rows: int = 0
    success_without_country: int = 0
    by_access: int = 0
    flow_count: int = 0
    success_flows: int = 0
    foreign_attempts: int = 0
    foreign_success_flows: int = 0
    foreign_success_rows: int = 0
    failure_codes: int = 0
    sign_in_types: tuple[str, ...] = ()
    untyped: bool = False
    audit_success: int = 0
    audit_logons_unmatched: int = 0
    audit_unmatched_accounts: int = 0
    has_audit_log: bool = False
    critical_operations: tuple[tuple[str, int], ...] = ()
    weak_basis: bool = False
    dates_ambiguous: bool = False
    rejected_fields: tuple[str, ...] = ()

    @property
    def events(self) -> int:
        """All counted rows."""
        return sum(self.by_outcome.values())

    @property
    def success(self) -> int:
        """Successful rows."""
        return self.by_outcome.get(Outcome.SUCCESS, 0)

    @property
    def attempts(self) -> int:
        """Rows that are a success or a failure."""
        return sum(count for outcome, count in self.by_outcome.items() if outcome.is_attempt)

    @property
    def decided(self) -> int:
        """Rows neither UNKNOWN nor CONFLICT."""
        return sum(count for outcome, count in self.by_outcome.items() if outcome.is_decided)

    @property
    def decision_coverage(self) -> float:
        """Decided rows over all rows, 0..1."""
        return share(self.decided, self.events)

    @property
    def foreign_coverage(self) -> float:
        """Decided foreign rows over foreign rows, 1.0 where none is foreign."""
        return 1 - share(self.foreign_open_rows, self.foreign_rows)

    @property
    def foreign_attempt_success_rate(self) -> float | None:
        """Foreign successes over foreign attempts, flows."""
        return share(self.foreign_success_flows, self.foreign_attempts) if self.foreign_attempts else None

    @property
    def foreign_share_of_success(self) -> float | None:
        """Foreign successes over all successes, flows."""
        return share(self.foreign_success_flows, self.success_flows) if self.success_flows else None

    @property
    def foreign_share_of_all(self) -> float | None:
        """Foreign successes over all flows."""
        return share(self.foreign_success_flows, self.flow_count) if self.flow_count else None


@dataclass(frozen=True)
class CaseJudgement:
    """The verdict on the case: one headline sentence, why, what cannot be concluded and what was not tested."""

    verdict: CaseVerdict
    confidence: Confidence
    headline: str
    cannot_conclude: tuple[str, ...]
    not_tested: tuple[str, ...]


def judge_case(
    case_id: str, evidence: CaseEvidence, accounts: Iterable[AccountJudgement], home: CaseHome, policy: Policy
) -> CaseJudgement:
    """The first that applies: breach, no basis, all blocked, cannot conclude, no breach indicated."""
    judged = tuple(accounts)
    compromised = [one for one in judged if one.verdict is AccountVerdict.COMPROMISE_INDICATED]
    basis = _has_basis(evidence, policy)
    doubts = _doubts(evidence, judged, policy)
    tests = not_tested(evidence)
    if compromised and basis:
        confidence = max((one.confidence for one in compromised), key=lambda one: one.rank)
        return CaseJudgement(CaseVerdict.BREACH_INDICATED, confidence, _breach_headline(case_id, evidence, compromised), doubts, tests)
    missing = _no_basis(evidence, compromised, basis=basis)
    if missing:
        return _open(case_id, (*missing, *doubts), tests)
    if evidence.success == 0 and evidence.audit_success == 0 and evidence.decision_coverage >= policy.case.blocked_coverage:
        return _all_blocked(case_id, evidence, policy, tests)
    if doubts:
        return _open(case_id, doubts, tests)
    return _no_breach(case_id, evidence, home, judged, tests)


def _has_basis(evidence: CaseEvidence, policy: Policy) -> bool:
    return evidence.decided > 0 and evidence.firm_rows >= policy.case.basis_share * evidence.decided


def _no_basis(evidence: CaseEvidence, compromised: Sequence[AccountJudgement], *, basis: bool) -> tuple[str, ...]:
    if evidence.events == 0:
        return ("The evidence holds no sign-ins, so nothing can be said of any account.",)
    if evidence.attempts == 0:
        return ("The evidence holds no completed attempt: every sign-in is an interrupted step or has no known outcome.",)
    if not basis:
        hint = f" {len(compromised)} accounts would be indicated if it were trusted." if compromised else ""
        return (
            "The outcome rests on fields that cannot be told apart from a stuck column: fewer than half of the decided sign-ins were decided by a "
            f"field that can carry a verdict.{hint} Export the sign-ins again with their error codes.",
        )
    return ()


def _doubts(evidence: CaseEvidence, accounts: Sequence[AccountJudgement], policy: Policy) -> tuple[str, ...]:
    limits = policy.case
    found = []
    if evidence.events and evidence.decision_coverage < limits.min_coverage:
        found.append(f"Only {evidence.decision_coverage:.0%} of the sign-ins have a known outcome ({evidence.decided:,} of {evidence.events:,}).")
    if evidence.foreign_rows and evidence.foreign_coverage < limits.min_foreign_coverage:
        found.append(f"{evidence.foreign_open_rows:,} of {evidence.foreign_rows:,} foreign sign-ins have no known outcome.")
    if evidence.success_without_country > limits.unknown_country_share * evidence.success:
        found.append(
            f"{evidence.success_without_country:,} of {evidence.success:,} successful sign-ins have no known country, so an intruder among them cannot be told."
        )
    for verdict, words in (
        (AccountVerdict.SUSPICIOUS, "show a lead that must be followed"),
        (AccountVerdict.CANNOT_CONCLUDE, "have sign-ins that are neither explained nor proven hostile"),
    ):
        names = [one.evidence.account for one in accounts if one.verdict is verdict]
        if names:
            found.append(f"{_count(len(names), 'account')} {words if len(names) > 1 else _singular(words)}: {_some(names)}.")
    if evidence.critical_operations:
        listed = ", ".join(f"{name} ({rows})" for name, rows in evidence.critical_operations[:5])
        found.append(f"Critical operations by persons stand in the audit log and must be explained: {listed}.")
    if evidence.audit_logons_unmatched:
        found.append(
            f"{evidence.audit_logons_unmatched:,} successful logons of {_count(evidence.audit_unmatched_accounts, 'account')} in the audit log are not in the "
            "sign-in log; the sign-in export is incomplete or of another period."
        )
    homeless = sum(1 for one in accounts if not one.homes and one.evidence.success)
    if homeless:
        found.append(f"No home country is known for {_count(homeless, 'account')}; give it with --home-country or in case.toml.")
    return tuple(found)


def _singular(words: str) -> str:
    return words.replace("show ", "shows ", 1).replace("have ", "has ", 1)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _breach_headline(case_id: str, evidence: CaseEvidence, compromised: Sequence[AccountJudgement]) -> str:
    names = [one.evidence.account for one in compromised]
    rate = evidence.foreign_attempt_success_rate
    rate_text = f", {rate:.0%} of the foreign attempts" if rate is not None else ""
    verb = "is" if len(names) == 1 else "are"
    return (
        f"Case {case_id}: breach indicated. {_count(len(names), 'account')} {verb} in use by somebody else; the evidence holds "
        f"{_count(evidence.foreign_success_rows, 'successful foreign sign-in')}{rate_text}: {_some(names, 8)}."
    )


def _open(case_id: str, reasons: Sequence[str], tests: tuple[str, ...]) -> CaseJudgement:
    return CaseJudgement(CaseVerdict.CANNOT_CONCLUDE, Confidence.LOW, f"Case {case_id}: cannot conclude. {reasons[0]}", tuple(reasons), tests)


def _all_blocked(case_id: str, evidence: CaseEvidence, policy: Policy, tests: tuple[str, ...]) -> CaseJudgement:
    limits = policy.case
    high = evidence.attempts >= limits.blocked_high_rows and evidence.failure_codes >= limits.blocked_high_codes
    confidence = Confidence.LOW if evidence.weak_basis else Confidence.HIGH if high else Confidence.MEDIUM
    exposed = evidence.by_outcome.get(Outcome.BLOCKED_AFTER_FIRST_FACTOR, 0)
    tail = f" {exposed} of them came after a right password or token: reset those credentials." if exposed else ""
    sentence = (
        f"Case {case_id}: all blocked, {evidence.attempts:,} of {evidence.attempts:,} attempts failed and none succeeded "
        f"(decision coverage {evidence.decision_coverage:.0%}).{tail}"
    )
    return CaseJudgement(CaseVerdict.ALL_BLOCKED, confidence, sentence, (), tests)


def _no_breach(
    case_id: str, evidence: CaseEvidence, home: CaseHome, accounts: Sequence[AccountJudgement], tests: tuple[str, ...]
) -> CaseJudgement:
    all_types = {"interactiveuser", "noninteractiveuser", "serviceprincipal", "managedidentity"} <= set(evidence.sign_in_types)
    if evidence.weak_basis:
        confidence = Confidence.LOW
    else:
        confidence = Confidence.HIGH if all_types and home.given else Confidence.MEDIUM
    exposed = sum(1 for one in accounts if one.verdict is AccountVerdict.CREDENTIAL_EXPOSED)
    tail = f" {_count(exposed, 'account')} had a valid credential used from abroad and stopped after it: reset." if exposed else ""
    sentence = (
        f"Case {case_id}: no breach indicated in {evidence.events:,} sign-ins ({evidence.success:,} successful, decision coverage "
        f"{evidence.decision_coverage:.0%}). This is not an all-clear: see what was not tested.{tail}"
    )
    return CaseJudgement(CaseVerdict.NO_BREACH_INDICATED, confidence, sentence, (), tests)


def not_tested(evidence: CaseEvidence) -> tuple[str, ...]:
    """What this evidence cannot show, whatever the verdict."""
    types = set(evidence.sign_in_types)
    found = [
        "Sign-ins through a proxy in the owner's country, and adversary-in-the-middle pages that hand on a valid session, look like the owner.",
        "An attacker on the owner's own device cannot be told from the owner.",
    ]
    if "noninteractiveuser" not in types:
        found.append("Token replay: the non-interactive sign-in log is not in the evidence, or the export does not say which type its rows are.")
    if "serviceprincipal" not in types:
        found.append("Access by applications and service principals: their sign-in log is not in the evidence.")
    if evidence.has_audit_log:
        found.append("Mailbox reads are only logged with the licence and where logging was not throttled; their absence proves nothing.")
    else:
        found.append("What was done after sign-in: the unified audit log is not in the evidence.")
    return tuple(found)
