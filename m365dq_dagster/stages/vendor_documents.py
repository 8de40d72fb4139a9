"""Reading the vendor's documents and comparing them with their last reading: which sources there are, in which order
documents count, what is kept. Which changes there are is judged in `core.vendor_diff`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.clock import SystemClock
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.documents import change_key
from m365dq_dagster.adapters.rule_pack import RulePack, load_operations_policy
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.adapters.vendor_documents import Document, DocumentSource, FetchedPages, SavedPages
from m365dq_dagster.adapters.vendor_markup import parse
from m365dq_dagster.core.document_policy import DocumentPolicy
from m365dq_dagster.core.log_shapes import LOGON_TYPES
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.schema_changes import SchemaChange
from m365dq_dagster.core.vendor_announcements import names_in
from m365dq_dagster.core.vendor_diff import compare, previous
from m365dq_dagster.core.vendor_pages import DocumentIssue, DocumentReason, PageKind, Snapshot, issue
from m365dq_dagster.core.vendor_readers import read_page
from m365dq_dagster.core.vendor_reads import Reads, Source, fold


class Reading(StrEnum):
    """What a document was against its last reading."""

    FIRST = "FIRST"
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    NOT_USED = "NOT_USED"


@dataclass(frozen=True)
class DocumentRead:
    """One document that was looked at: what it is (None where that is not known), how many entries it has."""

    name: str
    kind: PageKind | None
    entries: int
    reading: Reading


@dataclass(frozen=True)
class Checked:
    """What the documents say that was not known: changes not found in any document before, what could not be read, and
    every document.
    """

    changes: tuple[SchemaChange, ...]
    issues: tuple[DocumentIssue, ...]
    documents: tuple[DocumentRead, ...]


def check_documents(
    registry: Registry, pack: RulePack, sources: Iterable[DocumentSource], now: datetime, *, keep: bool = True
) -> Checked:
    """Read every document, compare it with its last reading, and keep readings and changes.

    The same documents again find nothing new. With `keep=False` nothing is written, and the answer is what would be
    kept. Never raises because of a document; its failures are issues.
    """
    work = _Work(registry, reads_of(pack), now, keep)
    for found in sorted(work.snapshots(sources), key=lambda item: item.order):
        work.compare(found)
    return Checked(tuple(work.changes), tuple(work.issues), tuple(sorted(work.documents, key=lambda d: d.name)))


def document_sources(
    settings: Settings,
    *,
    folder: Path | None = None,
    fetch: bool | None = None,
    policy: DocumentPolicy | None = None,
) -> tuple[DocumentSource, ...]:
    """The sources of this installation: the folder given, else that of the settings, else `vendor_documents` in the
    home folder where it exists; and the vendor's pages, only where fetching is switched on here or in the settings.
    """
    sources: list[DocumentSource] = []
    place = folder or settings.vendor_documents or settings.home / "vendor_documents"
    if folder or settings.vendor_documents or place.is_dir():
        sources.append(SavedPages(place))
    if settings.vendor_fetch if fetch is None else fetch:
        sources.append(FetchedPages(policy or load_operations_policy().documents, SystemClock().now))
    return tuple(sources)


@dataclass(frozen=True)
class _Found:
    """A document that was recognised. Of two readings of one page the later counts last."""

    document: Document
    sha256: str
    snapshot: Snapshot
    stated: date | None
    encoding: str

    @property
    def order(self) -> tuple[date, datetime, str]:
        saved = self.document.read_at.astimezone(UTC)
        return (self.stated or saved.date(), saved, self.document.name)


class _Work:
    """One check: what was known before it, and what it finds."""

    def __init__(self, registry: Registry, reads: Reads, now: datetime, keep: bool) -> None:
        self._registry, self._reads, self._now, self._keep = registry, reads, now, keep
        self._held = {kept.name: kept.snapshot for kept in registry.vendor_documents()}
        self._told = registry.document_changes()
        self.changes: list[SchemaChange] = []
        self.issues: list[DocumentIssue] = []
        self.documents: list[DocumentRead] = []

    def snapshots(self, sources: Iterable[DocumentSource]) -> list[_Found]:
        """Every document that is recognised; the others become issues."""
        found: list[_Found] = []
        for source in sources:
            for document in source.documents():
                read = document if isinstance(document, DocumentIssue) else _read(document)
                if isinstance(read, DocumentIssue):
                    self._refuse(read, None, 0)
                else:
                    found.append(read)
                    self.issues += _other_encoding(read)
        return found

    def compare(self, found: _Found) -> None:
        """Find the changes of one document and keep them with its reading."""
        name, new = found.document.name, found.snapshot
        if self._held.get(name) == new:
            self.documents.append(DocumentRead(name, new.kind, len(new.entries), Reading.UNCHANGED))
            return
        old = previous(new, list(self._held.values()), self._held.get(name))
        source = Source(name, self._now.astimezone(UTC).date())
        compared = compare(new, old, self._reads, source, believed=found.document.believed)
        if not compared.believed:
            for problem in compared.issues:
                self._refuse(problem, new.kind, len(new.entries))
            return
        self.issues += compared.issues
        self.documents.append(DocumentRead(name, new.kind, len(new.entries), Reading.CHANGED if old else Reading.FIRST))
        self._keep_new(found, compared.changes)

    def _keep_new(self, found: _Found, changes: Sequence[SchemaChange]) -> None:
        fresh: list[SchemaChange] = []
        for change in changes:
            if change_key(change) not in self._told:
                self._told.add(change_key(change))
                fresh.append(change)
        name = found.document.name
        self._held.pop(name, None)
        self._held[name] = found.snapshot
        if self._keep:
            fresh = list(self._registry.keep_document(name, found.sha256, found.snapshot, fresh, self._now))
        self.changes += fresh

    def _refuse(self, problem: DocumentIssue, kind: PageKind | None, entries: int) -> None:
        self.issues.append(problem)
        self.documents.append(DocumentRead(problem.document, kind, entries, Reading.NOT_USED))


def _read(document: Document) -> _Found | DocumentIssue:
    page = parse(document.content, document.name)
    if isinstance(page, DocumentIssue):
        return page
    snapshot = read_page(page, document.name, document.kind)
    if isinstance(snapshot, DocumentIssue):
        return snapshot
    return _Found(document, hashlib.sha256(document.content).hexdigest(), snapshot, page.stated, page.encoding)


def _other_encoding(found: _Found) -> Iterable[DocumentIssue]:
    """That a document is in no Unicode, and as what it was read."""
    if found.encoding not in ("utf-8", "utf-16"):
        name = found.document.name
        what = f"the document is not in UTF-8 and was read as {found.encoding}"
        yield issue(DocumentReason.OTHER_ENCODING, name, what, "if letters are wrong, save it as UTF-8", Severity.INFO)


# What the product reads, by the vendor's names


def reads_of(pack: RulePack) -> Reads:
    """What a rule pack reads: columns and properties of its formats, operations, values, record types, codes."""
    operations = frozenset(fold(row.operation) for row in pack.operations)
    numbers = {fold(part) for row in pack.operations for part in row.record_types.split(",") if part.strip()}
    return Reads(
        fields=_fields(pack.formats),
        witnesses=frozenset(
            f"{spec.log_type}.{spec.field}"
            for spec in pack.fields
            if spec.witness in (Witness.PRIMARY, Witness.SECONDARY)
        ),
        operations=operations | {"userloggedin", "userloginfailed"},
        values=_values(pack),
        record_types=frozenset(numbers),
        logons=frozenset(map(fold, LOGON_TYPES)),
        watched=frozenset(fold(name) for row in pack.vendor_changes for name in names_in(f"{row.before}; {row.after}")),
        codes={code.code: code for code in pack.codes},
        known=pack.vendor_changes,
    )


def _values(pack: RulePack) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in pack.values:
        found.setdefault(fold(row.value), set()).add(row.log_type)
    return {value: frozenset(logs) for value, logs in found.items() if len(value) > 2}


def _fields(formats: Iterable[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    logs = {str(one.get("id")): str(one.get("log_type") or "") for one in formats}
    for one in formats:
        log_type = one.get("log_type") or logs.get(str(one.get("like")), "") or LogType.UAL.value
        for canonical, origins in (one.get("fields") or {}).items():
            for name in _names(origins):
                found.setdefault(fold(name), set()).add(f"{log_type}.{canonical}")
    return {name: frozenset(canonical) for name, canonical in found.items()}


def _names(origins: Any) -> Iterable[str]:
    """The names of the vendor in a format's column map: columns, keys of payloads, names within nested lists."""
    if isinstance(origins, str):
        yield origins
    elif isinstance(origins, Mapping):
        for part in ("of", "key", "payload", "named"):
            yield from _names(origins.get(part))
    elif isinstance(origins, list):
        for origin in origins:
            yield from _names(origin)
