import pytest

from m365dq_dagster.adapters.synthetic.auditing import ROUTINES, everyday_records
from m365dq_dagster.adapters.synthetic.draws import Draws
from m365dq_dagster.adapters.synthetic.tenant import staff


def test_the_weights_of_the_routines_sum_to_one() -> None:
    assert sum(kind.weight for kind in ROUTINES) == pytest.approx(1)


def test_everyday_records_hold_every_routine_and_the_systems_own_work() -> None:
    people = staff(Draws(1, "people"), 3)
    records = everyday_records(Draws(1, "day"), people, 2_000)
    operations = {record.operation for record in records}
    assert operations == {kind.operation for kind in ROUTINES} | {"Set-Mailbox"}
    assert {r.account for r in records if r.operation == "Set-Mailbox"} == {
        "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.Servicehost)"
    }


def test_addresses_of_the_audit_log_come_bare_with_a_port_and_in_brackets() -> None:
    people = staff(Draws(1, "people"), 3)
    records = everyday_records(Draws(1, "day"), people, 400)
    forms = {
        str(record.details.get("ClientIP", ""))[:1] + str(":" in str(record.details.get("ClientIP", "")))
        for record in records
        if record.workload == "SharePoint"
    }
    assert {"2False", "2True", "[True"} <= forms
