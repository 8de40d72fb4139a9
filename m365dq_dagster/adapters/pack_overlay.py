"""Puts upon the shipped rule pack what people approved and what an installation says for itself in its home folder, and
gives the files that come out. Which layer wins, and what conflicts, is judged in `core.reference`.

The folder `rule_pack` of a home may hold `status_codes.csv`, `values.csv` and `operations.csv` (rows by their key; a
blank cell leaves what stands below), `policy.toml` (only what differs), `context_rules.yaml` (rules by id), and whole
files in `formats/` and `expectations/`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import yaml

from m365dq_dagster.adapters.rule_pack import (
    EXPECTATIONS,
    KEYS,
    POLICY,
    REFERENCE,
    SPELT,
    SUFFIXES,
    Memory,
    Overlay,
    RulePack,
    read_csv,
    read_toml,
    read_yaml,
    row_of,
)
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.code_changes import CodeKey, Kind, ReferenceRow
from m365dq_dagster.core.context_rules import FILE as CONTEXT_RULES
from m365dq_dagster.core.context_rules import parse_rules
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.printable import printable
from m365dq_dagster.core.reference import FILES, TOLD, At, Conflict, Layer, Layered, Origin, Seen, layered, moved_under

FOLDER = "rule_pack"
"""The folder of a home that holds what the installation says for itself."""

MEMORY = ".shipped.json"
"""What shipped below each local entry when it was written."""

WHOLE_FILES = {"formats": (REFERENCE, ".yaml"), "expectations": (EXPECTATIONS, ".json")}
"""Folders of which single files are replaced or added, where they belong, and how they end."""

LOCAL_FILES = (*FILES.values(), POLICY, CONTEXT_RULES)

Raw = dict[str, str]


def overlaid(shipped: RulePack, approved: Sequence[Layer], home: Path | None) -> RulePack:
    """The shipped pack with approved changes, oldest first, and the home's own files upon it; the shipped one itself
    where there are none.

    Raises `BadInput` naming the file or the change that cannot be used.
    """
    local = _Local(home / FOLDER if home else None)
    if not approved and not local.names:
        return shipped
    files: dict[str, bytes] = {}
    changed: dict[CodeKey, Layer] = {}
    conflicts: list[Conflict] = []
    for kind in FILES:
        table, found = _table(shipped, kind, [one for one in approved if one.key.kind is kind], local)
        files |= table
        changed |= found.changed
        conflicts += found.conflicts
    files |= _policy(shipped, local) | _rules(shipped, local) | _whole(shipped, local)
    conflicts += local.moved()
    return replace(shipped, overlay=Overlay(files, changed, tuple(conflicts), local.memory))


def remember(pack: RulePack) -> None:
    """Keep in mind what ships now below the local entries of a pack that a case is judged by, so that it can be told
    when that changes. A folder that cannot be written has no memory, and nothing else is lost.
    """
    memory = pack.overlay.memory
    if memory is None:
        return
    rows = [{"file": file, "key": key, **asdict(seen)} for (file, key), seen in sorted(memory.entries.items())]
    with suppress(OSError):
        write_whole(memory.path, json.dumps(rows, indent=0))


class _Local:
    """The home's own files, and what ships below each entry of them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.names = _local_names(folder) if folder and folder.is_dir() else ()
        self.entries: dict[At, Seen] = {}
        self.memory: Memory | None = None

    def read(self, name: str) -> bytes | None:
        """A file with plain line ends, or None where there is none."""
        if self.folder is None or name not in self.names:
            return None
        try:
            return (self.folder / name).read_bytes().replace(b"\r\n", b"\n")
        except OSError as error:
            raise BadInput(f"{self.path(name)} cannot be read ({error.strerror}); give yourself permission.") from None

    def path(self, name: str) -> str:
        """The file as messages name it."""
        return f"{FOLDER}/{name}"

    def note(self, file: str, key: str, mine: object, shipped: object) -> None:
        """Remember what stands in an entry, and what ships below it."""
        self.entries[(file, key)] = Seen(_digest(mine), _digest(shipped))

    def moved(self) -> tuple[Conflict, ...]:
        """Entries below which what ships has changed since they were written."""
        if self.folder is None or not self.entries:
            return ()
        path = self.folder / MEMORY
        before = _remembered(path)
        conflicts, memory = moved_under(self.entries, before)
        if memory != before:
            self.memory = Memory(path, memory)
        return conflicts


