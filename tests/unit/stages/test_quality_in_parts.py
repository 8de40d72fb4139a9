"""A field that tells in one part of the evidence and not in another, from the rows to the verdict."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from m365dq_dagster.stages import quality
from tests.support.case_runs import Bench, judged
from tests.support.evidence import ANN, BOB, Row, at, sign_in

TYPE_NAME = "Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus"


def field(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["fields"] if (one["log_type"], one["field"]) == ("sign_in_logs", name)]
    return dict(found)


def day_of(number: int, *, stuck: str | None = None, **columns: object) -> list[Row]:
    """Ten sign-ins of a day, two of them rejected and one stopped by a policy; `stuck` overwrites every code."""
    found = []
    for turn in range(10):
        code, access = ("50126", "notApplied") if turn < 2 else ("53003", "failure") if turn == 2 else ("0", "success")
        when = at(number, 60 * turn)
        account = (ANN, BOB)[turn % 2]
        found.append(sign_in(account, when, code=stuck or code, access=access, **columns))
    return found


def days(first: int, last: int, **given: Any) -> list[Row]:
    return [row for number in range(first, last) for row in day_of(number, **given)]


def lost(first: int, last: int, **columns: object) -> list[Row]:
    """Days whose status object was not expanded."""
    found = days(first, last, **columns)
    wiped = {"status_error_code": None, "status_error_code_raw": TYPE_NAME, "status_raw": TYPE_NAME}
    return [Row(row.table, {**row.columns, **wiped}) for row in found]


def test_the_codes_of_a_good_export_decide_and_those_of_a_bad_one_do_not() -> None:
    found = Bench().judge([*days(0, 10), *lost(10, 25, file_id=9)], home=["AU"])
    code = field(found, "status_error_code")
    assert (code["may_testify"], code["state"]) == (True, "RELIABLE")
    assert [(part["file_id"], part["rows"], part["heard"]) for part in code["parts"]] == [(9, 150, "NOT")]
    assert code["population"] == pytest.approx(0.4)
    assert found["sign_ins"]["by_outcome"]["REJECTED"] == 20
    assert found["sign_ins"]["by_outcome"]["UNKNOWN"] == 30


def test_an_invented_code_in_one_file_does_not_reject_the_codes_of_another() -> None:
    found = Bench().judge([*days(0, 10), *days(0, 20, stuck="1", file_id=9)], home=["AU"])
    assert field(found, "status_error_code")["may_testify"]
    assert found["sign_ins"]["by_outcome"]["REJECTED"] == 20


def test_a_code_lost_on_other_sign_ins_is_told_by_type() -> None:
    quiet = {"is_interactive": False, "sign_in_event_type": "nonInteractiveUser"}
    found = Bench().judge([*days(0, 10), *lost(0, 10, **quiet)], home=["AU"])
    types = {one["sign_in_type"]: one for one in field(found, "status_error_code")["by_sign_in_type"]}
    assert types["interactiveuser"]["may_testify"]
    assert (types["noninteractiveuser"]["state"], types["noninteractiveuser"]["may_testify"]) == ("CORRUPTED", False)
    assert types["noninteractiveuser"]["population"] == 0.0


def test_a_code_that_is_stuck_at_zero_from_a_day_on_is_a_change_point_with_its_date() -> None:
    found = Bench().judge([*days(0, 10), *days(10, 20, stuck="0")], home=["AU"])
    code = field(found, "status_error_code")
    (change,) = code["change_points"]
    assert (change["kind"], change["sign_in_type"], change["after"]) == ("BECAME_CONSTANT", "interactiveuser", 1.0)
    assert change["date"] == at(10).date().isoformat()
    assert found["sign_ins"]["by_outcome"]["BLOCKED_AFTER_FIRST_FACTOR"] == 20
    assert found["sign_ins"]["by_outcome"]["UNKNOWN"] == 20
    (note,) = [row for row in found["quality"]["notes"] if row["check"] == "outcome_fields_hold_throughout"]
    assert note["code"] == "FIELD_CHANGES_WITHIN_THE_LOG"
    assert change["date"] in note["reason"]


@pytest.mark.parametrize("access", ["kept", "gone"])
def test_a_code_that_is_stuck_at_a_failure_from_a_day_on_never_clears_the_case(access: str) -> None:
    hidden = [sign_in(ANN, at(20, n), "RU", "50126", access="success") for n in range(12)]
    rows = [*days(0, 10), *days(10, 25, stuck="50126"), *hidden]
    if access == "gone":
        rows = [Row(row.table, {**row.columns, "conditional_access_status": None}) for row in rows]
    found = Bench().judge(rows, home=["AU"])
    assert found["status"] == ("BREACH_INDICATED" if access == "kept" else "CANNOT_CONCLUDE")
    assert found["sign_ins"]["by_outcome"].get("REJECTED") == 20


def test_a_column_that_goes_dark_is_published_by_day() -> None:
    dark = [Row(row.table, {**row.columns, "status_error_code": None}) for row in days(10, 20)]
    found = Bench().judge([*days(0, 10), *dark], home=["AU"])
    code = field(found, "status_error_code")
    assert [change["kind"] for change in code["change_points"]] == ["WENT_DARK"]
    assert code["parts"] == []
    assert len(code["by_day"]) == 20
    assert code["by_day"][0] == {
        "date": at(0).date().isoformat(),
        "applicable_rows": 10,
        "population": 1.0,
        "top_value": "0",
        "top_share": 0.7,
    }
    assert (code["by_day"][19]["population"], code["by_day"][19]["top_value"]) == (0.0, None)


def test_judging_again_from_the_kept_counts_finds_the_same_parts() -> None:
    with Bench().run([*days(0, 10), *days(10, 20, stuck="0")], home=["AU"]) as run:
        first = quality.run(run).fields
        assert quality.judged_fields(replace(run, memory={})) == first
        once = judged(run)["sign_ins"]
        assert judged(run)["sign_ins"] == once


def test_duplicated_evidence_changes_no_state_and_no_day() -> None:
    rows = [*days(0, 10), *days(10, 20, stuck="0")]
    once, twice = Bench().judge(rows, home=["AU"]), Bench().judge([*rows, *rows], home=["AU"])
    for name in ("status_error_code", "conditional_access_status"):
        first, second = field(once, name), field(twice, name)
        assert (first["state"], first["may_testify"]) == (second["state"], second["may_testify"])
        assert [row["date"] for row in first["change_points"]] == [row["date"] for row in second["change_points"]]


def test_theils_u_is_null_without_another_witness_and_published_beside_the_entropy() -> None:
    found = Bench().judge(days(0, 10), home=["AU"])
    assert field(found, "status_error_code")["theils_u"] is None
    told = [
        Row(row.table, {**row.columns, "status": "Success" if row.columns["status_error_code"] == "0" else "Failure"})
        for row in days(0, 10)
    ]
    assert field(Bench().judge(told, home=["AU"]), "status_error_code")["theils_u"] == 1.0
