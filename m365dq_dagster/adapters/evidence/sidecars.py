"""What collectors write beside the evidence: their own logs, bounds and state files, manifests with hashes. Which files
are such, and what they declare, stands in `reference_data/formats` (`container: text` or `manifest`).

A file is known by what stands in it and never by its name. Here statements are read; whether the evidence bears them
out is judged in `core.completeness`. Exports of logs are the business of `formats`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any, TextIO

from m365dq_dagster.adapters.evidence.delimited import records, table_head
from m365dq_dagster.adapters.evidence.documents import document_head, looks_like_json
from m365dq_dagster.adapters.evidence.folder import FoundFile
from m365dq_dagster.adapters.evidence.text import HEAD_BYTES, TextHead, open_text, read_head
from m365dq_dagster.core.declared import Declaration, DeclarationKind
from m365dq_dagster.core.errors import BadInput

TEXT, MANIFEST = "text", "manifest"
CONTAINERS = (TEXT, MANIFEST)
CLOCKS = ("utc", "local")
MAX_LINE = 4_000
"""Characters of a line that are looked at; what lies beyond is read as a line of its own."""
MAX_KEPT = 300
"""Declarations kept of one pattern; the others are counted."""
MAX_LISTED = 20_000
"""Entries kept of one manifest; the others are counted."""
MAX_HEAD, MIN_COLUMNS, MIN_ROWS = 1 << 16, 3, 20
"""How much of a document is looked at for its keys; the columns from which on lines may be a table, and how many of its
rows are looked at."""
MAX_MANIFEST = 1 << 26
"""Characters of a manifest at most; a greater file is no manifest."""
SHOWN = 200
"""Characters of a text from the evidence within a sentence."""

_TEXT_KEYS = {"id", "title", "container", "log_type", "clock", "recognise", "whole", "sections", "lines", "hazards",
              "examples"}  # fmt: skip
_LINE_KEYS = {"kind", "word", "pattern", "log_type", "clock", "says"}
_MANIFEST_KEYS = {"id", "title", "container", "log_type", "clock", "document", "list", "entry", "only", "fields",
                  "entry_kind", "says", "hazards", "examples"}  # fmt: skip
_FIELDS = {"path", "sha256", "bytes", "rows", "begins", "ends", "done", "collected"}
_GROUPS = {"from", "to", "rows", "of", "path", "detail"}


@dataclass(frozen=True)
class LinePattern:
    """A kind of line and what it declares. `word` stands in every such line, so that most lines are passed by cheaply.

    Named groups of `pattern`: `from`, `to`, `rows`, `of`, `path`, `detail`; `says` is the sentence, with the groups in
    braces."""

    kind: DeclarationKind
    word: str
    pattern: re.Pattern[str]
    says: str
    log_type: str | None
    clock: str


@dataclass(frozen=True)
class Section:
    """A line after which a log speaks of another log type."""

    pattern: re.Pattern[str]
    log_type: str | None


@dataclass(frozen=True)
class SidecarDefinition:
    """One kind of file beside the evidence, as its YAML file describes it.

    A text is known by a line that fits one of `recognise` (every line, where it is `whole`). A manifest is JSON whose
    document has one spelling of each group in `document`, with a list under one of the `list` keys (or is one, where
    none is named) whose entries have one spelling of each group in `entry` and, where `only` is given, no other key.
    `fields` holds the spellings of what is read."""

    id: str
    title: str
    container: str
    log_type: str | None = None
    clock: str = "local"
    recognise: tuple[re.Pattern[str], ...] = ()
    whole: bool = False
    sections: tuple[Section, ...] = ()
    lines: tuple[LinePattern, ...] = ()
    document: tuple[tuple[str, ...], ...] = ()
    list_keys: tuple[str, ...] = ()
    entry: tuple[tuple[str, ...], ...] = ()
    only: frozenset[str] = frozenset()
    fields: Mapping[str, tuple[str, ...]] | None = None
    entry_kind: DeclarationKind = DeclarationKind.FILE
    says: str = ""
    examples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Sidecar:
    """A file beside the evidence and what it declares. `left_out` counts declarations beyond those that are kept."""

    file: FoundFile
    definition_id: str
    title: str
    declarations: tuple[Declaration, ...]
    left_out: int = 0


def parse_sidecars(pack: Iterable[Mapping[str, Any]]) -> tuple[SidecarDefinition, ...]:
    """The definitions of sidecars among the format files of a rule pack, ordered by id; formats of logs are passed by.

    Raises `BadInput` naming the format, the key and what is expected."""
    own = [data for data in pack if data.get("container") in CONTAINERS]
    found = [parse_sidecar(data, f"format {data.get('id', '?')}") for data in own]
    return tuple(sorted(found, key=lambda definition: definition.id))


def parse_sidecar(data: Mapping[str, Any], where: str) -> SidecarDefinition:
    """Check one YAML document and make a definition of it. Raises `BadInput` naming file, key and what is expected."""
    container = data.get("container")
    if container not in CONTAINERS:
        raise BadInput(f"{where}: container must be one of {', '.join(CONTAINERS)}.")
    _check_keys(data, where, _TEXT_KEYS if container == TEXT else _MANIFEST_KEYS)
    clock = _one_of(data.get("clock", "local"), CLOCKS, f"{where}: clock")
    return _text(data, where, clock) if container == TEXT else _manifest(data, where, clock)


def _check_keys(data: Mapping[str, Any], where: str, known: set[str]) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise BadInput(f"{where}: key {unknown[0]!r} is not known; the keys are {', '.join(sorted(known))}.")
    needed = {"id", "title", "examples"} | ({"recognise", "lines"} & known) | ({"entry", "fields"} & known)
    missing = sorted(needed - set(data))
    if missing:
        raise BadInput(f"{where}: key {missing[0]!r} is missing; every such file needs it.")


def _text(data: Mapping[str, Any], where: str, clock: str) -> SidecarDefinition:
    log_type = data.get("log_type")
    return SidecarDefinition(
        id=str(data["id"]),
        title=str(data["title"]),
        container=TEXT,
        log_type=log_type,
        clock=clock,
        recognise=tuple(_pattern(text, f"{where}: recognise") for text in _listed(data["recognise"])),
        whole=bool(data.get("whole", False)),
        sections=tuple(
            Section(_pattern(item.get("pattern"), f"{where}: sections"), item.get("log_type"))
            for item in data.get("sections", ())
        ),
        lines=tuple(_line(item, f"{where}: lines", clock) for item in data["lines"]),
        examples=tuple(data["examples"]),
    )


def _line(item: Mapping[str, Any], where: str, clock: str) -> LinePattern:
    unknown, missing = set(item) - _LINE_KEYS, {"kind", "word", "pattern", "says"} - set(item)
    if unknown or missing:
        raise BadInput(f"{where}: each line needs kind, word, pattern and says, and may have log_type and clock.")
    pattern = _pattern(item["pattern"], where)
    kind = DeclarationKind(_one_of(item["kind"], tuple(DeclarationKind), f"{where}: kind"))
    if not set(pattern.groupindex) <= _GROUPS:
        raise BadInput(f"{where}: the groups of a pattern are {', '.join(sorted(_GROUPS))}.")
    says = _sentence(item["says"], pattern.groupindex, where)
    own_clock = _one_of(item.get("clock", clock), CLOCKS, f"{where}: clock")
    return LinePattern(kind, str(item["word"]), pattern, says, item.get("log_type"), own_clock)


def _sentence(text: object, names: Iterable[str], where: str) -> str:
    try:
        str(text).format(**dict.fromkeys(names, ""))
    except (KeyError, IndexError, ValueError):
        raise BadInput(f"{where}: says may hold in braces only the groups of its pattern.") from None
    return str(text)


def _manifest(data: Mapping[str, Any], where: str, clock: str) -> SidecarDefinition:
    fields = data["fields"]
    if not isinstance(fields, Mapping) or not set(fields) <= _FIELDS:
        raise BadInput(f"{where}: fields must be a mapping with {', '.join(sorted(_FIELDS))} as keys.")
    return SidecarDefinition(
        id=str(data["id"]),
        title=str(data["title"]),
        container=MANIFEST,
        log_type=data.get("log_type"),
        clock=clock,
        document=tuple(_keys(group) for group in data.get("document", ())),
        list_keys=_keys(data.get("list", ())),
        entry=tuple(_keys(group) for group in data["entry"]),
        only=frozenset(_keys(data.get("only", ()))),
        fields={name: _keys(names) for name, names in fields.items()},
        entry_kind=DeclarationKind(
            _one_of(data.get("entry_kind", "FILE"), tuple(DeclarationKind), f"{where}: entry_kind")
        ),
        says=_sentence(data.get("says", ""), ("from", "to", "rows"), where),
        examples=tuple(data["examples"]),
    )


def _pattern(text: object, where: str) -> re.Pattern[str]:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise BadInput(f"{where}: {str(text)[:80]!r} is no regular expression ({error}); correct it.") from None


def _one_of(value: object, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise BadInput(f"{where} must be one of {', '.join(allowed)}.")
    return str(value)


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(_key(str(name)) for name in _listed(value))


def _key(name: str) -> str:
    """A JSON key as compared: letters and digits only, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


