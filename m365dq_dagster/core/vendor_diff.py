"""What changed between two readings of a document of the vendor, and how grave that is for what the product reads.

Recognising pages is done in `vendor_pages`, reading announcements in `vendor_announcements`; keeping snapshots and
telling of changes belong elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from m365dq_dagster.core.code_topics import propose
from m365dq_dagster.core.known_changes import UNDATED, as_known
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.vendor_announcements import CMDLET, MESSAGE_TRACE, Announcement, announced
from m365dq_dagster.core.vendor_pages import (
    DocumentIssue,
    DocumentReason,
    Entry,
    PageKind,
    Snapshot,
)
from m365dq_dagster.core.vendor_reads import Reads, Source, Touch, fold, nearest, severity_of

MAY_LOSE = 3
MAY_LOSE_SHARE = 0.1
"""More entries than the greater of both cannot leave a page at once: such a page is not believed."""

MOST_OWNERS = 200
MOST_PAIRS = 20_000
"""More schemas and more pairs of names are not held against each other: a page that changed so much was rewritten."""

ALIKE = 0.6
"""Two names of which one went and one came are one renamed from this similarity on (0 to 1)."""


@dataclass(frozen=True)
class Comparison:
    """What a document changes, and what speaks against believing it wholly."""

    changes: tuple[SchemaChange, ...]
    issues: tuple[DocumentIssue, ...] = ()
    believed: bool = True


def compare(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source, *, believed: bool = False) -> Comparison:
    """The changes of one document against its last reading, or against the reference alone where there is none.

    A document that lost far too much at once gives an issue and no change, unless somebody `believed` it. A change
    that is known already keeps its kind, has severity INFO and says under which id it is known.
    """
    old = _aligned(old, new) if old else None
    shrunk = None if old is None or believed or new.kind is PageKind.NOTES else _shrunk(new, old, source.document)
    if shrunk is not None:
        return Comparison((), (shrunk,), believed=False)
    found = DIFFERENCES[new.kind](new, old, reads, source)
    changes = tuple(dict.fromkeys(as_known(change, reads.known) for change in found))
    return Comparison(changes, tuple(_twice(new, source.document)))


def previous(new: Snapshot, held: Sequence[Snapshot], own: Snapshot | None = None) -> Snapshot | None:
    """The last reading of the same document among those of all documents, the oldest first. `own` is the last reading
    under the same name.

    Announcements come from many pages and leave them again, so all that were read count as one. Of other documents it
    is the one under the same name where the subject is the same, else the one most alike, with at least half of the
    smaller one's entries in common, else the last of the same subject. A resource is told by its subject alone; lists
    of codes all have the same.
    """
    same = [snapshot for snapshot in held if snapshot.kind is new.kind]
    if new.kind is PageKind.NOTES:
        entries = {key: entry for snapshot in same for key, entry in snapshot.entries.items()}
        return Snapshot(new.kind, new.subject, entries) if same else None
    if own is not None and own.kind is new.kind and own.subject == new.subject:
        return own
    if new.kind is PageKind.RESOURCE:
        same = [snapshot for snapshot in same if snapshot.subject == new.subject]
    near = [(_common(new, snapshot), place) for place, snapshot in enumerate(same)]
    best = max((item for item in near if item[0] > 0), default=None)
    if best is not None:
        return same[best[1]]
    named = [snapshot for snapshot in same if snapshot.subject == new.subject and new.kind is not PageKind.CODES]
    return named[-1] if named else None


def _common(new: Snapshot, old: Snapshot) -> float:
    """The share of all entries that both have; 0 where it is less than half of the smaller one."""
    both = len(new.entries.keys() & old.entries.keys())
    if 2 * both < min(len(new.entries), len(old.entries)):
        return 0.0
    return both / len(new.entries.keys() | old.entries.keys())


def _shrunk(new: Snapshot, old: Snapshot, document: str) -> DocumentIssue | None:
    lost = len(old.entries.keys() - new.entries.keys())
    if lost <= max(MAY_LOSE, MAY_LOSE_SHARE * len(old.entries)):
        return None
    return DocumentIssue(
        DocumentReason.SHRUNK,
        Severity.WARNING,
        document,
        f"{one_line(document)}: the document lacks {lost:,} of the {len(old.entries):,} entries that it had when "
        f"it was read last and holds {len(new.entries):,}; nothing was taken for removed. Save or fetch it again; if "
        "the vendor really removed them, see docs/guides/vendor-documents.md.",
    )


def _twice(new: Snapshot, document: str) -> Iterator[DocumentIssue]:
    if new.twice:
        several = f" and {len(new.twice) - 3} more" if len(new.twice) > 3 else ""
        yield DocumentIssue(
            DocumentReason.CODE_TWICE,
            Severity.INFO,
            document,
            f"{one_line(document)}: the page holds {', '.join(new.twice[:3])}{several} more than once; the first text "
            "was read.",
        )


# Names that went and came


def _pairs(gone: Sequence[str], come: Sequence[str], entries: Mapping[str, Entry]) -> dict[str, str]:
    """Old name -> new name: where the old one's last description names the new one, else where they are alike."""
    pairs: dict[str, str] = {}
    free = {fold(name): name for name in come}
    for name in gone:
        told = free.get(fold(entries.get(name, {}).get("replaced", "")))
        if told:
            pairs[name] = told
            free.pop(fold(told))
    if len(gone) * len(free) > MOST_PAIRS:
        return pairs
    for name in gone:
        best = max(((_likeness(name, other), other) for other in free.values()), default=(0.0, ""))
        if name not in pairs and best[0] >= ALIKE:
            pairs[name] = best[1]
            free.pop(fold(best[1]))
    return pairs


