"""No statement makes more rows on its way than a small multiple of those there are, whatever all of them share.

Of a table in which everything is of one account, address, session and hour, a join of rows with rows would make the
square; counted are the rows that each step of the engine's own plan handed on.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.engine import Rows
from m365dq_dagster.adapters.engine.in_process import InProcess
from m365dq_dagster.adapters.sql import named_statements
from tests.support.counting import close_generation, counted_accounts
from tests.support.evidence import ANN, BOB, EVE, Row, abroad, at, at_home, legacy, mail, operation, sign_in

MANY = 300
MOST = 12
"""Rows on the way for each row there is; two or three joins of one to one and a sort need some."""
NAMES = {
    text: name
    for file in ("judge", "accounts", "places", "indicators")
    for name, text in named_statements(file).items()
}


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


def most_rows(plan: Mapping[str, Any]) -> int:
    """The most rows that any step of a plan handed on."""
    below = [*plan.get("children", ()), *plan.get("operator", ())]
    return max([int(plan.get("intermediate_rows", 0)), *map(most_rows, below)])


@pytest.fixture
def on_the_way(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The most rows of every named statement that is run from here on."""
    seen: dict[str, int] = {}
    run: Callable[..., Rows] = InProcess.run

    def watched(engine: InProcess, text: str, values: Mapping[str, object] | None = None) -> Rows:
        engine.con.execute("SET enable_profiling = 'no_output'")
        rows = run(engine, text, values)
        if text in NAMES:
            plan = json.loads(engine.con.get_profiling_information(format="json") or "{}")
            seen[NAMES[text]] = max(seen.get(NAMES[text], 0), most_rows(plan))
        return rows

    monkeypatch.setattr(InProcess, "run", watched)
    return seen


def beyond(seen: Mapping[str, int], rows: int) -> dict[str, int]:
    """The statements that made too many."""
    assert len(seen) > 20
    return {name: most for name, most in seen.items() if most > MOST * rows}


def in_one_hour(number: int) -> list[Row]:
    """What comes of one account in one moment: at home, abroad, refused, denied, and grave."""
    when = at(30, number / 10)
    device = {"browser": "Chrome 1", "os": "Windows"}
    told = json.dumps([{"Name": "ForwardingSmtpAddress", "Value": "smtp:x@example.org"}])
    eve = {"address": EVE, "session_id": "s1"}
    return [
        sign_in(ANN, when, "AU", browser="Edge 9", os="MacOs"),
        sign_in(ANN, when, "RU", **device, **eve),
        sign_in(ANN, when, "RU", "50126", address=EVE),
        sign_in(ANN, when, "RU", "500121", address=EVE),
        operation("Set-Mailbox", when=when, parameters=told, **eve),
    ]


def test_of_rows_that_share_account_address_session_and_hour(on_the_way: dict[str, int]) -> None:
    rows = [*at_home(), *(row for number in range(MANY) for row in in_one_hour(number))]
    found = counted_accounts(rows, ["AU"])
    (ann,) = found.accounts
    assert (ann.overlapping, ann.critical_operation) == (MANY, "Set-Mailbox")
    assert {str(lead.kind) for lead in found.leads} >= {"SUCCESS_AFTER_REJECTIONS", "SUCCESS_AFTER_MFA_DENIALS"}
    assert beyond(on_the_way, len(rows)) == {}


def test_of_one_day_with_a_device_a_row_in_two_homes(on_the_way: dict[str, int]) -> None:
    rows = [sign_in(BOB, at(day), "NZ") for day in range(12)]
    rows += [
        sign_in(BOB, at(3, n / 10), country, device_id=f"{country}-{n}")
        for n in range(MANY)
        for country in ("NZ", "AU")
    ]
    (bob,) = counted_accounts(rows, ["AU"]).accounts
    assert bob.two_places == 1
    assert beyond(on_the_way, len(rows)) == {}


def test_of_one_moment_that_logs_and_formats_tell_again(on_the_way: dict[str, int]) -> None:
    rows = [sign_in(ANN, at(1), event_id=f"e{n}", row_no=n) for n in range(MANY)]
    rows += [sign_in(ANN, at(1), file_id=3, row_no=MANY + n) for n in range(MANY)]
    rows += [legacy(ANN, at(1), address=EVE, row_no=n) for n in range(MANY)]
    rows += [sign_in(ANN, at(1), address=EVE, row_no=2 * MANY + n) for n in range(MANY)]
    con = counted_accounts([*rows, *abroad()], ["AU"]).con
    assert con.execute("SELECT count(*) FROM copies").fetchall() == [(MANY,)]
    con.execute("UPDATE files SET format = concat('format_', file_id), rows_imported = 1")
    measure.run_named(con, "suspect_copies")
    assert con.execute("SELECT count(*) FROM suspected_copies WHERE file_id = 3").fetchall() == [(MANY,)]
    assert beyond(on_the_way, len(rows)) == {}


def test_of_mail_that_one_person_sends_on_under_one_subject(on_the_way: dict[str, int]) -> None:
    came = [mail("x@example.org", ANN, at(1), f"in{n}", subject="Bill") for n in range(MANY)]
    went = [mail(ANN, "y@example.org", at(1, 0.1), f"out{n}", subject="FW: Bill") for n in range(MANY)]
    con = counted_accounts([*at_home(), *came, *went], ["AU"]).con
    assert con.execute("SELECT count(*), min(account) FROM passed_on").fetchall() == [(MANY, ANN)]
    assert beyond(on_the_way, len(came) + len(went)) == {}
