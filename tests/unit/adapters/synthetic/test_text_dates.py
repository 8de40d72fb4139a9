from datetime import datetime

import pytest

from m365dq_dagster.adapters.synthetic.text_dates import american, iso, seven_decimals, workspace

EVENING = datetime(2025, 11, 3, 22, 4, 9)


def test_each_shape_spells_a_moment_its_own_way() -> None:
    assert iso(EVENING) == "2025-11-03T22:04:09Z"
    assert american(EVENING) == "11/3/2025 10:04:09 PM"
    assert workspace(EVENING) == "11/3/2025, 10:04:09.000 PM"
    assert seven_decimals(EVENING) == "2025-11-03T22:04:09.0000000Z "


@pytest.mark.parametrize(("hour", "text"), [(0, "12:30:00 AM"), (12, "12:30:00 PM"), (13, "1:30:00 PM")])
def test_noon_and_midnight_are_twelve(hour: int, text: str) -> None:
    assert american(datetime(2025, 1, 2, hour, 30)) == f"1/2/2025 {text}"
    assert workspace(datetime(2025, 1, 2, hour, 30)).endswith(text.replace(":00 ", ":00.000 "))