# Reading


def read_sidecar(file: FoundFile, text: str, definitions: Iterable[SidecarDefinition]) -> Sidecar | None:
    """What a file beside the evidence declares, or None where it is none of the known ones.

    `text` is the decoded beginning of the file, or all of it; a longer file is read on from its place, line by line,
    and is none where it went meanwhile."""
    try:
        return _read(file, text.lstrip("\ufeff"), tuple(definitions))
    except OSError:
        return None


def _read(file: FoundFile, head: str, definitions: Sequence[SidecarDefinition]) -> Sidecar | None:
    for definition in definitions:
        if definition.container == TEXT and _is_text(head, definition):
            with _stream(file, head) as stream:
                kept, left_out = _declared(stream, definition)
            return Sidecar(file, definition.id, definition.title, kept, left_out)
    manifests = [definition for definition in definitions if definition.container == MANIFEST]
    return _read_manifest(file, head, manifests) if manifests and head.lstrip()[:1] in ("{", "[") else None


def _is_text(head: str, definition: SidecarDefinition) -> bool:
    """Whether lines fit a definition. In a table or a document, a pattern that does not begin at the line's start may
    have met the text of a cell, and counts for nothing."""
    lines = (line for line in _lines(StringIO(head)) if line.strip())
    if definition.whole:
        complete = list(islice(lines, MAX_KEPT))
        fits = bool(complete) and all(_fits(line, definition.recognise) for line in complete)
    else:
        fits = any(_fits(line, definition.recognise) for line in lines)
    if not fits or not _is_laid_out(head):
        return fits
    anchored = [pattern for pattern in definition.recognise if pattern.pattern.startswith("^")]
    return any(_fits(line, anchored) for line in _lines(StringIO(head)))


