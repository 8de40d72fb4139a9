"""Readings of documents and their changes, on both engines."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.documents import KeptDocument, change_key
from m365dq_dagster.adapters.vendor_markup import parse
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.vendor_pages import Page, PageKind, Snapshot
from m365dq_dagster.core.vendor_readers import read_page

SNAPSHOT = Snapshot(PageKind.CODES, "sign-in codes", {"50126": {"text": "é"}})
CHANGE = SchemaChange(
    ChangeKind.CODE_NEW,
    Severity.WARNING,
    "sign_in_logs",
    "sign-in codes",
    "",
    "50126",
    date(2026, 1, 2),
    "New.",
    "a.md",
)


def test_a_reading_and_its_changes_come_back_as_they_went(store: Registry, now: datetime) -> None:
    assert list(store.keep_document("a.md", "1" * 64, SNAPSHOT, [CHANGE], now)) == [CHANGE]
    assert store.vendor_documents() == [KeptDocument("a.md", "1" * 64, SNAPSHOT, now)]
    assert store.document_changes() == {change_key(CHANGE)}


def test_a_change_is_kept_once_whatever_document_says_it(store: Registry, now: datetime) -> None:
    store.keep_document("a.md", "1" * 64, SNAPSHOT, [CHANGE], now)
    other = replace(CHANGE, source="b.md", severity=Severity.INFO)

    assert list(store.keep_document("b.md", "2" * 64, SNAPSHOT, [other, CHANGE], now)) == []
    assert len(store.document_changes()) == 1


def test_of_several_readings_of_a_document_the_last_counts_also_when_an_old_one_comes_back(
    store: Registry, now: datetime
) -> None:
    later = replace(SNAPSHOT, entries={})
    store.keep_document("a.md", "1" * 64, SNAPSHOT, [], now)
    store.keep_document("b.md", "3" * 64, SNAPSHOT, [], now + timedelta(hours=1))
    store.keep_document("a.md", "2" * 64, later, [], now + timedelta(hours=2))
    assert [(kept.name, kept.snapshot) for kept in store.vendor_documents()] == [("b.md", SNAPSHOT), ("a.md", later)]

    store.keep_document("a.md", "1" * 64, SNAPSHOT, [], now + timedelta(hours=3))
    assert [(kept.name, kept.sha256) for kept in store.vendor_documents()] == [("b.md", "3" * 64), ("a.md", "1" * 64)]


def test_hostile_pages_can_be_kept_and_read_back(store: Registry, now: datetime) -> None:
    pages = [
        b"# Audit log activities\n\n| Operation | Description |\n|---|---|\n| Done\x00Thing\xe2\x80\xae | \x1b[31m |\n",
        b'{"value": [{"code": "50126", "message": "\\ud800\\u0000"}, {"code": "50034"}, {"code": "50035"}]}',
    ]
    for number, content in enumerate(pages):
        page = parse(content, "a")
        assert isinstance(page, Page)
        snapshot = read_page(page, "a")
        assert isinstance(snapshot, Snapshot)
        store.keep_document(f"{number}.md", "1" * 64, snapshot, [replace(CHANGE, detail=page.name)], now)
        assert store.vendor_documents()[-1].snapshot == snapshot


def test_names_that_would_not_fit_are_cut_and_still_told_apart_from_others(store: Registry, now: datetime) -> None:
    long = replace(CHANGE, after="x" * 5_000)
    assert list(store.keep_document("a.md", "1" * 64, SNAPSHOT, [long, long, CHANGE], now)) == [long, CHANGE]
    assert max(len(part) for key in store.document_changes() for part in key) == 300
