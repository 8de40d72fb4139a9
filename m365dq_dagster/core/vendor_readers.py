"""Telling by its content alone what a page of the vendor is, and reading it: lists of codes, resources of Graph, schema
and activities of the audit log, retention. Announcements are read in `vendor_posts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.stated_dates import days_stated
from m365dq_dagster.core.vendor_pages import (
    NAMES,
    DocumentIssue,
    DocumentReason,
    Entry,
    Heading,
    Page,
    PageKind,
    Paragraph,
    Snapshot,
    Table,
    issue,
)
from m365dq_dagster.core.vendor_posts import notes
from m365dq_dagster.core.vendor_tables import cell_of, column_of, heading_of, kept_text

LONG_CODE = 5
"""Digits from which numbers of a table without any title are taken for codes of sign-ins."""

FEWEST_CODES = 3
"""Codes that make a page a list of codes where its title does not say so."""


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
    return issue(reason, name, f"the document {what}", remedy)


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
    kept = kept_text(text)
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
    column = column_of(table.header, "error", "error code", "code", "aadsts", "errorcode", "resulttype")
    found = [(CODE.match(cell_of(row, column)), row) for row in table.rows] if column is not None else []
    matches = [(match["code"], row) for match, row in found if match]
    if not matches or len(matches) < 0.6 * len(table.rows) or not _of_sign_ins(page, table, column or 0):
        return
    text = column_of(table.header, "description", "meaning", "message", "text", "detail")
    for code, row in matches:
        rest = " ".join(cell for index, cell in enumerate(row) if index != column)
        yield code.lstrip("0") or "0", cell_of(row, text) if text is not None else rest


def _of_sign_ins(page: Page, table: Table, column: int) -> bool:
    """Whether the numbers are those of sign-ins: the page says so, or it is a bare table of long ones."""
    texts = [page.title, page.name, *table.header, *(cell_of(row, column) for row in table.rows[:20])]
    bare = not page.name and all(len(cell_of(row, column)) >= LONG_CODE for row in table.rows[:20])
    return bare or any(OF_CODES.search(text) for text in texts)


# Resources of Graph


RESOURCE = re.compile(
    r"^(?P<name>[A-Za-z][\w.]*)\s+(?:resource|complex|enumeration|enum)\s*(?:type|values)?\b", re.IGNORECASE
)
BETA = re.compile(r"/beta version|beta-disclaimer|graph-rest-beta", re.IGNORECASE)
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
    if not table.header or heading_of(table.header[0]) != "property":
        return
    kind, text = column_of(table.header, "type"), column_of(table.header, "description")
    for row in table.rows:
        name = _name(row[0])
        if name:
            told = kept_text(cell_of(row, text))
            yield f"property:{name}", _property(told, cell_of(row, kind))


def _property(text: str, kind: str) -> Entry:
    values = possible_values(text)
    listed = {"values": "|".join(values)} if values else {}
    return {"type": kept_text(kind), "text": text, **listed, **_deprecation(text)}


def possible_values(text: str) -> tuple[str, ...]:
    """The values that a description lists, each once, in the order of the alphabet."""
    words = (w for match in VALUES.finditer(text) for w in WORD.findall(match["list"]))
    return tuple(sorted({word for word in words if word.casefold() not in NO_VALUES}))


def _enum_members(table: Table, above: str, subject: str) -> Iterator[tuple[str, Entry]]:
    if not table.header or heading_of(table.header[0]) not in ("member", "value", "member name", "enum member"):
        return
    text = column_of(table.header, "description")
    named = WORD.match(above)
    general = ("members", "member", "values", "value", "properties", "enum")
    owner = named[0] if named and named[0].casefold() not in general else subject
    for row in table.rows:
        name = _name(row[0])
        if name:
            told = kept_text(cell_of(row, text))
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
    return Snapshot(PageKind.AUDIT, kept_text(page.name)[:100].casefold() or "audit log", entries)


def _audit_rows(table: Table, section: str) -> Iterator[tuple[str, Entry]]:
    header = [heading_of(cell) for cell in table.header]
    text = column_of(table.header, "description", "details")
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
    friendly = column_of(table.header, "friendly name", "activity", "action")
    for row in table.rows:
        told = kept_text(cell_of(row, text))
        for name in _operation_names(cell_of(row, column)):
            yield f"operation:{name}", {"name": kept_text(cell_of(row, friendly)), "text": told, **_deprecation(told)}


def _operation_names(cell: str) -> list[str]:
    """Names of operations as a cell lists them; one of the directory ends in a dot and holds blanks."""
    parts = re.split(r"\s*(?:,|;|\n| or )\s*", cell.strip().strip("`*"))
    return [part.strip("`* ")[:100] for part in parts if re.search(r"[A-Za-z]{3}", part)]


def _audit_members(table: Table, section: str, text: int | None) -> Iterator[tuple[str, Entry]]:
    member, value = column_of(table.header, "member name", "membername"), column_of(table.header, "value")
    enum = re.sub(r"^.*?enum:?\s*|\s*[-–(].*$", "", section, flags=re.IGNORECASE).strip() or section
    for row in table.rows:
        name, told = _name(cell_of(row, member)), kept_text(cell_of(row, text))
        number = cell_of(row, value).strip().strip("`*")
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
    kind = column_of(table.header, "type")
    if kind is None:
        return
    for row in table.rows:
        name, told = _name(row[0]), kept_text(cell_of(row, text))
        if name:
            yield (
                f"field:{section[:80]}.{name}",
                {"type": kept_text(cell_of(row, kind)), "text": told, **_deprecation(told)},
            )


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
    return Snapshot(PageKind.RETENTION, kept_text(page.name)[:100].casefold(), entries) if entries else None


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
                    f"{kept_text(row[0])[:80]} | {kept_text(table.header[index])[:80]}",
                    {"days": str(days), "text": kept_text(cell)},
                )


def _kept_sentences(text: str) -> Iterator[tuple[str, Entry]]:
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        days = days_stated(sentence)
        if days is None or not KEPT_FOR.search(sentence):
            continue
        subject = next((name for pattern, name in KEPT_SUBJECTS if pattern.search(sentence)), None)
        if subject:
            yield subject, {"days": str(days), "text": kept_text(sentence)}


READERS: tuple[tuple[PageKind, Callable[[Page], Snapshot | None]], ...] = (
    (PageKind.CODES, _codes),
    (PageKind.RESOURCE, _resource),
    (PageKind.AUDIT, _audit),
    (PageKind.NOTES, notes),
    (PageKind.RETENTION, _retention),
)
"""The readers in the order in which a page is shown to them: the more particular first."""
