"""Which format a header or a record belongs to, and what of it goes where. What a format file may say is checked in
`formats`; reading files is the business of `recognition`, and SQL that of `adapters.sql.landing`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from m365dq_dagster.adapters.evidence.delimited import header_key
from m365dq_dagster.adapters.evidence.formats import DOCUMENT, ENVELOPE, Detection, FormatDefinition, Source


@dataclass(frozen=True)
class Column:
    """One column (CSV) or top-level key (JSON) of a file that is read: its position and its name there."""

    position: int
    name: str


@dataclass(frozen=True)
class Place:
    """A source resolved against a file. `gather` are the columns that are taken as one object."""

    column: Column
    path: str | None = None
    named: str | None = None
    part: str | None = None
    when: str | None = None
    gather: tuple[Column, ...] = ()

    @property
    def provenance(self) -> str:
        """Where the value is copied from: `Column`, or `Column.path` inside a nested cell."""
        name = self.column.name.split("#")[0].strip() or self.column.name
        if self.gather:
            return f"{name} and {len(self.gather) - 1} more columns"
        steps = [name, *([self.path] if self.path else []), *([self.named] if self.named else [])]
        return ".".join(steps)


@dataclass(frozen=True)
class ImportPlan:
    """What of one file goes where. `fields` names only canonical fields that the file has a place for; `told` holds
    what the file's name tells, with the name."""

    definition: FormatDefinition
    columns: tuple[str, ...]
    fields: Mapping[str, tuple[Place, ...]]
    payload: Column | None = None
    declared: Mapping[str, Column] = field(default_factory=dict)
    time_identifies: bool = True
    late: frozenset[Column] = frozenset()
    told: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    others: Mapping[Column, tuple[str, ...]] = field(default_factory=dict)

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are read, ordered by position."""
        places = [place for found in self.fields.values() for place in found]
        found = {place.column for place in places} | {one for place in places for one in place.gather}
        found |= (
            set(self.declared.values()) | set(self.others) | {column for group in self.required for column in group}
        )
        if self.payload:
            found.add(self.payload)
        return tuple(sorted(found, key=lambda column: column.position))

    @property
    def required(self) -> tuple[tuple[Column, ...], ...]:
        """The columns of each required group, of which a record of this format fills one."""
        at: dict[str, list[Column]] = {}
        for position, name in enumerate(self.columns):
            at.setdefault(header_key(name), []).append(Column(position, name))
        groups = (_columns((name.split(".")[0] for name in group), at) for group in self.definition.detect.require)
        return tuple(tuple(dict.fromkeys(group)) for group in groups if group)

    @property
    def late_fields(self) -> Mapping[str, int]:
        """The canonical fields that come only from keys not yet seen in the document, numbered."""
        names = [name for name, places in self.fields.items() if all(place.column in self.late for place in places)]
        return {name: number for number, name in enumerate(names)}

    def without(self, names: Iterable[str]) -> ImportPlan:
        """The same plan for a file in which these fields turned out not to occur."""
        gone = set(names)
        return replace(self, fields={name: places for name, places in self.fields.items() if name not in gone})

    def provenance(self, name: str) -> str:
        """`source:<Column>` or `derived:<rule> from <columns>` of a mapped canonical field."""
        if name not in self.fields:
            return f"derived:file_name from {self.told[name][1]}"
        places = self.fields[name]
        if name in self.told:
            return f"derived:file_name from {self.told[name][1]} where {places[0].provenance} is absent"
        by_value = {place.column for place in places if place.when}
        told = (place for place in places if not (place.path and place.column in by_value))
        origin = ", ".join(dict.fromkeys(place.provenance for place in told))
        if name in self.definition.values:
            return f"derived:value_map from {origin}"
        parts = {place.part for place in places if place.part}
        if parts:
            return f"derived:{'recipient_list' if 'recipients' in parts else 'location_part'} from {origin}"
        return f"derived:gathered from {origin}" if any(place.gather for place in places) else f"source:{origin}"


def recognise(
    columns: Sequence[str],
    container: str,
    formats: Iterable[FormatDefinition],
    samples: Sequence[Mapping[str, Any]] = (),
    path: str = "",
) -> ImportPlan | None:
    """The plan of the definition that fits a header best, or None.

    A definition fits where its `detect` is met; a file's name never suffices, and tells only between flavours of one
    shape. Of several, one that named values is taken, then the one that knows most of the file's columns, requires
    more, and whose name pattern fits `path`. `samples` are the first records, `path` is the file's in the folder."""
    present = {header_key(name): name for name in reversed(columns)}
    nested = _nested(samples)
    fitting = [
        definition
        for definition in formats
        if container in definition.containers
        and _fits(definition.detect, present, nested, samples)
        and (not definition.name_required or _named(definition, path))
    ]
    if not fitting:
        return None
    best = max(fitting, key=lambda d: (*_rank(d, present, path), d.id))
    return plan_for(best, columns, path, open_ended=container == DOCUMENT)


