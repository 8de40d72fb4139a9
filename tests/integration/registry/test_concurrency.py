from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import sqlalchemy as sa

from m365dq_dagster.adapters.registry import CaseStage, Registry
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from tests.support.registry_work import NOW, write_everything

WORKERS = 3


def test_processes_that_write_at_once_lose_nothing_and_double_nothing(address: str) -> None:
    Registry.open(address).close()
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(write_everything, [(address, number) for number in range(WORKERS)]))
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
