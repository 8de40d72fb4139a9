"""Format definitions (`reference_data/formats/*.yaml`): what a file of the rule pack may say about an export.

A flavour of an export or a log type is a YAML file; nothing here knows one by name. Which definition a header belongs
to is decided in `plans`, how a plan becomes SQL in `adapters.sql.landing`, and what collectors declare about their own
work in `sidecars`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from m365dq_dagster.adapters.evidence.delimited import header_key
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import DateOrder

TABLE, DOCUMENT, ENVELOPE = "csv", "json", "envelope"
CONTAINERS = (TABLE, DOCUMENT)
SIDECAR_CONTAINERS = ("text", "manifest")
TRANSLATION = "translation"
CHOSEN = "chosen"
PARTS = ("city", "state", "country", "recipients")
READINGS = ("digits", "words")
TYPES = {"text": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN", "timestamp": "TIMESTAMP"}
_LABELS = ("id", "title", "hazards", "examples", "like")
_KEYS = {
    *_LABELS, "log_type", "container", "detect", "payload", "fields", "types", "values", "null_words", "date_order",
    "collection_time", "declared", "renderings", "caps", "api_version", "file_name", "name_required", "name_values",
    "snapshot", "identity", "inside", "localised",
    "other_rows", "columns",
}  # fmt: skip
_DETECT_KEYS = {"all", "none", "filled", "values"}
_SOURCE_KEYS = {"of", "payload", "gather", "key", "named", "part", "when"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Source:
    """One place a field may come from.

    `columns` are spellings of one header (CSV) or top-level key (JSON). `path` leads into a nested cell, `named`
    picks from a list of name and value, `part` takes a piece of a packed cell ('City, State, CC'), `when` reads a
    cell only if it holds digits or words. `gather` takes every filled column whose name matches, as one object."""

    columns: tuple[str, ...]
    path: str | None = None
    named: str | None = None
    part: str | None = None
    when: str | None = None
    gather: str | None = None


@dataclass(frozen=True)
class Detection:
    """What a header or record must show: one spelling of each group in `require` (`key.inner` looks one level into a
    record), none of `exclude`, one of `filled` with something in it, and for each column of `values` one of its
    values, in at least one of the first records."""

    require: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class FormatDefinition:
    """One export flavour, as its YAML file describes it. The page on formats gives the meaning of every key."""

    id: str
    title: str
    log_type: str
    containers: tuple[str, ...]
    detect: Detection
    fields: Mapping[str, tuple[Source, ...]]
    payload: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
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
    file_name: str | None = None
    name_required: bool = False
    name_values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    snapshot: bool = False
    identity: tuple[str, ...] = ("event_id",)
    inside: str | None = None
    localised: bool = False
    other_rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen_columns: bool = False

    @cached_property
    def spellings(self) -> frozenset[str]:
        """Every header or key this definition knows, as compared."""
        known = {name for sources in self.fields.values() for source in sources for name in source.columns}
        known |= {*self.payload, *self.collection_time, *self.declared.values()}
        known |= {name for group in self.detect.require for name in group}
        return frozenset(header_key(name) for name in known)

    @cached_property
    def looked_at(self) -> frozenset[str]:
        """Every name that telling this definition from others rests on, as compared, with the outer name of each inner
        one."""
        names = {header_key(name) for name in (*self.detect.exclude, *self.detect.filled, *self.detect.values)}
        names |= self.spellings
        return frozenset(names | {name.split(".")[0] for name in names})


def parse_formats(pack: Iterable[Mapping[str, Any]]) -> tuple[FormatDefinition, ...]:
    """The definitions of a rule pack, ordered by id; a `like` takes over what another one says.

    Files that describe a collector's own statements are left to `sidecars`. Raises `BadInput` naming format, key and
    what is expected."""
    pack = tuple(pack)
    others = (*SIDECAR_CONTAINERS, TRANSLATION)
    documents = {str(data.get("id", "?")): data for data in pack if data.get("container") not in others}
    spoken = _localised_spellings(data for data in pack if data.get("container") == TRANSLATION)
    found = [parse_format(_inherited(data, documents), f"format {name}") for name, data in documents.items()]
    return tuple(sorted((_translated(one, spoken) for one in found), key=lambda definition: definition.id))


def parse_format(data: Mapping[str, Any], where: str) -> FormatDefinition:
    """Check one YAML document and make a definition of it. Raises `BadInput` naming file, key and what is expected."""
    _check_keys(data, where)
    detect, payload = data["detect"], _names(data.get("payload", ()))
    return FormatDefinition(
        id=str(data["id"]),
        title=str(data["title"]),
        log_type=str(data.get("log_type", "")),
        containers=_names(data["container"]),
        detect=_detection(detect, where),
        fields={name: _sources(spec, payload, f"{where}: {name}") for name, spec in data.get("fields", {}).items()},
        payload=payload,
        types=dict(data.get("types", {})),
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
        file_name=data.get("file_name"),
        name_required=bool(data.get("name_required", False)),
        name_values={name: dict(table) for name, table in data.get("name_values", {}).items()},
        snapshot=bool(data.get("snapshot", False)),
        identity=_names(data.get("identity", "event_id")),
        inside=data.get("inside"),
        localised=bool(data.get("localised", False)),
        other_rows={name: tuple(one.casefold() for one in _names(v)) for name, v in data.get("other_rows", {}).items()},
        chosen_columns=data.get("columns") == CHOSEN,
    )


def _localised_spellings(translations: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """English header, as compared -> what the languages of the pack call it."""
    found: dict[str, tuple[str, ...]] = {}
    for data in translations:
        where = f"format {data.get('id', '?')}"
        if not isinstance(data.get("map"), Mapping):
            raise BadInput(f"{where}: map is missing; it leads from a localised header to the English one.")
        for local, english in data["map"].items():
            key = header_key(str(english))
            found[key] = (*found.get(key, ()), str(local))
    return found


def _translated(definition: FormatDefinition, spoken: Mapping[str, tuple[str, ...]]) -> FormatDefinition:
    """The definition with every language's spelling beside the English one, where its export follows the language of
    the portal."""
    if not definition.localised:
        return definition

    def every(names: tuple[str, ...]) -> tuple[str, ...]:
        return (*names, *(local for name in names for local in spoken.get(header_key(name), ())))

    detect = replace(definition.detect, require=tuple(every(group) for group in definition.detect.require))
    fields = {
        name: tuple(replace(source, columns=every(source.columns)) for source in sources)
        for name, sources in definition.fields.items()
    }
    return replace(definition, detect=detect, fields=fields)


def _inherited(
    data: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]], seen: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The document with what its model says and itself does not; fields are merged by name, and one that is null is
    left out."""
    model = data.get("like")
    if model is None:
        return dict(data)
    if model in seen or model not in documents:
        raise BadInput(f"format {data.get('id', '?')}: like names {model!r}, which is no other format; name one.")
    base = _inherited(documents[model], documents, (*seen, str(model)))
    merged = {key: value for key, value in base.items() if key not in _LABELS} | dict(data)
    for key in ("fields", "types", "values", "renderings"):
        both = {**base.get(key, {}), **data.get(key, {})}
        if both:
            merged[key] = {name: spec for name, spec in both.items() if spec is not None}
    return merged


