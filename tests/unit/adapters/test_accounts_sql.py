"""What is counted of accounts in SQL is what plain loops count, from the decision on a row to the leads."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import plain_reckoning as plain
from tests.support import plain_table
from tests.support.counting import POLICY, Counted, close_generation, counted_accounts, judged
from tests.support.drawn_cases import operations, owners, sign_ins
from tests.support.evidence import ANN, EVE, Row, at, sign_in
from tests.support.plain_accounts import Act, Reckoning
from tests.support.plain_reckoning import Event

FEWER = settings(max_examples=settings.default.max_examples // 2)
FEW = settings(max_examples=max(1, settings.default.max_examples // 5))
CLIENTS = {"IMAP4": True, "Exchange ActiveSync": True}


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


def said(row: Row) -> plain_table.Said:
    """What the row says by the decision table."""
    columns = row.columns
    return plain_table.decide(
        *(str(value) if value is not None else None for value in map(columns.get, WITNESSES)),
        ropc=columns.get("authentication_protocol") == "ropc",
    )


WITNESSES = ("status_error_code", "status_error_code_copy", "status", "conditional_access_status")
copies = st.builds(
    lambda row, copy: replace(row, columns={**row.columns, "status_error_code_copy": copy}),
    sign_ins(),
    st.sampled_from([None, None, "0", "50126", "512345", "1"]),
)


@FEWER
@given(st.lists(copies, min_size=1, max_size=30))
def test_every_row_is_decided_as_the_table_says(rows: list[Row]) -> None:
    with judged(rows) as con:
        found = con.execute(
            "SELECT row_no, outcome, confidence, decided_by, contradiction, accepted, unknown_code FROM events"
        ).fetchall()
    expected = {number: said(row) for number, row in enumerate(rows, 1)}
    assert {row[0]: plain_table.Said(*row[1:]) for row in found} == expected


def plain_events(rows: Sequence[Row], done: Sequence[Row], homes: Sequence[str]) -> list[Event]:
    """The sign-ins as plain events, decided, placed, and foreign or not."""
    events = [read(number, row) for number, row in enumerate(rows, 1)]
    acting = {(r.columns.get("account"), r.columns.get("address")) for r in done if r.columns.get("address")}
    acting_in = {(r.columns.get("account"), r.columns.get("session_id")) for r in done if r.columns.get("session_id")}
    sure = [e if not confirmed(e, acting, acting_in) else replace(e, confidence="HIGH") for e in events]
    return plain.settled(sure, homes, POLICY)


def confirmed(event: Event, acting: set[tuple[object, object]], acting_in: set[tuple[object, object]]) -> bool:
    """Whether the account acts from that address or session in another log, which makes Conditional Access sure."""
    told = event.decided_by == "conditional_access_status" and event.outcome == "SUCCESS" and event.account is not None
    return told and ((event.account, event.address) in acting or (event.account, event.session) in acting_in)


def read(number: int, row: Row) -> Event:
    columns, found = row.columns, said(row)
    text = {name: value if isinstance(value, str) else None for name, value in columns.items()}
    when = columns["event_time"]
    return Event(
        number,
        text["account"],
        when,  # type: ignore[arg-type]
        found.outcome,
        text["country"],
        text["address"],
        text.get("correlation_id"),
        code=text["status_error_code"] or text.get("status_error_code_copy"),
        decided_by=found.decided_by,
        confidence=found.confidence,
        session=text.get("session_id"),
        interactive=bool(columns["is_interactive"]),
        legacy=text["client_app_used"] in CLIENTS
        or text.get("authentication_protocol") == "ropc"
        or text.get("user_agent") == "BAV2ROPC",
        device_id=folded(text.get("device_id")),
        trust=folded(text.get("device_trust_type")),
        browser=(folded(text.get("browser")) or "").strip(" 0123456789.") or None,
        os=folded(text.get("os")),
    )


def folded(text: str | None) -> str | None:
    return text.lower() if text else None


def acts(con: duckdb.DuckDBPyConnection) -> list[Act]:
    """The critical operations as the statement before found them; which are critical is told elsewhere."""
    rows = con.execute(
        "SELECT account, event_time, operation, indicator IN ('persistence', 'exfiltration'), address, session_id"
        " FROM critical_operations"
    ).fetchall()
    return [Act(*row) for row in rows]


def hold_equal(counted: Counted, reckoning: Reckoning) -> None:
    names = {event.account for event in reckoning.events if event.account}
    assert {one.account for one in counted.accounts} == names
    for one in counted.accounts:
        expected = reckoning.account(one.account)
        found = asdict(one)
        assert {name: found[name] for name in expected} == expected, one.account
    leads = {(str(one.kind), tuple(sorted(one.accounts)), tuple(sorted(one.addresses))) for one in counted.leads}
    assert leads == reckoning.leads()


bursts = st.builds(
    lambda account, code, country, address, day, times: [
        sign_in(account, at(day, n), country, code, address=address) for n in range(times)
    ],
    st.sampled_from([ANN, "cy@contoso.example", "di@contoso.example"]),
    st.sampled_from(["50126", "500121", "0", "50053"]),
    st.sampled_from(["RU", "AU"]),
    st.sampled_from([EVE, "203.0.113.9"]),
    st.integers(14, 16),
    st.integers(1, 6),
)
"""Several of one kind at once, so that what needs a number is reached."""


@FEW
@given(
    st.lists(sign_ins(), max_size=20),
    st.lists(bursts, max_size=7),
    st.lists(operations(), max_size=6),
    st.sampled_from([["AU"], []]),
    st.integers(0, 99),
)
def test_accounts_and_leads_are_counted_as_the_rules_say_in_any_order_of_rows(
    drawn: list[Row], several: list[list[Row]], done: list[Row], homes: list[str], order: int
) -> None:
    rows = [*owners(), *drawn, *(row for burst in several for row in burst)]
    counted = counted_accounts([*rows, *done], homes, order)
    hold_equal(counted, Reckoning(plain_events(rows, done, homes), acts(counted.con), POLICY, homes))