def _likeness(one: str, other: str) -> float:
    """1 where the longer name is the shorter one with less than as much again; else how alike the letters are."""
    shorter, longer = sorted((fold(one), fold(other)), key=len)
    if shorter in longer and len(longer) <= 2 * len(shorter):
        return 1.0
    return SequenceMatcher(None, shorter, longer, autojunk=False).ratio()


def _by_prefix(entries: Mapping[str, Entry], prefix: str) -> dict[str, Entry]:
    return {key.partition(":")[2]: entry for key, entry in entries.items() if key.startswith(prefix + ":")}


def _grouped(snapshot: Snapshot, prefix: str) -> dict[str, dict[str, Entry]]:
    """Entries with an owner (a schema, an enumeration) by owner and name."""
    found: dict[str, dict[str, Entry]] = {}
    for key, entry in _by_prefix(snapshot.entries, prefix).items():
        owner, _, name = key.rpartition(".")
        found.setdefault(owner, {})[name] = entry
    return found


def _aligned(old: Snapshot, new: Snapshot) -> Snapshot:
    """The old reading with its schemas and enumerations called as the new one calls them: a new heading is wording."""
    called = {
        f"{prefix}:{was}.": f"{prefix}:{now}."
        for prefix in ("field", "value")
        for was, now in _called_anew(_grouped(old, prefix), _grouped(new, prefix)).items()
    }
    if not called:
        return old
    entries = {_under(key, called): entry for key, entry in old.entries.items()}
    return replace(old, entries=entries)


def _called_anew(old: Mapping[str, Mapping[str, Entry]], new: Mapping[str, Mapping[str, Entry]]) -> dict[str, str]:
    """Old owner -> new owner, where each has gone or come and both share at least half of the smaller one's names."""
    gone, come = [o for o in old if o not in new], [o for o in new if o not in old]
    found: dict[str, str] = {}
    for was in gone[:MOST_OWNERS]:
        shares = [
            (len(old[was].keys() & new[now].keys()), now) for now in come[:MOST_OWNERS] if now not in found.values()
        ]
        both, now = max(shares, default=(0, ""))
        if both and 2 * both >= min(len(old[was]), len(new[now])):
            found[was] = now
    return found


def _under(key: str, called: Mapping[str, str]) -> str:
    owner, dot, name = key.rpartition(".")
    return called.get(owner + dot, owner + dot) + name