def _check_keys(data: Mapping[str, Any], where: str) -> None:
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise BadInput(f"{where}: key {unknown[0]!r} is not known; the keys are {', '.join(sorted(_KEYS))}.")
    containers = _names(data.get("container", ()))
    is_envelope = containers == (ENVELOPE,)
    needed = {"id", "title", "container", "detect"} | ({"inside"} if is_envelope else {"log_type", "fields"})
    missing = sorted(needed - set(data))
    if missing:
        raise BadInput(f"{where}: key {missing[0]!r} is missing; every format needs it.")
    if not is_envelope and not (containers and set(containers) <= set(CONTAINERS)):
        raise BadInput(f"{where}: container must be one of {', '.join(CONTAINERS)}, or {ENVELOPE}.")
    _check_values(data, where)


def _check_values(data: Mapping[str, Any], where: str) -> None:
    detect = data["detect"]
    if not isinstance(detect, Mapping) or not detect.get("all") or set(detect) - _DETECT_KEYS:
        raise BadInput(f"{where}: detect must be a mapping with the required columns under `all`.")
    if data.get("columns") not in (None, CHOSEN):
        raise BadInput(f"{where}: columns is {CHOSEN}, where whoever exports picks them, or left out.")
    if data.get("date_order") not in (None, *DateOrder):
        raise BadInput(f"{where}: date_order must be one of {', '.join(DateOrder)}.")
    for name in (*data.get("fields", {}), *([data["log_type"]] if "log_type" in data else [])):
        if not _NAME.fullmatch(str(name)):
            raise BadInput(f"{where}: {name!r} cannot name a table or column; use small letters, digits and '_'.")
    for name, kind in data.get("types", {}).items():
        if kind not in TYPES or name not in data.get("fields", {}):
            raise BadInput(
                f"{where}: types gives one of its fields one of {', '.join(TYPES)}; {name}: {kind} does not."
            )
    for pattern in (data.get("file_name"), *(key for t in data.get("name_values", {}).values() for key in t)):
        _check_pattern(pattern, where)


def _check_pattern(pattern: Any, where: str) -> None:
    try:
        re.compile(pattern or "")
    except (re.error, TypeError) as error:
        raise BadInput(f"{where}: {pattern!r} is no regular expression ({error}); correct it.") from None


def _detection(detect: Mapping[str, Any], where: str) -> Detection:
    values = detect.get("values", {})
    if not isinstance(values, Mapping):
        raise BadInput(f"{where}: detect.values is a mapping from a column to the values it may hold.")
    return Detection(
        tuple(_names(group) for group in detect["all"]),
        _names(detect.get("none", ())),
        _names(detect.get("filled", ())),
        {str(name): tuple(value.casefold() for value in _names(found)) for name, found in values.items()},
    )


def _sources(spec: Any, payload: tuple[str, ...], where: str) -> tuple[Source, ...]:
    items = spec if isinstance(spec, list) else [spec]
    return tuple(_source(item, payload, where) for item in items)


def _source(item: Any, payload: tuple[str, ...], where: str) -> Source:
    if isinstance(item, str):
        return Source((item,))
    if (
        not isinstance(item, Mapping)
        or set(item) - _SOURCE_KEYS
        or sum(key in item for key in ("of", "payload", "gather")) != 1
    ):
        raise BadInput(
            f"{where}: a source is a column name, or a mapping with one of `of`, `payload` and `gather`, and "
            f"{', '.join(sorted(_SOURCE_KEYS))}."
        )
    if item.get("part", PARTS[0]) not in PARTS or item.get("when", READINGS[0]) not in READINGS:
        raise BadInput(f"{where}: part is one of {', '.join(PARTS)}; when is one of {', '.join(READINGS)}.")
    if "gather" in item:
        _check_pattern(item["gather"], where)
        return Source((), gather=str(item["gather"]))
    if "payload" in item:
        return Source(payload, str(item["payload"]), item.get("named"), item.get("part"), item.get("when"))
    return Source(_names(item["of"]), item.get("key"), item.get("named"), item.get("part"), item.get("when"))


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
