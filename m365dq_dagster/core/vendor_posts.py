"""Announcements and release notes on a page of the vendor: where one begins, what it is called, when it was published.
What an announcement changes is read in `vendor_announcements`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from m365dq_dagster.core.stated_dates import ANY_DATE, only_date, stated_dates
from m365dq_dagster.core.vendor_pages import Entry, Heading, Page, PageKind, Paragraph, Snapshot, Table
from m365dq_dagster.core.vendor_tables import cell_of, column_of, kept_text

POST = re.compile(r"\bMC\d{5,7}\b")
LABEL = re.compile(r"^\W*(?P<label>type|service category|product capability|category|status|message id)\W*:\W*", re.I)
OPENING = re.compile(r"^\W*(?:published|posted|date)\b", re.IGNORECASE)
UPDATED = re.compile(r"\bupdated\b", re.IGNORECASE)


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
            "title": kept_text(self.title)[:300],
            "published": self.published.isoformat() if self.published else "",
            "type": kept_text(self.kind)[:80],
            "effective": self.effective,
            "text": kept_text(" ".join(self.lines)),
        }
        return key, {name: value for name, value in parts.items() if value}


def title_key(title: str) -> str:
    """A title without dates, "updated" and marks, so that an announcement keeps its key when its deadline moves."""
    bare = ANY_DATE.sub(" ", title.casefold())
    bare = re.sub(r"\b(updated|reminder|action required( by)?|take action by|important)\b", " ", bare)
    return " ".join(re.findall(r"[a-z0-9]+", bare))[:200]


def notes(page: Page) -> Snapshot | None:
    """The announcements of a page by their number or title; None where it holds none with a date."""
    posts = [*_posts(page), *(post for table in page.tables for post in _table_posts(table))]
    entries: dict[str, Entry] = {}
    for post in posts:
        key, entry = post.entry()
        if key:
            entries.setdefault(key, entry)
    return (
        Snapshot(PageKind.NOTES, kept_text(page.name)[:100].casefold() or "announcements", entries) if entries else None
    )


@dataclass
class _Reader:
    """Where in a page the reading is: the dated group, the post that is open, and the levels of their headings."""

    found: list[_Post] = field(default_factory=list)
    group: date | None = None
    group_level: int = 0
    current: _Post | None = None
    level: int = 0

    def heading(self, heading: Heading) -> None:
        """A heading opens a group or a post, belongs to the open post, or closes what is above it."""
        if self.current is not None and heading.level > self.level:
            return
        day = only_date(heading.text)
        if day is not None:
            self.group, self.group_level, self.current = day, heading.level, None
            return
        if heading.level <= self.group_level:
            self.group = None
        self.current = _opened(heading, self.group)
        if self.current is not None:
            self.level = heading.level
            self.found.append(self.current)

    def line(self, text: str) -> None:
        """A line belongs to the open post, or is one itself below a date."""
        if self.current is not None:
            _add_line(self.current, text)
        elif self.group is not None:
            self.found.append(_Post(_first_sentence(text), self.group, lines=[text]))


def _posts(page: Page) -> list[_Post]:
    """The posts that headings open: below a dated heading, with a date of their own, or with a number of a post."""
    single = _single(page)
    reader = _Reader([single] if single else [], current=single, level=1)
    for block in page.blocks:
        if isinstance(block, Heading) and not (single and block.text == single.title):
            reader.heading(block)
        elif isinstance(block, Paragraph):
            reader.line(block.text)
    return reader.found


def _opened(heading: Heading, group: date | None) -> _Post | None:
    dates = stated_dates(heading.text)
    post = POST.search(heading.text)
    if group is None and post is None and not (dates and (dates[0].start < 3 or dates[-1].end > len(heading.text) - 3)):
        return None
    return _Post(heading.text, group or (dates[0].day if dates else None), id=post[0] if post else "")


def _single(page: Page) -> _Post | None:
    """The page as one post: its title has a post's number, or a date stands right below it."""
    opening = [block.text for block in page.blocks[:8] if isinstance(block, Paragraph)]
    short = [text for text in opening[:4] if len(text) < 80 and not UPDATED.search(text)]
    day = next((day for text in short if (day := only_date(text) or _published(text))), None)
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


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "functionality", "feature", "announcement", "change description"),
    "published": ("startdatetime", "published", "date", "created", "lastmodifieddatetime", "last updated"),
    "due": ("actionrequiredbydatetime", "retirement date", "effective", "change date", "end of support", "act by"),
    "text": ("body.content", "body", "description", "details", "summary", "message", "text"),
    "kind": ("category", "type", "change"),
    "number": ("id", "message id"),
}
"""How tables of announcements head their columns."""


def _table_posts(table: Table) -> Iterator[_Post]:
    """One post a row with a title and a day, in a table that has columns for both."""
    columns = {name: column_of(table.header, *words) for name, words in COLUMNS.items()}
    if columns["title"] is None or (columns["published"] is None and columns["due"] is None):
        return
    for row in table.rows:
        cells = {name: cell_of(row, column) for name, column in columns.items()}
        published, due = stated_dates(cells["published"]), stated_dates(cells["due"])
        if cells["title"].strip() and (published or due):
            yield _Post(
                cells["title"],
                published[0].day if published else None,
                cells["kind"],
                due[0].day.isoformat() if due else "",
                cells["number"],
                [cells["text"]],
            )
