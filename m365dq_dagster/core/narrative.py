"""The sentences a case document is read out with, for the terminal and for the report page alike.

Words only: what was concluded stands in the document and is never judged again here; layout belongs to `cli` and to
the templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from m365dq_dagster.core.schema_changes import matters

Document = Mapping[str, Any]

RESIDUAL_RISK = (
    "A report lowers the risk of a wrong conclusion, it does not remove it: checks of this kind avoid about 80 to 90 % "
    "of such errors, not 100 %. Read what was not tested before acting on it, and above all before closing the case."
)

PAGE_ROWS = 300
"""Rows of one table on the report page; the rest is read back with `m365dq show`."""

PAGE_VALUES = 10
"""Unknown values of one field on the report page that decide no outcome."""

PAGE_LEADS = 50
"""Leads of one kind on the report page."""

VERDICTS = {
    "BREACH_INDICATED": "BREACH INDICATED",
    "CANNOT_CONCLUDE": "CANNOT CONCLUDE",
    "ALL_BLOCKED": "ALL ATTEMPTS BLOCKED",
    "NO_BREACH_INDICATED": "NO BREACH INDICATED",
}

ACCOUNT_VERDICTS = {
    "COMPROMISE_INDICATED": "compromise indicated",
    "SUSPICIOUS": "suspicious",
    "CANNOT_CONCLUDE": "cannot conclude",
    "CREDENTIAL_EXPOSED": "credential exposed",
    "TARGETED": "targeted",
    "NO_INDICATION": "no indication",
}

OUTCOMES = {
    "SUCCESS": "succeeded",
    "BLOCKED_AFTER_FIRST_FACTOR": "blocked after a right password",
    "REJECTED": "rejected (wrong credential)",
    "NOT_EVALUATED": "not evaluated (locked or throttled)",
    "NOT_GRANTED": "not granted (application, tenant or token)",
    "INTERRUPTED": "interrupted (a step in between)",
    "CONFLICT": "conflicting witnesses",
    "UNKNOWN": "outcome unknown",
}

CAUSES = {
    "SERIALISATION_LOST": "the export wrote the type name of the status object instead of its content",
    "IMPORTER_DEFAULT": "an earlier importer filled in one and the same value",
    "FILTER_AT_SOURCE": "the export was filtered to one value at its source",
    "CONSTANT_BY_DESIGN": "Microsoft writes one constant value here",
    "LICENCE": "the tenant's licence does not fill it",
    "VENDOR_OUTAGE": "Microsoft's service wrote wrong values at that time",
    "ALL_ONE_WAY": "every row has the same value, and that cannot be told apart from a stuck field",
    "UNKNOWN_VALUES": "most of its values are in no table of known values",
}

STATES = {
    "RELIABLE": "reliable",
    "LOW_CONTRAST": "reliable, nearly all one value",
    "UNIFORM": "one value on every row",
    "CORRUPTED": "corrupted",
    "CONTRADICTED": "contradicted by other fields",
    "UNRELIABLE": "inconsistent with other fields",
    "NOT_APPLICABLE": "not applicable",
}

KINDS = {
    "succeeded": ("SUCCESS",),
    "failed": ("BLOCKED_AFTER_FIRST_FACTOR", "REJECTED", "NOT_EVALUATED", "NOT_GRANTED"),
    "interrupted": ("INTERRUPTED",),
    "undecided": ("UNKNOWN", "CONFLICT"),
}
"""Outcomes by how a reader counts them; an interrupt is a known step in between and not undecided."""

GAP_GUIDE: dict[str, tuple[str, str]] = {
    "MANIFEST": (
        "The list that the collector wrote of its files, and the files, do not agree.",
        "Fetch the files it names again from where they were collected; do not rely on one whose hash differs.",
    ),
    "GONE_FILE": (
        "A file is no longer in the folder; its rows are still in the case.",
        "Put it back, or run again with --forget-missing so that its rows are left out.",
    ),
    "DECLARED_MISMATCH": (
        "An export says itself that it has another number of rows than it holds.",
        "Export that window again and put the new file in the place of the old one.",
    ),
    "CAP": (
        "A file holds exactly as many rows as its export gives at most, so the rest was probably cut off.",
        "Export again in shorter windows, until no file is full.",
    ),
    "THROTTLED": (
        "Reads of a mailbox were not logged for up to 24 hours, because there were too many.",
        "Take the mailbox as read in those hours.",
    ),
    "HOLE": (
        "A log is silent for longer than is usual for it.",
        "Export that time again; if it stays empty, see whether other logs are busy then, and ask who could have "
        "switched logging off.",
    ),
    "WINDOW": (
        "The events reach over less time than was asked for, or than a file's name or its collector's log says.",
        "Export the missing days; if they come back empty, note that as a result.",
    ),
    "VENDOR_LOG_LOSS": (
        "Microsoft has said that this log lost or misstated events in that time.",
        "No export brings them back: look into another log for that time, and say so in the report.",
    ),
    "OVERLAP": (
        "Two exports tell the same event with different outcomes; each was counted.",
        "Look at both and find out which of them was filtered or changed.",
    ),
    "UNREADABLE_TIME": (
        "Rows have a text where the time should be that is no time; they enter no rule that depends on time.",
        "Export them again with times like 2025-03-14T07:22:01Z, and do not let a spreadsheet write them.",
    ),
    "AGGREGATED": (
        "Rows stand for several sign-ins each, so there were more sign-ins than rows.",
        "Do not read the number of rows as the number of sign-ins; export them without aggregation where that can be "
        "had.",
    ),
    "MISSING_LOG_TYPE": (
        "A log, or a type of sign-in, is not in the folder.",
        "Export it if it can be had. Until then nothing is said about what it would show.",
    ),
    "RETENTION": (
        "The log was not kept for longer, so what is older could not be exported.",
        "Look for an older copy in a SIEM, a storage account or an earlier export; without one nothing can be said of "
        "that time.",
    ),
}
"""Kinds of leads on missing evidence, those that weigh most first: what each means, and what to do about it."""

NOT_TAKEN_IN = ("UNRECOGNISED", "REFUSED", "EMPTY")
"""States of a file of which no row is in the case."""

NAMED = 3
"""Files that are named in one sentence before the rest is counted."""

VALUE = 80
"""Characters of a value from the evidence within a sentence; the sentence goes on after it."""

SAID = ("succeeded", "failed")
"""Kinds that are counted even where there are none."""

SAME = 60
"""Characters by which a sentence is known again where one of two was cut."""

AT_FAULT = ("CORRUPTED", "CONTRADICTED", "UNRELIABLE")
"""States of a field that is sound, or that has nothing to say where it stands."""

ABSENT = "absent"
"""What the provenance of a field says where its file does not hold it."""

LOG_TYPES = ("sign_in_logs", "unified_audit_log", "legacy_auth_logs", "entra_audit_logs")
ROW_COUNTS = ("rows_read", "rows_imported", "rows_duplicate", "rows_quarantined")
RANK = {word: rank for rank, word in enumerate(ACCOUNT_VERDICTS)}


def percent(share: object) -> str:
    """A share 0..1 as percent with at most one decimal, never rounded up to 100 or down to 0; a dash for none."""
    if not isinstance(share, (int, float)):
        return "-"
    value = round(share * 100, 1)
    if value >= 100 > share * 100:
        value = 99.9
    if value <= 0 < share:
        return "< 0.1 %"
    return f"{value:.1f} %".replace(".0 %", " %")


def count(number: object) -> str:
    """A whole number with separators, a dash where there is none."""
    return f"{number:,}" if isinstance(number, int) else "-"


def moment(text: object) -> str:
    """An ISO 8601 time as people read it, to the second; text that is none stays as it is."""
    try:
        parsed = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    return f"{parsed:%Y-%m-%d %H:%M:%S}" + (" UTC" if parsed.utcoffset() == timedelta(0) else "")


def plural(number: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def verdict_word(document: Document) -> str:
    """The case verdict as it is spoken."""
    status = str(document.get("status"))
    return VERDICTS.get(status, status)


def standing(document: Document) -> str:
    """What lessens a verdict beside its confidence: `not verified`, `no longer stands`, or nothing."""
    quality = part(document, "quality")
    if lapse(part(quality, "override")):
        return "no longer stands"
    return "not verified" if quality.get("status") == "OVERRIDDEN" else ""


def verdict_line(document: Document) -> str:
    """The verdict with how far it may be leaned on."""
    sure = confidence(document)
    words = (verdict_word(document), f"confidence {sure}" if sure else "", standing(document))
    return ", ".join(word for word in words if word)


def why(document: Document) -> str:
    """The sentence that gives the reason of the case verdict, without the words that stand above it anyway."""
    text = unnamed(document, document.get("headline") or "")
    spoken, _, rest = text.partition(". ")
    told = rest if rest and spoken.upper() == verdict_word(document) else text
    is_word = told.partition(" ")[0].isalpha()
    return told[:1].upper() + told[1:] if is_word else told


def confidence(document: Document) -> str:
    """How far the verdict may be leaned on; nothing where there is no conclusion to lean on."""
    if document.get("status") == "CANNOT_CONCLUDE":
        return ""
    return str(document.get("confidence") or "")


def open_points(document: Document) -> list[str]:
    """What cannot be concluded, without the point that the reason of the verdict has told already."""
    points = [unnamed(document, text) for text in texts(document, "cannot_conclude")]
    return [text for text in points if not is_told(document, text)]


def unnamed(document: Document, text: object) -> str:
    """A sentence without the case's name in front, where it is read beside that name."""
    return str(text).removeprefix(f"Case {document.get('case')}: ")