def envelope(samples: Sequence[Mapping[str, Any]], formats: Iterable[FormatDefinition]) -> str | None:
    """The key, or the dotted path, under which the records of a document lie, where each is wrapped in an envelope that
    a format file knows."""
    keys = {header_key(key): key for sample in samples for key in sample}
    for definition in formats:
        if ENVELOPE in definition.containers and _fits(definition.detect, keys, frozenset(), samples):
            outer, *inner = (definition.inside or "").split(".")
            spelled = keys.get(header_key(outer))
            return ".".join((spelled, *inner)) if spelled else None
    return None


class Kinds:
    """Finds the format of single records of one document. Records of one make are looked at once: what makes them is
    the names that any format knows and the words that any looks for, so that keys nobody knows cost nothing."""

    def __init__(self, formats: Iterable[FormatDefinition], path: str) -> None:
        self.formats, self.path = tuple(formats), path
        self.names = frozenset().union(*(one.looked_at for one in self.formats))
        self.words: dict[str, set[str]] = {}
        for one in self.formats:
            for name, words in one.detect.values.items():
                self.words.setdefault(header_key(name), set()).update(words)
        self.filled = {header_key(name) for one in self.formats for name in one.detect.filled}
        self.known: dict[tuple[object, ...], ImportPlan | None] = {}

    def alone(self, record: Mapping[str, Any]) -> ImportPlan | None:
        """The plan of the format that fits this one record best, or None."""
        make = self.make(record)
        if make not in self.known:
            self.known[make] = recognise(tuple(record), DOCUMENT, self.formats, (record,), self.path)
        return self.known[make]

    def is_of(self, record: Mapping[str, Any], plan: ImportPlan) -> bool:
        """Whether a record can be read by this plan: alone it is of the same log type and each of its fields comes from
        the same place, or it is of none that is known and shows at least half of what the plan's definition requires
        (writers leave out keys that hold nothing)."""
        alone = self.alone(record)
        if alone:
            return alone.definition.log_type == plan.definition.log_type and _reads_alike(alone, plan)
        shown = {header_key(name) for name in record} | _nested((record,))
        groups = plan.definition.detect.require
        return 2 * sum(any(header_key(name) in shown for name in group) for group in groups) >= len(groups)

    def make(self, record: Mapping[str, Any]) -> tuple[object, ...]:
        """What of a record decides on its format, the same for all records of one make."""
        found: list[object] = []
        for name, value in record.items():
            key = header_key(name)
            if key not in self.names:
                continue
            word = str(value).strip().casefold() if key in self.words else ""
            found.append((key, word if word in self.words.get(key, ()) else "", key in self.filled and bool(value)))
            if isinstance(value, Mapping):
                inner = (f"{key}.{header_key(part)}" for part in value)
                found.append(tuple(part for part in inner if part in self.names))
        return tuple(found)


def _reads_alike(one: ImportPlan, plan: ImportPlan) -> bool:
    def places(of: ImportPlan, name: str) -> set[tuple[object, ...]]:
        return {(header_key(p.column.name), p.path, p.named, p.part, p.when) for p in of.fields.get(name, ())}

    return bool(one.payload) == bool(plan.payload) and all(
        places(one, name) <= places(plan, name) for name in one.fields
    )


def plan_for(
    definition: FormatDefinition, columns: Sequence[str], path: str = "", *, open_ended: bool = False
) -> ImportPlan:
    """The plan of one definition for a header.

    Records of a document (`open_ended`) need not have the same keys: one that the first records lack may come later,
    so it is looked for as well."""
    if not open_ended:
        return _plan(definition, columns, path)
    present = {header_key(name) for name in columns}
    unseen = [
        source.columns[0]
        for sources in definition.fields.values()
        for source in sources
        if source.columns and not any(header_key(name) in present for name in source.columns)
    ]
    both = [*columns, *dict.fromkeys(unseen)]
    late = frozenset(Column(position, name) for position, name in enumerate(both) if position >= len(columns))
    planned = _plan(definition, both, path)
    sure = {
        name: places for name, places in planned.fields.items() if any(place.column not in late for place in places)
    }
    return replace(planned, late=late, told=_told(definition, path, sure))