def _is_laid_out(head: str) -> bool:
    """True for a table of three columns or more most of whose rows have as many cells, and for a document with keys."""
    if looks_like_json(head):
        return bool(document_head(head[:MAX_HEAD], 1).keys)
    table = table_head(head)
    if table is None or len(table.columns) < MIN_COLUMNS:
        return False
    lines = islice(StringIO(head, newline=""), table.skip_lines, None)
    rows = [row.cells is not None for row in islice(records(lines, table.delimiter, len(table.columns)), MIN_ROWS)]
    return 2 * sum(rows) > len(rows) or not rows


def _fits(line: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    return any(pattern.search(line) for pattern in patterns)


def _stream(file: FoundFile, head: str) -> TextIO:
    if file.bytes <= HEAD_BYTES:
        return StringIO(head)
    found = read_head(file.location)
    return open_text(file.location, found.encoding) if isinstance(found, TextHead) else StringIO(head)


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE):
        yield line.rstrip("\r\n")


def _declared(stream: TextIO, definition: SidecarDefinition) -> tuple[tuple[Declaration, ...], int]:
    """The declarations of a log in the order of its lines, and how many more there were."""
    kept: list[Declaration] = []
    seen: Counter[int] = Counter()
    log_type = definition.log_type
    for number, line in enumerate(_lines(stream), 1):
        section = next((one for one in definition.sections if one.pattern.search(line)), None)
        log_type = section.log_type if section else log_type
        for place, pattern in enumerate(definition.lines):
            match = pattern.pattern.search(line) if pattern.word in line else None
            if match is None:
                continue
            seen[place] += 1
            if seen[place] <= MAX_KEPT:
                kept.append(_declaration(match, pattern, pattern.log_type or log_type, number))
            break
    return tuple(kept), sum(seen.values()) - len(kept)


