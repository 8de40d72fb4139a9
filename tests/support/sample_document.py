"""Case documents as the contract has them, written by hand: what screens, views and pages are tried on."""

from __future__ import annotations

import copy
from typing import Any

Document = dict[str, Any]

CODE = "status_error_code"
CA = "conditional_access_status"
TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"
SAMPLES = (
    "oculus",
    "corrected",
    "blocked",
    "overridden",
    "lapsed",
    "switched_off",
    "all_blocked",
    "clean",
    "hostile",
    "crowded",
)
"""The documents of this module, by the names of the functions that make them."""
ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m"


def oculus() -> Document:
    """A breach on eight accounts, judged by Conditional Access because the code column holds a type name."""
    return {
        "case": "oculus",
        "status": "BREACH_INDICATED",
        "confidence": "MEDIUM",
        "headline": "Case oculus: breach indicated. 8 accounts are in use by somebody else; the evidence holds 188 "
        "successful foreign sign-ins, 80% of the foreign attempts.",
        "rule_pack": "sha256:" + "ab" * 32,
        "started_at": "2026-03-31T08:00:00Z",
        "seconds": 1.24,
        "stage": "REPORTED",
        "quality": {
            "status": "PASS",
            "failed_checks": [
                {
                    "check": "outcome_field_rejected",
                    "reason": "sign_in_logs.status_error_code is CORRUPTED; conditional_access_status stands in.",
                    "runbook": "docs/runbooks/quality-check-failure.md",
                }
            ],
            "override": None,
        },
        "files": [
            _file("sign_ins.csv", "powershell_numbered_csv", "sign_in_logs", 2987, duplicates=12),
            _file("ual/audit_1.csv", "mes_ual_csv", "unified_audit_log", 20000, quarantined=3),
            _file("legacy.csv", "legacy_csv", "legacy_auth_logs", 354),
            {
                **_file("notes.txt", None, None, 0),
                "status": "UNRECOGNISED",
                "reason": "its first line names no column of a known export",
            },
        ],
        "quarantine": [
            {
                "reason": "AUDITDATA_UNPARSABLE",
                "rows": 3,
                "means": "AuditData is no JSON object.",
                "what_to_do": "Export again without opening the file in a spreadsheet.",
                "file_count": 1,
                "files": [{"path": "ual/audit_1.csv", "rows": 3}],
            }
        ],
        "completeness": [
            {
                "kind": "HOLE",
                "log_type": "unified_audit_log",
                "from": "2025-11-11T01:00:00Z",
                "to": "2025-11-11T09:00:00Z",
                "detail": "8 hours without an event where 20 minutes are usual",
            }
        ],
        "sign_ins": {
            "events": 2975,
            "flows": 2900,
            "by_outcome": {"SUCCESS": 2711, "BLOCKED_AFTER_FIRST_FACTOR": 46, "UNKNOWN": 218},
            "normalized": {"SUCCESS": 2711, "FAILURE": 46, "UNKNOWN": 218},
            "decision_coverage": 0.9267,
            "foreign_attempt_success_rate": 0.8034,
            "foreign_share_of_success": 0.0693,
            "foreign_share_of_all": 0.0632,
            "foreign_successes": 188,
        },
        "by_log_type": {
            "sign_in_logs": {"events": 2975, "by_outcome": {"SUCCESS": 2711}},
            "unified_audit_log": {},
            "legacy_auth_logs": {},
            "message_trace": {
                "events": 12,
                "by_outcome": {},
                "first_event": "2025-11-10T00:00:00Z",
                "last_event": "2025-11-12T00:00:00Z",
                "judged": False,
            },
        },
        "fields": [
            _field(CODE, "CORRUPTED", 0.0, cause="SERIALISATION_LOST", top_raw=TYPE_NAME, provenance="source:Status"),
            _field("status", "CORRUPTED", 0.0, cause="SERIALISATION_LOST", top_raw=TYPE_NAME),
            _field(CA, "RELIABLE", 0.51, top_value="success"),
            {**_field("operation", "RELIABLE", 0.97), "log_type": "unified_audit_log"},
            {**_field(CA, "NOT_APPLICABLE", None), "log_type": "legacy_auth_logs", "cause": None},
            {**_field("country", "RELIABLE", 1.0), "role": "place"},
        ],
        "recommended": {
            "sign_in_logs": {
                "field": CA,
                "score": 0.51,
                "confidence": "LOW",
                "instead_of": [CODE],
                "reasons": ["the only field that still tells a success from a block"],
            },
            "unified_audit_log": {
                "field": "operation",
                "score": 0.97,
                "confidence": "HIGH",
                "instead_of": [],
                "reasons": [],
            },
        },
        "unknown_codes": [{"log_type": "unified_audit_log", "field": "error_number", "value": "512345", "rows": 2}],
        "unknown_values": [{"log_type": "sign_in_logs", "field": "result", "value": "Sucess", "rows": 84}],
        "schema_changes": [
            {
                "id": 3,
                "kind": "FIELD_GONE",
                "severity": "CRITICAL",
                "log_type": "sign_in_logs",
                "before": "Status",
                "after": "",
                "detail": "'Status' of portal_signin_csv (v1.0) is gone; status was read there",
                "state": "OPEN",
                "first": True,
            }
        ],
        "schema_versions": [
            {
                "format": "portal_signin_csv",
                "api_version": "v1.0",
                "fields": 57,
                "schema_hash": "ab" * 32,
                "file": "a.csv",
            }
        ],
        "conflicts": [
            {
                "kind": "ADDRESS_IN_TWO_COUNTRIES",
                "rows": 10,
                "detail": "198.51.100.7 is placed in RU and in AU",
                "example_event_ids": ["e-1"],
            }
        ],
        "accounts": [
            *(_account(f"user{number}@contoso.example", "COMPROMISE_INDICATED") for number in range(1, 9)),
            _account("traveller@contoso.example", "SUSPICIOUS"),
            *(_account(f"calm{number}@contoso.example", "NO_INDICATION") for number in range(1, 6)),
        ],
        "indicators": [
            {
                "type": "exfiltration",
                "operation": "MailItemsAccessed",
                "severity": "WARNING",
                "rows": 160,
                "accounts": ["user1@contoso.example"],
                "detail": {"Sync": 3, "Bind": 157},
            }
        ],
        "findings": [
            {
                "id": f"F-{number:03d}",
                "claim": f"user{number}@contoso.example: 24 of 24 foreign sign-in attempts succeeded, from RU",
                "severity": "CRITICAL",
                "verified": True,
                "confidence": "MEDIUM",
                "fields_used": [{"field": CA, "score": 0.51}],
                "contradictions": 0,
                "evidence": [{"file": "sign_ins.csv", "row": number}, {"file": "sign_ins.csv", "row": number + 20}],
            }
            for number in range(1, 9)
        ],
        "leads": [
            {
                "kind": "SUCCESS_AFTER_REJECTIONS",
                "accounts": ["traveller@contoso.example"],
                "addresses": ["198.51.100.7"],
                "from": "2025-11-12T03:00:00Z",
                "to": "2025-11-12T04:00:00Z",
            }
        ],
        "not_tested": [
            "sign-ins through a proxy in the same country",
            "token replay (no non-interactive log)",
            "12 message_trace rows were taken in and are not judged yet: nothing is concluded from them.",
        ],
        "cannot_conclude": ["218 sign-ins: Conditional Access did not apply, and no other field tells how they ended"],
        "corrections": [],
        "alerts": [
            {
                "rule": "breach_indicator",
                "severity": "CRITICAL",
                "recipients": ["ir@contoso.example"],
                "delivered": True,
            }
        ],
    }


