import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.pace import FEWEST, CaseTime, Soaked, Trend, pace


def jittered(cases: int, more_each: float = 0.0, seed: int = 3, spread: float = 0.3) -> list[float]:
    draw = random.Random(seed)
    return [10 + number * more_each + draw.uniform(-spread, spread) for number in range(cases)]


def case(number: int, seconds: float, cpu: float | None = None, status: str = "SUCCESS") -> CaseTime:
    return CaseTime(f"case-{number}", status, 0.0, number * 5.0, number * 5.0 + seconds, cpu)


def soaked(*times: CaseTime, faults: tuple[str, ...] = ()) -> Soaked:
    return Soaked(2, 10_000, times, faults)


def test_the_same_time_from_first_to_last_is_constant() -> None:
    found = pace(jittered(200))
    assert found
    assert found.trend is Trend.CONSTANT
    assert (found.first, found.last) == pytest.approx((10, 10), abs=0.2)
    assert found.per_hundred == pytest.approx(0, abs=0.1)


def test_a_time_that_grows_by_a_quarter_over_200_cases_grows() -> None:
    found = pace(jittered(200, more_each=0.0125))
    assert found
    assert found.trend is Trend.GROWS
    assert found.per_hundred == pytest.approx(1.25, abs=0.1)
    assert found.last - found.first > found.noise


def test_a_time_that_shrinks_does_not_grow() -> None:
    found = pace(jittered(40, more_each=-0.05))
    assert found
    assert found.trend is Trend.CONSTANT


def test_one_case_that_took_long_changes_nothing() -> None:
    values = jittered(40)
    values[-1] = 500.0
    found = pace(values)
    assert found
    assert found.trend is Trend.CONSTANT


def test_of_few_cases_nothing_is_said() -> None:
    found = pace([1.0] * (FEWEST - 1))
    assert found
    assert found.trend is Trend.CANNOT_TELL
    assert pace([]) is None
    assert pace([3.0]).per_hundred == 0  # type: ignore[union-attr]


def test_where_chance_may_hide_growth_nothing_is_said() -> None:
    found = pace(jittered(FEWEST, spread=9))
    assert found
    assert found.trend is Trend.CANNOT_TELL


def test_thousands_of_cases_are_compared_too() -> None:
    found = pace([1 + number / 1000 for number in range(5000)])
    assert found
    assert found.per_hundred == pytest.approx(0.1)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60))
def test_the_clocks_unit_changes_no_trend(values: list[float]) -> None:
    one, thousand = pace(values), pace([1024 * value for value in values])
    assert one
    assert thousand
    assert one.trend is thousand.trend


def test_the_cores_are_heard_before_the_clock() -> None:
    times = [case(number, 5 + number, 4.0) for number in range(40)]
    both = soaked(*times)
    assert both.wall
    assert both.wall.trend is Trend.GROWS
    assert both.trend is Trend.CONSTANT
    assert both.is_well
    assert both.waits_more
    silent = soaked(*(replace(one, cpu_seconds=None) for one in times))
    assert silent.cpu is None
    assert silent.trend is Trend.GROWS
    assert not silent.is_well


def test_a_case_that_failed_or_a_lock_that_was_met_is_not_well() -> None:
    good = [case(number, 5.0, 4.0) for number in range(20)]
    assert soaked(*good).is_well
    assert not soaked(*good).waits_more
    assert not soaked(*good, faults=("database is locked",)).is_well
    bad = soaked(*good, case(20, 1.0, status="FAILURE"))
    assert [one.case_id for one in bad.failed] == ["case-20"]
    assert not bad.is_well


def test_a_run_that_never_started_has_no_time_and_is_counted() -> None:
    never = CaseTime("lost", "CANCELED", 1.0, None, None)
    found = soaked(never)
    assert never.seconds == 0
    assert (found.cases_an_hour, found.wall, found.trend) == (0, None, Trend.CANNOT_TELL)
    told = found.as_mapping()
    assert (told["failed"], told["wall_seconds"], told["cpu_seconds"]) == (["lost"], None, None)


def test_the_document_holds_every_run_and_both_paces() -> None:
    told = soaked(*(case(number, 5.0, 4.0) for number in range(20))).as_mapping()
    assert (told["cases"], told["trend"], told["at_once"], told["rows"]) == (20, "CONSTANT", 2, 10_000)
    assert told["wall_seconds"]["first_quarter"] == 5
    assert told["cpu_seconds"]["last_quarter"] == 4
    assert told["runs"][3]["seconds"] == 5
    assert told["cases_an_hour"] == pytest.approx(20 * 3600 / 100)