def _declaration(match: re.Match[str], pattern: LinePattern, log_type: str | None, line: int) -> Declaration:
    groups = {name: _shown(text) for name, text in match.groupdict().items()}
    told = {name: text.replace("{", "(").replace("}", ")") for name, text in groups.items()}
    return Declaration(
        pattern.kind,
        log_type,
        begins=_moment(groups.get("from"), pattern.clock),
        ends=_moment(groups.get("to"), pattern.clock),
        rows=_number(groups.get("rows")),
        of=_number(groups.get("of")),
        path=groups.get("path") or None,
        says=pattern.says.format(**told),
        line=line,
    )


def _shown(text: str | None) -> str:
    """A text of the evidence as a sentence may hold it: one line, printable, short."""
    clean = "".join(char if char.isprintable() else " " for char in text or "").strip()
    return clean if len(clean) <= SHOWN else clean[: SHOWN - 1] + "…"


_ZONED = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")


def _moment(text: object, clock: str) -> datetime | None:
    """A time in UTC, or None: a text that names no zone is one only where the definition's clock is UTC."""
    said = _said(text)
    if said is None or (clock == "local" and not said[1]):
        return None
    return said[0]


def _said(text: object) -> tuple[datetime, bool] | None:
    """A time as it is written, and whether it names its zone (then it is in UTC). Numbers are seconds since 1970."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        try:
            return datetime.fromtimestamp(text / 1000 if text > 1e11 else text, UTC).replace(tzinfo=None), True
        except (OverflowError, OSError, ValueError):
            return None
    plain = str(text or "").strip()
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", plain))
    except ValueError:
        return None
    zoned = _ZONED.search(plain) is not None and found.tzinfo is not None
    return (found.astimezone(UTC).replace(tzinfo=None) if zoned else found.replace(tzinfo=None)), zoned


def _number(text: object) -> int | None:
    digits = re.sub(r"(?<=\d)[,.\s](?=\d{3}\b)", "", str(text if text is not None else "").strip())
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


# Manifests


def _read_manifest(file: FoundFile, head: str, definitions: Sequence[SidecarDefinition]) -> Sidecar | None:
    if not any(_may_hold(head, definition) for definition in definitions):
        return None
    with _stream(file, head) as stream:
        text = stream.read(MAX_MANIFEST + 1)
    data = _json(text) if len(text) <= MAX_MANIFEST else None
    for definition in definitions:
        entries = _entries(data, definition)
        if entries is not None:
            listed = [_entry(entry, definition) for entry in entries[:MAX_LISTED]]
            kept = (*_collection(data, definition), *listed)
            return Sidecar(file, definition.id, definition.title, kept, max(0, len(entries) - MAX_LISTED))
    return None


def _may_hold(head: str, definition: SidecarDefinition) -> bool:
    """A look at the beginning, so that a great export is not parsed to find that it is no manifest."""
    keys = {_key(name) for name in re.findall(r'"([^"\\]{1,80})"\s*:', head[:HEAD_BYTES])}
    if definition.only and not keys <= definition.only:
        return False
    return all(keys & set(group) for group in (*definition.document, *definition.entry))


def _json(text: str) -> Any:
    """The document, or a list of the documents where each line is one; None for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None


