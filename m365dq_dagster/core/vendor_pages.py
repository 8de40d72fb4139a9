"""What a document of the vendor is, told by its content alone, and what it says, as a snapshot that can be kept and
compared. Turning HTML, Markdown or JSON into the plain blocks read here belongs to the adapters, comparing snapshots
to `vendor_diff`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.stated_dates import ANY_DATE, days_stated, only_date, stated_dates

TEXT_KEPT = 2_000
"""Characters of one description or announcement that a snapshot keeps."""

LONG_CODE = 5
"""Digits from which numbers of a table without any title are taken for codes of sign-ins."""

FEWEST_CODES = 3
"""Codes that make a page a list of codes where its title does not say so."""


class PageKind(StrEnum):
    """What a page may be: the list of sign-in codes, announcements, a resource of Graph, the audit log's schema or
    activities, how long logs are kept.
    """

    CODES = "CODES"
    NOTES = "NOTES"
    RESOURCE = "RESOURCE"
    AUDIT = "AUDIT"
    RETENTION = "RETENTION"


NAMES: Mapping[PageKind, str] = {
    PageKind.CODES: "a list of sign-in error codes",
    PageKind.NOTES: "release notes or announcements",
    PageKind.RESOURCE: "a resource page of Microsoft Graph",
    PageKind.AUDIT: "a schema or activity page of the audit log",
    PageKind.RETENTION: "a page on retention",
}
"""The kinds in words."""


class DocumentReason(StrEnum):
    """Why a document, or a part of it, was not used. Closed list."""

    EMPTY = "EMPTY"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY = "TOO_MANY"
    TOO_COMPLEX = "TOO_COMPLEX"
    LINK = "LINK"
    NOT_A_FILE = "NOT_A_FILE"
    UNREADABLE = "UNREADABLE"
    NOT_TEXT = "NOT_TEXT"
    NO_FOLDER = "NO_FOLDER"
    SIGN_IN_PAGE = "SIGN_IN_PAGE"
    ERROR_PAGE = "ERROR_PAGE"
    NOT_RECOGNISED = "NOT_RECOGNISED"
    OTHER_KIND = "OTHER_KIND"
    EMPTY_TABLE = "EMPTY_TABLE"
    CUT_SHORT = "CUT_SHORT"
    SHRUNK = "SHRUNK"
    CODE_TWICE = "CODE_TWICE"
    NOT_ALLOWED = "NOT_ALLOWED"
    REDIRECTED = "REDIRECTED"
    UNREACHABLE = "UNREACHABLE"
    REFUSED = "REFUSED"
    WRONG_TYPE = "WRONG_TYPE"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True)
class DocumentIssue:
    """A document that was not used, or not wholly: `sentence` says what is wrong, where and what to do.

    INFO: nothing is lost by it. WARNING: what the document would have said is not known. CRITICAL is never used.
    """

    reason: DocumentReason
    severity: Severity
    document: str
    sentence: str


@dataclass(frozen=True)
class Heading:
    """A heading; `level` 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, a list item or a line."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table as text, each row as long as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Table


