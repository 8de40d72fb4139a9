"""The decision table of a row once more, written from the rules with nothing but the rule pack's own code list."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CODES = Path(__file__).resolve().parents[2] / "reference_data" / "status_codes.csv"
OF_CLASS = {
    "success": ("SUCCESS", "HIGH"),
    "interrupt": ("INTERRUPTED", "HIGH"),
    "bad_credentials": ("REJECTED", "HIGH"),
    "throttling_lockout": ("NOT_EVALUATED", "HIGH"),
    "unknown": ("UNKNOWN", "LOW"),
}
TEXTS = {"success": "SUCCESS", "failure": "FAILURE", "interrupted": "INTERRUPTED"}
FAILURES = ("BLOCKED_AFTER_FIRST_FACTOR", "REJECTED", "NOT_EVALUATED", "NOT_GRANTED")


@dataclass(frozen=True)
class Said:
    """What a row comes to: how sure, by which column, what contradicts it, whether the credential was right."""

    outcome: str
    confidence: str = "LOW"
    decided_by: str | None = None
    contradiction: str | None = None
    accepted: bool = False
    unknown_code: bool = False


@cache
def known_codes() -> dict[str, dict[str, str]]:
    with CODES.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file) if row["state"] == "active"}


def decide(code: str | None, copy: str | None, text: str | None, access: str | None, *, ropc: bool = False) -> Said:
    """The first line of the table that applies; every witness is heard."""
    word, said = TEXTS.get((text or "").lower()), (access or "").lower()
    own = code if code is not None else copy
    known = known_codes().get(own or "")
    well_formed = own is not None and (own == "0" or (own.isdigit() and 5 <= len(own) <= 10 and own[0] != "0"))
    if code is not None and copy is not None and code != copy:
        right = bool(known) and known["first_factor"] in ("accepted", "likely_accepted")
        unknown = well_formed and known is None
        return Said("CONFLICT", "LOW", "status_error_code", "CODE_COPIES_DIFFER", right, unknown)
    if well_formed and known is None:
        return Said("UNKNOWN", unknown_code=True)
    if known is not None:
        return _by_code(known, word, said, ropc=ropc)
    if word is not None:
        accepted = word == "SUCCESS" or said in ("success", "failure")
        outcome = word if word != "FAILURE" else "BLOCKED_AFTER_FIRST_FACTOR" if accepted else "NOT_GRANTED"
        return Said(outcome, "MEDIUM", "status", accepted=accepted)
    if said in ("success", "failure"):
        outcome = "SUCCESS" if said == "success" else "BLOCKED_AFTER_FIRST_FACTOR"
        return Said(outcome, "MEDIUM", "conditional_access_status", accepted=True)
    return Said("UNKNOWN")


def _by_code(known: dict[str, str], word: str | None, access: str, *, ropc: bool) -> Said:
    if known["category"] == "password_correct_blocked":
        outcome, sure = "BLOCKED_AFTER_FIRST_FACTOR", "HIGH" if known["first_factor"] == "accepted" else "MEDIUM"
    else:
        outcome, sure = OF_CLASS.get(known["category"], ("NOT_GRANTED", "MEDIUM"))
    if known["provenance"] != "documented" or known["method"] == "topic_rule":
        sure = "LOW"
    right = known["first_factor"] in ("accepted", "likely_accepted")
    right = right or (ropc and known["first_factor"] == "likely_accepted_ropc")
    opposed = (outcome == "SUCCESS" and word == "FAILURE") or (outcome in FAILURES and word == "SUCCESS")
    if opposed and known["portal_status"].lower() != str(word).lower():
        return Said("CONFLICT", "LOW", "status_error_code", "CODE_AGAINST_TEXT", right)
    denied = known["category"] == "success" and access == "failure"
    return Said(outcome, sure, "status_error_code", "CODE_ZERO_BUT_CA_FAILURE" if denied else None, right)
