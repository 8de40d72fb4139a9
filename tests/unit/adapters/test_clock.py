"""The moment is always aware and in UTC."""

from datetime import UTC, datetime, timedelta

from m365dq_dagster.adapters.clock import FixedClock, SystemClock


def test_the_systems_clock_tells_the_moment_in_utc() -> None:
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert told.utcoffset() == timedelta(0)
    assert before <= told <= datetime.now(UTC)


def test_a_fixed_clock_stands_still(now: datetime) -> None:
    clock = FixedClock(now)
    assert clock.now() == clock.now() == now
