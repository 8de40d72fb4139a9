"""The words for documents of the vendor: a page as plain blocks, what it may be, its snapshot, and why it is not used.
Turning HTML, Markdown or JSON into blocks belongs to the adapters, telling what a page is to `vendor_readers`,
comparing snapshots to `vendor_diff`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line


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
    OTHER_ENCODING = "OTHER_ENCODING"
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


def issue(
    reason: DocumentReason, name: str, what: str, remedy: str, severity: Severity = Severity.WARNING
) -> DocumentIssue:
    """An issue whose sentence says where, what and what to do."""
    return DocumentIssue(reason, severity, name, f"{one_line(name)}: {what}; {remedy}.")


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
    in the middle, `asks_password` that it holds a form for one, `failure` what an answer that is an error says,
    `encoding` how its bytes were read.
    """

    title: str
    blocks: tuple[Block, ...]
    stated: date | None = None
    asks_password: bool = False
    cut: bool = False
    failure: str = ""
    encoding: str = "utf-8"

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