def _local_names(folder: Path) -> tuple[str, ...]:
    """The files below the folder that may be part of a rule pack. Raises `BadInput` for one that has no place in it."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or path.suffix not in SUFFIXES or not path.is_file():
            continue
        top, _, rest = name.partition("/")
        if name not in LOCAL_FILES and not (rest and "/" not in rest and name.endswith(_end_of(top))):
            raise BadInput(
                f"{FOLDER}/{name} has no place in a local rule pack; it may hold {', '.join(LOCAL_FILES)}, "
                "formats/*.yaml and expectations/*.json. Rename the file or take it away."
            )
        found.append(name)
    return tuple(found)


def _end_of(folder: str) -> str | tuple[()]:
    return WHOLE_FILES[folder][1] if folder in WHOLE_FILES else ()


def _table(shipped: RulePack, kind: Kind, approved: Sequence[Layer], local: _Local) -> tuple[dict[str, bytes], Layered]:
    """One of the three tables, written anew where it is not what ships."""
    name = FILES[kind]
    if not approved and name not in local.names:
        return {}, Layered({})
    below = shipped.table(name)
    header = list(below[0]) if below else list(KEYS[kind])
    rows = {row_of(kind, raw).key: raw for raw in below}
    mine = _local_rows(kind, name, local, header)
    layers = [_layer(kind, key, raw, local.path(name)) for key, raw in mine.items()]
    found = layered((row_of(kind, raw) for raw in below), approved, layers)
    made = {key: dict(raw) for key, raw in rows.items()}
    for key in sorted(found.changed):
        made[key] = _spelt(kind, key, found.rows[key], made.get(key, {}))
    for key, raw in mine.items():
        made[key] |= raw
        local.note(name, _told(key), raw, rows.get(key))
    files = {} if made == rows else {f"{REFERENCE}/{name}": _written(header, made.values())}
    return files, found


def _told(key: CodeKey) -> str:
    return key.value if key.kind is not Kind.VALUE else f"{key.log_type}.{key.field} {key.value}"


def _local_rows(kind: Kind, name: str, local: _Local, header: Sequence[str]) -> dict[CodeKey, Raw]:
    """The rows of a local table by what they are about, without their blank cells."""
    content = local.read(name)
    rows = [] if content is None else read_csv(local.path(name), content)
    _known_columns(local.path(name), rows[0] if rows else {}, {*header, *_columns(kind)})
    made = (_local_row(kind, row, f"{local.path(name)}: row {number}") for number, row in enumerate(rows, 2))
    return {row_of(kind, raw).key: raw for raw in made}


def _known_columns(path: str, row: Mapping[Any, Any], known: set[str]) -> None:
    for column in row:
        if column is not None and column not in known:
            raise BadInput(
                f"{path}: column {printable(column, 40)!r} is not known; the columns are {', '.join(sorted(known))}."
            )


def _local_row(kind: Kind, row: Mapping[Any, Any], where: str) -> Raw:
    if None in row:
        raise BadInput(f"{where} has more cells than the file has columns; put cells that hold a comma into quotes.")
    raw = {column: cell.strip() for column, cell in row.items() if isinstance(cell, str) and cell.strip()}
    for column in KEYS[kind]:
        if column not in raw:
            raise BadInput(f"{where} has no {column!r}; give one, or take the row away.")
    return raw


def _layer(kind: Kind, key: CodeKey, raw: Raw, source: str) -> Layer:
    spelt = SPELT[kind]
    given = {name: raw[spelt.get(name, name)] for name in TOLD if spelt.get(name, name) in raw}
    return Layer(key, given, source, Origin.LOCAL)


def _spelt(kind: Kind, key: CodeKey, row: ReferenceRow, below: Raw) -> Raw:
    """A row of the file of its kind, from a row of the reference; cells that the reference does not know are kept."""
    place = {"log_type": key.log_type, "field": key.field, "value": key.value}
    raw = place if kind is Kind.VALUE else {KEYS[kind][0]: key.value}
    for name in TOLD:
        column, said = SPELT[kind].get(name, name), getattr(row, name)
        text = {True: "true", False: ""}.get(said, said) if name == "deprecated" else said
        if text and not (name == "state" and kind is not Kind.CODE):
            raw[column] = text.lower() if name == "state" else text
    return {column: raw.get(column, "") if column in _columns(kind) else cell for column, cell in below.items()} | raw


def _columns(kind: Kind) -> frozenset[str]:
    return frozenset((*KEYS[kind], *(SPELT[kind].get(name, name) for name in TOLD)))


def _written(header: list[str], rows: Iterable[Raw]) -> bytes:
    """A CSV file, the same bytes for the same rows."""
    rows = list(rows)
    more = sorted({column for row in rows for column, cell in row.items() if cell} - set(header))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*header, *more], restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _policy(shipped: RulePack, local: _Local) -> dict[str, bytes]:
    content = local.read(POLICY)
    if content is None:
        return {}
    below, mine = shipped.policy_table, read_toml(local.path(POLICY), content)
    merged = _merged(below, mine, lambda key, ours, theirs: local.note(POLICY, key, ours, theirs))
    _checked(local.path(POLICY), Policy.from_mapping, merged)
    return {} if merged == below else {f"{REFERENCE}/{POLICY}": _toml(merged).encode()}


def _merged(
    below: Mapping[str, Any], mine: Mapping[str, Any], note: Callable[[str, object, object], None], above: str = ""
) -> dict[str, Any]:
    made = dict(below)
    for key, value in mine.items():
        if isinstance(value, dict) and isinstance(below.get(key, {}), dict):
            made[key] = _merged(below.get(key, {}), value, note, f"{above}{key}.")
        else:
            made[key] = value
            note(f"{above}{key}", value, below.get(key))
    return made


def _checked(path: str, parse: Callable[[Any], object], data: object) -> None:
    """Refuse local data that cannot be used, naming the local file."""
    try:
        parse(data)
    except BadInput as error:
        raise BadInput(f"{path}, upon what ships: {error}") from None


def _toml(table: Mapping[str, Any], above: str = "") -> str:
    """A table of numbers, words, lists and tables as TOML, the same text for the same table."""
    plain = [f"{key} = {_toml_value(value)}\n" for key, value in table.items() if not isinstance(value, dict)]
    inner = [(f"{above}{key}", value) for key, value in table.items() if isinstance(value, dict)]
    return "".join(plain) + "".join(f"\n[{name}]\n{_toml(value, f'{name}.')}" for name, value in inner)


def _toml_value(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)


def _rules(shipped: RulePack, local: _Local) -> dict[str, bytes]:
    content = local.read(CONTEXT_RULES)
    if content is None:
        return {}
    path = local.path(CONTEXT_RULES)
    mine = read_yaml(path, content)
    below = read_yaml(CONTEXT_RULES, shipped.files[f"{REFERENCE}/{CONTEXT_RULES}"])
    _checked(path, parse_rules, mine)
    by_id = {rule["id"]: rule for rule in cast("list[dict[str, Any]]", below)}
    made = by_id | {rule["id"]: rule for rule in cast("list[dict[str, Any]]", mine)}
    for name in made:
        if made[name] is not by_id.get(name):
            local.note(CONTEXT_RULES, name, made[name], by_id.get(name))
    if made == by_id:
        return {}
    text = yaml.safe_dump(list(made.values()), sort_keys=False, allow_unicode=True)
    return {f"{REFERENCE}/{CONTEXT_RULES}": text.encode()}


def _whole(shipped: RulePack, local: _Local) -> dict[str, bytes]:
    """Files that replace a shipped one or stand beside them."""
    found = {}
    for name in local.names:
        top, _, file = name.partition("/")
        content = local.read(name) if file else None
        if content is None:
            continue
        place = f"{EXPECTATIONS}/{file}" if WHOLE_FILES[top][0] == EXPECTATIONS else f"{REFERENCE}/{name}"
        below = shipped.files.get(place)
        local.note(place, "", content.decode("latin-1"), below and below.decode("latin-1"))
        if content != below:
            found[place] = content
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _remembered(path: Path) -> dict[At, Seen]:
    try:
        rows = json.loads(path.read_bytes())
        return {(row["file"], row["key"]): Seen(row["local"], row["shipped"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
