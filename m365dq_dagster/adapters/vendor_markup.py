"""Turns the bytes of a saved or fetched document (HTML, MHTML, Markdown, JSON, CSV, plain text) into plain headings,
paragraphs and tables. What they say is read in `core.vendor_pages`. Nothing that a document names is opened or run.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from email import message_from_bytes
from email.policy import default
from html import unescape
from itertools import islice
from typing import Any, TypeVar
from warnings import catch_warnings, simplefilter

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, Declaration, Doctype, NavigableString, ProcessingInstruction

from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.stated_dates import stated_dates
from m365dq_dagster.core.vendor_pages import (
    Block,
    DocumentIssue,
    DocumentReason,
    Heading,
    Page,
    Paragraph,
    Table,
    issue,
)

MAX_BYTES = 8 << 20
"""A document of more bytes is not read; the longest real page has about 300 thousand."""

MAX_ELEMENTS = 150_000
MAX_DEPTH = 2_000
MAX_BLOCKS = 50_000
MAX_CELL = 4_000
MAX_COLUMNS = 40
SECONDS = 60.0
"""Longest time for one document: markup can be written so that every parser takes for ever."""

UNSEEN = frozenset(
    {"script", "style", "nav", "noscript", "template", "svg", "head", "footer", "button", "select", "iframe"}
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LINES = frozenset({"p", "li", "dt", "dd", "blockquote", "pre", "figcaption", "summary"})
BREAKS = LINES | frozenset(HEADINGS) | {"br", "div", "tr", "td", "th", "ul", "ol", "table", "section"}
UNREAD = (Comment, Declaration, Doctype, ProcessingInstruction)
DECLARED = re.compile(
    rb"(?i)charset\s*=\s*[\"']?(iso-8859-(?:1|2|5|7|9|15)|windows-125[0-8]|shift_jis|euc-jp|euc-kr|gb2312|gbk|gb18030|big5|"
    rb"koi8-r)\b"
)
"""Encodings that a page may declare; any other is not trusted."""

BOMS = (b"\xff\xfe", b"\xfe\xff")
BINARY = (
    b"\x89PNG",
    b"%PDF",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"GIF8",
    b"\xff\xd8\xff",
    b"\x7fELF",
    b"MZ",
    b"\xd0\xcf\x11\xe0",
)


T = TypeVar("T")


class _TooMuch(Exception):
    """The document is larger, deeper or slower to read than any real one."""


def parse(content: bytes, name: str, seconds: float = SECONDS) -> Page | DocumentIssue:
    """The document as plain blocks, or why it cannot be read. The format is told by the bytes, never by `name`.

    Never raises for any bytes. Reading stops after `seconds` and at the bounds above, with an issue.
    """
    if len(content) > MAX_BYTES:
        return _issue(DocumentReason.TOO_LARGE, name, f"has {len(content):,} bytes, and {MAX_BYTES:,} are read at most")
    if content.startswith(BINARY):
        return _issue(DocumentReason.NOT_TEXT, name, "is no text")
    text, encoding = _decoded(content)
    if _is_binary(text):
        return _issue(DocumentReason.NOT_TEXT, name, "is no text")
    if not text.strip():
        return _issue(DocumentReason.EMPTY, name, "holds no text")
    try:
        return replace(_page(content, text, time.monotonic() + seconds), encoding=encoding)
    except (_TooMuch, RecursionError) as error:
        what = str(error) if isinstance(error, _TooMuch) else "is nested deeper than any real page"
        return _issue(DocumentReason.TOO_COMPLEX, name, what)


def _issue(reason: DocumentReason, name: str, what: str) -> DocumentIssue:
    return issue(reason, name, f"the document {what}", "save or fetch it again, or remove it from the folder")


def _page(content: bytes, text: str, deadline: float) -> Page:
    head = text[:4096].lstrip("\ufeff \t\r\n")
    if re.match(r"(?is)(from|mime-version|content-type|date|subject)\s*:", head) and re.search(
        r"(?im)^mime-version\s*:", head
    ):
        inner = _mhtml(content)
        if inner is not None:
            return _html(inner, deadline)
    if head[:1] in "{[" and (data := _json(text)) is not None:
        return _json_page(data, deadline)
    if _is_html(head):
        return _html(text, deadline)
    rows = _csv(text)
    return _csv_page(rows) if rows is not None else _markdown(text, deadline)


def _is_html(head: str) -> bool:
    """A page by its first tag after comments, or by many tags: Markdown may begin with one as well."""
    head = re.sub(r"(?s)\A(?:\s*<!--.*?-->)+\s*", "", head)
    if not head.startswith("<"):
        return False
    opens = re.match(r"(?i)<(!doctype\s+html|html|head|body|\?xml|table|div|h[1-6]|p|main|article)\b", head)
    return bool(opens) or len(re.findall(r"(?i)<(p|div|table|tr|t[dh]|li|h[1-6]|span|b|i)\b", head)) > 3


def _decoded(content: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8, UTF-16 with its mark, else the one that a page declares, else Windows-1252."""
    if content.startswith(BOMS):
        return content.decode("utf-16", "replace"), "utf-16"
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        declared = DECLARED.search(content[:4096])
        encoding = declared[1].decode("ascii").casefold() if declared else "windows-1252"
        return content.decode(encoding, "replace"), encoding


