"""The rivals do what their texts say, no better and no worse."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.outcome import AccountVerdict, CaseVerdict, LogType
from m365dq_dagster.core.rivals import Column, Export, Reading, literal, logons, naive, recommended, trusted_field

BREACH, BLOCKED = CaseVerdict.BREACH_INDICATED, CaseVerdict.ALL_BLOCKED
NO_BREACH, OPEN = CaseVerdict.NO_BREACH_INDICATED, CaseVerdict.CANNOT_CONCLUDE
GUILTY = AccountVerdict.COMPROMISE_INDICATED
PORTAL = Export(
    1,
    LogType.SIGN_IN,
    ("Date (UTC)", "Status", "Sign-in error code", "Conditional Access"),
    {"status": "Status", "status_error_code": "Sign-in error code", "conditional_access_status": "Conditional Access"},
)
GRAPH = Export(
    1,
    LogType.SIGN_IN,
    ("id", "conditionalAccessStatus", "status"),
    {"status_error_code": "status.errorCode", "conditional_access_status": "conditionalAccessStatus"},
)
POWERSHELL = Export(1, LogType.SIGN_IN, ("User", "Status"), {"status": "Status", "status_error_code": "Status"})


def said(
    country: str | None = "AU",
    rows: int = 1,
    *,
    status: str | None = None,
    code: str | None = None,
    access: str | None = None,
    account: str | None = "ann",
    log: LogType = LogType.SIGN_IN,
    **texts: str,
) -> Reading:
    own = {"status": status, "status_error_code": code, "conditional_access_status": access, **texts}
    return Reading(1, log, own, account, country, rows)


def logon(operation: str, result: str, country: str | None = "AU") -> Reading:
    return said(country, log=LogType.UAL, operation=operation, result_status=result)


def test_the_naive_analyst_trusts_the_column_that_stands_first() -> None:
    rows = [said(status="Success", code="50126", access="success")]
    assert trusted_field(PORTAL, rows) == "status"
    turned = Export(1, LogType.SIGN_IN, PORTAL.header[::-1], PORTAL.sources)
    assert trusted_field(turned, rows) == "status_error_code"


def test_conditional_access_is_trusted_only_where_there_is_no_status() -> None:
    assert trusted_field(GRAPH, [said(code="0", access="success")]) == "status_error_code"
    assert trusted_field(GRAPH, [said(access="success")]) == "conditional_access_status"
    assert trusted_field(GRAPH, [said()]) is None
    assert trusted_field(GRAPH, []) is None


def test_a_column_read_as_text_and_as_code_is_the_code_where_it_holds_digits() -> None:
    assert trusted_field(POWERSHELL, [said(status="0", code="0")]) == "status_error_code"
    assert trusted_field(POWERSHELL, [said(status="Success", code="Success")]) == "status"


def test_columns_of_an_unknown_place_are_trusted_in_a_fixed_order() -> None:
    rows = [logon("UserLoggedIn", "Success")]
    assert trusted_field(Export(1, LogType.UAL, (), {}), rows) == "result_status"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], OPEN),
        ([said(status="Failure")], BLOCKED),
        ([said(status="Microsoft.Graph.PowerShell.Models.MicrosoftGraphSignInStatus")], BLOCKED),
        ([said(status="Success"), said("RU", status="Failure")], NO_BREACH),
        ([said(rows=2, status="Success"), said("RU", status="Success")], BREACH),
        ([said(rows=2, status="Success"), said(None, status="Success")], NO_BREACH),
        ([said(rows=2, status="succeeded "), said("RU", status="Interrupted")], NO_BREACH),
    ],
)
def test_the_naive_analyst_concludes_from_success_words_and_countries(
    rows: Sequence[Reading], verdict: CaseVerdict
) -> None:
    assert naive(rows, [PORTAL]).verdict is verdict


def test_the_naive_analyst_takes_the_commonest_country_for_home() -> None:
    opinion = naive([said("RU", 5, status="Success"), said("AU", 4, status="Success", account="bob")], [PORTAL])
    assert opinion.verdict is BREACH
    assert opinion.accounts == {"ann": AccountVerdict.NO_INDICATION, "bob": GUILTY}
    assert opinion.recommended == "status"
    assert opinion.headline == "By status: 9 successes, 4 of them outside RU."


def test_an_export_that_nobody_described_is_judged_all_the_same() -> None:
    opinion = naive([said(code="0", account=None)], [])
    assert (opinion.verdict, opinion.recommended, opinion.accounts) == (NO_BREACH, "status_error_code", {})
    assert naive([said(None)], []).headline == "By no column: 0 successes, 0 of them outside home."


def test_logons_of_the_audit_log_are_judged_only_where_there_are_no_sign_ins() -> None:
    sign_in, audit = said(code="0"), logon("UserLoggedIn", "Success")
    assert logons([audit, sign_in]) == [sign_in]
    assert logons([audit]) == [audit]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], OPEN),
        ([said(access="notApplied", code="0")], BLOCKED),
        ([said(access="failure"), said(access="notApplied")], BLOCKED),
        ([said(access="success"), said("RU", 80, access="success"), said("RU", 20, access="failure")], NO_BREACH),
        ([said(access="success"), said("RU", 81, access="success"), said("RU", 20, access="failure")], BREACH),
        ([said(access="success"), said("RU", 81, access="success"), said("RU", 99, access="notApplied")], BREACH),
        ([said(access="success"), said(None, access="success")], NO_BREACH),
        ([logon("UserLoggedIn", "Success")], NO_BREACH),
        ([logon("UserLoginFailed", "Success")], BLOCKED),
        ([logon("UserLoggedIn", "")], BLOCKED),
        ([said(log=LogType.LEGACY, code="0")], NO_BREACH),
        ([said(log=LogType.LEGACY, status="Failure", code="0")], BLOCKED),
        ([said(log=LogType.LEGACY)], BLOCKED),
    ],
)
def test_the_literal_specification_reads_access_and_counts_rates(rows: Sequence[Reading], verdict: CaseVerdict) -> None:
    assert literal(rows, (), ["AU"]).verdict is verdict


def test_the_literal_specification_takes_the_given_homes_else_the_commonest_country() -> None:
    rows = [said("RU", 9, access="success"), said("AU", 1, access="success", account="bob")]
    assert literal(rows, (), ["AU"]).accounts == {"ann": GUILTY, "bob": AccountVerdict.NO_INDICATION}
    assert literal(rows, ()).accounts == {"ann": AccountVerdict.NO_INDICATION, "bob": GUILTY}
    assert literal(rows, (), ["AU"]).headline == ("By conditional_access_status: 100.0% of foreign attempts succeeded.")
    assert literal(rows, (), ["AU", "RU"]).headline.endswith("no foreign attempt was decided.")


def column(field: str, distinct: int, top: int, present: int = 1000, consistency: float = 1.0) -> Column:
    return Column(field, 1000, present, distinct, top, consistency)


def test_a_field_with_one_value_in_more_than_95_percent_is_not_recommended() -> None:
    assert recommended([column("code", 20, 951), column("access", 3, 700)]) == "access"
    assert recommended([column("code", 20, 950), column("access", 3, 700)]) == "code"


def test_where_every_field_holds_one_value_the_best_of_them_is_recommended_all_the_same() -> None:
    assert recommended([column("code", 1, 1000), column("access", 3, 970)]) == "access"
    assert recommended([column("code", 20, 900, present=0)]) is None


def test_population_and_consistency_count_as_much_as_distinct_values() -> None:
    assert recommended([column("code", 20, 700, present=100), column("access", 3, 700)]) == "access"
    assert recommended([column("code", 20, 700, consistency=0.1), column("access", 3, 700)]) == "access"


ROWS = st.lists(
    st.builds(
        said,
        st.sampled_from(["AU", "RU", "NZ", None]),
        st.integers(1, 40),
        status=st.sampled_from(["Success", "Failure", "Interrupted", None]),
        code=st.sampled_from(["0", "50126", "1", None]),
        access=st.sampled_from(["success", "failure", "notApplied", None]),
        account=st.sampled_from(["ann", "bob", None]),
        log=st.sampled_from([LogType.SIGN_IN, LogType.LEGACY, LogType.UAL]),
    ),
    max_size=12,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters_to_a_rival(rows: list[Reading], draw: object) -> None:
    mixed = [*rows]
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    assert naive(mixed, [PORTAL]) == naive(rows, [PORTAL])
    assert literal(mixed, ()) == literal(rows, ())


@given(ROWS)
def test_a_rival_calls_all_blocked_only_where_it_sees_no_success(rows: list[Reading]) -> None:
    opinion = naive(rows, [PORTAL])
    assert (opinion.verdict is BLOCKED) == (bool(rows) and " 0 successes" in opinion.headline)