@dataclass(frozen=True)
class Page:
    """A document as plain blocks in their order. `stated` is the day that it gives as its own; `cut` says that it ends
    in the middle, `asks_password` that it holds a form for one, `failure` what an answer that is an error says.
    """

    title: str
    blocks: tuple[Block, ...]
    stated: date | None = None
    asks_password: bool = False
    cut: bool = False
    failure: str = ""

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables in order."""
        return tuple(block for block in self.blocks if isinstance(block, Table))

    @property
    def name(self) -> str:
        """Its first heading, or its title."""
        first = next((b.text for b in self.blocks if isinstance(b, Heading) and b.level == 1), "")
        return first or self.title


Entry = Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """What a page says: one entry for each code, property, value, operation, announcement or length of retention.

    `subject` tells two pages of one kind apart. `twice` are keys that the page holds more than once.
    """

    kind: PageKind
    subject: str
    entries: Mapping[str, Entry]
    twice: tuple[str, ...] = field(default=(), compare=False)

    def as_json(self) -> dict[str, Any]:
        """Fit to be kept; `from_json` reads it back."""
        entries = {key: dict(entry) for key, entry in self.entries.items()}
        return {"kind": self.kind.value, "subject": self.subject, "entries": entries}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Snapshot:
        """As `as_json` wrote it."""
        return cls(PageKind(data["kind"]), str(data["subject"]), data["entries"])


def read_page(page: Page, name: str, expected: PageKind | None = None) -> Snapshot | DocumentIssue:
    """The snapshot of a page, or why it has none. `name` is the document's, for the sentence alone.

    `expected` is what the page was fetched as: another kind is an issue.
    """
    if page.failure:
        return _issue(DocumentReason.ERROR_PAGE, name, f"is an error answer ({one_line(page.failure, 80)})", AGAIN)
    if page.cut:
        return _issue(DocumentReason.CUT_SHORT, name, "ends in the middle", AGAIN)
    for kind, read in READERS:
        snapshot = read(page)
        if snapshot is not None:
            return _as_expected(snapshot, name, expected, kind)
    return _unusable(page, name, expected)


AGAIN = "save or fetch it again"


def _issue(reason: DocumentReason, name: str, what: str, remedy: str) -> DocumentIssue:
    return DocumentIssue(reason, Severity.WARNING, name, f"{one_line(name)}: the document {what}; {remedy}.")


def _as_expected(snapshot: Snapshot, name: str, expected: PageKind | None, kind: PageKind) -> Snapshot | DocumentIssue:
    if expected in (None, kind):
        return snapshot
    assert expected is not None
    what = f"is {NAMES[kind]} and should be {NAMES[expected]}"
    return _issue(DocumentReason.OTHER_KIND, name, what, "correct its address or its kind in operations.toml")


ERROR_TITLE = re.compile(
    r"^\W*(4\d\d|5\d\d)\b|not found|access denied|forbidden|bad gateway|bad request|service unavailable|"
    r"gateway time-?out|too many requests|something went wrong|just a moment|unexpected error|we'?re sorry",
    re.IGNORECASE,
)
SIGN_IN_TITLE = re.compile(r"\b(sign|log)[ -]?in to your account\b|^\W*(sign|log) ?[io]n\W*$", re.IGNORECASE)


def _unusable(page: Page, name: str, expected: PageKind | None) -> DocumentIssue:
    """Why a page that no reader knows cannot be used, the most telling reason first."""
    headline = page.name or page.title
    shown = one_line(headline, 60)
    if page.asks_password or SIGN_IN_TITLE.search(page.title) or SIGN_IN_TITLE.search(headline):
        return _issue(DocumentReason.SIGN_IN_PAGE, name, "is a page that asks for a sign-in", "save it signed in")
    if ERROR_TITLE.search(page.title) or ERROR_TITLE.search(headline):
        return _issue(DocumentReason.ERROR_PAGE, name, f"is an error page ({shown})", AGAIN)
    if not page.blocks:
        return _issue(DocumentReason.EMPTY, name, "holds no text", AGAIN)
    claimed = expected or _claimed(headline)
    if claimed is not None:
        what = f"calls itself {shown!r} and holds nothing that {NAMES[claimed]} would"
        return _issue(DocumentReason.EMPTY_TABLE, name, what, AGAIN + "; nothing was taken for removed")
    what = f"({shown}) is none that is known" if shown else "is none that is known"
    return _issue(DocumentReason.NOT_RECOGNISED, name, what, "see docs/guides/vendor-documents.md for what is read")


CLAIMS: tuple[tuple[re.Pattern[str], PageKind], ...] = (
    (re.compile(r"aadsts|(authentication|authorization|sign-?in).{0,40}error codes?", re.IGNORECASE), PageKind.CODES),
    (re.compile(r"\bresource type\b|\benum(eration)? (type|values)\b", re.IGNORECASE), PageKind.RESOURCE),
    (re.compile(r"activity api schema|audit log activit|audit(ed)? activities", re.IGNORECASE), PageKind.AUDIT),
    (
        re.compile(r"what'?s new|releases? (notes|and announcements)|message cent(er|re)|changelog", re.IGNORECASE),
        PageKind.NOTES,
    ),
    (re.compile(r"\bretention\b|how long", re.IGNORECASE), PageKind.RETENTION),
)
"""What a title promises."""


def _claimed(title: str) -> PageKind | None:
    return next((kind for pattern, kind in CLAIMS if pattern.search(title)), None)


# Columns


def _column(header: Sequence[str], *words: str) -> int | None:
    """The first column that is headed by one of the words, exactly or, failing that, by one that begins with it."""
    folded = [_heading(cell) for cell in header]
    for word in words:
        if word in folded:
            return folded.index(word)
    for word in words:
        for index, cell in enumerate(folded):
            if cell.startswith(word):
                return index
    return None


def _heading(cell: str) -> str:
    return re.sub(r"[^a-z0-9. ]", "", cell.casefold()).strip()


def _cell(row: Sequence[str], column: int | None) -> str:
    return row[column] if column is not None and column < len(row) else ""


def _kept(text: str) -> str:
    return " ".join(text.split())[:TEXT_KEPT]


DEPRECATED = re.compile(
    r"\bdeprecat|\bobsolete\b|\bretired\b|\bno longer (used|supported|in use|available|logged|generated)\b|"
    r"\bnot used any ?more\b",
    re.IGNORECASE,
)
REPLACED = re.compile(
    r"(?:\b(?:use|replaced (?:by|with)|superseded by|renamed to|see|now|covered by|merged into)\s+)"
    r"(?:the\s+|instead\s+|property\s+|operation\s+|record type\s+(?:\d+\s*,?\s*)?)*[`'\"*]?"
    r"(?P<name>[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*)",
    re.IGNORECASE,
)
NO_NAMES = frozenset({"instead", "the", "this", "that", "of", "it", "a", "an", "property", "another", "other"})


def _deprecation(text: str) -> dict[str, str]:
    """`deprecated` where a description says so, and `replaced` where it names what takes the place."""
    if not DEPRECATED.search(text):
        return {}
    names = (m["name"] for m in REPLACED.finditer(text))
    replaced = next((name for name in names if name.casefold() not in NO_NAMES), "")
    return {"deprecated": "yes", **({"replaced": replaced} if replaced else {})}


# The list of codes


CODE = re.compile(r"^\W*(?:AADSTS|AAD-?STS)?\s*(?P<code>\d{4,7})\b", re.IGNORECASE)
CODE_LINE = re.compile(r"^\W*AADSTS(?P<code>\d{4,7})\b[\s:|–—-]*(?P<text>.*)$", re.IGNORECASE | re.DOTALL)
SYMBOL = re.compile(r"^(?P<name>[A-Z][A-Za-z0-9]{3,})\s+[-–—:]\s+")
OF_CODES = re.compile(r"aadsts|entra|azure ad\b|azure active directory", re.IGNORECASE)


def _codes(page: Page) -> Snapshot | None:
    entries: dict[str, Entry] = {}
    twice: list[str] = []
    for code, text in _code_rows(page):
        if code in entries:
            twice.append(code)
        entries.setdefault(code, _code_entry(text))
    fewest = 1 if _claimed(page.name) is PageKind.CODES else FEWEST_CODES
    if len(entries) < fewest:
        return None
    return Snapshot(PageKind.CODES, "sign-in codes", entries, tuple(dict.fromkeys(twice)))


def _code_entry(text: str) -> Entry:
    kept = _kept(text)
    symbol = SYMBOL.match(kept)
    return {"text": kept, **({"name": symbol["name"]} if symbol else {})}


def _code_rows(page: Page) -> Iterator[tuple[str, str]]:
    for block in page.blocks:
        if isinstance(block, Table):
            yield from _codes_of(block, page)
        elif isinstance(block, Paragraph) and (line := CODE_LINE.match(block.text)) and line["text"].strip():
            yield line["code"].lstrip("0") or "0", line["text"]


def _codes_of(table: Table, page: Page) -> Iterator[tuple[str, str]]:
    """The rows of a table whose column of codes holds them in most rows."""
    column = _column(table.header, "error", "error code", "code", "aadsts", "errorcode", "resulttype")
    found = [(CODE.match(_cell(row, column)), row) for row in table.rows] if column is not None else []
    matches = [(match["code"], row) for match, row in found if match]
    if not matches or len(matches) < 0.6 * len(table.rows) or not _of_sign_ins(page, table, column or 0):
        return
    text = _column(table.header, "description", "meaning", "message", "text", "detail")
    for code, row in matches:
        rest = " ".join(cell for index, cell in enumerate(row) if index != column)
        yield code.lstrip("0") or "0", _cell(row, text) if text is not None else rest


def _of_sign_ins(page: Page, table: Table, column: int) -> bool:
    """Whether the numbers are those of sign-ins: the page says so, or it is a bare table of long ones."""
    texts = [page.title, page.name, *table.header, *(_cell(row, column) for row in table.rows[:20])]
    bare = not page.name and all(len(_cell(row, column)) >= LONG_CODE for row in table.rows[:20])
    return bare or any(OF_CODES.search(text) for text in texts)


# Resources of Graph


RESOURCE = re.compile(
    r"^(?P<name>[A-Za-z][\w.]*)\s+(?:resource|complex|enumeration|enum)\s*(?:type|values)?\b", re.IGNORECASE
)
BETA = re.compile(r"/beta version|beta-disclaimer|graph-rest-beta|\bmicrosoft graph beta\b|\bbeta\b", re.IGNORECASE)
VALUES = re.compile(
    r"(?:possible|supported|allowed|valid) values?(?: are| is| include)?\s*:?\s*(?P<list>[^.;]*)", re.IGNORECASE
)
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
NO_VALUES = frozenset({"or", "and", "the", "following", "are", "is", "include", "null"})


def _resource(page: Page) -> Snapshot | None:
    title = RESOURCE.match(page.name)
    namespace = any(
        isinstance(b, Paragraph) and b.text.casefold().startswith("namespace: microsoft.graph") for b in page.blocks
    )
    if not title and not namespace:
        return None
    subject = title["name"] if title else (page.name.split() or ["?"])[0]
    entries = dict(_members(page, subject))
    beta = any(isinstance(b, Paragraph) and BETA.search(b.text) for b in page.blocks) or BETA.search(page.title)
    return Snapshot(PageKind.RESOURCE, f"{subject} beta" if beta else subject, entries) if entries else None


def _members(page: Page, subject: str) -> Iterator[tuple[str, Entry]]:
    above = subject
    for block in page.blocks:
        if isinstance(block, Heading):
            above = block.text
        elif isinstance(block, Table):
            yield from _properties(block)
            yield from _enum_members(block, above, subject)


def _properties(table: Table) -> Iterator[tuple[str, Entry]]:
    if not table.header or _heading(table.header[0]) != "property":
        return
    kind, text = _column(table.header, "type"), _column(table.header, "description")
    for row in table.rows:
        name = _name(row[0])
        if name:
            told = _kept(_cell(row, text))
            yield f"property:{name}", _property(told, _cell(row, kind))


def _property(text: str, kind: str) -> Entry:
    values = possible_values(text)
    listed = {"values": "|".join(values)} if values else {}
    return {"type": _kept(kind), "text": text, **listed, **_deprecation(text)}


def possible_values(text: str) -> tuple[str, ...]:
    """The values that a description lists, each once, in the order of the alphabet."""
    words = (w for match in VALUES.finditer(text) for w in WORD.findall(match["list"]))
    return tuple(sorted({word for word in words if word.casefold() not in NO_VALUES}))


def _enum_members(table: Table, above: str, subject: str) -> Iterator[tuple[str, Entry]]:
    if not table.header or _heading(table.header[0]) not in ("member", "value", "member name", "enum member"):
        return
    text = _column(table.header, "description")
    named = WORD.match(above)
    general = ("members", "member", "values", "value", "properties", "enum")
    owner = named[0] if named and named[0].casefold() not in general else subject
    for row in table.rows:
        name = _name(row[0])
        if name:
            told = _kept(_cell(row, text))
            yield f"value:{owner}.{name}", {"text": told, **_deprecation(told)}


NAME = re.compile(r"^[\W_]*(?P<name>[A-Za-z0-9][\w.-]*)")


def _name(cell: str) -> str:
    found = NAME.match(cell)
    return found["name"][:100] if found else ""


# The audit log


RECORD_TYPES = re.compile(r"record ?type", re.IGNORECASE)
OPERATION_ENUM = re.compile(r"(operation|activit)", re.IGNORECASE)


def _audit(page: Page) -> Snapshot | None:
    entries: dict[str, Entry] = {}
    section = ""
    for block in page.blocks:
        if isinstance(block, Heading):
            section = block.text
        elif isinstance(block, Table):
            for key, entry in _audit_rows(block, section):
                entries.setdefault(key, entry)
    if not any(key.startswith(("record_type:", "operation:", "field:")) for key in entries):
        return None
    return Snapshot(PageKind.AUDIT, _kept(page.name)[:100].casefold() or "audit log", entries)


def _audit_rows(table: Table, section: str) -> Iterator[tuple[str, Entry]]:
    header = [_heading(cell) for cell in table.header]
    text = _column(table.header, "description", "details")
    if "member name" in header or "membername" in header:
        yield from _audit_members(table, section, text)
    elif (column := _operation_column(header)) is not None:
        yield from _operations(table, column, text)
    elif header and header[0] in ("parameter", "parameters", "property", "properties", "field", "field name"):
        yield from _audit_fields(table, section, text)


def _operation_column(header: Sequence[str]) -> int | None:
    for word in ("operation", "operation name", "operations", "activity name", "audit operation"):
        if word in header:
            return header.index(word)
    return None


def _operations(table: Table, column: int, text: int | None) -> Iterator[tuple[str, Entry]]:
    friendly = _column(table.header, "friendly name", "activity", "action")
    for row in table.rows:
        told = _kept(_cell(row, text))
        for name in _operation_names(_cell(row, column)):
            yield f"operation:{name}", {"name": _kept(_cell(row, friendly)), "text": told, **_deprecation(told)}


def _operation_names(cell: str) -> list[str]:
    """Names of operations as a cell lists them; one of the directory ends in a dot and holds blanks."""
    parts = re.split(r"\s*(?:,|;|\n| or )\s*", cell.strip().strip("`*"))
    return [part.strip("`* ")[:100] for part in parts if re.search(r"[A-Za-z]{3}", part)]


def _audit_members(table: Table, section: str, text: int | None) -> Iterator[tuple[str, Entry]]:
    member, value = _column(table.header, "member name", "membername"), _column(table.header, "value")
    enum = re.sub(r"^.*?enum:?\s*|\s*[-–(].*$", "", section, flags=re.IGNORECASE).strip() or section
    for row in table.rows:
        name, told = _name(_cell(row, member)), _kept(_cell(row, text))
        number = _cell(row, value).strip().strip("`*")
        if not name:
            continue
        entry = {"name": name, "text": told, **_deprecation(told)}
        if RECORD_TYPES.search(section):
            yield f"record_type:{number or name}", entry
        elif OPERATION_ENUM.search(section):
            yield f"operation:{name}", entry
        else:
            yield f"value:{enum[:60]}.{number or name}", entry


def _audit_fields(table: Table, section: str, text: int | None) -> Iterator[tuple[str, Entry]]:
    kind = _column(table.header, "type")
    if kind is None:
        return
    for row in table.rows:
        name, told = _name(row[0]), _kept(_cell(row, text))
        if name:
            yield f"field:{section[:80]}.{name}", {"type": _kept(_cell(row, kind)), "text": told, **_deprecation(told)}


# Retention


KEPT_FOR = re.compile(
    r"\b(retain|retention|kept|keep|store|available for|searchable|reach(es)? back|go(es)? back)", re.IGNORECASE
)
KEPT_SUBJECTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"audit \(?standard", re.IGNORECASE), "Audit (Standard)"),
    (re.compile(r"audit \(?premium", re.IGNORECASE), "Audit (Premium)"),
    (re.compile(r"message trace", re.IGNORECASE), "Message trace"),
    (re.compile(r"sign-?ins?\b", re.IGNORECASE), "Sign-ins"),
    (re.compile(r"audit (log|record)", re.IGNORECASE), "Audit logs"),
)


def _retention(page: Page) -> Snapshot | None:
    entries: dict[str, Entry] = {}
    for table in page.tables:
        entries.update(_kept_table(table))
    if not entries and _claimed(page.name) is not PageKind.RETENTION and not re.search("audit|trace", page.name, re.I):
        return None
    for block in page.blocks:
        if isinstance(block, Paragraph):
            for key, entry in _kept_sentences(block.text):
                entries.setdefault(key, entry)
    return Snapshot(PageKind.RETENTION, _kept(page.name)[:100].casefold(), entries) if entries else None


def _kept_table(table: Table) -> Iterator[tuple[str, Entry]]:
    """Every cell that states a length of time, by its row's and its column's name."""
    if not any(
        KEPT_FOR.search(cell) or re.search(r"entra|report|log|licen|edition", cell, re.I) for cell in table.header
    ):
        return
    for row in table.rows:
        for index, cell in enumerate(row[1:], 1):
            days = days_stated(cell) if len(cell) < 60 else None
            if days is not None and row[0].strip():
                yield (
                    f"{_kept(row[0])[:80]} | {_kept(table.header[index])[:80]}",
                    {"days": str(days), "text": _kept(cell)},
                )


def _kept_sentences(text: str) -> Iterator[tuple[str, Entry]]:
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        days = days_stated(sentence)
        if days is None or not KEPT_FOR.search(sentence):
            continue
        subject = next((name for pattern, name in KEPT_SUBJECTS if pattern.search(sentence)), None)
        if subject:
            yield subject, {"days": str(days), "text": _kept(sentence)}


# Announcements


POST = re.compile(r"\bMC\d{5,7}\b")
LABEL = re.compile(r"^\W*(?P<label>type|service category|product capability|category|status|message id)\W*:\W*", re.I)
OPENING = re.compile(r"^\W*(?:published|posted|last updated|updated|date)\b", re.IGNORECASE)


@dataclass
class _Post:
    title: str
    published: date | None
    kind: str = ""
    effective: str = ""
    id: str = ""
    lines: list[str] = field(default_factory=list)

    def entry(self) -> tuple[str, Entry]:
        known = POST.search(f"{self.id} {self.title}")
        key = known[0] if known else title_key(self.title)
        parts = {
            "title": _kept(self.title)[:300],
            "published": self.published.isoformat() if self.published else "",
            "type": _kept(self.kind)[:80],
            "effective": self.effective,
            "text": _kept(" ".join(self.lines)),
        }
        return key, {name: value for name, value in parts.items() if value}


def title_key(title: str) -> str:
    """A title without dates, "updated" and marks, so that an announcement keeps its key when its deadline moves."""
    bare = ANY_DATE.sub(" ", title.casefold())
    bare = re.sub(r"\b(updated|reminder|action required( by)?|take action by|important)\b", " ", bare)
    return " ".join(re.findall(r"[a-z0-9]+", bare))[:200]


def _notes(page: Page) -> Snapshot | None:
    posts = [*_posts(page), *(post for table in page.tables for post in _table_posts(table))]
    entries: dict[str, Entry] = {}
    for post in posts:
        key, entry = post.entry()
        if key:
            entries.setdefault(key, entry)
    return Snapshot(PageKind.NOTES, _kept(page.name)[:100].casefold() or "announcements", entries) if entries else None


def _posts(page: Page) -> list[_Post]:
    """The posts that headings open: below a dated heading, with a date of their own, or with a number of a post."""
    found: list[_Post] = []
    group: date | None = None
    level = 7
    current: _Post | None = _single(page)
    if current:
        found.append(current)
    for block in page.blocks:
        if isinstance(block, Heading):
            day = only_date(block.text)
            if day is not None:
                group, level, current = day, block.level, None
            elif current is not None and current is found[0] and block.level == 1:
                continue
            elif opened := _opened(block, group if block.level > level else None):
                current = opened
                found.append(current)
            elif block.level <= level:
                group, current = None, None
        elif isinstance(block, Paragraph):
            if current is not None:
                _add_line(current, block.text)
            elif group is not None:
                found.append(_Post(_first_sentence(block.text), group, lines=[block.text]))
    return found


def _opened(heading: Heading, group: date | None) -> _Post | None:
    dates = stated_dates(heading.text)
    post = POST.search(heading.text)
    if group is None and post is None and not (dates and (dates[0].start < 3 or dates[-1].end > len(heading.text) - 3)):
        return None
    return _Post(heading.text, group or (dates[0].day if dates else None), id=post[0] if post else "")


def _single(page: Page) -> _Post | None:
    """The page as one post: its title has a post's number, or a date stands right below it."""
    opening = [block.text for block in page.blocks[:8] if isinstance(block, Paragraph)]
    day = next((only_date(text) or _published(text) for text in opening[:4] if len(text) < 80), None)
    post = POST.search(" ".join([page.name, *(t for t in opening if LABEL.match(t))]))
    if not page.name or only_date(page.name) or (post is None and (day is None or _is_dated_list(page))):
        return None
    return _Post(page.name, day, id=post[0] if post else "")


