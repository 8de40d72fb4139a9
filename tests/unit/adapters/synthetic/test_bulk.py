from collections import Counter
from itertools import islice

import pytest

from m365dq_dagster.adapters.synthetic.bulk import (
    CUMULATED,
    counted,
    many_audit_records,
    many_legacy_attempts,
    many_sign_ins,
)
from m365dq_dagster.adapters.synthetic.vocabulary import Deed


@pytest.mark.parametrize("rows", [1, 7, 2_000])
def test_exactly_as_many_rows_as_asked_for_come_in_order_of_time(rows: int) -> None:
    for log in (many_sign_ins(3, rows), many_audit_records(3, rows), many_legacy_attempts(3, rows)):
        times = [row.time for row in log]
        assert len(times) == rows
        assert times == sorted(times)


def test_a_large_log_is_made_as_it_is_asked_for() -> None:
    assert len(list(islice(many_sign_ins(3, 1_000_000), 3))) == 3


def test_a_large_log_is_mostly_success_and_holds_every_deed_of_ordinary_days() -> None:
    deeds = Counter(event.deed for event in many_sign_ins(3, 20_000))
    assert deeds[Deed.SIGNED_IN] / 20_000 == pytest.approx(0.97, abs=0.01)
    assert set(deeds) == {deed for _, deed in CUMULATED}


def test_counting_changes_nothing() -> None:
    seen: list[int] = []
    assert list(counted(iter([1, 2, 3]), seen.append)) == [1, 2, 3]
    assert seen == [1, 2, 3]
