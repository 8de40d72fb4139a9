"""What changed between two field lists of one export. Which lists there are is `field_lists`' business; operations of
the audit log are compared in `log_shapes`; words for a change stand in `schema_changes`.

Two kinds of name are told apart. A header *states* its names: one that is missing there is missing. A record only
*shows* names, and writers leave out keys that hold nothing: such a key counts as gone only where it stood in nearly
every record of one make and now stands in none of enough records of that make, nor anywhere else in the import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from m365dq_dagster.core.field_lists import DISTINCTIVE, FieldList, FieldSeen
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange

ROWS_ENOUGH = 20
"""Records of one make below which nothing follows from a key's absence: of a key that is in nearly every record, none
in 20 has a chance of 0.02 to the 20th; of one that is in every seventh, still 1 in 20."""

ALWAYS = 0.98
"""Share of the records of one make from which a key counts as always written; the rest are cut or foreign records."""

NAMES_ALIKE = 0.60
"""Likeness of two names (share of characters in common runs) from which one may be the other's successor: `ErrorCode`
and `ErrorNumber` are at 0.60, `User ID` and `Username` at 0.53."""

VALUES_ALIKE = 0.50
"""Share of the smaller vocabulary that both must hold. Names alone never make a renaming."""

MOST_CUT = 0.25
"""Share of a header's names above which somebody chose columns: a vendor takes out a few at a time."""

MOST_PAIRED = 100
"""Names, gone and new, that are compared with each other; records may make up any number of names."""

FEW_NAMES = 6
"""Names of a header below which likeness says nothing."""

REGULAR_WORD = 0.02
"""Share of a field's values from which a word is regular."""

EXPECTED = 5
"""Rows of a regular word that the new import should hold before its absence means anything."""

SHARE_FACTOR = 3.0
"""How far the share of a successor may be from that of what it succeeds, either way."""


@dataclass(frozen=True)
class Reading:
    """What the product reads from an export: by name as compared, the canonical fields fed from it. `witnesses` are the
    canonical fields that testify of outcomes, `renderings` those that only put another one into words. `chosen` says
    that whoever exports picks the columns. `known_words` leads from a name to the words that the rule pack knows for
    it."""

    fields: Mapping[str, frozenset[str]]
    witnesses: frozenset[str] = frozenset()
    renderings: frozenset[str] = frozenset()
    chosen: bool = False
    known_words: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, name: str) -> frozenset[str]:
        """The canonical fields that are fed from a name or from what lies within it."""
        inner = (fed for path, fed in self.fields.items() if path.startswith(f"{name}."))
        return self.fields.get(name, frozenset()).union(*inner)


def fits(known: FieldList, seen: FieldList) -> bool:
    """Whether an import is of a known version: the same header, no key that it lacks, and none of its keys gone."""
    if known.stated != seen.stated or not seen.fields.keys() <= known.fields.keys():
        return False
    return not any(_is_gone(name, known, seen) for name in known.fields)


def is_older(known: FieldList, seen: FieldList) -> bool:
    """Whether all of an import lies before a known version, so that a difference is no change forward."""
    return bool(known.first_event and seen.last_event and seen.last_event < known.first_event)


def resembles(known: FieldList, seen: FieldList) -> bool:
    """Whether a header that no format knows is most likely a known one that changed."""
    names = [name for name, one in known.fields.items() if one.stated]
    kept = sum(1 for name in names if name in seen.fields)
    return len(names) >= FEW_NAMES and kept >= (1 - MOST_CUT) * len(names)


