"""Which names an export writes, and what kind of thing stands under each: the field list of one file, in bounded form.
Comparing two lists is `schema_diff`'s business; reading files and keeping lists belong to the adapters.

Nothing of a record is kept but counts, kinds, the words of enumerated fields and short digests of rare values, since a
field list outlives the case that it was seen in."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NAMES_DEEP = 3
"""Levels of nested objects whose names are looked at."""

MOST_NAMES = 400
"""Names kept of one list; hostile records could make up any number."""

NAME_CHARS = 120
WORDS_KEPT = 24
"""Different values up to which a field is taken for one with a vocabulary of its own."""

WORD_CHARS = 64
KINDS_EACH, WORDS_EACH = 40, 200
"""Filled values of a name whose kind is looked at, and those that are counted as words; names are looked at in all."""

EVERYWHERE = ""
"""The stratum of logs whose records are all of one make."""

_KINDS = (
    ("flag", re.compile(r"(?i)true|false")),
    ("code", re.compile(r"\d{5,7}")),
    ("number", re.compile(r"-?\d+(\.\d+)?")),
    ("guid", re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")),
    ("time", re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*|\d{1,2}[/.]\d{1,2}[/.]\d{4}[ ,].*")),
    ("address", re.compile(r"\[?(\d{1,3}(\.\d{1,3}){3}|(?=.*:.*:)[0-9a-fA-F:.]{3,45})\]?(:\d+)?")),
    ("mail", re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")),
)
DISTINCTIVE = frozenset({"guid", "time", "address", "mail", "code"})
"""Kinds that few fields of one record share, so that two fields of one kind may be one."""


@dataclass(frozen=True)
class FieldSeen:
    """One name of a list: as it is written, whether a header states it for every row (`stated`), in how many of the
    records looked at it stood by make of record (`present`), the kind of its values, and its words with their counts.
    Words of fields that are enumerated stand as they are, others as digests; none where there are too many."""

    spelling: str
    stated: bool
    present: Mapping[str, int]
    kind: str = ""
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Records that have it."""
        return sum(self.present.values())


