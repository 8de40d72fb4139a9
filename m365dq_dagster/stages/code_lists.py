"""Whole lists of codes: taken in from a file as proposals with a report of what does not agree, and given out to one. A
list never changes what is in force; deciding is `code_changes` and `decisions`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.edited_tables import EditedTable, Line, as_cell, csv_text, read_table
from m365dq_dagster.adapters.registry import CodeChange, Registry
from m365dq_dagster.adapters.whole_files import write_whole
from m365dq_dagster.core.code_changes import CODE_FIELDS, Asked, CodeKey, Kind, Proposal, ReferenceRow, proposed
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.codes import listing

KEY = ("log_type", "field_name", "code_value")
SAID = (
    *("meaning", "severity", "deprecated", "category", "outcome", "first_factor", "portal_status", "provenance"),
    *("method", "symbolic_name", "sources", "state"),
)
"""What a row says of its value."""

COLUMNS = (*KEY, *SAID, "first_seen", "last_validated")
"""The columns of a file that is given out."""

ALIASES: Mapping[str, str] = {
    **dict.fromkeys(
        ("code", "error_code", "errorcode", "error", "error_number", "status_code", "aadsts"), "code_value"
    ),
    **dict.fromkeys(("aadsts_code", "aadsts_error", "aadsts_error_code", "number", "value"), "code_value"),
    **dict.fromkeys(("description", "error_description", "message", "error_message", "failure_reason"), "meaning"),
    **dict.fromkeys(("failurereason", "details", "text"), "meaning"),
    **dict.fromkeys(("name", "error_name", "symbol", "symbolic", "title"), "symbolic_name"),
    **dict.fromkeys(("source", "url", "link", "reference"), "sources"),
    **dict.fromkeys(("class", "normalised", "normalized", "indicator"), "category"),
    **dict.fromkeys(("logtype", "log"), "log_type"),
    **dict.fromkeys(("field",), "field_name"),
}
"""Headers of other people's lists and what they stand for here; a column that has our name goes first."""

CODE = re.compile(r"(?:AADSTS)?([0-9]+)\b[\s:.-]*(.*)", re.DOTALL | re.IGNORECASE)
"""A code as lists write it: bare, as AADSTS50126, or with its name behind it."""

UNKNOWN_CLASS = "unknown"
DETAIL = 160


class Clash(StrEnum):
    """What does not agree."""

    DUPLICATE = "DUPLICATE"
    """The file holds the value several times and says different things; nothing of it is proposed."""

    DIFFERS = "DIFFERS"
    """The reference says otherwise; the file's row is proposed as a change."""

    OTHER_WORDS = "OTHER_WORDS"
    """The reference knows the value, and the file, which gives no classes, words it otherwise; nothing is proposed."""

    BEHIND = "BEHIND"
    """The file holds as waiting or turned down what is decided otherwise here; nothing is proposed."""

    WAITS = "WAITS"
    """Another change of the value waits for a decision; nothing is proposed."""

    UNREADABLE = "UNREADABLE"
    """The row cannot be used."""


@dataclass(frozen=True)
class Disagreement:
    """Rows of the file that do not agree, with themselves or with the reference."""

    kind: Clash
    lines: tuple[int, ...]
    value: str
    detail: str


@dataclass(frozen=True)
class Entry:
    """One row of the file: where it stands, what it is about and what it says."""

    line: int
    place: tuple[str, str]
    key: CodeKey
    said: Mapping[str, str]


@dataclass(frozen=True)
class Outline:
    """What is to be done with a file: what it proposes, by line, and what does not agree."""

    proposals: tuple[tuple[int, Proposal], ...]
    clashes: tuple[Disagreement, ...]
    equal: int


def take_in(
    desk: CodeDesk, path: Path, *, dry_run: bool = False, place: tuple[str, str] = CODE_FIELDS[0]
) -> dict[str, Any]:
    """Propose what a file says and the reference does not; says what was proposed and what does not agree.

    `place` is where values stand of which the file does not say it. A dry run keeps nothing. Raises `BadInput` for a
    file that is no list of codes.
    """
    table = read_table(path)
    outline = outlined(desk, table, place)
    wanted = [proposal for _, proposal in outline.proposals]
    source = f"{table.name} {table.sha256}"
    kept = () if dry_run else desk.registry.propose_codes(wanted, desk.now, source)
    numbers: list[int | None] = [change.id for change in kept] or [None for _ in wanted]
    return {
        "file": str(path),
        "sha256": table.sha256,
        "rows": len(table.lines) + len(table.unreadable),
        "equal": outline.equal,
        "dry_run": dry_run,
        "proposed": [_proposed(line, one, n) for (line, one), n in zip(outline.proposals, numbers, strict=True)],
        "conflicts": [{**asdict(clash), "kind": clash.kind.value} for clash in outline.clashes],
    }


