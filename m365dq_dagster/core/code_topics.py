"""A proposal of what an unlisted sign-in code means, by the topic of the vendor's text. A proposal and no knowledge: it
carries the method `topic_rule`, so that a verdict on it has at most LOW confidence, and a person decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from m365dq_dagster.core.outcome import Severity

METHOD = "topic_rule"


@dataclass(frozen=True)
class CodeProposal:
    """A category with what it implies, in the words of the reference; `word` is what decided."""

    category: str
    outcome: str
    first_factor: str
    severity: Severity
    word: str
    method: str = METHOD


@dataclass(frozen=True)
class _Topic:
    pattern: re.Pattern[str]
    category: str
    first_factor: str = "unknown"
    severity: Severity = Severity.INFO


def _topic(pattern: str, category: str, first_factor: str = "unknown", severity: Severity = Severity.INFO) -> _Topic:
    return _Topic(re.compile(pattern, re.IGNORECASE), category, first_factor, severity)


TOPICS: tuple[_Topic, ...] = (
    _topic(
        r"\bthrottl|too many requests|\block(ed|out)\b|smart lockout", "throttling_lockout", severity=Severity.WARNING
    ),
    _topic(
        r"(new|change|reset)[^.]{0,40}password|password[^.]{0,30}(expired|must be changed|reset)", "password_change"
    ),
    _topic(r"pass-?through|on-?premises? (agent|password)|authentication agent", "onprem_agent"),
    _topic(
        r"conditional access|multi-?factor|\bmfa\b|strong authentication|compliant|managed device|"
        r"blocked (by|due to)[^.]{0,30}(policy|risk)|security defaults?|consent|terms of use|proof-?up|"
        r"second factor|registration (is )?required|"
        r"authentication (method|strength)",
        "password_correct_blocked",
        "likely_accepted",
        severity=Severity.WARNING,
    ),
    _topic(
        r"(invalid|incorrect|wrong|bad)[^.]{0,30}(password|credential|user ?name|passcode|pin\b)|"
        r"(password|credential|user ?name)[^.]{0,40}(invalid|incorrect|wrong|not match|isn't valid|is not valid)|"
        r"user account[^.]{0,40}(not exist|not found)|certificate[^.]{0,50}(revoked|not trusted|expired|invalid)",
        "bad_credentials",
        "rejected",
        severity=Severity.WARNING,
    ),
    _topic(r"\bfido2?\b|security key|passkey|kerberos|windows hello|device key|attestation", "credential_key"),
    _topic(
        r"\b(refresh|access|session|primary)[ -]?(token|cookie)|authorization code|grant (was|has|is)|session",
        "token_session",
    ),
    _topic(r"federat|\bsaml\b|ws-?fed|identity provider|\bidp\b", "federation"),
    _topic(
        r"account[^.]{0,40}(disabled|deleted|blocked|not found|does ?n[o']t exist)|guest|personal account",
        "account_state",
    ),
    _topic(r"tenant|cross-?cloud|\bcloud\b|inbound|outbound|directory (setting|policy)", "tenant_config"),
    _topic(
        r"scope|redirect|reply (url|address)|client[_ ]?(id|secret|assertion)|application|resource|permission|manifest|"
        r"request",
        "app_config",
    ),
    _topic(
        r"interrupt|prompt|user interaction|select(ion)?[^.]{0,20}account|cancel|qr code|keep me signed", "interrupt"
    ),
    _topic(r"temporar|transient|unavailable|internal|retry|service|time-?out|server error", "service_error"),
)
"""Topics in the order of what a wrong choice would cost: a credential that may be in other hands comes early."""

UNCLASSIFIED = CodeProposal("unknown", "failure", "unknown", Severity.INFO, "")


def propose(text: str) -> CodeProposal:
    """The category that the text of a code speaks for; `unknown` where no topic matches."""
    for topic in TOPICS:
        found = topic.pattern.search(text)
        if found:
            return CodeProposal(topic.category, "failure", topic.first_factor, topic.severity, found[0])
    return UNCLASSIFIED