@dataclass(frozen=True)
class _Words:
    """How one kind of name is spoken of: what it is, and the kinds of its changes."""

    noun: str
    gone: ChangeKind
    new: ChangeKind
    renamed: ChangeKind


FIELD = _Words("property", ChangeKind.FIELD_GONE, ChangeKind.FIELD_NEW, ChangeKind.FIELD_RENAMED)
VALUE = _Words("value", ChangeKind.ENUM_VALUE_GONE, ChangeKind.ENUM_VALUE_NEW, ChangeKind.ENUM_VALUE_RENAMED)
OPERATION = _Words("operation", ChangeKind.OPERATION_VANISHED, ChangeKind.OPERATION_NEW, ChangeKind.OPERATION_RENAMED)
TouchOf = Callable[[str], Touch]


@dataclass(frozen=True)
class _Scope:
    """What the names of one table have in common."""

    words: _Words
    touch: TouchOf
    log_types: Callable[[str], Iterable[str]]
    surface: str
    reads: Reads
    source: Source

    def change(
        self, kind: ChangeKind, before: str, after: str, detail: str, in_force: bool = True, harmless: bool = False
    ) -> SchemaChange:
        near = nearest(self.touch(name) for name in (before, after) if name)
        if before and self.touch(before) is Touch.NONE and near is Touch.DECIDES:
            near = Touch.READ
        if harmless:
            near = Touch.NONE
        log_types = sorted({*self.log_types(before), *self.log_types(after)})
        return SchemaChange(
            kind,
            severity_of(kind, near, None, in_force, self.source.today),
            log_types[0] if log_types else "",
            self.surface,
            before,
            after,
            None,
            detail,
            self.source.document,
        )


def _names_changed(scope: _Scope, old: Mapping[str, Entry], new: Mapping[str, Entry]) -> Iterator[SchemaChange]:
    """Names that went, came, were renamed or marked as deprecated, and descriptions that changed."""
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    pairs = _pairs(gone, come, old)
    for name in gone:
        yield _went(scope, name, pairs.get(name), old[name])
    for name in come:
        if name not in pairs.values():
            yield _came(scope, name, new[name])
    for name in sorted(old.keys() & new.keys()):
        yield from _redescribed(scope, name, old[name], new[name])


def _went(scope: _Scope, name: str, heir: str | None, before: Entry) -> SchemaChange:
    noun, reads = scope.words.noun, scope.reads
    heir = heir or before.get("replaced")
    if heir is None:
        detail = f"The {noun} {name} is no longer listed in {scope.surface}."
        return scope.change(scope.words.gone, name, "", detail)
    accepted = bool(reads.filled_by(name) & reads.filled_by(heir)) if scope.words is FIELD else False
    also = "; both names are read already" if accepted else ""
    was_told = fold(before.get("replaced", "")) == fold(heir)
    place = "takes its place" if was_told else "is new there and may take its place"
    detail = f"The {noun} {name} is no longer listed in {scope.surface}; {heir} {place}{also}."
    return scope.change(scope.words.renamed, name, heir, detail, harmless=accepted)


def _came(scope: _Scope, name: str, entry: Entry) -> SchemaChange:
    detail = f"The {scope.words.noun} {name} is new in {scope.surface}: {one_line(entry.get('text', ''), 120)}"
    known = scope.words is not VALUE or fold(name) in scope.reads.values
    return scope.change(
        scope.words.new, "", name, detail.rstrip(": ") + ("" if detail.endswith(".") else "."), harmless=known
    )


def _redescribed(scope: _Scope, name: str, before: Entry, after: Entry) -> Iterator[SchemaChange]:
    if before.get("text", "") == after.get("text", "") and before.get("deprecated") == after.get("deprecated"):
        return
    noun = scope.words.noun
    if after.get("deprecated") and not before.get("deprecated"):
        yield _deprecated(scope, name, after)
    elif said := _says_anew(before.get("text", ""), after.get("text", "")):
        detail = f"The {noun} {name} is described anew in {scope.surface}: {one_line(said, 160)}"
        kind = ChangeKind.FIELD_MOVED if re.search(r"\bmoved\b", said, re.IGNORECASE) else ChangeKind.SEMANTICS
        yield scope.change(kind, name, "", detail)
    else:
        detail = f"The {noun} {name} is worded otherwise in {scope.surface}; its meaning was not announced to change."
        yield scope.change(ChangeKind.TEXT_ONLY, name, "", detail)


