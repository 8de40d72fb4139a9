"""What evidence cannot show although it seems to, on rows that are judged to the end."""

from typing import Any

import pytest

from m365dq_dagster.adapters.evidence.formats import parse_formats
from m365dq_dagster.adapters.evidence.tables import described_tables
from m365dq_dagster.adapters.sql.landing import create_table
from tests.support.case_runs import Bench, judged, shipped_pack
from tests.support.evidence import ANN, BOB, EVE, Row, at, at_home, operation, rejected, sign_in

KIND = "ACTIVITY_WITHOUT_SIGN_IN"


def work(account: str = BOB, address: str = EVE, times: int = 3, day: float = 30, **columns: object) -> list[Row]:
    return [operation("FileAccessed", account, at(day, n), address=address, **columns) for n in range(times)]


def refused(account: str = BOB, address: str = EVE) -> list[Row]:
    """Wrong passwords on both sides of the work, all from one address."""
    return [sign_in(account, at(day), "RU", "50126", address=address) for day in (29, 29.5, 31, 31.5, 32)]


def conflict(document: dict[str, Any]) -> dict[str, Any] | None:
    return next((one for one in document["conflicts"] if one["kind"] == KIND), None)


def test_work_from_an_address_that_was_refused_keeps_all_blocked_from_being_said() -> None:
    blocked = Bench().judge(refused(), home=["AU"])
    found = Bench().judge([*refused(), *work()], home=["AU"])
    assert (blocked["status"], found["status"]) == ("ALL_BLOCKED", "CANNOT_CONCLUDE")
    assert conflict(found) == {
        "kind": KIND,
        "rows": 3,
        "detail": conflict(found)["detail"],  # type: ignore[index]
        "example_event_ids": ["2:1", "2:2", "2:3"],
    }
    assert found["by_account"][BOB]["verdict"] == "CANNOT_CONCLUDE"
    assert "3 actions in the audit log come from an address" in found["by_account"][BOB]["reasons"][0]
    finding = next(one for one in found["findings"] if one.get("account") == BOB)
    assert finding["evidence"] == [{"file": "AuditLog.csv", "row": row} for row in (1, 2, 3)]
    assert any("holds no success, yet the audit log shows 1 account at work" in one for one in found["cannot_conclude"])


def test_work_of_an_account_that_was_refused_elsewhere_is_told_and_leaves_its_verdict() -> None:
    found = Bench().judge([*at_home(), *refused(), *work(address="203.0.113.9")], home=["AU"])
    assert conflict(found)
    assert found["by_account"][BOB]["verdict"] == "TARGETED"
    assert found["status"] == "NO_BREACH_INDICATED"


@pytest.mark.parametrize(
    "rows",
    [
        [*at_home(BOB), *refused(), *work()],
        [*at_home(), *refused(), *work(day=300)],
        [*at_home(), *refused(), *work(is_person=False)],
        [*at_home(), *refused("scanner"), *work("scanner")],
        [*at_home(), *refused(), operation("UserLoggedIn", BOB, at(30), address=EVE, is_logon=True, error_number="0")],
        [*at_home(), *refused(), *work(account=ANN)],
    ],
    ids=["let in", "outside of the sign-ins' time", "a system", "no name of a person", "a logon", "another account"],
)
def test_other_activity_contradicts_nothing(rows: list[Row]) -> None:
    assert conflict(Bench().judge(rows, home=["AU"])) is None


def test_work_without_any_sign_in_contradicts_a_log_that_holds_sign_ins_by_token() -> None:
    seen = [*at_home(), *rejected(ANN, 1, at(10, 30), "AU")]
    silent = Bench().judge([*seen, *work()], home=["AU"])
    told = Bench().judge([*seen, *at_home(is_interactive=False), *work()], home=["AU"])
    assert conflict(silent) is None
    assert any("How 1 account got in: bob@contoso.example" in one for one in silent["not_tested"])
    assert conflict(told)
    assert silent["status"] == told["status"] == "NO_BREACH_INDICATED"
    guest = Bench().judge([*seen, *at_home(is_interactive=False), *work("guest@other.example")], home=["AU"])
    assert conflict(guest) is None
    assert any("guest@other.example is at work" in one for one in guest["not_tested"])


def test_a_file_whose_dates_are_ambiguous_says_nothing_of_when_somebody_worked() -> None:
    with Bench().run([*refused(), *work()], home=["AU"]) as run:
        run.con.execute("UPDATE files SET date_order = 'AMBIGUOUS' WHERE file_id = 2")
        found = judged(run)
    assert conflict(found) is None
    assert not any("arrive late" in one for one in found["not_tested"])


def test_policies_are_named_from_every_log_that_tells_of_them() -> None:
    change = operation("Update policy.", ANN, at(20), object_id="Require MFA")
    before = operation("Add conditional access policy.", ANN, at(-20), object_id="Block legacy")
    with Bench().run([*at_home(), change, before], home=["AU"]) as run:
        described = described_tables(parse_formats(shipped_pack().formats))
        for table in ("entra_audit_logs", "ca_policies"):
            run.con.execute(create_table(table, described[table]))
        run.con.execute(
            "INSERT INTO entra_audit_logs BY NAME SELECT 9 AS file_id, 1 AS row_no, TIMESTAMP '2026-01-25 09:00:20' AS "
            "event_time, 'Update conditional access policy' AS activity, 'Require MFA' AS target_display_name, "
            "'adm@contoso.example' AS account, 'success' AS result"
        )
        run.con.execute(
            "INSERT INTO ca_policies BY NAME SELECT 9 AS file_id, 1 AS row_no, TIMESTAMP '2026-03-01' AS created_time, "
            "TIMESTAMP '2026-03-01' AS event_time, 'New one' AS display_name"
        )
        found = judged(run)
    (told,) = [one for one in found["not_tested"] if "Conditional Access would have stopped" in one]
    assert "2 policies were made or changed" in told
    assert f"'Require MFA' changed 2026-01-25 09:00 by {ANN}" in told or "by adm@contoso.example" in told
    assert "'New one' made 2026-03-01 00:00" in told
    assert "Block legacy" not in told


def test_a_case_without_times_names_no_policy() -> None:
    change = operation("Update conditional access policy.", ANN, at(20), object_id="Require MFA")
    found = Bench().judge([sign_in(ANN, None), change], home=["AU"])
    assert not any("would have stopped" in one for one in found["not_tested"])


def test_rejections_are_no_refusal_of_an_account_that_was_let_in_later() -> None:
    found = Bench().judge([*at_home(), *rejected(BOB), sign_in(BOB, at(31)), *work(day=30.5)], home=["AU"])
    assert conflict(found) is None
