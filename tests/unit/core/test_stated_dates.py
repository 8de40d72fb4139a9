from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.stated_dates import days_stated, only_date, stated_dates


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("on 2025-03-14.", date(2025, 3, 14)),
        ("2025-03-14T08:00:00Z", date(2025, 3, 14)),
        ("2025-03", date(2025, 3, 1)),
        ("March 14, 2025", date(2025, 3, 14)),
        ("Sept 1st, 2025", date(2025, 9, 1)),
        ("14 March 2025", date(2025, 3, 14)),
        ("3rd Dec. 2025", date(2025, 12, 3)),
        ("in March 2025", date(2025, 3, 1)),
        ("mid-July 2025", date(2025, 7, 15)),
        ("early May 2025", date(2025, 5, 1)),
        ("late May 2025", date(2025, 5, 31)),
        ("by the end of February 2028", date(2028, 2, 29)),
        ("Q3 2026", date(2026, 7, 1)),
        ("second half of 2027", date(2027, 7, 1)),
        ("mid 2027", date(2027, 7, 1)),
        ("first half of 2027", date(2027, 1, 1)),
        ("late 2027", date(2027, 12, 31)),
        ("the end of 2027", date(2027, 12, 31)),
    ],
)
def test_a_date_is_read_as_prose_writes_it(text: str, day: date) -> None:
    assert [stated.day for stated in stated_dates(text)] == [day]


@pytest.mark.parametrize("text", ["in 2025", "12345-03-14", "February 30, 2025", "may we meet", "version 2.4.2025", ""])
def test_what_is_no_date_is_none(text: str) -> None:
    assert stated_dates(text) == ()


def test_several_dates_come_in_their_order_with_their_places() -> None:
    text = "from September 2, 2024 to 2024-09-19"
    first, second = stated_dates(text)
    assert (text[first.start : first.end], second.day) == ("September 2, 2024", date(2024, 9, 19))


@pytest.mark.parametrize(("text", "day"), [("May 2025", date(2025, 5, 1)), ("Published: 2025-05-03", date(2025, 5, 3))])
def test_a_heading_that_is_a_date_is_one(text: str, day: date) -> None:
    assert only_date(text) == day


@pytest.mark.parametrize("text", ["", "A feature retires in May 2025", "May 2025 to June 2025"])
def test_a_heading_that_says_more_is_none(text: str) -> None:
    assert only_date(text) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [("30 days", 30), ("Seven days", 7), ("one year", 365), ("90-day log", 90), ("2 weeks", 14), ("6 months", 180)],
)
def test_a_length_of_time_is_read_in_days(text: str, days: int) -> None:
    assert days_stated(text) == days


def test_no_limit_is_no_length() -> None:
    assert days_stated("No limit") is None
    assert days_stated("1.5 years") is None


@given(st.text())
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert all(stated.end > stated.start for stated in stated_dates(text))
    assert days_stated(text) is None or days_stated(text) is not None
