from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.maintenance import (
    MINUTES,
    MINUTES_A_SITTING,
    PROVE_MINUTES,
    Beside,
    MaintenanceReport,
    Matter,
    Topic,
    parse_quarter,
    quarter_of,
    quarter_start,
    steps_of,
    total_minutes,
    what_it_looks_like,
    what_stands_beside,
)
from m365dq_dagster.core.outcome import Severity


def matters(number: int) -> list[Matter]:
    return [Matter(str(one), "", ()) for one in range(number)]


def report(found: dict[Topic, list[Matter]]) -> MaintenanceReport:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    return MaintenanceReport("2026Q1", "o@corp.example", "ada", moment, "sha256:0", 90, 365, steps_of(found))


@given(st.dictionaries(st.sampled_from(Topic), st.integers(0, 400)))
def test_whatever_is_found_one_person_finishes_in_half_an_hour(found: dict[Topic, int]) -> None:
    made = report({topic: matters(number) for topic, number in found.items()})
    assert made.minutes <= MINUTES_A_SITTING
    assert made.minutes == sum(step.minutes for step in made.steps) + made.prove_minutes
    assert [step.topic for step in made.steps] == list(Topic)
    assert all(0 <= step.today <= len(step.matters) for step in made.steps)
    assert made.counts == {topic.value: found.get(topic, 0) for topic in Topic}


def test_what_does_not_fit_is_counted_and_left() -> None:
    made = report({Topic.UNKNOWN_CODES: matters(40), Topic.PENDING: matters(2)})
    codes, pending = made.step(Topic.UNKNOWN_CODES), made.step(Topic.PENDING)
    assert codes.today == (MINUTES_A_SITTING - PROVE_MINUTES) / MINUTES[Topic.UNKNOWN_CODES]
    assert codes.left == 40 - codes.today
    assert (pending.today, pending.left, pending.minutes) == (0, 2, 0)


def test_nothing_found_is_nothing_due() -> None:
    made = report({})
    assert (made.due, made.minutes, made.prove_minutes, made.severity) == ((), 0, 0, Severity.INFO)
    assert total_minutes(made.steps) == 0


def test_the_gravest_and_then_the_most_used_comes_first() -> None:
    found = [
        Matter("rare", "", (), weight=1),
        Matter("common", "", (), weight=9),
        Matter("grave", "", (), weight=0, severity=Severity.CRITICAL),
        Matter("alike", "", (), weight=9),
    ]
    made = report({Topic.PENDING: found})
    assert [one.subject for one in made.step(Topic.PENDING).matters] == ["grave", "alike", "common", "rare"]
    assert made.severity is Severity.CRITICAL


@pytest.mark.parametrize(("month", "quarter"), [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4), (12, 4)])
def test_the_quarter_is_the_calendars(month: int, quarter: int) -> None:
    assert quarter_of(date(2026, month, 1)) == f"2026Q{quarter}"
    assert quarter_start(f"2026Q{quarter}") == date(2026, 3 * quarter - 2, 1)


def test_a_quarter_is_read_as_people_write_it() -> None:
    assert parse_quarter(" 2026q4 ") == "2026Q4"


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "2026-Q1", "../2026Q1", "Q1", "2٠26Q1"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="write it as 2026Q4"):
        parse_quarter(text)


def test_what_stands_beside_is_said_with_its_rows() -> None:
    said = what_stands_beside(
        [Beside("Failure", "notApplied", "", 7), Beside("", "", "UserLoggedIn", 2), Beside("", "", "", 1)]
    )
    assert said == (
        "Beside it, of 10 rows: status Failure, Conditional Access notApplied on 7; operation UserLoggedIn on 2; "
        "nothing on 1."
    )


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ([Beside("Failure", "notApplied", "", 3), Beside("", "", "", 9)], "It reads like failure"),
        ([Beside("Success", "", "", 3), Beside("", "", "UserLoggedIn", 1)], "It reads like success"),
        ([Beside("Success", "", "UserLoginFailed", 3)], "contradict each other: failure on 3, success on 3."),
        ([Beside("Interrupted", "Success", "", 3)], "evaluated on 3, so the credential was right there."),
        ([Beside("", "failure", "", 2)], "evaluated on 2"),
    ],
)
def test_what_the_neighbours_lead_to_expect_is_said(beside: list[Beside], told: str) -> None:
    assert told in what_it_looks_like(beside)


def test_neighbours_that_do_not_speak_lead_to_nothing() -> None:
    assert what_it_looks_like([Beside("", "notApplied", "Set-Mailbox", 3), Beside("Sucess", "", "", 1)]) == ""


def test_rare_neighbours_are_summed_and_none_is_said() -> None:
    many = [Beside(f"s{number}", "", "", 5 - number) for number in range(5)]
    assert what_stands_beside(many).endswith("; other on 3.")
    assert "No row" in what_stands_beside([])
