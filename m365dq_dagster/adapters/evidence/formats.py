"""Format definitions (`reference_data/formats/*.yaml`): what a file of the rule pack may say, and which definition a
header belongs to.

A flavour of an export is a YAML file; nothing here knows one by name. How a plan becomes SQL is written in
`adapters.sql.intake`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from m365dq_dagster.adapters.evidence.delimited import header_key
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder

CONTAINERS = ("csv", "json")
PARTS = ("city", "state", "country")
READINGS = ("digits", "words")
_KEYS = {
    "id", "title", "log_type", "container", "detect", "payload", "fields", "values", "null_words", "date_order",
    "collection_time", "declared", "renderings", "caps", "hazards", "examples", "api_version",
}  # fmt: skip
_SOURCE_KEYS = {"of", "payload", "key", "named", "part", "when"}


@dataclass(frozen=True)
class Source:
    """One place a field may come from.

    `columns` are spellings of one header (CSV) or top-level key (JSON). `path` leads into a nested cell, `named`
    picks from a list of name and value, `part` takes a piece of 'City, State, CC', `when` reads a cell only if it
    holds digits or words."""

    columns: tuple[str, ...]
    path: str | None = None
    named: str | None = None
    part: str | None = None
    when: str | None = None


@dataclass(frozen=True)
class FormatDefinition:
    """One export flavour, as its YAML file describes it. See docs/guides for the meaning of every key."""

    id: str
    title: str
    log_type: str
    container: str
    require: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...]
    fields: Mapping[str, tuple[Source, ...]]
    payload: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    null_words: tuple[str, ...] = ()
    date_order: DateOrder | None = None
    collection_time: tuple[str, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    renderings: Mapping[str, str] = field(default_factory=dict)
    caps: tuple[int, ...] = ()
    hazards: tuple[str, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    api_version: str = "v1.0"

    @property
    def spellings(self) -> frozenset[str]:
        """Every header or key this definition knows, as compared."""
        known = {name for sources in self.fields.values() for source in sources for name in source.columns}
        known |= {*self.payload, *self.collection_time, *self.declared.values()}
        known |= {name for group in self.require for name in group}
        return frozenset(header_key(name) for name in known)


@dataclass(frozen=True)
class Column:
    """One column (CSV) or top-level key (JSON) of a file that is read: its position and its name there."""

    position: int
    name: str


@dataclass(frozen=True)
class Place:
    """A source resolved against a file."""

    column: Column
    path: str | None = None
    named: str | None = None
    part: str | None = None
    when: str | None = None

    @property
    def provenance(self) -> str:
        """Where the value is copied from: `Column`, or `Column.path` inside a nested cell."""
        name = self.column.name.split("#")[0].strip() or self.column.name
        steps = [name, *([self.path] if self.path else []), *([self.named] if self.named else [])]
        return ".".join(steps)


@dataclass(frozen=True)
class ImportPlan:
    """What of one file goes where. `fields` names only canonical fields that the file has a place for."""

    definition: FormatDefinition
    columns: tuple[str, ...]
    fields: Mapping[str, tuple[Place, ...]]
    payload: Column | None = None
    declared: Mapping[str, Column] = field(default_factory=dict)
    time_identifies: bool = True
    hash_rows: bool = False
    late: frozenset[Column] = frozenset()

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are read, ordered by position."""
        found = {place.column for places in self.fields.values() for place in places} | set(self.declared.values())
        if self.payload:
            found.add(self.payload)
        return tuple(sorted(found, key=lambda column: column.position))

    def without(self, columns: Iterable[Column]) -> ImportPlan:
        """The same plan for a file in which these columns turned out not to occur."""
        gone = set(columns)
        kept = {
            name: tuple(place for place in places if place.column not in gone) for name, places in self.fields.items()
        }
        return replace(self, fields={name: places for name, places in kept.items() if places}, late=frozenset())

    def with_hashes(self) -> ImportPlan:
        """The same plan for a file whose rows have to be compared as wholes with those of another file."""
        return replace(self, hash_rows=True)

    def provenance(self, name: str) -> str:
        """`source:<Column>` or `derived:<rule> from <columns>` of a mapped canonical field."""
        places = self.fields[name]
        by_value = {place.column for place in places if place.when}
        told = (place for place in places if not (place.path and place.column in by_value))
        origin = ", ".join(dict.fromkeys(place.provenance for place in told))
        if name in self.definition.values:
            return f"derived:value_map from {origin}"
        if any(place.part for place in places):
            return f"derived:location_part from {origin}"
        return f"source:{origin}"


