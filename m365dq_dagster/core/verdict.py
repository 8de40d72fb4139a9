"""From measured numbers to verdicts: accounts, the case, their confidence and the sentences that say why. Counting is
done by the adapters; what a single row means stands in `adjudication`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from m365dq_dagster.core.narrative import percent, plural
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, Outcome, at_most
from m365dq_dagster.core.overrides import not_verified
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.profile import share
from m365dq_dagster.core.sightings import NOTHING_OPEN, OpenValues, proposals

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
    KNOWN_BAD_ADDRESS = "KNOWN_BAD_ADDRESS"


LEAD_SENTENCES = {
    LeadKind.SUCCESS_AFTER_REJECTIONS: "an address was rejected repeatedly on the account and then succeeded",
    LeadKind.NEW_ADDRESS_ON_MANY_ACCOUNTS: (
        "an address that first appeared late succeeded on several accounts to which it is foreign"
    ),
    LeadKind.SUCCESS_AFTER_MFA_DENIALS: "the second factor was denied repeatedly and then a sign-in succeeded",
    LeadKind.LEGACY_FOREIGN_SUCCESS: "a legacy or password-grant sign-in from a foreign country succeeded",
    LeadKind.SESSION_IN_TWO_COUNTRIES: "one session was seen in two countries",
    LeadKind.KNOWN_BAD_ADDRESS: "a sign-in succeeded from an address that the case context names as known bad",
    LeadKind.FOREIGN_SUCCESS_AFTER_FAILURES: (
        "failures from a foreign country came before the first success from there; the export names no devices for "
        "this account, so this is a lead only"
    ),
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
    """What the evidence shows of one account.

    Plain names count rows; `*_flows`, `foreign_attempts`, `foreign_open`, `eligible`, `own`, `own_or_plausible`,
    `egress`, `naming_device`, `by_access`, `high`, `timed` and `overlapping` count flows; `prior_failures` too.
    `eligible` foreign successes are those from no known device and no standing egress; `own_homes` are the countries
    learned from the account itself; `success_untimed` says that no success of the account has a usable time.
    `refused_yet_active` counts rows of the audit log from addresses at which all its sign-ins were refused.
    `unfirm_rows` are decided rows that no verdict may rest on; `habitual` says that it was abroad from the first
    quarter of the window into its second half, on several days; `in_standing_country` counts foreign successes from
    countries that several accounts used from the start, `country_changes` how often one followed another from
    elsewhere, both flows; `open_values` are the unknown values that left rows open, those of logons that only the audit
    log tells included; `two_places` counts days on which it succeeded in a home of its own and elsewhere, from no
    device seen in both; `home_spray_victims` are accounts refused by an address that entered this one and is not
    foreign.
    """

    account: str
    row_count: int = 0
    success: int = 0
    blocked: int = 0
    rejected: int = 0
    unknown: int = 0
    foreign_success: int = 0
    foreign_accepted: int = 0
    attempts: int = 0
    unfirm_rows: int = 0
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
    country_changes: int = 0
    in_standing_country: int = 0
    days: int = 0
    home_days: int = 0
    habitual: bool = False
    spray_victims: int = 0
    prior_failures: int = 0
    overlapping: int = 0
    home_spray_victims: int = 0
    two_places: int = 0
    critical_operation: str | None = None
    own_homes: tuple[str, ...] = ()
    leads: tuple[LeadKind, ...] = ()
    refused_yet_active: int = 0
    open_values: OpenValues = NOTHING_OPEN

    @property
    def decision_coverage(self) -> float:
        """Rows of the account neither UNKNOWN nor CONFLICT over all of them, 0..1."""
        return share(self.row_count - self.unknown, self.row_count)

    @property
    def is_guest(self) -> bool:
        """True for an account of another tenant, whose name says so: the tenant's home countries are not its own."""
        return "#ext#" in self.account.lower()

    @property
    def foreign_failures(self) -> int:
        """Foreign attempts that did not succeed, flows."""
        return self.foreign_attempts - self.foreign_success_flows

    @property
    def eligible_attempts(self) -> int:
        """Foreign attempts that the first verification counts: eligible successes and all failures, flows."""
        return self.eligible + self.foreign_failures

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
    return attempts >= limits.min_attempts and share(successes, attempts) > limits.foreign_rate