def _proposed(line: int, proposal: Proposal, number: int | None) -> dict[str, Any]:
    key = proposal.after.key
    return {
        "line": line,
        "change": number,
        **dict(zip(KEY, (*key.place, key.value), strict=True)),
        "action": proposal.action.value,
        "critical": proposal.is_critical,
    }


def outlined(desk: CodeDesk, table: EditedTable, place: tuple[str, str]) -> Outline:
    """What a file proposes and what does not agree, with nothing kept."""
    columns = _columns(table)
    clashes = [Disagreement(Clash.UNREADABLE, (line,), "", why) for line, why in table.unreadable]
    groups: dict[CodeKey, list[Entry]] = defaultdict(list)
    for line in table.lines:
        try:
            entry = _entry(desk, line, columns, place)
            groups[entry.key if entry.key in desk.rows else entry.key.folded].append(entry)
        except BadInput as error:
            clashes.append(_unreadable(line, columns, error))
    proposals: list[tuple[int, Proposal]] = []
    equal = 0
    for entries in groups.values():
        key = entries[0].key
        found = _of_value(desk, key, entries, "category" in columns)
        if isinstance(found, Proposal):
            proposals.append((entries[0].line, found))
        elif found is None:
            equal += len(entries)
        else:
            clashes.append(found)
        if isinstance(found, Proposal) and key in desk.rows:
            clashes.append(_differs(entries[0], desk.rows[key]))
    return Outline(tuple(proposals), tuple(sorted(clashes, key=lambda clash: clash.lines)), equal)


def _columns(table: EditedTable) -> dict[str, str]:
    """Our names of the columns that the file has, each with the file's own."""
    ours = {name: name for name in table.columns if name in COLUMNS}
    for name in table.columns:
        ours.setdefault(ALIASES.get(name, name), name)
    if "code_value" not in ours or not {"meaning", "category"} & set(ours):
        held = ", ".join(table.columns[:8]) or "none"
        raise BadInput(
            f"{table.name}: the header (columns {one_line(held, 120)}) names no code and its meaning; name them "
            "code_value and meaning, or as public lists do, Code and Description."
        )
    return ours


def _entry(desk: CodeDesk, line: Line, columns: Mapping[str, str], place: tuple[str, str]) -> Entry:
    cells = {name: line.cells[own] for name, own in columns.items()}
    log_type, field = cells.get("log_type") or place[0], cells.get("field_name") or place[1]
    value, named = cells["code_value"], ""
    if (log_type.lower(), field.lower()) in CODE_FIELDS and (match := CODE.fullmatch(value)):
        value, named = match[1], one_line(match[2])
    said = {name: cells[name] for name in SAID if cells.get(name)}
    if named:
        said.setdefault("symbolic_name", named)
    return Entry(line.number, (log_type, field), desk.key(log_type, field, value), said)


def _unreadable(line: Line, columns: Mapping[str, str], error: BadInput) -> Disagreement:
    value = one_line(line.cells[columns["code_value"]], 60)
    return Disagreement(Clash.UNREADABLE, (line.number,), value, one_line(str(error), 300))


def _of_value(desk: CodeDesk, key: CodeKey, entries: Sequence[Entry], classed: bool) -> Proposal | Disagreement | None:
    """What comes of all rows of one value: a proposal, a disagreement, or nothing where the reference agrees."""
    first = entries[0]
    if any(entry.said != first.said for entry in entries):
        return _duplicate(entries)
    held = desk.rows.get(key)
    waiting = desk.waiting.get(key)
    if held is not None and not list(_other(first, held)):
        return None
    if waiting is not None:
        return _against_waiting(first, waiting)
    if first.said.get("state", "ACTIVE").upper() != "ACTIVE" and (held is not None or _turned_down(first)):
        return _clash(Clash.BEHIND, entries, f"the file says {first.said['state']}")
    if held is not None and not classed:
        return _clash(Clash.OTHER_WORDS, entries, _told(_other(first, held)))
    try:
        return _proposal(desk, first)
    except BadInput as error:
        return _clash(Clash.UNREADABLE, entries, str(error))


