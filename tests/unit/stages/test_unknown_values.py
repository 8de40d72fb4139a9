"""What an unknown code or word means for verdicts, tried through the stages and the real engine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.case_runs import Bench, judged
from tests.support.drawn_cases import ANN, BOB, CASES, CY, SHARED, UNKNOWN_CODE, healthy
from tests.support.evidence import EVE, Row, abroad, at, at_home, legacy, logon, operation, rejected, sign_in

FEW = settings(max_examples=max(1, settings.default.max_examples // 10))
"""Every example judges two whole cases."""
HOME = ["AU"]
CLEARER = ("COMPROMISE_INDICATED", "SUSPICIOUS", "CANNOT_CONCLUDE", "CREDENTIAL_EXPOSED", "TARGETED", "NO_INDICATION")
CASE_CLEARER = ("BREACH_INDICATED", "CANNOT_CONCLUDE", "ALL_BLOCKED", "NO_BREACH_INDICATED")
COUNTS = (
    "success",
    "blocked_after_first_factor",
    "rejected",
    "foreign_success",
    "foreign_attempts",
    "foreign_success_flows",
    "foreign_attempt_success_rate",
    "foreign_share_of_success",
)


def judge(rows: Sequence[Row], **given: Any) -> dict[str, Any]:
    return Bench().judge(rows, **{"home": HOME, **given})


@st.composite
def unknown_rows(draw: st.DrawFn) -> Row:
    """A sign-in of a code in no table, by anybody from anywhere, within the time of the case. From an address that
    others use too it states no country: where an address is does not depend on what came of its sign-ins.
    """
    account = draw(st.sampled_from([ANN, BOB, CY, None]))
    address = draw(st.sampled_from([None, EVE, SHARED]))
    return sign_in(
        account,
        at(draw(st.integers(0, 22)), draw(st.integers(0, 40))),
        None if address else draw(st.sampled_from(["AU", "RU", "NZ", None])),
        UNKNOWN_CODE,
        status=draw(st.sampled_from([None, "Success", "Failure"])),
        access=draw(st.sampled_from([None, "success", "failure", "notApplied"])),
        **({"address": address} if address else {}),
    )


@FEW
@given(CASES, st.lists(unknown_rows(), min_size=1, max_size=6), st.sampled_from([HOME, []]))
def test_rows_of_an_unknown_code_count_for_nobody_and_clear_nothing(
    rows: list[Row], more: list[Row], home: list[str]
) -> None:
    before, after = judge(rows, home=home), judge([*rows, *more], home=home)
    for name, one in before["by_account"].items():
        other = after["by_account"][name]
        assert [other[key] for key in COUNTS] == [one[key] for key in COUNTS], name
        why = (name, one["reasons"], other["reasons"])
        assert CLEARER.index(other["verdict"]) <= CLEARER.index(one["verdict"]), why
    assert CASE_CLEARER.index(after["status"]) <= CASE_CLEARER.index(before["status"])
    for key in ("SUCCESS", "FAILURE"):
        assert after["sign_ins"]["normalized"][key] == before["sign_ins"]["normalized"][key]
    coloured = {row["account"] for row in after["accounts"] if row["leaned_on_unknown"]}
    assert {row.columns["account"] for row in more} - {None} <= coloured


def test_no_view_counts_an_unknown_code_as_success_or_failure() -> None:
    rows = [
        *healthy(),
        *[sign_in(CY, at(9, n), code=UNKNOWN_CODE, status="Success", access="success") for n in range(3)],
    ]
    with Bench().run(rows, home=HOME) as run:
        judged(run)
        query = (
            "SELECT normalized_status, count(*) FROM v_normalized_status WHERE user_id = ? GROUP BY ALL ORDER BY ALL"
        )
        found = run.con.execute(query, [CY]).fetchall()
        flows = run.con.execute("SELECT count(*) FROM flows WHERE outcome = 'UNKNOWN' AND NOT is_attempt").fetchone()
    assert [status for status, _ in found] == ["FAILURE", "SUCCESS", "UNKNOWN"]
    assert dict(found)["UNKNOWN"] == 3
    assert flows == (3,)


def told(found: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    return [(row["log_type"], row["field"], row["value"], row["rows"]) for row in found["leaned_on_unknown"]]


def test_an_unknown_word_that_leaves_sign_ins_open_keeps_an_account_from_being_cleared() -> None:
    found = judge([*healthy(), *[sign_in(CY, at(9, n), code=None, status="Sucess") for n in range(2)]])
    assert found["by_account"][CY]["verdict"] == "CANNOT_CONCLUDE"
    assert told(found["by_account"][CY]) == told(found) == [("sign_in_logs", "status", "Sucess", 2)]
    assert "status 'Sucess' (2 rows)" in found["cannot_conclude"][0]
    (row,) = found["unknown_values"]
    assert (row["alerts"], row["kind"]) == (True, "witness")
    assert row["look_up"] == "m365dq codes lookup Sucess"
    assert row["settle"] == "m365dq codes add --category C --severity S --meaning TEXT sign_in_logs status Sucess"


def test_an_unknown_word_beside_a_known_code_leaves_nothing_open() -> None:
    found = judge([*healthy(), sign_in(CY, at(9), status="Sucess")])
    assert found["by_account"][CY]["verdict"] == "NO_INDICATION"
    assert found["leaned_on_unknown"] == []
    assert [row["value"] for row in found["unknown_values"]] == ["Sucess"]


def test_an_unknown_code_of_a_logon_that_only_the_audit_log_tells_counts_as_well() -> None:
    rows = [*healthy(), *[logon(CY, at(day)) for day in range(9)], logon(CY, at(9), UNKNOWN_CODE)]
    found = judge(rows)
    assert found["by_account"][CY]["verdict"] == "CANNOT_CONCLUDE"
    assert told(found) == [("unified_audit_log", "error_number", UNKNOWN_CODE, 1)]
    (finding,) = [one for one in found["findings"] if one.get("account") == CY]
    assert told(finding) == told(found)
    assert [line["row"] for line in finding["evidence"]] == [10]


def test_a_copy_of_a_sign_in_in_a_legacy_export_is_not_told_twice() -> None:
    row = sign_in(CY, at(9), code=UNKNOWN_CODE, client_app_used="IMAP4")
    more = [legacy(BOB, at(day), code=code) for day, code in enumerate(["0", "50126", "0", "50126", "50053"])]
    found = judge([*healthy(), *more, row, replace(row, table="legacy_auth_logs")])
    assert told(found["by_account"][CY]) == [("sign_in_logs", "status_error_code", UNKNOWN_CODE, 1)]


def test_what_a_sign_in_without_an_account_leaves_open_keeps_the_case_open() -> None:
    found = judge([*healthy(), sign_in(None, at(9), code=UNKNOWN_CODE)])
    assert found["status"] == "CANNOT_CONCLUDE"
    assert found["cannot_conclude"][0].startswith("1 sign-in carries a value that is in no table: code 512345 (1 row).")
    assert not any(row["leaned_on_unknown"] for row in found["accounts"])


def test_a_compromise_says_what_it_did_not_lean_on() -> None:
    rows = [*healthy(), *rejected(ANN), *abroad(ANN, 30), sign_in(ANN, at(12), "RU", UNKNOWN_CODE)]
    one = judge(rows)["by_account"][ANN]
    assert one["verdict"] == "COMPROMISE_INDICATED"
    assert one["reasons"][-1].startswith("Beside that, 1 sign-in carries a value that is in no table: code 512345")


def test_unknown_operations_and_clients_are_shown_alert_nobody_and_clear_nobody_less() -> None:
    rows = [*healthy(), operation("PageViewed", BOB, at(3)), sign_in(BOB, at(4), client_app_used="Telnet")]
    found = judge(rows)
    assert sorted(row["value"] for row in found["unknown_values"]) == ["PageViewed", "Telnet"]
    assert not any(row["alerts"] for row in found["unknown_values"])
    assert found["leaned_on_unknown"] == []
    assert found["by_account"][BOB]["verdict"] == "NO_INDICATION"
    assert any("What 1 operation of the unified audit log in no table means" in text for text in found["not_tested"])


def test_what_cannot_be_named_on_a_command_line_is_not() -> None:
    flood = [sign_in(BOB, at(4, n), client_app_used=f"client {n}") for n in range(60)]
    rest = [row for row in judge([*healthy(), *flood])["unknown_values"] if row["values"] > 1]
    assert [(row["value"], row["values"], row["rows"]) for row in rest] == [("(other values)", 10, 10)]
    assert "look_up" not in rest[0]


def test_owners_who_are_known_stay_so_while_another_ones_code_is_unknown() -> None:
    alone, with_other = judge(healthy()), judge([*healthy(), sign_in(CY, at(9), code=UNKNOWN_CODE)])
    for name in (ANN, BOB):
        assert with_other["by_account"][name] == alone["by_account"][name]
    assert alone["status"] == "NO_BREACH_INDICATED"


def test_a_shared_list_is_remembered_under_one_name() -> None:
    bench = Bench()
    bench.judge([*at_home(), sign_in(risk_level_during="odd"), sign_in(risk_level_aggregated="odd")], home=HOME)
    (sightings,) = [given for name, given in bench.registry.heard if name == "record_sightings"]
    rows = {one[:3]: one[3] for one in sightings[1]}
    assert rows["sign_in_logs", "risk_level", "odd"] == 2
    assert ("sign_in_logs", "risk_level", "odd") in sightings[3]