def _deprecated(scope: _Scope, name: str, entry: Entry) -> SchemaChange:
    """A name that is still there and marked as deprecated: nothing breaks yet."""
    heir = entry.get("replaced", "")
    kind = scope.words.renamed if heir else scope.words.gone
    instead = f"; {heir} takes its place" if heir else ""
    detail = f"The {scope.words.noun} {name} is marked as deprecated in {scope.surface}{instead}."
    reads = scope.reads
    accepted = bool(heir and scope.words is FIELD and reads.filled_by(name) & reads.filled_by(heir))
    return scope.change(kind, name, heir, detail, in_force=False, harmless=accepted)


ANEW = re.compile(
    r"\bno longer\b|\bnot (be )?(populated|filled|set|returned)\b|\bisn't (populated|filled|set|returned)\b|\bnow\b|"
    r"\bmoved\b|\binstead\b|\bsince (19|20)\d\d|\bas of\b|\bstarting\b|\bbeginning\b",
    re.IGNORECASE,
)


def _says_anew(before: str, after: str) -> str:
    """The first sentence of the new description that the old one lacks and that speaks of a change."""
    held = {sentence.casefold() for sentence in _sentences(before)}
    return next((s for s in _sentences(after) if s.casefold() not in held and ANEW.search(s)), "")


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?;])\s+", text) if part.strip()]


# Codes


