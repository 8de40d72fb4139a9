"""Claims about operations that vanish, and how far back logs reach."""

from __future__ import annotations

from datetime import datetime

from m365dq_dagster.core.log_shapes import Known, OperationRows, Span, operation_changes, retention_change

KNOWN = Known(frozenset({"FileDeleted", "UserLoggedIn"}))
EARLY, LATE = datetime(2026, 1, 1), datetime(2026, 6, 1)


def shape(
    case: str, tenant: str | None = None, kind: str = "6", at: datetime | None = None, **rows: int
) -> list[OperationRows]:
    return [OperationRows(case, kind, name, count, tenant, at, at) for name, count in rows.items()]


def told(earlier: list[OperationRows], now: list[OperationRows]) -> list[tuple[str, str, str, str]]:
    found = operation_changes(earlier, now, KNOWN, "ual")
    return [(str(one.kind), str(one.severity), one.before, one.after) for one in found]


def test_without_earlier_imports_nothing_is_told() -> None:
    assert told([], shape("now", FileDeleted=5)) == []


def test_an_operation_that_vanished_without_a_successor_is_a_lead() -> None:
    before = shape("one", "t", FileDeleted=20, FileAccessed=80)
    assert told(before, shape("now", "t", FileAccessed=100)) == [("OPERATION_VANISHED", "INFO", "FileDeleted", "")]


def test_an_operation_nobody_looks_for_is_told_for_the_record() -> None:
    before = shape("one", "t", PageViewed=20, FileAccessed=80)
    after = shape("now", "t", PageSeen=20, FileAccessed=80)
    assert told(before, after) == [("OPERATION_RENAMED", "INFO", "PageViewed", "PageSeen")]


def test_a_successor_shares_a_word_and_has_about_the_share() -> None:
    before = shape("one", "t", FileDeleted=20, FileAccessed=80)
    for name, rows in (("PageRecycled", 20), ("FileRecycled", 1), ("FileRecycled", 800)):
        after = shape("now", "t", **{name: rows, "FileAccessed": 80})
        assert told(before, after) == [("OPERATION_VANISHED", "INFO", "FileDeleted", "")]


def test_an_operation_that_any_earlier_case_knew_is_no_successor() -> None:
    before = shape("one", "t", FileDeleted=20, FileAccessed=80) + shape("two", "u", FileRecycled=20)
    assert ("OPERATION_RENAMED", "WARNING", "FileDeleted", "FileRecycled") not in told(
        before, shape("now", "t", FileRecycled=20, FileAccessed=80)
    )


def test_too_few_rows_say_nothing() -> None:
    before = shape("one", "t", FileDeleted=20, FileAccessed=80)
    assert told(before, shape("now", "t", FileAccessed=29)) == []
    assert told(before, shape("now", "t", FileAccessed=40)) == []
    rare = shape("one", "t", FileDeleted=4, FileAccessed=80)
    assert told(rare, shape("now", "t", FileAccessed=1000)) == []


def test_cases_of_other_tenants_must_all_agree() -> None:
    three = [row for case in "abc" for row in shape(case, case, FileDeleted=20, FileAccessed=80)]
    now = shape("now", "t", FileAccessed=100)
    assert told(three, now) == [("OPERATION_VANISHED", "INFO", "FileDeleted", "")]
    assert told([*three, *shape("d", "d", FileAccessed=80)], now) == []


def test_what_is_younger_than_the_evidence_does_not_speak_of_it() -> None:
    before = shape("one", "t", at=LATE, FileDeleted=20, FileAccessed=80)
    assert told(before, shape("now", "t", at=EARLY, FileAccessed=100)) == []


def test_an_operation_that_stands_under_a_known_record_type_has_not_vanished() -> None:
    before = shape("one", "t", FileDeleted=20, FileAccessed=80) + shape("one", "t", "14", FileDeleted=20)
    after = shape("now", "t", FileAccessed=80) + shape("now", "t", "14", FileDeleted=20, Shared=20)
    assert told(before, after) == []


def test_a_log_reaches_further_back_in_three_cases() -> None:
    spans = [Span(case, "l", 45.0) for case in "abc"]
    change = retention_change(spans, {"l": 30}, "l", "l")
    assert change is not None
    assert (change.kind, change.severity) == ("RETENTION", "INFO")
    assert retention_change(spans[:2], {"l": 30}, "l", "l") is None
    assert retention_change([Span(case, "l", 36.0) for case in "abc"], {"l": 30}, "l", "l") is None
    assert retention_change(spans, {}, "l", "l") is None