def blocked() -> Document:
    """No outcome field may testify: the verdict is withheld and nothing is found."""
    document = oculus()
    reason = "sign_in_logs: no field that tells how a sign-in ended may testify; export the status object expanded."
    check = {"check": "outcome_field_present", "reason": reason, "runbook": "docs/runbooks/quality-check-failure.md"}
    return {
        **document,
        "case": "stuck",
        "status": "CANNOT_CONCLUDE",
        "confidence": "LOW",
        "headline": "Case stuck: cannot conclude. A check that guards every conclusion failed.",
        "stage": "CHECKED",
        "quality": {"status": "FAIL", "failed_checks": [check], "override": None},
        "sign_ins": None,
        "recommended": {},
        "accounts": [],
        "findings": [],
        "leads": [],
        "indicators": [],
        "conflicts": [],
        "corrections": [],
        "alerts": [],
        "cannot_conclude": [reason],
    }


def overridden() -> Document:
    """The same case judged although the gate said no: every finding carries it."""
    document = oculus()
    document["quality"] = {
        "status": "OVERRIDDEN",
        "failed_checks": blocked()["quality"]["failed_checks"],
        "override": {
            "reason": "lab exercise",
            "actor": "jo",
            "expires": "2026-12-05",
            "recorded_by": "analyst",
            "ends": "2026-12-06T00:00:00+00:00",
            "disabled": [
                {
                    "check": "outcome_field_present",
                    "reason": blocked()["quality"]["failed_checks"][0]["reason"],
                    "compensated_by": "Ask the portal how single sign-ins ended.",
                }
            ],
            "compensated_by": ["Ask the portal how single sign-ins ended."],
            "in_force": True,
            "ended_at": None,
            "ended_by": None,
        },
    }
    _taint(document, "quality gate overridden by jo until 2026-12-05 (lab exercise)")
    return document