def _entries(data: Any, definition: SidecarDefinition) -> list[dict[str, Any]] | None:
    """The entries of a manifest with their keys as compared, or None where the data is not of this definition."""
    if definition.list_keys:
        document = _folded(data)
        if not _has(document, definition.document):
            return None
        data = next((document[name] for name in definition.list_keys if name in document), None)
    elif isinstance(data, dict):
        data = [data]
    if not isinstance(data, list) or not data:
        return None
    entries = [_folded(entry) for entry in data]
    fitting = all(_has(entry, definition.entry) for entry in entries) and _is_hashed(entries, definition)
    alone = not definition.only or all(set(entry) <= definition.only for entry in entries)
    return entries if fitting and alone else None


def _is_hashed(entries: Sequence[Mapping[str, Any]], definition: SidecarDefinition) -> bool:
    """Whether an entry holds a SHA-256, where a definition reads them: a list of names with something else under `hash`
    is no manifest."""
    if "sha256" not in (definition.fields or {}):
        return True
    return any(_hash(_value(entry, "sha256", definition)) for entry in entries)


def _folded(value: Any) -> dict[str, Any]:
    return {_key(str(name)): item for name, item in value.items()} if isinstance(value, dict) else {}


def _has(found: Mapping[str, Any], groups: Iterable[Sequence[str]]) -> bool:
    return bool(found) and all(any(name in found for name in group) for group in groups)


def _collection(data: Any, definition: SidecarDefinition) -> Iterator[Declaration]:
    """The window and the time of the whole collection, as a manifest's head names them."""
    if not definition.list_keys:
        return
    head = _folded(data)
    begins, ends, collected = (_said(_value(head, name, definition)) for name in ("begins", "ends", "collected"))
    if begins or ends:
        yield Declaration(DeclarationKind.WINDOW, definition.log_type, begins and begins[0], ends and ends[0])
    if collected:
        yield Declaration(DeclarationKind.COLLECTED, definition.log_type, collected[0])


def _value(entry: Mapping[str, Any], name: str, definition: SidecarDefinition) -> Any:
    spellings = (definition.fields or {}).get(name, ())
    return next((entry[key] for key in spellings if entry.get(key) is not None), None)


def _entry(entry: Mapping[str, Any], definition: SidecarDefinition) -> Declaration:
    values = {name: _value(entry, name, definition) for name in _FIELDS}
    done = values["done"]
    kind = DeclarationKind.DONE if done is True else definition.entry_kind
    rows = _number(values["rows"])
    told = {"from": _shown(str(values["begins"] or "")), "to": _shown(str(values["ends"] or "")), "rows": rows or 0}
    return Declaration(
        kind if done is not False else DeclarationKind.UNFINISHED,
        definition.log_type,
        begins=_moment(values["begins"], definition.clock),
        ends=_moment(values["ends"], definition.clock),
        rows=rows,
        path=_path(values["path"]),
        sha256=_hash(values["sha256"]),
        bytes=_number(values["bytes"]),
        says=definition.says.format(**told),
    )


def _path(value: object) -> str | None:
    """The path that a manifest names, with forward slashes and without drive; None for none."""
    text = _shown(str(value or "")).replace("\\", "/")
    return re.sub(r"^(?:[A-Za-z]:)?/+|^\./", "", text) or None


def _hash(value: object) -> str | None:
    """A SHA-256 in lower case, or None for anything else, such as a shorter digest."""
    found = re.fullmatch(r"(?:sha-?256[:=\s]*)?([0-9a-fA-F]{64})", str(value or "").strip(), re.IGNORECASE)
    return found[1].lower() if found else None