def _rank(definition: FormatDefinition, present: Mapping[str, str], path: str) -> tuple[int, int, int, bool]:
    known = len(definition.spellings & present.keys())
    return len(definition.detect.values), known, len(definition.detect.require), _named(definition, path)


def _named(definition: FormatDefinition, path: str) -> bool:
    return definition.file_name is not None and re.search(definition.file_name, path) is not None


def _nested(samples: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(
        f"{header_key(key)}.{header_key(inner)}"
        for sample in samples
        for key, value in sample.items()
        if isinstance(value, dict)  # a sample comes from JSON; asking for any mapping takes ten times as long
        for inner in value
    )


def _fits(
    detect: Detection, present: Mapping[str, str], nested: frozenset[str], samples: Sequence[Mapping[str, Any]]
) -> bool:
    shown = present.keys() | nested
    if not all(any(header_key(name) in shown for name in group) for group in detect.require):
        return False
    if any(header_key(name) in shown for name in detect.exclude):
        return False
    return _filled(detect, samples) and all(_holds(name, found, samples) for name, found in detect.values.items())


def _filled(detect: Detection, samples: Sequence[Mapping[str, Any]]) -> bool:
    wanted = {header_key(name) for name in detect.filled}
    return not wanted or any(value for sample in samples for key, value in sample.items() if header_key(key) in wanted)


def _holds(name: str, wanted: tuple[str, ...], samples: Sequence[Mapping[str, Any]]) -> bool:
    key = header_key(name)
    return any(str(v).strip().casefold() in wanted for s in samples for k, v in s.items() if header_key(k) == key)


def _plan(definition: FormatDefinition, columns: Sequence[str], path: str) -> ImportPlan:
    at: dict[str, list[Column]] = {}
    for position, name in enumerate(columns):
        at.setdefault(header_key(name), []).append(Column(position, name))
    fields = {name: places for name, sources in definition.fields.items() if (places := _places(sources, at))}
    times = {place.column for place in fields.get("event_time", ())}
    return ImportPlan(
        definition=definition,
        columns=tuple(columns),
        fields=fields,
        payload=next(iter(_columns(definition.payload, at)), None),
        declared={role: found[0] for role, name in definition.declared.items() if (found := _columns((name,), at))},
        time_identifies=not times <= set(_columns(definition.collection_time, at)),
        told=_told(definition, path, fields),
        others={column: names for name, names in definition.other_rows.items() for column in _columns((name,), at)},
    )


def _told(definition: FormatDefinition, path: str, fields: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """What the name of the file says about fields that no column gives: field -> value and the name it stands in."""
    found = {}
    for name, table in definition.name_values.items():
        value = next((value for pattern, value in table.items() if re.search(pattern, path)), None)
        if value and name not in fields:
            found[name] = (value, path.rsplit("/", 1)[-1])
    return found


def _places(sources: Iterable[Source], at: Mapping[str, Sequence[Column]]) -> tuple[Place, ...]:
    found = [place for source in sources for place in _resolved(source, at)]
    return tuple(dict.fromkeys(found))


def _resolved(source: Source, at: Mapping[str, Sequence[Column]]) -> Iterable[Place]:
    if source.gather:
        every = sorted((one for found in at.values() for one in found), key=lambda column: column.position)
        matching = tuple(column for column in every if _gathers(source.gather, column.name))
        return [Place(matching[0], gather=matching)] if matching else []
    return [
        Place(column, source.path, source.named, source.part, source.when) for column in _columns(source.columns, at)
    ]


def _gathers(pattern: str, name: str) -> bool:
    return re.search(pattern, header_key(name.split("#")[0]), re.IGNORECASE) is not None


def _columns(names: Iterable[str], at: Mapping[str, Sequence[Column]]) -> list[Column]:
    """The columns of a file that bear one of these names; JSON records may spell one key in two cases."""
    return [column for name in names for column in at.get(header_key(name), ())]