def _published(text: str) -> date | None:
    dates = stated_dates(text)
    return dates[0].day if dates and OPENING.match(text) else None


def _is_dated_list(page: Page) -> bool:
    return any(isinstance(b, Heading) and (only_date(b.text) or POST.search(b.text)) for b in page.blocks)


def _add_line(post: _Post, text: str) -> None:
    label = LABEL.match(text)
    if label is None:
        post.lines.append(text)
    elif label["label"].casefold() in ("type", "category"):
        post.kind = post.kind or re.split(r"\s{2,}|\*\*|service category", text[label.end() :], flags=re.I)[0].strip()


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text.strip())[0][:200]


def _table_posts(table: Table) -> Iterator[_Post]:
    title = _column(table.header, "title", "functionality", "feature", "announcement", "change description", "name")
    dated = _column(
        table.header, "startdatetime", "published", "date", "created", "lastmodifieddatetime", "last updated"
    )
    due = _column(
        table.header,
        "actionrequiredbydatetime",
        "retirement date",
        "effective",
        "change date",
        "end of support",
        "act by",
    )
    if title is None or (dated is None and due is None):
        return
    text = _column(table.header, "body.content", "body", "description", "details", "summary", "message", "text")
    kind, number = _column(table.header, "category", "type", "change"), _column(table.header, "id", "message id")
    for row in table.rows:
        days = stated_dates(_cell(row, dated))
        until = stated_dates(_cell(row, due))
        if _cell(row, title).strip() and (days or until):
            yield _Post(
                _cell(row, title),
                days[0].day if days else None,
                _cell(row, kind),
                until[0].day.isoformat() if until else "",
                _cell(row, number),
                [_cell(row, text)],
            )


READERS: tuple[tuple[PageKind, Callable[[Page], Snapshot | None]], ...] = (
    (PageKind.CODES, _codes),
    (PageKind.RESOURCE, _resource),
    (PageKind.AUDIT, _audit),
    (PageKind.NOTES, _notes),
    (PageKind.RETENTION, _retention),
)
"""The readers in the order in which a page is shown to them: the more particular first."""