def _taint(document: Document, because: str) -> None:
    for finding in document["findings"]:
        finding.update(verified=False, not_verified=f"not verified: {because}")


def lapsed() -> Document:
    """The same case, read after somebody has ended the override."""
    document = overridden()
    ended = {"in_force": False, "ended_at": "2026-11-30T08:00:00+00:00", "ended_by": "boss"}
    document["quality"]["override"].update(ended)
    return document


def switched_off() -> Document:
    """A case judged while the policy has a check off that blocks, and one that does not."""
    document = oculus()
    off = [
        {
            "check": "sign_in_logs_as_expected",
            "blocking": False,
            "compensated_by": "Look through rows by hand.",
            "reason": None,
        },
        {
            "check": "quarantine_share",
            "blocking": True,
            "compensated_by": "Read the rows that were set aside by hand.",
            "reason": "Case oculus: quarantine_share is switched off by policy. It would have failed: 60 rows.",
        },
    ]
    document["quality"] = {"status": "OVERRIDDEN", "failed_checks": [], "override": None, "switched_off": off}
    _taint(document, "the check quarantine_share is switched off")
    return document


def corrected() -> Document:
    """The case after a person has corrected it and one of its accounts; one correction was taken back."""
    document = oculus()
    account = document["accounts"][0]["account"]
    document["corrections"] = [
        _correction(1, "case", "CANNOT_CONCLUDE", "TAKEN_BACK"),
        _correction(2, "case", "BREACH_INDICATED", "TAKES_BACK"),
        _correction(3, account, "NO_INDICATION", "IN_FORCE"),
        _correction(4, "case", "NO_BREACH_INDICATED", "IN_FORCE"),
    ]
    return document


def _correction(number: int, subject: str, verdict: str, state: str) -> Document:
    concluded = "BREACH_INDICATED" if subject == "case" else "COMPROMISE_INDICATED"
    return {
        "id": number,
        "finding": subject,
        "subject": subject,
        "concluded": concluded,
        "verdict": verdict,
        "reason": "the owner was travelling",
        "by": "kim",
        "acting_as": None,
        "at": "2026-04-02T08:00:00+00:00",
        "fields": [f"sign_in_logs.{CA}"],
        "state": state,
        "generation": "g1",
        "sentence": f"{subject} was corrected to {verdict}: the owner was travelling.",
    }


def all_blocked() -> Document:
    """Four attempts, none succeeded."""
    document = _quiet("disabled-account", "ALL_BLOCKED", "MEDIUM")
    document["headline"] = "Case disabled-account: all blocked, 4 of 4 attempts failed and none succeeded."
    document["sign_ins"].update(
        events=4,
        flows=4,
        by_outcome={"NOT_GRANTED": 4},
        normalized={"SUCCESS": 0, "FAILURE": 4, "UNKNOWN": 0},
        foreign_attempt_success_rate=None,
        foreign_share_of_success=None,
    )
    return document


