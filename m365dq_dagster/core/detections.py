"""What other signs come to: the detections and states of a risk engine, alerts of other products, mail that leaves, and
bursts of work. Operations and their parameters are `indicators`' business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m365dq_dagster.core.indicators import Reading
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.policy import IndicatorPolicy

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

CLOSED = {"confirmedsafe", "dismissed", "remediated", "none", "resolved"}
CONFIRMED = "confirmedcompromised"
SUPERSEDED = "an earlier state"
LEVELS = {"low": INFO, "medium": WARNING, "high": CRITICAL}

TYPES = {
    "TOKEN": "credential",
    "CREDENTIAL": "credential",
    "INTEL": "credential",
    "ADMIN": "credential",
    "EXFILTRATION": "exfiltration",
    "PERSISTENCE": "persistence",
    "ABUSE": "abuse",
    "DISCOVERY": "discovery",
}
"""The type of an indicator by the family of a risk detection; any other is one of access."""

TECHNIQUES = {
    "anomaloustoken": "T1550.001",
    "attackerinthemiddle": "T1557",
    "attemptedprtaccess": "T1528",
    "tokenissueranomaly": "T1606.002",
    "passwordspray": "T1110.003",
    "anonymizedipaddress": "T1090.003",
    "riskyipaddress": "T1090.003",
    "mcassuspiciousinboxmanipulationrules": "T1564.008",
    "suspiciousinboxforwarding": "T1114.003",
    "mcasfinsuspiciousfileaccess": "T1530",
    "suspicioussendingpatterns": "T1534",
    "suspiciousapitraffic": "T1087.004",
    "userreportedsuspiciousactivity": "T1621",
}
"""Techniques of detections that name one; any other tells of a valid account in strange hands."""

VALID_ACCOUNT = "T1078.004"


def word_of(text: str | None) -> str:
    """A word as it is compared: the interface writes `atRisk`, the page `At risk`. `hidden` is a withheld value."""
    word = re.sub(r"[\s_-]", "", (text or "").lower())
    return "" if word in ("hidden", "unknownfuturevalue") else word


def judge_risk(kind: str, level: str | None, state: str | None, *, latest: bool, family: str = "") -> Reading:
    """A risk detection or a user at risk. A high level that stands open, and a compromise that was confirmed, must be
    explained; what was dismissed, remedied or overtaken is for the record; a withheld level is not "no risk".
    """
    how, grade = word_of(state), word_of(level)
    name = word_of(kind)
    told = (TYPES.get(family, "access"), TECHNIQUES.get(name, VALID_ACCOUNT))
    if not latest:
        return Reading(SUPERSEDED, INFO, INFO, *told)
    if how == CONFIRMED or name == "adminconfirmedusercompromised":
        return Reading("confirmed compromised", CRITICAL, CRITICAL, *told)
    if how in CLOSED:
        return Reading("closed", INFO, INFO, *told)
    weight = LEVELS.get(grade, INFO if grade == "none" else WARNING)
    return Reading(f"open, level {grade or 'withheld'}", weight, weight, *told)


CATEGORIES = {
    "credentialaccess": "credential",
    "persistence": "persistence",
    "exfiltration": "exfiltration",
    "collection": "exfiltration",
    "defenseevasion": "evasion",
    "privilegeescalation": "privilege",
}
TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")


def judge_alert(severity: str | None, status: str | None, category: str | None, techniques: str | None) -> Reading:
    """An alert of another product: its opinion, so never graver than to be looked at."""
    settled = {word_of(status)} & {"resolved", "dismissed", "falsepositive", "benignpositive"}
    weight = WARNING if word_of(severity) in ("medium", "high") and not settled else INFO
    named = TECHNIQUE.search(techniques or "")
    label = "settled" if settled else f"level {word_of(severity) or 'not told'}"
    return Reading(label, weight, weight, CATEGORIES.get(word_of(category), "alert"), named[0] if named else "")


@dataclass(frozen=True)
class Numbers:
    """What was counted of mail that leaves or of a burst, by name."""

    told: Mapping[str, Any]

    @classmethod
    def of(cls, text: str | None) -> Numbers:
        """From the JSON that the count was kept as."""
        return cls(json.loads(text or "{}"))

    def __getitem__(self, name: str) -> float:
        return float(self.told.get(name) or 0)


def judge_forwarding(numbers: Numbers, policy: IndicatorPolicy) -> Reading:
    """Messages that one account passes on to one outside recipient. From the start of the trace it is a standing
    arrangement to ask about; one that begins within it and takes much of the mail must be explained.
    """
    if numbers["mails"] < policy.forwarded_mails:
        return Reading("a few messages passed on", INFO, INFO)
    if numbers["standing"]:
        return Reading("passed on from the start", WARNING, WARNING)
    grave = numbers["share"] >= policy.forwarded_share
    return Reading("passed on from some day", CRITICAL if grave else WARNING, CRITICAL)
