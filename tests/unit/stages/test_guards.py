from pathlib import Path

import pytest

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.table_guards import Fault, Guarded
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages import guards
from tests.support.case_runs import Bench, judged, pack_without
from tests.support.evidence import sign_in


@pytest.fixture
def bench(registry: Registry, tmp_path: Path) -> Bench:
    return Bench(registry, tmp_path)


def test_the_tables_of_a_judged_case_are_sound(bench: Bench) -> None:
    with bench.run([sign_in(event_id=f"e{n}", code="0" if n % 3 else "50126") for n in range(30)]) as run:
        judged(run)
        run.con.execute("CREATE TABLE IF NOT EXISTS findings (position INTEGER, body VARCHAR)")
        checks = guards.run(run).checks
    assert [(check.name, check.passed) for check in checks] == [
        ("evidence_tables_sound", True),
        ("reliability_tables_sound", True),
        ("verification_tables_sound", True),
    ]


def test_a_broken_rule_is_a_fault_of_the_product_and_names_table_column_and_rule() -> None:
    tables = [Guarded("events", 9, (Fault("outcome", "one of our words"),)), Guarded("flows", 4, ())]
    check = guards.as_check("c1", "verification", tables)
    assert (check.passed, check.blocking, check.severity) == (False, False, Severity.CRITICAL)
    assert check.headline.startswith(
        "Case c1: 1 rules of our own tables are broken, first events.outcome (one of our words)"
    )
    assert check.table == ({"table": "events", "column": "outcome", "rule": "one of our words"},)
    assert check.reason == "TABLE_RULE_BROKEN"


def test_guards_that_are_switched_off_are_not_asked_and_say_so(bench: Bench) -> None:
    with bench.run([sign_in()], pack=pack_without("evidence_tables_sound")) as run:
        (check,) = guards.run(run, ["evidence"]).checks
    assert (check.passed, check.switched_off) == (False, True)
    assert check.headline == "Case tiny: evidence_tables_sound is switched off by policy, so nothing was asked."
