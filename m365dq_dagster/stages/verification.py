"""Verification: adjudicate every logon, fold flows, learn homes, and reach the verdicts on accounts and case with
their findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from m365dq_dagster.adapters import measure
from m365dq_dagster.core.adjudication import Decision, adjudicate
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.limits import Limits, activity_detail, sentences
from m365dq_dagster.core.outcome import CaseStage, CaseVerdict, FieldState, LogType, Outcome, Severity
from m365dq_dagster.core.overrides import not_verified
from m365dq_dagster.core.reliability import heard_in
from m365dq_dagster.core.sightings import NOTHING_OPEN, unjudged_operations
from m365dq_dagster.core.verdict import (
    AccountJudgement,
    CaseEvidence,
    CaseHome,
    CaseJudgement,
    Lead,
    hedged,
    judge_account,
    judge_case,
    without_all_clear,
)
from m365dq_dagster.stages import indicators, limits, places, sightings
from m365dq_dagster.stages.case_run import CaseRun, Judging
from m365dq_dagster.stages.findings import findings
from m365dq_dagster.stages.quality import OUTGROWN, Judged, judged_fields, load_pack_tables
from m365dq_dagster.stages.stamps import stamp

STAGE = "verification"
RUNBOOK = "docs/runbooks/breach-indicator.md"
UNCLEAR_RUNBOOK = "docs/runbooks/troubleshooting.md"


@dataclass(frozen=True)
class VerificationReport:
    """The case judged: verdict, accounts, and the verdict as a check."""

    case: CaseJudgement
    evidence: CaseEvidence
    accounts: tuple[AccountJudgement, ...]
    leads: tuple[Lead, ...]
    verifiers: int
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class Adjudicated:
    """What is known once every logon has its outcome: about locations, the window in time, and the case's home."""

    places: places.Places
    window: measure.Window
    home: CaseHome


def adjudicated(run: Judging, fields: Judged) -> Adjudicated:
    """Decide every logon by the fields that may testify, settle where it came from, learn homes and fold flows."""
    con, policy = run.con, run.pack.policy
    load_pack_tables(run)
    measure.read_logons(con, fields)
    run.progress.step(STAGE, "adjudicating sign-ins")
    with run.watch.lap("adjudication"):
        measure.keep_decisions(con, _decisions(run, fields))
    place = places.find(run)
    with run.watch.lap("adjudication"):
        window = measure.join_decisions(con, policy)
    home = _case_home(run)
    run.progress.step(STAGE, "folding flows and learning homes")
    measure.build_events(con, run.context, home.countries, window, policy)
    return Adjudicated(place, window, home)


def run(run: CaseRun) -> VerificationReport:
    """Adjudicate, count, judge, keep."""
    con, policy = run.con, run.pack.policy
    run.once(OUTGROWN, lambda: measure.drop_outgrown(con))
    fields = judged_fields(run)
    told = adjudicated(run, fields)
    place, window, home = told.places, told.window, told.home
    run.progress.step(STAGE, "reading operations")
    indicators.read_acts(run)
    run.progress.step(STAGE, "judging accounts")
    found, leads = measure.account_evidence(con, window, policy)
    known = limits.measured(run)
    left_open, of_account = sightings.left_open(run)
    active = {one.account: one.from_refused for one in known.unseen if one.from_refused}
    evidence = [
        replace(
            one,
            refused_yet_active=active.get(one.account, 0),
            open_values=of_account.get(one.account, NOTHING_OPEN),
        )
        if one.account in active or one.account in of_account
        else one
        for one in found
    ]
    unverified = run.taints
    accounts = tuple(hedged(judge_account(one, home, policy), unverified) for one in evidence)
    case_evidence = replace(
        _case_evidence(run, fields, window, known), open_values=left_open, open_accounts=len(of_account)
    )
    judged = without_all_clear(run.case_id, judge_case(run.case_id, case_evidence, accounts, home, policy), unverified)
    unjudged = unjudged_operations(sightings.unknown(run))
    case = replace(judged, not_tested=(*judged.not_tested, *sentences(known), *unjudged, *place.limits))
    _keep(run, case, case_evidence, accounts, leads, home)
    measure.keep_json(con, "conflicts", [*_conflicts(run), *places.conflicts(run, place), *_unseen(known)])
    with run.watch.lap("findings"):
        measure.keep_json(con, "findings", findings(run, case, accounts, fields, left_open))
    stamp(run, STAGE)
    checks = (verdict_check(case, accounts, unverified),)
    now = run.clock.now()
    run.registry.record_checks(run.case_id, run.run_id, (*place.checks, *checks), now)
    run.registry.set_stage(run.case_id, CaseStage.VERIFIED, now)
    return VerificationReport(case, case_evidence, accounts, tuple(leads), indicators.verifiers_ran(con), checks)