def merged(known: FieldList, seen: FieldList) -> FieldList:
    """The list of a version after an import of it: what the import shows, and from before the keys that it happened not
    to show. What counts as gone is left out. Fewer records than are enough do not replace the counts of more."""
    kept = {name: one for name, one in known.fields.items() if not _is_gone(name, known, seen)}
    makes = {make for make, rows in seen.rows.items() if rows >= min(ROWS_ENOUGH, known.rows.get(make, 0))}
    rows = {**known.rows, **{make: seen.rows[make] for make in makes}}
    fields = {name: _joined(kept.get(name), seen.fields.get(name), makes) for name in {**kept, **seen.fields}}
    first, last = (
        [at for at in (known.first_event, seen.first_event) if at],
        [at for at in (known.last_event, seen.last_event) if at],
    )
    return replace(
        seen, rows=rows, fields=fields, first_event=min(first, default=None), last_event=max(last, default=None)
    )


def _joined(known: FieldSeen | None, seen: FieldSeen | None, makes: set[str]) -> FieldSeen:
    """One name of both lists, by make of record from where there are enough."""
    if known is None or seen is None:
        one = seen or known
        assert one
        return one if seen else replace(one, present={m: n for m, n in one.present.items() if m not in makes})
    present = {make: count for make, count in known.present.items() if make not in makes}
    present |= {make: count for make, count in seen.present.items() if make in makes}
    enough = seen.rows >= ROWS_ENOUGH or not known.words
    return replace(
        seen, present=present, kind=seen.kind or known.kind, words=seen.words if enough and seen.words else known.words
    )


def compare(known: FieldList, seen: FieldList, reading: Reading, source: str) -> tuple[SchemaChange, ...]:
    """The changes from the last version to this import, gravest first. `source` names the file that shows them."""
    if is_older(known, seen):
        return ()
    spelled = _spelled_otherwise(known, seen)
    translated = 2 * len(spelled) > len(known.stated)
    gone = [name for name in known.fields if _is_gone(name, known, seen)]
    new = [name for name in seen.fields if name not in known.fields]
    pairs = _pairs(gone, new, known, seen)
    judge = _Judge(known, seen, reading, source, cut=_is_cut(gone, pairs, known))
    told = [judge.became(old, became) for old, became in pairs.items() if not _covered(old, pairs)]
    loose = translated or reading.chosen
    told += [judge.gone(name) for name in _topmost(gone, pairs, reading) if reading.of(name) or not loose]
    stated = (name for name in new if seen.fields[name].stated and name not in pairs.values() and not loose)
    told += [judge.new(name) for name in stated]
    told += [_text_only(known, spelled, source)] if spelled else []
    return tuple(sorted(told, key=lambda one: (-one.severity.gravity, one.kind, one.before, one.after)))


def word_changes(known: FieldList, seen: FieldList, reading: Reading, source: str) -> tuple[SchemaChange, ...]:
    """Words of enumerated fields that gave way to another one: the old was regular and is gone although it should
    occur, the new was never there, their names are alike and so are their shares."""
    if is_older(known, seen):
        return ()
    found = []
    for name in reading.known_words:
        before, after = known.fields.get(name), seen.fields.get(name)
        if before and after:
            pairs = renamed_words(before.words, after.words)
            found += [_word_became(known, reading, name, after.spelling, *pair, source) for pair in pairs.items()]
    return tuple(found)


def renamed_words(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, str]:
    """Old word -> its successor, by counts of both. Numbers are no words: codes look alike and are not."""
    rows, now = sum(before.values()), sum(after.values())
    pairs: dict[str, str] = {}
    for old, count in before.items():
        share = count / rows
        if old in after or not _is_word(old) or share < REGULAR_WORD or share * now < EXPECTED:
            continue
        fresh = [word for word in after if word not in before and word not in pairs.values() and _is_word(word)]
        likely = [word for word in fresh if alike(old, word) >= NAMES_ALIKE and _near(share, after[word] / now)]
        if likely:
            pairs[old] = max(likely, key=lambda word: (alike(old, word), word))
    return pairs


