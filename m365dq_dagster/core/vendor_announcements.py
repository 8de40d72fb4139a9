"""What an announcement of the vendor is about: which kind of change, of what, from which day. Finding announcements on
a page belongs to `vendor_pages`, weighing them against what the product reads to `vendor_diff`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.schema_changes import ChangeKind
from m365dq_dagster.core.stated_dates import StatedDate, stated_dates
from m365dq_dagster.core.vendor_pages import Entry

MESSAGE_TRACE = "message_trace"
RISK = "risk_detections"


@dataclass(frozen=True)
class Announcement:
    """What one announcement says. `surfaces` are the logs, interfaces and commands it is about, `titled` the names in
    its title and `names` all of them; `before` and `after` are the names of a rename, `log_types` those whose evidence
    comes from the surfaces.
    """

    kind: ChangeKind
    surfaces: tuple[str, ...]
    titled: tuple[str, ...]
    names: tuple[str, ...]
    before: str
    after: str
    effective: date | None
    log_types: tuple[str, ...]
    title: str
    text: str = ""


@dataclass(frozen=True)
class Surface:
    """An interface, command, protocol or log by the words that speak of it."""

    pattern: re.Pattern[str]
    name: str
    log_types: tuple[str, ...]


def _surface(pattern: str, name: str, *log_types: str) -> Surface:
    return Surface(re.compile(pattern, re.IGNORECASE), name, log_types)


SURFACES: tuple[Surface, ...] = (
    _surface(r"\bsearch-unifiedauditlog\b", "Search-UnifiedAuditLog", LogType.UAL),
    _surface(r"\bsearch-adminauditlog\b", "Search-AdminAuditLog", LogType.UAL),
    _surface(r"\bnew-adminauditlogsearch\b", "New-AdminAuditLogSearch", LogType.UAL),
    _surface(r"\bsearch-mailboxauditlog\b", "Search-MailboxAuditLog", LogType.UAL),
    _surface(r"\bnew-mailboxauditlogsearch\b", "New-MailboxAuditLogSearch", LogType.UAL),
    _surface(r"\bget-messagetrace\b", "Get-MessageTrace", MESSAGE_TRACE),
    _surface(r"\bget-messagetracedetail\b", "Get-MessageTraceDetail", MESSAGE_TRACE),
    _surface(r"\bazure ad graph\b|\bazure active directory graph\b", "Azure AD Graph"),
    _surface(
        r"\b(smtp auth\b|smtp client submission|client smtp)",
        "SMTP AUTH with basic authentication",
        LogType.SIGN_IN,
        LogType.LEGACY,
    ),
    _surface(r"\bbasic auth(entication)?\b", "basic authentication", LogType.SIGN_IN, LogType.LEGACY),
    _surface(r"\blegacy authentication\b", "legacy authentication", LogType.SIGN_IN, LogType.LEGACY),
    _surface(r"\bmanagement activity api\b", "Management Activity API", LogType.UAL),
    _surface(
        r"\bsign-?in logs?\b|\bsignins? (api|endpoint|resource)\b|\bauditlogs/signins\b", "sign-in log", LogType.SIGN_IN
    ),
    _surface(
        r"\bunified audit log\b|\bpurview audit\b|\baudit \(?(standard|premium)\b", "unified audit log", LogType.UAL
    ),
    _surface(r"\bmailbox audit\b", "mailbox audit", LogType.UAL),
    _surface(r"\bdirectory ?audits?\b|\bentra audit logs?\b", "directory audit log", LogType.ENTRA_AUDIT),
    _surface(r"\brisk detections?\b|\briskeventtype", "risk detections", RISK),
    _surface(r"\bmessage trac(e|ing)\b", "message trace", MESSAGE_TRACE),
)
"""Where evidence comes from, and what its end, change or gap would touch."""

CMDLET = re.compile(r"\b(?:Get|Set|New|Search|Remove|Add|Enable|Disable|Start|Stop|Update)-[A-Z][A-Za-z0-9]+\b")
NAME = re.compile(
    r"\b(?:[a-z]+[A-Z][A-Za-z0-9]*(?:_v\d)?|[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+(?:\.[A-Z][A-Za-z0-9]+)?)\b"
)
NOT_NAMES = frozenset(
    {"PowerShell", "OneDrive", "SharePoint", "GitHub", "GitLab", "JavaScript", "TypeScript", "OAuth", "LinkedIn", "iOS"}
)
RENAMED = re.compile(
    r"(?<![\w.-])(?P<before>[\w.-]+)[`'\"*]*(?:\s+\([^)]{0,40}\))?\s+"
    r"(?:operation |event |property |value |activity |field )?"
    r"(?:is|are|was|were|will be|has been|have been|being)?\s*(?:now\s+)?(?:being\s+)?"
    r"(?:renamed(?: to| as)?|replaced (?:by|with)|superseded by|called|recorded as|logged as|changed to)\s+(?:the\s+)?"
    r"(?:operation |event |property |value |activity |field )?[`'\"*]*(?P<after>[A-Za-z][\w.-]*)",
    re.IGNORECASE,
)
INSTEAD = re.compile(
    r"\b(?:use|logs?|writes?|records?|returns?)\s+(?:the\s+)?[`'\"*]*(?P<after>[\w.-]+)[`'\"*]*\s+(?:\w+\s+){0,2}"
    r"(?:instead of|rather than|in place of)\s+(?:the\s+)?[`'\"*]*(?P<before>[\w.-]+)",
    re.IGNORECASE,
)
ENDS = re.compile(
    r"\bretir(e|es|ed|ing|ement)\b|\bdeprecat\w+|\bend of (support|life)\b|\bturn(ed|ing)? off\b|\bshut(ting)? ?down\b|"
    r"\bdecommission\w*|\bwill (be (removed|disabled|blocked|closed)|stop|no longer (be )?(work|available|supported))|"
    r"\bno longer (available|supported|work)|\b(blocked|closed|switched off|disabled) (to|for|by default)\b|\bsunset",
    re.IGNORECASE,
)
GAP = re.compile(
    r"\b(logs?|rows?|records?|events?|entries|data)\b[^.]{0,80}\b(missing|lost|incomplete|partly missing|"
    r"partially (available|missing)|not (been )?(collected|logged|recorded|written|generated|ingested|stored))\b|"
    r"\b(missing|lost|incomplete|gaps? in|loss of)\b[^.]{0,60}\b(logs?|rows?|records?|events?|log data)\b|"
    r"\bwithout\b[^.]{0,40}\b(log(ged)?|log (entry|entries|row)|row|record|trace)\b|"
    r"\b(left|leaves?|leaving) no (row|record|log|trace|event)",
    re.IGNORECASE,
)
ERRONEOUS = re.compile(
    r"\b(wrong|incorrect|inaccurate|erroneous|false|misattributed|misplaced)(ly)?\b[^.]{0,80}"
    r"\b(locations?|countr(y|ies)|geolocation|places?|addresses|values?|times?)\b|"
    r"\b(locations?|countr(y|ies)|geolocation)\b[^.]{0,80}\b(wrong|incorrect|inaccurate|erroneous|misplaced)",
    re.IGNORECASE,
)
KEEPING = re.compile(r"\bretention\b|\bretain(ed|s)?\b|\bkept for\b", re.IGNORECASE)
LENGTH = re.compile(r"(?<![\w.])\d{1,4}[\s-]+(?:days?|months?|years?)\b", re.IGNORECASE)
LICENSED = re.compile(
    r"\blicen[cs]e[sd]?\b|\bE3\b|\bE5\b|\bstandard customers\b|\b(for|to) (all|audit \(?standard)", re.IGNORECASE
)
OPENED = re.compile(
    r"\b(availab\w+|includ\w+|extend\w+|roll(s|ed|ing)? out|expand\w+|added|comes? to|brings?|generat\w+|"
    r"on by default)\b",
    re.IGNORECASE,
)
MOVED = re.compile(
    r"\b(moved?|moves|moving|relocated|now (found|stand|stands|stored|written|appears?) (in|under))\b", re.IGNORECASE
)
MEANS_ELSE = re.compile(
    r"\bno longer (populated|filled|filled in|set|returned|contains?|includes?|written)\b|"
    r"\b(isn't|is not|aren't|are not|won't be|will not be) (populated|filled|set|returned)( any ?more| any longer)?\b|"
    r"\b(now|will) (contains?|returns?|holds?|means?|reports?|follows?|uses?|gives?|shows?)\b|"
    r"\bchanges? (to|in|of) (the )?(behaviou?r|values?|meaning|numbering|semantics|defaults?|results?|number of)\b|"
    r"\b(different|new) (meaning|numbering|scheme|behaviou?r|default)\b|"
    r"\bunless\b[^.]{0,80}\b(parameter|command|switch)\b|"
    r"\bnew (parameter|switch)\b",
    re.IGNORECASE,
)
TYPED_ENDS = re.compile(r"deprecat|retir|end of", re.IGNORECASE)
LOGS = re.compile(r"\b(logs?|audit(ed|ing)?|sign-?ins?)\b", re.IGNORECASE)
PLANNED = re.compile(r"\s*(plan ?for ?change)?\s*", re.IGNORECASE)
TYPED_NEW = re.compile(r"^\s*(new|general availability|public preview)", re.IGNORECASE)


def announced(entry: Entry) -> Announcement | None:
    """What an announcement changes, or None where it changes nothing of a kind that is looked for."""
    title, text = entry.get("title", ""), entry.get("text", "")
    whole = f"{title}. {text}"
    kind = _kind(title, whole, entry.get("type", ""))
    if kind is None:
        return None
    before, after = _rename(whole) if kind in RENAMES else ("", "")
    surfaces = surfaces_of(title) or surfaces_of(whole)
    if kind is ChangeKind.RETENTION:
        before, after = _lengths(whole)
    log_types = tuple(dict.fromkeys(str(log) for s in surfaces for log in s.log_types))
    return Announcement(
        kind,
        tuple(surface.name for surface in surfaces),
        names_in(title),
        names_in(whole),
        before,
        after,
        effective_day(entry),
        log_types,
        title,
        text,
    )


RENAMES = (
    ChangeKind.OPERATION_RENAMED,
    ChangeKind.FIELD_RENAMED,
    ChangeKind.FIELD_MOVED,
    ChangeKind.ENUM_VALUE_RENAMED,
    ChangeKind.TEXT_ONLY,
)
"""Kinds that have a name before and a name after."""


def surfaces_of(text: str) -> tuple[Surface, ...]:
    """The surfaces that a text speaks of; basic authentication of one protocol is not that of all."""
    found = [surface for surface in SURFACES if surface.pattern.search(text)]
    if any(surface.name.startswith("SMTP AUTH") for surface in found):
        found = [surface for surface in found if surface.name != "basic authentication"]
    cmdlets = [surface for surface in found if "-" in surface.name and surface.name[0].isupper()]
    named = [s for s in cmdlets if re.search(rf"(?i)\b{re.escape(s.name)}\b(?!V\d)", text)]
    return tuple(named or found)


def _kind(title: str, whole: str, typed: str) -> ChangeKind | None:
    """The first rule that holds. What the title says goes before what the text mentions."""
    ends = bool(ENDS.search(title))
    if TYPED_NEW.search(typed) and not ends:
        return _kind_of_news(whole) if names_in(title) or surfaces_of(title) else None
    if fault := _fault(title, whole, ends):
        return fault
    if KEEPING.search(whole) and LENGTH.search(whole) and not ends:
        return ChangeKind.RETENTION
    if ends or TYPED_ENDS.search(typed):
        renamed = _renamed_kind(whole)
        return renamed if renamed in (ChangeKind.FIELD_RENAMED, ChangeKind.OPERATION_RENAMED) else ChangeKind.RETIREMENT
    planned_end = ENDS.search(whole) and PLANNED.fullmatch(typed)
    return _kind_of_news(whole) or (ChangeKind.RETIREMENT if planned_end else None)


def _fault(title: str, whole: str, ends: bool) -> ChangeKind | None:
    """Rows that were lost or wrong, in a log and not in anything else."""
    if not surfaces_of(whole) and not LOGS.search(whole):
        return None
    if ERRONEOUS.search(whole):
        return ChangeKind.DATA_ERROR
    return ChangeKind.LOG_GAP if GAP.search(title) or (GAP.search(whole) and not ends) else None


def _kind_of_news(whole: str) -> ChangeKind | None:
    if renamed := _renamed_kind(whole):
        return renamed
    if LICENSED.search(whole) and OPENED.search(whole) and names_in(whole):
        return ChangeKind.LICENCE
    if MEANS_ELSE.search(whole) and (names_in(whole) or surfaces_of(whole)):
        return ChangeKind.SEMANTICS
    return None


def _renamed_kind(whole: str) -> ChangeKind | None:
    """The kind of a rename, by how the old name is written and what the text calls it; wording where none is named."""
    before, _ = _rename(whole)
    if not before:
        return ChangeKind.TEXT_ONLY if BRANDED.search(whole) and not names_in(whole) else None
    if CMDLET.fullmatch(before):
        return None
    if MOVED.search(whole) and not RENAMING.search(whole):
        return ChangeKind.FIELD_MOVED
    if before[0].islower() and OF_VALUES.search(whole) and not OF_FIELDS.search(whole):
        return ChangeKind.ENUM_VALUE_RENAMED
    return ChangeKind.FIELD_RENAMED if before[0].islower() or OF_FIELDS.search(whole) else ChangeKind.OPERATION_RENAMED


RENAMING = re.compile(r"\brenam", re.IGNORECASE)
BRANDED = re.compile(r"\b(renam(e|ed|ing)|new name|rebrand\w*)\b", re.IGNORECASE)
OF_VALUES = re.compile(
    r"\b(enum|riskeventtype|possible values?|risk (event )?types?|detection types?)\b", re.IGNORECASE
)
OF_FIELDS = re.compile(r"\b(propert(y|ies)|fields?|columns?)\b", re.IGNORECASE)
MOVES = re.compile(
    r"(?<![\w.])(?P<before>[\w.]+)\s+(?:\w+\s+){0,3}?(?:have |has |is |are |were |was )?(?:been )?"
    r"(?:moved|relocated|now stands?|now stored)"
    r"\s+(?:from\s+(?P<from>[\w.]+)\s+)?(?:to|in|into|under)\s+(?:the\s+)?(?P<after>[\w.]+)",
    re.IGNORECASE,
)


def _rename(whole: str) -> tuple[str, str]:
    """The old and the new name of the first rename whose both sides are names and not words."""
    for pattern in (RENAMED, INSTEAD, MOVES):
        for match in pattern.finditer(whole):
            before, after = match["before"].strip(".-"), match["after"].strip(".-")
            if match.groupdict().get("from"):
                before = match["from"].strip(".-")
            if _is_name(before) and _is_name(after) and before != after:
                return before, after
    return "", ""


def _is_name(word: str) -> bool:
    return bool(NAME.fullmatch(word) or CMDLET.fullmatch(word)) and word not in NOT_NAMES


def names_in(text: str) -> tuple[str, ...]:
    """The cmdlets, operations and properties that a text names, told by how they are written."""
    found = [*CMDLET.findall(text), *NAME.findall(CMDLET.sub(" ", text))]
    return tuple(dict.fromkeys(name for name in found if name not in NOT_NAMES))


def _lengths(whole: str) -> tuple[str, str]:
    """The old and the new length; one alone is the new."""
    lengths = list(dict.fromkeys(" ".join(m[0].lower().replace("-", " ").split()) for m in LENGTH.finditer(whole)))
    switched = re.search(r"\bfrom\s+(\d+[\s-]+\w+)\s+to\s+(\d+[\s-]+\w+)", whole, re.IGNORECASE)
    if switched:
        return switched[1].lower(), switched[2].lower()
    return ("", lengths[0]) if lengths else ("", "")


TAKES_EFFECT = re.compile(
    r"\b(by|on|from|after|starting|starts?|beginning|begins?|effective|until|as of|since|between|end(s|ing)?|in|"
    r"through|date|before|at)\W+(?:the\s+)?(?:in\s+|on\s+|of\s+)?$",
    re.IGNORECASE,
)
ONLY_TOLD = re.compile(
    r"\b(updated|announced|published|posted|released|communicated|last (changed|updated)|previously|originally|"
    r"earlier (date|deadline)|moved from|postponed from|instead of|no longer)\W+(?:\w+\W+){0,3}$",
    re.IGNORECASE,
)


def effective_day(entry: Entry) -> date | None:
    """From when it holds: the day by which to act, else the first day that the title or then the text gives for it.

    Days on which something was announced, updated or formerly due are passed over. A post that names no day holds from
    the day on which it was published only where it reports something that is already so: that is for who asks to say.
    """
    if entry.get("effective"):
        return date.fromisoformat(entry["effective"])
    for text in (entry.get("title", ""), entry.get("text", "")):
        found = [
            stated
            for stated in stated_dates(text)
            if not ONLY_TOLD.search(text[max(0, stated.start - 60) : stated.start])
        ]
        strong = [stated for stated in found if _takes_effect(text, stated)]
        if strong or found:
            return (strong or found)[0].day
    return None


def _takes_effect(text: str, stated: StatedDate) -> bool:
    return bool(TAKES_EFFECT.search(text[max(0, stated.start - 40) : stated.start]))
