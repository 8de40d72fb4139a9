"""What holds of every case, tried on drawn ones through the stages and the real engine."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from m365dq_dagster.stages import intake
from tests.support.case_runs import Bench, judged
from tests.support.drawn_cases import ANN, BOB, CASES, FAILURE_CODES, UNKNOWN_CODE, healthy, owners, sign_ins
from tests.support.evidence import Row, at, sign_in
from tests.support.judgement import TYPE_NAME
from tests.support.sign_in_folder import HEADER

FEW = settings(max_examples=max(1, settings.default.max_examples // 15))
"""Every example judges a whole case, and most of them two."""
CODE, TEXT, CA = "status_error_code", "status", "conditional_access_status"
MOMENTARY = ("seconds", "started_at")


def document(rows: Sequence[Row], **given: Any) -> dict[str, Any]:
    """The case document of rows, without what differs between any two runs."""
    found = Bench().judge(rows, **{"home": ["AU"], **given})
    return {key: value for key, value in found.items() if key not in MOMENTARY}


def outcomes(rows: Sequence[Row], **given: Any) -> dict[tuple[int, int], tuple[str, str]]:
    """Outcome and confidence of every judged row."""
    with Bench().run(rows, **{"home": ["AU"], **given}) as run:
        judged(run)
        found = run.con.execute("SELECT file_id, row_no, outcome, confidence FROM events").fetchall()
    return {(file_id, row_no): (outcome, confidence) for file_id, row_no, outcome, confidence in found}


def changed(rows: Sequence[Row], **columns: object) -> list[Row]:
    """The rows with these columns of every sign-in overwritten."""
    return [replace(one, columns={**one.columns, **columns}) if one.table == "sign_in_logs" else one for one in rows]


@FEW
@given(CASES, st.integers(0, 999), st.sampled_from([["AU"], []]))
def test_the_order_of_rows_never_matters(rows: list[Row], order: int, home: list[str]) -> None:
    assert document(rows, home=home, shuffled=order) == document(rows, home=home)


@FEW
@given(
    CASES,
    st.sampled_from([ANN, BOB]),
    st.sampled_from([("0", "SUCCESS"), ("50126", "REJECTED"), ("50053", "NOT_EVALUATED"), ("53003", None)]),
    st.integers(1, 4),
)
def test_rows_of_a_known_outcome_move_its_counts_and_its_rate_by_just_that(
    rows: list[Row], account: str, told: tuple[str, str | None], times: int
) -> None:
    # Both days are days of success of the account already, so that no home is learned or lost by the new rows.
    code, outcome = told[0], told[1] or "BLOCKED_AFTER_FIRST_FACTOR"
    texts = {
        "status": "Success" if code == "0" else "Failure",
        "access": {"0": "success", "53003": "failure"}.get(code),
    }
    added = [sign_in(account, at(4, 50 + n), "KP", code, address="203.0.113.77", **texts) for n in range(times)]
    before, after = document(rows), document([*rows, *added])
    if states(before) != states(after):
        return  # the new rows changed what the fields are worth, and with that what the old rows say
    assert count(after, outcome) == count(before, outcome) + times
    was, is_now = before["by_account"][account], after["by_account"][account]
    assert is_now["foreign_attempts"] == was["foreign_attempts"] + times
    assert is_now["foreign_success_flows"] == was["foreign_success_flows"] + times * (code == "0")
    old, new = was["foreign_attempt_success_rate"], is_now["foreign_attempt_success_rate"]
    if old is not None:
        assert new >= old if code == "0" else new <= old
    assert before["sign_ins"]["decision_coverage"] <= after["sign_ins"]["decision_coverage"]


def states(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["log_type"], one["field"], one["state"]) for one in found["fields"]]


def count(found: dict[str, Any], outcome: str) -> int:
    return int(found["sign_ins"]["by_outcome"].get(outcome, 0))


@FEW
@given(st.sampled_from(["0", "1", *FAILURE_CODES, TYPE_NAME]), st.booleans(), st.integers(25, 26))
@example("90072", False, 25)
@example(TYPE_NAME, False, 25)
def test_overwriting_every_code_turns_a_healthy_case_into_oculus_and_moves_the_recommendation(
    constant: str, text: bool, days: int
) -> None:
    rows = tenant(days, text=text)
    assert recommended(days, text=text) == CODE
    lost = {CODE: None, f"{CODE}_raw": TYPE_NAME} if constant == TYPE_NAME else {CODE: constant}
    after = document(changed(rows, **lost))
    field = next(one for one in after["fields"] if one["field"] == CODE)
    assert field["reasons"]
    if field["may_testify"]:
        # A constant that could be true is heard for its rows, and no verdict rests on it.
        assert (constant, field["state"], field["firm"]) == ("90072", "UNIFORM", False)
    else:
        found = after["recommended"]["sign_in_logs"]
        assert found["field"] == (TEXT if text else CA)
        assert CODE in found["instead_of"]
    assert after["status"] != "ALL_BLOCKED"


def tenant(days: int, *, text: bool) -> list[Row]:
    """A healthy tenant, with a status text or without one."""
    return healthy(days) if text else changed(healthy(days), status=None, status_raw=None)


@cache
def recommended(days: int, *, text: bool) -> str:
    """The field to judge that tenant by."""
    return str(document(tenant(days, text=text))["recommended"]["sign_in_logs"]["field"])


@FEW
@given(st.lists(sign_ins(), min_size=4, max_size=24), st.sampled_from([CODE, TEXT, CA]))
@example([sign_in(code=UNKNOWN_CODE, status="Success", access="success") for _ in range(6)], CODE)
def test_removing_a_witness_never_turns_unknown_into_certainty(drawn: list[Row], witness: str) -> None:
    rows = [*owners(), *drawn]
    before, after = outcomes(rows), outcomes(changed(rows, **{witness: None, f"{witness}_raw": None}))
    for row, (outcome, _) in before.items():
        if outcome in ("UNKNOWN", "CONFLICT") and row in after:
            assert after[row][1] != "HIGH" or (outcome == "CONFLICT" and witness == TEXT)


@FEW
@given(CASES, st.integers(1, 30))
def test_success_against_failure_in_one_row_is_always_found(rows: list[Row], times: int) -> None:
    injected = [sign_in(ANN, at(3, n), "AU", "0", status="Failure", access="success") for n in range(times)]
    found = document([*rows, *injected])
    before = document(rows)
    heard = {one["field"] for one in found["fields"] if one["may_testify"]}
    told = kinds(found).get("CODE_AGAINST_TEXT", 0) - kinds(before).get("CODE_AGAINST_TEXT", 0)
    rejected = [one for one in found["fields"] if one["field"] in (CODE, TEXT) and not one["may_testify"]]
    if {CODE, TEXT} <= heard:
        assert told >= times
    else:
        assert all(one["state"] in ("CONTRADICTED", "UNRELIABLE", "CORRUPTED") and one["reasons"] for one in rejected)


def kinds(found: dict[str, Any]) -> dict[str, int]:
    return {one["kind"]: one["rows"] for one in found["conflicts"]}


@FEW
@given(CASES, st.integers(1, 9))
def test_every_other_contradiction_is_found_as_often_as_it_was_put_in(rows: list[Row], times: int) -> None:
    before = kinds(document(rows))
    two_copies = [sign_in(ANN, at(3, n), "AU", "0", status_error_code_copy="50126") for n in range(times)]
    denied = [sign_in(BOB, at(5, n), "AU", "0", status="Success", access="failure") for n in range(times)]
    moved = [sign_in(ANN, at(7, n), country, address="203.0.113.9") for n, country in enumerate(["AU", "NZ"])]
    found = document([*rows, *two_copies, *denied, *moved])
    heard = {one["field"] for one in found["fields"] if one["may_testify"]}
    if CODE not in heard:
        return  # what a struck column says is no contradiction but the reason why it was struck
    after = kinds(found)
    assert after["CODE_COPIES_DIFFER"] == before.get("CODE_COPIES_DIFFER", 0) + times
    assert after["CODE_ZERO_BUT_CA_FAILURE"] == before.get("CODE_ZERO_BUT_CA_FAILURE", 0) + times
    assert any("203.0.113.9 was placed in 2 countries" in one["detail"] for one in found["conflicts"])


exported = st.builds(
    lambda who, day, minute, code, access, country: (who, day, minute, code, access, country),
    st.integers(0, 3),
    st.integers(0, 20),
    st.integers(0, 50),
    st.sampled_from(["0", "0", "0", "50126", "53003", "50074", UNKNOWN_CODE, ""]),
    st.sampled_from(["success", "failure", "notApplied"]),
    st.sampled_from(["AU", "AU", "RU"]),
)
LINE = tuple[int, int, int, str, str, str]


@FEW
@given(st.lists(exported, min_size=6, max_size=30), st.data())
def test_evidence_that_lies_there_twice_never_changes_a_verdict(rows: list[LINE], data: st.DataObject) -> None:
    numbers = range(len(rows))
    again = data.draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=40), label="lines that come again")
    elsewhere = data.draw(st.sets(st.sampled_from(numbers)), label="lines of a second export")
    with TemporaryDirectory() as once, TemporaryDirectory() as twice:
        write_export(Path(once) / "SigninLogs.csv", rows, numbers)
        write_export(Path(twice) / "SigninLogs.csv", rows, [*numbers, *again])
        write_export(Path(twice) / "later" / "SigninLogs-2.csv", rows, sorted(elsewhere, reverse=True))
        assert concluded(Path(twice)) == concluded(Path(once))


def write_export(path: Path, rows: Sequence[LINE], numbers: Iterable[int]) -> None:
    """Write these lines of a Sentinel export, each with its own id."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in numbers:
            who, day, minute, code, access, country = rows[number]
            when = f"{at(day, minute):%Y-%m-%dT%H:%M:%SZ}"
            who_else = [f"p{who}@contoso.example", f"u{who}", "Office 365", f"192.0.2.{who}"]
            where = json.dumps({"countryOrRegion": country})
            writer.writerow([when, f"id-{number:05}", f"flow-{number:05}", *who_else, where, code, access, "true"])


def concluded(folder: Path) -> dict[str, Any]:
    """What is concluded of a folder: the document without its ledger, in which copies are to be seen."""
    with Bench(folder=folder).run([], home=["AU"]) as run:
        intake.run(run)
        found = judged(run)
    return {key: value for key, value in found.items() if key not in (*MOMENTARY, *LEDGER)}


LEDGER = ("files", "quarantine", "completeness", "stale", "schema_versions")
"""Parts of the document that tell which file held what."""