def parse_format(data: Mapping[str, Any], where: str) -> FormatDefinition:
    """Check one YAML document and make a definition of it. Raises `BadInput` naming file, key and what is expected."""
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise BadInput(f"{where}: key {unknown[0]!r} is not known; the keys are {', '.join(sorted(_KEYS))}.")
    missing = sorted({"id", "title", "log_type", "container", "detect", "fields"} - set(data))
    if missing:
        raise BadInput(f"{where}: key {missing[0]!r} is missing; every format needs it.")
    if data["container"] not in CONTAINERS:
        raise BadInput(f"{where}: container must be one of {', '.join(CONTAINERS)}.")
    detect, payload = data["detect"], _names(data.get("payload", ()))
    if not isinstance(detect, Mapping) or not detect.get("all"):
        raise BadInput(f"{where}: detect must be a mapping with the required columns under `all`.")
    if data.get("date_order") not in (None, *DateOrder):
        raise BadInput(f"{where}: date_order must be one of {', '.join(DateOrder)}.")
    return FormatDefinition(
        id=str(data["id"]),
        title=str(data["title"]),
        log_type=str(data["log_type"]),
        container=str(data["container"]),
        require=tuple(_names(group) for group in detect["all"]),
        exclude=_names(detect.get("none", ())),
        fields={name: _sources(spec, payload, f"{where}: {name}") for name, spec in data["fields"].items()},
        payload=payload,
        values={name: {str(k): str(v) for k, v in table.items()} for name, table in data.get("values", {}).items()},
        null_words=_names(data.get("null_words", ())),
        date_order=DateOrder(data["date_order"]) if data.get("date_order") else None,
        collection_time=_names(data.get("collection_time", ())),
        declared=dict(data.get("declared", {})),
        renderings=dict(data.get("renderings", {})),
        caps=tuple(int(cap) for cap in data.get("caps", ())),
        hazards=_names(data.get("hazards", ())),
        examples=tuple(data.get("examples", ())),
        api_version=str(data.get("api_version", "v1.0")),
    )


def load_formats(folder: Path) -> tuple[FormatDefinition, ...]:
    """Every definition of a folder, ordered by id. Raises `BadInput` for a file that cannot be used."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise BadInput(
                f"{path.name}: this is no valid YAML ({str(error).splitlines()[0]}); correct the file."
            ) from None
        found.append(parse_format(data, path.name))
    return tuple(sorted(found, key=lambda definition: definition.id))


def recognise(columns: Sequence[str], container: str, formats: Iterable[FormatDefinition]) -> ImportPlan | None:
    """The plan of the definition that fits a header best, or None.

    A definition fits where one spelling of each required column is there and none of the excluded; of several, the
    one that knows most of the file's columns is taken, then the one that requires more."""
    present = {header_key(name): name for name in reversed(columns)}
    fitting = [definition for definition in formats if definition.container == container and _fits(definition, present)]
    if not fitting:
        return None
    best = max(fitting, key=lambda d: (len(d.spellings & present.keys()), len(d.require), d.id))
    return _plan(best, columns) if container == "csv" else _plan_for_records(best, columns, present)


def _plan_for_records(definition: FormatDefinition, keys: Sequence[str], present: Mapping[str, str]) -> ImportPlan:
    """Records of a document need not have the same keys: one that the first records lack may come later, so it is
    looked for as well."""
    unseen = [
        source.columns[0]
        for sources in definition.fields.values()
        for source in sources
        if not any(header_key(name) in present for name in source.columns)
    ]
    columns = [*keys, *dict.fromkeys(unseen)]
    late = frozenset(Column(position, name) for position, name in enumerate(columns) if position >= len(keys))
    return replace(_plan(definition, columns), late=late)


def _fits(definition: FormatDefinition, present: Mapping[str, str]) -> bool:
    required = all(any(header_key(name) in present for name in group) for group in definition.require)
    return required and not any(header_key(name) in present for name in definition.exclude)


def _plan(definition: FormatDefinition, columns: Sequence[str]) -> ImportPlan:
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
    )


def _places(sources: Iterable[Source], at: Mapping[str, Sequence[Column]]) -> tuple[Place, ...]:
    found = (
        Place(column, source.path, source.named, source.part, source.when)
        for source in sources
        for column in _columns(source.columns, at)
    )
    return tuple(dict.fromkeys(found))


def _columns(names: Iterable[str], at: Mapping[str, Sequence[Column]]) -> list[Column]:
    """The columns of a file that bear one of these names; JSON records may spell one key in two cases."""
    return [column for name in names for column in at.get(header_key(name), ())]


def _sources(spec: Any, payload: tuple[str, ...], where: str) -> tuple[Source, ...]:
    items = spec if isinstance(spec, list) else [spec]
    return tuple(_source(item, payload, where) for item in items)


def _source(item: Any, payload: tuple[str, ...], where: str) -> Source:
    if isinstance(item, str):
        return Source((item,))
    if not isinstance(item, Mapping) or set(item) - _SOURCE_KEYS or ("of" in item) == ("payload" in item):
        raise BadInput(
            f"{where}: a source is a column name, or a mapping with `of` or `payload` and "
            f"{', '.join(sorted(_SOURCE_KEYS))}."
        )
    if item.get("part", PARTS[0]) not in PARTS or item.get("when", READINGS[0]) not in READINGS:
        raise BadInput(f"{where}: part is one of {', '.join(PARTS)}; when is one of {', '.join(READINGS)}.")
    if "payload" in item:
        return Source(payload, path=str(item["payload"]), named=item.get("named"))
    return Source(_names(item["of"]), item.get("key"), item.get("named"), item.get("part"), item.get("when"))


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
