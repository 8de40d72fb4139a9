"""What an unknown code or word means for verdicts, tried through the stages and the real engine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.case_runs import Bench
from tests.support.drawn_cases import ANN, BOB, CASES, CY, SHARED, UNKNOWN_CODE, healthy
from tests.support.evidence import EVE, Row, abroad, at, at_home, logon, operation, rejected, sign_in

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
    """A sign-in of a code in no table, by anybody from anywhere, within the time of the case. From an address that others
    use too it states no country: where an address is does not depend on what came of its sign-ins.
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
        assert CLEARER.index(other["verdict"]) <= CLEARER.index(one["verdict"]), (name, one["reasons"], other["reasons"])
    assert CASE_CLEARER.index(after["status"]) <= CASE_CLEARER.index(before["status"])
    for key in ("SUCCESS", "FAILURE"):
        assert after["sign_ins"]["normalized"][key] == before["sign_ins"]["normalized"][key]
    told = {row["account"] for row in after["accounts"] if row["leaned_on_unknown"]}
    assert {row.columns["account"] for row in more} - {None} <= told
