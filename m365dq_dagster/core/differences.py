"""What two judgements of one case say differently, and why: the documents of two generations compared, and what each
was judged by. Pure comparison; reading generations and rule packs is the business of the stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from m365dq_dagster.core.adjudication import CODE_OUTCOMES
from m365dq_dagster.core.code_changes import CodeKey, Kind, ReferenceRow
from m365dq_dagster.core.narrative import ACCOUNT_VERDICTS, VERDICTS, plural, some
from m365dq_dagster.core.outcome import Outcome
from m365dq_dagster.core.reference import differing

Document = Mapping[str, Any]
Tally = Mapping[tuple[str, str, str], int]
"""(log type, code, outcome) -> rows; a code that a row lacks is blank."""

ACCOUNT_FIELDS = (
    *("verdict", "confidence", "success", "blocked_after_first_factor", "rejected", "unknown", "foreign_success"),
    *("foreign_attempt_success_rate", "home_countries"),
)
FINDING_FIELDS = ("claim", "severity", "confidence", "verified", "contradictions")
FIELD_FIELDS = ("state", "may_testify", "score")
UNCODED = "no code"
WORDS = frozenset({"meaning", "sources", "symbolic_name"})
"""What a row says for people, and no verdict turns on."""


@dataclass(frozen=True)
class Changed:
    """One thing that stands on both sides and says something else, or on one side alone (`before` or `after` None)."""

    what: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Moved:
    """Rows of one code of one log that have other outcomes now: outcome -> rows on each side."""

    log_type: str
    code: str
    before: Mapping[str, int]
    after: Mapping[str, int]


@dataclass(frozen=True)
class RuleChange:
    """One row of the reference, or one other entry of a rule pack, that the two packs do not have alike.

    `before` and `after` say what follows from it in a few words, '' where a pack lacks it. `rows` counts the rows of
    this case that hold the value, None where that cannot be told. `wording`: the row says the same in other words.
    """

    file: str
    key: str
    before: str
    after: str
    rows: int | None = None
    wording: bool = False


@dataclass(frozen=True)
class PackSide:
    """What is compared of a rule pack: rows of the reference, numbers of the policy by name, other files by digest."""

    reference: Sequence[ReferenceRow] = ()
    policy: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Two judgements of a case side by side. Empty parts have not changed.

    `outcomes` is None where the rows of one side are not kept any more; `rules` where one side's rule pack is not.
    `inputs` are what was judged: context, files, override, database of countries.
    """

    case: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    verdict: tuple[Changed, ...] = ()
    accounts: tuple[Changed, ...] = ()
    outcomes: tuple[Moved, ...] | None = None
    totals: tuple[Changed, ...] = ()
    unknown: tuple[Changed, ...] = ()
    findings: tuple[Changed, ...] = ()
    fields: tuple[Changed, ...] = ()
    recommended: tuple[Changed, ...] = ()
    rules: tuple[RuleChange, ...] | None = None
    inputs: tuple[Changed, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both sides conclude the same."""
        parts = (self.verdict, self.accounts, self.outcomes, self.totals, self.unknown)
        return not any((*parts, self.findings, self.fields, self.recommended))

    @property
    def same_pack(self) -> bool:
        """Whether both sides were judged by one rule pack."""
        return bool(self.before["rule_pack"] == self.after["rule_pack"])

    def as_mapping(self) -> dict[str, Any]:
        """For JSON: every part, and the sentences."""
        return {**asdict(self), "changed": not self.is_empty, "sentence": sentence(self), "why": reasons(self)}


def compare(
    before: Document,
    after: Document,
    tallies: tuple[Tally, Tally] | None = None,
    packs: tuple[PackSide, PackSide] | None = None,
) -> Difference:
    """Compare two documents of a case, the older one first; with the rows by code and outcome, and what each was judged
    by, where they are known.
    """
    return Difference(
        case=str(after.get("case")),
        before=_head(before),
        after=_head(after),
        verdict=_one("case", _picked(before, VERDICT_FIELDS), _picked(after, VERDICT_FIELDS)),
        accounts=_listed(before, after, "accounts", ("account",), ACCOUNT_FIELDS),
        outcomes=None if tallies is None else moved(*tallies),
        totals=_totals(before, after),
        unknown=_unknown(before, after),
        findings=_findings(before, after),
        fields=_listed(before, after, "fields", ("log_type", "field"), FIELD_FIELDS),
        recommended=_by_name(_fields_of(before), _fields_of(after)),
        rules=None if packs is None else rule_changes(*packs, tallies[1] if tallies else {}),
        inputs=_inputs(before, after),
    )


VERDICT_FIELDS = ("status", "confidence")


def _head(document: Document) -> dict[str, Any]:
    names = ("generation", "started_at", "rule_pack", "status", "confidence", "headline", "rejudged")
    return {name: document.get(name) for name in names}


def _picked(row: Document, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _one(what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Changed, ...]:
    """Both sides with what differs, or nothing."""
    if before == after:
        return ()
    if before is None or after is None:
        return (Changed(what, before, after),)
    names = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    return (Changed(what, _picked(before, names), _picked(after, names)),)


def _by_name(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> tuple[Changed, ...]:
    return tuple(
        one for name in dict.fromkeys((*before, *after)) for one in _one(name, before.get(name), after.get(name))
    )


def _listed(
    before: Document, after: Document, part: str, key: Sequence[str], names: Sequence[str]
) -> tuple[Changed, ...]:
    sides = [
        {".".join(str(row.get(name)) for name in key): _picked(row, names) for row in document.get(part) or ()}
        for document in (before, after)
    ]
    return _by_name(*sides)


def _totals(before: Document, after: Document) -> tuple[Changed, ...]:
    """Outcomes of each log, as the documents count them."""
    sides = [
        {name: dict(log.get("by_outcome") or {}) for name, log in (document.get("by_log_type") or {}).items()}
        for document in (before, after)
    ]
    return _by_name(*sides)


def _unknown(before: Document, after: Document) -> tuple[Changed, ...]:
    parts = (_listed(before, after, name, ("log_type", "field", "value"), ("rows",)) for name in UNKNOWN)
    return tuple(one for part in parts for one in part)


UNKNOWN = ("unknown_codes", "unknown_values")


def _findings(before: Document, after: Document) -> tuple[Changed, ...]:
    """Findings by what they are about: the case, or an account."""
    sides = [
        {str(row.get("account") or "case"): _picked(row, FINDING_FIELDS) for row in document.get("findings") or ()}
        for document in (before, after)
    ]
    return _by_name(*sides)


def _fields_of(document: Document) -> dict[str, dict[str, Any]]:
    advice = document.get("recommended") or {}
    return {name: _picked(one, ("field", "score", "confidence")) for name, one in advice.items()}


def _inputs(before: Document, after: Document) -> tuple[Changed, ...]:
    """What was judged, and what was known of it beforehand."""
    files = [
        {str(row.get("path")): {"sha256": row.get("sha256"), "status": row.get("status")} for row in found}
        for found in (before.get("files") or (), after.get("files") or ())
    ]
    context = _one("context", before.get("context") or {}, after.get("context") or {})
    override = [(document.get("quality") or {}).get("override") for document in (before, after)]
    places = [document.get("country_database") for document in (before, after)]
    named = tuple(Changed(f"file {one.what}", one.before, one.after) for one in _by_name(*files))
    return (*context, *named, *_one("override", *override), *_one("country database", *places))


def moved(before: Tally, after: Tally) -> tuple[Moved, ...]:
    """The codes whose rows have other outcomes now, those with most rows first."""
    sides: list[dict[tuple[str, str], dict[str, int]]] = [{}, {}]
    for side, tally in zip(sides, (before, after), strict=True):
        for (log_type, code, outcome), rows in tally.items():
            side.setdefault((log_type, code), {})[outcome] = rows
    keys = {key for side in sides for key in side if sides[0].get(key) != sides[1].get(key)}
    found = [Moved(*key, sides[0].get(key, {}), sides[1].get(key, {})) for key in keys]
    return tuple(sorted(found, key=lambda one: (-sum(one.after.values()), one.log_type, one.code)))


def rule_changes(before: PackSide, after: PackSide, seen: Tally) -> tuple[RuleChange, ...]:
    """What the two packs do not have alike: rows that this case holds first, then numbers, files, and other words."""
    rows: dict[str, int] = {}
    for (_, code, _), count in seen.items():
        rows[code] = rows.get(code, 0) + count
    old, new = ({row.key: row for row in side.reference} for side in (before, after))
    keys = [key for key in dict.fromkeys((*old, *new)) if _differ(old.get(key), new.get(key))]
    found = [_rule_change(key, old.get(key), new.get(key), rows if seen else None) for key in keys]
    found.sort(key=lambda one: (-(one.rows or 0), one.file, one.key))
    telling, wording = ([one for one in found if one.wording is words] for words in (False, True))
    return (*telling, *_numbers(before.policy, after.policy), *_files(before.files, after.files), *wording)


def _differ(old: ReferenceRow | None, new: ReferenceRow | None) -> bool:
    return old is None or new is None or bool(differing(old, new))


def _rule_change(
    key: CodeKey, old: ReferenceRow | None, new: ReferenceRow | None, rows: Mapping[str, int] | None
) -> RuleChange:
    count = rows.get(key.value, 0) if rows is not None and key.kind is Kind.CODE else None
    name = key.value if key.kind is Kind.CODE else str(key)
    one, other = said(old), said(new)
    names = differing(old, new) if old and new else ()
    if names and one == other:
        one, other = (", ".join(f"{name} {getattr(row, name)!s}" for name in names) for row in (old, new))
    return RuleChange(key.kind.value, name, one, other, count, bool(names) and WORDS.issuperset(names))


def said(row: ReferenceRow | None) -> str:
    """What follows from a row of the reference, in a few words; nothing where there is none."""
    if row is None:
        return ""
    if row.state != "ACTIVE":
        return f"{row.category}, {row.state.lower()}: unknown to the judge"
    if row.key.kind is not Kind.CODE:
        return f"{row.category}, {row.severity}"
    outcome = CODE_OUTCOMES.get(row.category or "", (Outcome.NOT_GRANTED,))[0]
    gone = ", deprecated" if row.deprecated else ""
    return f"{row.category} ({outcome}), first factor {row.first_factor}{gone}"


def _numbers(before: Mapping[str, object], after: Mapping[str, object]) -> list[RuleChange]:
    names = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    return [RuleChange("policy", name, _text(before.get(name)), _text(after.get(name))) for name in names]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _files(before: Mapping[str, str], after: Mapping[str, str]) -> list[RuleChange]:
    """Files that are compared as wholes."""
    words = {
        (True, True): ("one version", "another version"),
        (True, False): ("there", ""),
        (False, True): ("", "there"),
    }
    return [
        RuleChange("file", name, *words[(name in before, name in after)])
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def sentence(found: Difference) -> str:
    """Before and after in one sentence, for people."""
    if found.is_empty:
        return f"Nothing changed: case {found.case} is judged as before, {_verdict(found.after)}."
    if not found.verdict:
        return f"Case {found.case} is judged as before, {_verdict(found.after)}; what it rests on has changed."
    return f"Case {found.case} was judged {_verdict(found.before)}, and is now judged {_verdict(found.after)}."


def _verdict(head: Mapping[str, Any]) -> str:
    word = VERDICTS.get(str(head.get("status")), str(head.get("status")))
    return f"{word} ({head.get('confidence')})"


def account_word(verdict: object) -> str:
    """The verdict on an account in words."""
    return ACCOUNT_VERDICTS.get(str(verdict), str(verdict))


def reasons(found: Difference) -> list[str]:
    """Why the two differ, or could, one sentence each: rules, then what was judged."""
    told = []
    if found.rules is None:
        told.append("The rule pack of one side was not kept, so its rows cannot be compared.")
    rules = found.rules or ()
    for one in (one for one in rules if not one.wording):
        seen = "" if one.rows is None else f"; {plural(one.rows, 'row')} of this case"
        told.append(f"{one.file} {one.key}: {one.before or 'not there'} -> {one.after or 'not there'}{seen}")
    told += [f"{one.what}: {_input(one)}" for one in found.inputs]
    if wording := [one.key for one in rules if one.wording]:
        told.append(f"{plural(len(wording), 'row')} of the reference say the same in other words: {some(wording)}.")
    return told


def _input(one: Changed) -> str:
    if one.before is None or one.after is None:
        return "new" if one.before is None else "gone"
    return ", ".join(f"{name} {one.before[name]} -> {one.after.get(name)}" for name in one.before)