@dataclass(frozen=True)
class FieldList:
    """The names that files of one format write. `rows` counts the records looked at by make of record (the record type
    of an audit log), `fields` leads from a name as compared (folded, English, dotted path) to what was seen."""

    format_name: str
    log_type: str
    api_version: str
    rows: Mapping[str, int]
    fields: Mapping[str, FieldSeen]
    first_event: datetime | None = None
    last_event: datetime | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names as written, sorted: what the hash of the version is made of."""
        return tuple(sorted({one.spelling for one in self.fields.values()}))

    @property
    def stated(self) -> frozenset[str]:
        """The names as written that a header states."""
        return frozenset(one.spelling for one in self.fields.values() if one.stated)

    def as_mapping(self) -> dict[str, Any]:
        """For keeping as JSON."""
        return {
            "rows": dict(self.rows),
            "first_event": self.first_event.isoformat() if self.first_event else None,
            "last_event": self.last_event.isoformat() if self.last_event else None,
            "fields": {
                name: {
                    "as": one.spelling,
                    "stated": one.stated,
                    "in": dict(one.present),
                    "kind": one.kind,
                    "words": dict(one.words),
                }
                for name, one in self.fields.items()
            },
        }

    @classmethod
    def of(cls, format_name: str, log_type: str, api_version: str, kept: Mapping[str, Any]) -> FieldList:
        """A list as it was kept."""
        fields = {
            name: FieldSeen(one["as"], one["stated"], one["in"], one["kind"], one["words"])
            for name, one in kept["fields"].items()
        }
        first, last = (datetime.fromisoformat(kept[at]) if kept.get(at) else None for at in EVENT_ENDS)
        return cls(format_name, log_type, api_version, kept["rows"], fields, first, last)


EVENT_ENDS = ("first_event", "last_event")


def schema_hash(names: Iterable[str]) -> str:
    """SHA-256 of the sorted names as a JSON array: the same names in another order are the same schema."""
    return hashlib.sha256(json.dumps(sorted(set(names)), ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def compared(name: str) -> str:
    """A name as it is compared: folded, trimmed, inner blanks as one, without marks of byte order."""
    return re.sub(r"[\s\u200b\ufeff]+", " ", name[:NAME_CHARS]).strip().casefold()


def observe(
    header: Sequence[str],
    records: Iterable[Mapping[str, Any]],
    *,
    model: Mapping[str, str],
    enumerated: frozenset[str] = frozenset(),
    make: Callable[[Mapping[str, Any]], str] = lambda _: EVERYWHERE,
) -> tuple[dict[str, int], dict[str, FieldSeen]]:
    """Rows by make, and the fields of a file: those of its header, if it has one, and those of its records.

    `model` leads from a top-level name as compared to the one that it is a spelling of; `enumerated` names the fields
    whose words are kept as they are."""
    rows: Counter[str] = Counter()
    names = _Names(model)
    for name in header:
        names.state(name)
    for record in records:
        kind = make(record)
        rows[kind] += 1
        names.take(record, kind)
    return dict(rows), {name: tally.seen(plain=name in enumerated) for name, tally in names.found.items()}


class _Names:
    """The names seen so far. Where a path leads is looked up once: records repeat the same few."""

    def __init__(self, model: Mapping[str, str]) -> None:
        self.model = model
        self.found: dict[str, _Tally] = {}
        self.places: dict[tuple[str, ...], _Tally | None] = {}

    def state(self, name: str) -> None:
        """A name of a header; one that means the same as an earlier one stands for itself."""
        known = _modelled(compared(name), self.model)
        tally = _Tally(_written(name), stated=True)
        self.found[compared(name) if known in self.found else known] = tally
        self.places[name,] = tally

    def take(self, record: Mapping[str, Any], make: str, above: tuple[str, ...] = ()) -> None:
        """Every name of a record, with those of the objects in it."""
        for name, value in record.items():
            path = (*above, name)
            tally = self.places[path] if path in self.places else self._place(path)
            if tally:
                tally.take(make, value)
            if isinstance(value, dict) and len(path) < NAMES_DEEP:
                self.take(value, make, path)

    def _place(self, path: tuple[str, ...]) -> _Tally | None:
        name = _modelled(".".join(map(compared, path)), self.model)
        if name not in self.found and len(self.found) < MOST_NAMES:
            self.found[name] = _Tally(_written(".".join(path)), stated=False)
        if len(self.places) >= 10 * MOST_NAMES:
            return self.found.get(name)
        self.places[path] = self.found.get(name)
        return self.places[path]


def _written(name: str) -> str:
    """A name as it is written, in what every database can keep."""
    return name[:NAME_CHARS].replace("\0", " ").encode("utf-8", "replace").decode()


def _modelled(name: str, model: Mapping[str, str]) -> str:
    top, dot, rest = name.partition(".")
    return model.get(name) or model.get(top, top) + dot + rest


_EMPTY: tuple[Any, ...] = (None, "", [], {})


class _Tally:
    """What is counted of one name while records go by."""

    def __init__(self, spelling: str, *, stated: bool) -> None:
        self.spelling, self.stated = spelling, stated
        self.present: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.looked_at = 0

    def take(self, make: str, value: Any) -> None:
        self.present[make] += 1
        if self.looked_at >= WORDS_EACH or (not value and value in _EMPTY):
            return
        self.looked_at += 1
        if self.looked_at <= KINDS_EACH:
            self.kinds[kind_of(value)] += 1
        if len(self.words) <= WORDS_KEPT:
            self.words.update(word[:WORD_CHARS] for word in _words(value))

    def seen(self, *, plain: bool) -> FieldSeen:
        kind = self.kinds.most_common(1)[0][0] if self.kinds else ""
        few = self.words if len(self.words) <= WORDS_KEPT else Counter[str]()
        words = {word if plain else _digest(word): count for word, count in few.items()}
        return FieldSeen(self.spelling, self.stated, dict(self.present), kind, words)


def kind_of(value: Any) -> str:
    """What kind of thing a value is: flag, code (five to seven digits), number, guid, time, address, mail, object,
    list, or text."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "list"
    text = str(value).strip()
    return next((kind for kind, form in _KINDS if form.fullmatch(text[:400])), "text")


def _words(value: Any) -> Iterable[str]:
    """The words of a value: its own text, the texts of a list, the names of an object."""
    if isinstance(value, (dict, list)):
        return [str(one).strip().casefold() for one in list(value)[:8] if not isinstance(one, (dict, list))]
    return [str(value).strip()]


def _digest(word: str) -> str:
    return hashlib.sha256(word.casefold().encode("utf-8", "replace")).hexdigest()[:10]