def _is_binary(text: str) -> bool:
    """More than a few control characters at its beginning."""
    start = text[:4096]
    controls = sum(1 for char in start if ord(char) < 32 and char not in "\t\r\n\f\x1b")
    return controls > max(2, len(start) // 50)


def _text(raw: str) -> str:
    """Seen text with single blanks, bounded: nothing in it steers a display or is refused by a database."""
    text = " ".join(raw.replace("\u200b", "").split())[:MAX_CELL]
    return text if text.isprintable() else one_line(text, MAX_CELL)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose rows are as long as its header, its cells bounded."""
    head = tuple(_text(cell) for cell in header[:MAX_COLUMNS])
    filled = (tuple(_text(row[i]) if i < len(row) else "" for i in range(len(head))) for row in rows)
    return Table(head, tuple(row for row in filled if any(row)))


def _bounded(blocks: Iterable[Block]) -> tuple[Block, ...]:
    found = tuple(islice(blocks, MAX_BLOCKS + 1))
    if len(found) > MAX_BLOCKS:
        raise _TooMuch(f"has more than {MAX_BLOCKS:,} paragraphs and tables")
    return found


# HTML


class _BoundedSoup(BeautifulSoup):
    """A soup that gives up where a document has more elements, goes deeper or takes longer than any real one."""

    deadline = 0.0

    def handle_starttag(self, *args: Any, **more: Any) -> Tag | None:
        if len(self.tagStack) > MAX_DEPTH:
            raise _TooMuch("is nested deeper than any real page")
        self._in_time()
        return super().handle_starttag(*args, **more)

    def handle_data(self, data: str) -> None:
        self._in_time()
        super().handle_data(data)

    def _in_time(self) -> None:
        if time.monotonic() > type(self).deadline:
            raise _TooMuch("takes longer to read than any real page")


def _html(text: str, deadline: float) -> Page:
    if text.count("<") > 2 * MAX_ELEMENTS:
        raise _TooMuch(f"has more than {MAX_ELEMENTS:,} elements")
    bounded = type("_Soup", (_BoundedSoup,), {"deadline": deadline})
    with catch_warnings():
        simplefilter("ignore")
        soup = bounded(text, "html.parser")
    blocks = _bounded(_html_blocks(soup))
    return Page(
        title=_title(soup),
        blocks=blocks,
        stated=_stated(soup),
        asks_password=soup.find("input", attrs={"type": "password"}) is not None,
        cut=_is_cut(text),
    )


def _is_cut(text: str) -> bool:
    """A page that opens as one and never ends, or ends inside a table."""
    folded = text.casefold()
    opened, closed = folded.count("<table"), folded.count("</table")
    return ("<html" in folded and "</html" not in folded) or opened > closed


def _title(soup: BeautifulSoup) -> str:
    found = soup.find("title")
    text = _text(_cell_text(found)) if isinstance(found, Tag) else ""
    return re.sub(r"\s+[|–—-]\s+(Microsoft (Learn|Docs)|Azure docs)\s*$", "", text)


def _stated(soup: BeautifulSoup) -> date | None:
    """The day that the page gives as its own, from its metadata or its time element."""
    for name in ("ms.date", "updated_at", "article:modified_time", "last-modified"):
        found = soup.find("meta", attrs={"name": name}) or soup.find("meta", attrs={"property": name})
        if isinstance(found, Tag) and (day := _day(str(found.get("content", "")))):
            return day
    found = soup.find("time", attrs={"datetime": True})
    return _day(str(found.get("datetime"))) if isinstance(found, Tag) else None


def _day(text: str) -> date | None:
    """A day as metadata write it: ISO, words, or month/day/year."""
    american = re.match(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\b", text)
    if american:
        month, day, year = (int(part) for part in american.groups())
        text = f"{year:04d}-{month:02d}-{day:02d}"
    dates = stated_dates(text[:200])
    return dates[0].day if dates else None


def _html_blocks(soup: BeautifulSoup) -> Iterator[Block]:
    """Headings, lines and tables in their order; a table inside another is text of its cell."""
    pending: list[Tag] = [soup]
    loose: list[str] = []
    while pending:
        tag = pending.pop()
        if tag.name in HEADINGS:
            yield from _non_empty(Heading(HEADINGS[tag.name], _text(_cell_text(tag))))
        elif tag.name == "table":
            yield from _html_table(tag)
        elif tag.name in LINES and not _holds_blocks(tag):
            yield from _non_empty(Paragraph(_text(_cell_text(tag))))
        else:
            loose = [str(c) for c in tag.children if isinstance(c, NavigableString) and not isinstance(c, UNREAD)]
            text = (
                _text(" ".join(loose)) if tag.name in ("div", "td", "li", "section", "body", "article", "main") else ""
            )
            if text:
                yield Paragraph(text)
            inner = [child for child in tag.children if isinstance(child, Tag) and child.name not in UNSEEN]
            pending.extend(reversed(inner))


def _non_empty(block: Heading | Paragraph) -> Iterator[Block]:
    if block.text:
        yield block


def _holds_blocks(tag: Tag) -> bool:
    return tag.find(["table", "li", "p", *HEADINGS]) is not None


def _cell_text(tag: Tag) -> str:
    """The seen text of an element; where a line breaks stands a blank."""
    parts: list[str] = []
    length = 0
    for node in tag.descendants:
        if isinstance(node, Tag):
            if node.name in BREAKS:
                parts.append(" ")
        elif isinstance(node, NavigableString) and not isinstance(node, UNREAD):
            if node.parent is not None and node.parent.name in UNSEEN:
                continue
            parts.append(str(node))
            length += len(parts[-1])
            if length > 2 * MAX_CELL:
                break
    return "".join(parts)


def _html_table(tag: Tag) -> Iterator[Block]:
    rows = [[_cell_text(cell) for cell in _cells(row)] for row in tag.find_all("tr") if row.find_parent("table") is tag]
    rows = [row for row in rows if row]
    if rows:
        yield _table(rows[0], rows[1:])


def _cells(row: Tag) -> list[Tag]:
    return [c for c in row.children if isinstance(c, Tag) and c.name in ("td", "th")][:MAX_COLUMNS]


def _mhtml(content: bytes) -> str | None:
    """The page inside a web archive; its pictures and scripts are left alone."""
    try:
        message = message_from_bytes(content, policy=default)
        for part in islice(message.walk(), 200):
            if part.get_content_type() == "text/html":
                payload = part.get_payload(decode=True)
                return _decoded(payload)[0] if isinstance(payload, bytes) else None
    except (LookupError, ValueError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    return None


# Markdown and plain text


FENCE = re.compile(r"^\s*(```|~~~)")
MARK_HEADING = re.compile(r"^ {0,3}(?P<marks>#{1,6})\s+(?P<text>.*?)\s*#*\s*$")
RULER = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(\|\s*:?-{1,}:?\s*)*\|?\s*$")
RULE = re.compile(r"^\s*([-*_])(\s*\1){2,}\s*$")
LIST_ITEM = re.compile(r"^\s*([-*+]|\d+[.)])\s+")
CELL_END = re.compile(r"(?<!\\)\|")


def _markdown(text: str, deadline: float) -> Page:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    front, lines = _front_matter(lines)
    blocks = _bounded(_markdown_blocks(lines, deadline))
    first = next((b.text for b in blocks if isinstance(b, Heading)), "")
    stated = _day(front.get("ms.date", front.get("date", "")))
    return Page(title=_text(front.get("title", "")) or first, blocks=blocks, stated=stated)


def _front_matter(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    if not lines or lines[0].strip("\ufeff ") != "---":
        return {}, lines
    end = next((number for number, line in enumerate(lines[1:200], 1) if line.strip() == "---"), None)
    if end is None:
        return {}, lines
    pairs = (line.partition(":") for line in lines[1:end])
    return {key.strip(): value.strip().strip("\"'") for key, mark, value in pairs if mark}, lines[end + 1 :]


def _markdown_blocks(lines: list[str], deadline: float) -> Iterator[Block]:
    """Lines that follow one another are one paragraph, unless one begins an item of a list or ends in two blanks."""
    held: list[str] = []
    for piece in _pieces(lines, deadline):
        if not isinstance(piece, str) or not piece.strip() or LIST_ITEM.match(piece):
            yield from _paragraph(held)
            held = []
        if not isinstance(piece, str):
            yield piece
        elif piece.strip():
            held.append(piece)
            if piece.endswith("  "):
                yield from _paragraph(held)
                held = []
    yield from _paragraph(held)


def _pieces(lines: list[str], deadline: float) -> Iterator[Block | str]:
    """Tables and headings as blocks, every other line as it is; fences, what they hold, and rulers as empty lines."""
    fenced, at = False, 0
    while at < len(lines):
        line = lines[at]
        _in_time(deadline, at)
        if FENCE.match(line):
            fenced = not fenced
            yield ""
        elif fenced or RULE.match(line[:100]):
            yield ""
        elif _is_table(lines, at):
            rows = _table_lines(lines, at + 2)
            yield _table(_split(line), [_split(row) for row in rows])
            at += 1 + len(rows)
        else:
            yield _heading(line) or line
        at += 1


def _in_time(deadline: float, at: int) -> None:
    if at % 1000 == 0 and time.monotonic() > deadline:
        raise _TooMuch("takes longer to read than any real page")


def _heading(line: str) -> Heading | None:
    found = MARK_HEADING.match(line) if len(line) <= MAX_CELL else None
    text = _inline(found["text"]) if found else ""
    return Heading(len(found["marks"]), text) if found and text else None


def _is_table(lines: list[str], at: int) -> bool:
    """A line with bars above a ruler."""
    below = lines[at + 1][:400] if at + 1 < len(lines) else ""
    return "|" in lines[at] and "-" in below and bool(RULER.match(below))


def _table_lines(lines: list[str], start: int) -> list[str]:
    end = start
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return _few(lines[start:end])


def _few(rows: list[T]) -> list[T]:
    if len(rows) > MAX_ELEMENTS:
        raise _TooMuch(f"has more than {MAX_ELEMENTS:,} rows")
    return rows


def _split(line: str) -> list[str]:
    """The cells of a row; a bar that is escaped is none."""
    bare = line.strip()
    inner = bare.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [_inline(cell.replace("\\|", "|")) for cell in CELL_END.split(inner)[:MAX_COLUMNS]]


def _paragraph(lines: list[str]) -> Iterator[Block]:
    text = _inline(" ".join(re.sub(r"^\s*(>\s*)*(([-*+]|\d+[.)])\s+)?", "", line[: 2 * MAX_CELL]) for line in lines))
    if text and not re.fullmatch(r"\[![A-Z]+\]", text):
        yield Paragraph(text)


def _inline(raw: str) -> str:
    """Markdown inside a line as seen text: links by their words, marks and tags left out."""
    text = raw[: 2 * MAX_CELL]
    text = re.sub(r"!?\[([^\[\]]{0,400})\]\([^()\s]{0,800}\)", r"\1", text)
    text = re.sub(r"<(?:br|/?p|/?li|/?ul|/?ol)\s*/?>", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"</?[A-Za-z][^<>]{0,300}>", "", text)
    text = re.sub(r"\*\*|__(?=\W|$)|(?<=\W)__|`", "", text)
    return _text(unescape(re.sub(r"\\([\\`*_{}\[\]()#+.!|<>-])", r"\1", text)))


# JSON and CSV


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_page(data: Any, deadline: float) -> Page:
    if isinstance(data, Mapping) and isinstance(data.get("error"), Mapping | str):
        error = data["error"]
        said = error.get("message") or error.get("code") if isinstance(error, Mapping) else error
        return Page("", (), failure=str(said or "error")[:200])
    title = str(data.get("title", "")) if isinstance(data, Mapping) else ""
    return Page(_text(title), _bounded(_json_blocks(data, deadline)))


def _json_blocks(data: Any, deadline: float) -> Iterator[Block]:
    """Every list of objects is a table, and text stands as it is."""
    if isinstance(data, list) and data and all(isinstance(item, Mapping) for item in data):
        yield _objects(data, deadline)
    elif isinstance(data, list):
        yield from (Paragraph(_text(item)) for item in data if isinstance(item, str) and item.strip())
    else:
        for key, value in data.items():
            if isinstance(value, list):
                yield Heading(2, _text(str(key)) or "-")
                yield from _json_blocks(value, deadline)
        if not any(isinstance(value, list) for value in data.values()):
            yield _objects([data], deadline)


def _objects(items: Sequence[Mapping[str, Any]], deadline: float) -> Table:
    flat = [dict(islice(_flat(item, deadline), MAX_COLUMNS)) for item in _few(list(items))]
    header = list(islice(dict.fromkeys(key for row in flat for key in row), MAX_COLUMNS))
    return _table(header, ([row.get(key, "") for key in header] for row in flat))


def _flat(item: Mapping[str, Any], deadline: float, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in item.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not prefix:
            yield from _flat(value, deadline, f"{name}.")
        elif isinstance(value, list):
            yield name, ", ".join(str(part) for part in value[:50] if not isinstance(part, Mapping | list))
        elif value is not None and not isinstance(value, Mapping):
            yield name, _plain(str(value), deadline)


def _plain(text: str, deadline: float) -> str:
    """The text of a value, which may itself be a piece of HTML."""
    if "<" not in text[: 2 * MAX_CELL] or not re.search(r"</?[a-z]+[^<>]{0,200}>", text[: 2 * MAX_CELL], re.IGNORECASE):
        return text
    page = _html(text[: 8 * MAX_CELL], deadline)
    return " ".join(block.text for block in page.blocks if not isinstance(block, Table)) or text


def _csv(text: str) -> list[list[str]] | None:
    """The rows of a CSV file; None where the first lines are none of one width."""
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    if first.count(mark) < 1 or first.lstrip().startswith(("#", "|", "-", "*", "<")):
        return None
    try:
        rows = list(
            islice(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=mark), MAX_ELEMENTS + 1)
        )
    except csv.Error:
        return None
    rows = [row for row in _few(rows) if row]
    wide = [row for row in rows[:50] if len(row) == len(rows[0])]
    return rows if len(rows) > 1 and len(rows[0]) > 1 and len(wide) >= 0.9 * len(rows[:50]) else None


def _csv_page(rows: list[list[str]]) -> Page:
    return Page("", (_table(rows[0], rows[1:]),))