def clean() -> Document:
    """Sign-ins succeeded and nothing points to an intruder."""
    document = _quiet("quiet", "NO_BREACH_INDICATED", "LOW")
    return {**document, "headline": "Case quiet: no breach indicated. 2,711 sign-ins succeeded, none from abroad."}


def hostile() -> Document:
    """A breach in which names, values and claims were chosen by the attacker."""
    document = oculus()
    script = "<script>alert('x')</script>"
    formula = "=cmd|'/c calc'!A1"
    document["accounts"][0]["account"] = script + ESCAPE
    document["accounts"][1]["account"] = formula
    document["accounts"][0]["reasons"] = ["[bold red]not markup[/] " + ESCAPE]
    document["files"][0]["path"] = 'x" onmouseover="alert(1).csv\u202egpj'
    document["findings"][0]["claim"] = script + " https://evil.example/ " + ESCAPE
    document["unknown_values"][0]["value"] = "{{ 7 * 7 }}" + ESCAPE
    document["cannot_conclude"] = [script + ESCAPE]
    document["corrections"] = [_correction(1, script + ESCAPE, "NO_INDICATION", "IN_FORCE")]
    document["corrections"][0]["sentence"] = formula + script + ESCAPE + "x" * 2000
    document["quality"]["failed_checks"][0]["reason"] = script
    evil = f"{formula} {script} {ESCAPE}\u202e\x00" + "x" * 1_000_000
    document["files"][1].update(path=evil, log_type=evil, format=evil, date_order="AMBIGUOUS")
    document["files"][3].update(path="=" + evil, reason=evil)
    document["quarantine"][0].update(reason=evil, means=evil, what_to_do=evil, files=[{"path": evil, "rows": 3}])
    document["completeness"] += [{"kind": evil, "log_type": evil, "from": evil, "to": evil, "detail": evil}]
    document["by_log_type"][evil] = {"events": 3, "by_outcome": {}, "judged": False, "first_event": evil}
    document["unknown_codes"][0].update(value=evil, field=evil)
    document["schema_changes"] = [{**document["schema_changes"][0], "detail": evil, "log_type": evil}] * 9
    document["schema_versions"][0].update(file=evil, format=evil)
    return document


def quarantined_rows() -> list[Document]:
    """Rows set aside as they are read back: the second was cut for the screen."""
    reason = "AUDITDATA_UNPARSABLE"
    cells = {"file": "ual/audit_1.csv", "reason": reason, "detail": None}
    return [
        {**cells, "row": 17, "raw": "17,not json", "characters": 11},
        {**cells, "row": 18, "raw": "y" * 500, "characters": 40_000},
        {**cells, "row": 19, "raw": f"=cmd|'/c calc'!A1,<script>{ESCAPE}\u202e\x00", "characters": 60},
    ]


def origins() -> list[Document]:
    """Where the fields of four files come from; the two exports of one format differ in their columns."""
    portal = {"log_type": "sign_in_logs", "format": "portal_signin_csv", "sha256": "ab" * 32}
    both = {"status": "source:Status", "status_raw": "source:Status", "session_id": "absent"}
    return [
        {**portal, "path": "a.csv", "fields": {**both, "country": "derived:location_part from Location"}},
        {**portal, "path": "b.csv", "fields": {**both, "country": "absent"}},
        {"path": "ual.csv", "log_type": "unified_audit_log", "format": "mes_ual_csv", "sha256": None, "fields": {}},
        {
            "path": f"<script>{ESCAPE}.csv",
            "log_type": "message_trace",
            "format": "trace\u202e",
            "sha256": None,
            "fields": {f"=cmd{ESCAPE}": "source:" + ESCAPE + "x" * 1_000_000},
        },
    ]