def _decisions(run: Judging, fields: Judged) -> list[tuple[LogType, str, Decision, bool]]:
    found = []
    for log_type, combos in measure.combos(run.con).items():
        heard = {part: heard_in(fields[log_type], part) for part in {combo.part for combo in combos.values()}}
        firm = {one.spec.field for one in fields[log_type] if one.firm}
        for key, combo in combos.items():
            decision = adjudicate(combo, heard[combo.part], run.pack.vocabulary)
            found.append((log_type, key, decision, decision.decided_by in firm and decision.outcome.is_decided))
    return found


def _case_home(run: Judging) -> CaseHome:
    if run.context.home_countries:
        return CaseHome(run.context.home_countries, True)
    limits = run.pack.policy.home
    rows = measure.modal_countries(run.con)
    if sum(days for *_, days in rows) < limits.tenant_account_days:
        return CaseHome((), False)
    return CaseHome(
        tuple(country for country, accounts, total, _ in rows if accounts >= limits.tenant_share * total), False
    )


def _window_gap(run: CaseRun, window: measure.Window) -> str | None:
    """A sentence where the sign-ins do not reach over the incident window of the case context; None where they do."""
    begins, ends = run.context.window_from, run.context.window_to
    if window.begins is None or window.ends is None:
        return None
    late = begins is not None and window.begins.date() > datetime.fromisoformat(begins).date()
    early = ends is not None and window.ends.date() < datetime.fromisoformat(ends).date()
    if not late and not early:
        return None
    return (
        f"The incident window is {begins or 'open'} to {ends or 'open'}, but the sign-ins reach from "
        f"{window.begins:%Y-%m-%d} to {window.ends:%Y-%m-%d} only; export the missing days."
    )


def _absent_accounts(run: CaseRun) -> tuple[str, ...]:
    asked = list(run.context.accounts_in_scope)
    if not asked:
        return ()
    return tuple(row[0] for row in measure.run_named(run.con, "absent_accounts", {"accounts": asked}, file="accounts"))


def _case_evidence(run: CaseRun, fields: Judged, window: measure.Window, known: Limits) -> CaseEvidence:
    con = run.con
    rows = measure.outcome_rows(con)
    counted = [row for row in rows if row[1]]
    uncounted_success = sum(int(row[3]) for row in rows if not row[1] and row[2] == "SUCCESS")
    by_outcome: dict[Outcome, int] = {}
    for row in counted:
        by_outcome[Outcome(row[2])] = by_outcome.get(Outcome(row[2]), 0) + int(row[3])
    success = [row for row in counted if row[2] == "SUCCESS"]
    open_rows = [row for row in counted if not Outcome(row[2]).is_decided]
    flows = measure.run_named(con, "case_flows", file="accounts")[0]
    audited = LogType.UAL in fields
    unmatched = measure.run_named(con, "unmatched_audit_logons", file="accounts")[0] if audited else (0, 0)
    failure_codes, sign_in_types, sure_foreign, nameless = measure.run_named(con, "case_numbers", file="accounts")[0]
    critical = measure.run_named(con, "critical_by_persons", file="accounts")
    deciding = [one for judged in fields.values() for one in judged if one.may_testify and one.decisiveness]
    return CaseEvidence(
        by_outcome=by_outcome,
        firm_rows=sum(int(row[4]) for row in counted),
        foreign_rows=sum(int(row[5]) for row in counted),
        foreign_open_rows=sum(int(row[5]) for row in open_rows),
        success_without_country=sum(int(row[6]) for row in success),
        without_country=sum(int(row[6]) for row in counted),
        accepted_rows=sum(int(row[8]) for row in counted),
        by_access=sum(int(row[7]) for row in counted),
        flow_count=int(flows[0]),
        success_flows=int(flows[1]),
        foreign_attempts=int(flows[2]),
        foreign_success_flows=int(flows[3]),
        foreign_success_rows=sum(int(row[5]) for row in success),
        failure_codes=int(failure_codes),
        sign_in_types=tuple(sign_in_types or ()),
        audit_success=uncounted_success,
        audit_logons_unmatched=int(unmatched[0]),
        audit_unmatched_accounts=int(unmatched[1]),
        has_audit_log=audited,
        dates_ambiguous=bool(measure.run_named(con, "ambiguous_dates", file="accounts")[0][0]),
        absent_accounts=_absent_accounts(run),
        window_gap=_window_gap(run, window),
        unread_files=tuple(row[0] for row in measure.run_named(con, "unread_files", file="accounts")),
        quarantined=sum(row["rows"] for row in measure.mappings(con, "quarantine")),
        critical_operations=tuple((row[0], int(row[1])) for row in critical),
        accounts_at_risk=tuple(row[0] for row in measure.run_named(con, "accounts_at_risk", file="accounts")),
        nameless_success=int(nameless),
        sure_foreign_success=int(sure_foreign),
        unseen_accounts=tuple(one.account for one in known.unseen),
        weak_basis=all(one.state is FieldState.UNIFORM or str(one.spec.witness) == "secondary" for one in deciding),
    )