def _is_word(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _near(one: float, other: float) -> bool:
    return one / SHARE_FACTOR <= other <= one * SHARE_FACTOR


def _word_became(
    known: FieldList, reading: Reading, name: str, spelling: str, old: str, new: str, source: str
) -> SchemaChange:
    words = {word.casefold() for word in reading.known_words[name]}
    understood = new.casefold() in words
    witness = bool(reading.of(name) & reading.witnesses)
    severity = Severity.INFO if understood else Severity.CRITICAL if witness else Severity.WARNING
    tail = "which the rule pack knows" if understood else "which no table of the rule pack knows"
    detail = f"the value '{one_line(old)}' of '{one_line(spelling)}' is written '{one_line(new)}' now, {tail}"
    return SchemaChange(
        ChangeKind.ENUM_VALUE_RENAMED,
        severity,
        known.log_type,
        surface(known),
        f"{name}={old}",
        f"{name}={new}",
        None,
        detail,
        source,
    )


def surface(of: FieldList) -> str:
    """Where a change was seen: the format and the version of its interface."""
    return f"{of.format_name} {of.api_version}"


def alike(one: str, other: str) -> float:
    """How alike two names are, 0 to 1, whatever their case."""
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def _is_gone(name: str, known: FieldList, seen: FieldList) -> bool:
    """Whether a name that the last version had is no longer written."""
    one = known.fields[name]
    if name in seen.fields:
        return False
    if one.stated:
        return bool(seen.stated)
    around = seen.fields.get(name.rpartition(".")[0])
    if around and around.kind not in ("object", ""):
        return False  # the object was not written out; what that means is judged with the values
    return any(
        seen.rows.get(make, 0) >= ROWS_ENOUGH <= rows and one.present.get(make, 0) >= ALWAYS * rows
        for make, rows in known.rows.items()
    )


def _is_cut(gone: Iterable[str], pairs: Mapping[str, str], known: FieldList) -> bool:
    lost = [name for name in gone if known.fields[name].stated and name not in pairs]
    return len(lost) > MOST_CUT * max(1, len(known.stated))


def _pairs(gone: Iterable[str], new: Iterable[str], known: FieldList, seen: FieldList) -> dict[str, str]:
    """Gone name -> the new one that took its place: what is most alike first, each once."""
    fresh = list(new)[:MOST_PAIRED]
    ranked = [
        (-_likeness(old, name), old, name)
        for old in list(gone)[:MOST_PAIRED]
        for name in fresh
        if same_values(known.fields[old], seen.fields[name])
    ]
    pairs: dict[str, str] = {}
    for _, old, name in sorted(one for one in ranked if -one[0] >= NAMES_ALIKE):
        if old not in pairs and name not in pairs.values():
            pairs[old] = name
    return pairs


def _likeness(old: str, new: str) -> float:
    """Of two names on one level; of two places, only the same name counts."""
    (above, _, leaf), (other, _, other_leaf) = old.rpartition("."), new.rpartition(".")
    if above == other:
        return alike(leaf, other_leaf)
    return 1.0 if leaf == other_leaf else 0.0


def same_values(one: FieldSeen, other: FieldSeen) -> bool:
    """Whether two names held the same kind of thing: most of the smaller vocabulary in common, or, without one,
    a kind that few fields share."""
    if not one.kind or one.kind != other.kind:
        return False
    if one.words and other.words:
        smaller = min(len(one.words), len(other.words))
        return len(one.words.keys() & other.words.keys()) >= VALUES_ALIKE * smaller
    return one.kind in DISTINCTIVE


def _covered(old: str, pairs: Mapping[str, str]) -> bool:
    """Whether an object around a pair was paired with the object around its successor."""
    above, _, _ = old.rpartition(".")
    other, _, _ = pairs[old].rpartition(".")
    return bool(above) and (pairs.get(above) == other or (above in pairs and _covered(above, pairs)))


def _topmost(gone: Iterable[str], pairs: Mapping[str, str], reading: Reading) -> list[str]:
    """The names that are gone and have no successor, without what lay within one of them. An object whose parts that
    are read all moved elsewhere is not told of."""
    lost = [name for name in gone if name not in pairs]
    outer = set(lost) | set(pairs)
    top = [name for name in lost if not any(name.startswith(f"{other}.") for other in outer)]
    moved = {name: [old for old in pairs if old.startswith(f"{name}.")] for name in top}
    return [
        name
        for name in top
        if not (moved[name] and reading.of(name) <= frozenset().union(*(reading.of(old) for old in moved[name])))
    ]


def _spelled_otherwise(known: FieldList, seen: FieldList) -> list[tuple[str, str]]:
    """Names that are the same and written otherwise: case, blanks, another language."""
    both = (name for name in known.fields if name in seen.fields)
    written = ((known.fields[name].spelling, seen.fields[name].spelling) for name in both)
    return [(old, new) for old, new in written if old != new]


def _text_only(known: FieldList, spelled: Sequence[tuple[str, str]], source: str) -> SchemaChange:
    """One change that tells of all names that are only written otherwise."""
    old, new = spelled[0]
    more = f", and {len(spelled) - 1} more names" if len(spelled) > 1 else ""
    detail = f"'{one_line(old)}' is written '{one_line(new)}'{more}; the names are the same"
    kind, where = ChangeKind.TEXT_ONLY, surface(known)
    return SchemaChange(kind, Severity.INFO, known.log_type, where, old, new, None, detail, source)


@dataclass(frozen=True)
class _Judge:
    """How grave a change is: by what the product reads from the name, and whether it still gets it elsewhere."""

    known: FieldList
    seen: FieldList
    reading: Reading
    source: str
    cut: bool

    def gone(self, name: str) -> SchemaChange:
        severity, role = self._loss(name)
        stated = self.known.fields[name].stated
        if (self.reading.chosen or (stated and self.cut)) and severity is not Severity.INFO:
            severity, role = Severity.INFO, f"{role}; whoever made the export may have chosen its columns"
        return self._change(ChangeKind.FIELD_GONE, severity, name, "", f"{self._told(name)} is gone; {role}")

    def became(self, name: str, new: str) -> SchemaChange:
        moved = name.rpartition(".")[0] != new.rpartition(".")[0]
        severity, role = self._loss(name)
        kind, verb = (ChangeKind.FIELD_MOVED, "moved to") if moved else (ChangeKind.FIELD_RENAMED, "is now called")
        written = one_line(self.seen.fields[new].spelling)
        return self._change(kind, severity, name, new, f"{self._told(name)} {verb} '{written}'; {role}")

    def new(self, name: str) -> SchemaChange:
        written = one_line(self.seen.fields[name].spelling)
        detail = f"'{written}' is new in {self.known.format_name} ({self.known.api_version})"
        return self._change(ChangeKind.FIELD_NEW, Severity.INFO, "", name, detail)

    def _told(self, name: str) -> str:
        written = one_line(self.known.fields[name].spelling)
        return f"'{written}' of {self.known.format_name} ({self.known.api_version})"

    def _loss(self, name: str) -> tuple[Severity, str]:
        """How grave it is that a name is gone, and why in words."""
        fed = self.reading.of(name)
        if not fed:
            return Severity.INFO, "nothing is read from it"
        still = (self.reading.fields.get(other, frozenset()) for other in self.seen.fields)
        lost = fed - frozenset().union(*still)
        if not lost:
            return Severity.INFO, f"{_listed(fed)} is still read from another name"
        if lost & self.reading.witnesses:
            return (
                Severity.CRITICAL,
                f"{_listed(lost & self.reading.witnesses)} is a witness of outcomes and was read there",
            )
        if lost <= self.reading.renderings:
            return Severity.INFO, f"{_listed(lost)} was read there, which only renders another field"
        return Severity.WARNING, f"{_listed(lost)} was read there"

    def _change(self, kind: ChangeKind, severity: Severity, old: str, new: str, detail: str) -> SchemaChange:
        known, seen = self.known, self.seen
        before = known.fields[old].spelling if old else ""
        after = seen.fields[new].spelling if new else ""
        return SchemaChange(kind, severity, known.log_type, surface(known), before, after, None, detail, self.source)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