def crowded() -> Document:
    """Everything at once and long: what the one screen must still hold."""
    document = overridden()
    document["accounts"] = [_account(f"user{n}@contoso.example", "COMPROMISE_INDICATED") for n in range(40)]
    document["cannot_conclude"] = [f"point {n}: " + "words " * 40 for n in range(12)]
    document["quality"]["failed_checks"] = document["quality"]["failed_checks"] * 6
    document["fields"] = [_field(f"field_{n}", "CORRUPTED", 0.0, cause="IMPORTER_DEFAULT") for n in range(9)]
    document["recommended"] = {f"log_{n}": document["recommended"]["sign_in_logs"] for n in range(6)}
    document["unknown_codes"] = document["unknown_codes"] * 30
    document["unknown_values"] = document["unknown_values"] * 30
    document["not_tested"] = ["something " * 10] * 12
    return document


def _quiet(case: str, status: str, confidence: str) -> Document:
    document = copy.deepcopy(oculus())
    document.update(
        case=case, status=status, confidence=confidence, findings=[], leads=[], indicators=[], conflicts=[], alerts=[],
        unknown_codes=[], unknown_values=[], cannot_conclude=[], completeness=[], quarantine=[],
    )  # fmt: skip
    document["quality"] = {"status": "PASS", "failed_checks": [], "override": None}
    document["accounts"] = [_account("calm@contoso.example", "NO_INDICATION")]
    document["fields"] = [_field(CODE, "LOW_CONTRAST", 0.9, top_value="0")]
    document["recommended"] = {
        "sign_in_logs": {"field": CODE, "score": 0.9, "confidence": "HIGH", "instead_of": [], "reasons": []}
    }
    document["files"] = document["files"][:1]
    document["sign_ins"].update(foreign_successes=0)
    return document


def _file(
    path: str, kind: str | None, log_type: str | None, rows: int, duplicates: int = 0, quarantined: int = 0
) -> Document:
    return {
        "path": path,
        "sha256": "cd" * 32,
        "bytes": rows * 200,
        "format": kind,
        "log_type": log_type,
        "status": "IMPORTED",
        "reason": None,
        "rows_read": rows,
        "rows_imported": rows - duplicates - quarantined,
        "rows_duplicate": duplicates,
        "rows_quarantined": quarantined,
        "rows_declared": None,
        "first_event": "2025-10-01T00:00:00Z" if rows else None,
        "last_event": "2025-11-30T00:00:00Z" if rows else None,
        "date_order": "ISO",
    }


def _field(
    name: str,
    state: str,
    score: float | None,
    cause: str | None = None,
    top_value: str | None = None,
    top_raw: str | None = None,
    provenance: str = "source",
) -> Document:
    good = state in ("RELIABLE", "LOW_CONTRAST", "UNIFORM")
    return {
        "log_type": "sign_in_logs",
        "field": name,
        "role": "outcome",
        "applicable_rows": 2975,
        "population": 1.0 if good else 0.0,
        "top_value": top_value,
        "top_raw": top_raw or top_value,
        "top_share": 0.9 if good else 1.0,
        "uniqueness_ratio": 0.0017,
        "normalized_entropy": 0.4 if good else 0.0,
        "discriminatory_power": score,
        "decisiveness": score,
        "consistency": 1.0,
        "base_score": score,
        "score": score,
        "state": state,
        "may_testify": good,
        "cause": cause,
        "reasons": [],
        "provenance": provenance,
    }


def _account(name: str, verdict: str) -> Document:
    bad = verdict == "COMPROMISE_INDICATED"
    return {
        "account": name,
        "events": 40,
        "success": 24,
        "blocked_after_first_factor": 1,
        "rejected": 3,
        "unknown": 0,
        "foreign_success": 23 if bad else 0,
        "foreign_attempt_success_rate": 1.0 if bad else None,
        "decision_coverage": 0.973,
        "home_countries": ["AU"],
        "home_source": "case.toml",
        "verdict": verdict,
        "confidence": "MEDIUM" if bad else "LOW",
        "reasons": ["V1: 24 of 24 foreign attempts succeeded, from RU"] if bad else [],
    }