def verdict_check(
    case: CaseJudgement, accounts: Sequence[AccountJudgement], unverified: Sequence[str] = ()
) -> CheckResult:
    """The verdict as a check that never blocks: a breach is an ERROR to look at, what cannot be concluded a warning.

    `unverified` says why none of it is verified, where that is so.
    """
    breach = case.verdict is CaseVerdict.BREACH_INDICATED
    open_case = case.verdict is CaseVerdict.CANNOT_CONCLUDE
    severity = Severity.CRITICAL if breach else Severity.WARNING if open_case else Severity.INFO
    worst = [
        one
        for one in accounts
        if one.verdict.value in ("COMPROMISE_INDICATED", "SUSPICIOUS", "CANNOT_CONCLUDE", "CREDENTIAL_EXPOSED")
    ]
    worst.sort(key=lambda one: list(type(one.verdict)).index(one.verdict))
    return CheckResult(
        name="verdict",
        stage=STAGE,
        passed=not breach and not open_case,
        blocking=False,
        severity=severity,
        headline=f"{case.headline} {not_verified(unverified).capitalize()}." if unverified else case.headline,
        runbook=RUNBOOK if breach else UNCLEAR_RUNBOOK,
        table=tuple(
            {
                "account": one.evidence.account,
                "verdict": str(one.verdict),
                "foreign successes": one.evidence.foreign_success,
                "confidence": str(one.confidence),
            }
            for one in worst[:20]
        ),
        reason=str(case.verdict) if breach or open_case else "",
    )


def _keep(
    run: CaseRun,
    case: CaseJudgement,
    evidence: CaseEvidence,
    accounts: Sequence[AccountJudgement],
    leads: Sequence[Lead],
    home: CaseHome,
) -> None:
    con = run.con
    measure.keep_json(con, "account_verdicts", (account_row(one) for one in accounts))
    measure.keep_json(
        con,
        "leads",
        (
            {
                "kind": str(one.kind),
                "accounts": list(one.accounts),
                "addresses": list(one.addresses),
                "from": one.begins,
                "to": one.ends,
            }
            for one in leads
        ),
    )
    measure.keep_json(con, "indicators", indicators.verify_all(run))
    measure.keep_json(con, "case_verdict", [_case_row(case, evidence, home)])


def _case_row(case: CaseJudgement, evidence: CaseEvidence, home: CaseHome) -> dict[str, Any]:
    outcomes = {str(outcome): count for outcome, count in sorted(evidence.by_outcome.items())}
    failures = sum(count for outcome, count in evidence.by_outcome.items() if outcome.is_failure)
    return {
        "status": str(case.verdict),
        "confidence": str(case.confidence),
        "headline": case.headline,
        "cannot_conclude": list(case.cannot_conclude),
        "not_tested": list(case.not_tested),
        "leaned_on_unknown": sightings.open_rows(evidence.open_values),
        "sign_ins": {
            "events": evidence.events,
            "flows": evidence.flow_count,
            "by_outcome": outcomes,
            "normalized": {
                "SUCCESS": evidence.success,
                "FAILURE": failures,
                "UNKNOWN": evidence.events - evidence.success - failures,
            },
            "decision_coverage": round(evidence.decision_coverage, 6),
            "foreign_attempt_success_rate": evidence.foreign_attempt_success_rate,
            "foreign_share_of_success": evidence.foreign_share_of_success,
            "foreign_share_of_all": evidence.foreign_share_of_all,
            "foreign_successes": evidence.foreign_success_rows,
            "foreign_attempts": evidence.foreign_attempts,
            "foreign_success_flows": evidence.foreign_success_flows,
            "success_flows": evidence.success_flows,
            "home_countries": list(home.countries),
        },
    }