def _codes_changed(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    for code, entry in new.entries.items():
        if code not in reads.codes:
            yield _new_code(code, entry, source)
    if old is None:
        return
    for code in old.entries:
        if code not in new.entries:
            yield _code_change(
                ChangeKind.CODE_GONE,
                code,
                reads,
                source,
                "is no longer on the vendor's page; old evidence still holds it",
            )
    for code in sorted(old.entries.keys() & new.entries.keys()):
        yield from _code_reworded(code, old.entries[code], new.entries[code], reads, source)


def _new_code(code: str, entry: Entry, source: Source) -> SchemaChange:
    text = entry.get("text", "")
    proposal = propose(text)
    because = f" because of {one_line(proposal.word, 40)!r}" if proposal.word else ""
    detail = (
        f"Code {code} is new and in no reference: {one_line(text, 200)} Proposed category {proposal.category}{because} "
        f"(method {proposal.method}, so at most LOW until somebody validates it)."
    )
    return SchemaChange(
        ChangeKind.CODE_NEW, Severity.WARNING, LogType.SIGN_IN.value, CODE_PAGE, "", code, None, detail, source.document
    )


CODE_PAGE = "sign-in codes"


def _code_change(kind: ChangeKind, code: str, reads: Reads, source: Source, what: str) -> SchemaChange:
    severity = Severity.INFO if kind is ChangeKind.TEXT_ONLY or code not in reads.codes else Severity.WARNING
    detail = f"Code {code} {what}."
    return SchemaChange(kind, severity, LogType.SIGN_IN.value, CODE_PAGE, code, "", None, detail, source.document)


def _code_reworded(code: str, before: Entry, after: Entry, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    """The number is the key: another text or symbolic name changes nothing that is read."""
    if before.get("text", "") == after.get("text", ""):
        return
    withdrawn = re.compile(r"\b(deprecated|retired|no longer (used|returned|issued))\b", re.IGNORECASE)
    if withdrawn.search(after.get("text", "")) and not withdrawn.search(before.get("text", "")):
        yield _code_change(
            ChangeKind.CODE_GONE, code, reads, source, "is marked as no longer used; old evidence still holds it"
        )
    else:
        yield _code_change(ChangeKind.TEXT_ONLY, code, reads, source, "is worded otherwise; the number is the key")


# Resources of Graph


def _resource_changed(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    if old is None:
        return
    surface = f"Graph {new.subject}"
    log_types = _logs_of_resource(new.subject)
    fields = _Scope(
        FIELD,
        lambda name: reads.of_field(name, log_types),
        lambda name: reads.log_types_of(name) & (log_types or reads.log_types_of(name)),
        surface,
        reads,
        source,
    )
    before, after = _by_prefix(old.entries, "property"), _by_prefix(new.entries, "property")
    yield from _names_changed(fields, before, after)
    for name in sorted(before.keys() & after.keys()):
        yield from _listed_values(name, before[name], after[name], surface, reads, source)
    yield from _enums_changed(old, new, surface, reads, source)


LOGS_OF_RESOURCES: Mapping[str, frozenset[str]] = {
    "signin": frozenset({LogType.SIGN_IN.value, LogType.LEGACY.value}),
    "directoryaudit": frozenset({LogType.ENTRA_AUDIT.value}),
    "riskdetection": frozenset({"risk_detections"}),
    "riskyuser": frozenset({"risky_users", "risk_users"}),
}


def _logs_of_resource(subject: str) -> frozenset[str]:
    return LOGS_OF_RESOURCES.get(subject.split()[0].casefold(), frozenset()) if subject else frozenset()


def _listed_values(
    name: str, before: Entry, after: Entry, surface: str, reads: Reads, source: Source
) -> Iterator[SchemaChange]:
    held, listed = _listed(before), _listed(after)
    if not held or not listed:
        return
    scope = _value_scope(name, f"{surface}, {name}", reads, source)
    yield from _names_changed(scope, {key: {} for key in held}, {key: {} for key in listed})


def _listed(entry: Entry) -> list[str]:
    return [value for value in entry.get("values", "").split("|") if value]


def _value_scope(name: str, surface: str, reads: Reads, source: Source) -> _Scope:
    """Values of a field: those in the reference are read, and a new one of a field that is read is told."""
    of_field = reads.of_field(name)

    def touch(value: str) -> Touch:
        return nearest((of_field, reads.of_value(value)))

    return _Scope(
        VALUE,
        touch,
        lambda value: reads.log_types_of(name) or reads.values.get(fold(value), frozenset()),
        surface,
        reads,
        source,
    )


def _enums_changed(old: Snapshot, new: Snapshot, surface: str, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    before, after = _grouped(old, "value"), _grouped(new, "value")
    for name in sorted(before.keys() & after.keys()):
        yield from _names_changed(_value_scope(name, f"{surface}, {name}", reads, source), before[name], after[name])


# The audit log


def _audit_changed(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    if old is None:
        return
    surface = "the audit log's documentation"
    ual = (LogType.UAL.value,)
    operations = _Scope(OPERATION, reads.of_operation, lambda name: ual, surface, reads, source)
    yield from _names_changed(operations, _by_prefix(old.entries, "operation"), _by_prefix(new.entries, "operation"))
    yield from _record_types_changed(new, old, reads, source)
    yield from _sections_changed(new, old, reads, source)
    yield from _enums_changed(old, new, surface, reads, source)


@dataclass(frozen=True)
class _Fate:
    """What became of a record type: the kind, the name that takes its place, words for it, whether it is so already."""

    kind: ChangeKind
    heir: str
    told: str
    in_force: bool = True


def _record_types_changed(new: Snapshot, old: Snapshot, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    before, after = _by_prefix(old.entries, "record_type"), _by_prefix(new.entries, "record_type")
    for number, entry in before.items():
        fate = _fate(entry, after.get(number))
        if fate is not None:
            yield _record_type_changed(number, entry.get("name", ""), fate, reads, source)
    for number, entry in after.items():
        if number not in before:
            name = f"{number} {entry.get('name', '')}"
            detail = f"Record type {name} is new."
            yield _record_type(ChangeKind.RECORD_TYPE_CHANGED, Severity.INFO, "", name, detail, source)


def _record_type_changed(number: str, name: str, fate: _Fate, reads: Reads, source: Source) -> SchemaChange:
    touch = nearest(map(reads.of_record_type, (number, name, fate.heir)))
    if reads.of_record_type(number) is not Touch.DECIDES and touch is Touch.DECIDES:
        touch = Touch.READ
    severity = severity_of(fate.kind, touch, None, fate.in_force, source.today)
    detail = f"Record type {number} ({name}) {fate.told}."
    return _record_type(fate.kind, severity, f"{number} {name}", fate.heir, detail, source)


def _record_type(
    kind: ChangeKind, severity: Severity, before: str, after: str, detail: str, source: Source
) -> SchemaChange:
    ual, surface = LogType.UAL.value, "audit record types"
    return SchemaChange(kind, severity, ual, surface, before, after, None, detail, source.document)


def _fate(before: Entry, after: Entry | None) -> _Fate | None:
    if after is None:
        return _Fate(ChangeKind.RECORD_TYPE_CHANGED, before.get("replaced", ""), "is no longer listed")
    name, heir = after.get("name", ""), after.get("replaced", "")
    if before.get("name") != name:
        return _Fate(ChangeKind.RECORD_TYPE_CHANGED, name, f"is now called {name}")
    if after.get("deprecated") and not before.get("deprecated"):
        instead = f"; {heir} takes its place" if heir else ""
        return _Fate(ChangeKind.RECORD_TYPE_CHANGED, heir, f"is marked as deprecated{instead}", in_force=False)
    if before.get("text", "") != after.get("text", ""):
        return _Fate(ChangeKind.TEXT_ONLY, "", "is worded otherwise")
    return None


def _sections_changed(new: Snapshot, old: Snapshot, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    """Fields schema by schema, so that one name in two is not taken for moved; of a schema that has gone only those
    that stand in no other.
    """
    before, after = _grouped(old, "field"), _grouped(new, "field")
    elsewhere = {name for fields in after.values() for name in fields}
    for section, fields in before.items():
        held = fields if section in after else {n: entry for n, entry in fields.items() if n not in elsewhere}
        yield from _names_changed(_audit_scope(section, reads, source), held, after.get(section, {}))


def _audit_scope(section: str, reads: Reads, source: Source) -> _Scope:
    ual = (LogType.UAL.value,)
    return _Scope(
        FIELD,
        lambda name: reads.of_field(name, frozenset(ual)),
        lambda name: ual,
        section if "schema" in section.casefold() else f"{section} schema",
        reads,
        source,
    )


# Retention

LOGS_KEPT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"risky", re.IGNORECASE), ""),
    (re.compile(r"sign-?ins?\b", re.IGNORECASE), LogType.SIGN_IN.value),
    (re.compile(r"message trace", re.IGNORECASE), MESSAGE_TRACE),
    (
        re.compile(r"audit \(?(standard|premium)|purview|unified audit|exchange|sharepoint|onedrive", re.IGNORECASE),
        LogType.UAL.value,
    ),
    (re.compile(r"audit logs?\b|directory audit", re.IGNORECASE), LogType.ENTRA_AUDIT.value),
)


def _retention_changed(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    if old is None:
        return
    for key in sorted(old.entries.keys() & new.entries.keys()):
        before, after = old.entries[key].get("days", ""), new.entries[key].get("days", "")
        if before != after:
            yield _kept_otherwise(key, before, after, source)


def _kept_otherwise(key: str, before: str, after: str, source: Source) -> SchemaChange:
    log_type = next((log for pattern, log in LOGS_KEPT if pattern.search(key)), "")
    return SchemaChange(
        ChangeKind.RETENTION,
        severity_of(ChangeKind.RETENTION, Touch.READ if log_type else Touch.NONE, None, True, source.today),
        log_type,
        key,
        f"{before} days",
        f"{after} days",
        None,
        f"{key} is kept for {after} days and no longer for {before}; how far back an export reaches depends on the "
        "day of the event.",
        source.document,
    )


# Announcements


def _notes_changed(new: Snapshot, old: Snapshot | None, reads: Reads, source: Source) -> Iterator[SchemaChange]:
    held = old.entries if old else {}
    for key, entry in new.entries.items():
        told = announced(entry)
        before = announced(held[key]) if key in held else None
        if told is None:
            continue
        moved = before is not None and before.effective is not None and told.effective not in (None, before.effective)
        if before is None or before.kind is not told.kind or moved:
            change = _announced_change(told, before if moved else None, reads, source)
            if change is not None:
                yield change


ANNOUNCED = "announcements"


def _announced_change(
    told: Announcement, before: Announcement | None, reads: Reads, source: Source
) -> SchemaChange | None:
    touch = _touched(told, reads)
    if touch is Touch.NONE and told.kind not in (ChangeKind.RETIREMENT, ChangeKind.TEXT_ONLY):
        return None
    name, became = _before_and_after(told, reads)
    day = f" from {told.effective.isoformat()}" if told.effective else ""
    moved = f"; the day was {before.effective.isoformat()} when it was last read" if before and before.effective else ""
    said = f"{told.title}. {told.text}" if told.kind in UNDATED else told.title
    detail = f"Announced{day}{moved}: {one_line(said, 300)}"
    in_force = told.kind is ChangeKind.LOG_GAP
    return SchemaChange(
        told.kind,
        severity_of(told.kind, touch, told.effective, in_force, source.today),
        _log_type_of(told, reads),
        ANNOUNCED,
        name,
        became,
        told.effective,
        detail if detail.endswith((".", "!", "?", "…")) else detail + ".",
        source.document,
    )


def _before_and_after(told: Announcement, reads: Reads) -> tuple[str, str]:
    if told.before or told.kind is ChangeKind.RETENTION:
        return told.before, told.after
    names = _ours(told.titled, reads) or told.surfaces[:3] or _ours(told.names, reads) or (one_line(told.title, 80),)
    became = told.effective.isoformat() if told.kind is ChangeKind.RETIREMENT and told.effective else ""
    return ", ".join(names), became


def _ours(names: Sequence[str], reads: Reads) -> tuple[str, ...]:
    """The names among these that are read, without commands, which are surfaces."""
    near = (name for name in names if _touch_of_name(name, reads) is not Touch.NONE)
    return tuple(name for name in near if not CMDLET.fullmatch(name))[:4]


def _touched(told: Announcement, reads: Reads) -> Touch:
    names = [name for name in (told.before, told.after) if name] or list(told.names)
    found = {_touch_of_name(name, reads) for name in names}
    if told.kind in (ChangeKind.RETIREMENT, ChangeKind.RETENTION, ChangeKind.LICENCE) or told.before:
        found = {Touch.READ if touch is Touch.DECIDES and not _decides(told, reads) else touch for touch in found}
    if told.surfaces or told.kind in UNDATED:
        found.add(Touch.READ)
    return nearest(found)


def _decides(told: Announcement, reads: Reads) -> bool:
    """A rename breaks where the old name is one that decides; a harmless one has a new name that is read for it."""
    return bool(told.before) and _touch_of_name(told.before, reads) is Touch.DECIDES


def _touch_of_name(name: str, reads: Reads) -> Touch:
    parts = [name, *name.split(".")] if "." in name else [name]
    return nearest(t for part in parts for t in (reads.of_field(part), reads.of_operation(part), reads.of_value(part)))


def _log_type_of(told: Announcement, reads: Reads) -> str:
    if told.log_types:
        return told.log_types[0]
    for name in (told.before, told.after, *told.names):
        if reads.of_operation(name) is not Touch.NONE:
            return LogType.UAL.value
        found = sorted(reads.log_types_of(name) or reads.values.get(fold(name), frozenset()))
        if found:
            return found[0]
    return LogType.SIGN_IN.value if told.kind in UNDATED else ""


DIFFERENCES: Mapping[PageKind, Callable[[Snapshot, Snapshot | None, Reads, Source], Iterator[SchemaChange]]] = {
    PageKind.CODES: _codes_changed,
    PageKind.NOTES: _notes_changed,
    PageKind.RESOURCE: _resource_changed,
    PageKind.AUDIT: _audit_changed,
    PageKind.RETENTION: _retention_changed,
}