def is_told(document: Document, text: str) -> bool:
    """True where the reason of the verdict begins with, or holds, this sentence already; both may be cut."""
    return text[:SAME].casefold() in why(document).casefold()


def failed_checks(document: Document) -> list[Mapping[str, Any]]:
    """The checks that failed, each with reason and runbook; the reason without the case's name."""
    rows = items(part(document, "quality"), "failed_checks")
    return [{**row, "reason": unnamed(document, row.get("reason"))} for row in rows]


def some(names: Sequence[object], most: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def items(document: Document, key: str) -> list[Mapping[str, Any]]:
    """The list under `key`, empty where there is none."""
    value = document.get(key)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def part(document: Document, key: str) -> Mapping[str, Any]:
    """The object under `key`, empty where there is none."""
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def texts(document: Document, key: str) -> list[str]:
    """The list of sentences under `key`, empty where there is none."""
    value = document.get(key)
    return [str(text) for text in value] if isinstance(value, list) else []


def accounts_worst_first(document: Document) -> list[Mapping[str, Any]]:
    """Accounts by verdict, then by foreign successes, then by name."""
    return sorted(
        items(document, "accounts"),
        key=lambda row: (
            RANK.get(str(row.get("verdict")), len(RANK)),
            -(row.get("foreign_success") or 0),
            str(row.get("account")),
        ),
    )


def trusted(document: Document) -> list[str]:
    """One sentence a log type: which field tells how a sign-in ended."""
    return [
        f"{log_type}: judge by {row.get('field')} (score {score(row.get('score'))})" + _instead(row)
        for log_type, row in sorted(part(document, "recommended").items(), key=lambda item: _place(item[0]))
        if isinstance(row, Mapping) and row.get("field")
    ]


def _place(log_type: str) -> tuple[int, str]:
    return (LOG_TYPES.index(log_type) if log_type in LOG_TYPES else len(LOG_TYPES), log_type)


def _instead(row: Mapping[str, Any]) -> str:
    names = [str(name) for name in row.get("instead_of") or ()]
    return f", not by {' or '.join(names)}" if names else ""


def distrusted(document: Document) -> list[str]:
    """One sentence for outcome fields that may not testify: state and cause. Fields that do not apply are left out."""
    names: dict[tuple[str, str], list[str]] = {}
    for row in items(document, "fields"):
        if row.get("role") == "outcome" and not row.get("may_testify") and row.get("state") in AT_FAULT:
            names.setdefault((str(row.get("log_type")), field_reason(row)), []).append(str(row.get("field")))
    return [f"{log_type}: {' and '.join(fields)}: {reason}" for (log_type, reason), fields in names.items()]


def field_reason(row: Mapping[str, Any]) -> str:
    """State and cause of a field in words, with the value that fills it where it is stuck."""
    state = str(row.get("state"))
    cause = CAUSES.get(str(row.get("cause")), "")
    sentence = STATES.get(state, state) + (f", {cause}" if cause else "")
    stuck = row.get("top_raw") or row.get("top_value")
    if stuck and state in ("CORRUPTED", "UNIFORM"):
        sentence += f" ({percent(row.get('top_share'))} hold {elided(stuck)!r})"
    return sentence


def reasons(row: Mapping[str, Any]) -> str:
    """The reasons given with a field or an account, as one text; empty where none are given."""
    told = [text.rstrip() for text in texts(row, "reasons")]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in told)