def account_row(one: AccountJudgement) -> dict[str, Any]:
    """An account as the document shows it."""
    evidence = one.evidence
    rate = evidence.foreign_attempt_success_rate
    low = evidence.rate_with_open_as_failure
    return {
        "account": evidence.account,
        "events": evidence.row_count,
        "success": evidence.success,
        "blocked_after_first_factor": evidence.blocked,
        "rejected": evidence.rejected,
        "unknown": evidence.unknown,
        "foreign_success": evidence.foreign_success,
        "foreign_attempts": evidence.foreign_attempts,
        "foreign_success_flows": evidence.foreign_success_flows,
        "foreign_attempt_success_rate": rate,
        "foreign_attempt_success_rate_unknown_as_failure": low,
        "decision_coverage": round(evidence.decision_coverage, 6),
        "foreign_share_of_success": evidence.foreign_success_flows / evidence.success_flows
        if evidence.success_flows
        else None,
        "foreign_share_of_all": evidence.foreign_success_flows / evidence.flow_count if evidence.flow_count else None,
        "home_countries": list(one.homes),
        "home_source": str(one.home_source),
        "verdict": str(one.verdict),
        "confidence": str(one.confidence),
        "indicators": list(one.indicators),
        "reasons": list(one.reasons),
        "leaned_on_unknown": sightings.open_rows(evidence.open_values),
    }


CONTRADICTIONS = {
    "CODE_ZERO_BUT_CA_FAILURE": (
        "The code says success and Conditional Access says failure. Where both are right, the first factor was "
        "accepted and an access policy failed after it. The rows stay successes; look at what the accounts did next."
    ),
    "CODE_AGAINST_TEXT": "Code and status text say the opposite of each other; the rows are undecided.",
    "CODE_COPIES_DIFFER": "Two copies of the code in one row differ; the rows are undecided.",
}


def _conflicts(run: CaseRun) -> list[dict[str, Any]]:
    decided = measure.counts_any(run.con, "contradicted", file="document")
    told = measure.run_named(run.con, "contradictions", file="document") if decided else []
    found = [
        {"kind": kind, "rows": count, "detail": CONTRADICTIONS[kind], "example_event_ids": examples}
        for kind, count, examples in told
    ]
    copies, formats = measure.run_named(run.con, "suspected_overlap")[0]
    if copies:
        detail = (
            f"Rows of {formats}, which have no ids, tell of sign-ins that a file of another format holds too. They "
            "stay in the row counts and are left out of attempts and rates; keep one of the two exports."
        )
        found.append({"kind": "SUSPECTED_OVERLAP", "rows": copies, "detail": detail, "example_event_ids": []})
    several = measure.counts_any(run.con, "addresses_in_several", file="document")
    moved = measure.run_named(run.con, "moved_addresses", file="document") if several else []
    return found + [
        {
            "kind": "ADDRESS_IN_TWO_COUNTRIES",
            "rows": rows,
            "detail": _placed(address, countries, country),
            "example_event_ids": examples,
        }
        for address, countries, country, rows, examples in moved
    ]


def _unseen(known: Limits) -> list[dict[str, Any]]:
    """The audit log against the sign-in log: accounts at work that were never let in."""
    found = known.contradicting
    if not found:
        return []
    examples = [one for account in found for one in account.examples][:5]
    rows = sum(one.rows for one in found)
    detail = activity_detail(found)
    return [{"kind": "ACTIVITY_WITHOUT_SIGN_IN", "rows": rows, "detail": detail, "example_event_ids": examples}]


def _placed(address: str, countries: int, country: str | None) -> str:
    taken = f"its country is taken as {country}" if country else "its country is taken as unknown"
    return f"{address} was placed in {countries} countries; {taken}."
