"""Findings: each conclusion with its confidence, the fields it leans on, and the lines of evidence that prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.measure import Proof
from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, Confidence, Severity
from m365dq_dagster.core.overrides import not_verified
from m365dq_dagster.core.sightings import OpenValues
from m365dq_dagster.core.verdict import AccountJudgement, CaseJudgement
from m365dq_dagster.stages.case_run import CaseRun
from m365dq_dagster.stages.quality import Judged
from m365dq_dagster.stages.sightings import open_rows

EVIDENCE_ROWS = 200
"""Lines shown for one finding; `evidence_rows` tells how many there are."""

CLAIMS = {
    AccountVerdict.COMPROMISE_INDICATED: (
        "Somebody else seems to use {account}: {count} successful foreign sign-ins.",
        Severity.CRITICAL,
    ),
    AccountVerdict.SUSPICIOUS: ("{account} shows a lead that must be followed.", Severity.WARNING),
    AccountVerdict.CANNOT_CONCLUDE: (
        "{account} has sign-ins that are neither explained nor proven hostile.",
        Severity.WARNING,
    ),
    AccountVerdict.CREDENTIAL_EXPOSED: (
        "{account}: a valid credential or token was used from abroad and stopped after it.",
        Severity.WARNING,
    ),
}

FROM_HOME = "Somebody else seems to use {account}, from where its owner is at home."
LEFT_OPEN = "{account} has sign-ins whose outcome or owner the evidence leaves open."

PROOF = {
    AccountVerdict.COMPROMISE_INDICATED: "intruder",
    AccountVerdict.SUSPICIOUS: "attempts",
    AccountVerdict.CANNOT_CONCLUDE: "unclear",
    AccountVerdict.CREDENTIAL_EXPOSED: "exposed",
}
"""Which rows prove a verdict on an account."""

NOTHING = Proof()

Scores = Mapping[tuple[str, str], float | None]


def findings(
    run: CaseRun, case: CaseJudgement, accounts: Sequence[AccountJudgement], fields: Judged, left_open: OpenValues
) -> list[dict[str, Any]]:
    """The case's conclusion first, then one finding an account that needs a person, worst first; each with the unknown
    values that it leaned on.
    """
    scores = {(one.spec.log_type, one.spec.field): one.score for judged in fields.values() for one in judged}
    order = list(CLAIMS)
    shown = sorted(
        (one for one in accounts if one.verdict in CLAIMS),
        key=lambda one: (order.index(one.verdict), one.evidence.account),
    )
    whole = {**_case_finding(run, case, scores), "leaned_on_unknown": open_rows(left_open)}
    proofs = measure.proofs(run.con, {one.evidence.account: PROOF[one.verdict] for one in shown}, EVIDENCE_ROWS)
    bodies = [whole, *(_account_finding(one, proofs.get(one.evidence.account, NOTHING), scores) for one in shown)]
    return [
        {"id": f"F-{number:03d}", **body, "verified": True, "rule_pack": run.pack.content_hash, **_taint(run)}
        for number, body in enumerate(bodies, start=1)
    ]


def _taint(run: CaseRun) -> dict[str, Any]:
    """What every finding carries where the gate does not stand whole, and which checks were switched off."""
    off = run.pack.policy.checks.off
    told: dict[str, Any] = {"switched_off": list(off)} if off else {}
    if run.taints:
        told.update(verified=False, not_verified=not_verified(run.taints))
    return told


def _case_finding(run: CaseRun, case: CaseJudgement, scores: Scores) -> dict[str, Any]:
    severity = {CaseVerdict.BREACH_INDICATED: Severity.CRITICAL, CaseVerdict.CANNOT_CONCLUDE: Severity.WARNING}
    proof = measure.proof(run.con, intruder=case.verdict is CaseVerdict.BREACH_INDICATED, most=EVIDENCE_ROWS)
    return _finding(case.headline, severity.get(case.verdict, Severity.INFO), case.confidence, proof, scores)


def _account_finding(one: AccountJudgement, proof: Proof, scores: Scores) -> dict[str, Any]:
    claim, severity = CLAIMS[one.verdict]
    if one.verdict is AccountVerdict.COMPROMISE_INDICATED and not one.evidence.foreign_success:
        claim = FROM_HOME
    if one.verdict is AccountVerdict.CANNOT_CONCLUDE and not one.evidence.foreign_success:
        claim = LEFT_OPEN
    text = claim.format(account=one.evidence.account, count=one.evidence.foreign_success)
    body = _finding(text, severity, one.confidence, proof, scores)
    return {
        **body,
        "account": one.evidence.account,
        "reasons": list(one.reasons),
        "leaned_on_unknown": open_rows(one.evidence.open_values),
    }


def _finding(claim: str, severity: Severity, confidence: Confidence, proof: Proof, scores: Scores) -> dict[str, Any]:
    return {
        "claim": claim,
        "severity": str(severity),
        "confidence": str(confidence),
        "fields_used": [
            {"field": field, "log_type": log_type, "score": scores.get((log_type, field))}
            for log_type, field in proof.used
        ],
        "contradictions": proof.contradictions,
        "evidence": [{"file": path, "row": row} for path, row in proof.lines],
        "evidence_rows": proof.rows,
    }