def _turned_down(entry: Entry) -> bool:
    return entry.said["state"].upper() == "REJECTED"


def _against_waiting(entry: Entry, waiting: CodeChange) -> Disagreement | None:
    """Nothing where the change that waits says what the file does, whatever the file says of its state."""
    other = [one for one in _other(entry, waiting.after) if one[0] != "state"]
    if not other:
        return None
    return _clash(Clash.WAITS, [entry], f"change {waiting.id} waits and says otherwise: {_told(other)}")


def _duplicate(entries: Sequence[Entry]) -> Disagreement:
    names = [name for name in SAID if len({entry.said.get(name, "") for entry in entries}) > 1]
    texts = dict.fromkeys(one_line(entry.said.get(names[0], ""), 60) for entry in entries)
    said = " / ".join(repr(text) for text in texts)
    return _clash(Clash.DUPLICATE, entries, f"{names[0]}: {said}; keep one row of it in the file")


def _differs(entry: Entry, held: ReferenceRow) -> Disagreement:
    return _clash(Clash.DIFFERS, [entry], _told(_other(entry, held)))


def _clash(kind: Clash, entries: Iterable[Entry], detail: str) -> Disagreement:
    rows = list(entries)
    return Disagreement(kind, tuple(entry.line for entry in rows), str(rows[0].key), one_line(detail, 300))


def _told(other: Iterable[tuple[str, str, str]]) -> str:
    return "; ".join(f"{name} {one_line(held, DETAIL)!r} -> {one_line(said, DETAIL)!r}" for name, held, said in other)


def _other(entry: Entry, row: ReferenceRow) -> Iterator[tuple[str, str, str]]:
    """What the file says and a row says otherwise: (column, the row's, the file's). A blank says nothing."""
    for name, said in entry.said.items():
        held = as_cell(getattr(row, name)).strip()
        if said.lower() != held.lower() if name in ("deprecated", "severity", "state") else said != held:
            yield name, held, said


def _proposal(desk: CodeDesk, entry: Entry) -> Proposal | None:
    """The change that would make the reference say what the row says. A list that gives a code no class proposes it
    with the class that leaves it unknown to the judge.
    """
    said = entry.said
    is_code = entry.key.kind is Kind.CODE
    for name in ("meaning", *(() if is_code else ("category", "severity"))):
        if name not in said:
            raise BadInput(f"the row gives no {name}")
    asked = Asked(
        entry.key,
        said.get("category", UNKNOWN_CLASS),
        said.get("severity", "INFO"),
        said["meaning"],
        said.get("outcome"),
        said.get("first_factor"),
        said.get("sources"),
        said.get("provenance"),
        said.get("symbolic_name"),
        said.get("portal_status"),
    )
    before, after = desk.row(asked)
    gone = said["deprecated"].lower() == "true" if "deprecated" in said else before is not None and before.deprecated
    after = replace(after, deprecated=gone, method=one_line(said.get("method", after.method or ""), 40) or None)
    return proposed(after, before, desk.person, "taken in from a list", said.get("sources"))


def export(registry: Registry, path: Path) -> dict[str, Any]:
    """Write what is in force and what waits to a CSV or JSON file, which `take_in` reads back without a difference.

    Raises `BadInput` for another suffix, or where the file cannot be written.
    """
    rows = [row for row in listing(registry) if row["state"] != "REJECTED"]
    kept = [{name: row[name] for name in COLUMNS} for row in rows]
    form = path.suffix.lower()
    if form not in (".csv", ".json"):
        raise BadInput(f"{path.name}: give a file that ends in .csv or .json.")
    try:
        write_whole(path, csv_text(COLUMNS, kept) if form == ".csv" else json.dumps(kept, indent=1) + "\n")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written ({error.strerror}); give a file in a folder that exists and that you may write."
        ) from None
    return {"file": str(path), "rows": len(kept), "states": dict(Counter(row["state"] for row in kept))}
