"""What the ledger's rules promise, over tables of cases."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.ledger import (
    REMEDIES,
    DateDecision,
    DateSighting,
    FileCounts,
    FileReason,
    Gap,
    QuarantineReason,
    decide_date_order,
    declared_mismatch,
    explain,
    hole_threshold,
    holes,
    quarantine_share,
)
from m365dq_dagster.core.outcome import DateOrder

MDY, DMY, AMBIGUOUS = DateOrder.MDY, DateOrder.DMY, DateOrder.AMBIGUOUS


def _sightings(*dates: str) -> list[DateSighting]:
    return [DateSighting(*map(int, text.split("/"))) for text in dates]


@pytest.mark.parametrize(
    ("dates", "order", "reading"),
    [
        (["3/14/2025"], MDY, MDY),
        (["14/3/2025"], DMY, DMY),
        (["3/4/2025", "5/6/2025", "5/13/2025"], MDY, MDY),
        (["3/4/2025", "31/4/2025"], DMY, DMY),
        (["4/4/2025", "5/5/2025"], MDY, MDY),
        (["1/3/2025", "2/3/2025", "12/3/2025"], AMBIGUOUS, DMY),
        (["3/1/2025", "3/2/2025", "3/12/2025"], AMBIGUOUS, MDY),
        (["3/4/2025"], AMBIGUOUS, MDY),
        (["13/4/2025", "4/13/2025", "14/4/2025"], AMBIGUOUS, DMY),
        (["13/4/2025", "4/13/2025"], AMBIGUOUS, MDY),
    ],
)
def test_the_values_of_a_file_decide_its_date_order(dates: list[str], order: DateOrder, reading: DateOrder) -> None:
    decision = decide_date_order(_sightings(*dates))

    assert (decision.order, decision.reading) == (order, reading)
    assert decision.reason


def test_the_case_context_overrides_what_the_values_say() -> None:
    assert decide_date_order(_sightings("3/14/2025"), DMY) == DateDecision(DMY, DMY, "the case context says DMY")
    assert decide_date_order(_sightings("3/14/2025"), DateOrder.ISO).order is MDY


def test_days_that_no_calendar_holds_have_no_span() -> None:
    assert decide_date_order(_sightings("0/1/2025")).order is AMBIGUOUS


days = st.dates(min_value=datetime(2024, 1, 1).date(), max_value=datetime(2026, 12, 31).date())


@given(st.lists(days, min_size=1, max_size=40), st.booleans())
def test_a_file_in_one_order_is_never_read_in_the_other_with_certainty(
    written: list[datetime], day_first: bool
) -> None:
    pairs = [(day.day, day.month) if day_first else (day.month, day.day) for day in written]
    decision = decide_date_order([DateSighting(a, b, day.year) for (a, b), day in zip(pairs, written, strict=True)])

    if decision.order is not AMBIGUOUS and any(a != b for a, b in pairs):
        assert decision.order is (DMY if day_first else MDY)


def test_a_ledger_balances_only_where_every_row_is_somewhere_once() -> None:
    assert FileCounts("a.csv", 10, 8, 1, 1).balances
    assert not FileCounts("a.csv", 10, 8, 1, 0).balances
    assert not FileCounts("a.csv", 10, 9, 1, 1).balances


def test_the_quarantine_share_is_taken_over_all_files() -> None:
    assert quarantine_share([FileCounts("a", 90, 90, 0, 0), FileCounts("b", 10, 0, 0, 10)]) == pytest.approx(0.10)
    assert quarantine_share([]) == 0.0


@pytest.mark.parametrize("reason", list(FileReason))
def test_every_file_reason_is_one_sentence_that_says_what_to_do(reason: FileReason) -> None:
    sentence = explain(reason, "x" * 1000)

    assert sentence.endswith(".")
    assert len(sentence) < 600


def test_every_quarantine_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(QuarantineReason)


START = datetime(2025, 3, 1, 8)


def _gaps(*minutes: int) -> list[Gap]:
    moments = [START]
    for length in minutes:
        moments.append(moments[-1] + timedelta(minutes=length))
    return [Gap(a, b) for a, b in pairwise(moments)]


def test_a_gap_unlike_the_logs_own_rhythm_is_a_hole() -> None:
    busy_days = [*([10] * 143 + [10]) * 30]
    gaps = _gaps(*busy_days, 600, *busy_days)

    assert [gap.length for gap in holes(gaps)] == [timedelta(minutes=600)]
    assert [gap.length for gap in holes(gaps, timedelta(0))] == [timedelta(minutes=600)]


def test_a_log_with_nights_has_no_holes_in_its_nights() -> None:
    gaps = _gaps(*([10] * 48 + [960]) * 20)

    assert holes(gaps) == ()


def test_a_log_without_gaps_has_no_holes() -> None:
    assert holes([]) == ()


def test_no_hole_is_shorter_than_half_an_hour() -> None:
    assert hole_threshold(timedelta(seconds=1), []) == timedelta(minutes=30)
    assert hole_threshold(timedelta(minutes=10), []) == timedelta(minutes=40)
    assert hole_threshold(timedelta(minutes=1), [timedelta(hours=1)]) == timedelta(hours=2)


def test_a_declared_number_is_compared_with_what_was_read() -> None:
    assert declared_mismatch(None, 5) is None
    assert declared_mismatch(5, 5) is None
    assert "2 are missing" in str(declared_mismatch(5, 3))
    assert "more than declared" in str(declared_mismatch(3, 5))
