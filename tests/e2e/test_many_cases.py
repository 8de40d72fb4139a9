"""Cases through the real daemon, two at a time: none fails, none meets a lock."""

from pathlib import Path

import pytest

from m365dq_dagster.cli.workbench import Workbench
from m365dq_dagster.stages.case_run import Silent

CASES = 4


@pytest.mark.soak
@pytest.mark.slow
def test_every_case_of_a_full_inbox_comes_to_its_end_and_none_meets_a_lock(home: Path) -> None:
    found = Workbench().soak(CASES, 500, 2, Silent())
    assert len(found.times) == CASES
    assert (found.failed, found.faults) == ((), ())
    assert found.wall
    assert all(one.queued_at <= (one.started_at or 0) for one in found.times)
