from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context

import sqlalchemy as sa

from m365dq_dagster.adapters.registry import CaseStage, Registry, StatusCode
from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity

NOW = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
WORKERS = 3


def work(job: tuple[str, int]) -> tuple[int, list[int]]:
    """What one process does: raise the same ten alerts, load the same codes, write its rows, claim alerts."""
    url, number = job
    with Registry.open(url) as registry:
        new = sum(
            registry.raise_alert("r", "c", f"s{subject}", Severity.INFO, "m", ["a@x.example"], NOW)
            for subject in range(10)
        )
        registry.load_status_codes([StatusCode("l", "f", str(v), "m", Severity.INFO) for v in range(50)], NOW)
        registry.register_case(f"case-{number}", "/x", {}, NOW)
        registry.set_stage(f"case-{number}", CaseStage.IMPORTED, NOW)
        check = CheckResult("same", "quality", True, False, Severity.INFO, "h", "docs/x.md")
        registry.record_checks(f"case-{number}", "run", [check], NOW)
        registry.record_sightings("c", [("l", "f", "7", number, None, None)], NOW)
        registry.schema_version_seen("l", "v1.0", ["a"], NOW)
        return new, [alert.id for _ in range(5) for alert in registry.claim_undelivered(NOW, 1)]


def test_processes_that_write_at_once_lose_nothing_and_double_nothing(address: str) -> None:
    Registry.open(address).close()
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(work, [(address, number) for number in range(WORKERS)]))
    assert sum(new for new, _ in done) == 10
    claims = Counter(alert for _, claimed in done for alert in claimed)
    assert len(claims) == 10
    assert set(claims.values()) == {1}
    with Registry.open(address) as registry:
        assert len(registry.status_codes()) == 50
        assert [record.stage for record in registry.cases()] == [CaseStage.IMPORTED] * WORKERS
        assert [alert.times_raised for alert in registry.alerts()] == [WORKERS] * 10
        with registry.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT COUNT(*) FROM quality_check_results")) == WORKERS
            assert connection.scalar(sa.text("SELECT COUNT(*) FROM schema_versions")) == 1


def test_threads_that_raise_one_alert_at_once_raise_it_once(store: Registry) -> None:
    def put(_: int) -> bool:
        return store.raise_alert("r", "c", "s", Severity.INFO, "m", ["a@x.example"], NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(24))) == 1
    (alert,) = store.alerts()
    assert alert.times_raised == 24


def test_threads_that_move_one_case_never_skip_a_stage(store: Registry) -> None:
    store.register_case("c", "/x", {}, NOW)

    def move(stage: CaseStage) -> bool:
        try:
            store.set_stage("c", stage, NOW)
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        moved = list(pool.map(move, list(CaseStage) * 4))
    assert any(moved)
    reached = store.current_stage("c")
    done, _ = store.overall_share("c")
    assert reached is not None
    assert store.incomplete_tasks("c", reached) == []
    assert done >= 2