@dataclass(frozen=True)
class Ruling:
    """A verdict with its confidence and the sentences behind it."""

    verdict: AccountVerdict
    confidence: Confidence
    reasons: tuple[str, ...]


def judge_account(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> AccountJudgement:
    """Order of verdicts: compromise, a lead, something unclear, an exposed credential, a target, no indication."""
    homes = tuple(sorted({*home.countries, *evidence.own_homes}))
    grounds = _grounds(evidence, home, policy)
    ruling = (
        _compromised(evidence, home, grounds, policy)
        or _suspicious(evidence, policy)
        or _unclear(evidence, homes, policy)
        or _exposed(evidence)
        or _quiet(evidence)
    )
    reasons = (*ruling.reasons, *_beside(evidence, ruling.verdict))
    if not homes:
        reasons = (*reasons, "No home country is known for this account, so no sign-in could be called foreign.")
    return AccountJudgement(
        evidence, ruling.verdict, ruling.confidence, homes, _home_source(evidence, home), grounds, reasons
    )


def _beside(evidence: AccountEvidence, verdict: AccountVerdict) -> tuple[str, ...]:
    """What unknown values leave open beside a verdict that they do not touch; one that stays open names them itself."""
    found = evidence.open_values
    if not found.values or verdict is AccountVerdict.CANNOT_CONCLUDE:
        return ()
    told = f"Beside that, {found.sentence}. They count neither as success nor as failure."
    return (told, *proposals(found.values))


def _home_source(evidence: AccountEvidence, home: CaseHome) -> HomeSource:
    if home.given:
        return HomeSource.CONTEXT
    if evidence.own_homes:
        return HomeSource.LEARNED
    return HomeSource.TENANT if home.countries else HomeSource.UNKNOWN


def _grounds(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> tuple[str, ...]:
    limits = policy.breach
    met = {
        "V2": evidence.prior_failures >= limits.prior_failures and evidence.any_device,
        "V3": max(evidence.spray_victims, evidence.home_spray_victims) >= limits.spray_accounts,
        "V4": evidence.overlapping >= limits.overlap_successes,
        "V5": evidence.critical_operation is not None,
    }
    others = tuple(name for name, holds in met.items() if holds)
    first = _first_ground(evidence, home, policy, supported=bool(others))
    return ("V1", *others) if first else others


def _first_ground(evidence: AccountEvidence, home: CaseHome, policy: Policy, *, supported: bool) -> bool:
    if not foreign_rate_indicator(evidence.eligible, evidence.eligible_attempts, policy):
        return False
    if evidence.success_untimed or evidence.timed == 0 or _explained(evidence, home, policy):
        return False
    by_access = evidence.by_access * 2 > evidence.foreign_success_flows
    return not by_access or supported or evidence.eligible >= policy.breach.min_successes_by_conditional_access


def _explained(evidence: AccountEvidence, home: CaseHome, policy: Policy) -> bool:
    limits, successes = policy.breach, evidence.foreign_success_flows
    if evidence.habitual or (evidence.is_guest and not evidence.own_homes):
        # Abroad from the first days until late is a way of life as much as an intruder's; a guest lives elsewhere.
        return True
    if not home.given and (not evidence.own_homes or evidence.days == 0):
        # Without a list or usable times a journey cannot be ruled out.
        return True
    if share(evidence.own_or_plausible, successes) >= limits.own_device_share:
        return True
    if share(evidence.egress, successes) >= limits.own_device_share:
        return True
    if not home.given and share(evidence.in_standing_country, successes) >= limits.own_device_share:
        # Without a list, a country that several accounts used from the first days may be where some of them live.
        return True
    one_by_one = evidence.country_changes < max(1, evidence.countries)
    travel_like = one_by_one and evidence.days >= limits.travel_days and evidence.home_days == 0
    return travel_like and (not home.given or evidence.naming_device == 0)


def _compromised(evidence: AccountEvidence, home: CaseHome, grounds: tuple[str, ...], policy: Policy) -> Ruling | None:
    if not grounds:
        return None
    reasons = [_ground_sentence(one, evidence, policy) for one in grounds]
    if "V1" in grounds and home.given and evidence.success == evidence.foreign_success:
        reasons.append(
            "It never succeeded from a listed country: somebody who works abroad and is missing from the list of home "
            "countries looks the same. Check the list."
        )
    reasons += _lead_sentences(_leads(evidence, policy))
    confidence = _breach_confidence(evidence, home, grounds, policy)
    return Ruling(AccountVerdict.COMPROMISE_INDICATED, confidence, tuple(reasons))


def _suspicious(evidence: AccountEvidence, policy: Policy) -> Ruling | None:
    leads = _leads(evidence, policy)
    if not leads:
        return None
    return Ruling(AccountVerdict.SUSPICIOUS, Confidence.MEDIUM, tuple(_lead_sentences(leads)))


def _leads(evidence: AccountEvidence, policy: Policy) -> tuple[LeadKind, ...]:
    nameless = evidence.prior_failures >= policy.breach.prior_failures and not evidence.any_device
    return (*evidence.leads, *((LeadKind.FOREIGN_SUCCESS_AFTER_FAILURES,) if nameless else ()))


def _lead_sentences(leads: Iterable[LeadKind]) -> list[str]:
    return [f"Lead: {LEAD_SENTENCES[one]}." for one in leads]


def _unclear(evidence: AccountEvidence, homes: Sequence[str], policy: Policy) -> Ruling | None:
    reasons = list(_undecided(evidence, policy))
    known = evidence.own_or_plausible if evidence.habitual else evidence.own
    owned = share(known, evidence.foreign_success_flows) >= policy.breach.own_device_share
    if evidence.foreign_success and not owned:
        reasons.append(
            f"{plural(evidence.foreign_success, 'successful sign-in')} from outside {', '.join(homes) or 'home'} "
            f"{_verb(evidence.foreign_success, 'is', 'are')} neither explained nor proven hostile: ask the owner about "
            "travel, VPN and devices."
        )
    if evidence.open_values.values:
        it = _verb(len(evidence.open_values.values), "it is", "they are")
        reasons.append(f"{evidence.open_values.sentence}. The account is not cleared until {it} known.")
        reasons += proposals(evidence.open_values.values)
    if evidence.refused_yet_active:
        count = evidence.refused_yet_active
        reasons.append(
            f"{plural(count, 'action')} in the audit log {_verb(count, 'comes', 'come')} from an address at which its "
            "sign-ins were refused, and no sign-in let it in: a token may have been issued without a row. Revoke its "
            "sessions."
        )
    if evidence.row_count and evidence.unknown == evidence.row_count:
        reasons.append(
            f"None of its {plural(evidence.row_count, 'sign-in')} has a known outcome, so nothing can be said of it."
        )
    return Ruling(AccountVerdict.CANNOT_CONCLUDE, Confidence.LOW, tuple(reasons)) if reasons else None


def _undecided(evidence: AccountEvidence, policy: Policy) -> Iterator[str]:
    """What keeps an account from being called free of an indication: its outcomes are not known, or rest on nothing."""
    decided = evidence.row_count - evidence.unknown
    if decided - evidence.unfirm_rows < policy.case.basis_share * decided:
        yield (
            "Its outcomes rest on fields that cannot be told apart from a stuck column, so neither a success nor a "
            "failure can be leaned on."
        )
    if evidence.two_places >= policy.breach.habit_days:
        yield (
            "A home of its own was learned beside the case's, and on "
            f"{plural(evidence.two_places, 'day')} it succeeded both there and elsewhere, from no device that is "
            "seen in both: two people may use it, one of them from the first days."
        )
    rows = evidence.foreign_attempts + evidence.foreign_open
    if share(evidence.foreign_open, rows) > 1 - policy.case.min_foreign_coverage:
        yield (
            f"{evidence.foreign_open:,} of {plural(rows, 'sign-in')} from abroad "
            f"{_verb(evidence.foreign_open, 'has', 'have')} no known outcome, and "
            f"{_verb(evidence.foreign_open, 'it', 'any of them')} may have succeeded."
        )


def _exposed(evidence: AccountEvidence) -> Ruling | None:
    count = evidence.foreign_accepted
    if not count or evidence.foreign_success:
        return None
    told = (
        f"{plural(count, 'foreign sign-in')} got past the first factor and no further: a valid credential or token is "
        f"in use from abroad. Reset it, unless the owner knows of {_verb(count, 'that sign-in', 'those sign-ins')}."
    )
    return Ruling(AccountVerdict.CREDENTIAL_EXPOSED, Confidence.MEDIUM, (told,))


def _quiet(evidence: AccountEvidence) -> Ruling:
    if evidence.attempts and not evidence.success:
        verdict, told = AccountVerdict.TARGETED, f"{plural(evidence.attempts, 'attempt')}, none succeeded."
    else:
        verdict = AccountVerdict.NO_INDICATION
        told = "Nothing in this evidence indicates misuse; what was not tested is listed with the case."
    if not evidence.unknown:
        return Ruling(verdict, Confidence.MEDIUM, (told,))
    left = (
        f"{evidence.unknown:,} of its {plural(evidence.row_count, 'sign-in')} {_verb(evidence.unknown, 'has', 'have')} "
        "no known outcome."
    )
    return Ruling(verdict, Confidence.MEDIUM, (told, left))


def _breach_confidence(evidence: AccountEvidence, home: CaseHome, grounds: Sequence[str], policy: Policy) -> Confidence:
    lower = wilson_lower(evidence.eligible, evidence.eligible_attempts)
    if set(grounds) - {"V1"} or (home.given and lower > policy.case.wilson_high):
        confidence = Confidence.HIGH
    else:
        confidence = Confidence.MEDIUM if lower > policy.case.wilson_medium else Confidence.LOW
    only_access = 0 < evidence.foreign_success_flows == evidence.by_access and evidence.high == 0
    return at_most(confidence, Confidence.MEDIUM) if only_access else confidence


def _ground_sentence(ground: str, evidence: AccountEvidence, policy: Policy) -> str:
    limits = policy.breach
    return {
        "V1": _rate_sentence(evidence),
        "V2": (
            f"V2: {plural(evidence.prior_failures, 'failure')} from the country of a foreign success came in the "
            f"{plural(limits.prior_failure_days, 'day')} before it."
        ),
        "V3": _spray_sentence(evidence),
        "V4": (
            f"V4: {plural(evidence.overlapping, 'foreign success', 'foreign successes')} from an unknown device came "
            f"within {plural(limits.overlap_hours, 'hour')} of a success at home."
        ),
        "V5": (
            f"V5: a foreign success was followed within {plural(limits.indicator_hours, 'hour')}, from the same "
            f"address or session, by {evidence.critical_operation}."
        ),
    }[ground]


def _spray_sentence(evidence: AccountEvidence) -> str:
    if evidence.spray_victims >= evidence.home_spray_victims:
        victims = plural(evidence.spray_victims, "other account")
        return f"V3: the address of a foreign success failed on {victims} that never succeeded from it."
    victims = plural(evidence.home_spray_victims, "other account")
    return (
        f"V3: an address that appeared late, not from abroad, was refused on {victims} that it never entered, and "
        "succeeded here."
    )


def _rate_sentence(evidence: AccountEvidence) -> str:
    rate = percent(evidence.foreign_attempt_success_rate)
    if evidence.foreign_open:
        left = plural(evidence.foreign_open, "undecided one")
        rate += f", or {percent(evidence.rate_with_open_as_failure)} if the {left} failed"
    counted = ""
    if evidence.eligible < evidence.foreign_success_flows:
        counted = f"; {evidence.eligible:,} of them came from no known device and no standing egress"
    return (
        f"V1: {evidence.foreign_success_flows:,} of {plural(evidence.foreign_attempts, 'foreign attempt')} succeeded "
        f"({rate}){counted}, and neither the owner's devices, a standing egress nor travel explains them."
    )


@dataclass(frozen=True)
class CaseEvidence:
    """What the evidence shows of the whole case. Counts are rows unless named otherwise.

    `accepted_rows` are rows that are no success and yet follow a right password or token. `audit_success` counts
    successes that stay out of the totals because another log tells the same sign-ins; `audit_logons_unmatched` are
    those of the audit log that the sign-in log does not hold; `critical_operations` are (operation, rows) by persons;
    `accounts_at_risk` those that a risk engine holds open at a high level or whose compromise was confirmed;
    `sign_in_types` are the types present, lower case; `weak_basis` says that only uniform fields and Conditional Access
    decide; `sure_foreign_success` counts foreign successes of more than LOW confidence. `nameless_success` are those
    outside the case's home that name no account and come from no application. `unseen_accounts` are at work in the
    audit log although no sign-in of the sign-in log could have let them in. `open_values` are the unknown values that
    left sign-ins of `open_accounts` open.
    """

    by_outcome: dict[Outcome, int] = field(default_factory=dict)
    firm_rows: int = 0
    foreign_rows: int = 0
    foreign_open_rows: int = 0
    success_without_country: int = 0
    without_country: int = 0
    accepted_rows: int = 0
    by_access: int = 0
    flow_count: int = 0
    success_flows: int = 0
    foreign_attempts: int = 0
    foreign_success_flows: int = 0
    foreign_success_rows: int = 0
    failure_codes: int = 0
    sign_in_types: tuple[str, ...] = ()
    audit_success: int = 0
    audit_logons_unmatched: int = 0
    audit_unmatched_accounts: int = 0
    has_audit_log: bool = False
    critical_operations: tuple[tuple[str, int], ...] = ()
    accounts_at_risk: tuple[str, ...] = ()
    weak_basis: bool = False
    sure_foreign_success: int = 0
    nameless_success: int = 0
    dates_ambiguous: bool = False
    absent_accounts: tuple[str, ...] = ()
    window_gap: str | None = None
    unread_files: tuple[str, ...] = ()
    quarantined: int = 0
    unseen_accounts: tuple[str, ...] = ()
    open_values: OpenValues = NOTHING_OPEN
    open_accounts: int = 0

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
        return share(self.foreign_rows - self.foreign_open_rows, self.foreign_rows) if self.foreign_rows else 1.0

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
    doubts, tests = _doubts(evidence, judged, policy), (*not_tested(evidence), *_settled_abroad(judged, home))
    missing = _missing_basis(evidence, compromised, policy)
    if compromised and not missing:
        return _breach(case_id, evidence, compromised, doubts, tests)
    if missing:
        return _open(case_id, (missing, *doubts), tests)
    if _nothing_succeeded(evidence) and evidence.decision_coverage >= policy.case.blocked_coverage:
        return _all_blocked(case_id, evidence, doubts, tests, policy)
    if doubts:
        return _open(case_id, doubts, tests)
    return _no_breach(case_id, evidence, home, judged, tests)


def without_all_clear(case_id: str, case: CaseJudgement, unverified: Sequence[str]) -> CaseJudgement:
    """The verdict that may be said while the quality gate does not stand whole; `unverified` says why it does not.

    A breach that the evidence shows stays one. What rests on the absence of something, that nothing succeeded or that
    nothing indicates a breach, may have been lost with what the gate guards, so it cannot be concluded.
    """
    if not unverified or case.verdict not in (CaseVerdict.ALL_BLOCKED, CaseVerdict.NO_BREACH_INDICATED):
        return case
    withheld = (
        "That nothing succeeded or that no breach is indicated is not said while the quality gate does not stand: "
        f"{'; '.join(unverified)}. Mend the evidence and end the override, or switch the check on again, and run the "
        "case again."
    )
    return _open(case_id, (withheld, *case.cannot_conclude), case.not_tested)


def hedged(one: AccountJudgement, unverified: Sequence[str]) -> AccountJudgement:
    """The verdict on an account while the quality gate does not stand whole: that nothing speaks against it, or that
    no attempt succeeded, is then worth little and says so.
    """
    if not unverified or one.verdict not in (AccountVerdict.TARGETED, AccountVerdict.NO_INDICATION):
        return one
    told = f"This clears nobody; it is {not_verified(unverified)}."
    return replace(one, confidence=at_most(one.confidence, Confidence.LOW), reasons=(*one.reasons, told))


def _nothing_succeeded(evidence: CaseEvidence) -> bool:
    return evidence.success == 0 and evidence.audit_success == 0 and not evidence.unseen_accounts


def _missing_basis(evidence: CaseEvidence, compromised: Sequence[AccountJudgement], policy: Policy) -> str | None:
    """Why no verdict may be given at all, or None."""
    if evidence.events == 0:
        return "The evidence holds no sign-ins, so nothing can be said of any account."
    if evidence.attempts == 0:
        return "The evidence holds no completed attempt: every sign-in is an interrupted step or has no known outcome."
    if share(evidence.firm_rows, evidence.decided) >= policy.case.basis_share:
        return None
    hint = ""
    if compromised:
        hint = f" {plural(len(compromised), 'account')} would be indicated if they were trusted."
    return (
        "The outcome rests on fields that cannot be told apart from a stuck column: fewer than half of the decided "
        f"sign-ins were decided by a field that can carry a verdict.{hint} Export the sign-ins again with their error "
        "codes."
    )


def _doubts(evidence: CaseEvidence, accounts: Sequence[AccountJudgement], policy: Policy) -> tuple[str, ...]:
    """What keeps the case from being concluded, the gravest first."""
    found = (
        *_open_rows(evidence, policy),
        *_unknown_values(evidence),
        *_places(evidence, policy),
        *_nameless(evidence),
        *_people(accounts),
        *_other_logs(evidence, policy),
        *_scope(evidence),
        *_homeless(accounts),
    )
    return tuple(found)


def _open_rows(evidence: CaseEvidence, policy: Policy) -> Iterator[str]:
    if evidence.events and evidence.decision_coverage < policy.case.min_coverage:
        yield (
            f"Only {percent(evidence.decision_coverage)} of the sign-ins have a known outcome ({evidence.decided:,} of "
            f"{evidence.events:,}): see which fields may testify and which codes are unknown."
        )
    if evidence.foreign_coverage < policy.case.min_foreign_coverage:
        yield (
            f"{evidence.foreign_open_rows:,} of {plural(evidence.foreign_rows, 'foreign sign-in')} "
            f"{_verb(evidence.foreign_open_rows, 'has', 'have')} no known outcome."
        )


def _unknown_values(evidence: CaseEvidence) -> Iterator[str]:
    found = evidence.open_values
    if found.values:
        whose = f" of {plural(evidence.open_accounts, 'account')}" if evidence.open_accounts else ""
        yield (
            f"{found.sentence}{whose and f', on sign-ins{whose}'}. They count neither as success nor as failure: look "
            "each up (m365dq codes lookup), propose what it means (m365dq codes add), and run the case again once that "
            "is approved."
        )
        yield from proposals(found.values)


def _places(evidence: CaseEvidence, policy: Policy) -> Iterator[str]:
    unplaced = evidence.success_without_country
    if evidence.events and evidence.without_country == evidence.events:
        yield (
            "No sign-in has a known country, so none could be called foreign and an intruder among them cannot be "
            "told; export again with locations."
        )
    elif share(unplaced, evidence.success) > policy.case.unknown_country_share:
        yield (
            f"{unplaced:,} of {plural(evidence.success, 'successful sign-in')} {_verb(unplaced, 'has', 'have')} no "
            "known country, so an intruder among them cannot be told."
        )


def _nameless(evidence: CaseEvidence) -> Iterator[str]:
    count = evidence.nameless_success
    if count:
        yield (
            f"{plural(count, 'successful sign-in')} from outside the home countries {_verb(count, 'names', 'name')} no "
            "account, so whose home to hold against it cannot be told; export again with user names or user ids."
        )


def _people(accounts: Sequence[AccountJudgement]) -> Iterator[str]:
    leads = [one.evidence.account for one in accounts if one.verdict is AccountVerdict.SUSPICIOUS]
    if leads:
        yield (
            f"{plural(len(leads), 'account')} {_verb(len(leads), 'shows a lead', 'show leads')} to be followed: "
            f"{_some(leads)}."
        )
    unclear = [one for one in accounts if one.verdict is AccountVerdict.CANNOT_CONCLUDE]
    abroad = [one.evidence.account for one in unclear if one.evidence.foreign_success]
    if abroad:
        yield (
            f"{plural(len(abroad), 'account')} {_verb(len(abroad), 'has', 'have')} sign-ins neither explained nor "
            f"proven hostile: {_some(abroad)}."
        )
    others = [one.evidence.account for one in unclear if not one.evidence.foreign_success]
    if others:
        yield (
            f"{plural(len(others), 'account')} {_verb(len(others), 'has', 'have')} sign-ins whose outcome or owner the "
            f"evidence leaves open: {_some(others)}."
        )


def _scope(evidence: CaseEvidence) -> Iterator[str]:
    """What the case context asks about and the evidence does not hold."""
    absent = evidence.absent_accounts
    if absent:
        yield (
            f"{plural(len(absent), 'account')} in scope {_verb(len(absent), 'does', 'do')} not occur in the evidence, "
            f"so nothing can be said of {_verb(len(absent), 'it', 'them')}: {_some(absent)}."
        )
    if evidence.window_gap:
        yield evidence.window_gap


def _other_logs(evidence: CaseEvidence, policy: Policy) -> Iterator[str]:
    if evidence.critical_operations:
        listed = _some([f"{name} ({rows:,})" for name, rows in evidence.critical_operations])
        yield f"Critical operations by persons must be explained: {listed}."
    if evidence.accounts_at_risk:
        names = evidence.accounts_at_risk
        yield (
            f"A risk engine holds {plural(len(names), 'account')} at high risk or confirmed compromised, which must be "
            f"explained or closed: {_some(names)}."
        )
    if _unmatched_share(evidence) > policy.case.unknown_country_share:
        yield (
            f"{plural(evidence.audit_logons_unmatched, 'successful logon')} of "
            f"{plural(evidence.audit_unmatched_accounts, 'account')} in the audit log "
            f"{_verb(evidence.audit_logons_unmatched, 'is', 'are')} not in the sign-in log; the sign-in export is "
            "incomplete or of another period."
        )
    elif evidence.audit_success and not evidence.success:
        yield (
            f"The sign-in log holds no success, yet another log of this case holds "
            f"{plural(evidence.audit_success, 'successful logon')}: find out which of the two is wrong."
        )
    if evidence.unseen_accounts and not evidence.success:
        names = evidence.unseen_accounts
        yield (
            f"The sign-in log holds no success, yet the audit log shows {plural(len(names), 'account')} at work in "
            f"that time: {_some(names)}. Sign-ins without a row, or rows that were filtered out, are not ruled out."
        )


def _unmatched_share(evidence: CaseEvidence) -> float:
    """Successes that only the audit log holds, which has no countries, over all successes known."""
    return share(evidence.audit_logons_unmatched, evidence.success + evidence.audit_logons_unmatched)


def _homeless(accounts: Sequence[AccountJudgement]) -> Iterator[str]:
    homeless = sum(1 for one in accounts if not one.homes and one.evidence.success)
    if homeless:
        yield (
            f"No home country is known for {plural(homeless, 'account')}; give it with --home-country or in case.toml."
        )


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def _breach(
    case_id: str,
    evidence: CaseEvidence,
    compromised: Sequence[AccountJudgement],
    doubts: tuple[str, ...],
    tests: tuple[str, ...],
) -> CaseJudgement:
    names = [one.evidence.account for one in compromised]
    rate = evidence.foreign_attempt_success_rate
    known = f"decision coverage {percent(evidence.decision_coverage)}"
    rate_text = f"; {percent(rate)} of the foreign attempts succeeded ({known})" if rate is not None else ""
    held = f"{plural(evidence.foreign_success_rows, 'successful foreign sign-in')}{rate_text}"
    headline = (
        f"Case {case_id}: breach indicated. Somebody else seems to use {plural(len(names), 'account')}: "
        f"{_some(names, 8)}. "
        + (f"The evidence holds {held}." if evidence.foreign_success_rows else "None of it came from abroad.")
    )
    confidence = max((one.confidence for one in compromised), key=lambda one: one.rank)
    if not evidence.sure_foreign_success:
        # All of them were told by a uniform field, which carries at most LOW.
        confidence = at_most(confidence, Confidence.LOW)
    return CaseJudgement(CaseVerdict.BREACH_INDICATED, confidence, headline, doubts, tests)


def _open(case_id: str, reasons: tuple[str, ...], tests: tuple[str, ...]) -> CaseJudgement:
    headline = f"Case {case_id}: cannot conclude. {reasons[0]}"
    return CaseJudgement(CaseVerdict.CANNOT_CONCLUDE, Confidence.LOW, headline, reasons, tests)


def _all_blocked(
    case_id: str, evidence: CaseEvidence, doubts: tuple[str, ...], tests: tuple[str, ...], policy: Policy
) -> CaseJudgement:
    limits, rows = policy.case, evidence.accepted_rows
    high = evidence.attempts >= limits.blocked_high_rows and evidence.failure_codes >= limits.blocked_high_codes
    confidence = Confidence.LOW if evidence.weak_basis else Confidence.HIGH if high else Confidence.MEDIUM
    if evidence.open_values.values:
        confidence = at_most(confidence, Confidence.MEDIUM)
    exposed = (
        f" {plural(rows, 'sign-in')} came after a right password or token: reset "
        f"{_verb(rows, 'that credential', 'those credentials')}."
        if rows
        else ""
    )
    left_open = f" Not settled by that: {doubts[0]}" if doubts else ""
    headline = (
        f"Case {case_id}: all blocked, {evidence.attempts:,} of {plural(evidence.attempts, 'attempt')} failed and none "
        f"succeeded (decision coverage {percent(evidence.decision_coverage)}).{exposed}{left_open}"
    )
    return CaseJudgement(CaseVerdict.ALL_BLOCKED, confidence, headline, doubts, tests)


ALL_SIGN_IN_TYPES = frozenset({"interactiveuser", "noninteractiveuser", "serviceprincipal", "managedidentity"})


def _no_breach(
    case_id: str, evidence: CaseEvidence, home: CaseHome, accounts: Sequence[AccountJudgement], tests: tuple[str, ...]
) -> CaseJudgement:
    complete = set(evidence.sign_in_types) >= ALL_SIGN_IN_TYPES and home.given
    confidence = Confidence.LOW if evidence.weak_basis else Confidence.HIGH if complete else Confidence.MEDIUM
    exposed = sum(1 for one in accounts if one.verdict is AccountVerdict.CREDENTIAL_EXPOSED)
    reset = (
        f" On {plural(exposed, 'account')} a valid credential or token was used from abroad and stopped after the "
        f"first factor: reset {_verb(exposed, 'it', 'them')}."
        if exposed
        else ""
    )
    headline = (
        f"Case {case_id}: no breach indicated in {plural(evidence.events, 'sign-in')} ({evidence.success:,} "
        f"successful, decision coverage {percent(evidence.decision_coverage)}). This is not an all-clear: see what was "
        f"not tested.{reset}"
    )
    return CaseJudgement(CaseVerdict.NO_BREACH_INDICATED, confidence, headline, (), tests)


def _settled_abroad(accounts: Iterable[AccountJudgement], home: CaseHome) -> Iterator[str]:
    """Who has a home of their own beside the case's: an intruder who was there from the start looks the same."""
    settled = [
        f"{one.evidence.account} ({', '.join(others)})"
        for one in accounts
        if (others := sorted({*one.evidence.own_homes} - {*home.countries}))
    ]
    if home.countries and settled:
        yield (
            "Countries that were learned as an account's own home beside those of the case; an intruder who was there "
            f"from the first days looks the same, so ask the owner: {_some(settled)}."
        )


def not_tested(evidence: CaseEvidence) -> tuple[str, ...]:
    """What this evidence cannot show, whatever the verdict."""
    return tuple(_untested(evidence, set(evidence.sign_in_types)))


def _untested(evidence: CaseEvidence, types: set[str]) -> Iterator[str]:
    yield (
        "Sign-ins through a proxy in the owner's country, and adversary-in-the-middle pages that hand on a valid "
        "session, look like the owner."
    )
    yield "An attacker on the owner's own device cannot be told from the owner."
    if "noninteractiveuser" not in types:
        yield (
            "Token replay: the non-interactive sign-in log is not in the evidence, or the export does not say which "
            "type its rows are."
        )
    if "serviceprincipal" not in types:
        yield "Access by applications and service principals: their sign-in log is not in the evidence."
    if evidence.has_audit_log:
        yield (
            "Mailbox reads are only logged with the licence and where logging was not throttled; their absence proves "
            "nothing."
        )
    else:
        yield "What was done after sign-in, reading mail among it: the unified audit log is not in the evidence."
    unread = evidence.unread_files
    if unread:
        yield (
            f"What {plural(len(unread), 'file')} of the folder {_verb(len(unread), 'holds', 'hold')}: no known log was "
            f"found in {_verb(len(unread), 'it', 'them')} ({_some(unread)})."
        )
    if evidence.quarantined:
        yield f"What {plural(evidence.quarantined, 'row')} would tell that could not be read; see the quarantine."
    if evidence.audit_logons_unmatched:
        yield (
            f"{plural(evidence.audit_logons_unmatched, 'successful logon')} that only the audit log holds: it has no "
            "countries, so whether they were foreign cannot be told."
        )
    if evidence.dates_ambiguous:
        yield (
            "What depends on time: in at least one file the order of day and month could not be told from its dates; "
            "give it with --date-order."
        )