def field_why(row: Mapping[str, Any]) -> str:
    """Why a field is in its state: the reasons that were found, else state and cause in words."""
    return reasons(row) or field_reason(row)


def field_sentence(row: Mapping[str, Any]) -> str:
    """One sentence: why a field may or may not testify, or what it says and how far it is filled."""
    name, told = str(row.get("field")), (texts(row, "reasons") or [field_reason(row)])[0].rstrip()
    sentence = told if told.startswith(name) else f"{name}: {told}"
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def heard(row: Mapping[str, Any]) -> str:
    """Whether a field may testify: `yes`, `in part` where it is not heard in a part of the log, `no`."""
    if not row.get("may_testify"):
        return "no"
    return "in part" if any(part_of.get("heard") == "NOT" for part_of in items(row, "parts")) else "yes"


def is_there(row: Mapping[str, Any]) -> bool:
    """True for a field that holds something in this evidence."""
    return row.get("state") != "NOT_APPLICABLE"


def field_changes(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for every day on which a field changes and every part in which it is not heard as in the rest."""
    found = [
        str(each.get("sentence")) for row in rows for key in ("change_points", "parts") for each in items(row, key)
    ]
    return list(dict.fromkeys(found))


def rules_told(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for every context rule that applied to a field that is there: its rows, what it does, and why."""
    fields: dict[str, list[str]] = {}
    told: dict[str, Mapping[str, Any]] = {}
    for row in filter(is_there, rows):
        for rule in items(row, "rules"):
            name = str(rule.get("id"))
            fields.setdefault(name, []).append(f"{row.get('field')} ({_effect(rule)})")
            told.setdefault(name, rule)
    return [
        f"{name}: {', '.join(fields[name])}. {rule.get('because')} What to do: {rule.get('runbook')}"
        for name, rule in told.items()
    ]


EFFECTS = {"veto": "not heard", "not_applicable": "empty by design"}


def _effect(rule: Mapping[str, Any]) -> str:
    factor = rule.get("factor")
    effect = EFFECTS.get(str(rule.get("effect")), f"score times {score(factor)}")
    return f"{effect}, {plural(rule.get('rows') or 0, 'row')}"


TYPES = {
    "interactiveuser": "interactive",
    "noninteractiveuser": "non-interactive",
    "serviceprincipal": "service principal",
    "managedidentity": "managed identity",
}


STANDS_FOR = {"LOW_CONTRAST": "RELIABLE"}
"""States that are no difference worth a line."""


def type_differences(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Field, type of sign-in in words, and its profile there, for fields that are not in one state on all types."""
    found = []
    for row in rows:
        profiles = items(row, "by_sign_in_type")
        states = {str(each.get("state") or row.get("state")) for each in profiles}
        heard_on = {each.get("may_testify") for each in profiles}
        if len(heard_on) > 1 or len({STANDS_FOR.get(state, state) for state in states}) > 1:
            kinds = [(TYPES.get(str(each.get("sign_in_type")), "type not told"), each) for each in profiles]
            found += [(str(row.get("field")), kind, each) for kind, each in kinds]
    return found


CONFLICTS = {
    "ADDRESS_IN_TWO_COUNTRIES": "addresses were placed in more than one country",
    "LOCATION_FLICKERS": "accounts were placed now here, now there",
    "TRAVEL_TOO_FAST": "accounts succeeded in two countries faster than anybody travels",
}
"""Kinds of contradictions of which a case can hold many, in words that follow their number."""


@dataclass(frozen=True)
class Contradiction:
    """A kind of contradiction: what is so in one sentence, on how many rows, single cases, and events to look at."""

    kind: str
    rows: int
    sentence: str
    details: list[str]
    examples: list[str]


def contradictions(document: Document) -> list[Contradiction]:
    """The contradictions of a case, one a kind, those with most rows first."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in items(document, "conflicts"):
        kinds.setdefault(str(row.get("kind")), []).append(row)
    found = [_contradiction(kind, rows) for kind, rows in kinds.items()]
    return sorted(found, key=lambda one: (-one.rows, one.kind))


def _contradiction(kind: str, found: list[Mapping[str, Any]]) -> Contradiction:
    rows = sum(row.get("rows") or 0 for row in found)
    details = [str(row.get("detail")) for row in found]
    examples = [name for row in found for name in texts(row, "example_event_ids")]
    if len(found) == 1:
        return Contradiction(kind, rows, f"{plural(rows, 'row')}: {details[0]}", [], examples)
    what = CONFLICTS.get(kind, "contradictions of this kind were found")
    return Contradiction(kind, rows, f"{plural(rows, 'row')}: {len(found):,} {what}.", details, examples)


def elided(value: object, limit: int = 40) -> str:
    """A long value with its middle left out: the ends tell most."""
    text = str(value)
    return text if len(text) <= limit else text[: limit // 4] + "…" + text[-(limit - limit // 4 - 1) :]


def score(value: object) -> str:
    """A reliability score 0..1 with two decimals, a dash where the field has none."""
    return f"{value:.2f}" if isinstance(value, (int, float)) else "-"


def unknowns(document: Document) -> list[str]:
    """Codes and values that are in no table, with their rows; those that tell no outcome in one sentence a field."""
    return [_unknown(noun, row) for noun, row in unknown_rows(document)] + [_quiet(*one) for one in quiet(document)]


def unknown_rows(document: Document) -> list[tuple[str, Mapping[str, Any]]]:
    """The unknown codes, then the unknown words of what tells outcomes, each with its noun."""
    words = [row for row in items(document, "unknown_values") if row.get("alerts", True)]
    return [("code", row) for row in items(document, "unknown_codes")] + [("value", row) for row in words]


def _unknown(noun: str, row: Mapping[str, Any]) -> str:
    told = f"unknown {noun} {elided(row.get('value'), VALUE)!r} in {row.get('log_type')}.{row.get('field')}"
    waits = "; it is a proposal that waits for approval" if row.get("proposed") else ""
    return f"{told} ({plural(row.get('rows') or 0, 'row')}{_between(row)}){waits}"


def _between(row: Mapping[str, Any]) -> str:
    first, last = row.get("first"), row.get("last")
    if not first or not last:
        return ""
    return f", {moment(first)}" if first == last else f", {moment(first)} to {moment(last)}"


def quiet(document: Document) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The unknown values that tell no outcome, such as operations and clients, by field."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in items(document, "unknown_values"):
        if not row.get("alerts", True):
            found.setdefault(f"{row.get('log_type')}.{row.get('canonical_field')}", []).append(row)
    return list(found.items())


def leaned(row: Mapping[str, Any]) -> str:
    """The unknown values that left sign-ins of an account, a finding or the case open, in one line; empty for none."""
    found = [
        f"{elided(one.get('value'))} in {one.get('field')} ({plural(one.get('rows') or 0, 'row')})"
        for one in items(row, "leaned_on_unknown")
    ]
    return some(found, NAMED)


def distinct(rows: Iterable[Mapping[str, Any]]) -> int:
    """How many values stand behind rows of which one may count several."""
    return sum(row.get("values") or 1 for row in rows)


def _quiet(where: str, rows: list[Mapping[str, Any]]) -> str:
    values, counted = distinct(rows), sum(row.get("rows") or 0 for row in rows)
    named = listed([f"{elided(row.get('value'))!r} ({count(row.get('rows'))})" for row in rows[:NAMED]])
    common = "" if values <= NAMED else "the commonest "
    return f"{plural(values, 'unknown value')} in {where} ({plural(counted, 'row')}): {common}{named}"


def files_summary(document: Document) -> str:
    """One sentence on the ledger: files by status, rows read and what became of them."""
    rows = items(document, "files")
    words = {status: sum(1 for row in rows if row.get("status") == status) for status in _order(rows)}
    states = ", ".join(f"{number:,} {word.lower().replace('_', ' ')}" for word, number in words.items())
    total = {key: sum(row.get(key) or 0 for row in rows) for key in ROW_COUNTS}
    return (
        f"{states or 'no files'}; {plural(total['rows_read'], 'row')} read = {total['rows_imported']:,} kept "
        f"+ {total['rows_duplicate']:,} duplicate + {total['rows_quarantined']:,} set aside as unreadable"
    )


def places(document: Document) -> str:
    """One sentence on the database of countries the case was judged with, or nothing."""
    found = part(document, "country_database")
    if not found:
        return ""
    rows = sum(part(found, "rows_placed").values())
    differing, compared = found.get("addresses_differing") or 0, found.get("addresses_compared") or 0
    begins = f"{elided(found.get('file'), VALUE)} (type {found.get('type')}, built {str(found.get('built'))[:10]})"
    differs = f"differs from the exports on {differing:,} of {plural(compared, 'address', 'addresses')}"
    if found.get("trusted") is False:
        return f"{begins} {differs} and placed nothing"
    return f"{begins} placed {plural(rows, 'row')} that no export gives a country; it {differs}"


def not_taken_in(document: Document) -> list[Mapping[str, Any]]:
    """The files of which nothing is in the case."""
    return [row for row in items(document, "files") if row.get("status") in NOT_TAKEN_IN]


def by_reason(files: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Files by the reason that is noted of them, in their order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in files:
        found.setdefault(str(row.get("reason") or "No reason was noted."), []).append(row)
    return found


def unread(document: Document) -> list[str]:
    """The files that were not taken in, one sentence a reason."""
    return _by_sentence((row.get("path"), row.get("reason")) for row in not_taken_in(document))


def remarks(document: Document) -> list[str]:
    """What is to be known of files that were taken in, one sentence a remark."""
    taken = [row for row in items(document, "files") if row.get("log_type") and row.get("status") not in NOT_TAKEN_IN]
    return _by_sentence((row.get("path"), row.get("reason") or _dates(row)) for row in taken)


def schema_changes(document: Document) -> list[str]:
    """What the vendor or the exporter changed in what is read, one sentence each; nothing where nothing did."""
    grave = [row for row in items(document, "schema_changes") if matters(row)]
    return [
        f"Schema change in {elided(row.get('log_type'))}: {elided(row.get('detail'), 300)} (m365dq schema changes)."
        for row in grave[:NAMED]
    ] + ([f"And {plural(len(grave) - NAMED, 'more schema change')}."] if len(grave) > NAMED else [])


def _dates(row: Mapping[str, Any]) -> str:
    if row.get("date_order") != "AMBIGUOUS":
        return ""
    return (
        "Its dates do not tell which number is the day and which the month, so nothing that depends on time is "
        "concluded from it; say it with --date-order."
    )


def _by_sentence(told: Iterable[tuple[object, object]]) -> list[str]:
    paths: dict[str, list[str]] = {}
    for path, sentence in told:
        if sentence:
            paths.setdefault(str(sentence), []).append(elided(path, VALUE))
    return [f"{some(names, NAMED)}: {sentence}" for sentence, names in paths.items()]


@dataclass(frozen=True)
class LogLine:
    """One log of the case: its rows, the moments of its first and last event, and whether the verdict looked at it."""

    log_type: str
    rows: int
    first: str | None
    last: str | None
    judged: bool


def logs(document: Document) -> list[LogLine]:
    """The logs that hold rows: those of the sign-ins first, those that were not judged last."""
    stopped = part(document, "quality").get("status") == "FAIL"
    found = [
        LogLine(log_type, row["events"], *_reach(document, log_type, row), row.get("judged", True) and not stopped)
        for log_type, row in part(document, "by_log_type").items()
        if isinstance(row, Mapping) and row.get("events")
    ]
    return sorted(found, key=lambda line: (not line.judged, _place(line.log_type)))


def _reach(document: Document, log_type: str, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """First and last event of a log, from its files where the log's own entry does not say."""
    files = [one for one in items(document, "files") if log_type in str(one.get("log_type")).split(", ")]
    first = row.get("first_event") or min(
        (str(one["first_event"]) for one in files if one.get("first_event")), default=None
    )
    last = row.get("last_event") or max(
        (str(one["last_event"]) for one in files if one.get("last_event")), default=None
    )
    return first, last


def logs_summary(document: Document) -> str:
    """The logs that were taken in, with their rows, and those of them that were not judged."""
    words = [
        f"{line.log_type} {plural(line.rows, 'row')}" + ("" if line.judged else " (not judged)")
        for line in logs(document)
    ]
    return "; ".join(words) or "none"


def split_of(indicator: Mapping[str, Any]) -> str:
    """What the rows of an indicator come to, in words."""
    told = [f"{elided(key, 80)}: {count(value)}" for key, value in part(indicator, "detail").items()]
    if indicator.get("after_foreign_success"):
        told.append(f"{count(indicator['after_foreign_success'])} of them after a foreign success")
    return ", ".join(told)


def unjudged(document: Document) -> list[str]:
    """The sentence that names the logs that were taken in and that no verdict looked at; none where all were."""
    counted = [
        f"{row.get('events') or 0:,} {elided(log_type)} {'row' if row.get('events') == 1 else 'rows'}"
        for log_type, row in part(document, "by_log_type").items()
        if isinstance(row, Mapping) and row.get("judged") is False
    ]
    if not counted:
        return []
    one = len(counted) == 1 and counted[0].startswith("1 ")
    verb, them = ("was taken in and is", "it") if one else ("were taken in and are", "them")
    return [f"{listed(counted)} {verb} not judged yet: nothing is concluded from {them}."]


def listed(words: list[str]) -> str:
    """Words as a list within a sentence: `a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def set_aside(document: Document) -> list[Mapping[str, Any]]:
    """The reasons for which rows were set aside, those with most rows first."""
    return sorted(items(document, "quarantine"), key=lambda row: -(row.get("rows") or 0))


def files_of(row: Mapping[str, Any], most: int = 8) -> str:
    """The files that hold rows of one reason, each with its rows; those with most first."""
    named = [f"{elided(file.get('path'), VALUE)} ({count(file.get('rows'))})" for file in items(row, "files")]
    left = (row.get("file_count") or len(named)) - min(most, len(named))
    return ", ".join(named[:most]) + (f" and {plural(left, 'more file')}" if left > 0 else "")


@dataclass(frozen=True)
class GapGroup:
    """The leads of one kind on missing evidence, with what the kind means and what to do about it."""

    kind: str
    means: str
    what_to_do: str
    rows: list[Mapping[str, Any]]


def gap_groups(document: Document) -> list[GapGroup]:
    """The leads on missing evidence by kind, the kinds that weigh most first, kinds without a guide last."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(items(document, "completeness"), key=lambda row: _weight(str(row.get("kind")))):
        by_kind.setdefault(str(row.get("kind")), []).append(row)
    return [GapGroup(kind, *GAP_GUIDE.get(kind, ("", "")), rows) for kind, rows in by_kind.items()]


def gaps(document: Document) -> list[str]:
    """Where evidence may be missing, one sentence a kind of lead: its first lead, and how many more there are."""
    return [
        ": ".join(str(group.rows[0][key]) for key in ("log_type", "detail") if group.rows[0].get(key))
        + (f" (and {len(group.rows) - 1:,} more like it)" if len(group.rows) > 1 else "")
        for group in gap_groups(document)
    ]


def _weight(kind: str) -> int:
    kinds = list(GAP_GUIDE)
    return kinds.index(kind) if kind in kinds else len(kinds)


@dataclass(frozen=True)
class Origins:
    """Where the fields of files of one format come from: field and origin of what is there, names of what is not."""

    log_type: str
    format: str
    files: list[str]
    present: list[tuple[str, str]]
    absent: list[str]


def origins(files: Iterable[Mapping[str, Any]]) -> list[Origins]:
    """The provenance of files, gathered by log type and format. A field's text as read beside its value is left out."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for file in files:
        groups.setdefault((str(file.get("log_type")), str(file.get("format"))), []).append(file)
    ordered = sorted(groups.items(), key=lambda item: (_place(item[0][0]), item[0][1]))
    return [_origins(*key, group) for key, group in ordered]


def _origins(log_type: str, name: str, files: list[Mapping[str, Any]]) -> Origins:
    told = [part(file, "fields") for file in files]
    fields = sorted({field for one in told for field in one if not field.endswith("_raw")})
    found = {field: _tally([str(one.get(field, ABSENT)) for one in told]) for field in fields}
    present = [(field, words) for field, words in found.items() if words != ABSENT]
    absent = [field for field, words in found.items() if words == ABSENT]
    return Origins(log_type, name, [str(file.get("path")) for file in files], present, absent)


def _tally(words: list[str]) -> str:
    """One origin where all files share it, else each with the number of its files."""
    counted = {word: words.count(word) for word in sorted(set(words), key=lambda word: (word == ABSENT, word))}
    if len(counted) == 1:
        return words[0]
    return "; ".join(f"{word} in {plural(number, 'file')}" for word, number in counted.items())


def stale(document: Document) -> str:
    """What was made from other evidence, context or rules than the rest, or nothing; partial runs leave such tables."""
    tables = texts(document, "stale")
    if not tables:
        return ""
    return f"STALE: {', '.join(tables)} were made from other evidence, context or rules; run the whole case again."


def rejudged_banner(document: Document) -> str:
    """The sentence on a judgement by another rule pack than the one that was in force, or nothing."""
    again = part(document, "rejudged")
    if not again or document.get("rule_pack") == again.get("in_force"):
        return ""
    return (
        f"Judged again by rule pack {str(document.get('rule_pack'))[:19]}, which was not the one in force "
        f"({str(again.get('in_force'))[:19]}); nobody was alerted, and the next run goes by the one in force."
    )


def other_pack_banner(document: Document, in_force: str) -> str:
    """The sentence on a judgement by another rule pack than the one in force now, or nothing, also where that is not
    known.
    """
    if in_force in ("", document.get("rule_pack")):
        return ""
    return (
        "Judged by another rule pack than the one in force; judge it by that with `m365dq rejudge "
        f"{document.get('case')}`, or run the case again."
    )


def _order(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    known = ("IMPORTED", "ALREADY_IMPORTED", "UNRECOGNISED", "REFUSED", "EMPTY")
    present = {str(row.get("status")) for row in rows}
    return [word for word in known if word in present] + sorted(present.difference(known))


def sign_in_figures(document: Document) -> list[str]:
    """The figures of the sign-ins in two sentences: all of them, then those from abroad with the three ratios."""
    sign_ins = part(document, "sign_ins")
    if not sign_ins.get("events"):
        return ["no sign-ins were judged"]
    counted = part(sign_ins, "by_outcome")
    numbers = [sum(counted.get(word) or 0 for word in words) for words in KINDS.values()]
    ends = ", ".join(
        f"{number:,} {kind}" for kind, number in zip(KINDS, numbers, strict=True) if number or kind in SAID
    )
    everything = (
        f"{plural(sign_ins['events'], 'row')} ({plural(sign_ins.get('flows') or 0, 'separate sign-in')}): {ends}; "
        f"{percent(sign_ins.get('decision_coverage'))} of the rows are decided"
    )
    return [everything, _foreign_figures(sign_ins)]


def _foreign_figures(sign_ins: Mapping[str, Any]) -> str:
    names = ("foreign_attempt_success_rate", "foreign_share_of_success", "foreign_share_of_all")
    of_attempts, of_successes, of_all = ("n/a" if sign_ins.get(n) is None else percent(sign_ins[n]) for n in names)
    return (
        f"{plural(sign_ins.get('foreign_successes') or 0, 'success', 'successes')}: {of_attempts} of the attempts from "
        f"abroad, {of_successes} of all successes, {of_all} of all sign-ins"
    )


def outcomes(document: Document) -> list[str]:
    """How the sign-in rows ended, one count each, those that succeeded first; outcomes without a row are left out."""
    counted = part(part(document, "sign_ins"), "by_outcome")
    ordered = [word for word in OUTCOMES if word in counted] + sorted(set(counted).difference(OUTCOMES))
    return [f"{count(counted[word])} {OUTCOMES.get(word, word)}" for word in ordered if counted[word]]


def correction_banners(document: Document) -> list[str]:
    """The sentences on the conclusions that stand corrected, that on the case first; read beside the document."""
    standing = [row for row in items(document, "corrections") if row.get("state") == "IN_FORCE"]
    return [str(row.get("sentence")) for row in sorted(standing, key=lambda row: row.get("subject") != "case")]


def corrected_to(document: Document, subject: object) -> str:
    """The verdict that a person gave a subject (an account; None is the case), or nothing where none stands."""
    about = subject or "case"
    standing = (row for row in items(document, "corrections") if row.get("state") == "IN_FORCE")
    return next((str(row.get("verdict")) for row in standing if row.get("subject") == about), "")


def override_banner(document: Document) -> str:
    """The sentence that a judgement against the gate carries everywhere, or nothing."""
    override = part(part(document, "quality"), "override")
    if not override:
        return ""
    who, until, reason = (override.get(key) for key in ("actor", "expires", "reason"))
    if override.get("recorded_by"):
        who = f"{who} (user {override['recorded_by']})"
    told = f"NOT VERIFIED: {who} asked to skip the quality gate until {until} (reason: {reason})."
    if failed_checks(document):
        told = f"NOT VERIFIED: the quality gate said no, and {who} overrode it until {until} (reason: {reason})."
    ended = lapse(override)
    return f"{ended[:1].upper()}{ended[1:]}. {told}" if ended else told


def lapse(override: Document) -> str:
    """The words on an override that has ended, by its day or by a person; nothing while it is in force."""
    if override.get("in_force", True):
        return ""
    by = f" by {override['ended_by']}" if override.get("ended_by") else ""
    return f"the override ended on {last_day(override)}{by}; this verdict no longer stands, run the case again"


def last_day(override: Document) -> str:
    """The day on which an override ended: its last one, or the one on which a person ended it."""
    return str(override.get("ended_at") or override.get("expires"))[:10]


def passed_over(document: Document) -> list[Mapping[str, Any]]:
    """The blocking checks that failed and were passed over, each with its reason and what stands in for it."""
    rows = items(part(part(document, "quality"), "override"), "disabled")
    return [{**row, "reason": unnamed(document, row.get("reason"))} for row in rows]


def switched_off(document: Document) -> list[Mapping[str, Any]]:
    """The checks that the policy has switched off, those that block first."""
    rows = items(part(document, "quality"), "switched_off")
    told = [{**row, "reason": _unsaid(document, row)} for row in rows]
    return sorted(told, key=lambda row: (not row.get("blocking"), str(row.get("check"))))


def _unsaid(document: Document, row: Mapping[str, Any]) -> str:
    """What a check that is off would have said, where it was asked."""
    said = unnamed(document, row.get("reason") or "It was not asked.")
    return said.removeprefix(f"{row.get('check')} is switched off by policy. ")


def switch_banner(document: Document) -> str:
    """The sentence on checks that are switched off, or nothing; it says so where nothing is verified for that."""
    rows = switched_off(document)
    gates = [str(row.get("check")) for row in rows if row.get("blocking")]
    notes = [str(row.get("check")) for row in rows if not row.get("blocking")]
    told = [
        f"NOT VERIFIED: switched off by policy, though nothing may be concluded without it: {some(gates)}."
        if gates
        else "",
        f"Switched off by policy{' besides' if gates else ''}: {some(notes)}." if notes else "",
    ]
    return " ".join(filter(None, told))
