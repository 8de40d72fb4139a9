"""The sentences a case document is read out with, for the terminal and for the report page alike.

Words only: what was concluded stands in the document and is never judged again here; layout belongs to `cli` and to
the templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]

RESIDUAL_RISK = (
    "A report lowers the risk of a wrong conclusion, it does not remove it: checks of this kind avoid about 80 to 90 % "
    "of such errors, not 100 %. Read what was not tested before acting on it, and above all before closing the case."
)

PAGE_ROWS = 300
"""Rows of one table on the report page; the rest is read back with `m365dq show`."""

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

ROW_COUNTS = ("rows_read", "rows_imported", "rows_duplicate", "rows_quarantined")
RANK = {word: rank for rank, word in enumerate(ACCOUNT_VERDICTS)}
FAILURES = ("BLOCKED_AFTER_FIRST_FACTOR", "REJECTED", "NOT_EVALUATED", "NOT_GRANTED")


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


def plural(number: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def verdict_word(document: Document) -> str:
    """The case verdict as it is spoken."""
    status = str(document.get("status"))
    return VERDICTS.get(status, status)


def why(document: Document) -> str:
    """One sentence that gives the reason of the case verdict."""
    sentences = {"BREACH_INDICATED": _why_breach, "ALL_BLOCKED": _why_blocked, "NO_BREACH_INDICATED": _why_no_breach}
    return sentences.get(str(document.get("status")), _why_open)(document)


def _why_breach(document: Document) -> str:
    bad = [row for row in items(document, "accounts") if row.get("verdict") == "COMPROMISE_INDICATED"]
    foreign = sum(row.get("foreign_success") or 0 for row in bad)
    noun = "account shows" if len(bad) == 1 else "accounts show"
    return (
        f"{len(bad):,} {noun} signs of compromise: {plural(foreign, 'sign-in')} of theirs succeeded from outside their "
        "home countries."
    )


def _why_blocked(document: Document) -> str:
    sign_ins = part(document, "sign_ins")
    outcomes = part(sign_ins, "by_outcome")
    failed = sum(outcomes.get(word) or 0 for word in FAILURES)
    right = outcomes.get("BLOCKED_AFTER_FIRST_FACTOR") or 0
    tail = f"; in {right:,} of them the password was right, so change it" if right else ""
    return (
        f"None of {plural(failed, 'attempt')} succeeded, and {percent(sign_ins.get('decision_coverage'))} of the rows "
        f"could be decided{tail}."
    )


def _why_no_breach(document: Document) -> str:
    normalized = part(part(document, "sign_ins"), "normalized")
    return (
        f"{plural(normalized.get('SUCCESS') or 0, 'sign-in')} succeeded and none of them points to an intruder; "
        "this holds only for what was tested."
    )


def _why_open(document: Document) -> str:
    quality = part(document, "quality")
    failed = items(quality, "failed_checks")
    if failed and quality.get("status") == "FAIL":
        return f"The evidence did not pass the check {failed[0].get('check')}, so nothing was concluded from it."
    suspicious = [row for row in items(document, "accounts") if row.get("verdict") == "SUSPICIOUS"]
    if suspicious:
        return f"{plural(len(suspicious), 'account')} must be looked at by a person before the case can be decided."
    return "The evidence does not allow a conclusion; what is missing stands first below."


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
        for log_type, row in sorted(part(document, "recommended").items())
        if isinstance(row, Mapping) and row.get("field")
    ]


def _instead(row: Mapping[str, Any]) -> str:
    names = [str(name) for name in row.get("instead_of") or ()]
    return f", not by {' or '.join(names)}" if names else ""


def distrusted(document: Document) -> list[str]:
    """One sentence for outcome fields that may not testify: state and cause. Fields that do not apply are left out."""
    names: dict[tuple[str, str], list[str]] = {}
    for row in items(document, "fields"):
        if row.get("role") == "outcome" and not row.get("may_testify") and row.get("state") != "NOT_APPLICABLE":
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


def elided(value: object, limit: int = 40) -> str:
    """A long value with its middle left out: the ends tell most."""
    text = str(value)
    return text if len(text) <= limit else text[: limit // 4] + "…" + text[-(limit - limit // 4 - 1) :]


def score(value: object) -> str:
    """A reliability score 0..1 with two decimals, a dash where the field has none."""
    return f"{value:.2f}" if isinstance(value, (int, float)) else "-"


def unknowns(document: Document) -> list[str]:
    """Codes and values that are in no table, with their rows."""
    lines = []
    for key, noun in (("unknown_codes", "code"), ("unknown_values", "value")):
        for row in items(document, key):
            where = f"{row.get('log_type')}.{row.get('field')}"
            lines.append(f"unknown {noun} {row.get('value')!r} in {where} ({plural(row.get('rows') or 0, 'row')})")
    return lines


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


def _order(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    known = ("IMPORTED", "ALREADY_IMPORTED", "UNRECOGNISED", "REFUSED", "EMPTY")
    present = {str(row.get("status")) for row in rows}
    return [word for word in known if word in present] + sorted(present.difference(known))


def sign_in_figures(document: Document) -> list[str]:
    """The figures of the sign-ins in two sentences: all of them, then those from abroad with the three ratios."""
    sign_ins = part(document, "sign_ins")
    if not sign_ins.get("events"):
        return ["no sign-ins were judged"]
    normalized = part(sign_ins, "normalized")
    everything = (
        f"{plural(sign_ins['events'], 'row')} in {plural(sign_ins.get('flows') or 0, 'attempt')}: "
        f"{count(normalized.get('SUCCESS'))} succeeded, {count(normalized.get('FAILURE'))} failed, "
        f"{count(normalized.get('UNKNOWN'))} undecided; "
        f"{percent(sign_ins.get('decision_coverage'))} of the rows are decided"
    )
    return [everything, _foreign_figures(sign_ins)]


def _foreign_figures(sign_ins: Mapping[str, Any]) -> str:
    attempts = sign_ins.get("foreign_attempt_success_rate")
    rate = (
        "no attempts that count" if attempts is None else f"{percent(attempts)} of the attempts from abroad succeeded"
    )
    return (
        f"{plural(sign_ins.get('foreign_successes') or 0, 'success', 'successes')}; {rate}; they are "
        f"{percent(sign_ins.get('foreign_share_of_success'))} of all successes and "
        f"{percent(sign_ins.get('foreign_share_of_all'))} of all sign-ins"
    )


def override_banner(document: Document) -> str:
    """The sentence that a judgement against the gate carries everywhere, or nothing."""
    override = part(part(document, "quality"), "override")
    if not override:
        return ""
    return (
        f"NOT VERIFIED: the quality gate said no, and {override.get('actor')} overrode it until "
        f"{override.get('expires')} (reason: {override.get('reason')})."
    )
